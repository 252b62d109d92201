r"""Phase analysis of infinitely wide random networks: fixed points, depth scales, edge of chaos.

With :math:`V(q) = E\varphi(\sqrt q z)^2`, :math:`W(q) = E\varphi'(\sqrt q z)^2` and
:math:`I(q, c) = E\varphi(u)\varphi(v)` at variance q and correlation c, a layer maps

.. math:: q \mapsto \sigma_w^2 V(q) + \sigma_b^2, \qquad
          c \mapsto \frac{\sigma_w^2 I(q^*, c) + \sigma_b^2}{q^*}.

Fixed points are bracketed on a grid and located by a safeguarded root finder; the maps are never
iterated. The correlation enters as its angle, :math:`1 - c = 2\sin^2(\theta/2)`, so that a fixed
point next to c = 1 is not lost.

Source: Poole, Lahiri, Raghu, Sohl-Dickstein & Ganguli, NeurIPS 2016; Schoenholz, Gilmer, Ganguli
& Sohl-Dickstein, ICLR 2017.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass
from itertools import pairwise
from math import cos, exp, inf, isfinite, log, pi
from typing import Any, NamedTuple

import numpy as np
from scipy.fft import dct
from scipy.optimize import brentq, minimize_scalar

from theory.activations import Activation
from theory.differentiation import with_derivative
from theory.errors import DescriptionError, OutOfRegime
from theory.gaussian import closed_kernel, moments
from theory.mathematics import FLOATS, Number, of
from theory.pair import Law, Pair
from theory.quadrature import Estimate, NotConverged, integrals, one_sample
from theory.validation import check_positive, check_real

EDGE = 1e-10
"""A slope this close to 1 counts as 1."""

SMALLEST, LARGEST, LARGEST_BY_QUADRATURE = 1e-12, 1e12, 1e8
CLOSED_DENSITY, QUADRATURE_DENSITY = 16, 4  # variances to a decade
UNRESOLVED = 1e4  # quadrature may not resolve phi at larger variances
NOISE = EDGE / 2
TINY, TINIER = 1e-40, 1e-80
ROUNDING = 1e-15
NODES, WINDOW = 16, 0.5  # of the derivative with respect to log q
INTERPOLATION_GOAL, INTERPOLATION_LIMIT = 1e-12, 1e-8
LEVELS = (9, 27, 81)

Array = Any


@dataclass(frozen=True)
class FixedPoint:
    """A fixed point of a map: its value, the map's slope there (None if infinite), stability."""

    value: float
    slope: float | None
    stable: bool


@dataclass(frozen=True)
class Phase:
    r"""The fixed points of a random network, its depth scales and its phase.

    ``chi_1`` is the slope of the map of correlations at c = 1, :math:`\sigma_w^2 W(q^*)`;
    ``xi_q`` and ``xi_c`` are the numbers of layers after which the variance and the correlation
    have come closer to their fixed points by a factor e. What does not exist is None, for the
    ``reason``.
    """

    q_fixed_points: tuple[FixedPoint, ...] | None
    c_fixed_points: tuple[FixedPoint, ...] | None
    chi_1: float | None
    xi_q: float | None
    xi_c: float | None
    phase: str | None
    reason: str | None

    @property
    def q_star(self) -> float | None:
        """The variance at which correlations are followed: the largest stable fixed point."""
        return _largest_stable(self.q_fixed_points)

    @property
    def c_star(self) -> float | None:
        """The correlation that positive correlations tend to: the largest stable fixed point."""
        return _largest_stable(self.c_fixed_points)

    def to_json(self) -> dict[str, Any]:
        """The fields by name, in lists and numbers."""
        fields = asdict(self)
        for name in ("q_fixed_points", "c_fixed_points"):
            if fields[name] is not None:
                fields[name] = list(fields[name])
        return fields


def _largest_stable(points: tuple[FixedPoint, ...] | None) -> float | None:
    return max((point.value for point in points or () if point.stable), default=None)


