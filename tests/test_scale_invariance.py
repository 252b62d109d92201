"""Exact recursions of a scale-invariant loss: against gradient descent on the weights."""

import math

import mpmath
import numpy as np
import pytest

from theory import scale_invariance as exact
from theory.errors import DescriptionError

B = 4


def arc(w):
    """The gradient of (w1^2 + b w2^2) w3^2/(2 |w|^4), by hand."""
    w2, q = w @ w, w[0] ** 2 + B * w[1] ** 2
    slope = np.array([w[0] * w[2] ** 2, B * w[1] * w[2] ** 2, q * w[2]]) / w2**2
    return slope - 2 * q * w[2] ** 2 / w2**3 * w


def precise(w):
    return np.array([mpmath.mpf(float(one)) for one in w])


def descent(w, etas, decays):
    """Directions, squared norms and squared gradients at the directions, before every step."""
    found = []
    for eta, decay in zip(etas, decays, strict=True):
        norm2 = w @ w
        theta = w / norm2**0.5
        slope = arc(theta)
        found.append((theta, norm2, slope, slope @ slope))
        w = (1 - decay) * w - eta * arc(w)
    return found


@pytest.mark.parametrize("scheduled", [False, True])
def test_recursion_is_gradient_descent_to_fifty_digits(scheduled):
    steps = 1000
    with mpmath.workdps(60):
        etas = [mpmath.mpf(1) / 3 * (1 + mpmath.mpf(t % 7) / 20 * scheduled) for t in range(steps)]
        decays = [mpmath.mpf(1) / 100 / (1 + (t % 5) * scheduled) for t in range(steps)]
        run = descent(precise([0.25, 0.7, 0.05]), etas, decays)
        theta, norm2 = run[0][:2]
        rate = exact.effective_learning_rate(etas[0], decays[0], norm2)
        for t in range(steps - 1):
            slope = arc(theta)
            G = slope @ slope
            theta, norm2, rate = (
                exact.next_direction(theta, rate, slope),
                exact.next_norm2(norm2, etas[t], decays[t], G),
                exact.next_effective_learning_rate(
                    rate, decays[t], G, next_decay=decays[t + 1], growth=etas[t + 1] / etas[t]
                ),
            )
            expected = run[t + 1]
            assert max(abs(theta - expected[0])) < 1e-50
            assert abs(norm2 / expected[1] - 1) < 1e-50
            assert abs(rate * (1 - decays[t + 1]) * norm2 / etas[t + 1] - 1) < 1e-50


def test_adaptive_form_is_the_recursion_of_the_rate():
    with mpmath.workdps(60):
        decay, rate, G = mpmath.mpf("0.03"), mpmath.mpf("1.7"), mpmath.mpf("0.2")
        after = exact.next_effective_learning_rate(rate, decay, G)
        assert abs(exact.next_second_moment(rate**-2, decay, G) * after**2 - 1) < 1e-50


def test_adaptive_form_without_its_last_term_is_rmsprop():
    with mpmath.workdps(40):
        decay, v, G = mpmath.mpf("0.03"), mpmath.mpf("0.4"), mpmath.mpf("1e-12")
        beta = exact.memory(decay)
        rate2 = exact.rmsprop_rate2(beta)
        rmsprop = (beta * rate2 * v + (1 - beta) * G) / rate2
        rest = exact.next_second_moment(v, decay, G) - rmsprop
        assert rest / (beta * G**2 / v) == pytest.approx(1, rel=1e-10)


@pytest.mark.parametrize("decay", ["0.3", "1e-3", "1e-9"])
def test_stationary_two_cycle_turns_by_its_angle(decay):
    """The cycle of (w1^2 + b w2^2) w3^2/(2 |w|^4) at w2 = 0, where sin^2 p = eps/2."""
    with mpmath.workdps(50):
        decay = mpmath.mpf(decay)
        rate = 2 / (1 - decay) ** 2
        sine = mpmath.sqrt(decay / 2)
        theta = np.array([mpmath.sqrt(1 - sine**2), sine])
        slope = np.array([theta[0] * theta[1] ** 2, theta[0] ** 2 * theta[1]])
        slope = slope - 2 * (theta[0] * theta[1]) ** 2 * theta
        after = exact.next_direction(theta, rate, slope)
        assert abs(after[1] + theta[1]) < 1e-45
        turned = mpmath.acos(theta @ after)
        assert abs(turned / exact.two_cycle_angle(decay) - 1) < 1e-35
        assert abs(rate**2 * (slope @ slope) / exact.stationary_push(decay) - 1) < 1e-35
        assert abs(exact.next_norm2(1, rate * (1 - decay), decay, slope @ slope) - 1) < 1e-45


@pytest.mark.parametrize(("rate", "decay"), [(0.2, 1e-3), (1e-4, 0.07), (1.99, 0.4), (3.0, 0.1)])
def test_edge_is_reached_after_the_steps_of_pure_decay(rate, decay):
    steps, now = 0, rate * 0.7
    while now < 2:
        now, steps = exact.next_effective_learning_rate(now, decay, 0.0), steps + 1
    assert exact.steps_to_edge(rate, 0.7, decay) == steps
    if rate < 2:
        rough = exact.time_to_edge(rate, 0.7) / decay
        assert steps == pytest.approx(rough, abs=1 + rough * decay)


def test_edge_learning_rate_starts_at_two():
    """The sharpness of the direction is |w|^2 times that at the weights."""
    norm2, curvature, weight_decay = 5.3, 1.7, 0.2
    eta = exact.edge_learning_rate(curvature, weight_decay)
    rate = exact.effective_learning_rate(eta, eta * weight_decay, norm2)
    assert rate * norm2 * curvature == pytest.approx(2, rel=1e-14)
    assert exact.norm2_at(eta, eta * weight_decay, rate) == pytest.approx(norm2, rel=1e-14)


@pytest.mark.parametrize("decay", [0.0, 1.0, 1.5, -0.1, math.nan])
def test_product_of_rates_outside_0_to_1_is_refused(decay):
    with pytest.raises(DescriptionError, match="between 0 and 1"):
        exact.check_decay(decay)


@pytest.mark.parametrize(("rate", "sharpness"), [(0.0, 1.0), (1.0, -1.0), (math.inf, 1.0)])
def test_way_to_the_edge_without_a_rate_is_refused(rate, sharpness):
    with pytest.raises(DescriptionError, match="positive effective rate"):
        exact.steps_to_edge(rate, sharpness, 0.1)
