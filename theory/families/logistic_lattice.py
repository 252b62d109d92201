r"""The logistic family with means and many digits, between independent and nearly equal samples.

An activation :math:`\varphi` is the function :math:`\psi` that the mixture has at one S, plus a
rest :math:`\delta` that dies out exponentially on both sides:

.. math:: E\varphi(u)\varphi(v) = E\,\psi(u)\psi(v) + E\,\delta(u)\,E[\psi(v)|u]
          + E\,\delta(v)\,E[\psi(u)|v] + E\,\delta(u)\delta(v).

The first term has a closed form, the next two are sums over one variable, the last is one over two:
the trapezoid rule in u and in :math:`t = v - E[v|u]`, which is independent of u. The step of
E[v|u] is a multiple of that of t, so that v stays on a lattice too and the double sum is one of
products of whole numbers, 400 000 for 30 digits at large variances.
"""

from __future__ import annotations

from math import ceil, floor, log, pi, sqrt
from operator import mul
from typing import Any, NamedTuple

from theory.errors import NotConverged
from theory.families import normal
from theory.mathematics import Number
from theory.pair import Law, Pair

LONGEST_NUMBER = 20_000


class Side(NamedTuple):
    r"""One variable on its lattice: the points law.m + i step, first <= i <= last.

    ``size`` is the logarithm of the root of :math:`E\delta^2`, nearly.
    """

    law: Law
    step: Number
    first: int
    last: int
    size: float


def on_a_lattice(m: Any, member: Any, pair: Pair, index: int, digits: int) -> Number:
    r"""The dual (index 0) or the derivative's (1) for 0 < \|c\| < 1, to so many digits.

    ``member`` is one of the family of ``theory.families.logistic``. Raises ``NotConverged`` where
    the means are so far out that numbers would be longer than ``LONGEST_NUMBER`` bits.
    """
    D = digits * log(10) + 10
    free = float(pair.dl) * float(pair.op)
    widest = [_widest(member.unit, float(a) * free, D) for a in (pair.a, pair.b)]
    a, b = float(pair.a), float(pair.b)
    if a * widest[1] ** 2 > b * widest[0] ** 2:
        pair, widest = (
            Pair(pair.b, pair.a, pair.r, pair.dl, pair.op, pair.m2, pair.m1),
            widest[::-1],
        )
    steps = m.number(widest[0]) * abs(pair.r) / m.number(pair.a)
    times = ceil(float(steps) / widest[1])
    u = _side(m, member.unit, pair.u, m.number(widest[0]), D)
    v = _side(m, member.unit, pair.v, steps / times, D)
    bits = m.context.prec + 20 - floor((u.size + v.size) / log(2))
    if bits > LONGEST_NUMBER:
        raise NotConverged(
            f"{member.name} with means {float(pair.m1):g} and {float(pair.m2):g} would need "
            f"numbers of {bits} bits; give means closer to 0"
        )
    S = m.number(member.unit) ** 2
    rests = [_rests(m, member, side, index) for side in (u, v)]
    weights = [_weights(m, side) for side in (u, v)]
    total = member.two[index](pair, S, S)
    for one, other, rest, weight in zip((u, v), (v, u), rests, weights, strict=True):
        slope = pair.r / m.number(one.law.a)
        variance = other.law.a * pair.dl * pair.op
        points = (one.step * i for i in range(one.first, one.last + 1))
        total += m.context.fsum(
            w * d * member.one[index](Law(other.law.m + slope * x, variance), S)
            for w, d, x in zip(weight, rest, points, strict=True)
        )

    def whole(values: list[Number]) -> list[int]:
        return [int(m.context.ldexp(value, bits)) for value in values]

    left = whole([w * d for w, d in zip(weights[0], rests[0], strict=True)])
    free_law = Law(m.number(0), pair.b * pair.dl * pair.op)
    sign = 1 if pair.r > 0 else -1
    return total + m.context.ldexp(
        _double_sum(m, (u, v), left, whole(rests[1]), sign * times, free_law, D, whole), -3 * bits
    )