def second_moment(activation: Activation, q: Number) -> Number:
    r""":math:`V(q) = E\varphi(\sqrt q z)^2`, elementwise in q > 0, of floats or mpmath numbers."""
    return _one_sample(activation, "second", q)


def derivative_second_moment(activation: Activation, q: Number) -> Number:
    r""":math:`W(q) = E\varphi'(\sqrt q z)^2` in the same way.

    Raises ``OutOfRegime`` where it does not exist: a discontinuous phi has none.
    """
    return _one_sample(activation, "derivative_second", q)


def edge_of_chaos(activation: Activation, q: Number) -> tuple[Number, Number]:
    r"""The point of the edge of chaos at which the variance q is fixed, for every activation.

    .. math:: \sigma_w^2 = \frac{1}{W(q)}, \qquad \sigma_b^2 = q - \frac{V(q)}{W(q)}

    for q > 0, elementwise; a point with :math:`\sigma_b^2 < 0` is no network. The fixed point q
    need not be stable. Raises ``OutOfRegime`` for a discontinuous activation, which has no W.

    >>> tuple(float(x) for x in edge_of_chaos(Activation.named("linear"), 3.0))
    (1.0, 0.0)
    """
    if np.any(np.asarray(q) <= 0):
        raise DescriptionError(f"the variance q must be positive, {q!r} given")
    slope = derivative_second_moment(activation, q)
    return 1 / slope, q - second_moment(activation, q) / slope


