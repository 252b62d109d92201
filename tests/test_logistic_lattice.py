"""Thirty digits of the logistic family with means, between independent and equal samples."""

import pytest

from theory.errors import NotConverged
from theory.families import logistic, logistic_lattice
from theory.kernels import KERNELS
from theory.mathematics import precise
from theory.pair import Given, Law, Pair

M = precise(30)
MEMBERS = {
    member.name: member
    for member in (logistic.SIGNS, logistic.STEPS, logistic.HINGES, logistic.GATES)
}
LAWS = (  # a, b, m1, m2, c
    ("2", "2", "0.5", "0.5", "0.9"),
    ("25", "1.3", "-2", "0.7", "-0.99"),
    ("1e-3", "25", "-12", "0.7", "0.8"),
    ("0.01", "0.01", "-30", "-30", "0.7"),
    ("100", "100", "0.7", "0.7", "0.6"),
)


def pair(a, b, m1, m2, c):
    a, b, m1, m2, c = map(M.context.mpf, (a, b, m1, m2, c))
    return Pair.at(a, b, c=c, mean1=m1, mean2=m2)


def second(name, order, law):
    same = Pair.at(law.a, one_minus_c=M.context.mpf(0), mean1=law.m, mean2=law.m)
    return getattr(KERNELS[name], ("dual", "derivative_dual")[order])(same)


@pytest.mark.parametrize(
    "law", [LAWS[0], *(pytest.param(law, marks=pytest.mark.slow) for law in LAWS[1:])], ids=str
)
@pytest.mark.parametrize("name", MEMBERS)
def test_lattice_equals_the_series_about_independent_samples(name, law):
    """Both to 34 digits of the scale, also where that is exp(-30)."""
    at, member = pair(*law), MEMBERS[name]
    for order in (0, 1):
        series = logistic._by_series(M, member, at, order)
        found = logistic_lattice.on_a_lattice(M, member, at, order, 34)
        scale = M.context.sqrt(second(name, order, at.u) * second(name, order, at.v))
        assert abs(found - series) < 1e-33 * scale, order


@pytest.mark.parametrize("c", ["0.9", "-0.9"])
@pytest.mark.parametrize("name", MEMBERS)
def test_gaps_on_the_lattice_keep_their_digits(name, c):
    at = pair("2", "2", "0.5", "0.5", c)
    for index in (2, 3):
        series = logistic._by_series(M, MEMBERS[name], at, index)
        assert abs(logistic._between(M, MEMBERS[name], at, index) / series - 1) < 1e-32


def average(f, q, gap, m1, m2):
    r"""E f(u) f(v) for u, v = m + s +- w/2 with s and w independent, both by the trapezoid rule."""
    c, h = M.context, M.context.mpf("0.1")
    wide, narrow = q - gap / 2, 2 * gap
    reach, short = int(12.6 * c.sqrt(wide) / h), int(6.3 * c.sqrt(narrow) / h)
    points = range(-reach - short, reach + short + 1)
    left, right = ([f(mean + h * k) for k in points] for mean in (m1, m2))
    middle = [c.exp(-((h * i) ** 2) / (2 * wide)) for i in range(-reach, reach + 1)]
    total = c.mpf(0)
    for j in range(-short, short + 1):
        u = left[short + j : short + j + len(middle)]
        v = right[short - j : short - j + len(middle)]
        weight = c.exp(-((2 * h * j) ** 2) / (2 * narrow))
        total += weight * c.fsum(x * y * w for x, y, w in zip(u, v, middle, strict=True))
    return total * 2 * h * h / (2 * c.pi * c.sqrt(wide * narrow))


@pytest.mark.slow
@pytest.mark.parametrize("name", ["tanh", "silu"])
def test_where_neither_expansion_is_short_the_dual_is_the_double_sum_of_the_definition(name):
    """At q = 1000 and 1 - c = 2.5e-4: a quarter of a million terms of the plain function."""
    c = M.context
    q, dl, m1, m2 = c.mpf(1000), c.mpf("2.5e-4"), c.mpf("0.7"), c.mpf("-0.4")

    def phi(x):
        return c.tanh(x) if name == "tanh" else x / (1 + c.exp(-x))

    def slope(x):
        if name == "tanh":
            return c.sech(x) ** 2
        step = 1 / (1 + c.exp(-x))
        return step + x * step * (1 - step)

    at = Pair.at(q, one_minus_c=dl, mean1=m1, mean2=m2)
    kernel = KERNELS[name]
    for found, f in ((kernel.dual(at), phi), (kernel.derivative_dual(at), slope)):
        assert abs(found / average(f, q, q * dl, m1, m2) - 1) < 1e-30


@pytest.mark.parametrize("law", LAWS[:2], ids=str)
def test_more_digits_agree(law):
    fine = precise(60)
    given = Given.at(law[0], law[1], c=law[4], mean1=law[2], mean2=law[3])
    low = logistic_lattice.on_a_lattice(M, logistic.GATES, given.pair(M), 0, 34)
    high = logistic_lattice.on_a_lattice(fine, logistic.GATES, given.pair(fine), 0, 64)
    assert 0 < abs(fine.number(low) - high) < 1e-36


def test_means_too_far_out_are_refused():
    far = M.context.mpf(-20_000)
    with pytest.raises(NotConverged, match=r"means -20000 and -20000 .* closer to 0"):
        logistic_lattice.on_a_lattice(
            M, logistic.STEPS, Pair.at(M.number(1), c=M.number(0.9), mean1=far, mean2=far), 0, 34
        )


def test_one_variable_on_its_lattice_holds_all_that_counts():
    """The points kept against the whole line, for a mean in the tail: E delta(u)^2."""
    c, law = M.context, Law(M.number(-20), M.number(4))
    side = logistic_lattice._side(M, 1, law, M.number(0.1), 34 * 2.303)
    wider = side._replace(first=side.first - 300, last=side.last + 300)
    squares = []
    for each in (side, wider):
        rests = logistic_lattice._rests(M, logistic.SIGNS, each, 0)
        weights = logistic_lattice._weights(M, each)
        squares.append(c.fsum(w * d * d for w, d in zip(weights, rests, strict=True)))
    assert 0 <= squares[1] / squares[0] - 1 < 1e-60
    assert abs(c.log(squares[1]) / 2 - side.size) < 5
