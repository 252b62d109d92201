"""How records show themselves in notebooks and terminals."""

import copy
import json
import pickle
import re
import shutil
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path

import pytest
import sympy as sp

from derivations.catalogue import ALL, theorem
from derivations.evidence import Verdicts
from derivations.paper import pdf
from derivations.questions import Judged
from numerics.verdict import Verdict
from theory.activations import Activation
from theory.architecture import GroupNorm, LayerNorm, Network
from theory.display import activation_in_latex, html_table, latex_array, words
from theory.prediction import predict, to_json

NET = Network("relu", depth=3, sigma_w2=2, sigma_b2=0.1, ratios=(1, 2, 1), outputs=10)
RICH = Network(
    "tanh",
    depth=3,
    sigma_w2=2,
    sigma_b2=0.1,
    layers=[LayerNorm(1.3, 0.5, trained=True), GroupNorm(groups=2)],
    last="mean-subtraction",
    bias_gradients=False,
)
NAMED = Network(
    Activation.named("leaky_relu", slope=0.1),
    depth=2,
    sigma_w2=1,
    weights="weight-normalization",
    trained_gains=True,
    raw_variance=3,
)
JUDGED = [
    Judged(
        id="unnormalized",
        network=NAMED,
        quantity="kappa_2",
        samples=16,
        verdict=Verdict.AGREES,
        alpha=1e-3,
        power=0.9,
        look=1,
        z=0.3,
        alpha_row=1e-4,
        predicted=0.245678,
        measured=1.0012,
        standard_error=0.0034,
        detectable=0.01,
        delta=0.02,
    ),
    Judged(
        id="unnormalized",
        network=NET,
        quantity="kappa_1",
        samples=16,
        verdict=Verdict.OUT_OF_REGIME,
        alpha=1e-3,
        power=0.9,
        delta=0.02,
        reason="a < b & c",
    ),
]


class Cells(HTMLParser):
    """The text of the cells of a table; an element that is not closed is an error."""

    def __init__(self):
        super().__init__()
        self.open, self.rows = [], []

    def handle_starttag(self, tag, attributes):
        self.open.append(tag)
        if tag == "tr":
            self.rows.append([])
        if tag in ("td", "th"):
            self.rows[-1].append("")

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if self.open and self.open[-1] in ("td", "th"):
            self.rows[-1][-1] += data


def cells(html):
    parser = Cells()
    parser.feed(html)
    parser.close()
    assert parser.open == []
    return parser.rows


# Networks


def test_network_names_what_differs_from_the_plain_one():
    shown = NET._repr_latex_()
    for part in (r"\max\left(0, x\right)", r"\sigma_w^2 = 2", r"\sigma_b^2 = 0.1", "L = 3"):
        assert part in shown
    assert "C = 10" in shown
    assert r"\alpha_l = 1, 2, 1" in shown
    assert "text" not in shown


def test_network_shows_its_schemes_and_choices():
    shown = RICH._repr_latex_()
    assert r"\text{layernorm}(\gamma = 1.3, \beta = 0.5, \text{trained})_{1}" in shown
    assert r"\text{groupnorm}(\mathrm{groups} = 2)_{2}" in shown
    assert r"\text{last: } \text{mean-subtraction}" in shown
    assert r"\text{no bias gradients}" in shown
    shown = NAMED._repr_latex_()
    assert r"\text{weights: weight-normalization}" in shown
    assert r"\text{trained gains}" in shown
    assert r"\sigma_v^2 = 3" in shown


def test_one_scheme_of_all_hidden_layers_is_shown_once():
    shown = Network("relu", depth=4, sigma_w2=2, hidden="batchnorm")._repr_latex_()
    assert shown.count("batchnorm") == 1
    assert "_{1}" not in shown


def test_symbolic_field_is_shown_in_its_letter():
    a = sp.Symbol("alpha_3", positive=True)
    assert r"\sigma_w^2 = \alpha_{3}" in Network("relu", depth=2, sigma_w2=a)._repr_latex_()


@pytest.mark.parametrize(
    ("activation", "latex"),
    [
        (Activation.named("relu"), r"\max\left(0, x\right)"),
        (Activation.named("tanh"), r"\tanh{\left(x \right)}"),
        (Activation.named("erf", scale=0.70710678), r"\operatorname{erf}{\left(0.7071 x \right)}"),
        (Activation.from_expression("x**2/3 + 1"), r"\frac{x^{2}}{3} + 1"),
    ],
    ids=lambda value: "",
)
def test_activation_is_shown_as_its_formula(activation, latex):
    assert activation_in_latex(activation) == latex


@pytest.mark.skipif(shutil.which("pdflatex") is None, reason="no pdflatex here")
def test_what_notebooks_show_as_latex_is_latex():
    shown = [
        *(net._repr_latex_() for net in (NET, RICH, NAMED)),
        predict(NET, 100, 10)._repr_latex_(),
        Verdicts(JUDGED)._repr_latex_(),
        Verdicts()._repr_latex_(),
        theorem("mean-subtraction-last")._repr_latex_(),
    ]
    page = "\\documentclass{article}\\usepackage{amsmath}\\begin{document}"
    content, _ = pdf.compiled(page + "\n\n".join(shown) + "\\end{document}")
    assert content.startswith(b"%PDF")


# Predictions


