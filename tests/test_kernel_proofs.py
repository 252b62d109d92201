"""Theorems on kernels: they hold, every error turns them red, and they end in theory's numbers."""

import random
import re
from dataclasses import replace

import mpmath
import numpy as np
import pytest
import sympy as sp
from scipy.special import ndtr

from derivations.kernels.catalogue import KERNEL_THEOREMS
from derivations.kernels.elu import edge
from derivations.kernels.engine import joint
from derivations.proof import ProofError, Result
from theory.families import error_function
from theory.kernels import KERNELS
from theory.mathematics import precise
from theory.pair import Law, Pair
from theory.symbols import (
    GLOSSARY,
    S_s,
    S_t,
    corner,
    edge_s,
    edge_t,
    far_corner,
    floor,
    height,
    kolmogorov,
    m1,
    m2,
    noisy_density,
    offset,
    omega,
    origin,
    phase,
    precision,
    q11,
    q12,
    q22,
    rate,
    scale,
    slope,
    spread_s,
    spread_t,
)

IDS = [one.id for one in KERNEL_THEOREMS]
PROOFS = {one.id: one.prove() for one in KERNEL_THEOREMS}


@pytest.mark.parametrize("id", IDS)
def test_proof_verifies(id):
    PROOFS[id].verify()


def test_ids_are_unique_and_need_no_network():
    assert len(set(IDS)) == len(IDS)
    assert all(not one.rows and not one.cases for one in KERNEL_THEOREMS)
    assert all(one.requires(None, 0) is None for one in KERNEL_THEOREMS)


# Every alteration is noticed


def alterations(proof, path, expression):
    """Twice, one more, another symbol; another lemma with another result that is no pair.

    A definition keeps its symbols: it may not depend on all of them; twice 0 is 0.
    """
    if isinstance(expression, Result):
        ends = {lemma.name: lemma.steps[-1].states for lemma in proof.lemmas[: path[0]]}
        numbers = {name: end for name, end in ends.items() if not isinstance(end, sp.Tuple)}
        return [Result(name) for name, end in numbers.items() if end != ends[expression.name]]
    if path[1] == "definition" and proof.lemmas[path[0]].steps[0].states == 0:
        return [expression + 1]
    if isinstance(expression, sp.Tuple):
        parts = [
            (at, other) for at, e in enumerate(expression) for other in (2 * e, e + 1) if other
        ]
        return [sp.Tuple(*expression[:at], other, *expression[at + 1 :]) for at, other in parts]
    altered = [2 * expression, expression + 1]
    if path[-1] in ("states", "claim", "initial"):
        symbols = sorted(expression.free_symbols & set(GLOSSARY), key=str)
        others = (sp.Symbol(f"another_{symbol}", **symbol.assumptions0) for symbol in symbols)
        altered += [expression.subs(*pair) for pair in zip(symbols, others, strict=True)]
    return [other for other in altered if other != expression]


def survivors(proof, places):
    found = []
    for path, expression in places:
        for other in alterations(proof, path, expression):
            try:
                proof.altered(path, other).verify()
            except ProofError:
                continue
            found.append((proof.lemmas[path[0]].name, path[1:], expression, other))
    return found


@pytest.mark.parametrize("id", IDS)
def test_altered_step_is_refused(id):
    places = list(PROOFS[id].places())
    sample = random.Random(1958).sample(places, min(12, len(places)))
    assert survivors(PROOFS[id], sample) == []


@pytest.mark.slow
@pytest.mark.parametrize("id", IDS)
def test_every_altered_step_is_refused(id):
    assert survivors(PROOFS[id], PROOFS[id].places()) == []


@pytest.mark.parametrize("id", IDS)
def test_every_symbol_of_a_proof_is_in_the_glossary(id):
    used = set()
    for _, expression in PROOFS[id].places():
        if not isinstance(expression, Result):
            used |= {one for one in expression.free_symbols if isinstance(one, sp.Symbol)}
    assert used <= set(GLOSSARY)


# What a lemma states is the number that theory computes

