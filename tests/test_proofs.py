"""Proofs, proved: they hold, they end in what theory predicts, and every error turns them red."""

import re
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import sympy as sp

from derivations.catalogue import THEOREMS, theorem
from derivations.networks import NETWORKS, TANH
from derivations.proof import (
    Evaluate,
    Integrate,
    Lemma,
    Proof,
    ProofError,
    Step,
    SumOver,
    Trace,
    equality,
    objection,
)
from derivations.proof.words import reduced
from derivations.samples import samples_at
from derivations.sharpness.catalogue import SHARPNESS_THEOREMS
from theory import fisher, gaussian, normalization
from theory import symbols as glossary
from theory.architecture import (
    BatchNorm,
    DescriptionError,
    MeanSubtraction,
    Network,
    OutOfRegime,
)
from theory.mathematics import FLOATS
from theory.meanfield import Backward, OrderParameters, order_parameters
from theory.symbols import GLOSSARY, K1, K2, N, delta, identity, ones, ones_row, t, x

IDS = [one.id for one in THEOREMS]
PROOFS = {one.id: one.prove() for one in THEOREMS}


# What a proof ends in


@pytest.mark.parametrize(
    ("id", "quantity"),
    [(one.id, row.quantity) for one in THEOREMS for row in one.rows if row.given_outputs is None],
)
def test_proof_ends_in_the_prediction_of_each_row(id, quantity):
    wrong = tuple(
        replace(row, value=lambda t, of=row.value: 2 * of(t)) if row.quantity == quantity else row
        for row in theorem(id).rows
    )
    with pytest.raises(ProofError, match=f"does not end in the prediction of {quantity}"):
        replace(PROOFS[id], theorem=replace(theorem(id), rows=wrong)).verify()


@pytest.mark.parametrize("id", IDS)
def test_row_without_a_lemma_is_refused(id):
    silent = tuple(replace(lemma, row=None) for lemma in PROOFS[id].lemmas)
    with pytest.raises(ProofError, match="no lemma ends in the prediction of"):
        replace(PROOFS[id], lemmas=silent).verify()


@pytest.mark.parametrize("one", [*THEOREMS, *SHARPNESS_THEOREMS], ids=lambda one: one.id)
def test_letter_has_one_meaning_in_a_proof(one):
    known = [place for _, place in one.prove().places() if isinstance(place, sp.Basic)]
    used = {symbol for place in known for symbol in GLOSSARY if place.has(symbol)}
    letters = [GLOSSARY[symbol].latex for symbol in used]
    shared = {letter for letter in letters if letters.count(letter) > 1}
    assert shared <= {r"\hat f", r"\sigma^2"}, "a vector and its entries, a function and its value"


def test_glossary_says_what_a_symbol_means():
    assert all(term.meaning and term.domain for term in GLOSSARY.values())


# Every wrong formula is noticed


def times(module, name, factor):
    formula = getattr(module, name)
    return module, name, lambda *args, **options: formula(*args, **options) * factor


def moments_of(name, **wrong):
    """The moments of one activation with a wrong entry."""

    def moments(activation, pair, right=gaussian.moments):
        found = right(activation, pair)
        if activation.name != name:
            return found
        return found._replace(**{entry: value(found) for entry, value in wrong.items()})

    return gaussian, "moments", moments


def _forgotten_gap(layer, sigma_w2, above):
    return Backward(
        sigma_w2 * layer.derivative_first * above.T, sigma_w2 * layer.derivative_second * above.S
    )


def _squared_weight(layer, sigma_w2, above):
    right = normalization.plain.pull_back(layer, sigma_w2, above)
    return Backward(right.T, sigma_w2 * right.S)


def _without_bias(self, widths, bias_gradients, kernel=OrderParameters.kernel):
    return kernel(self, widths, False)


def _without_last_layer(self, widths, bias_gradients, kernel=OrderParameters.kernel):
    return kernel(self, (*widths[:-1], 0), bias_gradients)


def _degrees_of_freedom(v, N, power=1):
    return N**power / (v**power * sp.Mul(*(N - 2 - 2 * k for k in range(power))))


