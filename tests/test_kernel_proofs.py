"""Theorems on kernels: they hold, every error turns them red, and they end in theory's numbers."""

import random
import re
from dataclasses import fields, replace

import mpmath
import numpy as np
import pytest
import sympy as sp
from scipy.special import ndtr

from derivations.kernels.catalogue import KERNEL_THEOREMS
from derivations.proof import ProofError
from derivations.sharpness.catalogue import SHARPNESS_THEOREMS
from theory.activations import SELU_SCALE
from theory.families import error_function
from theory.families.kernel import DoesNotExist, Kernel
from theory.kernels import KERNELS
from theory.mathematics import precise
from theory.pair import Law, Pair
from theory.symbols import (
    S_s,
    S_t,
    height,
    kolmogorov,
    m1,
    m2,
    offset,
    q11,
    q12,
    q22,
    spread_s,
    spread_t,
)

WITHOUT_ROWS = (*KERNEL_THEOREMS, *SHARPNESS_THEOREMS)
IDS = [one.id for one in WITHOUT_ROWS]
PROOFS = {one.id: one.prove() for one in WITHOUT_ROWS}


def entries(proof, name=None):
    """The entries in which a proof ends, of one activation or of all."""
    found = getattr(proof, "entries", ())
    return [entry for entry in found if name in (None, entry.activation)]


def test_ids_are_unique_and_need_no_network():
    assert len(set(IDS)) == len(IDS)
    assert all(not one.rows and not one.cases for one in WITHOUT_ROWS)
    assert all(one.requires(None, 0) is None for one in WITHOUT_ROWS)


# What a lemma states is the number that theory computes

DIGITS = 25
NOISE = {S_t: sp.Rational(7, 5), S_s: sp.Rational(3, 4)}
MEANS = {m1: sp.Rational(2, 5), m2: sp.Rational(-1, 3)}
HEIGHTS = {offset: sp.Rational(-1, 3), height: sp.Rational(7, 4)}


def stated(id, name):
    lemma = next(lemma for lemma in PROOFS[id].lemmas if lemma.name == name)
    return lemma.steps[-1].states


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


def with_noise(function):
    return lambda where: function(where, *(precise(DIGITS).number(s) for s in NOISE.values()))


PL, ERF, GELU, EXP = (
    f"kernel-{name}" for name in ("piecewise-linear", "error-function", "gelu", "exponential")
)
NUMBERS = {
    (ERF, "arc-sine kernel"): error_function.arc_sine,
    (ERF, "quadrant"): error_function.quadrant,
    (ERF, "hinges"): error_function.hinges,
    (GELU, "gate"): error_function.gated,
    (GELU, "derivative of the gate"): error_function.gated_derivative,
    (GELU, "curvatures of two gates"): error_function.gated_curvature,
}


def close(left, right):
    assert abs(left - right) <= mpmath.mpf("1e-12") * max(abs(right), mpmath.mpf("1e-3"))


