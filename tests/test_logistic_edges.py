"""Thirty digits of the logistic family with means, next to correlations 1 and -1 and between."""

import json
import math
from pathlib import Path

import pytest

from theory.families import logistic, logistic_edges
from theory.kernels import KERNELS
from theory.mathematics import precise
from theory.pair import Pair

M = precise(30)
TABLE = json.loads((Path(__file__).parent / "reference" / "smooth.json").read_text())
MEMBERS = {
    member.name: member
    for member in (logistic.SIGNS, logistic.STEPS, logistic.HINGES, logistic.GATES)
}
LAWS = (["1", "1", "0.5", "0.5"], ["1.3", "0.6", "0.5", "-0.8"], ["25", "4", "-2", "1"])
ROWS = [row for row in TABLE if row["activation"] in MEMBERS and row["law"] in map(list, LAWS)]
EDGES = {
    "-1": {"one_plus_c": "0"},
    "-1+1e-12": {"one_plus_c": "1e-12"},
    "1-1e-12": {"one_minus_c": "1e-12"},
    "1": {"one_minus_c": "0"},
}


def pair(a, b, m1, m2, **correlation):
    ((name, value),) = correlation.items()
    a, m1 = M.context.mpf(a), M.context.mpf(m1)
    b, m2 = (a, m1) if (b, m2) == (str(a), str(m1)) else (M.context.mpf(b), M.context.mpf(m2))
    return Pair.at(a, b, **{name: M.context.mpf(value)}, mean1=m1, mean2=m2)


@pytest.mark.parametrize("row", ROWS, ids=lambda row: f"{row['activation']} {row['law']}")
def test_edges_equal_the_definition(row):
    for label, correlation in EDGES.items():
        for quantity in ("dual", "derivative_dual"):
            found = getattr(KERNELS[row["activation"]], quantity)(pair(*row["law"], **correlation))
            true = M.context.mpf(row[quantity][label])
            assert abs(found - true) < 1e-31 * max(1, abs(true)), (label, quantity)


@pytest.mark.parametrize("correlation", [{"one_minus_c": "1e-5"}, {"one_plus_c": "1e-5"}], ids=str)
@pytest.mark.parametrize("name", MEMBERS)
def test_edges_equal_the_series_about_independent_samples(name, correlation):
    at = pair("2", "2", "0.5", "0.5", **correlation)
    same = Pair(at.a, at.a, at.r, at.dl, at.op, at.m1, at.m1)
    for index in range(4):
        series = logistic._by_series(M, MEMBERS[name], same, index)
        edge = logistic_edges.at_the_edge(M, name, MEMBERS[name].unit, same, index, 34)
        assert edge is not None
        assert abs(edge / series - 1) < 1e-29, index


def test_far_from_the_edges_there_is_no_expansion():
    far = pair("2", "2", "0.5", "0.5", one_minus_c="0.1")
    assert logistic_edges.at_the_edge(M, "tanh", 1, far, 0, 34) is None


def test_large_variance_equals_quadrature_by_three_terms():
    """At q = 1e4 and c = 1 - 1e-12, by Price's theorem, E phi'' phi'' included."""
    c = M.context
    sigma, means = c.mpf(100), (c.mpf("0.5"), c.mpf("0.3"))

    def average(function):
        def integrand(z):
            u, v = (mean + sigma * z for mean in means)
            return function(u) * function(v) * c.exp(-z * z / 2) / c.sqrt(2 * c.pi)

        grid = [0.01 * k for k in (-16, -8, -4, -2, -1, 0, 1, 2, 4, 8, 16)]
        far = [-14, -9, -6, -3, -1, -0.4]
        edges = [*far, *grid, *(-x for x in reversed(far))]
        return c.quad(integrand, edges, maxdegree=7)

    step = -(sigma**2) * c.mpf("1e-12")
    slope = average(lambda x: c.sech(x) ** 2)
    curvature = average(lambda x: -2 * c.tanh(x) * c.sech(x) ** 2)
    true = average(c.tanh) + step * slope + step**2 / 2 * curvature
    at = pair("1e4", "1e4", "0.5", "0.3", one_minus_c="1e-12")
    assert abs(logistic.TANH.dual(at) - true) < 1e-24 + abs(step) ** 3
    exactly = pair("1e4", "1e4", "0.5", "0.3", one_minus_c="0")
    assert abs(logistic.TANH.dual(exactly) - average(c.tanh)) < 1e-29
    assert abs(logistic.TANH.derivative_dual(exactly) - slope) < 1e-29