WRONG = {
    "kappa_1 forgotten in the outlier": (
        ("unnormalized",),
        (fisher, "uniform_mode", lambda K1, K2, N: (N - 1) * K2 / N),
    ),
    "N for N - 1 in the outlier": (
        ("unnormalized",),
        (fisher, "uniform_mode", lambda K1, K2, N: (K1 + N * K2) / N),
    ),
    "bulk not divided by N": (
        ("unnormalized", "mean-subtraction-last"),
        (fisher, "bulk_mode", lambda gap, N: gap),
    ),
    "mean doubled": (("unnormalized",), times(fisher, "mean_eigenvalue", 2)),
    "cross term forgotten in s": (
        ("unnormalized",),
        (fisher, "second_moment", lambda K1, K2, N, C, P: C / P * K1**2 / N),
    ),
    "N for N - 1 in the centred trace": (
        ("mean-subtraction-last",),
        (fisher, "centred_mean_eigenvalue", lambda gap, N, C, P: C * gap / P),
    ),
    "gap not squared in s": (
        ("mean-subtraction-last",),
        (
            fisher,
            "centred_second_moment",
            lambda gap, N, C, P, noise=0: C * (N - 1) * gap / (P * N**2),
        ),
    ),
    "rank N - 1 behind batch norm": (
        ("batchnorm-last",),
        (fisher, "conditional_trace", lambda gap, N: (N - 1) * gap),
    ),
    "unbiased variance": (("batchnorm-last",), (fisher, "output_variance", lambda v, N: v)),
    "N - 2 for N - 3 in the mean of 1/sigma^2": (
        ("batchnorm-last",),
        (fisher, "inverse_variance", _degrees_of_freedom),
    ),
    "gamma forgotten in m": (
        ("batchnorm-last",),
        (
            fisher,
            "normalized_mean_eigenvalue",
            lambda gap, trace, gamma, N, C, P: C * gap / (N * P) * trace,
        ),
    ),
    "gamma^2 for gamma^4 in s": (
        ("batchnorm-last",),
        (
            fisher,
            "normalized_second_moment",
            lambda gap, trace, gamma, N, C, P, noise=0: C * gamma**2 * gap**2 / (N**2 * P) * trace,
        ),
    ),
    "diagonal forgotten in the recursion of S": (
        ("unnormalized",),
        (normalization.RULES, "none", _forgotten_gap),
    ),
    "sigma_w^2 squared in the recursion of S": (
        ("unnormalized",),
        (normalization.RULES, "none", _squared_weight),
    ),
    "bias gradients forgotten": (("unnormalized",), (OrderParameters, "kernel", _without_bias)),
    "last layer forgotten": (
        ("unnormalized",),
        (OrderParameters, "kernel", _without_last_layer),
    ),
    "ReLU kernel of Cho and Saul, twice ours": (
        ("unnormalized",),
        moments_of("relu", second=lambda right: 2 * right.second),
    ),
    "second moment of ReLU doubled": (
        ("unnormalized",),
        moments_of("relu", first=lambda right: 2 * right.first),
    ),
    "derivative of ReLU at the complementary angle": (
        ("unnormalized",),
        moments_of("relu", derivative_second=lambda right: right.derivative_gap),
    ),
    "erf kernel without its factor 2/pi": (
        ("unnormalized",),
        moments_of("erf", second=lambda right: right.second * sp.pi / 2),
    ),
    "scale of erf forgotten in its derivative": (
        ("unnormalized",),
        moments_of(
            "erf", derivative_second=lambda right: right.derivative_second.subs(glossary.scale, 1)
        ),
    ),
    "slope of erf at one sample from two": (
        ("unnormalized",),
        moments_of("erf", derivative_first=lambda right: right.derivative_second),
    ),
}


@pytest.mark.parametrize(
    ("id", "name"), [(id, name) for name, (ids, _) in WRONG.items() for id in ids]
)
def test_proof_refuses_a_wrong_formula(id, name, monkeypatch):
    where, attribute, wrong = WRONG[name][1]
    if where is normalization.RULES:
        monkeypatch.setitem(where, attribute, replace(where[attribute], pull_back=wrong))
    else:
        monkeypatch.setattr(where, attribute, wrong)
    with pytest.raises(ProofError):
        theorem(id).prove().verify()


# How a step fails


def single(definition, *steps, given=()):
    """A proof of nothing but these steps."""
    lemma = Lemma("one", "", "a", definition, steps, given)
    return Proof(replace(theorem("unnormalized"), rows=()), (lemma,))


def test_false_equality_fails_at_a_point_with_both_sides():
    step = Step(Evaluate(), K1 - K2, "Guess.")
    with pytest.raises(ProofError, match=r"lemma 'one', step 1 \(Guess\.\).*K1 = .* they are"):
        single(K1 + K2, step).verify()


def test_equality_that_cannot_be_simplified_is_refused(monkeypatch):
    monkeypatch.setattr(equality, "FORMS", ())
    objection.cache_clear()
    step = Step(Evaluate(), K1**2 + 2 * K1 * K2 + K2**2, "Expand.")
    with pytest.raises(ProofError, match="could not simplify the difference to 0"):
        single((K1 + K2) ** 2, step).verify()
    objection.cache_clear()


