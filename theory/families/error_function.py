r"""Activations made of the normal distribution function: erf, probit and GELU.

Every formula here is about a pair seen through independent noise: with U = u + sqrt(S) Z and
V = v + sqrt(T) Z', Z and Z' standard normal, ``P(U > 0 | u)`` is :math:`\Phi(u/\sqrt S)`. The
dual of :math:`\Phi(u/\sqrt S)` is a quadrant probability of (U, V), that of its primitive a product
of hinges. The covariance stays r, the variances become A = a + S and B = b + T, and the determinant
:math:`AB - r^2 = ST + aT + bS + ab(1 - c^2)` is a sum of positive terms. The logistic family
averages the same functions over S and T.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from theory import special
from theory.families import normal
from theory.families.kernel import Kernel
from theory.mathematics import FLOATS, Number, Symbols, of
from theory.pair import Law, Pair

MODERATE = 0.9
NODES = 20
ROWS = 1024
TINY = 1e-300
SMALL = 0.01
TAIL = 4.0


def same(law: Law) -> Pair:
    """The pair (u, u)."""
    return Pair(law.a, law.a, law.a, 0 * law.a, 2 + 0 * law.a, law.m, law.m)


def centred(law: Law) -> bool:
    """Whether the mean is the exact integer 0."""
    return isinstance(law.m, int) and law.m == 0


class Noisy(NamedTuple):
    """The pair (U, V): variances A and B, the determinant AB - r^2, the root of AB."""

    A: Number
    B: Number
    determinant: Number
    root: Number


def noisy(pair: Pair, S: Number, T: Number) -> Noisy:
    """The pair seen through noise of variances S and T.

    >>> noisy(Pair.at(1.0, c=0.5), 1.0, 1.0).determinant
    3.75
    """
    A, B = pair.a + S, pair.b + T
    determinant = S * T + pair.a * T + pair.b * S + pair.determinant
    equal = A is B or (S is T and pair.a is pair.b)
    return Noisy(A, B, determinant, A if equal else of(*pair, S).sqrt(A * B))


# Signs of (U, V): the error function


def arc_sine(pair: Pair, S: Number, T: Number) -> Number:
    r"""Dual of ``2 Phi(u/sqrt(S)) - 1`` and ``2 Phi(v/sqrt(T)) - 1``, Phi the normal distribution.

    .. math:: \frac2\pi \arcsin\frac{r}{\sqrt{(a + S)(b + T)}}

    for centred u and v; else the product of the two means plus
    :math:`4 (\Phi_2 - \Phi\Phi)`. ``erf(s x)`` is the case :math:`S = T = 1/(2 s^2)`.

    Source: Williams, NeurIPS 1996.

    >>> import sympy as sp
    >>> arc_sine(Pair.at(sp.S(1), c=sp.S(1)), sp.S(1), sp.S(1))
    1/3
    """
    m = of(*pair, S)
    if pair.centred:
        U = noisy(pair, S, T)
        return 2 / m.pi * m.arcsine(pair.r, m.sqrt(U.determinant), U.root)
    means = sign_mean(pair.u, S) * sign_mean(pair.v, T)
    return means + 4 * _quadrant_covariance(m, pair, S, T)


def arc_sine_derivative(pair: Pair, S: Number, T: Number) -> Number:
    r"""Dual of the derivatives of the two functions of ``arc_sine``: four densities of (U, V) at 0.

    .. math:: \frac2\pi \left((a + S)(b + T) - r^2\right)^{-1/2}

    times :math:`\exp(-(Bm_1^2 - 2rm_1m_2 + Am_2^2)/(2(AB - r^2)))`.
    """
    m = of(*pair, S)
    U = noisy(pair, S, T)
    value = 2 / m.pi / m.sqrt(U.determinant)
    if pair.centred:
        return value
    m1, m2 = pair.m1, pair.m2
    form = quadratic(m, pair, m1, m2) + T * m1**2 + S * m2**2
    return value * m.exp(-form / (2 * U.determinant))


def arc_sine_gap(pair: Pair, S: Number, T: Number) -> Number:
    """``arc_sine`` at v = u less its value, for equal laws, from the difference of two angles."""
    m = of(*pair, S)
    if pair.centred:
        return 2 / m.pi * _angle_between(m, pair, S, T)
    return 4 * _by_sign(m, _quadrant_rise, _quadrant_fall, pair, S, T)


def arc_sine_derivative_gap(pair: Pair, S: Number, T: Number) -> Number:
    m = of(*pair, S)
    top, determinant = S * T + pair.a * (S + T), pair.determinant
    if pair.centred:
        low, high = m.sqrt(top), m.sqrt(top + determinant)
        return 2 / m.pi * determinant / (low * high * (low + high))
    less = pair.a * pair.dl
    form = pair.m1**2 * less * (2 * S * T + (S + T) * less) / (2 * top * (top + determinant))
    ratio = -m.log1p(determinant / top) / 2 - form
    return -arc_sine_derivative(pair.same_u, S, T) * m.expm1(ratio)


def sign_mean(law: Law, S: Number) -> Number:
    r"""``E[2 Phi(u/sqrt(S)) - 1]``, :math:`\mathrm{erf}(m/\sqrt{2(a + S)})`."""
    m = of(*law, S)
    return 0 * law.a if centred(law) else m.erf(law.m / m.sqrt(2 * (law.a + S)))


def sign_derivative_mean(law: Law, S: Number) -> Number:
    """Twice the density at 0 of U."""
    m = of(*law, S)
    return 2 * density(m, law, law.a + S)


def density(m: Any, law: Law, A: Number) -> Number:
    """Density at 0 of a normal variable with the mean of ``law`` and variance A."""
    flat = 1 / m.sqrt(2 * m.pi * A)
    return flat if centred(law) else flat * m.exp(-(law.m**2) / (2 * A))


def quadratic(m: Any, pair: Pair, x: Number, y: Number) -> Number:
    r""":math:`b x^2 - 2 r x y + a y^2` without cancellation as c tends to 1 or -1."""
    alpha, beta = m.sqrt(pair.a), m.sqrt(pair.b)
    root = alpha * beta
    return m.select(
        pair.r > 0,
        lambda: (beta * x - alpha * y) ** 2 + 2 * root * pair.dl * x * y,
        lambda: (beta * x + alpha * y) ** 2 - 2 * root * pair.op * x * y,
    )


def _angle_between(m: Any, pair: Pair, S: Number, T: Number) -> Number:
    r"""The angle of ``arc_sine`` at v = u less that at (u, v), from the sine of the difference."""
    top, determinant = S * T + pair.a * (S + T), pair.determinant
    low, high = m.sqrt(top), m.sqrt(top + determinant)
    radius_squared = (pair.a + S) * (pair.a + T)
    x, y = pair.a * high, pair.r * low
    sine = m.select(
        pair.r > 0,
        lambda: determinant / (x + y) * radius_squared,
        lambda: x - y,
    )
    return m.angle(sine, low * high + pair.a * pair.r, radius_squared)


# Quadrant and hinges of (U, V): the distribution function and its primitive


def quadrant(pair: Pair, S: Number, T: Number) -> Number:
    r"""Dual of ``Phi(u/sqrt(S))`` and ``Phi(v/sqrt(T))``: P(U > 0, V > 0).

    .. math:: \frac{1}{2\pi}\arccos\frac{-r}{\sqrt{(a + S)(b + T)}}

    for centred u and v, else :math:`\Phi_2`.

    >>> round(float(quadrant(Pair.at(1.0, c=1.0), 1.0, 1.0)), 12)
    0.333333333333
    """
    m = of(*pair, S)
    if pair.centred:
        U = noisy(pair, S, T)
        return m.angle(m.sqrt(U.determinant), -pair.r, U.root) / (2 * m.pi)
    means = step_mean(pair.u, S) * step_mean(pair.v, T)
    return means + _quadrant_covariance(m, pair, S, T)


def quadrant_gap(pair: Pair, S: Number, T: Number) -> Number:
    return arc_sine_gap(pair, S, T) / 4


def step_mean(law: Law, S: Number) -> Number:
    r"""``E Phi(u/sqrt(S))``, :math:`\Phi(m/\sqrt{a + S})`."""
    m = of(*law, S)
    if centred(law):
        return 1 / m.number(2) + 0 * law.a
    return normal.cdf(law.m / m.sqrt(law.a + S))


def hinges(pair: Pair, S: Number, T: Number) -> Number:
    r"""Dual of the primitives of ``Phi(u/sqrt(S))`` and ``Phi(v/sqrt(T))``: ``E[U_+ V_+]``.

    .. math:: \frac{1}{2\pi}\left(\sqrt D + r \arccos\frac{-r}{\sqrt{AB}}\right),
              \qquad D = AB - r^2

    for centred u and v. Relatively accurate at every correlation: for r < 0 it is formed as
    :math:`|r|(x - \arctan x)` with :math:`x = \sqrt D/|r|`.

    >>> round(float(hinges(Pair.at(1.0, c=-1.0), 1.0, 1.0)), 12)
    0.108997781044
    """
    m = of(*pair, S)
    U = noisy(pair, S, T)
    if pair.centred:
        sine = m.sqrt(U.determinant)
        if isinstance(m, Symbols):
            return (sine + pair.r * m.angle(sine, -pair.r, U.root)) / (2 * m.pi)
        return m.select(
            pair.r < 0,
            lambda: -pair.r * _tangent_excess(m, sine / -pair.r),
            lambda: sine + pair.r * m.angle(sine, -pair.r, U.root),
        ) / (2 * m.pi)
    if m is not FLOATS:
        return _hinges_by_plackett(m, pair, S, T)
    moderate = np.abs(pair.r) <= MODERATE * U.root
    return _split(moderate, _hinges_by_plackett, _hinges_by_orthant, pair, S, T)


def hinges_gap(pair: Pair, S: Number, T: Number) -> Number:
    r"""``hinges`` at v = u less its value, for equal laws.

    .. math:: (a - r) P(U > 0, V > 0) + \int_r^a (a - \rho)\,N_2(0, 0; \rho)\,d\rho

    with the density :math:`N_2` of (U, V).
    """
    m = of(*pair, S)
    if not pair.centred:
        return _by_sign(m, _hinges_rise, _hinges_fall, pair, S, T)
    top = S * T + pair.a * (S + T)
    U = noisy(pair, S, T)
    sine = m.sqrt(U.determinant)
    angle = _angle_between(m, pair, S, T)
    curved = pair.a * angle - pair.determinant / (sine + m.sqrt(top))
    less = pair.a * pair.dl
    return (less * m.angle(sine, -pair.r, U.root) + curved) / (2 * m.pi)


def hinge_mean(law: Law, S: Number) -> Number:
    """``E U_+``."""
    m = of(*law, S)
    A = law.a + S
    if centred(law):
        return m.sqrt(A / (2 * m.pi))
    return law.m * step_mean(law, S) + A * density(m, law, A)


def _tangent_excess(m: Any, x: Number) -> Number:
    """x - arctan x for x >= 0, relatively accurate."""
    if m.encloses:
        return x - m.arctan(x)
    if m is not FLOATS:
        with m.context.extradps(m.digits):
            return x - m.context.atan(x)
    square = np.minimum(np.abs(x), 0.25) ** 2
    series = 0 * square
    for k in range(11, -1, -1):
        series = 1 / (2 * k + 3) - square * series
    return np.where(x < 0.25, x * square * series, x - np.arctan(x))[()]


def _heights(m: Any, pair: Pair, U: Noisy) -> tuple[Number, Number, Number, Number]:
    """Means of U and V in standard deviations, and 1 - c and 1 + c of (U, V)."""
    h, k = pair.m1 / m.sqrt(U.A), pair.m2 / m.sqrt(U.B)
    near = U.determinant / (U.root * (U.root + m.absolute(pair.r)))
    positive = pair.r > 0
    dl = m.select(positive, lambda: near, lambda: 2 - near)
    op = m.select(positive, lambda: 2 - near, lambda: near)
    return h, k, dl, op


def _quadrant_covariance(m: Any, pair: Pair, S: Number, T: Number) -> Number:
    r""":math:`\Phi_2 - \Phi\Phi` of (U, V), relatively accurate where it may be small."""
    if m is not FLOATS:
        return _plackett(m, pair, S, T, 0)
    moderate = np.abs(pair.r) <= MODERATE * noisy(pair, S, T).root
    return _split(moderate, _covariance_by_plackett, _covariance_by_orthant, pair, S, T)


def _covariance_by_plackett(m: Any, pair: Pair, S: Number, T: Number) -> Number:
    return _plackett(m, pair, S, T, 0)


def _covariance_by_orthant(m: Any, pair: Pair, S: Number, T: Number) -> Number:
    h, k, dl, op = _heights(m, pair, noisy(pair, S, T))
    return normal.orthant(h, k, dl, op) - normal.cdf(h) * normal.cdf(k)


def _hinges_by_plackett(m: Any, pair: Pair, S: Number, T: Number) -> Number:
    """Product of the means plus covariance: nothing cancels for r > 0."""
    steps = step_mean(pair.u, S) * step_mean(pair.v, T)
    means = hinge_mean(pair.u, S) * hinge_mean(pair.v, T)
    return means + pair.r * steps + noisy(pair, S, T).root * _plackett(m, pair, S, T, 1)


def _hinges_by_orthant(m: Any, pair: Pair, S: Number, T: Number) -> Number:
    U, m1, m2 = noisy(pair, S, T), pair.m1, pair.m2
    f = normal.orthant_derivatives(m1, m2, U.A, U.B, pair.r, U.determinant)
    return (m1 * m2 + pair.r) * f.F + U.A * m2 * f.F1 + U.B * m1 * f.F2 + U.determinant * f.F12


def _plackett(m: Any, pair: Pair, S: Number, T: Number, order: int) -> Number:
    r""":math:`\int_0^c (c - t)^n n_2(h, k; t)\,dt` of (U, V); in float64 for |c| <= 0.9."""
    U = noisy(pair, S, T)
    if m is not FLOATS:
        return normal.plackett(order, *_heights(m, pair, U))
    h, k = pair.m1 / np.sqrt(U.A), pair.m2 / np.sqrt(U.B)
    angle = np.arctan2(pair.r, np.sqrt(U.determinant))
    squares, product, angles = (
        np.asarray(part)[..., None] for part in np.broadcast_arrays(h**2 + k**2, h * k, angle)
    )
    nodes, weights = normal.legendre(m, NODES)
    sine = np.sin(angles * nodes)
    values = np.exp((product * sine - squares / 2) / (1 - sine**2))
    if order:
        values = values * (np.sin(angles) - sine) ** order
    return angle * (values @ weights) / (2 * np.pi)


def _rise(m: Any, pair: Pair, S: Number, T: Number, order: int) -> Number:
    r""":math:`\int_r^a (a - \rho)^n N_2(m, m; \rho)\,d\rho`, the density of (U, V), equal laws."""
    U = noisy(pair.same_u, S, T)
    low, high, _, _ = _heights(m, pair, U)

    def integrand(y: Number, phi: Number, h: Number, k: Number, root: Number, top: Number) -> Any:
        below = root * 2 * m.sin(top + y / 2) * m.sin(y / 2)
        return below**order * m.exp(normal.log_density(m, h, k, phi))

    top = m.angle(m.sqrt(U.determinant), pair.a, U.root)
    length = _angle_between(m, pair, S, T)
    return _over_angles(m, integrand, top, length, low, high, U.root, top) / (2 * m.pi)


def _over_angles(
    m: Any, integrand: Callable[..., Number], top: Number, length: Number, *arguments: Number
) -> Number:
    """``integrand(y, top + y, *arguments)`` over y from 0 to length, panels doubling in top + y."""
    if m is not FLOATS:
        stretch = m.log1p(length / top)
        count = 1 + int(stretch / m.log(m.number(2)))
        edges = [top * m.expm1(stretch * j / count) for j in range(count + 1)]
        return normal.panel_sum(m, lambda y: integrand(y, top + y, *arguments), edges)
    parts = np.broadcast_arrays(top, length, *arguments)
    flat = [np.asarray(part, dtype=float).reshape(-1, 1) for part in parts]
    out = np.empty(parts[0].size)
    for start in range(0, out.size, ROWS):
        angle, span, *rest = (part[start : start + ROWS] for part in flat)
        stretch = np.log1p(span / angle)
        count = 1 + int(stretch.max() / np.log(2))
        edges = angle * np.expm1(stretch * (np.arange(count + 1) / count))
        y, weights = normal.panel_nodes(edges, NODES)
        out[start : start + ROWS] = (weights * integrand(y, angle + y, *rest)).sum(axis=-1)
    return out.reshape(parts[0].shape)[()]


def _quadrant_rise(m: Any, pair: Pair, S: Number, T: Number) -> Number:
    return _rise(m, pair, S, T, 0)


def _quadrant_fall(m: Any, pair: Pair, S: Number, T: Number) -> Number:
    return _fall(m, pair, S, T, 0)


def _hinges_rise(m: Any, pair: Pair, S: Number, T: Number) -> Number:
    return pair.a * pair.dl * quadrant(pair, S, T) + _rise(m, pair, S, T, 1)


def _hinges_fall(m: Any, pair: Pair, S: Number, T: Number) -> Number:
    steps = step_mean(pair.u, S) * step_mean(pair.v, T)
    root = noisy(pair, S, T).root
    return pair.a * pair.dl * steps + root * _fall(m, pair, S, T, 1)


def _fall(m: Any, pair: Pair, S: Number, T: Number, order: int) -> Number:
    """Plackett's integral at v = u less that at (u, v), which has the opposite sign or is small."""
    ends = _exact_plackett if m is FLOATS else _plackett
    return ends(m, pair.same_u, S, T, order) - ends(m, pair, S, T, order)


