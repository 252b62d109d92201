r"""Piecewise linear activations: linear, ReLU, leaky ReLU, abs, step, sign, hard tanh, any other.

The derivative of such a function is piecewise constant plus a point mass for each jump, the second
derivative a sum of point masses. Price's theorem, twice, therefore gives

.. math:: E\varphi(u)\varphi(v) = E\varphi(u)\,E\varphi(v) + r\,E\varphi'(u)\,E\varphi'(v)
          + \sum_{ij} w_i w_j \int_0^r (r - r')\,N_2(t_i, t_j; r')\,dr'

for kinks t_i at which the slope grows by w_i, in which nothing cancels: neither for small
variances, where the last term is exponentially small, nor for large ones, nor as the correlation
tends to 1 or -1. Centred laws of functions with their only kink at 0 have elementary forms.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import fields
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np

from theory.errors import DescriptionError
from theory.families.kernel import DoesNotExist, Integral, Kernel
from theory.families.normal import (
    angular_integral,
    cdf,
    density,
    divided,
    hinge_moments,
    joint_density,
    log_density,
    pair_density,
    residual,
    sector,
)
from theory.mathematics import FLOATS, Number, Symbols, of
from theory.pair import Law, Pair

FARTHEST = 1e8
SQUARED_MASS = "E phi'(u)^2 diverges, because phi jumps and phi' is a point mass there"
COINCIDENT = (
    "E phi'(u) phi'(v) diverges at correlation -1 or 1, because phi jumps and the point masses of "
    "phi'(u) and phi'(v) fall on each other"
)


class Pieces(NamedTuple):
    r"""A piecewise linear function: slopes between the kinks, jumps at them, value at 0.

    There is one slope more than kinks, and one jump for each kink (0 for none): ``slopes[0]`` holds
    left of ``kinks[0]``. The function is continuous from the right, so ``value`` is its limit as x
    decreases to 0; this matters only for a jump at 0.
    """

    kinks: tuple[Number, ...]
    slopes: tuple[Number, ...]
    jumps: tuple[Number, ...]
    value: Number

    @property
    def weights(self) -> list[Number]:
        """How much the slope grows at each kink."""
        return [after - before for before, after in pairwise(self.slopes)]

    def at(self, m: Any) -> Pieces:
        """The same function with numbers of one system."""
        kinks, slopes, jumps = (tuple(m.number(x) for x in part) for part in self[:3])
        return Pieces(kinks, slopes, jumps, m.number(self.value))

    @property
    def derivative(self) -> Pieces:
        """The derivative between the kinks: a step function."""
        level = self.slopes[0]
        for kink, weight in zip(self.kinks, self.weights, strict=True):
            level = level + (weight if kink <= 0 else 0)
        return Pieces(self.kinks, tuple(0 * x for x in self.slopes), tuple(self.weights), level)

    @property
    def has_jumps(self) -> bool:
        return any(jump != 0 for jump in self.jumps)


class _Weights(NamedTuple):
    """What phi'' holds at the active kinks: masses, dipoles, and the sum of the masses."""

    slopes: list[Number]
    jumps: list[Number]
    total: Number


# Any law


def pieces_mean(pieces: Pieces, law: Law) -> Number:
    r"""``E phi(u)`` for a piecewise linear phi.

    .. math:: \varphi(m) + \sum_i w_i\,E(u - t_i)_{\pm} \pm j_i\,P(\pm(u - t_i) > 0)

    where phi is continued from the piece of the mean m, so that each hinge opens away from m and
    is small if the variance is. Domain: variance >= 0.

    >>> relu = Pieces(kinks=(0,), slopes=(0, 1), jumps=(0,), value=0)
    >>> round(float(pieces_mean(relu, Law(0.0, 4.0))), 12)
    0.797884560803
    """
    m, pieces, law = _numbers(pieces, law)
    sigma = m.sqrt(law.a)
    total = _level(m, pieces, law.m)
    for t, w, j in zip(pieces.kinks, pieces.weights, pieces.jumps, strict=True):
        beyond, hinge = hinge_moments(1, -m.absolute(_standard(m, law.m - t, sigma)))
        side = m.select(law.m >= t, lambda: -1 + 0 * sigma, lambda: 1 + 0 * sigma)
        total = total + w * sigma * hinge + j * side * beyond
    return total


def pieces_derivative_mean(pieces: Pieces, law: Law) -> Number:
    """``E phi'(u)``; each jump adds the density of u at it.

    >>> step = Pieces(kinks=(0,), slopes=(0, 0), jumps=(1,), value=1)
    >>> round(float(pieces_derivative_mean(step, Law(0.0, 1.0))), 12)
    0.398942280401
    """
    m, pieces, law = _numbers(pieces, law)
    return pieces_mean(pieces.derivative, law) + _jump_density(m, pieces, law)


def pieces_second(pieces: Pieces, law: Law) -> Number:
    """``E phi(u)^2``."""
    return pieces_dual(pieces, _same(law))


def pieces_derivative_second(pieces: Pieces, law: Law) -> Number:
    """``E phi'(u)^2``; does not exist if phi jumps."""
    if pieces.has_jumps:
        raise DoesNotExist(SQUARED_MASS)
    return pieces_dual(pieces.derivative, _same(law))


