"""Closed forms recognized in a user's expression equal the quadrature of its definition."""

import numpy as np
import pytest

from theory import Activation, OutOfRegime
from theory.gaussian import closed_kernel
from theory.integrals import gaussian_integrals
from theory.mathematics import precise
from theory.pair import Pair
from theory.quadrature import integrals
from theory.quantity import QUANTITIES

SINGLE = Pair.at(1.3, c=0.4)
SHIFTED = Pair.at(1.3, 0.7, c=-0.6, mean1=0.3, mean2=-0.2)
RECOGNIZED = (
    "1 - 2*tanh(x)",
    "erf(0.7*x)",
    "3*erf(x/2) + 1",
    "2 - 3*(1 + 2*softplus(x))",
    "x*Phi(x)",
    "Phi(2*x - 1)/4",
    "max(x, 0)**2",
    "1 + max(x, 0)**3/2",
    "max(x, 0) + 0.1*min(x, 0)",
    "abs(x) - 1",
    "max(x, 0) - max(x - 2, 0)",
    "2*max(-1, min(x, 1))",
    "step(x - 1) + x/2",
    "x*exp(-x**2)*cos(3*x)",
    "sin(x)**2",
    "exp(-x**2/2)*(1 + x)**3",
    "2*sin(2*x + 1)*cos(x - 1)",
    "exp(0.3*x)*sin(x)",
    "1 + x + x**2",
)


def values(activation, pair):
    kernel = closed_kernel(activation)
    return {
        name: getattr(kernel, name)(pair if name.endswith("dual") else pair.u)
        for name in QUANTITIES.values()
    }


@pytest.mark.parametrize("pair", [SINGLE, SHIFTED], ids=["centred", "shifted"])
@pytest.mark.parametrize("text", RECOGNIZED)
def test_recognized_closed_form_equals_quadrature(text, pair):
    activation = Activation.from_expression(text)
    if activation.jumps:
        kernel, found = closed_kernel(activation), integrals(activation, pair)
        assert float(kernel.dual(pair)) == pytest.approx(float(found["dual"].value), rel=1e-9)
        return
    found = integrals(activation, pair)
    for name, value in values(activation, pair).items():
        assert float(value) == pytest.approx(float(found[name].value), rel=1e-9, abs=1e-11), name


@pytest.mark.parametrize("text", RECOGNIZED)
def test_recognized_closed_form_is_the_same_number_to_thirty_digits(text):
    activation, m = Activation.from_expression(text), precise(30)
    exact = closed_kernel(activation).dual(Pair.at(m.number(1.3), c=m.number(0.4)))
    assert float(closed_kernel(activation).dual(SINGLE)) == pytest.approx(float(exact), rel=1e-13)


@pytest.mark.parametrize(
    "text",
    ["tanh(x + 0.7)", "tanh(2*x)", "exp(1 + x)", "sin(x**2)", "tanh(x)*abs(x)", "exp(-x**4)"],
)
def test_other_functions_are_left_to_quadrature(text):
    assert closed_kernel(Activation.from_expression(text)) is None


@pytest.mark.parametrize("factor", [2, -0.5])
def test_gap_of_an_affine_multiple_keeps_its_accuracy(factor):
    multiple = closed_kernel(Activation.from_expression(f"{factor}*tanh(x) + 3"))
    pair = Pair.at(2.0, one_minus_c=1e-14)
    assert multiple.gap(pair) == pytest.approx(
        factor**2 * closed_kernel(Activation.named("tanh")).gap(pair), rel=1e-13
    )


CANCELLING = {
    "flat at 0": ("exp(-x**2/2) - 1 + x**2/2", 1e-6, 0),
    "constant taken off": ("1 - exp(-x**2/2)", 1e-6, 0),
    "product of waves": ("sin(x)**2", 1e-6, 0),
    "two rates": ("exp(0.1*x) - exp(0.099*x)", 1e-4, 0),
    "high power": ("(exp(-x**2/2) - 1)**3", 1e-3, 0),
    "zero at the mean": ("exp(-x**2/2000)*(x - 50)**4", 1e-2, 50.0),
    "saturated": ("tanh(x) - 1", 0.3, 12.0),
    "nothing cancels": ("exp(-x**2/2)*x**4 - 3*exp(-x**2/2)", 1.3, 0.4),
}


def at_mean(number, q, mean, **correlation):
    means = {"mean1": number(mean), "mean2": number(mean)} if mean else {}
    return Pair.at(number(q), **{k: number(v) for k, v in correlation.items()}, **means)


@pytest.mark.parametrize("case", CANCELLING)
def test_cancelling_terms_keep_the_accuracy(case):
    """Against quadrature with 20 digits of the result, which evaluates phi with 35."""
    text, q, mean = CANCELLING[case]
    activation, m = Activation.from_expression(text), precise(20)
    assert closed_kernel(activation) is not None
    found = gaussian_integrals(activation, at_mean(float, q, mean, c=0.6))
    true = integrals(activation, at_mean(m.number, q, mean, c=0.6), m)
    for name, inner in QUANTITIES.items():
        prefix = "derivative_" if name.startswith("derivative") else ""
        scale = float(true[f"{prefix}second"].value)
        scale = scale if name.endswith(("dual", "second_moment")) else scale**0.5
        error = abs(float(m.number(found[name].value) - true[inner].value))
        assert error < 1e-13 * scale, name
        assert error < found[name].error < 1e-11 * scale, name


def test_cancelling_terms_over_arrays_and_with_digits():
    kernel = closed_kernel(Activation.from_expression("sin(x)**2"))
    q = np.array([1e-8, 1e-3, 2.0])
    together = kernel.dual(Pair.at(q, c=np.full(3, 0.3)))
    alone = [float(kernel.dual(Pair.at(float(x), c=0.3))) for x in q]
    np.testing.assert_array_equal(together, alone)
    m = precise(30)
    many = kernel.second(Pair.at(m.number(1e-12), c=m.number(0)).u)
    small = m.number(1e-12)  # E sin^4 = (3 - 4 e^(-2 q) + e^(-8 q))/8, a series in q
    series = 3 * small**2 - 10 * small**3 + 21 * small**4
    assert abs(many / series - 1) < 1e-30


def test_terms_that_cancel_altogether_are_refused():
    kernel = closed_kernel(Activation.from_expression("exp(-x**2/2)*x - x*exp(-x**2/2)"))
    with pytest.raises(OutOfRegime, match="cancel"):
        kernel.second(Pair.at(1.0, c=0.0).u)
