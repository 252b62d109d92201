r"""The logistic family, sigmoid, tanh, softplus and SiLU, as exact Gaussian scale mixtures.

The logistic law is the law of 2 K Z, Z standard normal and K with Kolmogorov's distribution, so

.. math:: \tanh(x) = E\left[2\Phi(x/K) - 1\right], \qquad \sigma(x) = E\,\Phi(x/2K),

and softplus and SiLU are the same averages of the primitive of :math:`\Phi(x/s)` and of
:math:`x\,\Phi(x/s)`. A Gaussian integral of two factors is the average of the error function's,
ReLU's or GELU's over two independent copies of :math:`S = s^2`. Both copies only add to variances,
so the average is smooth, uniformly in variances and correlation. For centred pairs it is taken by
the Gauss rule of the law of log S (16 nodes give float64), otherwise by the trapezoid rule in
log S; integrals of one variable need one average only, since :math:`\tanh' = 1 - \tanh^2`. With
means and many digits there are series about c = 0 and c = 1, -1, and a lattice between.

Source: Andrews & Mallows, J. R. Stat. Soc. B 1974 (the logistic law as a scale mixture).
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache, lru_cache
from math import ceil, floor, log, log10, pi, sqrt
from typing import Any, NamedTuple

import numpy as np

from theory.errors import NotConverged
from theory.families import normal, strip
from theory.families.error_function import (
    SMALL,
    arc_sine,
    arc_sine_derivative,
    arc_sine_derivative_gap,
    arc_sine_gap,
    by_covariance,
    centred,
    density,
    gated,
    gated_derivative,
    gated_derivative_covariance,
    gated_derivative_gap,
    gated_derivative_mean,
    gated_gap,
    gated_mean,
    hinge_mean,
    hinges,
    hinges_gap,
    quadrant,
    quadrant_gap,
    same,
    sign_derivative_mean,
    sign_mean,
    step_mean,
)
from theory.families.kernel import Kernel
from theory.families.logistic_edges import at_the_edge
from theory.families.logistic_lattice import on_a_lattice
from theory.mathematics import FLOATS, Number, Symbols, of, precise
from theory.pair import Law, Pair

FLOAT_NODES = 16
VALUES_PER_CHUNK = 1 << 16
RESERVE = 15
SINGLE = 1.2
SHORTEST, LONGEST_SERIES = 2_000, 100_000
LARGEST_REACH = 400


# The mixing laws


def kolmogorov_density(x: Number) -> Number:
    r"""Density of Kolmogorov's distribution.

    .. math:: f(x) = 8x \sum_{k\ge1} (-1)^{k-1} k^2 e^{-2k^2x^2}
                   = \frac{\sqrt{2\pi}}{x^2} \sum_{k\ge1} (2e_k - 1)e^{-e_k},
              \quad e_k = \frac{(2k-1)^2\pi^2}{8x^2}

    The first series is used for x >= 1, the second below.

    >>> round(float(kolmogorov_density(1.0)), 12)
    1.071948558357
    """
    m = of(x)
    terms = _terms(m)

    def by_images() -> Number:
        return 8 * x * sum((-1) ** (k - 1) * k**2 * m.exp(-2 * k**2 * x**2) for k in terms)

    def by_modes() -> Number:
        return m.sqrt(2 * m.pi) / x**2 * sum((2 * e - 1) * m.exp(-e) for e in _modes(m, x))

    return m.select(x >= 1, by_images, by_modes)


def squared_density(x: Number) -> Number:
    r"""Density g, not normalized, with :math:`\tanh'(u)^2 = \int_0^\infty 2 N(u; x^2) g(x)\,dx`.

    Since :math:`6 \tanh'^2 = 4\tanh' - \tanh'''`, and two derivatives of a Gaussian in u are twice
    one in its variance S, the mixing density in S is :math:`(4 f_S + 2 f_S')/6` with that of K^2,

    .. math:: g(x) = \frac{16x}{3}\sum_{k\ge2}(-1)^k k^2(k^2 - 1)e^{-2k^2x^2}.

    >>> float(squared_density(1.0)) > 0
    True
    """
    m = of(x)
    terms = _terms(m)

    def by_images() -> Number:
        signed = ((-1) ** k * k**2 * (k**2 - 1) * m.exp(-2 * k**2 * x**2) for k in terms[1:])
        return 16 * x / 3 * sum(signed)

    def by_modes() -> Number:
        S = x**2
        pairs = [(4 * S * (2 * e - 1) + 4 * e**2 - 12 * e + 3, e) for e in _modes(m, x)]
        return m.sqrt(m.pi / 2) / (3 * S**2) * sum(p * m.exp(-e) for p, e in pairs)

    return m.select(x >= 0.7, by_images, by_modes)


def _terms(m: Any) -> range:
    return range(1, 3 + ceil(sqrt(2.5 * m.digits)))


def _modes(m: Any, x: Number) -> list[Number]:
    return [((2 * k - 1) * m.pi / x) ** 2 / 8 for k in _terms(m)]


class Rule(NamedTuple):
    """Nodes S = K^2, weights of Kolmogorov's law, and weights of ``squared_density``."""

    S: Any
    weights: Any
    squared: Any


