"""The derivations on paper: formulas broken, symbols explained, sources listed, LaTeX compiled."""

import json
import re
import shutil
from dataclasses import replace

import pytest
import sympy as sp

from derivations.catalogue import ALL, theorem
from derivations.cli import main
from derivations.paper import evidence_table, glossary, pdf
from derivations.paper.document import PARTS, document
from derivations.paper.notation import NOTATION
from derivations.paper.plain import escaped, in_latex
from derivations.paper.references import REFERENCES, bibliography, cited
from derivations.proof import Proof
from derivations.proof.breaking import broken, width
from derivations.proof.latex import Letter, collected, to_latex
from derivations.proof.layout import LINE, display
from derivations.questions import Judged
from derivations.verdict_list import Verdicts
from numerics.verdict import Verdict
from theory.errors import DescriptionError
from theory.symbols import GLOSSARY, K1, K2, N, m1, q11, q12, q22

ARTEFACTS = (
    "Derivative(",
    "Integral(",
    "Piecewise",
    "Subs",
    "KroneckerDelta",
    "None",
    "mathtt",
    r"\limits",
    "begin{cases}",
    "_row",
    "- -",
    "+ -",
    "= =",
    "zoo",
    "nan",
)
BRACKETS = (("{", "}"), (r"\left", r"\right"), (r"\Bigl", r"\Bigr"), (r"\biggl", r"\biggr"))
IDS = [one.id for one in ALL]
LATEX = {one.id: one.prove().to_latex() for one in ALL}
COMPILES = pytest.mark.skipif(shutil.which("pdflatex") is None, reason="no pdflatex here")


def displays(latex):
    """The formulas that stand on lines of their own, each on one line."""
    found = re.findall(r"(?:\\\[|\\begin\{align\*\})\n(.*?)\n\\(?:\]|end)", latex, re.DOTALL)
    return [re.sub(r"\\\\\n|& | &", " ", one) for one in found]


def overfull(log):
    return [float(points) for points in re.findall(r"Overfull \\hbox \(([\d.]+)pt", log)]


@pytest.fixture
def unverified(monkeypatch):
    """Documents without the seconds that the verification takes; other tests verify."""
    monkeypatch.setattr(Proof, "verify", lambda self: None)


# Formulas


@pytest.mark.parametrize("id", IDS)
def test_proof_has_no_artefact_of_computer_algebra(id):
    formulas = displays(LATEX[id])
    assert formulas
    assert [one for one in formulas for artefact in ARTEFACTS if artefact in one] == []
    assert [one for one in formulas if re.search(r"\d\.\d{1,2}(?!\d)", one)] == []
    for opening, closing in BRACKETS:
        assert LATEX[id].count(opening) == LATEX[id].count(closing)


@pytest.mark.parametrize("id", IDS)
def test_no_side_of_an_equality_is_repeated(id):
    chains = [
        [side.strip() for side in re.split(r"\s=\s", one) if side.strip()]
        for one in displays(LATEX[id])
    ]
    assert [chain for chain in chains if len(set(chain)) < len(chain)] == []


@pytest.mark.parametrize("id", IDS)
def test_every_step_has_a_reason_that_is_a_sentence(id):
    for lemma in theorem(id).prove().lemmas:
        for text in (lemma.opening, *(step.reason for step in lemma.steps)):
            assert re.match(r"[A-Z$\\1]|[a-z]+-", text), text
            assert text.endswith((".", ":", ",", "$")), text


@pytest.mark.parametrize("id", IDS)
def test_no_line_of_a_formula_is_wider_than_a_page(id):
    lines = re.findall(r"^  (.*?)(?: \\\\)?$", LATEX[id], re.MULTILINE)
    assert [line for line in lines if width(line.replace("& ", "")) > 1.4 * LINE] == []


SIZES = {r"\biggl": r"\left", r"\biggr": r"\right"}


def test_broken_formula_is_the_formula():
    a, b, c, d = ("x^{2} + y", r"\frac{1}{2} \left(u + v\right)", r"\sqrt{w}", "1234567890")
    latex = " - ".join((a, b, c, d))
    for line in (8, 12, 20, 40):
        lines = broken(latex, line)
        whole = "".join(part.removeprefix("{}") for part in lines)
        assert re.sub(r"\\bigg[lr]", lambda m: SIZES[m[0]], whole) == latex
        assert all(width(part) <= max(line, 16) for part in lines)
    assert broken(latex, 1000) == [latex]


def test_wide_fraction_is_opened_and_its_brackets_keep_one_size():
    latex = r"\frac{aaaaaaaa + bbbbbbbb - cccccccc}{N}"
    assert broken(latex, 14) == [
        r"\frac{1}{N} \biggl(aaaaaaaa",
        "{} + bbbbbbbb",
        r"{} - cccccccc\biggr)",
    ]