def _exact_plackett(m: Any, pair: Pair, S: Number, T: Number, order: int) -> Number:
    """``_plackett`` in float64 at every correlation; slow."""
    U = noisy(pair, S, T)
    value = _plackett(m, pair, S, T, order)
    strong = np.broadcast_to(np.abs(pair.r) > MODERATE * U.root, np.shape(value))
    if not strong.any():
        return value
    heights = (np.broadcast_to(part, strong.shape)[strong] for part in _heights(m, pair, U))
    value = np.array(value)
    value[strong] = normal.plackett(order, *heights)
    return value


def _by_sign(
    m: Any, rise: Callable[..., Number], fall: Callable[..., Number], *where: Any
) -> Number:
    """A gap: ``rise`` where r > 0, ``fall`` elsewhere."""
    pair = where[0]
    if m is FLOATS:
        return _split(np.asarray(pair.r) > 0, rise, fall, *where)
    return (rise if pair.r > 0 else fall)(m, *where)


def _split(
    condition: Any,
    then: Callable[..., Number],
    otherwise: Callable[..., Number],
    pair: Pair,
    S: Number,
    T: Number,
) -> Number:
    """Each of two float64 functions of (pair, S, T) on its own part of the arrays."""
    parts = np.broadcast_arrays(condition, *pair, S, T)
    condition, *values = (np.asarray(part, dtype=float).reshape(-1) for part in parts)
    chosen = condition > 0
    out = np.empty(chosen.size)
    for mask, function in ((chosen, then), (~chosen, otherwise)):
        if mask.any():
            *coordinates, s, t = (value[mask] for value in values)
            out[mask] = function(FLOATS, Pair(*coordinates), s, t)
    return out.reshape(parts[0].shape)[()]