@pytest.mark.parametrize("regime", ["fixed-samples", "proportional"])
def test_prediction_shows_its_numbers(regime):
    prediction = predict(NET, 100, 40, regime=regime)
    said = to_json(prediction)
    header, *rows = cells(prediction._repr_html_())
    assert header == ["quantity", "", "prediction"]
    shown = {symbol: value for _, symbol, value in rows}
    assert float(shown["$K_1$"]) == pytest.approx(said["K"][0], rel=1e-7)
    assert float(shown["$K_2$"]) == pytest.approx(said["K"][1], rel=1e-7)
    assert float(shown["$m$"]) == pytest.approx(said["mean_eigenvalue"], rel=1e-7)
    assert float(shown["$s$"]) == pytest.approx(said["second_moment"], rel=1e-7)
    top = said["largest_eigenvalue"]
    assert float(shown[r"$\lambda_{\max}$"]) == pytest.approx(top["value"], rel=1e-7)
    assert float(shown[r"$2/\lambda_{\max}$"]) == pytest.approx(2 / top["value"], rel=1e-7)
    assert shown["$P$"] == str(said["parameters"])
    for _, symbol, value in rows:
        assert value in str(prediction)
        latex = value if symbol else words(value)
        assert f"{symbol.strip('$')} & {latex}" in prediction._repr_latex_()
    assert str(prediction).splitlines()[0] == str(NET)


def test_what_is_not_derived_is_a_dash_with_its_reason():
    network = Network("relu", depth=3, sigma_w2=2, last="batchnorm")
    prediction = predict(network, 100, 5)
    assert prediction.reason is not None
    assert prediction.second_moment is None
    assert cells(prediction._repr_html_())[-1] == ["not derived", "", prediction.reason]
    assert prediction.reason in str(prediction)
    assert ["second moment", "$s$", "-"] in cells(prediction._repr_html_())


def test_prediction_with_batches_shows_three_pair_types():
    network = Network("relu", depth=3, sigma_w2=2, hidden="batchnorm", batch_size=8)
    prediction = predict(network, 100, 16)
    shown = {symbol: value for _, symbol, value in cells(prediction._repr_html_())}
    assert float(shown["$K_3$"]) == pytest.approx(float(prediction.K.K3), rel=1e-7)


def test_prediction_in_symbols_or_many_digits_is_shown():
    M = sp.Symbol("M", integer=True, positive=True)
    assert "M" in str(predict(NET, M, 10))
    assert "largest eigenvalue" in str(predict(NET, 100, 10, digits=30))


# Verdicts


def test_verdicts_are_the_list_of_them():
    rows = Verdicts(JUDGED)
    assert rows == JUDGED
    assert [row.to_json() for row in rows] == [row.to_json() for row in JUDGED]
    assert json.loads(json.dumps([row.to_json() for row in rows]))
    assert copy.copy(rows) == JUDGED
    assert pickle.loads(pickle.dumps(rows)) == JUDGED
    assert rows[0] is JUDGED[0]


def test_verdicts_are_shown_as_a_table():
    rows = Verdicts(JUDGED)
    assert str(rows) == repr(rows)
    assert "1.0012(34)" in str(rows)
    _, one, other = cells(rows._repr_html_())
    assert one == [
        "unnormalized",
        str(NAMED),
        "16",
        "kappa_2",
        "0.24568",
        "1.0012(34)",
        "AGREES",
    ]
    assert other[-3:] == ["-", "-", "OUT OF REGIME"]
    assert "alpha = 0.001 for the whole run" in rows._repr_html_()
    assert r"\text{leaky\_relu" in rows._repr_latex_()
    assert str(Verdicts()) == "no verdicts"
    assert len(cells(Verdicts()._repr_html_())) == 1


def test_marks_in_a_table_are_escaped():
    html = html_table("a < b", ["x & y"], [["<script>"]])
    assert "<script>" not in html
    assert cells(html) == [["x & y"], ["<script>"]]
    assert words(" ") == ""
    assert latex_array(["a", "b"], [["1", "2"]]) == (
        "$$\\begin{array}{ll}\na & b \\\\ \\hline\n1 & 2\n\\end{array}$$"
    )


# Theorems


@pytest.mark.parametrize("one", ALL, ids=lambda one: one.id)
def test_theorem_shows_statement_assumptions_and_source(one):
    markdown, latex = one._repr_markdown_(), one._repr_latex_()
    for text in (markdown, latex):
        assert one.id in text
        assert all(assumption in text for assumption in one.assumptions)
    assert one.source in markdown
    assert one.statement in latex
    assert r"\[" not in markdown
    assert markdown.count("$$") % 2 == 0
    assert not re.search(r"\\begin\{(align|gather|multline)\*", markdown)
    assert repr(one) == f"<Theorem {one.id}>"
    assert one.says in str(one)
    assert not set("$\\") & set(str(one))


# Light and unchanged


def test_equality_hash_and_descriptions_are_those_of_the_fields():
    same = Network("relu", depth=3, sigma_w2=2, sigma_b2=0.1, ratios=(1, 2, 1), outputs=10)
    assert same == NET
    assert hash(same) == hash(NET)
    assert same.describe() == NET.describe()
    prediction, again = predict(NET, 50, 5), predict(same, 50, 5)
    assert prediction == again
    assert to_json(prediction) == to_json(again)


def test_records_are_built_without_what_shows_them():
    code = (
        "import sys, theory\n"
        "net = theory.Network('relu', depth=3, sigma_w2=2)\n"
        "str(net), repr(net)\n"
        "print({'sympy', 'theory.display', 'derivations'} & set(sys.modules))"
    )
    run = subprocess.run(
        [sys.executable, "-c", code],
        cwd=Path(__file__).parent.parent,
        capture_output=True,
        text=True,
        check=True,
    )
    assert run.stdout.strip() == "set()"