def test_sum_that_occurs_twice_is_written_once():
    total = q11 * q22 - q12**2 + q11 * m1 + q22 * m1 + 7
    stated = sp.sqrt(total) * (m1 / total + q22 * K1 / total**2 + K2 / total**3)
    latex = display([sp.Symbol("A")], stated)
    assert latex.count("q_{12}^{2}") == latex.count(r"\text{where } \Delta = ") == 1
    assert latex.count(r"\Delta") == 5


def test_definition_of_an_abbreviation_is_never_lost():
    for latex in LATEX.values():
        for one in displays(latex):
            assert (r"\Delta" in one) == (r"\text{where } \Delta = " in one)


def test_what_is_equal_up_to_order_is_said_once():
    letter = sp.Symbol("F")
    assert display([letter], letter) == ""
    assert display([N * K1 + K2], K2 + K1 * N) == ""
    assert display([letter, Letter("a b + c")], Letter("c + a b")).count("=") == 1
    assert display([letter, Letter("a b + c")], Letter("a b - c")).count("=") == 2


def test_decimals_that_are_whole_or_halves_are_printed_as_fractions():
    assert to_latex(1.0 * K1 / N) == to_latex(K1 / N)
    assert to_latex(0.5 * K1) == to_latex(K1 / 2)
    assert "0.7" in to_latex(0.7 * K1)


def test_long_polynomial_is_collected_and_equal():
    powers = [q11**i * q22**j * q12**k for i in range(4) for j in range(4) for k in range(2)]
    total = sp.Add(*powers)
    assert collected(total) != total
    assert sp.expand(collected(total) - total) == 0
    latex = to_latex(total)
    assert latex.count("q_{12}") == 1
    assert latex.count(r"\left(q_{11} + 1\right)") == 2


# Symbols


@pytest.mark.parametrize("id", IDS)
def test_every_symbol_is_in_the_glossary(id):
    assert glossary.undefined(LATEX[id]) == set()


@pytest.mark.parametrize(
    ("latex", "letter", "below"),
    [
        (r"$\aleph + 1$", r"\aleph", ""),
        (r"\[ \hat z_t \]", r"\hatz", "t"),
        (r"\begin{align*} K_{\max} & = 1 \end{align*}", "K", r"\max"),
        (r"$\mathrm{Foo}(x)$", r"\mathrmFoo", ""),
        (r"$x^{\aleph}$", r"\aleph", ""),
    ],
)
def test_symbol_without_an_entry_is_seen(latex, letter, below):
    assert glossary.undefined(latex) == {(letter, below)}


def test_glossary_lists_what_is_used_and_nothing_else():
    table = glossary.glossary(r"$\kappa_1 + q_{12}$")
    assert re.findall(r"^\$(.*?)\$ &", table, re.MULTILINE) == ["q_{12}", r"\kappa_1"]
    assert r"$q_{12}^2 < q_{11} q_{22}$ & covariance of $u_t$ and $u_s$" in table


def test_every_symbol_of_the_proofs_has_an_entry_of_its_own():
    lines = glossary.entries()
    assert len(lines) == len(NOTATION) + len(GLOSSARY)
    assert all(one.latex and one.meaning for one in lines)


@pytest.mark.parametrize(
    ("text", "latex"),
    [
        ("number of samples", "number of samples"),
        ("E phi'(u)^2", r"$E \varphi'(u)^2$"),
        ("N x 1", r"$N \times 1$"),
        ("0..pi/2", r"$0\ldots \pi/2$"),
        ("|qh_2| <= qh_1", r"$|\hat q_2| \le  \hat q_1$"),
        ("q_12^2 < q_11 q_22", "$q_{12}^2 < q_{11} q_{22}$"),
        ("density of a pair at (1, -1), likewise", "density of a pair at $(1, -1)$, likewise"),
        ("slope of lambda_1 along", r"slope of $\lambda_1$ along"),
        ("A_t^T A_t", r"$A_t^{\top} A_t$"),
    ],
)
def test_words_of_the_glossary_become_formulas(text, latex):
    assert in_latex(text) == latex


def test_marks_of_latex_are_escaped():
    assert escaped(r"a_b & 50% \x{}") == r"a\_b \& 50\% \textbackslash{}x\{\}"


# Sources


@pytest.mark.parametrize("id", IDS)
def test_every_dated_source_is_a_reference(id):
    source = theorem(id).source
    for reference in REFERENCES:
        source = source.replace(reference.short, "")
    assert re.findall(r"\b1[89]\d\d\b|\b20\d\d\b", source) == []


