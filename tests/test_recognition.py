"""Closed forms recognized in a user's expression equal the quadrature of its definition."""

import pytest

from theory import Activation
from theory.gaussian import QUANTITIES, closed_kernel
from theory.mathematics import precise
from theory.pair import Pair
from theory.quadrature import integrals

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