DIGITS = 25
NOISE = {S_t: sp.Rational(7, 5), S_s: sp.Rational(3, 4)}
MEANS = {m1: sp.Rational(2, 5), m2: sp.Rational(-1, 3)}
HEIGHTS = {offset: sp.Rational(-1, 3), height: sp.Rational(7, 4)}


def stated(id, name):
    lemma = next(lemma for lemma in PROOFS[id].lemmas if lemma.name == name)
    return lemma.steps[-1].states


def ended(id, name):
    """What a lemma states, with the named densities written out."""
    one, zero = sp.S.One, sp.S.Zero
    densities = {
        corner: joint(one, one),
        far_corner: joint(one, -one),
        origin: joint(zero, zero),
        edge_t: edge(q11),
        edge_s: edge(q22),
    }
    if any(lemma.name == "two bumps" for lemma in PROOFS[id].lemmas):
        densities[noisy_density] = stated(id, "two bumps")
    expression = stated(id, name)
    for function, value in densities.items():
        expression = expression.replace(function, lambda c, value=value: value.subs(q12, c))
    return expression


def number(expression, values):
    with mpmath.workdps(DIGITS):
        return sp.lambdify(list(values), expression, "mpmath")(
            *(mpmath.mpf(value.p) / value.q for value in values.values())
        )


def points(count=3):
    numbers = random.Random(1899)
    for _ in range(count):
        a, b = (sp.Rational(numbers.randint(20, 300), 100) for _ in range(2))
        c = sp.Rational(numbers.randint(-95, 95), 100)
        yield a, b, sp.Rational(sp.nsimplify(c * sp.sqrt(a * b).evalf(30), rational=True))


def pair(a, b, r, mean1=0, mean2=0):
    m = precise(DIGITS)
    means = (m.number(mean) if mean else 0 for mean in (mean1, mean2))
    return Pair.at(
        m.number(a),
        m.number(b),
        q12=m.number(r),
        **dict(zip(("mean1", "mean2"), means, strict=True)),
    )


def of_kernel(name, quantity="dual", **parameters):
    return lambda where: getattr(KERNELS[name], quantity)(where, **parameters)


def with_noise(function):
    return lambda where: function(where, *(precise(DIGITS).number(s) for s in NOISE.values()))


PL, POWER = "kernel-piecewise-linear", "kernel-relu-power"
ERF, GELU = "kernel-error-function", "kernel-gelu"
EXP, ELU = "kernel-exponential", "kernel-elu"
NUMBERS = {
    (PL, "step"): of_kernel("step"),
    (PL, "slope of the step"): of_kernel("step", "derivative_dual"),
    (PL, "sign"): of_kernel("sign"),
    (PL, "ReLU"): of_kernel("relu"),
    (PL, "leaky ReLU"): of_kernel("leaky_relu", slope=sp.Rational(-3, 10)),
    (PL, "slope of leaky ReLU"): of_kernel(
        "leaky_relu", "derivative_dual", slope=sp.Rational(-3, 10)
    ),
    (PL, "absolute value"): of_kernel("abs"),
    (PL, "hard tanh"): of_kernel("hard_tanh"),
    (PL, "derivative of hard tanh"): of_kernel("hard_tanh", "derivative_dual"),
    (POWER, "order 2"): of_kernel("relu_power", n=2),
    (POWER, "order 3"): of_kernel("relu_power", n=3),
    (POWER, "slope of order 3"): of_kernel("relu_power", "derivative_dual", n=3),
    (ERF, "erf"): of_kernel("erf", scale=sp.Rational(6, 5)),
    (ERF, "derivative of erf"): of_kernel("erf", "derivative_dual", scale=sp.Rational(6, 5)),
    (ERF, "arc-sine kernel"): with_noise(error_function.arc_sine),
    (ERF, "quadrant"): with_noise(error_function.quadrant),
    (ERF, "hinges"): with_noise(error_function.hinges),
    (GELU, "gate"): with_noise(error_function.gated),
    (GELU, "derivative of the gate"): with_noise(error_function.gated_derivative),
    (GELU, "curvatures of two gates"): with_noise(error_function.gated_curvature),
    (GELU, "GELU"): of_kernel("gelu"),
    (GELU, "derivative of GELU"): of_kernel("gelu", "derivative_dual"),
    **{(EXP, f"monomial of degree {n}"): of_kernel("monomial", n=n) for n in range(1, 5)},
    (ELU, "ELU"): of_kernel("elu", alpha=sp.Rational(6, 5)),
    (ELU, "derivative of ELU"): of_kernel("elu", "derivative_dual", alpha=sp.Rational(6, 5)),
}
VALUES = {
    **NOISE,
    slope: sp.Rational(-3, 10),
    scale: sp.Rational(6, 5),
    floor: sp.Rational(6, 5),
}


