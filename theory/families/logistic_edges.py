r"""The logistic family with means and many digits, at correlations next to 1 and -1.

Next to c = 1 the dual is its Taylor series in the covariance there,

.. math:: E\varphi(u)\varphi(v) = \sum_k \frac{(r - \sqrt{ab})^k}{k!}\,
          E\left[\varphi^{(k)}(m_1 + \sqrt a z)\,\varphi^{(k)}(m_2 + \sqrt b z)\right]

with one standard normal z: integrals of one variable. The series is asymptotic; by the inequality
of Cauchy and Schwarz the rest after K terms is at most :math:`|r - \sqrt{ab}|^K/K!` times the
largest values of :math:`\varphi^{(K)}` in u and in v. At c = -1 v is mirrored.
"""

from __future__ import annotations

from functools import lru_cache
from itertools import pairwise
from math import ceil, factorial, lgamma, log, pi, sqrt
from typing import Any

from theory.families import normal
from theory.mathematics import Number
from theory.pair import Law, Pair

MOST_TERMS = 24


def at_the_edge(m: Any, name: str, unit: int, pair: Pair, index: int, digits: int) -> Number | None:
    """The dual (index 0), the derivative's (1) or their gaps (2, 3); None too far from 1 and -1."""
    near, sign = (pair.dl, 1) if pair.dl < pair.op else (pair.op, -1)
    root = m.sqrt(m.number(pair.a) * m.number(pair.b))
    terms = _terms(float(root * near) / unit**2, digits)
    if terms is None:
        return None
    at_one = _products(m, name, unit, (pair.u, pair.v), sign, terms + 1, digits)
    shift, is_gap = index % 2, index >= 2
    step, weight, total = -sign * root * near, m.number(1), []
    for k in range(terms + 1):
        total.append(weight * at_one[k + shift])
        weight *= step / (k + 1)
    if not is_gap:
        return m.context.fsum(total)
    if sign == 1:
        return -m.context.fsum(total[1:])
    same = _products(m, name, unit, (pair.u, pair.u), 1, shift, digits)
    return same[shift] - m.context.fsum(total)


def _terms(distance: float, digits: int) -> int | None:
    r"""The last order needed, from :math:`|\varphi^{(k)}| \le C k!\,(\pi/2)^{-k}` in its units."""
    if distance == 0:
        return 0
    rate = log(distance * (2 / pi) ** 2)
    for last in range(MOST_TERMS + 1):
        rest = last + 1  # times at most a factor x, in SiLU, and one derivative more
        if rest * rate + 2 * lgamma(rest + 3) - lgamma(rest + 1) < -digits * log(10):
            return last
    return None


@lru_cache(maxsize=64)
def _products(
    m: Any, name: str, unit: int, laws: tuple[Law, Law], sign: int, order: int, digits: int
) -> list[Number]:
    r""":math:`E[\varphi^{(k)}(u)\varphi^{(k)}(v)]` for k = 0 ... order, at c = sign.

    Gauss-Legendre panels of z, at most 2 wide, next to the zeros of u and v at most two units of
    these and doubling from there: the poles of phi, pi/2 units or more above the zero, are further
    from the middle of every panel than its ends, by the factor pi/2 at least.
    """
    lines = [
        (m.number(law.m), s * m.sqrt(m.number(law.a)))
        for law, s in zip(laws, (1, sign), strict=True)
    ]
    alike = lines[0] == lines[1]
    nodes, weights = normal.legendre(m, 8 + m.context.dps)
    totals: list[list[Number]] = [[] for _ in range(order + 1)]
    for low, high in pairwise(_edges(lines, unit, digits)):
        width = m.number(high) - m.number(low)
        for x, w in zip(nodes, weights, strict=True):
            z = m.number(low) + width * x
            measure = width * w * normal.density(z)
            (m1, s1), (m2, s2) = lines
            left = _derivatives(m, name, unit, m1 + s1 * z, order)
            right = left if alike else _derivatives(m, name, unit, m2 + s2 * z, order)
            for column, p, q in zip(totals, left, right, strict=True):
                column.append(measure * p * q)
    return [m.context.fsum(column) for column in totals]


def _edges(lines: list[tuple[Number, Number]], unit: int, digits: int) -> list[float]:
    reach = ceil(sqrt(2 * digits * log(10))) + 1
    edges = {float(k) for k in range(-reach, reach + 2, 2)}
    for mean, sigma in lines:
        turn = 0
        while abs(sigma) > unit and turn * unit < abs(sigma) * reach:
            edges |= {float((s * turn * unit - mean) / sigma) for s in (-1, 1)}
            turn = 2 * turn + 2
    return sorted(edges)


def _derivatives(m: Any, name: str, unit: int, x: Number, order: int) -> list[Number]:
    r""":math:`\varphi^{(k)}(x)`, k = 0 ... order, from those of the logistic function."""
    scale = m.number(2) / unit
    steps = [value * scale**k for k, value in enumerate(_logistic(m, scale * x, order))]
    if name == "tanh":
        return [m.tanh(x), *(2 * value for value in steps[1:])]
    if name == "sigmoid":
        return steps
    if name == "softplus":
        return [m.maximum(x, 0 * x) + m.log1p(m.exp(-abs(x))), *steps[:-1]]
    return [x * value + (k * steps[k - 1] if k else 0) for k, value in enumerate(steps)]


def _logistic(m: Any, x: Number, order: int) -> list[Number]:
    """The derivatives of the logistic function f, from f' = f (1 - f), in fixed point."""
    bits = m.context.prec + 10 + ceil(1.5 * min(abs(float(x)), 1000.0))
    small = m.exp(-abs(x))
    lower, upper = (int(m.context.ldexp(f / (1 + small), bits)) for f in (small, 1))
    value, rest = (upper, lower) if x > 0 else (lower, upper)
    taylor = [value, value * rest >> bits]
    for n in range(1, order):
        pairs = sum(taylor[i] * taylor[n - i] for i in range(1, (n + 1) // 2))
        middle = taylor[n // 2] ** 2 if n % 2 == 0 else 0
        taylor.append((taylor[n] * (rest - value) - 2 * pairs - middle >> bits) // (n + 1))
    return [m.context.ldexp(m.number(factorial(k) * c), -bits) for k, c in enumerate(taylor)][
        : order + 1
    ]