# Gated: x Phi(x / sqrt S)


def gated(pair: Pair, S: Number, T: Number) -> Number:
    r"""Dual of ``u Phi(u/sqrt(S))`` and ``v Phi(v/sqrt(T))``.

    .. math:: \frac{1}{2\pi}\left(r \arccos\frac{-r}{\sqrt{AB}}
              + \frac{ab - r^2 + k r^2}{\sqrt D}\right),
              \qquad k = \frac SA + \frac TB, \quad D = AB - r^2

    for centred u and v. With means, from the quadrant probability F of (U, V), its derivatives
    F_1 and F_2 in them and the density G = F_12,

    .. math:: (m_1m_2 + r)F + \left(am_2 + rm_1\tfrac SA\right)F_1
              + \left(bm_1 + rm_2\tfrac TB\right)F_2 + (ab - r^2 + kr^2)\,G.

    Stein's lemma in u, then the laws given U = 0 and V = 0.

    >>> round(float(gated(Pair.at(1.0, c=1.0), 1.0, 1.0)), 12)
    0.42522148257
    """
    m = of(*pair, S)
    U = noisy(pair, S, T)
    a, b, r, m1, m2 = pair.a, pair.b, pair.r, pair.m1, pair.m2
    left, right = S / U.A, T / U.B
    crossed = pair.determinant + (left + right) * r**2
    if pair.centred:
        sine = m.sqrt(U.determinant)
        return (r * m.angle(sine, -r, U.root) + crossed / sine) / (2 * m.pi)
    f = normal.orthant_derivatives(m1, m2, U.A, U.B, r, U.determinant)
    slopes = (a * m2 + r * m1 * left) * f.F1 + (b * m1 + r * m2 * right) * f.F2
    return (m1 * m2 + r) * f.F + slopes + crossed * f.F12