def close(left, right):
    assert abs(left - right) <= mpmath.mpf("1e-12") * max(abs(right), mpmath.mpf("1e-3"))


@pytest.mark.parametrize(("id", "name"), NUMBERS)
def test_lemma_states_the_number_of_its_family(id, name):
    expression = ended(id, name)
    for a, b, r in points():
        close(
            number(expression, {q11: a, q22: b, q12: r, **VALUES}),
            NUMBERS[id, name](pair(a, b, r)),
        )


def test_probit_states_the_number_of_its_family():
    r"""With :math:`\lambda = 1/\sqrt S` and :math:`\mu = 0`, one noise for both samples."""
    expression, S = ended(ERF, "probit"), sp.Rational(9, 4)
    parameters = {"c0": HEIGHTS[offset], "c1": HEIGHTS[height], "l": sp.Rational(2, 3), "mu": 0}
    values = {S_t: S, S_s: S, **MEANS, **HEIGHTS}
    for a, b, r in points():
        where = pair(a, b, r, MEANS[m1], MEANS[m2])
        close(
            number(expression, {q11: a, q22: b, q12: r, **values}),
            KERNELS["probit"].dual(where, **parameters),
        )


WITH_MEANS = {
    "exp": (of_kernel("exp", t=sp.Rational(4, 5)), {rate: sp.Rational(4, 5)}),
    "Gaussian": (of_kernel("gaussian", p=sp.Rational(4, 5)), {precision: sp.Rational(4, 5)}),
    "sin": (
        of_kernel("sin", omega=sp.Rational(4, 5), phase=sp.Rational(1, 3)),
        {omega: sp.Rational(4, 5), phase: sp.Rational(1, 3)},
    ),
}


@pytest.mark.parametrize("name", WITH_MEANS)
def test_exponential_lemma_states_the_number_of_its_family_with_means(name):
    of_family, parameters = WITH_MEANS[name]
    lemma = next(lemma for lemma in PROOFS[EXP].lemmas if lemma.name == name)
    expression = lemma.steps[-1 if name == "Gaussian" else -2].states
    for a, b, r in points():
        close(
            number(expression, {q11: a, q22: b, q12: r, **parameters, **MEANS}),
            of_family(pair(a, b, r, MEANS[m1], MEANS[m2])),
        )


def kolmogorov_density(x):
    """The density by whichever of its two series converges fast."""
    k, x = np.arange(1, 12)[:, None], np.asarray(x)[None, :]
    e = (2 * k - 1) ** 2 * np.pi**2 / (8 * x**2)
    small = np.sqrt(2 * np.pi) / x[0] ** 2 * np.sum((2 * e - 1) * np.exp(-e), axis=0)
    large = 8 * x[0] * np.sum((-1.0) ** (k - 1) * k**2 * np.exp(-2 * k**2 * x**2), axis=0)
    return np.where(x[0] < 1, small, large)


def averaged(integral, values):
    """A stated average over two Kolmogorov variables, by the trapezoid rule in their logarithms."""
    t, step = np.linspace(np.log(0.1), np.log(6.0), 72, retstep=True)
    nodes = np.exp(t)
    weights = step * nodes * kolmogorov_density(nodes)
    function = integral.function.replace(kolmogorov, lambda w: sp.S.One)
    parts = sp.lambdify([*values, spread_t, spread_s], function, "numpy")
    table = parts(*map(float, values.values()), nodes[:, None], nodes[None, :])
    return weights @ np.broadcast_to(table, (72, 72)) @ weights


