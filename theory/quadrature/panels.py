r"""Gauss-Legendre panels for Gaussian integrals of functions with kinks.

One dimension: panels split at the kinks, and where the function varies fast. Two dimensions: the
axes are those of u + v and u - v, as in ``trapezoid``; the axis along which u and v change
faster is the inner one. There the panels are split where u or v meets a kink; the inner integral is
then an analytic function of the outer variable, except where a kink of u and one of v coincide: the
outer panels are split there. Nothing degenerates as c tends to 1 or -1.
"""

from __future__ import annotations

from bisect import bisect, insort
from collections.abc import Callable
from itertools import product
from math import ceil
from typing import NamedTuple

import numpy as np

from theory.families.normal import legendre
from theory.mathematics import FLOATS, Number
from theory.pair import Law, Pair
from theory.quadrature.estimate import NotConverged
from theory.quadrature.sampling import Sampled, Span, line_rows, plane_rows
from theory.quadrature.trapezoid import Rows, relative, times

WIDTH, NARROW, ORDER, DENSE = 2.5, 0.5, 16, 32
FINEST, GROWTH = 1e-5, 3.0
MAX_PANELS, MAX_PRECISE_PANELS, MAX_ROUNDS = 3000, 600, 120
MAX_NODES, MAX_PRECISE_NODES = 20_000_000, 2_000_000

BY_PARTS = "by_parts"

Integrand = Callable[[np.ndarray], np.ndarray]  # points: rows of weighted values


class Settled(NamedTuple):
    """The integrals, and the panels that resolve them."""

    rows: Rows
    edges: np.ndarray


def order_for(digits: int) -> int:
    """Nodes in each panel."""
    return max(ORDER, ceil(ORDER * digits / 15))


def nodes(sampled: Sampled, low: np.ndarray, high: np.ndarray, order: int) -> tuple:
    """Gauss-Legendre points and weights on panels, along a new last axis."""
    x, w = legendre(sampled.m, order)
    width = (high - low)[..., None]
    return low[..., None] + width * np.asarray(x), width * np.asarray(w)