def gated_derivative(pair: Pair, S: Number, T: Number) -> Number:
    r"""Dual of the derivatives of the two functions of ``gated``.

    .. math:: \frac{1}{2\pi}\left(\arccos\frac{-r}{\sqrt{AB}}
              + \frac{r}{\sqrt D}\left[k + \frac{ST}{D}\right]\right)

    for centred u and v. With means
    :math:`F + \frac SA(m_1F_1 + rG) + \frac TB(m_2F_2 + rG) + G\,E[uv \mid U = V = 0]`; every term
    is bounded.
    """
    m = of(*pair, S)
    if not pair.centred:
        return _gated_derivative_by_orthant(m, pair, S, T)
    U = noisy(pair, S, T)
    sine = m.sqrt(U.determinant)
    slope = pair.r / sine * (S / U.A + T / U.B + S * T / U.determinant)
    return (m.angle(sine, -pair.r, U.root) + slope) / (2 * m.pi)


def gated_derivative_covariance(pair: Pair, S: Number, T: Number) -> Number:
    r"""``gated_derivative`` less the product of its means, :math:`\int_0^r E\varphi''\varphi''`.

    In float64 for correlations of (U, V) up to 0.9; there a small covariance next to a product of
    means is not lost.
    """
    m, U = of(*pair, S), noisy(pair, S, T)
    parts = np.broadcast_arrays(*pair, S, T, U.root, np.arctan2(pair.r, np.sqrt(U.determinant)))
    a, b, _, _, _, m1, m2, S, T, root, angle = (np.asarray(part)[..., None] for part in parts)
    nodes, weights = normal.legendre(m, NODES)
    r = root * np.sin(angle * nodes)
    c = r / np.sqrt(np.maximum(a * b, TINY))
    values = gated_curvature(Pair(a, b, r, 1 - c, 1 + c, m1, m2), S, T) * np.cos(angle * nodes)
    return (root * angle)[..., 0] * (values @ weights)