def pieces_dual(pieces: Pieces, pair: Pair) -> Number:
    """``E phi(u) phi(v)``, the formula of this module; variances >= 0, correlation in [-1, 1].

    >>> hard_tanh = Pieces(kinks=(-1, 1), slopes=(0, 1, 0), jumps=(0, 0), value=0)
    >>> round(float(pieces_dual(hard_tanh, Pair.at(1.0, c=1.0))), 12)
    0.516058550962
    """
    return pieces_mean(pieces, pair.u) * pieces_mean(pieces, pair.v) + _covariance(pieces, pair)


def pieces_derivative_dual(pieces: Pieces, pair: Pair) -> Number:
    r"""``E phi'(u) phi'(v)``; if phi jumps, only for c strictly between -1 and 1.

    With g the step function that is phi' between the kinks, and point masses j_i at s_i:
    :math:`E g(u)g(v) + \sum_i j_i N(s_i)\,E[g(v) | u = s_i] + \ldots + \sum_{ij} j_i j_k N_2`.

    >>> relu = Pieces(kinks=(0,), slopes=(0, 1), jumps=(0,), value=0)
    >>> round(float(pieces_derivative_dual(relu, Pair.at(1.0, c=0.5))), 12)
    0.333333333333
    """
    smooth = pieces_dual(pieces.derivative, pair)
    if not pieces.has_jumps:
        return smooth
    m, pieces, pair = _numbers(pieces, pair)
    swapped = pair._replace(a=pair.b, b=pair.a, m1=pair.m2, m2=pair.m1)
    leaps = _jumps_times_jumps(m, pieces, pair)
    mixed = _jumps_times_slope(m, pieces, pair) + _jumps_times_slope(m, pieces, swapped)
    return smooth + mixed + leaps


def pieces_gap(pieces: Pieces, pair: Pair) -> Number:
    r"""``E phi(u)^2 - E phi(u) phi(v)`` for equal laws, without cancellation as c tends to 1.

    >>> hard_tanh = Pieces(kinks=(-1, 1), slopes=(0, 1, 0), jumps=(0, 0), value=0)
    >>> gap = pieces_gap(hard_tanh, Pair.at(1.0, one_minus_c=1e-20))
    >>> round(float(gap) * 1e20, 9)  # E phi'(u)^2
    0.682689492
    """
    m, number, pair = _numbers(pieces, pair)
    return m.select(
        pair.dl < pair.op,
        lambda: _gap_at_positive_correlation(m, number, pair),
        lambda: pieces_second(pieces, pair.u) - pieces_dual(pieces, pair),
    )


def pieces_derivative_gap(pieces: Pieces, pair: Pair) -> Number:
    """``E phi'(u)^2 - E phi'(u) phi'(v)`` in the same way; does not exist if phi jumps."""
    if pieces.has_jumps:
        raise DoesNotExist(SQUARED_MASS)
    return pieces_gap(pieces.derivative, pair)