def _double_sum(
    m: Any,
    sides: tuple[Side, Side],
    left: list[int],
    right: list[int],
    times: int,
    free: Law,
    D: float,
    whole: Any,
) -> int:
    r""":math:`\sum_k g_k \sum_i U_i V_{ni + k}` over the lattice, n = ``times``."""
    u, v = sides
    if times < 0:  # the points of u from the last to the first
        left, u = left[::-1], u._replace(first=-u.last, last=-u.first)
        times = -times
    reach = ceil(2 * sqrt(D * float(free.a)) / float(v.step))
    low, high = max(-reach, v.first - times * u.last), min(reach, v.last - times * u.first)
    if low > high:
        return 0
    total = 0
    for k, g in zip(
        range(low, high + 1), whole(_weights(m, Side(free, v.step, low, high, 0))), strict=True
    ):
        start = max(u.first, -((k - v.first) // times))
        stop = min(u.last, (v.last - k) // times) + 1
        if start < stop:
            at = times * start + k - v.first
            total += g * sum(map(mul, left[start - u.first : stop - u.first], right[at::times]))
    return total


def _widest(unit: int, variance: float, D: float) -> float:
    r"""The longest step for an error of :math:`e^{-D}`, for functions with poles at distance d.

    In Fourier space the sum adds what is at K = 2 pi/step, :math:`e^{-dy - \sigma^2(K - y)^2/2}`
    with the worst y in [0, K].
    """
    d = unit * pi / 2
    frequency = sqrt(2 * D / variance)
    if frequency * variance > d:
        frequency = D / d + d / (2 * variance)
    return 2 * pi / frequency


def _side(m: Any, unit: int, law: Law, step: Number, D: float) -> Side:
    r"""All points where :math:`N(x)\,\delta(x)^2` exceeds :math:`e^{-2D}` times its largest value.

    The rest falls like :math:`e^{-2|x|/\text{unit}}`. By the inequality of Cauchy and Schwarz
    nothing is missed that counts in a product with the other side.
    """
    mean, a, rate = float(law.m), float(law.a), 4 / unit

    def fall(x: float) -> float:
        return (x - mean) ** 2 / (2 * a) + rate * abs(x)

    top = fall(max(mean - rate * a, 0.0) if mean > 0 else min(mean + rate * a, 0.0))
    ends = []
    for sign in (1, -1):
        centre = mean - sign * rate * a
        square = 2 * a * (2 * D + top) + centre**2 - mean**2
        if square >= 0:
            near = sorted((sign * centre - sqrt(square), sign * centre + sqrt(square)))
            ends += [sign * max(x, 0.0) for x in near if near[1] >= 0]
    h = float(step)
    first, last = (min(ends) - mean) / h, (max(ends) - mean) / h
    return Side(Law(m.number(law.m), m.number(law.a)), step, floor(first), ceil(last), -top / 2)


def _weights(m: Any, side: Side) -> list[Number]:
    """The step times the density at each point."""
    factor = side.step / m.sqrt(2 * m.pi * side.law.a)
    rate = side.step**2 / (2 * side.law.a)
    return [factor * m.exp(-rate * i**2) for i in range(side.first, side.last + 1)]


def _rests(m: Any, member: Any, side: Side, order: int) -> list[Number]:
    r""":math:`\delta`, or its derivative, at each point."""
    points = (side.law.m + side.step * i for i in range(side.first, side.last + 1))
    return [RESTS[member.name][order](m, m.number(member.unit), x) for x in points]


# The rests, even or odd: each from the same differences of two tails


def _tails(m: Any, unit: Number, x: Number) -> Number:
    r""":math:`\sigma(-2|x|/s) - \Phi(-|x|/s)`."""
    y = abs(x) / unit
    small = m.exp(-2 * y)
    return small / (1 + small) - normal.cdf(-y)


def _slopes(m: Any, unit: Number, x: Number) -> Number:
    r""":math:`d\sigma(2x/s)/dx` less that of :math:`\Phi(x/s)`."""
    y = abs(x) / unit
    small = m.exp(-2 * y)
    return (2 * small / (1 + small) ** 2 - normal.density(y)) / unit


def _step_rest(m: Any, unit: Number, x: Number) -> Number:
    return _tails(m, unit, x) * (-1 if x > 0 else 1)


def _sign_rest(m: Any, unit: Number, x: Number) -> Number:
    return 2 * _step_rest(m, unit, x)


def _sign_slope_rest(m: Any, unit: Number, x: Number) -> Number:
    return 2 * _slopes(m, unit, x)


def _hinge_rest(m: Any, unit: Number, x: Number) -> Number:
    y = abs(x) / unit
    smooth = normal.density(y) - y * normal.cdf(-y)
    return unit * (m.log1p(m.exp(-2 * y)) / 2 - smooth)


def _gate_rest(m: Any, unit: Number, x: Number) -> Number:
    return -abs(x) * _tails(m, unit, x)


def _gate_slope_rest(m: Any, unit: Number, x: Number) -> Number:
    return _step_rest(m, unit, x) + x * _slopes(m, unit, x)


RESTS = {
    "tanh": (_sign_rest, _sign_slope_rest),
    "sigmoid": (_step_rest, _slopes),
    "softplus": (_hinge_rest, _step_rest),
    "silu": (_gate_rest, _gate_slope_rest),
}