def test_references_are_those_that_are_cited():
    source = "kernels: Cho & Saul, NeurIPS 2009; Price, IRE Trans. Inf. Theory 1958"
    keys = set(re.findall(r"\\cite\{(\w+)\}", cited(source)))
    assert keys == set(re.findall(r"\\bibitem\{(\w+)\}", bibliography([source])))
    assert keys == {"cho2009", "price1958"}
    assert bibliography(["this project"]) == ""
    assert len({one.key for one in REFERENCES}) == len(REFERENCES)


# Verdicts

ROW = {
    "id": "unnormalized",
    "network": "leaky_relu (2, 0.1), L=3",
    "quantity": "kappa_2",
    "samples": 16,
    "verdict": "AGREES",
    "alpha": 0.001,
    "predicted": 0.245678,
    "measured": 1.0012,
    "standard_error": 0.0034,
}


def stored(tmp_path, rows):
    path = tmp_path / "verdicts.json"
    path.write_text(rows if isinstance(rows, str) else json.dumps(rows), encoding="utf-8")
    return path


def test_verdicts_stand_beside_their_theorem():
    rows = [ROW, {**ROW, "id": "batchnorm-last", "verdict": "REFUTED"}]
    table = evidence_table.table(theorem("unnormalized"), rows)
    assert r"leaky\_relu (2, 0.1), L=3 & 16 & 0.24568 & 1.0012(34) & agrees" in table
    assert "refuted" not in table
    assert "Error rate of the whole run: 0.001" in table
    assert "Not judged" in evidence_table.table(theorem("blocks"), rows)
    assert "proved and not measured" in evidence_table.table(theorem("price"), rows)


def test_row_without_numbers_is_shown_with_its_verdict():
    row = {**ROW, "verdict": "OUT OF REGIME", "predicted": None, "measured": None}
    table = evidence_table.table(theorem("unnormalized"), [{**row, "standard_error": None}])
    assert "& 16 & -- & -- & out of regime" in table


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("no json", "cannot read verdicts"),
        ("{}", "no list"),
        ([ROW, 3], "row 2"),
        ([{**ROW, "quantity": None}], "no quantity"),
        ([{**ROW, "measured": "1"}], "no measured"),
        ([{**ROW, "measured": True}], "no measured"),
        ('[{"id": "a", "network": "", "quantity": "", "verdict": "", "samples": NaN}]', "samples"),
        ([{name: value for name, value in ROW.items() if name != "alpha"}], "no alpha"),
    ],
)
def test_file_that_holds_no_verdicts_is_refused(tmp_path, content, said):
    with pytest.raises(DescriptionError, match=said):
        evidence_table.read_rows(str(stored(tmp_path, content)))


# Documents


def test_parts_hold_every_theorem_once():
    assert [one.id for members in PARTS.values() for one in members] == IDS


def test_document_has_statement_assumptions_proof_verdicts_symbols_and_references(unverified):
    one, other = theorem("unnormalized"), theorem("price")
    latex = document([one, other], [ROW])
    for theorem_ in (one, other):
        assert rf"\label{{theorem:{theorem_.id}}}" in latex
        for assumption in theorem_.assumptions:
            assert assumption.partition("(")[0] in latex
    assert r"\part{Gaussian kernels}" in latex
    assert r"\part{Descent" not in latex
    assert "1.0012(34)" in latex
    assert r"\bibitem{price1958}" in latex
    assert r"\tableofcontents" in latex


def test_document_refuses_a_proof_that_does_not_follow(monkeypatch):
    known = theorem("zero-residual")
    proof = known.prove()
    path, value = next((path, value) for path, value in proof.places() if path[-1] == "states")
    broken_ = replace(known, prove=lambda: proof.altered(path, 2 * value))
    with pytest.raises(Exception, match="zero-residual"):
        document([broken_])


@COMPILES
def test_document_of_one_theorem_compiles(tmp_path, capsys):
    path = tmp_path / "one.pdf"
    verdicts = stored(tmp_path, [ROW])
    words = ["derive", "zero-residual", "--out", str(path), "--verdicts", str(verdicts)]
    assert main(words) == 0
    assert capsys.readouterr().out == ""
    assert path.read_bytes().startswith(b"%PDF")
    assert path.with_suffix(".tex").read_text(encoding="utf-8").startswith(r"\documentclass")


@COMPILES
@pytest.mark.slow
def test_document_of_all_theorems_compiles_without_a_warning():
    rows = [{**ROW, "id": one.id, "quantity": row.quantity} for one in ALL for row in one.rows]
    latex = document(ALL, rows)
    assert glossary.undefined(latex) == set()
    _, log = pdf.compiled(latex)
    assert [points for points in overfull(log) if points > 5] == []
    assert re.findall(r"^LaTeX Warning.*|^Package .* Warning.*", log, re.MULTILINE) == []
    assert not pdf.AGAIN.search(log)