def _numbers(pieces: Pieces, law: Any) -> tuple[Any, Pieces, Any]:
    """The number system of a law or pair, and both arguments in it."""
    m = of(*law)
    if m is FLOATS:
        return m, pieces.at(m), type(law)(*(np.asarray(x, dtype=float)[()] for x in law))
    return m, pieces.at(m), type(law)(*(m.number(x) for x in law))


def _same(law: Law) -> Pair:
    return Pair(law.a, law.a, law.a, 0 * law.a, 2 + 0 * law.a, law.m, law.m)


def _level(m: Any, pieces: Pieces, x: Number) -> Number:
    """phi(x), from the right at a jump; hinges open away from 0."""
    value = pieces.value + pieces.derivative.value * x
    for t, w, j in zip(pieces.kinks, pieces.weights, pieces.jumps, strict=True):
        if t > 0:
            value = value + w * m.maximum(x - t, 0 * x) + j * _reaches(m, x, t)
        else:
            value = value + w * m.maximum(t - x, 0 * x) - j * (1 - _reaches(m, x, t))
    return value


def _reaches(m: Any, x: Number, t: Number) -> Number:
    """1 where x >= t, else 0."""
    return m.select(x >= t, lambda: 1 + 0 * x, lambda: 0 * x)


def _standard(m: Any, distance: Number, sigma: Number) -> Number:
    """distance/sigma, bounded where nothing depends on it any more."""
    if m is FLOATS:
        return np.clip(divided(m, distance, sigma), -FARTHEST, FARTHEST)
    return distance / sigma if sigma != 0 else m.far(distance)


def _jump_density(m: Any, pieces: Pieces, law: Law) -> Number:
    """The point masses of phi' against the density of u."""
    sigma = m.sqrt(law.a)
    points = [
        (j, _standard(m, law.m - t, sigma)) for t, j in zip(pieces.kinks, pieces.jumps, strict=True)
    ]
    return sum((divided(m, j * density(h), sigma) for j, h in points if j != 0), 0 * sigma)


def _covariance(pieces: Pieces, pair: Pair) -> Number:
    m, pieces, pair = _numbers(pieces, pair)
    sign = m.select(pair.dl <= pair.op, lambda: 1 + 0 * pair.dl, lambda: -1 + 0 * pair.dl)
    angle, length = sector(m, pair.dl, pair.op)

    def weight(y: Number, phi: Number, angle: Number, near: Number) -> tuple[Number, Number]:
        return 2 * m.sin(angle + y / 2) * m.sin(y / 2), 1

    curved = _curvature(m, pieces, pair, sign, angle, length, weight)
    return pair.r * _flat(m, pieces, pair.u, pair.v) + curved


def _flat(m: Any, pieces: Pieces, u: Law, v: Law) -> Number:
    """The rate at zero correlation, apart from jump times jump: that part is in the integral."""
    slope_u, slope_v = (pieces_mean(pieces.derivative, law) for law in (u, v))
    if not pieces.has_jumps:
        return slope_u * slope_v
    jump_u, jump_v = (_jump_density(m, pieces, law) for law in (u, v))
    return slope_u * slope_v + slope_u * jump_v + jump_u * slope_v


def _gap_at_positive_correlation(m: Any, pieces: Pieces, pair: Pair) -> Number:
    angle, length = sector(m, pair.dl, pair.op)
    one = 1 + 0 * pair.dl

    def below(y: Number, phi: Number, angle: Number, near: Number) -> tuple[Number, Number]:
        return near + 0 * y, 0

    def above(y: Number, phi: Number, angle: Number, near: Number) -> tuple[Number, Number]:
        return 2 * m.sin(phi / 2) ** 2, 1

    curved = _curvature(m, pieces, pair, one, angle, length, below)
    curved = curved + _curvature(m, pieces, pair, one, 0 * angle, angle, above)
    return pair.a * pair.dl * _flat(m, pieces, pair.u, pair.u) + curved


