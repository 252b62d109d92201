"""Second moments and stated errors for means far in the left tail."""

import math

import pytest

from theory.activations import Activation
from theory.integrals import SMALLEST_ERROR, gaussian_integrals
from theory.kernels import KERNELS
from theory.mathematics import precise
from theory.pair import Given, Law

M = precise(30)


@pytest.mark.parametrize(
    "law", [(-30, 1), (-10, 1), (-6, 0.1), (-30, 25), (-20, 1e-4), (-800, 1e4)], ids=str
)
def test_second_moment_of_gelu_keeps_its_digits_in_the_tail(law):
    """Against the plain function, by mpmath's quadrature about the largest term."""
    c = M.context
    mean, a = map(c.mpf, law)
    width, top = c.sqrt(a / (1 + 2 * a)), mean / (1 + 2 * a)

    def integrand(u):
        return (u * c.ncdf(u)) ** 2 * c.npdf(u, mean, c.sqrt(a))

    steps = (-12, -6, -3, 0, 3, 6, 12, 25)
    right = [top + 12 * width + c.sqrt(a) * k for k in (1, 3, 12)]
    true = c.quad(integrand, [top + k * width for k in steps[:-1]] + right)
    found = KERNELS["gelu"].second(Law(float(mean), float(a)))
    assert found == pytest.approx(float(true), rel=1e-13)


@pytest.mark.parametrize("name", ["gelu", "sigmoid", "silu", "softplus"])
@pytest.mark.parametrize("mean", [-30, -1000])
def test_no_stated_error_is_zero_or_nan_in_the_tail(name, mean):
    found = gaussian_integrals(Activation.named(name), Given.at(1.0, c=0.5, mean1=mean, mean2=mean))
    for quantity in found.values():
        assert math.isfinite(quantity.value)
        assert quantity.error >= SMALLEST_ERROR
    assert found["second_moment"].value >= 0