@pytest.mark.parametrize(("id", "name"), NUMBERS)
def test_lemma_states_the_number_of_theory(id, name):
    expression = stated(id, name)
    for a, b, r in points():
        close(
            number(expression, {q11: a, q22: b, q12: r, **NOISE}),
            with_noise(NUMBERS[id, name])(pair(a, b, r)),
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


# Every closed integral of theory is where a proof ends

ENDS = {
    name: [(id, entry) for id, proof in PROOFS.items() for entry in entries(proof, name)]
    for name in KERNELS
}


@pytest.mark.parametrize("name", KERNELS)
def test_every_closed_integral_has_a_theorem(name):
    quantities = {field.name for field in fields(Kernel)} - {"gap", "derivative_gap"}
    proved = {quantity for _, entry in ENDS[name] for quantity in entry.lemmas}
    assert proved == quantities, f"no theorem ends in these integrals of {name}"


def test_every_entry_of_a_proof_is_one_of_theory():
    named = {entry.activation for proof in PROOFS.values() for entry in entries(proof)}
    assert named == set(KERNELS)


def test_entry_that_objects_fails_its_proof():
    proof = PROOFS["kernel-gelu"]
    mean, slope, dual, derivative = proof.entries[0].ends
    swapped = replace(proof.entries[0], ends=(slope, mean, dual, derivative))
    with pytest.raises(
        ProofError, match="lemma 'mean slope of the gate' does not end in mean of gelu"
    ):
        replace(proof, entries=(swapped,)).verify()


# Every wrong formula of theory is noticed


def refuses(id, name, quantity):
    """Whether the proof fails, in a step or where it ends in this integral."""
    try:
        proof = next(one for one in KERNEL_THEOREMS if one.id == id).prove()
        ends = proof.ends()
    except ProofError:
        return True
    return any(entry.objection(quantity, ends) for entry in entries(proof, name))


def doubled(integral):
    def wrong(where, **parameters):
        try:
            value = integral(where, **parameters)
        except DoesNotExist:
            return 1 + 0 * where.a
        return 2 * value if value != 0 else 1 + 0 * where.a

    return wrong


INTEGRALS = {
    (id, name, quantity): [] if quantity == "dual" else [pytest.mark.slow]
    for name, ends in ENDS.items()
    for id, entry in ends
    for quantity in entry.lemmas
}


@pytest.mark.parametrize(
    ("id", "name", "quantity"),
    [pytest.param(*integral, marks=marks) for integral, marks in INTEGRALS.items()],
)
def test_proof_refuses_twice_an_integral(id, name, quantity, monkeypatch):
    wrong = {quantity: doubled(getattr(KERNELS[name], quantity))}
    monkeypatch.setitem(KERNELS, name, replace(KERNELS[name], **wrong))
    assert refuses(id, name, quantity)


RIGHT = dict(KERNELS)


def _of(name, quantity):
    return getattr(RIGHT[name], quantity)


def at_variance(pair, factor):
    return pair._replace(a=factor * pair.a)


WRONG = {
    "complementary angle": (
        PL,
        "step",
        lambda pair: sp.Rational(1, 2) - _of("step", "dual")(pair),
    ),
    "slope not squared": (
        PL,
        "leaky_relu",
        lambda pair, slope: slope * pair.r + (1 - slope) * _of("relu", "dual")(pair),
    ),
    "sign for abs": (PL, "abs", lambda pair: pair.r * _of("sign", "dual")(pair)),
    "kinks of hard tanh exchanged": (
        PL,
        "hard_tanh",
        lambda pair: -_of("hard_tanh", "dual")(pair),
    ),
    "jump forgotten": (
        "kernel-kinks",
        "piecewise_linear",
        lambda pair, jumps, **rest: _of("piecewise_linear", "dual")(pair, jumps=(), **rest),
    ),
    "mean of one sample for both": (
        "kernel-kinks",
        "relu",
        lambda pair: _of("relu", "dual")(pair._replace(m2=pair.m1)),
    ),
    "scale of erf forgotten": (
        ERF,
        "erf",
        lambda pair, scale: error_function.arc_sine(pair, sp.S.Half, sp.S.Half),
    ),
    "shift of probit forgotten": (
        ERF,
        "probit",
        lambda pair, mu, **rest: _of("probit", "dual")(pair, mu=0, **rest),
    ),
    "k forgotten in GELU": (
        GELU,
        "gelu",
        lambda pair: _of("gelu", "dual")(pair) - pair.r**2 / 7,
    ),
    "phase not doubled": (
        EXP,
        "sin",
        lambda pair, omega, phase: _of("sin", "dual")(pair, omega=omega, phase=phase / 2),
    ),
    "cos for sin": (
        EXP,
        "cos",
        lambda pair, omega: _of("sin", "dual")(pair, omega=omega, phase=0),
    ),
    "sign of the covariance in exp": (
        EXP,
        "exp",
        lambda pair, t: _of("exp", "dual")(pair._replace(op=pair.dl), t=t),
    ),
    "p not squared in the Gaussian": (
        EXP,
        "gaussian",
        lambda pair, p: _of("gaussian", "dual")(at_variance(pair, 1 / p), p=p),
    ),
    "degree of a monomial one too low": (
        "kernel-polynomial",
        "monomial",
        lambda pair, n: _of("monomial", "dual")(pair, n=n - 1),
    ),
    "Hermite polynomials of the physicists": (
        "kernel-polynomial",
        "hermite",
        lambda pair, n: 2**n * _of("hermite", "dual")(at_variance(pair, 2), n=n),
    ),
    "factorial forgotten in a power": (
        "kernel-relu-power",
        "relu_power",
        lambda pair, n: _of("relu_power", "dual")(pair, n=n) / n,
    ),
    "scale of SELU not squared": (
        "kernel-elu",
        "selu",
        lambda pair: _of("selu", "dual")(pair) / mpmath.mpf(SELU_SCALE),
    ),
    "noise of sigmoid for tanh": (
        "kernel-logistic",
        "tanh",
        lambda pair: 4 * (_of("sigmoid", "dual")(pair) - 0.25),
    ),
}


@pytest.mark.parametrize("error", WRONG)
def test_proof_refuses_a_wrong_formula(error, monkeypatch):
    id, name, wrong = WRONG[error]
    monkeypatch.setitem(KERNELS, name, replace(KERNELS[name], dual=wrong))
    assert refuses(id, name, "dual")


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
    for opening, closing in (("{", "}"), (r"\left", r"\right"), (r"\biggl", r"\biggr")):
        assert latex.count(opening) == latex.count(closing)
    assert len(re.findall(r"\\item\[\(", latex)) == sum(len(one.steps) for one in PROOFS[id].lemmas)
    assert not set("$\\") & set(text)