def _gated_derivative_by_orthant(m: Any, pair: Pair, S: Number, T: Number) -> Number:
    U = noisy(pair, S, T)
    r, m1, m2 = pair.r, pair.m1, pair.m2
    left, right = S / U.A, T / U.B
    f = normal.orthant_derivatives(m1, m2, U.A, U.B, r, U.determinant)
    x, y, _, _, xy = _given_zero(m, pair, S, T)
    slopes = left * (m1 * f.F1 + r * f.F12) + right * (m2 * f.F2 + r * f.F12)
    return f.F + slopes + (x * y + xy * S * T) * f.F12


def gated_curvature(pair: Pair, S: Number, T: Number) -> Number:
    r"""Dual of the second derivatives, ``(2 - u^2/S) N(u; S)`` and ``(2 - v^2/T) N(v; T)``.

    The density of (U, V) at 0 times :math:`E(2 - x^2/S)(2 - y^2/T)` under the law of (u, v) given
    U = V = 0.
    """
    x, y, xx, yy, xy = _given_zero(of(*pair, S), pair, S, T)
    left, right = x * x / S + xx, y * y / T + yy
    value = (2 - left) * (2 - right) + 2 * xy * (xy * S * T + 2 * x * y)
    return arc_sine_derivative(pair, S, T) / 4 * value


