r"""An activation as the quadrature sees it: values at many points, their range, their accuracy."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from math import inf, isfinite, log, sqrt
from typing import TYPE_CHECKING, Any, NamedTuple

import mpmath
import numpy as np

from theory.differentiation import Break, breaks, with_derivative
from theory.errors import DescriptionError
from theory.mathematics import FLOATS, Number, precise
from theory.pair import Law, Pair

if TYPE_CHECKING:
    from theory.activations import Activation

CORE, WIDEST, FARTHEST = 9.0, 40.0, 3000.0
PROBES, CELLS = 48, 16000
LEAST = -1e4
OFFSET = 0.0135  # keeps a grid off the kinks
UNDEFINED = (ArithmeticError, ValueError, TypeError)


class Inaccurate(ArithmeticError):
    """The arithmetic at hand is not accurate enough, or its numbers are too small."""


@dataclass(frozen=True)
class Arrays:
    """Elementwise arithmetic on arrays of float64, or of mpmath numbers as objects."""

    m: Any

    @property
    def digits(self) -> int:
        """Decimal digits that are asked for; mpmath carries more."""
        return 15 if self.m is FLOATS else self.m.digits - 15

    @property
    def unit(self) -> float:
        """The relative rounding error of one operation."""
        return 2.0**-52 if self.m is FLOATS else 10.0 ** -(self.m.digits - 1)

    def array(self, values: Any) -> np.ndarray:
        if self.m is FLOATS:
            return np.asarray(values, dtype=float)
        flat = np.asarray(values, dtype=object)
        return np.asarray(np.frompyfunc(self.number, 1, 1)(flat), dtype=object)

    def number(self, value: Any) -> Number:
        """The number itself, of a float not the decimal that it is printed as."""
        if self.m is not FLOATS and isinstance(value, float):
            return self.m.context.mpf(value)
        return self.m.number(value)

    def exp(self, x: Any) -> Any:
        if self.m is FLOATS:
            return np.exp(x)
        return np.frompyfunc(self.m.exp, 1, 1)(x) if isinstance(x, np.ndarray) else self.m.exp(x)

    def density(self, x: Any) -> Any:
        """The standard normal density."""
        return self.exp(-x * x / 2) / self.m.sqrt(2 * self.m.pi)

    def logarithm(self, x: np.ndarray) -> np.ndarray:
        """log |x| as floats, -inf for 0, inf for what is not a finite number."""
        if self.m is FLOATS:
            with np.errstate(divide="ignore"):
                found = np.log(np.abs(x))
            return np.where(np.isnan(found), inf, found)

        def one(value: Any) -> float:
            if not self.m.context.isfinite(value):
                return inf
            return float(self.m.log(abs(value))) if value else -inf

        return np.frompyfunc(one, 1, 1)(x).astype(float)


class Sampled:
    """phi and phi', one after the other, at the points of an array."""

    def __init__(self, activation: Activation, m: Any) -> None:
        self.activation, self.m, self.arrays = activation, m, Arrays(m)

    def __call__(self, points: np.ndarray) -> np.ndarray:
        """Values and derivatives, stacked; nan where phi is undefined or beyond the numbers."""
        if self.m is FLOATS:
            return np.stack(with_derivative(self.activation, points))
        both = np.frompyfunc(self._one, 1, 2)(points)
        return np.stack([np.asarray(part, dtype=object) for part in both])

    def _one(self, x: Number) -> tuple[Number, Number]:
        try:
            value, slope = with_derivative(self.activation, x)
        except UNDEFINED:
            return self.m.context.nan, self.m.context.nan
        return self._real(value), self._real(slope)

    def _real(self, y: Number) -> Number:
        """The number itself if it is real and finite, else nan."""
        c = self.m.context
        return y if isinstance(y, mpmath.ctx_mp_python._mpf) and c.isfinite(y) else c.nan

    @cached_property
    def breaks(self) -> tuple[Break, ...]:
        return breaks(self.activation, self.arrays.digits)

    @property
    def steep(self) -> bool:
        """Whether phi' grows without bound at a kink."""
        return any(one.power < 0 for one in self.breaks)

    @cached_property
    def kinks(self) -> list[Number]:
        return [self.arrays.number(one.at) for one in self.breaks]

    def standard(self, law: Law, points: list[Number]) -> list[Number]:
        """The points in units of the standard deviation, from the mean."""
        sigma = self.m.sqrt(law.a)
        return [(point - law.m) / sigma for point in points]


class Span(NamedTuple):
    """Where an integrand counts, in standard coordinates."""

    low: float
    high: float

    def joined(self, other: Span) -> Span:
        return Span(min(self.low, other.low), max(self.high, other.high))