def test_pair_is_no_number():
    with pytest.raises(ProofError, match="a pair is no number"):
        single(sp.Tuple(K1, K2), Step(Evaluate(), K1, "Take one.")).verify()
    with pytest.raises(ProofError, match="2 components, 1 stated"):
        single(sp.Tuple(K1, K2), Step(Evaluate(), sp.Tuple(K1), "Take one.")).verify()


def test_delta_is_summed_over_its_own_range():
    with pytest.raises(ProofError, match="not over the range of delta"):
        single(delta(t, glossary.s), Step(SumOver(t, 2 * N), sp.S.One, "Sum too far.")).verify()


def test_meaningless_operation_is_refused():
    step = Step(Integrate(2 * glossary.u_t, sp.S.Zero, sp.S.One), K1, "Integrate.")
    with pytest.raises(ProofError, match="the operation has no meaning"):
        single(K1, step).verify()


def test_lemma_is_used_after_it_is_proved():
    first, second, *rest = PROOFS["mean-subtraction-last"].lemmas
    for lemmas, message in (
        ((second, first, *rest), "uses 'ones', not proved before it"),
        ((first, first, second, *rest), "two lemmas are named 'ones'"),
    ):
        with pytest.raises(ProofError, match=message):
            replace(PROOFS["mean-subtraction-last"], lemmas=lemmas).verify()


# The algebra of words against matrices, sums against sums


@pytest.mark.parametrize("size", [4, 7])
@pytest.mark.parametrize("seed", range(3))
def test_algebra_of_words_equals_matrices(size, seed):
    random_numbers = np.random.default_rng(seed)
    one = np.ones((size, 1))
    vector = random_numbers.normal(size=(size, 1))
    vector -= vector.mean()
    square = (vector**2).sum().item()
    row = sp.Symbol("x_row", commutative=False)
    rules = {
        ones_row * ones: sp.Integer(size),
        ones_row * x: sp.S.Zero,
        row * ones: sp.S.Zero,
        row * x: sp.Float(square),
        Trace(identity): sp.Integer(size),
    }
    matrices = {identity: np.eye(size), ones: one, ones_row: one.T, x: vector, row: vector.T}

    def matrix(word):
        total = np.zeros((size, size))
        for term in sp.Add.make_args(sp.expand(word)):
            factors, letters = term.args_cnc()
            product = np.eye(size)
            for letter in letters:
                base, power = letter.as_base_exp()
                for _ in range(int(power)):
                    product = product @ matrices[base]
            total += float(sp.Mul(*factors)) * product
        return total

    a, b, c, d = (
        sum(
            int(number) * word
            for number, word in zip(
                random_numbers.integers(-4, 5, 4),
                (identity, ones * ones_row, x * row, x * ones_row),
                strict=True,
            )
        )
        for _ in range(4)
    )
    word = a * b * c + d * d
    np.testing.assert_allclose(matrix(reduced(word, rules)), matrix(word), rtol=1e-12, atol=1e-9)
    trace = reduced(Trace(word), rules)
    np.testing.assert_allclose(float(trace), np.trace(matrix(word)), rtol=1e-12, atol=1e-9)


@pytest.mark.parametrize("size", [1, 2, 5])
def test_symbolic_sum_equals_the_sum_of_its_terms(size):
    a, b = glossary.t_inner, glossary.s_inner
    entry = (K1 - K2 * delta(a, b)) * glossary.Lambda[a, b] * delta(t, a) + K1 * delta(a, b)
    total = equality.summed(sp.Sum(entry, (b, 1, N), (a, 1, N)))
    for place in range(1, size + 1):
        terms = [
            entry.subs({a: i, b: j, t: place, N: size})
            for i in range(1, size + 1)
            for j in range(1, size + 1)
        ]
        assert sp.expand(total.subs({N: size, t: place}).doit() - sum(terms)) == 0


@pytest.mark.parametrize("network", NETWORKS, ids=lambda network: network.activation.name)
@pytest.mark.parametrize("N", [2, 16])
def test_folded_start_centres_the_kernel_and_keeps_the_gap(network, N):
    arguments = (FLOATS, N, float(network.sigma_w2), float(network.sigma_b2))
    folded = (Backward(1 - 1 / N, 0), Backward(-1 / N, 0))
    linear, centred = (
        order_parameters(network, *arguments, **start).kernel(network.widths(100), True)
        for start in ({}, {"start": folded})
    )
    assert abs(centred.K1 + (N - 1) * centred.K2) < 1e-9 * centred.K1
    assert centred.gap == pytest.approx(linear.gap)


# What is printed


BRACKETS = (("{", "}"), (r"\left", r"\right"), (r"\Bigl", r"\Bigr"), (r"\biggl", r"\biggr"))


@pytest.mark.parametrize("id", IDS)
def test_latex_has_no_artefacts(id):
    latex = PROOFS[id].to_latex()
    for artefact in ("Piecewise", "mathtt", "KroneckerDelta", r"\limits", "Subs", "_row", "None"):
        assert artefact not in latex
    for opening, closing in BRACKETS:
        assert latex.count(opening) == latex.count(closing)