@COMPILES
@pytest.mark.parametrize("id", ["kernel-gelu", "sharpness-flow"])
def test_document_has_no_overfull_box_and_no_undefined_reference(unverified, id):
    _, log = pdf.compiled(document([theorem(id), theorem("price")]))
    assert overfull(log) == []
    assert "undefined" not in log.lower()


@COMPILES
def test_overfull_box_and_error_of_latex_are_seen():
    page = "\\documentclass{{article}}\\begin{{document}}{}\\end{{document}}"
    _, log = pdf.compiled(page.format(r"\hbox to 1cm{" + "wide " * 99 + "}"))
    assert overfull(log)
    with pytest.raises(DescriptionError, match="Undefined control sequence"):
        pdf.compiled(page.format(r"\nonsense"))


def test_without_latex_the_source_is_written_and_the_message_says_so(
    unverified, monkeypatch, tmp_path, capsys
):
    monkeypatch.setenv("PATH", str(tmp_path))
    path = tmp_path / "one.pdf"
    assert main(["derive", "zero-residual", "--out", str(path)]) == 2
    said = capsys.readouterr().err
    assert said.count("\n") == 1
    assert "no pdflatex" in said
    assert f"{path.with_suffix('.tex')} is written" in said
    assert not path.exists()
    assert r"\end{document}" in path.with_suffix(".tex").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ([], "ID of a theorem or --all"),
        (["price", "--all"], "ID of a theorem or --all"),
        (["nonsense", "--out", "x.tex"], "unknown theorem 'nonsense'"),
        (["price", "--out", "x.doc"], ".tex or .pdf, x.doc given"),
        (["price", "--out", "x"], ".tex or .pdf, x given"),
        (["price", "--out", "missing/x.tex"], "cannot write missing/x.tex"),
        (["price", "--judge"], "name it with --out"),
        (["price", "--out", "x.tex", "--judge", "--verdicts", "y"], "not both"),
        (["price", "--out", "x.tex", "--verdicts", "missing.json"], "missing.json"),
        (["price", "--out", "/proc/x.tex"], "cannot write /proc/x.tex"),
    ],
)
def test_meaningless_derive_is_one_line(words, said, unverified, monkeypatch, tmp_path, capsys):
    monkeypatch.chdir(tmp_path)
    assert main(["derive", *words]) == 2
    out, err = capsys.readouterr()
    assert (out, err.count("\n")) == ("", 1)
    assert said in err
    assert list(tmp_path.iterdir()) == []


def test_verdict_of_an_unknown_row_is_refused(tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    verdicts = stored(tmp_path, [{**ROW, "quantity": "nonsense"}])
    assert main(["derive", "price", "--out", "x.tex", "--verdicts", str(verdicts)]) == 2
    assert "unnormalized, nonsense" in capsys.readouterr().err


def test_folder_that_is_not_writable_is_refused(monkeypatch, tmp_path, capsys):
    monkeypatch.setattr("os.access", lambda path, mode: False)
    assert main(["derive", "price", "--out", str(tmp_path / "x.tex")]) == 2
    assert "permission denied" in capsys.readouterr().err


@pytest.mark.parametrize(("verdict", "status"), [(Verdict.AGREES, 0), (Verdict.REFUTED, 1)])
def test_judge_measures_and_ends_with_the_status_of_the_run(
    verdict, status, unverified, monkeypatch, tmp_path
):
    known, asked = theorem("blocks"), []
    row = Judged("blocks", known.cases[0].network, known.rows[0].quantity, 16, verdict)

    def check(ids, say):
        asked.extend(ids)
        return Verdicts([row])

    monkeypatch.setattr("derivations.evidence.check", check)
    path = tmp_path / "blocks.tex"
    assert main(["derive", "blocks", "--out", str(path), "--judge"]) == status
    assert asked == ["blocks"]
    assert f"& {str(verdict).lower()}" in path.read_text(encoding="utf-8")


def test_identity_is_not_judged(unverified, monkeypatch, tmp_path):
    monkeypatch.setattr("derivations.evidence.check", lambda *_, **__: pytest.fail("measured"))
    assert main(["derive", "price", "--out", str(tmp_path / "x.tex"), "--judge"]) == 0


def test_all_proofs_are_printed(unverified, monkeypatch, capsys):
    few = (theorem("blocks"), theorem("price"), theorem("zero-residual"))
    monkeypatch.setattr("derivations.catalogue.ALL", few)
    assert main(["derive", "--all"]) == 0
    text = capsys.readouterr().out
    said = [f"{one.id}: {one.says}" for one in few]
    assert [line for line in text.splitlines() if line in said] == said
    assert main(["derive", "--all", "--latex"]) == 0
    assert capsys.readouterr().out == document(few)
