r"""The trapezoid rule for Gaussian integrals of analytic functions, in one and two dimensions.

For f analytic and bounded in a strip :math:`|\mathrm{Im}\,x| < d` the error falls like
:math:`e^{-2\pi d/h}` in the step h, so two consecutive steps tell it (Trefethen & Weideman, SIAM
Review 2014). The step starts from one that a much finer rule confirms, so that no narrow feature
is stepped over. In two dimensions the axes are those of u + v and u - v,

.. math:: u = m_1 + \sqrt a(\alpha x + \beta y), \quad v = m_2 + \sqrt b(\alpha x - \beta y),
          \qquad \alpha, \beta = \sqrt{(1 \pm c)/2}

with independent standard normal x and y: nothing degenerates as c tends to 1 or -1. The steps in x
and y are such that u and v run over one-dimensional lattices, where phi is evaluated once.
"""

from __future__ import annotations

from collections.abc import Callable
from math import ceil, floor, log, pi, sqrt
from typing import Any, NamedTuple

import numpy as np

from theory.mathematics import FLOATS, Number
from theory.pair import Law, Pair
from theory.quadrature.estimate import NotConverged
from theory.quadrature.sampling import Inaccurate, Sampled, Span, line_rows, plane_rows

FINE, FINEST = 1 << 13, 1 << 17
MAX_NODES, MAX_PRECISE_NODES = 8_000_000, 20_000
CHUNK = 1 << 18
SHRINK = sqrt(2)


class Rows(NamedTuple):
    """Integrals, row by row: values, gaps between two refinements, sizes to compare them with."""

    values: np.ndarray
    gaps: np.ndarray
    sizes: np.ndarray


Rule = Callable[[float], tuple[np.ndarray, np.ndarray]]  # step: values and sizes


def refined(rule: Rule, step: float, tolerance: float) -> tuple[Rows, float]:
    """The rule at steps that shrink until two consecutive results agree; the last step but one.

    Raises ``NotConverged`` where the rule becomes too costly.
    """
    gaps, (values, _) = None, rule(step)
    while True:
        before = values
        try:
            values, sizes = rule(step / SHRINK)
        except NotConverged as problem:
            last = "" if gaps is None else f"; the last gap is {max(gaps):.1e} of the size"
            raise NotConverged(f"the trapezoid rule has not converged: {problem}{last}") from None
        found = Rows(values, abs(values - before), sizes)
        gaps = relative(found)
        if all(gap <= tolerance for gap in gaps):
            return found, step
        step /= SHRINK