def _curvature(
    m: Any,
    pieces: Pieces,
    pair: Pair,
    sign: Number,
    angle: Number,
    length: Number,
    weight: Callable[..., tuple[Number, Number]],
) -> Number:
    r"""The integral over the correlation :math:`t = \cos\varphi` of all pairs of kinks and jumps.

    ``weight`` gives c - t and 1, the factors of a kink with a kink and of a jump with a jump. For
    negative correlation (sign -1) v is reflected. The largest exponential is taken out of the sum,
    so that the weights, which may add up to 0, are added exactly.
    """
    active = [
        (t, w, j)
        for t, w, j in zip(pieces.kinks, pieces.weights, pieces.jumps, strict=True)
        if w != 0 or j != 0
    ]
    if not active:
        return 0 * pair.r
    sigma, tau = m.sqrt(pair.a), m.sqrt(pair.b)
    left = [_standard(m, pair.m1 - t, sigma) for t, _, _ in active]
    right = [sign * _standard(m, pair.m2 - t, tau) for t, _, _ in active]
    near = m.select(pair.dl < pair.op, lambda: pair.dl, lambda: pair.op)
    growth = pieces.slopes[-1] - pieces.slopes[0]
    weights = _Weights([w for _, w, _ in active], [j for _, _, j in active], growth)

    def integrand(y: Number, phi: Number, *values: Number) -> Number:
        h, k = values[: len(active)], values[len(active) : 2 * len(active)]
        sigma, tau, sign, angle, near = values[2 * len(active) :]
        factors = (*weight(y, phi, angle, near), sigma, tau, sign)
        return _all_pairs(m, weights, h, k, phi, factors)

    arguments = (*left, *right, sigma, tau, sign, angle, near)
    distance = _least_distance(m, left, right)
    value = angular_integral(m, integrand, angle, length, distance, *arguments)
    return value / (2 * m.pi)


def _least_distance(m: Any, left: list[Number], right: list[Number]) -> Number:
    """The least positive distance between two points; not asked for in balls."""
    if m.encloses:
        return m.number(0)
    least = FARTHEST + 0 * left[0] + 0 * right[0]
    for h in left:
        for k in right:
            d = m.absolute(h - k)
            d = m.select(d > 0, lambda d=d: d, lambda d=d: FARTHEST + 0 * d)
            least = -m.maximum(-least, -d)
    return least


def _all_pairs(
    m: Any, weights: _Weights, h: Any, k: Any, phi: Number, factors: tuple[Number, ...]
) -> Number:
    terms = list(_pair_weights(m, weights, h, k, phi, factors))
    if m.encloses:
        return sum(rest * pair_density(m, x, y, phi) for x, y, _, rest in terms)
    below, level, sigma, tau, sign = factors
    exponents = [log_density(m, x, y, phi) for x, y, _, _ in terms]
    top = exponents[0]
    for exponent in exponents:
        top = m.maximum(top, exponent)
    curved = level * sum(weights.jumps) ** 2 * sign + sigma * tau * below * weights.total**2
    for exponent, (_, _, mixed, rest) in zip(exponents, terms, strict=True):
        curved = curved + mixed + rest * m.expm1(exponent - top)
    return m.exp(top) * curved


def _pair_weights(
    m: Any, weights: _Weights, h: Any, k: Any, phi: Number, factors: tuple[Number, ...]
) -> Iterator[tuple[Number, Number, Number, Number]]:
    """Each pair of points, what its density is multiplied by from a jump at a kink, and in all."""
    below, level, sigma, tau, sign = factors
    tilt = _tilt(m, below, phi)
    fall = 2 * m.sin(phi / 2) ** 2
    for i, x in enumerate(h):
        for j, y in enumerate(k):
            one, other = weights.slopes[i], weights.slopes[j]
            jump, leap = weights.jumps[i], sign * weights.jumps[j]
            mixed = 0
            if jump != 0 and other != 0:
                mixed = mixed + jump * other * tau * tilt * (y - x - fall * y)
            if one != 0 and weights.jumps[j] != 0:
                mixed = mixed + one * leap * sigma * tilt * (x - y - fall * x)
            yield x, y, mixed, mixed + level * jump * leap + sigma * tau * below * one * other