def _given_zero(m: Any, pair: Pair, S: Number, T: Number) -> tuple[Number, ...]:
    """Of (u, v) given U = V = 0: the means, the variances over S and T, the covariance over ST."""
    D = noisy(pair, S, T).determinant
    a, b, r, m1, m2 = pair.a, pair.b, pair.r, pair.m1, pair.m2
    if pair.centred:
        x = y = 0
    else:
        x = S / D * (T * m1 + _less(m, b, a, pair, m1, m2))
        y = T / D * (S * m2 + _less(m, a, b, pair, m2, m1))
    return x, y, (a * T + pair.determinant) / D, (b * S + pair.determinant) / D, r / D


def _less(m: Any, a: Number, b: Number, pair: Pair, x: Number, y: Number) -> Number:
    """a x - r y for variances a and b, without cancellation as c tends to 1 or -1."""
    alpha, beta = m.sqrt(a), m.sqrt(b)
    return alpha * m.select(
        pair.r > 0,
        lambda: (alpha * x - beta * y) + beta * pair.dl * y,
        lambda: (alpha * x + beta * y) - beta * pair.op * y,
    )


def gated_gap(pair: Pair, S: Number, T: Number) -> Number:
    """``gated`` at v = u less its value, for equal laws; accurate as c tends to 1."""
    m = of(*pair, S)
    if not pair.centred:
        return _by_sign(m, _gated_rise, _gated_fall, pair, S, T)
    top, determinant = S * T + pair.a * (S + T), pair.determinant
    U = noisy(pair, S, T)
    low, high = m.sqrt(top), m.sqrt(U.determinant)
    k = S / U.A + T / U.B
    less = pair.a * pair.dl
    turned = less * m.angle(high, -pair.r, U.root) + pair.a * _angle_between(m, pair, S, T)
    slope = k * pair.a**2 / (low * high * (low + high)) - (1 - k) / high
    return (turned + determinant * slope) / (2 * m.pi)


def gated_derivative_gap(pair: Pair, S: Number, T: Number) -> Number:
    m = of(*pair, S)
    if not pair.centred:
        return _by_sign(m, _gated_derivative_rise, _gated_derivative_fall, pair, S, T)
    top, determinant = S * T + pair.a * (S + T), pair.determinant
    U = noisy(pair, S, T)
    low, high = m.sqrt(top), m.sqrt(U.determinant)
    x, y = pair.a / low, pair.r / high
    rise = m.select(
        pair.r > 0,
        lambda: determinant * U.A * U.B / (low * high * (pair.a * high + pair.r * low)),
        lambda: x - y,
    )
    k, bump = S / U.A + T / U.B, S * T / top
    slope = rise * (k + bump) + y * bump * determinant / U.determinant
    return (_angle_between(m, pair, S, T) + slope) / (2 * m.pi)


def _gated_rise(m: Any, pair: Pair, S: Number, T: Number) -> Number:
    length = _angle_between(m, pair, S, T)
    rise = _integrated_curvature(m, pair.same_u, S, T, length, 1)
    return pair.a * pair.dl * gated_derivative(pair, S, T) + rise


def _gated_fall(m: Any, pair: Pair, S: Number, T: Number) -> Number:
    """From v = u down to r = 0, and on to r < 0 with v mirrored, since the curvature is even."""
    slopes = gated_derivative_mean(pair.u, S) * gated_derivative_mean(pair.v, T)
    below = -pair.r * slopes - _mirrored_curvature(m, pair, S, T, 1)
    return _gated_rise(m, _uncorrelated(pair), S, T) + below


def _gated_derivative_rise(m: Any, pair: Pair, S: Number, T: Number) -> Number:
    length = _angle_between(m, pair, S, T)
    return _integrated_curvature(m, pair.same_u, S, T, length, 0)


def _gated_derivative_fall(m: Any, pair: Pair, S: Number, T: Number) -> Number:
    above = _gated_derivative_rise(m, _uncorrelated(pair), S, T)
    return above + _mirrored_curvature(m, pair, S, T, 0)


def _uncorrelated(pair: Pair) -> Pair:
    zero = 0 * pair.r
    return Pair(pair.a, pair.a, zero, 1 + zero, 1 + zero, pair.m1, pair.m1)


def _mirrored_curvature(m: Any, pair: Pair, S: Number, T: Number, order: int) -> Number:
    mirrored = Pair(pair.a, pair.a, -pair.r, pair.op, pair.dl, pair.m1, -pair.m1)
    sine, U = -pair.r, noisy(pair, S, T)
    return _integrated_curvature(m, mirrored, S, T, m.arcsin(sine / U.root), order)