@pytest.mark.parametrize("mean", ["0.5", "-60"])
def test_recursion_in_fixed_point_equals_mpmath(mean):
    r"""The derivatives of E Phi(u/s) in the mean against mpmath's Hermite polynomials.

    Each times :math:`B^{(k-1)/2}/\sqrt{(k-1)!}`, as in the series, to the accuracy of the first.
    """
    c = M.context
    law = logistic.Law(c.mpf(mean), c.mpf("0.3"))
    found = logistic._step_derivatives(M, 2, law, 40)
    rule = logistic._rule(M, logistic._reach(2, law), 1.1)
    root = c.sqrt(law.a + 4 * min(rule.S))
    for k in (1, 2, 7, 40):
        terms = []
        for S, weight in zip(rule.S, rule.weights, strict=True):
            A = law.a + 4 * S
            x = law.m / c.sqrt(A)
            hermite = c.hermite(k - 1, x / c.sqrt(2)) / c.sqrt(2) ** (k - 1)
            terms.append(
                weight
                * (-1 / c.sqrt(A)) ** (k - 1)
                * hermite
                * c.exp(-x * x / 2)
                / c.sqrt(2 * c.pi * A)
            )
        if k == 1:
            size = c.fsum(terms)
        scale = root ** (k - 1) / c.sqrt(c.factorial(k - 1))
        assert abs(found[k] - c.fsum(terms)) * scale < 1e-36 * size, k


@pytest.mark.parametrize("name", ["sigmoid", "silu"])
@pytest.mark.parametrize("law", [("-30", "0.01"), ("-100", "1e-8"), ("-10", "1.3"), ("-5", "4")])
def test_squares_far_in_the_tail_keep_their_digits(name, law):
    r"""Against :math:`\sum_n (-1)^n (n + 1) E e^{(n+2)u} = E\sigma(u)^2`, to all terms of weight.

    The series is asymptotic in n, so only as many as fall are used; SiLU has the second moments of
    the tilted laws in front.
    """
    c = M.context
    mean, a = (c.mpf(x) for x in law)
    terms = []
    for n in range(60):
        k = n + 2
        size = (-1) ** n * (n + 1) * c.exp(k * mean + k * k * a / 2)
        terms.append(size * ((mean + k * a) ** 2 + a if name == "silu" else 1))
        if n and abs(terms[-1]) > abs(terms[-2]):
            terms.pop()
            break
    true, rest = c.fsum(terms), abs(terms[-1])
    kernel = KERNELS[name]
    assert abs(kernel.second(logistic.Law(mean, a)) - true) < 1e-24 * true + rest
    assert abs(kernel.second(logistic.Law(float(mean), float(a))) - true) < 1e-13 * true + rest
    if law[0] in ("-30", "-100"):
        assert rest < 1e-20 * true


def test_derivative_far_in_the_tail_has_thirty_digits():
    """E tanh'(u)^2 where tanh'(x)^2 is 16 exp(4 x) but for 1e-26."""
    c = M.context
    found = KERNELS["tanh"].derivative_second(logistic.Law(c.mpf(-30), c.mpf("0.01")))
    assert abs(found / (16 * c.exp(c.mpf("-119.92"))) - 1) < 1e-25


def test_slope_of_silu_far_in_the_tail_keeps_its_digits():
    """E ((1 + x) e^x)^2, the slope there but for a part e^x of it, after tilting by 2 x."""
    mean, a = -100.0, 4.0
    centre = mean + 2 * a
    true = math.exp(2 * mean + 2 * a) * ((1 + centre) ** 2 + a)
    found = KERNELS["silu"].derivative_second(logistic.Law(mean, a))
    assert found == pytest.approx(true, rel=1e-12)