def _tilt(m: Any, below: Number, phi: Number) -> Number:
    r""":math:`(\cos\theta - \cos\varphi)/\sin^2\varphi`, in [0, 1] for theta <= phi <= pi/2."""
    if m.encloses and m.touches_zero(phi):
        return m.between(0, 1)
    return below / m.sin(phi) ** 2


def _jumps_times_slope(m: Any, pieces: Pieces, pair: Pair) -> Number:
    """E of the point masses of phi'(u) times phi'(v) between its kinks, given u."""
    sigma, tau = m.sqrt(pair.a), m.sqrt(pair.b)
    s = m.sqrt(pair.dl * pair.op)
    total = 0 * pair.r
    for at, jump in zip(pieces.kinks, pieces.jumps, strict=True):
        if jump == 0:
            continue
        h = _standard(m, pair.m1 - at, sigma)
        slope = pieces.slopes[0]
        for t, w in zip(pieces.kinks, pieces.weights, strict=True):
            k = _standard(m, pair.m2 - t, tau)
            slope = slope + w * cdf(divided(m, residual(h, k, pair.dl, pair.op), s))
        total = total + divided(m, jump * density(h), sigma) * slope
    return total


def _jumps_times_jumps(m: Any, pieces: Pieces, pair: Pair) -> Number:
    sigma, tau = m.sqrt(pair.a), m.sqrt(pair.b)
    points = [(t, j) for t, j in zip(pieces.kinks, pieces.jumps, strict=True) if j != 0]
    total = 0 * pair.r
    for t, jump in points:
        for other, leap in points:
            h, k = _standard(m, pair.m1 - t, sigma), _standard(m, pair.m2 - other, tau)
            if _coincide(m, h, k, pair, (t, other)):
                raise DoesNotExist(COINCIDENT)
            total = total + jump * leap * joint_density(m, h, k, pair.dl, pair.op)
    return divided(m, total, sigma * tau)


def _coincide(m: Any, h: Number, k: Number, pair: Pair, at: tuple[Number, Number]) -> bool:
    """Whether u at one point mass means v at the other, as far as rounding can tell."""
    if m.encloses:
        x, y = pair.m1 - at[0], pair.m2 - at[1]
        left, right = x * abs(x) * pair.b, y * abs(y) * pair.a
        return bool((pair.dl == 0 and left == right) or (pair.op == 0 and left == -right))
    slack = 8 * (np.finfo(float).eps if m is FLOATS else m.context.eps) * m.absolute(h)
    equal = (pair.dl == 0) & (m.absolute(h - k) <= slack)
    return bool(np.any(equal | ((pair.op == 0) & (m.absolute(h + k) <= slack))))


def pieces_kernel(make: Callable[..., Pieces]) -> Kernel:
    """The kernel of the function that ``make`` builds from the activation's parameters."""

    def integral(function: Callable[[Pieces, Any], Number]) -> Integral:
        return lambda law, **parameters: function(make(**parameters), law)

    return Kernel(
        mean=integral(pieces_mean),
        derivative_mean=integral(pieces_derivative_mean),
        second=integral(pieces_second),
        derivative_second=integral(pieces_derivative_second),
        dual=integral(pieces_dual),
        derivative_dual=integral(pieces_derivative_dual),
        gap=integral(pieces_gap),
        derivative_gap=integral(pieces_derivative_gap),
    )


# Centred laws, one kink at 0: elementary in every number system


def linear_kernel() -> Kernel:
    """phi(x) = x, for every law."""
    return Kernel(
        mean=lambda law: law.m + 0 * law.a,
        derivative_mean=lambda law: 1 + 0 * law.a,
        second=lambda law: law.a + law.m**2,
        derivative_second=lambda law: 1 + 0 * law.a,
        dual=lambda pair: pair.r + pair.m1 * pair.m2,
        derivative_dual=lambda pair: 1 + 0 * pair.r,
        gap=lambda pair: pair.a * pair.dl,
        derivative_gap=lambda pair: 0 * pair.dl,
    )