def times(rows: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """The rows with their weights; an infinite value makes the row undefined."""
    with np.errstate(under="ignore", invalid="ignore"):
        return rows * weights


def relative(rows: Rows) -> list[float]:
    """The gaps in units of the sizes; raises ``Inaccurate`` if an integrand overflowed."""
    gaps = [float(gap / size) if size else float(gap) for _, gap, size in zip(*rows, strict=True)]
    if not all(gap < float("inf") for gap in gaps):
        raise Inaccurate("an integrand is beyond the numbers at hand")
    return gaps


def line(sampled: Sampled, law: Law, names: tuple[str, ...], where: Span) -> Rule:
    """The trapezoid rule for the integrals over one sample."""
    arrays = sampled.arrays
    sigma = arrays.m.sqrt(law.a)

    def rule(step: float) -> tuple[np.ndarray, np.ndarray]:
        index = np.arange(floor(where.low / step), ceil(where.high / step) + 1)
        if index.size > (MAX_NODES if arrays.m is FLOATS else MAX_PRECISE_NODES):
            raise NotConverged(f"{index.size} nodes needed")
        xi = arrays.array(step) * index
        rows = line_rows(names, sampled(law.m + sigma * xi), xi)
        weighted = times(rows, arrays.array(step) * arrays.density(xi))
        return weighted.sum(axis=1), abs(weighted).sum(axis=1)

    return rule


def coarsest_step(
    sampled: Sampled, law: Law, names: tuple[str, ...], where: Span, tolerance: float
) -> float:
    """The largest step, and all halves of it, with which float64 sums agree with a much finer one.

    Raises ``NotConverged`` where even the finest has not converged.
    """
    nodes = FINE
    while nodes <= FINEST:
        step = (where.high - where.low) / nodes
        xi = where.low + step * np.arange(nodes + 1)
        points = law.m + np.sqrt(law.a) * xi
        rows = times(line_rows(names, sampled(points), xi), step * sampled.arrays.density(xi))
        whole, sizes = rows.sum(axis=1), abs(rows).sum(axis=1)
        stride = 1
        while stride < nodes // 8:
            coarse = 2 * stride * rows[:, :: 2 * stride].sum(axis=1)
            if any(gap > tolerance for gap in relative(Rows(whole, abs(whole - coarse), sizes))):
                break
            stride *= 2
        if stride > 1:
            return step * stride
        nodes *= 4
    raise NotConverged("the trapezoid rule has not converged: phi varies too fast")


class Lattice(NamedTuple):
    """Steps of x and y, and the integers with u on P k + Q l, v on P k - Q l times the unit."""

    x: Number
    y: Number
    unit: Number
    P: int
    Q: int


def lattice(sampled: Sampled, pair: Pair, step: float, widest: float) -> Lattice:
    r"""The lattice with :math:`\alpha h_x = P g`, :math:`\beta h_y = Q g`, P or Q being 1.

    The steps are at most ``widest``, and of u and v in x and in y at most ``step``.
    """
    m = sampled.m
    alpha, beta = m.sqrt(pair.op / 2), m.sqrt(pair.dl / 2)
    steep, flat = max(alpha, beta), min(alpha, beta)
    near = min(step, float(steep) * widest)
    if flat == 0:
        ratio, unit = 1, sampled.arrays.array(near)[()]
    else:
        far = sampled.arrays.array(min(step, float(flat) * widest) or 1.0)[()]
        far = min(far, flat * sampled.arrays.array(widest)[()])
        ratio = max(1, round(float(near / far)))
        unit = min(sampled.arrays.array(near)[()] / ratio, far)
    if alpha >= beta:
        return Lattice(ratio * unit / alpha, unit / beta if beta else 0, unit, ratio, 1)
    return Lattice(unit / alpha if alpha else 0, ratio * unit / beta, unit, 1, ratio)


def plane(
    sampled: Sampled,
    pair: Pair,
    names: tuple[str, ...],
    box: tuple[Span, Span],
    floors: list[Number],
    coarsest: float,
) -> Rule:
    """The trapezoid rule for the integrals over two samples; sizes are at least the floors."""
    arrays = sampled.arrays
    widest = pi * sqrt(2 / (log(10) * (arrays.digits + 4)))

    def rule(step: float) -> tuple[np.ndarray, np.ndarray]:
        grid = lattice(sampled, pair, step, widest * min(1.0, step / coarsest))
        k, wx = _axis(sampled, box[0], grid.x)
        l, wy = _axis(sampled, box[1], grid.y)
        if k.size * l.size > MAX_NODES:
            raise NotConverged(f"{k.size} x {l.size} nodes needed")
        u = _Table(sampled, pair.u, grid, k, l)
        v = _Table(sampled, pair.v, grid, k, -l)
        values: Any = 0
        sizes: Any = 0
        chunk = max(1, CHUNK // l.size)
        for start in range(0, k.size, chunk):
            part = slice(start, start + chunk)
            rows = plane_rows(names, u.rows(k[part], l), v.rows(k[part], -l))
            weight = wx[part, None] * wy
            rows = times(rows, weight)
            values, sizes = values + rows.sum(axis=(1, 2)), sizes + abs(rows).sum(axis=(1, 2))
        return values, np.maximum(sizes, arrays.array(floors))

    return rule


def _axis(sampled: Sampled, where: Span, step: Any) -> tuple[np.ndarray, Any]:
    """Indices of the nodes along one axis, and their weights."""
    if step == 0:
        return np.zeros(1, dtype=int), sampled.arrays.array([1])
    index = np.arange(floor(where.low / float(step)), ceil(where.high / float(step)) + 1)
    return index, step * sampled.arrays.density(step * index)


class _Table:
    """phi and phi' of one sample on its lattice; where that is sparse, at each node."""

    def __init__(
        self, sampled: Sampled, law: Law, grid: Lattice, k: np.ndarray, l: np.ndarray
    ) -> None:
        self.sampled, self.law, self.grid = sampled, law, grid
        self.scale = sampled.m.sqrt(law.a) * grid.unit
        reach = grid.Q * max(abs(l[0]), abs(l[-1]))
        low, high = grid.P * k[0] - reach, grid.P * k[-1] + reach
        self.low, self.values = low, None
        if high - low < k.size * l.size:
            self.values = self._at(np.arange(low, high + 1))

    def _at(self, index: np.ndarray) -> np.ndarray:
        return self.sampled(self.law.m + self.scale * index)

    def rows(self, k: np.ndarray, l: np.ndarray) -> np.ndarray:
        index = self.grid.P * k[:, None] + self.grid.Q * l
        if self.values is None:
            return self._at(index)
        return self.values[:, index - self.low]