def trapezoid_rule(m: Any, reach: int = 0, refine: float = 1.0) -> Rule:
    r"""The trapezoid rule in log K, for integrands like :math:`e^{-m^2/2S}` with |m| <= reach.

    The weight is analytic for :math:`|\arg S| < \pi/2` and falls like :math:`e^{-\pi^2/8S}` and
    :math:`e^{-2S}`; with D = log(1/accuracy) that asks for a step of :math:`\pi^2/2D`. The product
    of weight and integrand has a saddle at S = |m|/2, of width :math:`1/\sqrt{8|m|}` in log K, and
    that for a step of :math:`1.4/\sqrt{D|m|}`.

    >>> rule = trapezoid_rule(FLOATS)
    >>> abs(float(rule.weights @ rule.S) - np.pi**2 / 12) < 1e-15
    True
    """
    D = _accuracy(m) * log(10) * refine
    low = 0.93 * pi / sqrt(8 * D)
    total = 2 * reach + D
    high = 1.05 * sqrt((total + sqrt(total**2 - 4 * reach**2)) / 4)
    step = min(pi**2 / (2 * D + 13), 1.4 / sqrt(D * max(reach, 1)))
    count = ceil(log(high / low) / step) + 1
    span = m.log(m.number(high) / m.number(low)) / (count - 1)
    if m is FLOATS:
        x = low * np.exp(span * np.arange(count))
        return Rule(x * x, span * x * kolmogorov_density(x), span * x * squared_density(x))
    nodes = [m.number(low) * m.exp(span * index) for index in range(count)]
    return Rule(
        [x * x for x in nodes],
        [span * x * kolmogorov_density(x) for x in nodes],
        [span * x * squared_density(x) for x in nodes],
    )


def gauss_rule(m: Any, count: int) -> tuple[list[Number], list[Number]]:
    r"""Gauss rule of the law of log S: nodes S and weights, from a fine trapezoid rule.

    The integrands of a centred pair are analytic in S but for the negative axis, so they are smooth
    in log S on the whole strip :math:`|\arg S| < \pi`, and a rule of n nodes that is exact for
    polynomials in log S needs a third of the nodes of the trapezoid rule.

    >>> m = precise(10)
    >>> S, weights = gauss_rule(m, 8)
    >>> mean = sum(w * m.sqrt(s) for s, w in zip(S, weights))
    >>> float(abs(mean - m.sqrt(m.pi / 2) * m.log(2))) < 1e-9
    True
    """
    fine = trapezoid_rule(m)
    alpha, beta = _recurrence(m, [m.log(S) for S in fine.S], fine.weights, count)
    off = [float(m.sqrt(value)) for value in beta[1:]]
    jacobi = np.diag([float(value) for value in alpha]) + np.diag(off, 1) + np.diag(off, -1)
    nodes, weights = [], []
    for start in np.linalg.eigvalsh(jacobi):
        x, weight = _gauss_node(m, alpha, beta, m.number(float(start)))
        nodes.append(m.exp(x))
        weights.append(weight)
    return nodes, weights