def pair_angle(pair: Pair) -> Number:
    r"""The angle :math:`\theta = \arccos c`, relatively accurate at both ends."""
    return _angle(pair, pair.r, pair.op - pair.dl)


def opposite_angle(pair: Pair) -> Number:
    r""":math:`\psi = \pi - \theta`."""
    return _angle(pair, -pair.r, pair.dl - pair.op)


def _angle(pair: Pair, product: Number, twice_cosine: Number) -> Number:
    m = of(*pair)
    if isinstance(m, Symbols):
        return m.angle(_sine(m, pair), product, m.sqrt(pair.a * pair.b))
    return m.angle(m.sqrt(pair.dl * pair.op), twice_cosine / 2, 1)


def arc_cosine(pair: Pair) -> Number:
    r"""Dual of ReLU, ``E[max(0, u) max(0, v)]``, for a centred pair.

    .. math:: \frac{\sqrt{ab}}{2\pi}\left(\sin\theta + (\pi - \theta)\cos\theta\right)
              = \frac{\sqrt{ab}}{2\pi}\left((1 + c)\,\psi - (\psi - \sin\psi)\right),
              \qquad \cos\theta = c, \quad \psi = \pi - \theta

    in numbers by the second form, which keeps its relative accuracy as c tends to -1. At c = 1
    value and first derivative are finite, the second derivative is not.

    Source: Cho & Saul, NeurIPS 2009, order 1; their kernel is twice ours.

    >>> import sympy as sp
    >>> [arc_cosine(Pair.at(sp.S(1), c=sp.S(c))) for c in (-1, 0, 1)]
    [0, 1/(2*pi), 1/2]
    """
    m = of(*pair)
    if isinstance(m, Symbols):
        return (_sine(m, pair) + pair.r * opposite_angle(pair)) / (2 * m.pi)
    psi = opposite_angle(pair)
    below = pair.op * psi - m.angle_minus_sine(psi)
    return m.sqrt(pair.a * pair.b) * below / (2 * m.pi)


def arc_cosine_gap(pair: Pair) -> Number:
    r"""``E[max(0, u)^2] - E[max(0, u) max(0, v)]`` for equal centred laws, without cancellation.

    .. math:: \frac{a}{2\pi}\left((\pi - \theta)(1 - c) + \theta - \sin\theta\right)
    """
    m = of(*pair)
    below = opposite_angle(pair) * pair.dl + m.angle_minus_sine(pair_angle(pair))
    return pair.a * below / (2 * m.pi)


def quadrant(pair: Pair) -> Number:
    r"""``P(u > 0, v > 0)`` for a centred pair, the dual of the step function.

    .. math:: \frac{\pi - \theta}{2\pi}, \qquad \cos\theta = c

    Source: Cho & Saul, NeurIPS 2009, order 0; their kernel is twice ours.

    >>> import sympy as sp
    >>> quadrant(Pair.at(sp.S(1), c=sp.S(0)))
    1/4
    """
    return opposite_angle(pair) / (2 * of(*pair).pi)


def quadrant_gap(pair: Pair) -> Number:
    r"""``P(u > 0) - P(u > 0, v > 0)``, the angle :math:`\theta/(2\pi)`."""
    return pair_angle(pair) / (2 * of(*pair).pi)


def arc_sine(pair: Pair) -> Number:
    r"""``E sign(u) sign(v)`` for a centred pair.

    .. math:: \frac2\pi\arcsin c

    Source: Sheppard, Phil. Trans. R. Soc. 1899.

    >>> import sympy as sp
    >>> arc_sine(Pair.at(sp.S(1), c=sp.S(1) / 2))
    1/3
    """
    m = of(*pair)
    return 2 / m.pi * m.arcsine(pair.r, _sine(m, pair), m.sqrt(pair.a * pair.b))