AVERAGES = {
    "tanh": ("tanh", "dual"),
    "derivative of tanh": ("tanh", "derivative_dual"),
    "sigmoid": ("sigmoid", "dual"),
    "derivative of sigmoid": ("sigmoid", "derivative_dual"),
    "softplus": ("softplus", "dual"),
    "SiLU": ("silu", "dual"),
    "derivative of SiLU": ("silu", "derivative_dual"),
}


@pytest.mark.parametrize("name", AVERAGES)
def test_average_over_noise_is_the_number_of_the_family(name):
    family, quantity = AVERAGES[name]
    for a, b, r in points():
        values = {q11: a, q22: b, q12: r}
        found = averaged(stated("kernel-logistic", name), values)
        wanted = getattr(KERNELS[family], quantity)(Pair.at(float(a), float(b), q12=float(r)))
        assert found == pytest.approx(wanted, rel=1e-12, abs=1e-14)


def test_mixture_is_the_logistic_function():
    t, step = np.linspace(np.log(0.1), np.log(6.0), 72, retstep=True)
    weights = step * np.exp(t) * kolmogorov_density(np.exp(t))
    for x in (-3.0, 0.0, 0.7, 12.0):
        average = weights @ ndtr(x / (2 * np.exp(t)))
        assert average == pytest.approx(1 / (1 + np.exp(-x)), rel=1e-12)


# Every wrong formula of theory is noticed

RIGHT = dict(KERNELS)


def _of(name, quantity):
    return getattr(RIGHT[name], quantity)


WRONG = {
    "complementary angle": (
        PL,
        "step",
        "dual",
        lambda pair: sp.Rational(1, 2) - _of("step", "dual")(pair),
    ),
    "twice the ReLU kernel": (PL, "relu", "dual", lambda pair: 2 * _of("relu", "dual")(pair)),
    "slope not squared": (
        PL,
        "leaky_relu",
        "dual",
        lambda pair, slope: slope * pair.r + (1 - slope) * _of("relu", "dual")(pair),
    ),
    "sign for abs": (PL, "abs", "dual", lambda pair: pair.r * _of("sign", "dual")(pair)),
    "scale of erf forgotten": (
        ERF,
        "erf",
        "dual",
        lambda pair, scale: error_function.arc_sine(pair, sp.S.Half, sp.S.Half),
    ),
    "k forgotten in GELU": (
        GELU,
        "gelu",
        "dual",
        lambda pair: _of("gelu", "dual")(pair) - pair.r**2 / 7,
    ),
    "degree not squared": (
        EXP,
        "monomial",
        "dual",
        lambda pair, n: _of("monomial", "dual")(pair, n=n) + (n - 1) * pair.r,
    ),
}


@pytest.mark.parametrize("error", WRONG)
def test_proof_refuses_a_wrong_formula(error, monkeypatch):
    id, name, quantity, wrong = WRONG[error]
    monkeypatch.setitem(KERNELS, name, replace(KERNELS[name], **{quantity: wrong}))
    with pytest.raises(ProofError):
        next(one for one in KERNEL_THEOREMS if one.id == id).prove().verify()


def test_mean_of_probit_is_the_number_of_its_family():
    m, (a, _, _) = precise(DIGITS).number, next(points())
    found = number(stated(ERF, "probit of one sample"), {q11: a, **NOISE, **MEANS})
    close(found, error_function.step_mean(Law(m(MEANS[m1]), m(a)), m(NOISE[S_t])))


# What is printed


@pytest.mark.parametrize("id", IDS)
def test_proof_is_printed_without_artefacts(id):
    latex, text = PROOFS[id].to_latex(), PROOFS[id].to_text()
    for artefact in ("Piecewise", "mathtt", r"\limits", "Subs", "None"):
        assert artefact not in latex
    for opening, closing in (("{", "}"), (r"\left", r"\right"), (r"\Bigl", r"\Bigr")):
        assert latex.count(opening) == latex.count(closing)
    assert len(re.findall(r"\\item\[\(", latex)) == sum(len(one.steps) for one in PROOFS[id].lemmas)
    assert not set("$\\") & set(text)