def variance_slope(activation: Activation, q: float) -> float:
    r""":math:`V'(q)`, from V at 16 points around log q; relative error about 1e-13.

    V is analytic in log q within a strip of half-width at least :math:`\pi/2`; the derivative of
    the polynomial through Chebyshev points within 1/2 converges like :math:`6^{-16}`.
    """
    width = WINDOW
    for _ in range(30):
        points = q * np.exp(width * np.cos((np.arange(NODES) + 0.5) * pi / NODES))
        values = _second_or_infinite(activation, points)
        if np.all(np.isfinite(values)):
            k = np.arange(NODES)
            coefficients = dct(values - values[NODES // 2], type=2) / NODES
            return float(coefficients @ (k * np.sin(k * pi / 2))) / (width * q)
        width /= 2
    raise OutOfRegime(f"V of {activation} exceeds the largest float64 next to q = {q:.6g}")


def phase(activation: Activation, sigma_w2: float, sigma_b2: float) -> Phase:
    r"""All fixed points of variance and correlation, depth scales, and the phase.

    Variances are sought from 0 to 1e12 (1e8 by quadrature), and 0 counts where phi(0) = 0 and phi
    is continuous there. The correlations are those at the largest stable :math:`q^*`. The phase is
    ``ordered`` for :math:`\chi_1 < 1`, ``chaotic`` for :math:`\chi_1 > 1` (a discontinuous
    activation has :math:`\chi_1 = \infty`), ``edge`` for :math:`|\chi_1 - 1|` at most 1e-10, and
    ``unbounded`` where the variance grows for ever. With

    .. math:: \xi_q = -1/\ln|\sigma_w^2 V'(q^*)|, \qquad
              \xi_c = -1/\ln|\sigma_w^2 I'(q^*, c^*)|.

    Domain: :math:`\sigma_w^2 > 0, \sigma_b^2 \ge 0`; else ``DescriptionError``.

    >>> at = phase(Activation.named("relu"), 1, 0.5)
    >>> at.phase, at.chi_1, [round(point.value, 12) for point in at.q_fixed_points]
    ('ordered', 0.5, [1.0])
    """
    sigma_w2, sigma_b2 = _checked(sigma_w2, sigma_b2)
    layer = Layer(activation, sigma_w2, sigma_b2)
    found = _variances(layer)
    if found.every:
        return _at_every_variance(layer)
    points = tuple(found.points)
    q_star = _largest_stable(points)
    if q_star is None:
        if found.escapes:
            reason = f"no stable q*: the variance grows beyond {found.top:g}"
            return Phase(points, None, None, None, None, "unbounded", reason)
        reason = "no stable q*: the variance does not converge"
        return Phase(points, None, None, None, None, None, reason)
    slope = next(point.slope for point in points if point.value == q_star)
    assert slope is not None
    xi_q, why = _depth_scale(slope, "xi_q")
    reasons = [*_remarks(points, q_star, found), *why]
    if q_star == 0:
        reasons.append("at q* = 0 no signal is left, so there is no map of correlations")
        return Phase(points, None, slope, xi_q, None, _name(slope), "; ".join(reasons))
    correlations = _correlations(layer, q_star)
    reasons += correlations.reasons
    return Phase(
        points,
        correlations.points,
        correlations.chi_1,
        xi_q,
        correlations.xi_c,
        correlations.phase,
        "; ".join(reasons) or None,
    )


def _checked(sigma_w2: Any, sigma_b2: Any) -> tuple[float, float]:
    check_positive("sigma_w2", sigma_w2)
    check_real("sigma_b2", sigma_b2)
    if sigma_b2 < 0:
        raise DescriptionError(f"sigma_b2 must be at least 0, {sigma_b2!r} given")
    return float(sigma_w2), float(sigma_b2)


def _remarks(points: tuple[FixedPoint, ...], q_star: float, found: Variances) -> list[str]:
    stable = [point.value for point in points if point.stable]
    remarks = []
    if len(stable) > 1:
        listed = ", ".join(f"{value:.6g}" for value in stable)
        remarks.append(f"stable q* are {listed}; correlations are those at {q_star:.6g}")
    if found.escapes:
        barrier = max(point.value for point in points)
        remarks.append(f"a variance above {barrier:.6g} grows beyond {found.top:g}")
    return remarks


def _name(chi_1: float) -> str:
    if abs(chi_1 - 1) <= EDGE:
        return "edge"
    return "ordered" if chi_1 < 1 else "chaotic"


def _depth_scale(slope: float, name: str) -> tuple[float | None, list[str]]:
    if abs(abs(slope) - 1) <= EDGE:
        return None, [f"{name} is infinite: the slope is {slope:.0f} and convergence algebraic"]
    return (0.0 if slope == 0 else -1 / log(abs(slope))), []


# Variances


class Layer(NamedTuple):
    """One layer: the activation and the variances of weights and biases."""

    activation: Activation
    sigma_w2: float
    sigma_b2: float

    def growth(self, q: Array) -> Array:
        r"""The variance's relative change in the layer, zero at a fixed point."""
        return (self.sigma_w2 * _second_or_infinite(self.activation, q) + self.sigma_b2) / q - 1


class Variances(NamedTuple):
    points: list[FixedPoint]
    every: bool
    escapes: bool
    top: float


def _variances(layer: Layer) -> Variances:
    closed = closed_kernel(layer.activation) is not None
    low = log(max(SMALLEST, layer.sigma_b2 / 2))
    high = max(log(LARGEST if closed else LARGEST_BY_QUADRATURE), low + log(1e6))
    density = (CLOSED_DENSITY if closed else QUADRATURE_DENSITY) / log(10)
    grid = np.linspace(low, high, int(density * (high - low)) + 2)
    zeros = _zeros(lambda x: layer.growth(np.exp(x)), grid)
    if zeros.everywhere:
        return Variances([], layer.sigma_b2 == 0, False, exp(high))
    points = [_variance_point(layer, exp(x)) for x in zeros.at]
    points += [_touching(_variance_point(layer, exp(x))) for x in zeros.touching]
    points.sort(key=lambda point: point.value)
    if layer.sigma_b2 == 0 and (zero := _zero_point(layer)) is not None:
        points.insert(0, zero)
    return Variances(points, False, zeros.last > 0, exp(high))


def _touching(point: FixedPoint) -> FixedPoint:
    """A point that attracts from one side only."""
    return FixedPoint(point.value, point.slope, False)


def _variance_point(layer: Layer, q: float) -> FixedPoint:
    slope = layer.sigma_w2 * variance_slope(layer.activation, q)
    stable = abs(slope) < 1 - EDGE
    if abs(slope - 1) <= EDGE:
        below, above = layer.growth(q * np.exp([-1e-3, 1e-3]))
        stable = bool(below > 0 > above)
    return FixedPoint(q, slope, stable)


def _zero_point(layer: Layer) -> FixedPoint | None:
    """The fixed point 0 of a network without biases, where phi(0) = 0 and phi is continuous."""
    sides = np.array([-1.0, 1.0])
    _, slope = with_derivative(layer.activation, sides * TINY)
    nearer, steeper = with_derivative(layer.activation, sides * TINIER)
    unit = np.abs(with_derivative(layer.activation, sides)[0]).max()
    if np.any(np.abs(nearer) > 4 * ROUNDING * max(1, unit)):
        return None
    if np.any(np.abs(steeper) > 10 * np.abs(slope) + 1):
        return FixedPoint(0.0, None, False)
    at_zero = layer.sigma_w2 * float(np.mean(slope**2))
    at_zero = 0.0 if at_zero < TINY else at_zero
    stable = at_zero < 1 - EDGE
    if abs(at_zero - 1) <= EDGE:
        stable = bool(layer.growth(np.array([1e-6]))[0] < 0)
    return FixedPoint(0.0, at_zero, stable)


def _at_every_variance(layer: Layer) -> Phase:
    """A positively homogeneous activation on its edge: the map of correlations is that at q = 1."""
    reasons = ["every q is a fixed point", "xi_q is infinite: the slope is 1"]
    correlations = _correlations(layer, 1.0)
    reasons += correlations.reasons
    points, chi_1, xi_c = correlations.points, correlations.chi_1, correlations.xi_c
    return Phase(None, points, chi_1, None, xi_c, correlations.phase, "; ".join(reasons))


# Correlations


class Correlations(NamedTuple):
    points: tuple[FixedPoint, ...] | None
    chi_1: float | None
    xi_c: float | None
    phase: str
    reasons: list[str]


def _correlations(layer: Layer, q: float) -> Correlations:
    r"""All fixed points of the correlation at the fixed variance q.

    From :math:`1 - c' = \sigma_w^2 (V(q) - I(q, c))/q`: besides c = 1, the zeros of
    :math:`\sigma_w^2 (V - I)/(q(1 - c)) - 1`, which tends to :math:`\chi_1 - 1` at c = 1.
    """
    chi_1, reasons = _chi_1(layer, q)
    name = "chaotic" if chi_1 is None else _name(chi_1)
    try:
        ratio = gap_ratio(layer.activation, q)
    except NotConverged as problem:
        reasons.append(f"no map of correlations: {problem}")
        return Correlations(None, chi_1, None, name, reasons)
    zeros = _zeros(lambda theta: layer.sigma_w2 * ratio(theta) - 1, _angles(name == "edge"))
    if zeros.everywhere:
        reasons.append("every c is a fixed point")
        return Correlations(None, chi_1, None, name, reasons)
    points = [_correlation_point(layer, q, theta) for theta in zeros.at]
    points += [_touching(_correlation_point(layer, q, theta)) for theta in zeros.touching]
    if zeros.ends_in_zero:
        points.append(_correlation_point(layer, q, pi))
    points.append(FixedPoint(1.0, chi_1, chi_1 is not None and chi_1 <= 1 + EDGE))
    points.sort(key=lambda point: point.value)
    c_star = _largest_stable(tuple(points))
    xi_c = None
    if c_star is None:
        reasons.append("no stable c*")
    else:
        slope = next(point.slope for point in points if point.value == c_star)
        assert slope is not None
        xi_c, why = _depth_scale(slope, "xi_c")
        reasons += why
    return Correlations(tuple(points), chi_1, xi_c, name, reasons)


def _chi_1(layer: Layer, q: float) -> tuple[float | None, list[str]]:
    try:
        return layer.sigma_w2 * float(derivative_second_moment(layer.activation, q)), []
    except OutOfRegime as problem:
        return None, [f"chi_1 is infinite: {problem}"]


def _angles(marginal: bool) -> Array:
    """A grid in theta, logarithmic towards 0; not as close to it where c = 1 is marginal."""
    near = np.geomspace(1e-3 if marginal else 1e-11, 0.05, 16 if marginal else 80)
    return np.concatenate(
        [near, np.linspace(0.05, pi / 2, 48)[1:], np.linspace(pi / 2, pi, 49)[1:]]
    )


def _correlation_point(layer: Layer, q: float, theta: float) -> FixedPoint:
    at_end = theta == pi
    pair = Pair.at(q, one_plus_c=0.0) if at_end else Pair.at(q, theta=theta)
    c = -1.0 if at_end else cos(theta)
    if abs(c) < ROUNDING:
        c = 0.0
    try:
        slope = layer.sigma_w2 * _derivative_dual(layer.activation, pair)
    except OutOfRegime:
        return FixedPoint(c, None, False)
    return FixedPoint(c, slope, abs(slope) < 1 - EDGE)


def gap_ratio(activation: Activation, q: float) -> Callable[[Array], Array]:
    r""":math:`(V(q) - I(q, \cos\theta))/(q(1 - \cos\theta))` as a function of theta in (0, pi].

    Without cancellation: from the closed gap, and by Price's theorem

    .. math:: V - I = q\int_0^\theta I'(q, \cos t)\sin t\,dt

    where there is none, with I' by quadrature at Chebyshev points in t and between them by the
    polynomial through them. Raises ``NotConverged`` where 81 points do not reach 1e-8.
    """
    kernel = closed_kernel(activation)
    if kernel is None:
        return _interpolated_ratio(activation, q)

    def ratio(theta: Array) -> Array:
        pair = Pair.at(np.full(np.shape(theta), q), theta=theta)
        if kernel.gap is not None:
            return kernel.gap(pair) / (q * pair.dl)
        return moments(activation, pair).gap / (q * pair.dl)

    return ratio


def _interpolated_ratio(activation: Activation, q: float) -> Callable[[Array], Array]:
    singular = bool(activation.jumps) or not isinstance(
        one_sample(activation, Law(0, q))["derivative_second"], Estimate
    )

    def sample(theta: float) -> float:
        factor = np.sin(theta) if singular else 1.0
        return factor * _derivative_dual(activation, Pair.at(q, theta=theta))

    coefficients = _chebyshev(sample)
    nodes, weights = np.polynomial.legendre.leggauss(48)

    def ratio(theta: Array) -> Array:
        angle = np.asarray(theta, dtype=float)[..., None]
        t = angle * (1 + nodes) / 2
        values = np.polynomial.chebyshev.chebval(1 - 2 * t / pi, coefficients)
        total = (values if singular else values * np.sin(t)) @ weights
        return total * angle[..., 0] / 2 / (2 * np.sin(angle[..., 0] / 2) ** 2)

    return ratio


def _chebyshev(sample: Callable[[float], float]) -> Array:
    """Coefficients on [0, pi] in 1 - 2 theta/pi, from points that are kept as they are tripled."""
    values: list[float] = []
    for n in LEVELS:
        angles = (np.arange(n) + 0.5) * pi / n
        known = dict(zip(range(1, n, 3), values, strict=True)) if values else {}
        values = [
            known[j] if j in known else sample(pi * np.sin(angle / 2) ** 2)
            for j, angle in enumerate(angles)
        ]
        coefficients = dct(np.array(values), type=2) / n
        coefficients[0] /= 2
        tail = np.abs(coefficients[-(n // 3) :]).max() / np.abs(coefficients).max()
        if tail < INTERPOLATION_GOAL:
            return coefficients
    if tail > INTERPOLATION_LIMIT:
        raise NotConverged(
            f"the map of correlations by interpolation between {n} angles has not converged: "
            f"last gap {tail:.1e}"
        )
    return coefficients


# Integrals


def _one_sample(activation: Activation, name: str, q: Number) -> Number:
    m = of(q)
    kernel = closed_kernel(activation)
    if m is not FLOATS or np.ndim(q) == 0:
        if kernel is not None:
            return getattr(kernel, name)(Law(0, q))
        return _value(one_sample(activation, Law(0, q), m)[name])
    if kernel is not None:
        return getattr(kernel, name)(Law(0, np.asarray(q, dtype=float)))
    each = [_one_sample(activation, name, float(value)) for value in np.ravel(q)]
    return np.reshape(each, np.shape(q))


def _second_or_infinite(activation: Activation, q: Array) -> Array:
    """V(q): inf where it diverges or exceeds the largest float64, nan where not integrable."""
    if closed_kernel(activation) is not None:
        try:
            return _one_sample(activation, "second", q)
        except OutOfRegime:
            pass
    each = [_second_at(activation, float(value)) for value in np.ravel(q)]
    return np.reshape(each, np.shape(q))


def _second_at(activation: Activation, q: float) -> float:
    try:
        return float(_one_sample(activation, "second", q))
    except OutOfRegime:
        return inf
    except NotConverged:
        return np.nan
    except DescriptionError:  # what looks like a jump, from far enough
        if q <= UNRESOLVED:
            raise
        return np.nan


def _derivative_dual(activation: Activation, pair: Pair) -> float:
    kernel = closed_kernel(activation)
    if kernel is not None:
        return float(kernel.derivative_dual(pair))
    return float(_value(integrals(activation, pair)["derivative_dual"]))


def _value(answer: Any) -> Number:
    if not isinstance(answer, Estimate):
        raise answer
    return answer.value


# Zeros


class Zeros(NamedTuple):
    at: list[float]
    touching: list[float]
    everywhere: bool
    ends_in_zero: bool
    last: float  # the last value that is not zero within NOISE


def _zeros(f: Callable[[Array], Array], grid: Array) -> Zeros:
    """All zeros of f between grid points where its sign differs, and where it touches zero.

    Values within ``NOISE`` of 0 are 0. Where they reach the ends of the grid they are no zero of
    f's own: the caller knows the limit there. An extremum between three points that might reach 0
    is looked at closely.
    """
    grid, values = _with_extrema(f, grid)
    known = ~np.isnan(values)
    grid, values = grid[known], values[known]
    clear = np.flatnonzero(np.abs(values) > NOISE)
    if not len(clear):
        return Zeros([], [], True, True, 0.0)
    at, touching = [], []
    for i, j in pairwise(clear):
        if np.sign(values[i]) != np.sign(values[j]):
            exact = np.flatnonzero(np.abs(values[i + 1 : j]) <= 16 * ROUNDING)
            alone = len(exact) == 1
            at.append(float(grid[i + 1 + exact[0]]) if alone else _crossing(f, grid[i], grid[j]))
        elif j > i + 1:
            touching.append(float(grid[i + 1 + np.argmin(np.abs(values[i + 1 : j]))]))
    return Zeros(at, touching, False, bool(clear[-1] < len(grid) - 1), float(values[clear[-1]]))


def _crossing(f: Callable[[Array], Array], low: float, high: float) -> float:
    def finite(x: float) -> float:
        value = float(f(np.array([x]))[0])
        return value if isfinite(value) else 1e300

    return float(brentq(finite, low, high, xtol=1e-15 * max(abs(low), 1e-16), rtol=1e-15))


def _with_extrema(f: Callable[[Array], Array], grid: Array) -> tuple[Array, Array]:
    """The grid with the extrema that a parabola through three points cannot keep off zero."""
    values = np.asarray(f(grid), dtype=float)
    size = np.abs(values)
    added = []
    for i in range(1, len(grid) - 1):
        left, middle, right = size[i - 1 : i + 2]
        same_sign = len(set(np.sign(values[i - 1 : i + 2]))) == 1
        lowest = NOISE < middle <= min(left, right) and max(left, right) < inf
        if same_sign and lowest and middle < left + right - 2 * middle:
            sign = np.sign(values[i])
            found = minimize_scalar(
                lambda x, sign=sign: float(sign * f(np.array([x]))[0]),
                bounds=(grid[i - 1], grid[i + 1]),
                method="bounded",
                options={"xatol": 1e-9},
            )
            added.append(float(found.x))
    if not added:
        return grid, values
    every = np.sort(np.concatenate([grid, added]))
    return every, np.asarray(f(every), dtype=float)