def _integrated_curvature(
    m: Any, pair: Pair, S: Number, T: Number, length: Number, order: int
) -> Number:
    r""":math:`\int (r - \rho)^n E\varphi''\varphi''\,d\rho` up to r >= 0, an angle long."""
    U = noisy(pair, S, T)
    top = m.angle(m.sqrt(U.determinant), pair.r, U.root)
    fixed = (*pair, S, T, U.root, top)

    def integrand(y: Number, phi: Number, *given: Number) -> Number:
        a, b, r, dl, _, m1, m2, S, T, root, top = given
        below = root * 2 * m.sin(top + y / 2) * m.sin(y / 2)
        dl = dl + m.select(a > 0, lambda: below / a, lambda: 0 * below)
        at = Pair(a, b, r - below, dl, 2 - dl, m1, m2)
        return below**order * root * m.sin(phi) * gated_curvature(at, S, T)

    return _over_angles(m, integrand, top, length, *fixed)


def gated_mean(law: Law, S: Number) -> Number:
    r"""``E[u Phi(u/sqrt(S))]``, :math:`m\Phi(m/\sqrt A) + aN(m; A)`."""
    m = of(*law, S)
    value = law.a * density(m, law, law.a + S)
    return value if centred(law) else value + law.m * step_mean(law, S)


def gated_derivative_mean(law: Law, S: Number) -> Number:
    m = of(*law, S)
    A = law.a + S
    value = step_mean(law, S)
    return value if centred(law) else value + law.m * S / A * density(m, law, A)


def by_covariance(
    pair: Pair, limit: float, whole: Callable[[Pair], Number], parts: Callable[[Pair], Number]
) -> Number:
    """``whole(pair)``, in float64 ``parts(pair)`` for a pair with means and a variance <= limit."""
    if of(*pair) is not FLOATS or pair.centred:
        return whole(pair)
    small = np.minimum(pair.a, pair.b) <= limit
    if not np.any(small):
        return whole(pair)
    return np.asarray(np.where(small, parts(pair), whole(pair)))[()]


# The kernels of the catalogue


def _seen(pair: Pair, l: Number, mu: Number) -> Pair:
    """The pair (l u + mu, l v + mu)."""
    square = l * l
    if pair.centred and isinstance(mu, int) and mu == 0:
        m1, m2 = pair.m1, pair.m2
    else:
        m1, m2 = l * pair.m1 + mu, l * pair.m2 + mu
    a = square * pair.a
    b = a if pair.b is pair.a else square * pair.b
    return Pair(a, b, square * pair.r, pair.dl, pair.op, m1, m2)


def _seen_law(law: Law, l: Number, mu: Number) -> Law:
    plain = centred(law) and isinstance(mu, int) and mu == 0
    return Law(law.m if plain else l * law.m + mu, l * l * law.a)


def _probit_numbers(m: Any, c0: Number, c1: Number, l: Number, mu: Number) -> tuple[Number, ...]:
    mu = 0 if np.ndim(mu) == 0 and mu == 0 else m.number(mu)
    return m.number(c0), m.number(c1), m.number(l), mu


def probit_mean(law: Law, c0: Number, c1: Number, l: Number, mu: Number) -> Number:
    r"""``E[c_0 + c_1 Phi(l u + mu)]``, :math:`c_0 + \tfrac12c_1 + \tfrac12c_1\,\mathrm{erf}`.

    >>> float(probit_mean(Law(0, 1.0), 0, 2, 3.0, 0))
    1.0
    """
    m = of(*law)
    c0, c1, l, mu = _probit_numbers(m, c0, c1, l, mu)
    return (c0 + c1 / 2) + c1 / 2 * sign_mean(_seen_law(law, l, mu), 1)


def probit_derivative_mean(law: Law, c0: Number, c1: Number, l: Number, mu: Number) -> Number:
    m = of(*law)
    _, c1, l, mu = _probit_numbers(m, c0, c1, l, mu)
    return c1 * l / 2 * sign_derivative_mean(_seen_law(law, l, mu), 1)


def probit_dual(pair: Pair, c0: Number, c1: Number, l: Number, mu: Number) -> Number:
    r"""Dual of ``c_0 + c_1 Phi(l x + mu)``: the product of the means plus the covariance.

    .. math:: \left(c_0 + c_1\Phi(h)\right)\left(c_0 + c_1\Phi(k)\right)
              + c_1^2\left(\Phi_2(h, k; \rho) - \Phi(h)\Phi(k)\right), \qquad
              h = \frac{l m_1 + \mu}{\sqrt{1 + l^2a}}, \quad
              \rho = \frac{l^2r}{\sqrt{(1 + l^2a)(1 + l^2b)}}

    >>> round(float(probit_dual(Pair.at(1.0, c=1.0), 0, 1, 1.0, 0)), 12)
    0.333333333333
    """
    m = of(*pair)
    c0, c1, l, mu = _probit_numbers(m, c0, c1, l, mu)
    seen = _seen(pair, l, mu)
    means = probit_mean(pair.u, c0, c1, l, mu) * probit_mean(pair.v, c0, c1, l, mu)
    if seen.centred:
        return means + c1 * c1 / 4 * arc_sine(seen, 1, 1)
    return means + c1 * c1 * _quadrant_covariance(m, seen, 1, 1)