def core(digits: int) -> float:
    """Beyond this many standard deviations a bounded integrand is negligible."""
    return max(CORE, sqrt(2 * log(10) * (digits + 4)))


def span(sampled: Sampled, law: Law, powers: tuple[tuple[int, int], ...]) -> Span:
    r"""Where :math:`|\varphi^{(i)}(m + \sqrt a\,\xi)|^k e^{-\xi^2/2}` counts, for (i, k) in powers.

    Raises ``Inaccurate`` if it counts where numbers overflow, ``DescriptionError`` at a point where
    phi is undefined.
    """
    arrays = sampled.arrays
    limit = core(arrays.digits)
    widest = max(WIDEST, 2 * limit)
    sigma = arrays.m.sqrt(law.a)
    while True:
        grid = np.linspace(-widest, widest, 16001 if arrays.m is FLOATS else 801)
        grid += OFFSET * (grid[1] - grid[0]) * bool(sampled.breaks)
        points = law.m + sigma * arrays.array(grid)
        sizes = arrays.logarithm(sampled(points))
        inside = np.abs(grid) <= limit
        for point in points[inside & np.isposinf(sizes).any(axis=0)]:
            _refuse(sampled.activation, point)
        finite = _finite_part(grid, sizes)
        heights = [k * sizes[i, finite] - grid[finite] ** 2 / 2 for i, k in powers]
        found = [_counting(grid[finite], height, limit, arrays.digits) for height in heights]
        if None not in found:
            break
        if finite.stop - finite.start < grid.size or widest > FARTHEST:
            raise Inaccurate("phi exceeds the numbers at hand where it counts")
        widest *= 2
    whole = Span(-limit, limit)
    for one in found:
        whole = whole.joined(one or whole)
    return whole


def _refuse(activation: Activation, point: Number) -> None:
    """Whether phi is undefined at the point, or only beyond the numbers at hand."""
    exact = Sampled(activation, precise(30))
    value, _ = exact(exact.arrays.array([point]))[:, 0]
    where = f"at x = {float(point):.6g}"
    if not isfinite(value):
        raise DescriptionError(
            f"activation {activation.expression!r} is not finite {where}, "
            "but it must be on the whole real line"
        )
    raise Inaccurate(f"phi or its derivative is beyond the numbers at hand {where}")


def _finite_part(grid: np.ndarray, sizes: np.ndarray) -> slice:
    """The connected part around 0 on which phi and phi' are finite."""
    bad = np.flatnonzero(np.isposinf(sizes).any(axis=0))
    below, above = bad[grid[bad] < 0], bad[grid[bad] > 0]
    return slice(below[-1] + 1 if below.size else 0, above[0] if above.size else grid.size)


def _counting(grid: np.ndarray, height: np.ndarray, limit: float, digits: int) -> Span | None:
    """Where the logarithm is near its maximum; None if this reaches an end of the grid."""
    top = np.max(height)
    if np.isneginf(top):
        return Span(-limit, limit)
    counts = np.flatnonzero(height > top - log(10) * (digits + 4))
    if counts[0] == 0 or counts[-1] == grid.size - 1:
        return None
    return Span(float(grid[counts[0] - 1]), float(grid[counts[-1] + 1]))


def plane_span(sampled: Sampled, pair: Pair, orders: list[int]) -> tuple[Span, Span]:
    r"""Where phi(u) phi(v) or phi'(u) phi'(v) counts in the coordinates of u + v and u - v."""
    arrays = sampled.arrays
    alpha, beta = sqrt(float(pair.op) / 2), sqrt(float(pair.dl) / 2)
    widest = core(arrays.digits)
    while widest < FARTHEST:
        widest *= 2
        line = np.linspace(-1.5 * widest, 1.5 * widest, 16001 if arrays.m is FLOATS else 1601)
        line += OFFSET * (line[1] - line[0]) * bool(sampled.breaks)
        u, v = (
            arrays.logarithm(sampled(law.m + arrays.m.sqrt(law.a) * arrays.array(line)))
            for law in (pair.u, pair.v)
        )
        x, y = np.meshgrid(*[np.linspace(-widest, widest, 301)] * 2, indexing="ij")
        found = []
        for order in orders:
            with np.errstate(invalid="ignore"):
                height = np.interp(alpha * x + beta * y, line, np.maximum(u[order], LEAST))
                height += np.interp(alpha * x - beta * y, line, np.maximum(v[order], LEAST))
                height -= (x**2 + y**2) / 2
            if not np.isfinite(height).all():
                raise Inaccurate("phi exceeds the numbers at hand where it counts")
            counts = height > np.max(height) - log(10) * (arrays.digits + 4)
            found += [_bounds(x[:, 0], counts.any(axis=1)), _bounds(x[:, 0], counts.any(axis=0))]
        if None not in found:
            spans = [one for one in found if one is not None]
            across, along = spans[0], spans[1]
            for one, other in zip(spans[2::2], spans[3::2], strict=True):
                across, along = across.joined(one), along.joined(other)
            return across, along
    raise Inaccurate("phi grows too fast for the range of the quadrature")


