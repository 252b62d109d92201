r"""The normal distribution in one and two dimensions, in float64 arrays and in mpmath numbers.

Every Gaussian integral of a piecewise smooth activation rests on these: density, distribution
function, truncated moments, the quadrant probability of a correlated pair and its derivatives,
and the integral over the correlation from which it grows (Plackett).
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np

from theory import special
from theory.balls import likely
from theory.mathematics import FLOATS, Number, of

NODES_PER_CHUNK = 1 << 18


def density(x: Number) -> Number:
    r"""Standard normal density, :math:`p(x) = e^{-x^2/2}/\sqrt{2\pi}`.

    >>> round(float(density(0.0)), 12)
    0.398942280401
    """
    m = of(x)
    return m.exp(-(x**2) / 2) / m.sqrt(2 * m.pi)


def cdf(x: Number) -> Number:
    r"""Standard normal distribution function :math:`\Phi(x)`, relatively accurate in the left tail.

    >>> float(cdf(0.0)), float(cdf(-40.0)) == 3.655893540915029e-350
    (0.5, True)
    """
    m = of(x)
    if m is FLOATS:
        return special.ndtr(x)
    return m.erfc(-x / m.sqrt(m.number(2))) / 2


def hinge_moments(order: int, h: Number) -> list[Number]:
    r"""``E[max(0, x + h)^n]`` for n = 0 ... order, x standard normal; relatively accurate.

    .. math:: T_n = h\,T_{n-1} + (n - 1)\,T_{n-2}, \qquad T_0 = \Phi(h), \quad T_1 = h\Phi(h) + p(h)

    for h >= 0. For h < 0 the recursion cancels, and instead
    :math:`T_n = p(h) \int_0^\infty \rho^n e^{-\rho^2/2 - |h|\rho}\,d\rho` by a Gauss-Legendre rule.

    >>> [round(float(value), 12) for value in hinge_moments(2, 0.0)]
    [0.5, 0.398942280401, 0.5]
    """
    m = of(h)
    if m.encloses:
        return _moments(order, h)
    if m is not FLOATS:
        return _tail_moments(m, order, h) if h < 0 else _moments(order, h)
    h = np.asarray(h, dtype=float)
    found = _moments(order, np.maximum(h, 0.0))
    tail = h < 0
    if order and np.any(tail):
        exact = _tail_moments(m, order, h[tail, None])
        for n, value in enumerate(exact):
            found[n] = np.array(found[n])
            found[n][tail] = value
    found[0] = cdf(h)
    return [value[()] for value in found]


def _moments(order: int, h: Number) -> list[Number]:
    found = [cdf(h), h * cdf(h) + density(h)]
    for n in range(2, order + 1):
        found.append(h * found[-1] + (n - 1) * found[-2])
    return found[: order + 1]


def _tail_moments(m: Any, order: int, h: Number) -> list[Number]:
    exponent = 3 * digits(m) + 2 * order
    reach = 2 * exponent / (m.sqrt(h**2 + 2 * exponent) - h)
    nodes, weights = legendre(m, 40 + digits(m) + order)
    if m is FLOATS:
        rho = reach * nodes
        measure = reach * weights * density(rho - h)
        return [(measure * rho**n).sum(axis=-1) for n in range(order + 1)]
    points = [reach * x for x in nodes]
    values = [reach * w * density(x - h) for x, w in zip(points, weights, strict=True)]
    tail = [
        m.context.fsum(v * x**n for x, v in zip(points, values, strict=True))
        for n in range(1, order + 1)
    ]
    return [cdf(h), *tail]


def cdf_moments(order: int, mean: Number, variance: Number) -> list[Number]:
    r"""``E[max(0, u)^n]`` for n = 0 ... order and u ~ N(mean, variance), variance >= 0.

    >>> [round(float(value), 12) for value in cdf_moments(1, 0.0, 4.0)]
    [0.5, 0.797884560803]
    """
    m = of(mean, variance)
    mean, variance = m.number(mean), m.number(variance)
    sigma = m.sqrt(variance)
    unit = m.select(variance > 0, lambda: sigma, lambda: 1 + 0 * sigma)
    sure = [(mean > 0) + (mean == 0) / m.number(2)]
    sure += [m.maximum(mean, 0 * mean) ** n for n in range(1, order + 1)]
    return [
        m.select(variance > 0, lambda n=n, e=e: sigma**n * e, lambda n=n: sure[n] + 0 * sigma)
        for n, e in enumerate(hinge_moments(order, mean / unit))
    ]


def orthant(h: Number, k: Number, dl: Number, op: Number) -> Number:
    r"""Bivariate normal distribution function :math:`\Phi_2(h, k; c) = P(X \le h, Y \le k)`.

    X and Y are standard normal with correlation c, given through dl = 1 - c and op = 1 + c. With
    Owen's function T,

    .. math:: \Phi_2 = \tfrac12\Phi(h) + \tfrac12\Phi(k) - T\Big(h, \frac{k - ch}{hs}\Big)
              - T\Big(k, \frac{h - ck}{ks}\Big) - \tfrac12[h, k \text{ of opposite sign}],
              \qquad s = \sqrt{1 - c^2}

    in float64, absolutely accurate to a few 1e-16 for every correlation in [-1, 1]; in mpmath
    :math:`\Phi(h)\Phi(k)` plus Plackett's integral over the correlation.

    Source: Owen, Ann. Math. Stat. 1956; Plackett, Biometrika 1954.

    >>> round(float(orthant(0.0, 0.0, 0.5, 1.5)), 12), float(orthant(1.0, 1.0, 0.0, 2.0) - cdf(1.0))
    (0.333333333333, 0.0)
    """
    m = of(h, k, dl, op)
    if m is FLOATS:
        return _orthant_by_owen(*(np.asarray(x, dtype=float) for x in (h, k, dl, op)))
    return cdf(h) * cdf(k) + plackett(0, h, k, dl, op)


def _orthant_by_owen(h: Number, k: Number, dl: Number, op: Number) -> Number:
    s = np.sqrt(dl * op)
    h, k = (np.where(np.abs(x) < 1e-150, 0.0, x) for x in (h, k))
    at_zero = np.arctan2(s, np.where(dl < op, dl - 1, 1 - op)) / (2 * np.pi)
    sides = np.sign(h) * np.sign(k)
    opposite = (sides < 0) | ((sides == 0) & (h + k < 0))
    pair = (cdf(h) + cdf(k)) / 2 - _owen(h, k, dl, op, s) - _owen(k, h, dl, op, s)
    value = np.where((h == 0) & (k == 0), at_zero, pair - opposite / 2)
    return np.clip(value, 0.0, 1.0)[()]


def _owen(h: Number, k: Number, dl: Number, op: Number, s: Number) -> Number:
    numerator = residual(h, k, dl, op)
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        slope = np.where(numerator == 0, 0.0, numerator / (h * s))
    return np.where(h == 0, np.sign(k) / 4, special.owens_t(h, slope))


def residual(h: Number, k: Number, dl: Number, op: Number) -> Number:
    """k - c h without cancellation."""
    return of(h, k, dl).select(dl < op, lambda: (k - h) + dl * h, lambda: (k + h) - op * h)


class Orthant(NamedTuple):
    r"""P(U > 0, V > 0), its derivatives in the means, and those of :math:`G = F_{12}`."""

    F: Number
    F1: Number
    F2: Number
    F11: Number
    F12: Number
    F22: Number
    G1: Number
    G2: Number
    G11: Number
    G12: Number
    G22: Number


def orthant_derivatives(
    m1: Number, m2: Number, A: Number, B: Number, r: Number, determinant: Number
) -> Orthant:
    r"""Quadrant probability of U ~ N(m1, A), V ~ N(m2, B) with covariance r, and its derivatives.

    .. math:: F_1 = N(m_1; A)\,\Phi\Big(\frac{m_2 - r m_1/A}{\sqrt{D/A}}\Big), \quad
              F_{12} = N_2(m_1, m_2) = G, \quad F_{11} = -(m_1 F_1 + r G)/A, \quad
              G_1 = -\frac{B m_1 - r m_2}{D}\,G

    with the determinant D = AB - r^2 given, not formed. At D = 0 the limits of F, F1 and F2 are
    right (the undetermined :math:`\Phi(0/0)` is 1/2 in both), the others are infinite or undefined.

    >>> f = orthant_derivatives(0.0, 0.0, 2.0, 2.0, 1.0, 3.0)
    >>> round(float(f.F), 12), round(float(f.F12 * 2 * 3**0.5 * 3.141592653589793), 12)
    (0.333333333333, 1.0)
    """
    m = of(m1, m2, A, B, r, determinant)
    m1, m2, A, B, r, determinant = (
        np.asarray(x, dtype=float)[()] if m is FLOATS else m.number(x)
        for x in (m1, m2, A, B, r, determinant)
    )
    alpha, beta = m.sqrt(A), m.sqrt(B)
    h, k = m1 / alpha, m2 / beta
    dl, op = _distances(m, alpha * beta, r, determinant)
    s = m.sqrt(dl * op)
    along_h, along_k = residual(k, h, dl, op), residual(h, k, dl, op)
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        F1 = density(h) / alpha * cdf(divided(m, along_k, s))
        F2 = density(k) / beta * cdf(divided(m, along_h, s))
        G = joint_density(m, h, k, dl, op) / (alpha * beta)
        x, y = divided(m, along_h, alpha * s**2), divided(m, along_k, beta * s**2)
        cross = divided(m, 1 - dl, alpha * beta * s**2)
        return Orthant(
            F=orthant(h, k, dl, op),
            F1=F1,
            F2=F2,
            F11=-(m1 * F1 + r * G) / A,
            F12=G,
            F22=-(m2 * F2 + r * G) / B,
            G1=-x * G,
            G2=-y * G,
            G11=(x**2 - divided(m, 1 + 0 * x, A * s**2)) * G,
            G12=(x * y + cross) * G,
            G22=(y**2 - divided(m, 1 + 0 * y, B * s**2)) * G,
        )


def _distances(m: Any, root: Number, r: Number, determinant: Number) -> tuple[Number, Number]:
    """1 - c and 1 + c from r = c root and the determinant root^2 - r^2."""
    near = determinant / (root * (root + m.absolute(r)))
    positive = r > 0
    return (
        m.select(positive, lambda: near, lambda: 2 - near),
        m.select(positive, lambda: 2 - near, lambda: near),
    )


def divided(m: Any, x: Number, y: Number) -> Number:
    """x/y for y >= 0, with 0/0 = 0 and x/0 infinite."""
    if m is FLOATS:
        with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
            return np.where(np.equal(x, 0), 0.0, np.divide(x, y))[()]
    return x / y if y != 0 else (m.infinite(x) if x != 0 else x)


def joint_density(m: Any, h: Number, k: Number, dl: Number, op: Number) -> Number:
    """Density at (h, k) of a standard normal pair; at c = -1, 1 infinite on the line, else 0."""
    positive = likely(dl < op)
    near, far, other = (
        m.select(positive, lambda: dl, lambda: op),
        m.select(positive, lambda: op, lambda: dl),
        m.select(positive, lambda: k, lambda: -k),
    )
    s2 = dl * op
    exponent = divided(m, (h - other) ** 2, 2 * s2) + h * other / far + 0 * near
    return divided(m, m.exp(-exponent), 2 * m.pi * m.sqrt(s2))


def plackett(order: int, h: Number, k: Number, dl: Number, op: Number) -> Number:
    r"""Plackett's integral over the correlation, of any order n >= 0.

    .. math:: P_n(h, k; c) = \int_0^c (c - t)^n\, n_2(h, k; t)\,dt, \qquad
              n_2(h, k; t) = \frac{e^{-(h^2 - 2hkt + k^2)/(2(1 - t^2))}}{2\pi\sqrt{1 - t^2}}

    for the density n_2 of a standard normal pair, c given through dl = 1 - c and op = 1 + c.
    :math:`P_0 = \Phi_2 - \Phi\Phi` and :math:`n P_{n-1} = dP_n/dc`. The integrand has one sign: for
    chk >= 0 P_n is accurate relatively, also at c = 1, -1 and in the tails; for chk < 0 relatively
    to P_n(h, -k; c).

    Source: Plackett, Biometrika 1954, for n = 0.

    >>> round(float(plackett(0, 0.0, 0.0, 0.0, 2.0)), 12)
    0.25
    """
    m = of(h, k, dl, op)
    h, k, dl, op = (m.number(x) for x in (h, k, dl, op))
    negative = op < dl
    other = m.select(negative, lambda: -k, lambda: k)
    angle, length = sector(m, dl, op)

    def integrand(y: Number, phi: Number, h: Number, k: Number, angle: Number) -> Number:
        below = 2 * m.sin(angle + y / 2) * m.sin(y / 2)
        return below**order * pair_density(m, h, k, phi)

    distance = m.absolute(h - other)
    value = angular_integral(m, integrand, angle, length, distance, h, other, angle, degree=order)
    sign = m.select(negative, lambda: (-1) ** (order + 1) + 0 * h, lambda: 1 + 0 * h)
    return sign * value / (2 * m.pi)


def log_density(m: Any, h: Number, k: Number, phi: Number) -> Number:
    r"""Exponent of :math:`n_2(h, k; \cos\varphi)`, without cancellation as phi tends to 0.

    .. math:: -\frac{(h - k)^2}{2\sin^2\varphi} - \frac{hk}{1 + \cos\varphi}
    """
    return -(((h - k) / m.sin(phi)) ** 2) / 2 - h * k / (1 + m.cos(phi))


def pair_density(m: Any, h: Number, k: Number, phi: Number) -> Number:
    r""":math:`\sqrt{1 - t^2}\,2\pi\,n_2(h, k; t)` at :math:`t = \cos\varphi`; at most 1.

    A ball about phi = 0 gives all values between 0 and :math:`e^{-\max(h^2, k^2)/2}`.
    """
    if m.encloses and m.touches_zero(phi):
        return m.between(0, m.exp(-m.maximum(h**2, k**2) / 2))
    return m.exp(log_density(m, h, k, phi))


def sector(m: Any, dl: Number, op: Number) -> tuple[Number, Number]:
    r"""The angle :math:`\theta = \arccos|c|` and its complement :math:`\pi/2 - \theta`."""
    near = m.select(dl < op, lambda: dl, lambda: op)
    angle = 2 * m.arcsin(m.sqrt(near / 2))
    length = m.select(near < 0.5, lambda: m.pi / 2 - angle, lambda: m.arcsin(1 - near))
    return angle, length


def angular_integral(
    m: Any,
    integrand: Callable[..., Number],
    angle: Number,
    length: Number,
    distance: Number,
    *arguments: Number,
    degree: int = 1,
) -> Number:
    r"""``integrand(y, phi, *arguments)`` over y from 0 to length, phi = angle + y.

    Gauss-Legendre panels that double in phi from max(angle, distance/9) upwards: the integrand may
    contain :math:`e^{-d^2/\sin^2\varphi}` with any d >= distance, or d = 0, and powers up to
    ``degree`` of :math:`\cos\theta - \cos\varphi`. Arguments broadcast.
    """
    if m.encloses:
        return _angular_enclosure(m, integrand, angle, length, arguments)
    if m is not FLOATS:
        return _angular_sum(m, integrand, angle, length, distance, arguments, degree)
    parts = np.broadcast_arrays(angle, length, distance, *arguments)
    flat = [np.asarray(part, dtype=float).reshape(-1, 1) for part in parts]
    out = np.empty(parts[0].size)
    chunk = NODES_PER_CHUNK // 256
    for start in range(0, out.size, chunk):
        theta, span, d, *rest = (part[start : start + chunk] for part in flat)
        y, weight = panel_nodes(_angular_edges(theta, span, d), 16 + degree)
        phi = np.maximum(theta + y, 1e-20)  # empty panels of weight 0 lie at 0
        out[start : start + chunk] = (weight * integrand(y, phi, *rest)).sum(axis=-1)
    return out.reshape(parts[0].shape)[()]


def _grading(m: Any, angle: Number, length: Number, distance: Number) -> tuple[Number, Number]:
    """Where the doubling of panels starts, and how often it happens."""
    finest = distance / m.sqrt(m.number(5 * digits(m)))
    finest = m.select(distance > 0, lambda: finest, lambda: 1 + 0 * distance)
    start = m.maximum(angle, m.select(finest < 0.4, lambda: finest, lambda: 0.4 + 0 * finest))
    start = m.select(start > 1e-15, lambda: start, lambda: 1e-15 + 0 * start)
    top = m.maximum(angle + length, start)
    return start, m.log(top / start) / m.log(m.number(2))


def _angular_edges(angle: Number, length: Number, distance: Number) -> Number:
    start, doublings = _grading(FLOATS, angle, length, distance)
    count = max(1, int(np.ceil(doublings.max())))
    top = np.maximum(angle + length, start)
    graded = start * (top / start) ** (np.arange(count + 1) / count) - angle
    graded = np.concatenate([0 * angle, graded], axis=-1)
    even = length * (np.arange(count + 2) / (count + 1))
    return np.where(angle > 0.4, even, np.minimum(graded, length))


def panel_nodes(edges: np.ndarray, count: int) -> tuple[np.ndarray, np.ndarray]:
    """Gauss-Legendre nodes and weights on the panels between edges, along the last axis."""
    nodes, weights = legendre(FLOATS, count)
    width = np.diff(edges, axis=-1)[..., None]
    points = edges[..., :-1, None] + width * nodes
    shape = (*edges.shape[:-1], -1)
    return points.reshape(shape), (width * weights).reshape(shape)


def _angular_sum(
    m: Any,
    integrand: Callable[..., Number],
    angle: Number,
    length: Number,
    distance: Number,
    arguments: tuple[Number, ...],
    degree: int,
) -> Number:
    start, doublings = _grading(m, angle, length, distance)
    count = max(1, int(m.context.ceil(doublings)))
    if angle > 0.4:
        edges = [length * j / (count + 1) for j in range(count + 2)]
    else:
        ratio = m.context.mpf(2) ** (doublings / count)
        graded = (min(start * ratio**j - angle, length) for j in range(count))
        edges = [0 * angle, *graded, length]
    return panel_sum(m, lambda y: integrand(y, angle + y, *arguments), edges, degree)


def _angular_enclosure(
    m: Any,
    integrand: Callable[..., Number],
    angle: Number,
    length: Number,
    arguments: tuple[Number, ...],
) -> Number:
    """The integral in balls; where phi starts too close to 0, from a hull of the integrand."""
    sliver = m.sliver
    if angle > sliver:
        return m.integral(lambda y: integrand(y, angle + y, *arguments), 0, length)
    start = integrand(m.between(0, sliver), m.between(0, angle + sliver), *arguments)
    rest = m.integral(lambda y: integrand(y, angle + y, *arguments), sliver, length - sliver)
    return sliver * start + rest


def panel_sum(
    m: Any, integrand: Callable[[Number], Number], edges: list[Number], degree: int = 1
) -> Number:
    """The integral over the panels between edges, in mpmath."""
    nodes, weights = legendre(m, 8 + 4 * digits(m) // 5 + degree)
    terms = []
    for low, high in pairwise(edges):
        width = high - low
        if width > 0:
            terms += [
                width * w * integrand(low + width * x) for x, w in zip(nodes, weights, strict=True)
            ]
    return m.context.fsum(terms)


def digits(m: Any) -> int:
    """Decimal digits of the numbers at hand, reserve included."""
    return m.digits if m is FLOATS else m.context.dps


def legendre(m: Any, count: int) -> tuple[Any, Any]:
    """Gauss-Legendre nodes and weights on [0, 1]."""
    return _legendre(None if m is FLOATS else m.context, digits(m), count)


@cache
def _legendre(context: Any, digits: int, count: int) -> tuple[Any, Any]:
    x, w = np.polynomial.legendre.leggauss(count)
    if context is None:
        return (x + 1) / 2, w / 2
    pairs = [_refined(context, count, float(node)) for node in x]
    return [(node + 1) / 2 for node, _ in pairs], [weight / 2 for _, weight in pairs]


def _refined(context: Any, count: int, start: float) -> tuple[Number, Number]:
    """One Gauss-Legendre node on [-1, 1] and its weight: Newton's iteration in fixed point."""
    bits = context.prec + 40
    one = 1 << bits
    x = int(context.ldexp(context.mpf(start), bits))
    for _ in range(2 + context.prec.bit_length()):
        before, value = one, x
        for n in range(2, count + 1):
            before, value = value, ((2 * n - 1) * (x * value >> bits) - (n - 1) * before) // n
        slope = (count * ((x * value >> bits) - before) << bits) // ((x * x >> bits) - one)
        step = (value << bits) // slope
        x -= step
        if abs(step) >> 40 == 0:
            break
    node, derivative = (context.ldexp(context.mpf(part), -bits) for part in (x, slope))
    return node, 2 / ((1 - node * node) * derivative**2)