def probit_derivative_dual(pair: Pair, c0: Number, c1: Number, l: Number, mu: Number) -> Number:
    m = of(*pair)
    _, c1, l, mu = _probit_numbers(m, c0, c1, l, mu)
    return (c1 * l / 2) ** 2 * arc_sine_derivative(_seen(pair, l, mu), 1, 1)


def probit_gap(pair: Pair, c0: Number, c1: Number, l: Number, mu: Number) -> Number:
    m = of(*pair)
    if isinstance(m, Symbols):
        return probit_dual(pair.same_u, c0, c1, l, mu) - probit_dual(pair, c0, c1, l, mu)
    _, c1, l, mu = _probit_numbers(m, c0, c1, l, mu)
    return c1 * c1 / 4 * arc_sine_gap(_seen(pair, l, mu), 1, 1)


def probit_derivative_gap(pair: Pair, c0: Number, c1: Number, l: Number, mu: Number) -> Number:
    m = of(*pair)
    _, c1, l, mu = _probit_numbers(m, c0, c1, l, mu)
    return (c1 * l / 2) ** 2 * arc_sine_derivative_gap(_seen(pair, l, mu), 1, 1)


def _of_one(integral: Callable[..., Number]) -> Callable[..., Number]:
    """The integral over (u, u)."""

    def second(law: Law, **parameters: Number) -> Number:
        return integral(same(law), **parameters)

    return second


def _error_function(integral: Callable[..., Number]) -> Callable[..., Number]:
    """erf(s x) is 2 Phi(sqrt(2) s x) - 1."""

    def at_scale(where: Law | Pair, scale: Number) -> Number:
        m = of(*where)
        return integral(where, -1, 2, m.sqrt(m.number(2)) * m.number(scale), 0)

    return at_scale


def _gate(integral: Callable[..., Number]) -> Callable[..., Number]:
    """GELU is the gate of unit noise."""

    def of_unit_noise(where: Law | Pair) -> Number:
        return integral(where, *(1 for _ in range(isinstance(where, Pair) + 1)))

    return of_unit_noise


def _gelu_derivative_dual(pair: Pair) -> Number:
    def product(pair: Pair) -> Number:
        means = gated_derivative_mean(pair.u, 1) * gated_derivative_mean(pair.v, 1)
        return means + gated_derivative_covariance(pair, 1, 1)

    return by_covariance(pair, SMALL, _gate(gated_derivative), product)


PROBIT = Kernel(
    probit_mean,
    probit_derivative_mean,
    _of_one(probit_dual),
    _of_one(probit_derivative_dual),
    probit_dual,
    probit_derivative_dual,
    probit_gap,
    probit_derivative_gap,
)

ERF = Kernel(
    _error_function(probit_mean),
    _error_function(probit_derivative_mean),
    _of_one(_error_function(probit_dual)),
    _of_one(_error_function(probit_derivative_dual)),
    _error_function(probit_dual),
    _error_function(probit_derivative_dual),
    _error_function(probit_gap),
    _error_function(probit_derivative_gap),
)


def _gelu_second(law: Law) -> Number:
    """``E u^2 Phi(u)^2``; in float64 and far in the left tail by a sum of positive terms."""
    value = _of_one(_gate(gated))(law)
    if of(*law) is not FLOATS or centred(law):
        return value
    mean, a = np.broadcast_arrays(np.asarray(law.m, float), np.asarray(law.a, float))
    far = (mean < -TAIL * np.sqrt(1 + a)) & (a > 0)
    if not np.any(far):
        return value
    out = np.array(np.broadcast_to(value, mean.shape))
    out[far] = [_tail_second(m, q) for m, q in zip(mean[far], a[far], strict=True)]
    return out[()]


def _tail_second(mean: float, a: float) -> float:
    """The trapezoid rule about the largest term, whose width is the root of a/(1 + 2a)."""
    width = np.sqrt(a / (1 + 2 * a))
    top = mean / (1 + 2 * a)
    u = np.arange(top - 12 * width, top + 12 * width + 12 * np.sqrt(a), width / 3)
    logs = 2 * (special.log_ndtr(u) + np.log(np.maximum(np.abs(u), TINY)))
    logs = logs - (u - mean) ** 2 / (2 * a)
    return float(np.exp(logs).sum() * width / 3 / np.sqrt(2 * np.pi * a))


GELU = Kernel(
    _gate(gated_mean),
    _gate(gated_derivative_mean),
    _gelu_second,
    _of_one(_gelu_derivative_dual),
    _gate(gated),
    _gelu_derivative_dual,
    _gate(gated_gap),
    _gate(gated_derivative_gap),
)