def _sine(m: Any, pair: Pair) -> Number:
    """Root of the determinant, which itself may underflow."""
    if isinstance(m, Symbols):
        return m.sqrt(pair.determinant)
    return m.sqrt(pair.a) * m.sqrt(pair.b) * m.sqrt(pair.dl * pair.op)


def absolute_dual(pair: Pair) -> Number:
    r"""``E |u| |v|`` for a centred pair.

    .. math:: \frac2\pi\left(\sqrt{ab - r^2} + r\arcsin c\right)

    >>> import sympy as sp
    >>> absolute_dual(Pair.at(sp.S(1), c=sp.S(-1)))
    1
    """
    m = of(*pair)
    return 2 / m.pi * _sine(m, pair) + pair.r * arc_sine(pair)


def absolute_gap(pair: Pair) -> Number:
    r"""``E u^2 - E |u| |v|`` for equal centred laws, without cancellation as |c| tends to 1.

    .. math:: a\left((1 - |c|)\left(1 - \frac{2\theta}\pi\right)
              + \frac2\pi(\theta - \sin\theta)\right), \qquad \cos\theta = |c|
    """
    m = of(*pair)
    if isinstance(m, Symbols):
        return pair.a - absolute_dual(pair)
    near = m.select(pair.dl < pair.op, lambda: pair.dl, lambda: pair.op)
    angle, _ = sector(m, pair.dl, pair.op)
    return pair.a * (near * (1 - 2 * angle / m.pi) + 2 / m.pi * m.angle_minus_sine(angle))


def _half_moment(law: Law) -> Number:
    """``E max(0, u)`` for a centred law."""
    m = of(*law)
    return m.sqrt(law.a) / m.sqrt(2 * m.pi)


def _half(law: Any) -> Number:
    return (1 + 0 * law.a) / of(*law).number(2)


RELU_CENTRED = Kernel(
    mean=_half_moment,
    derivative_mean=_half,
    second=lambda law: law.a / 2,
    derivative_second=_half,
    dual=arc_cosine,
    derivative_dual=quadrant,
    gap=arc_cosine_gap,
    derivative_gap=quadrant_gap,
)
ABSOLUTE_CENTRED = Kernel(
    mean=lambda law: 2 * _half_moment(law),
    derivative_mean=lambda law: 0 * law.a,
    second=lambda law: law.a,
    derivative_second=lambda law: 1 + 0 * law.a,
    dual=absolute_dual,
    derivative_dual=arc_sine,
    gap=absolute_gap,
    derivative_gap=lambda pair: 4 * quadrant_gap(pair),
)


def leaky_centred() -> Kernel:
    r"""Leaky ReLU is :math:`s\,x + (1 - s)\max(0, x)` for a slope s of any sign."""

    def number(law: Any, slope: Number) -> Number:
        return of(*law).number(slope)

    def mixed(at_linear: Integral, at_relu: Integral) -> Integral:
        def integral(law: Any, slope: Number) -> Number:
            s = number(law, slope)
            return s * at_linear(law) + (1 - s) ** 2 * at_relu(law)

        return integral

    return Kernel(
        mean=lambda law, slope: (1 - number(law, slope)) * _half_moment(law),
        derivative_mean=lambda law, slope: (1 + number(law, slope)) * _half(law),
        second=lambda law, slope: (1 + number(law, slope) ** 2) * law.a / 2,
        derivative_second=lambda law, slope: (1 + number(law, slope) ** 2) * _half(law),
        dual=mixed(LINEAR.dual, arc_cosine),
        derivative_dual=mixed(LINEAR.derivative_dual, quadrant),
        gap=mixed(lambda pair: pair.a * pair.dl, arc_cosine_gap),
        derivative_gap=mixed(lambda pair: 0 * pair.dl, quadrant_gap),
    )


def _density_at_zero(law: Law) -> Number:
    m = of(*law)
    root = m.sqrt(2 * m.pi * law.a)
    return 1 / root if isinstance(m, Symbols) else divided(m, m.number(1), root)