def _recurrence(
    m: Any, points: list[Number], weights: list[Number], count: int
) -> tuple[list[Number], list[Number]]:
    """Coefficients of the monic orthogonal polynomials of a discrete law (Stieltjes)."""
    before, value = [m.number(0)] * len(points), [m.number(1)] * len(points)
    alpha, beta = [], []
    last = m.number(1)
    for _ in range(count):
        squares = [w * p * p for w, p in zip(weights, value, strict=True)]
        norm = m.context.fsum(squares)
        alpha.append(m.context.fdot(squares, points) / norm)
        beta.append(norm / last)
        steps = zip(points, value, before, strict=True)
        before, value = value, [(x - alpha[-1]) * p - beta[-1] * q for x, p, q in steps]
        last = norm
    return alpha, beta


def _gauss_node(
    m: Any, alpha: list[Number], beta: list[Number], x: Number
) -> tuple[Number, Number]:
    """A zero of the last polynomial by Newton's iteration, and its weight."""
    zero, one = m.number(0), m.number(1)
    for _ in range(3 + m.digits.bit_length()):
        p, q, dp, dq = one, zero, zero, zero
        inverse, norm = zero, one
        for a, b in zip(alpha, beta, strict=True):
            norm *= b
            inverse += p * p / norm
            p, q, dp, dq = (x - a) * p - b * q, p, p + (x - a) * dp - b * dq, dp
        step = p / dp
        x -= step
        if abs(step) < m.context.eps * (1 + abs(x)) * 100:
            break
    return x, 1 / inverse


def _accuracy(m: Any) -> int:
    """Digits at which the averages aim."""
    return 17 if m is FLOATS else m.digits - RESERVE + 4


def _gauss_count(m: Any, spare: int) -> int:
    """Nodes measured to give the accuracy less the spare digits, and one more: 17 for 17."""
    return max(6, ceil(16 * (max(0, _accuracy(m) - spare) / 17) ** 1.35) + 1)


@cache
def _rule(m: Any, reach: int, refine: float) -> Rule:
    return trapezoid_rule(m, reach, refine)


@cache
def _gauss(m: Any, spare: int) -> tuple[list[Number], list[Number]]:
    return gauss_rule(m, _gauss_count(m, spare))


@cache
def _float_gauss() -> tuple[np.ndarray, np.ndarray]:
    S, weights = gauss_rule(precise(20), FLOAT_NODES)
    return np.array([float(s) for s in S]), np.array([float(w) for w in weights])


@cache
def _float_grid(reach: int | None, symmetric: bool) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """S, T and weights of the product rule, flattened; each unordered pair once if symmetric."""
    S, weights = _float_gauss() if reach is None else _rule(FLOATS, reach, 1.0)[:2]
    i, j = np.tril_indices(S.size) if symmetric else np.indices((S.size, S.size)).reshape(2, -1)
    copies = np.where(i == j, 1, 2) if symmetric else 1
    return S[i], S[j], weights[i] * weights[j] * copies


# Averages over one S, and over two


class Member(NamedTuple):
    """An activation of the family, s = unit K, and its integrals before averaging.

    ``one`` holds mean and derivative_mean of (law, S); ``squares`` second and derivative_second,
    each a pair of functions of (m, law, S), to be averaged over Kolmogorov's law and over
    ``squared_density``; ``two`` the dual and the derivative's, and their gaps, of (pair, S, T);
    ``covariance`` the derivative's dual less the product of its means, where that may vanish.
    """

    name: str
    unit: int
    one: tuple[Callable[..., Number], ...]
    squares: tuple[tuple[Callable[..., Number] | None, ...] | None, ...]
    two: tuple[Callable[..., Number], ...]
    covariance: Callable[..., Number] | None = None