@pytest.mark.parametrize("id", IDS)
def test_no_equality_is_trivial(id):
    latex = re.sub(r"\\\\\n|& | &", "", PROOFS[id].to_latex())
    displays = re.findall(r"(?:\\\[|\{align\*\})\n(.*?)\n\\(?:\]|end)", latex, re.DOTALL)
    sides = [[side.strip() for side in re.split(r"\s=\s", display)] for display in displays]
    assert len(sides) > 10
    assert [chain for chain in sides if len(set(chain)) < len(chain)] == []


@pytest.mark.parametrize("id", IDS)
def test_latex_numbers_every_step_with_its_reason(id):
    latex, text = PROOFS[id].to_latex(), PROOFS[id].to_text()
    for number, lemma in enumerate(PROOFS[id].lemmas, start=1):
        for place, step in enumerate(lemma.steps, start=1):
            assert f"[({number}.{place})] {step.reason}" in latex
            assert f"{number}.{place} {type(step.operation).__name__}: " in text
    for assumption in theorem(id).assumptions:
        assert assumption in latex
    assert not set("$\\") & set(text)


@pytest.mark.skipif(shutil.which("pdflatex") is None, reason="no pdflatex here")
@pytest.mark.parametrize("id", IDS)
def test_latex_compiles_with_amsmath_alone(id, tmp_path):
    (tmp_path / "proof.tex").write_text(
        "\\documentclass{article}\n\\usepackage{amsmath}\n\\begin{document}\n"
        f"{PROOFS[id].to_latex()}\\end{{document}}\n",
        encoding="utf-8",
    )
    run = subprocess.run(
        ["pdflatex", "-interaction=nonstopmode", "-halt-on-error", "proof.tex"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 0, run.stdout[-2000:]
    assert "Overfull" not in run.stdout
    assert (tmp_path / "proof.pdf").exists()


# Records and regimes


def test_unknown_theorem_is_an_error_that_names_the_known_ones():
    with pytest.raises(DescriptionError, match=r"'nonsense'; known: unnormalized, mean-sub.*-last"):
        theorem("nonsense")


def test_records_are_read_without_sympy():
    code = "import sys, derivations.catalogue; print('sympy' in sys.modules)"
    run = subprocess.run(
        [sys.executable, "-c", code],
        cwd=Path(__file__).parent.parent,
        capture_output=True,
        text=True,
        check=True,
    )
    assert run.stdout.strip() == "False"


@pytest.mark.parametrize("id", IDS)
def test_every_case_is_within_the_regime_and_names_known_rows(id):
    quantities = {row.quantity for row in theorem(id).rows}
    for case in theorem(id).cases:
        theorem(id).requires(case.network, samples_at(case.samples, 64))
        assert set(case.quantities) <= quantities


CENTRED = replace(TANH, last=MeanSubtraction())
NORMALIZED = replace(TANH, last=BatchNorm())


def ordered(depth):
    """A network whose samples become alike with depth, like 2^-depth."""
    return Network(
        "linear", depth=depth, sigma_w2=0.5, sigma_b2=0.5, outputs=1, last=MeanSubtraction()
    )


@pytest.mark.parametrize(
    ("id", "inside", "outside", "message"),
    [
        ("unnormalized", (TANH, 2), (TANH, 1), "needs N >= 2 samples, but N = 1"),
        ("unnormalized", (TANH, 2), (CENTRED, 16), "needs linear outputs"),
        (
            "unnormalized",
            (TANH, 2),
            (replace(TANH, layers=None, hidden=BatchNorm()), 16),
            "no prediction",
        ),
        (
            "mean-subtraction-last",
            (ordered(13), 4),
            (ordered(130), 4),
            r"kappa_1 > kappa_2, but kappa_1 = .*, kappa_2 = (?s:.*)Use fewer layers",
        ),
        ("mean-subtraction-last", (CENTRED, 4), (TANH, 4), "needs mean subtraction"),
        ("batchnorm-last", (NORMALIZED, 4), (NORMALIZED, 3), "N > 3.*mean of 1/sigma"),
        (
            "batchnorm-last",
            (NORMALIZED, 10),
            (replace(TANH, last=BatchNorm(eps=0.01)), 10),
            "needs eps = 0, but eps = 0.01",
        ),
        ("batchnorm-last", (NORMALIZED, 10), (TANH, 10), "needs batch norm"),
    ],
)
def test_assumption_separates_two_sides(id, inside, outside, message):
    theorem(id).requires(*inside)
    with pytest.raises(OutOfRegime, match=message):
        theorem(id).requires(*outside)