def adaptive(
    sampled: Sampled,
    integrand: Integrand,
    edges: np.ndarray,
    tolerance: float,
    parts: int,
    floors: list[Number] | None = None,
) -> Settled:
    """Panels are halved until each agrees with the sum over ``parts`` equal parts of it.

    Raises ``NotConverged`` if that takes too many panels.
    """
    order = order_for(sampled.arrays.digits)
    most = MAX_PANELS if sampled.m is FLOATS else MAX_PRECISE_PANELS

    def integrate(low: np.ndarray, high: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        points, weights = nodes(sampled, low, high, order)
        rows = integrand(points.ravel()).reshape(-1, *points.shape) * weights
        return rows.sum(axis=-1), abs(rows).sum(axis=-1)

    low, high = edges[:-1], edges[1:]
    done = Rows(*(0 * integrate(low[:1], high[:1])[0][:, 0] for _ in range(3)))
    kept: list[np.ndarray] = []
    for _ in range(MAX_ROUNDS):
        fine, gaps, sizes = _compared(integrate, low, high, parts)
        total = done.sizes + sizes.sum(axis=1)
        if floors is not None:
            total = np.maximum(total, sampled.arrays.array(floors))
        share = np.array([_shares(row, size) for row, size in zip(gaps, total, strict=True)])
        finite = np.isfinite(share).all(axis=0)
        good = (share <= tolerance / 16).all(axis=0) | (finite & _tiny(sampled, low, high))
        done = Rows(
            done.values + fine[:, good].sum(axis=1),
            done.gaps + gaps[:, good].sum(axis=1),
            done.sizes + sizes[:, good].sum(axis=1),
        )
        kept += [low[good], high[good]]
        low, high = low[~good], high[~good]
        if low.size == 0:
            edges = np.array(sorted(set(np.concatenate(kept))))
            return Settled(Rows(done.values, done.gaps, total), edges)
        if low.size + sum(part.size for part in kept) // 2 > most:
            break
        middle = (low + high) / 2
        low, high = np.concatenate([low, middle]), np.concatenate([middle, high])
    raise NotConverged(
        "the panels have not converged: the last gap is "
        f"{np.nanmax(share.sum(axis=1)):.1e} of the size"
    )


def _compared(
    integrate: Callable[..., tuple[np.ndarray, np.ndarray]],
    low: np.ndarray,
    high: np.ndarray,
    parts: int,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Integrals over each panel from its parts, how far its own rule is off, and the sizes."""
    coarse, _ = integrate(low, high)
    cuts = low[:, None] + (high - low)[:, None] * np.arange(parts + 1) / parts
    cuts[:, -1] = high
    fine, sizes = (part.sum(axis=-1) for part in integrate(cuts[:, :-1], cuts[:, 1:]))
    return fine, abs(fine - coarse), sizes


def _shares(gaps: np.ndarray, size: Number) -> np.ndarray:
    return (gaps / size if size else gaps).astype(float)


def _tiny(sampled: Sampled, low: np.ndarray, high: np.ndarray) -> np.ndarray:
    """Whether a panel is a few rounding errors wide."""
    return (high - low <= 8 * sampled.arrays.unit * np.maximum(abs(low), abs(high))).astype(bool)


def line_panels(
    sampled: Sampled,
    law: Law,
    names: tuple[str, ...],
    where: Span,
    tolerance: float,
    known: np.ndarray | None = None,
) -> Settled:
    """The integrals over one sample; ``known`` panels of a coarser arithmetic are a start."""
    arrays = sampled.arrays
    sigma = arrays.m.sqrt(law.a)
    kinks = sampled.standard(law, sampled.kinks)
    edges = uniform(where) if known is None else known

    def integrand(xi: np.ndarray) -> np.ndarray:
        return times(line_rows(names, sampled(law.m + sigma * xi), xi), arrays.density(xi))

    parts = DENSE if arrays.m is FLOATS else 2
    return adaptive(sampled, integrand, with_kinks(sampled, edges, kinks), tolerance, parts)


def uniform(where: Span, width: float = WIDTH) -> np.ndarray:
    count = ceil((where.high - where.low) / width)
    return np.linspace(where.low, where.high, count + 1)


def with_kinks(sampled: Sampled, edges: np.ndarray, kinks: list[Number]) -> np.ndarray:
    """The edges, and the kinks between their ends, in place of edges that are as good as equal."""
    low, high = float(edges[0]), float(edges[-1])
    inside = [kink for kink in kinks if low < kink < high]
    near = [1e-9 * (1 + abs(float(kink))) for kink in inside]
    kept = [
        edge
        for edge in edges
        if not any(abs(float(edge) - float(k)) < d for k, d in zip(inside, near, strict=True))
    ]
    return sampled.arrays.array(sorted([*sampled.arrays.array(kept), *inside]))


def graded(edges: np.ndarray) -> np.ndarray:
    """With panels halved that are much wider than the next one.

    The nodes of a wide panel would miss the tail of what the narrow one resolves, and neither more
    nodes nor a halving would tell.
    """
    while True:
        widths = np.diff(edges)
        beside = np.concatenate([[np.inf], np.maximum(widths, FINEST), [np.inf]])
        wide = widths > GROWTH * np.minimum(beside[:-2], beside[2:])
        if not wide.any():
            return edges
        edges = np.sort(np.concatenate([edges, ((edges[1:] + edges[:-1]) / 2)[wide]]))


class Feature(NamedTuple):
    """A point that a panel must not straddle, and how wide the panels next to it are."""

    at: Number
    width: float


def features(edges: np.ndarray, kinks: list[Number]) -> list[Feature]:
    """The kinks, and the edges of panels that are much narrower than usual."""
    widths = np.diff(edges.astype(float))
    found = []
    for index in range(1, edges.size - 1):
        width = min(widths[index - 1], widths[index])
        if width < NARROW * WIDTH or edges[index] in kinks:
            found.append(Feature(edges[index], width))
    return found


class Plane:
    """The integrals over two samples, on panels."""

    def __init__(
        self,
        sampled: Sampled,
        pair: Pair,
        names: tuple[str, ...],
        box: tuple[Span, Span],
        seen: tuple[list[Feature], list[Feature]],
    ) -> None:
        m = sampled.m
        alpha, beta = m.sqrt(pair.op / 2), m.sqrt(pair.dl / 2)
        self.sampled, self.pair, self.names = sampled, pair, names
        self.sign = 1 if alpha >= beta else -1
        self.steep, self.flat = max(alpha, beta), min(alpha, beta)
        self.inner, self.outer = box if alpha >= beta else box[::-1]
        self.seen, self.count = seen, 0
        self.sigmas = m.sqrt(pair.a), m.sqrt(pair.b)

    def _by_parts(self, i: np.ndarray, o: np.ndarray) -> np.ndarray:
        r"""The weight that makes phi(u) phi(v) into phi'(u) phi'(v) over the deviations.

        .. math:: \sqrt{ab}\,E\varphi'(u)\varphi'(v) = \tfrac12 E\left[\varphi(u)\varphi(v)
                  \left(\frac{x^2 - 1}{1 + c} - \frac{y^2 - 1}{1 - c}\right)\right]
        """
        return self.sign * ((i**2 - 1) / self.steep**2 - (o**2 - 1) / self.flat**2) / 4

    def edges(self) -> np.ndarray:
        """The outer panels: split where a kink of u meets one of v, narrow where features do."""
        if self.flat == 0:
            return np.zeros(0)
        one, other = (
            self.sampled.standard(law, self.sampled.kinks) for law in (self.pair.u, self.pair.v)
        )
        meet = {self._meeting(x, y) for x in one for y in other}
        taken = sorted(map(float, meet))
        scales = sorted(
            ((x.width + y.width) / float(2 * self.flat), float(self._meeting(x.at, y.at)))
            for x, y in product(*self.seen)
        )
        for scale, at in scales:
            place = bisect(taken, at)
            near = taken[max(place - 1, 0) : place + 1]
            if FINEST < scale < NARROW * WIDTH and all(abs(at - o) > 2 * scale for o in near):
                insort(taken, at)
        fine = [at for at in taken if self.outer.low < at < self.outer.high]
        edges = graded(np.array(sorted({*uniform(self.outer), *fine})))
        return with_kinks(self.sampled, edges, sorted(meet))

    def _meeting(self, x: Number, y: Number) -> Number:
        return (x - self.sign * y) / (2 * self.flat)

    def given(self, o: np.ndarray, order: int) -> np.ndarray:
        """The inner integrals at points of the outer variable."""
        return np.concatenate(
            [self._given(part, order) for part in np.array_split(o, 1 + o.size // 64)], axis=1
        )

    def _given(self, o: np.ndarray, order: int) -> np.ndarray:
        arrays = self.sampled.arrays
        low, high = (arrays.array(end)[()] for end in self.inner)
        shift = (self.flat * o)[:, None]
        fixed = arrays.array(uniform(self.inner))[None, :] + 0 * shift
        one, other = (arrays.array([x.at for x in seen])[None, :] for seen in self.seen)
        left, right = (one - shift) / self.steep, (self.sign * other + shift) / self.steep
        cuts = np.sort(np.concatenate([fixed, left, right], axis=1), axis=1)
        cuts = np.minimum(np.maximum(cuts, low), high)
        row, panel = np.nonzero(cuts[:, 1:] > cuts[:, :-1])
        i, weights = nodes(self.sampled, cuts[row, panel], cuts[row, panel + 1], order)
        self.count += i.size
        if self.count > (MAX_NODES if arrays.m is FLOATS else MAX_PRECISE_NODES):
            raise NotConverged(f"the panels have not converged with {self.count} nodes")
        outer = self.flat * o[row][:, None]
        u = self.pair.m1 + self.sigmas[0] * (self.steep * i + outer)
        v = self.pair.m2 + self.sigmas[1] * self.sign * (self.steep * i - outer)
        rows = plane_rows(self.names, self.sampled(u), self.sampled(v))
        if BY_PARTS in self.names:
            rows[self.names.index(BY_PARTS)] *= self._by_parts(i, o[row][:, None])
        values = times(rows, weights * arrays.density(i)).sum(axis=-1)
        found = 0 * values[:, :1] + arrays.array(np.zeros((1, o.size)))
        for index in range(len(self.names)):
            np.add.at(found[index], row, values[index])
        return found


def plane_panels(
    plane: Plane, floors: list[Number], tolerance: float, known: np.ndarray | None = None
) -> Settled:
    """The outer panels settle by halving; then everything again with more nodes in each panel.

    With ``known`` outer panels only the second step remains to be done.
    """
    sampled = plane.sampled
    arrays, order = sampled.arrays, order_for(sampled.arrays.digits)
    more = ceil(1.4 * order)
    if plane.flat == 0:
        origin = arrays.array([0])
        coarse, fine = (plane.given(origin, n)[:, 0] for n in (order, more))
        settled = Settled(Rows(coarse, 0 * coarse, abs(coarse)), np.zeros(0))
    else:

        def integrand(o: np.ndarray) -> np.ndarray:
            return plane.given(o, order) * arrays.density(o)

        if known is None:
            settled = adaptive(sampled, integrand, plane.edges(), tolerance, 2, floors)
        else:
            settled = _over(plane, known, order)
        fine = _over(plane, settled.edges, more).rows.values
    sizes = np.maximum(settled.rows.sizes, arrays.array(floors))
    gaps = abs(fine - settled.rows.values) + settled.rows.gaps
    # u and v are sums that cancel: their rounding errors in a narrow feature are in no gap
    rows = Rows(fine, np.maximum(gaps, sizes * arrays.array([tolerance / 4])), sizes)
    if any(gap > tolerance for gap in relative(rows)):
        raise NotConverged(
            f"the panels have not converged: the last gap is {max(relative(rows)):.1e} of the size"
        )
    return Settled(rows, settled.edges)


def _over(plane: Plane, edges: np.ndarray, order: int) -> Settled:
    points, weights = nodes(plane.sampled, edges[:-1], edges[1:], order)
    inner = plane.given(points.ravel(), order).reshape(-1, *points.shape)
    rows = inner * (weights * plane.sampled.arrays.density(points))
    values = rows.sum(axis=(1, 2))
    return Settled(Rows(values, 0 * values, abs(rows).sum(axis=(1, 2))), edges)