def _reach(unit: int, *laws: Law) -> int:
    """How large a mean, in units of the activation, the rule has to resolve."""
    if all(centred(law) for law in laws):
        return 0
    excess = (np.max(np.abs(_floats(law.m)) / unit - 2 * _floats(law.a) / unit**2) for law in laws)
    return min(ceil(max(0.0, *excess)), LARGEST_REACH)


def _floats(value: Number) -> np.ndarray:
    return np.asarray(value, dtype=float)


def _over_one(member: Member, law: Law, parts: tuple[Any, ...]) -> Number:
    """The average of ``parts[0](m, law, S)``, plus that of ``parts[1]`` over the squared law."""
    m, square = of(*law), member.unit**2
    reach = len(parts) * _reach(member.unit, law)  # tanh'^2 falls twice as fast as tanh'

    def summed(rule: Rule) -> Number:
        columns = zip(parts, (rule.weights, rule.squared), strict=False)
        terms = [
            w * part(m, law, square * S)
            for part, weights in columns
            if part
            for S, w in zip(rule.S, weights, strict=True)
        ]
        return m.context.fsum(terms), m.context.fsum(terms, absolute=True)

    if m is FLOATS:
        return _over_arrays(_rule(m, reach, SINGLE), law, square, parts)
    return _agreed(m, member.name, *(summed(_rule(m, reach, fine)) for fine in (1.14, SINGLE)))