def _bounds(grid: np.ndarray, counts: np.ndarray) -> Span | None:
    """The range of what counts, with a margin; None if it reaches an end."""
    index = np.flatnonzero(counts)
    if index[0] == 0 or index[-1] == grid.size - 1:
        return None
    return Span(float(grid[index[0] - 1]), float(grid[index[-1] + 1]))


def noise(sampled: Sampled, law: Law, where: Span) -> np.ndarray:
    """The rounding errors of phi and of phi' in float64, each relative to its own size.

    Root mean squares under the law of u, against 30 digits at a few points, each a rounding error
    aside: a third of them lie where phi counts and a third where phi' does, however narrow these
    places are.
    """
    if sampled.m is not FLOATS:
        return np.full(2, sampled.arrays.unit)
    edges = np.linspace(where.low, where.high, CELLS + 1)
    xi = edges[:-1] + (0.5 + OFFSET) * (edges[1] - edges[0])
    with np.errstate(over="ignore", under="ignore", invalid="ignore"):
        counted = np.abs(sampled(law.m + np.sqrt(law.a) * xi)) * np.exp(-(xi**2) / 4)
        tops = np.max(counted, axis=1, keepdims=True)
        if not np.isfinite(tops).all():
            return np.full(2, inf)
        scale = np.where(tops > 0, tops, 1)
        squares = (counted / scale) ** 2
    sizes = squares.mean(axis=1)
    spread = [square / size for square, size in zip(squares, sizes, strict=True) if size]
    picked = np.mean([np.ones(CELLS), *spread], axis=0)  # how often a cell is
    steps = np.arange(PROBES)
    quantiles = (steps + 0.5 + 0.3 * np.sin(7.0 * steps)) / PROBES
    reached = np.concatenate([[0.0], np.cumsum(picked) / CELLS])
    often = picked[np.searchsorted(reached, quantiles) - 1]
    xi = np.interp(quantiles, reached, edges)
    points = law.m + np.sqrt(law.a) * xi
    aside = sampled.arrays.unit * (abs(law.m) + np.sqrt(law.a) * np.abs(xi)) / 2
    exact = Sampled(sampled.activation, precise(30))
    right = exact(exact.arrays.array(points) + exact.arrays.array(aside))
    off = right - exact.arrays.array(sampled(points))
    with np.errstate(over="ignore", under="ignore"):
        errors = np.abs(off.astype(float)) * np.exp(-(xi**2) / 4) / scale
        means = np.mean(errors**2 / often, axis=1)
    found = np.sqrt(means / np.where(sizes > 0, sizes, 1))
    return np.where(np.isfinite(found), found, inf)


def line_rows(names: tuple[str, ...], phi: np.ndarray, xi: np.ndarray) -> np.ndarray:
    r"""The integrands over one sample by name, from phi and phi' at the points xi.

    By Stein's lemma ``stein`` is the standard deviation times E phi'(u), and ``stein_second`` the
    same of :math:`E\,\xi\varphi'(u)`: a jump of phi that is not among its kinks shows there.
    """
    value, slope = phi
    rows = {
        "mean": lambda: value,
        "derivative_mean": lambda: slope,
        "second": lambda: value * value,
        "derivative_second": lambda: slope * slope,
        "stein": lambda: xi * value,
        "stein_second": lambda: (xi * xi - 1) * value,
        "xi_slope": lambda: xi * slope,
    }
    with np.errstate(over="ignore", under="ignore", invalid="ignore"):
        return np.stack([rows[name]() for name in names])


def plane_rows(names: tuple[str, ...], u: np.ndarray, v: np.ndarray) -> np.ndarray:
    """The integrands over two samples by name, from phi and phi' at the points u and v.

    The squares of one sample are integrated in two dimensions to see whether the nodes are enough.
    ``by_parts`` lacks the weight that its rule knows.
    """
    factors = {
        "dual": (u[0], v[0]),
        "by_parts": (u[0], v[0]),
        "derivative_dual": (u[1], v[1]),
        "second of u": (u[0], u[0]),
        "second of v": (v[0], v[0]),
        "derivative_second of u": (u[1], u[1]),
        "derivative_second of v": (v[1], v[1]),
    }
    with np.errstate(over="ignore", under="ignore", invalid="ignore"):
        return np.stack([factors[name][0] * factors[name][1] for name in names])
