"""The laws of units inside the bulk: octaves of chi-square, moments given what samples share."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import special

from theory.activations import Activation
from theory.bulk.neurons import conditional_moments
from theory.bulk.units import normal_octaves, octaves, trapezoid, units
from theory.schemes import BatchNorm, NoNormalization


@pytest.mark.parametrize("freedom", [1, 2, 5])
def test_octaves_have_the_law_of_chi_square(freedom: int) -> None:
    nodes, weights = octaves(freedom, 1000)
    assert weights.sum() == pytest.approx(1, rel=1e-14)
    assert nodes @ weights == pytest.approx(freedom, rel=1e-12)
    assert nodes**2 @ weights == pytest.approx(freedom * (freedom + 2), rel=0.002)
    assert nodes.max() == pytest.approx(_mean_of_the_top(freedom, 1000), rel=1e-12)
    assert weights[-4:] == pytest.approx(np.array([4, 2, 1, 1]) / 1000, rel=1e-12)


def _mean_of_the_top(freedom: int, count: int) -> float:
    """E[x | x above its quantile of survival 1/count], by quadrature over the survival."""
    u, w = np.polynomial.legendre.leggauss(200)
    t = (u + 1) / 2  # survival t^4/count: its logarithmic end is smooth enough
    x = 2 * special.gammainccinv(freedom / 2, t**4 / count)
    return float((x * 4 * t**3) @ w / 2)


@pytest.mark.parametrize("tau", [0.3, 2.0])
def test_conditional_moments_of_relu(tau: float) -> None:
    law = units(NoNormalization(), True, trapezoid)
    found = conditional_moments(Activation.named("relu"), law, 0.7, tau)
    x0 = np.sqrt(0.7) * law.zeta
    a = x0 / np.sqrt(tau)
    below, density = special.ndtr(a), np.exp(-(a**2) / 2) / np.sqrt(2 * np.pi)
    mean = x0 * below + np.sqrt(tau) * density
    second = (x0**2 + tau) * below + x0 * np.sqrt(tau) * density
    expected = (mean, below, density / np.sqrt(tau), second, mean, below)
    for one, other in zip(found, expected, strict=True):
        assert one == pytest.approx(other, rel=1e-11, abs=1e-12)


def test_conditional_moments_of_a_scaled_activation_are_those_of_its_expression() -> None:
    law = units(BatchNorm(gamma=1.3, beta=0.4), False, trapezoid)
    one = conditional_moments(Activation.named("tanh"), law, 0.0, 1.0)
    plain = units(NoNormalization(), False, trapezoid)
    scaled = Activation.from_expression("tanh(1.3*x + 0.4)")
    other = conditional_moments(scaled, plain, 0.0, 1.0)
    for first, second in zip(one, other, strict=True):
        assert first == pytest.approx(second, rel=1e-12)


def test_octaves_of_the_normal_law_are_symmetric() -> None:
    nodes, weights = normal_octaves(300)
    assert nodes @ weights == pytest.approx(0, abs=1e-15)
    assert nodes**4 @ weights == pytest.approx(3, rel=0.006)