def _density_at_origin(pair: Pair) -> Number:
    m = of(*pair)
    root = 2 * m.pi * _sine(m, pair)
    if isinstance(m, Symbols):
        return 1 / root
    if not np.all(root > 0):
        raise DoesNotExist(COINCIDENT)
    return 1 / root


def _diverges(law: Any, **parameters: Number) -> Number:
    raise DoesNotExist(SQUARED_MASS)


def jump_centred(height: int) -> Kernel:
    """The step function (height 1) and the sign (height 2)."""
    signed = height == 2
    return Kernel(
        mean=(lambda law: 0 * law.a) if signed else _half,
        derivative_mean=lambda law: height * _density_at_zero(law),
        second=(lambda law: 1 + 0 * law.a) if signed else _half,
        derivative_second=_diverges,
        dual=arc_sine if signed else quadrant,
        derivative_dual=lambda pair: height**2 * _density_at_origin(pair),
        gap=lambda pair: height**2 * quadrant_gap(pair),
        derivative_gap=_diverges,
    )


def either(centred: Kernel, general: Kernel) -> Kernel:
    """``centred`` where the mean is the exact integer 0, ``general`` elsewhere."""

    def chosen(name: str) -> Integral:
        around_zero, anywhere = getattr(centred, name), getattr(general, name)

        def integral(law: Any, **parameters: Number) -> Number:
            return (around_zero if is_centred(law) else anywhere)(law, **parameters)

        return integral

    return Kernel(**{field.name: chosen(field.name) for field in fields(Kernel)})


def is_centred(law: Any) -> bool:
    """Whether the means of a law or a pair are the exact integer 0."""
    if isinstance(law, Pair):
        return law.centred
    return isinstance(law.m, int) and law.m == 0


# The entries


def at_zero(left: Number, right: Number, jump: Number = 0, value: Number = 0) -> Pieces:
    """One kink, at 0."""
    return Pieces((0,), (left, right), (jump,), value)


def piecewise_linear(
    kinks: tuple[Number, ...], slopes: tuple[Number, ...], jumps: tuple[Number, ...], value: Number
) -> Pieces:
    """The pieces of any piecewise linear function, checked; no jumps at all may be left out.

    >>> piecewise_linear(kinks=(1,), slopes=(0,), jumps=(0,), value=0)
    Traceback (most recent call last):
    theory.errors.DescriptionError: 1 kinks need 2 slopes and 1 jumps, but 1 slopes and 1 jumps came
    """
    kinks, slopes = tuple(kinks), tuple(slopes)
    jumps = tuple(jumps) or (0,) * len(kinks)
    if len(slopes) != len(kinks) + 1 or len(jumps) != len(kinks):
        raise DescriptionError(
            f"{len(kinks)} kinks need {len(kinks) + 1} slopes and {len(kinks)} jumps, "
            f"but {len(slopes)} slopes and {len(jumps)} jumps came"
        )
    if any(low >= high for low, high in pairwise(kinks)):
        raise DescriptionError(f"kinks must ascend strictly, but they are {kinks}")
    return Pieces(kinks, slopes, jumps, value)


LINEAR = linear_kernel()
RELU = either(RELU_CENTRED, pieces_kernel(lambda: at_zero(0, 1)))
LEAKY_RELU = either(leaky_centred(), pieces_kernel(lambda slope: at_zero(slope, 1)))
ABSOLUTE = either(ABSOLUTE_CENTRED, pieces_kernel(lambda: at_zero(-1, 1)))
STEP = either(jump_centred(1), pieces_kernel(lambda: at_zero(0, 0, jump=1, value=1)))
SIGN = either(jump_centred(2), pieces_kernel(lambda: at_zero(0, 0, jump=2, value=1)))
HARD_TANH = pieces_kernel(lambda: Pieces((-1, 1), (0, 1, 0), (0, 0), 0))
PIECEWISE_LINEAR = pieces_kernel(piecewise_linear)