def _over_arrays(rule: Rule, law: Law, square: int, parts: tuple[Any, ...]) -> Number:
    shape = np.broadcast_shapes(np.shape(law.m), np.shape(law.a))
    a = np.broadcast_to(_floats(law.a), shape).reshape(-1, 1)
    mean = None if centred(law) else np.broadcast_to(_floats(law.m), shape).reshape(-1, 1)
    out = np.zeros(a.size)
    rows = max(1, VALUES_PER_CHUNK // rule.S.size)
    for start in range(0, a.size, rows):
        chunk = slice(start, start + rows)
        part_law = Law(0 if mean is None else mean[chunk], a[chunk])
        for part, weights in zip(parts, (rule.weights, rule.squared), strict=False):
            if part:
                out[chunk] += part(FLOATS, part_law, square * rule.S) @ weights
    return out.reshape(shape)[()]


def _over_two(member: Member, pair: Pair, index: int) -> Number:
    """The average of ``member.two[index](pair, S, T)`` over independent S and T."""
    m = of(*pair)
    if m is FLOATS:
        return _float_over_two(member, pair, index)
    if m.encloses:
        return strip.dual(member.name, index, pair)
    if not pair.centred:
        return _with_means(m, member, pair, index)
    rules = (_gauss(m, 1), _gauss(m, 0))
    return _agreed(m, member.name, *(_summed(m, member, pair, index, rule) for rule in rules))


def _alike(pair: Pair) -> bool:
    return pair.a is pair.b and pair.m1 is pair.m2


def _summed(m: Any, member: Member, pair: Pair, index: int, rule: Any) -> tuple[Number, Number]:
    integral, symmetric = member.two[index], _alike(pair)
    points = [(member.unit**2 * S, w) for S, w in zip(*rule, strict=True)]
    terms = []
    for i, (S, p) in enumerate(points):
        for T, q in points[: i + 1] if symmetric else points:
            copies = 2 if symmetric and T is not S else 1
            terms.append(copies * p * q * integral(pair, S, T))
    return m.context.fsum(terms), m.context.fsum(terms, absolute=True)


def _agreed(m: Any, name: str, coarse: Any, fine: Any) -> Number:
    """The finer of two sums, each with its sum of absolute terms; ``NotConverged`` if unlike."""
    (less, _), (more, size) = coarse, fine
    if abs(more - less) > size * m.context.mpf(10) ** (RESERVE - 1 - m.digits):
        raise NotConverged(
            f"the mixture of {name} has not converged: two node counts differ by {more - less}"
        )
    return more


def _float_over_two(member: Member, pair: Pair, index: int) -> Number:
    def whole(pair: Pair) -> Number:
        return _pairs_over_arrays(member.unit, pair, member.two[index])

    def parts(pair: Pair) -> Number:
        means = _mean(member, pair.u, 1) * _mean(member, pair.v, 1)
        return means + _pairs_over_arrays(member.unit, pair, member.covariance)

    if member.covariance is None or index != 1:
        return whole(pair)
    return by_covariance(pair, SMALL * member.unit**2, whole, parts)


def _pairs_over_arrays(unit: int, pair: Pair, integral: Any) -> Number:
    shape = np.broadcast_shapes(*(np.shape(part) for part in pair))
    symmetric = _alike(pair)
    S, T, weights = _float_grid(None if pair.centred else _reach(unit, pair.u, pair.v), symmetric)
    S, T = unit**2 * S, unit**2 * T
    flat = [np.broadcast_to(_floats(part), shape).reshape(-1, 1) for part in pair]
    out = np.empty(flat[0].size)
    rows = max(1, VALUES_PER_CHUNK // S.size)
    for start in range(0, out.size, rows):
        a, b, r, dl, op, m1, m2 = (part[start : start + rows] for part in flat)
        if symmetric:
            b, m2 = a, m1
        chunk = Pair(a, b, r, dl, op, 0, 0) if pair.centred else Pair(a, b, r, dl, op, m1, m2)
        out[start : start + rows] = integral(chunk, S, T) @ weights
    return out.reshape(shape)[()]


# Many digits with means


def _with_means(m: Any, member: Member, pair: Pair, index: int) -> Number:
    """Next to c = 1 and -1, between, or about c = 0: the shortest of three ways."""
    digits = _accuracy(m)
    series = at_the_edge(m, member.name, member.unit, pair, index, digits)
    if series is not None:
        return series
    length, short = _length(m, member, pair, index), max(SHORTEST, digits**3 // 50)
    if length > short and abs(pair.c) > 0.5:
        return _between(m, member, pair, index)
    if length <= LONGEST_SERIES:
        series = _by_series(m, member, pair, index)
    if series is None:
        return _between(m, member, pair, index)
    return series


def _between(m: Any, member: Member, pair: Pair, index: int) -> Number:
    """On a lattice; a gap as a difference, with as many more digits as it loses."""
    if index < 2:
        return on_a_lattice(m, member, pair, index, _accuracy(m))
    lost = 3 - floor(log10(float(pair.dl)) + min(0.0, log10(float(pair.a))))
    more = precise(m.digits - RESERVE + max(lost, 3))
    fine = _in_system(more, pair)
    return m.number(
        _with_means(more, member, fine.same_u, index - 2)
        - on_a_lattice(more, member, fine, index - 2, _accuracy(more))
    )


def _in_system(m: Any, pair: Pair) -> Pair:
    """The same pair; the covariance is formed anew from 1 - c or 1 + c."""
    a, b, dl, op, m1, m2 = map(m.number, (pair.a, pair.b, pair.dl, pair.op, pair.m1, pair.m2))
    near = {"one_minus_c": dl} if dl < op else {"one_plus_c": op}
    return Pair.at(a, b, **near, mean1=m1, mean2=m2)


def _length(m: Any, member: Member, pair: Pair, index: int) -> int:
    r"""Terms of ``_by_series``: they fall like :math:`c^k e^{-\pi\sqrt{k/q}}`."""
    D = _accuracy(m) * log(10)
    c = abs(float(pair.c))
    q = sqrt(float(pair.a) * float(pair.b)) / member.unit**2
    by_variance = q * (D / pi) ** 2 + 3 * D
    by_correlation = D / -log(c) if 0 < c < 1 else (1 if c == 0 else by_variance)
    return ceil(1.2 * (by_variance if index >= 2 else min(by_variance, by_correlation))) + 20


def _by_series(m: Any, member: Member, pair: Pair, index: int) -> Number | None:
    r""":math:`\sum_k \frac{r^k}{k!} E\varphi^{(k)}(u)\,E\varphi^{(k)}(v)`, None if not settled.

    With means the integral over two nodes has no elementary integrand; the series has, one average
    over S for each order.
    """
    shift, difference = index % 2, index >= 2
    length = _length(m, member, pair, index)
    left = _derivative_means(m, member, pair.u, length)
    right = left if _alike(pair) else _derivative_means(m, member, pair.v, length)
    weight, terms = m.number(1), []
    for k in range(length):
        term = weight * left[k + shift] * right[k + shift]
        terms.append(term * _one_less_power(m, pair, k) if difference else term)
        weight *= (pair.a if difference else pair.r) / m.number(k + 1)
    total, size = m.context.fsum(terms), m.context.fsum(terms, absolute=True)
    tail = sum(abs(term) for term in terms[-4:]) * length
    if tail > size * m.context.mpf(10) ** (RESERVE - 1 - m.digits):
        return None
    return total


def _one_less_power(m: Any, pair: Pair, k: int) -> Number:
    """1 - c^k, accurate as c tends to 1 or -1."""
    near = min(pair.dl, pair.op)
    if near > 0.5:
        return 1 - (1 - pair.dl) ** k
    drop = m.expm1(k * m.log1p(-near))
    return 2 + drop if k % 2 and pair.op < pair.dl else -drop


def _derivative_means(m: Any, member: Member, law: Law, length: int) -> list[Number]:
    r""":math:`E\varphi^{(k)}(u)` for k = 0 ... length."""
    mean, a = m.number(law.m), m.number(law.a)
    steps = _step_derivatives(m, member.unit, Law(mean, a), length + 2)
    if member.name == "tanh":
        return [_mean(member, law, 0), *(2 * value for value in steps[1:])]
    if member.name == "sigmoid":
        return steps
    if member.name == "softplus":
        return [_mean(member, law, 0), *steps]
    return [
        mean * steps[k] + (k * steps[k - 1] if k else 0) + a * steps[k + 1]
        for k in range(length + 1)
    ]


@lru_cache(maxsize=8)
def _step_derivatives(m: Any, unit: int, law: Law, length: int) -> list[Number]:
    r"""Derivatives in the mean of ``E Phi(u/s)``, by the recursion of Hermite functions.

    The k-th at one node is that of order 1, the density of N(0, A) at the mean, times a number
    :math:`y_k \sqrt{(k-1)!}\,B^{-(k-1)/2}` with B the smallest A. In the series the second factor
    cancels, so y_k runs in fixed point, to the accuracy of the first. Python's integers extend
    where it grows; the loop stops where it has died out.
    """
    rule = _rule(m, _reach(unit, law), 1.1)
    variances = [law.a + unit**2 * S for S in rule.S]
    B = min(variances)
    root = m.sqrt(B)
    bits = m.context.prec + 10
    scale = bits + ceil(3 * _reach(unit, law))  # phi itself falls like exp(-2 |m| / unit)

    def fixed(value: Number) -> int:
        return int(m.context.ldexp(value, bits))

    roots = [m.sqrt(m.number(k)) for k in range(length + 1)]
    inverse_roots = [0, *(fixed(1 / value) for value in roots[1:])]
    ratios = [0, *(fixed(roots[k - 1] / roots[k]) for k in range(1, length + 1))]
    totals = [0] * (length + 1)
    start = m.number(0)
    for A, weight in zip(variances, rule.weights, strict=True):
        start += weight * normal.cdf(law.m / m.sqrt(A))
        factor = int(m.context.ldexp(weight * density(m, law, A), scale))
        slope, loss = fixed(-law.m * root / A), fixed(B / A)
        before, value = 0, 1 << bits
        for k in range(1, length + 1):
            totals[k] += factor * value >> bits
            before, value = (
                value,
                ((slope * value >> bits) * inverse_roots[k] - (loss * before >> bits) * ratios[k])
                >> bits,
            )
            if not before and not value:
                break
    out, unscaled = [start], m.number(1)
    for k in range(1, length + 1):
        out.append(m.context.ldexp(m.number(totals[k]) * unscaled, -scale))
        unscaled *= roots[k] / root
    return out


# The four activations


def _ignoring(integral: Callable[..., Number]) -> Callable[..., Number]:
    def at(m: Any, law: Law, S: Number) -> Number:
        return integral(law, S)

    return at


def _scaled(integral: Callable[..., Number], divisor: int) -> Callable[..., Number]:
    def at(*where: Any) -> Number:
        return integral(*where) / divisor

    return at


def _tanh_square(m: Any, law: Law, S: Number) -> Number:
    """tanh^2 = 1 - tanh': twice the difference of two densities."""
    A = law.a + S
    ratio = -m.log1p(law.a / S) / 2
    if not centred(law):
        ratio = ratio - law.m**2 / (2 * A)
    return -m.sqrt(2 / (m.pi * S)) * m.expm1(ratio)


def _tanh_slope_square(m: Any, law: Law, S: Number) -> Number:
    return 2 * density(m, law, law.a + S)


def _sigmoid_square(m: Any, law: Law, S: Number) -> Number:
    r""":math:`\sigma^2 = \sigma - \sigma'`."""
    return step_mean(law, S) - density(m, law, law.a + S)


def _tilted_sigmoid_square(m: Any, law: Law, S: Number) -> Number:
    r""":math:`\sigma^2 = e^x \sigma'`: without the exponential, under the law that it tilts."""
    return density(m, law, law.a + S)


def _tilted_silu_square(m: Any, law: Law, S: Number) -> Number:
    return 4 * _silu_slope_square_rest(m, law, S)


def _tilted_silu_slope_square(m: Any, law: Law, S: Number) -> Number:
    r""":math:`(x\sigma)'^2 - x^2\sigma'^2 = e^x (\sigma' + x (\sigma' + \sigma''))`."""
    A = law.a + S
    mean = law.m * S / A
    return density(m, law, A) * (1 + mean - (law.a / A + mean**2 / S))


def _sigmoid_slope_square(m: Any, law: Law, S: Number) -> Number:
    return density(m, law, law.a + S) / 4


def _silu_square(m: Any, law: Law, S: Number) -> Number:
    r""":math:`x^2\sigma^2 = x^2(\sigma - \sigma')`."""
    a, A, peak = law.a, law.a + S, density(m, law, law.a + S)
    value = a * step_mean(law, S) - a * S / A * peak
    if centred(law):
        return value
    mean = law.m
    rest = mean**2 * (step_mean(law, S) - S**2 / A**2 * peak)
    return value + rest + (2 * mean * a - a**2 * mean / A) * peak


def _silu_slope_square(m: Any, law: Law, S: Number) -> Number:
    r""":math:`(x\sigma)'^2 - x^2\sigma'^2 = \sigma - \sigma' + x(\sigma' - \sigma'')`."""
    A, peak = law.a + S, density(m, law, law.a + S)
    value = step_mean(law, S) - S / A * peak
    if centred(law):
        return value
    return value + (law.m * S / A + law.m**2 * S / A**2) * peak


def _silu_slope_square_rest(m: Any, law: Law, S: Number) -> Number:
    a, A = law.a, law.a + S
    moment = a * S / A
    if not centred(law):
        moment = moment + (law.m * S / A) ** 2
    return moment * density(m, law, A) / 4


SIGNS = Member(
    "tanh",
    1,
    (sign_mean, sign_derivative_mean),
    ((_tanh_square,), (None, _tanh_slope_square)),
    (arc_sine, arc_sine_derivative, arc_sine_gap, arc_sine_derivative_gap),
)
STEPS = Member(
    "sigmoid",
    2,
    (step_mean, _scaled(sign_derivative_mean, 2)),
    ((_sigmoid_square,), (None, _sigmoid_slope_square)),
    (
        quadrant,
        _scaled(arc_sine_derivative, 4),
        quadrant_gap,
        _scaled(arc_sine_derivative_gap, 4),
    ),
)
HINGES = Member(
    "softplus",
    2,
    (hinge_mean, step_mean),
    (None, (_sigmoid_square,)),
    (hinges, quadrant, hinges_gap, quadrant_gap),
)
GATES = Member(
    "silu",
    2,
    (gated_mean, gated_derivative_mean),
    ((_silu_square,), (_silu_slope_square, _silu_slope_square_rest)),
    (gated, gated_derivative, gated_gap, gated_derivative_gap),
    gated_derivative_covariance,
)
EXACT_MEANS = {"tanh": (0, None), "sigmoid": (1, None), "softplus": (None, 1), "silu": (None, 1)}


TILTED: dict[Any, Any] = {
    _sigmoid_square: _tilted_sigmoid_square,
    _silu_square: _tilted_silu_square,
    _silu_slope_square: _tilted_silu_slope_square,
}


def _tilted(m: Any, member: Member, law: Law, parts: tuple[Any, ...], tilted: Any) -> Number:
    r"""The average of the parts; where m + a < 0 and the first cancels, it is that of e^u f(u),

    .. math:: E[e^u f(u)] = e^{m + a/2}\,E f(u + a).
    """
    moved = Law(law.m + law.a, law.a)

    def left() -> Number:
        least = Law(-m.maximum(-moved.m, 0 * moved.m), law.a)
        first = m.exp(least.m - law.a / 2) * _over_one(member, least, (tilted,))
        return first + _over_one(member, law, (None, *parts[1:])) if parts[1:] else first

    return m.select(moved.m < 0, left, lambda: _over_one(member, law, parts))


def _mean(member: Member, law: Law, order: int) -> Number:
    m, twice = of(*law), EXACT_MEANS[member.name][order]
    if centred(law) and twice is not None:
        return m.number(twice) / 2 + 0 * law.a
    if m.encloses:
        return strip.mean(member.name, order, law)
    if isinstance(m, Symbols):
        return m.integral("M_" + "d" * order + member.name, law.a)
    return _over_one(member, law, (_ignoring(member.one[order]),))


def _named(m: Any, letter: str, order: int, member: Member, pair: Pair) -> Number:
    variances = (pair.a,) if pair.a == pair.b else (pair.a, pair.b)
    return m.integral(letter + "d" * order + member.name, *variances, pair.r)


def _kernel(member: Member) -> Kernel:
    """The six integrals and the gaps of one activation; in sympy they keep their names."""

    def mean(order: int) -> Callable[..., Number]:
        return lambda law: _mean(member, law, order)

    def two(letter: str, index: int) -> Callable[..., Number]:
        def integral(pair: Pair) -> Number:
            m = of(*pair)
            if isinstance(m, Symbols):
                return _named(m, letter, index % 2, member, pair)
            return _over_two(member, pair, index)

        return integral

    dual, derivative_dual = two("I_", 0), two("I_", 1)

    def second(order: int, integral: Callable[..., Number]) -> Callable[..., Number]:
        parts = member.squares[order]

        def square(law: Law) -> Number:
            m = of(*law)
            if parts is None or m.encloses or isinstance(m, Symbols):
                return integral(same(law))
            tilted = TILTED.get(parts[0])
            if tilted is None or centred(law):
                value = _over_one(member, law, parts)
            else:
                value = _tilted(m, member, law, parts, tilted)
            if m is FLOATS and order and member.covariance and not centred(law):
                small = law.a <= SMALL * member.unit**2
                if np.any(small):
                    return np.asarray(np.where(small, integral(same(law)), value))[()]
            return value

        return square

    return Kernel(
        mean(0),
        mean(1),
        second(0, dual),
        second(1, derivative_dual),
        dual,
        derivative_dual,
        two("D_", 2),
        two("D_", 3),
    )


TANH = _kernel(SIGNS)
SIGMOID = _kernel(STEPS)
SOFTPLUS = _kernel(HINGES)
SILU = _kernel(GATES)
