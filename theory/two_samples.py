r"""Expectations of phi, phi' and the position over two samples of equal law, on the sphere too.

Batch norm puts a unit's values over B samples **uniformly on a sphere** in B - 1 dimensions, which
is no Gaussian law. With :math:`R^2 = (B-1)\tau` and :math:`r = -1/(B-1)`, two of them are

.. math:: x = R \sin p, \qquad y = r x + \sqrt{1 - r^2}\, R \cos p\, \sin s,

with densities :math:`\propto \cos^{B-3} p` and :math:`\cos^{B-4} s` on
:math:`[-\pi/2, \pi/2]`. A Gaussian pair is :math:`x = \sqrt a\,p`,
:math:`y = c x + \sqrt{1-c^2} \sqrt a\,s` with standard normal p and s.

Gauss-Legendre panels: the inner ones are split at the kinks of phi(y), the outer ones at those of
phi(x) and where an inner kink enters or leaves. There the inner integral starts like a power of a
square root; the outer variable is a sine of the panel's own, which makes that analytic.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache, lru_cache
from math import acos, asin, inf, pi, sqrt
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from theory.errors import NotConverged, OutOfRegime
from theory.families.kernel import DoesNotExist

if TYPE_CHECKING:
    from theory.activations import Activation

ORDERS = tuple(round(16 * 1.5**k) for k in range(2, 11))  # nodes in each panel: 36 to 923
MAX_NODES = 6_000_000
TOLERANCE = 1e-12
NEGLIGIBLE = 78.0  # in the logarithm; by Cauchy and Schwarz its half is what is left out
WIDEST, GRID = 40.0, 8001
legendre = cache(np.polynomial.legendre.leggauss)


class Couple(NamedTuple):
    """A product over one sample, over two of a batch, their difference, carried, and over two of
    different batches, where there are any."""

    first: float
    second: float
    gap: float
    third: float | None = None


class TwoSamples(NamedTuple):
    r"""Means over x, and products over (x, y), at :math:`u = \gamma x + \beta`.

    ``value`` is :math:`\varphi(u)`, ``slope`` :math:`\varphi'(u)`, ``position``
    :math:`x \varphi'(u)`; a gap is :math:`E (g(x) - g(y))^2/2`.
    """

    mean: float
    slope_mean: float
    position_mean: float
    value: Couple
    slope: Couple
    position: Couple


@dataclass(frozen=True)
class Sphere:
    r"""Two coordinates of the uniform law on :math:`|x|^2 = B\tau`, :math:`\sum_t x_t = 0`, B >= 4.

    Their variance is :math:`\tau`, their correlation -1/(B - 1).
    """

    B: int
    tau: float = 1.0

    @property
    def scale(self) -> float:
        return sqrt((self.B - 1) * self.tau)

    @property
    def c(self) -> float:
        return -1 / (self.B - 1)

    @property
    def s(self) -> float:
        return sqrt(self.B * (self.B - 2)) / (self.B - 1)

    def ends(self) -> tuple[float, float]:
        return -pi / 2, pi / 2

    def place(self, p: np.ndarray) -> np.ndarray:
        return np.sin(p)

    def places(self, x: np.ndarray) -> np.ndarray:
        return np.arcsin(np.clip(x, -1, 1))

    def reach(self, p: np.ndarray) -> np.ndarray:
        return np.cos(p)

    def outer(self, p: np.ndarray) -> np.ndarray:
        return np.cos(p) ** (self.B - 3)

    def inner(self, s: np.ndarray) -> np.ndarray:
        return np.cos(s) ** (self.B - 4)

    def breaks(self, kink: float, edge: float) -> list[float]:
        """Outer places of the kink itself, and where the inner kink meets -1 or 1."""
        x = kink / self.scale
        if abs(x) >= 1:
            return []
        at, turn = asin(x), acos(self.c)
        return [at, *(root + side * turn for root in (at, pi - at, -pi - at) for side in (-1, 1))]


@dataclass(frozen=True)
class Gaussian:
    """A centred pair of variance a, correlation c, with 1 - c = dl and 1 + c = op."""

    a: float
    dl: float
    op: float

    @property
    def scale(self) -> float:
        return sqrt(self.a)

    @property
    def c(self) -> float:
        return 1 - self.dl if self.dl < self.op else self.op - 1

    @property
    def s(self) -> float:
        return sqrt(self.dl * self.op)

    def ends(self) -> tuple[float, float]:
        return -WIDEST, WIDEST

    def place(self, p: np.ndarray) -> np.ndarray:
        return p

    def places(self, x: np.ndarray) -> np.ndarray:
        return np.clip(x, -WIDEST, WIDEST)

    def reach(self, p: np.ndarray) -> np.ndarray:
        return 1 + 0 * p

    def outer(self, p: np.ndarray) -> np.ndarray:
        return np.exp(-(p**2) / 2)

    inner = outer

    def breaks(self, kink: float, edge: float) -> list[float]:
        at = kink / self.scale
        if self.c == 0:
            return [at]
        return [at, *((at + side * self.s * edge) / self.c for side in (-1, 1))]


Joint = Sphere | Gaussian


@lru_cache(maxsize=4096)
def two_samples(activation: Activation, joint: Joint, gamma: float, beta: float) -> TwoSamples:
    r"""The expectations at :math:`\gamma x + \beta`, to 1e-12 of their size.

    More nodes are taken until two results agree. Raises ``DoesNotExist`` (an ``OutOfRegime``) where
    :math:`E\varphi'^2` does not, ``NotConverged`` where the panels do not settle.

    >>> from theory.activations import Activation
    >>> found = two_samples(Activation.named("relu"), Sphere(24), 1.0, 0.0)
    >>> [round(x, 8) for x in (found.value.second, found.slope.second)]
    [0.14843583, 0.24307804]
    """
    rule = _Rule(activation, joint, gamma, beta)
    (before, _), gap = rule(ORDERS[0]), inf
    for order in ORDERS[1:]:
        if rule.nodes(order) > MAX_NODES:
            break
        values, sizes = rule(order)
        defect = values[3:6] - values[6:9] - values[9:]  # the three couples add up
        gap = max(np.max(np.abs(values - before) / sizes), np.max(np.abs(defect) / sizes[9:]))
        if gap <= TOLERANCE:
            return _collected(values)
        if not np.isfinite(gap):
            raise OutOfRegime(
                f"the moments of {activation} over two samples are beyond the range of float64"
            )
        before = values
    raise NotConverged(
        f"the moments of {activation} over two samples have not converged: the last gap is "
        f"{gap:.1e} of the size"
    )


def _collected(values: np.ndarray) -> TwoSamples:
    means, *couples = np.reshape(values, (4, 3)).tolist()
    return TwoSamples(*means, *(Couple(*parts) for parts in zip(*couples, strict=True)))


class _Rule:
    """The panels of one question with any number of nodes."""

    def __init__(self, activation: Activation, joint: Joint, gamma: float, beta: float) -> None:
        self.activation, self.joint, self.gamma, self.beta = activation, joint, gamma, beta
        from theory.differentiation import breaks

        found = breaks(activation)
        for one in found:
            if one.jump != 0 or one.power <= -0.5:
                raise DoesNotExist(
                    f"E phi'(u)^2 diverges at the break of {activation} at x = {float(one.at):.6g}"
                )
        self.kinks = [(float(one.at) - beta) / gamma for one in found] if gamma else []
        low, high = self._range()
        self.span = joint.scale * joint.place(np.array([low, high]))
        edge = max(abs(low), abs(high))
        self.edge = edge if isinstance(joint, Gaussian) else pi / 2
        cuts = [at for kink in self.kinks for at in joint.breaks(kink, edge)]
        self.cuts = np.array([low, *sorted({at for at in cuts if low < at < high}), high])

    def sample(self, x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        from theory.differentiation import with_derivative

        with np.errstate(all="ignore"):
            return with_derivative(self.activation, self.gamma * x + self.beta)

    def _range(self) -> tuple[float, float]:
        """Where the law itself, or a square over one sample, counts."""
        low, high = self.joint.ends()
        p = np.linspace(low, high, GRID)[1:-1] + 1e-7
        x = self.joint.scale * self.joint.place(p)
        value, slope = self.sample(x)
        with np.errstate(all="ignore"):
            largest = np.maximum(np.abs(value), (1 + np.abs(x)) * np.abs(slope))
            density = np.log(self.joint.outer(p))
            height = 2 * np.log(largest) + density
        height = np.where(np.isnan(height), -inf, height)
        tops = (height > np.max(height) - NEGLIGIBLE) | (density > -NEGLIGIBLE)
        counts = np.flatnonzero(tops)
        first, last = max(counts[0] - 1, 0), min(counts[-1] + 1, p.size - 1)
        return (low if first == 0 else p[first]), (high if last == p.size - 1 else p[last])

    def nodes(self, order: int) -> int:
        return (self.cuts.size - 1) * (len(self.kinks) + 1) * order**2

    def __call__(self, order: int) -> tuple[np.ndarray, np.ndarray]:
        """The twelve means with this many nodes in each panel, and their sizes."""
        p, weight = self._outer_nodes(order)
        x = self.joint.scale * self.joint.place(p)
        weight = weight * self.joint.outer(p)
        weight /= weight.sum()
        one = self._rows(x)
        singles = np.concatenate([one, one**2]) @ weight
        pairs = np.zeros((6, p.size))
        chunk = max(1, (1 << 18) // (order * (len(self.kinks) + 1)))
        for start in range(0, p.size, chunk):
            part = slice(start, start + chunk)
            pairs[:, part] = self._inner_means(p[part], x[part], one[:, part], order)
        products, gaps = np.split(pairs @ weight, 2)
        squares = singles[3:]
        sizes = np.where(squares == 0, 1, squares)
        return np.concatenate([singles, products, gaps]), np.concatenate([sizes**0.5, *[sizes] * 3])

    def _rows(self, x: np.ndarray) -> np.ndarray:
        value, slope = self.sample(x)
        return np.stack([value, slope, x * slope])

    def _outer_nodes(self, order: int) -> tuple[np.ndarray, np.ndarray]:
        points, weights = legendre(order)
        middle, half = (self.cuts[1:] + self.cuts[:-1]) / 2, (self.cuts[1:] - self.cuts[:-1]) / 2
        angle = pi / 2 * points
        p = middle[:, None] + half[:, None] * np.sin(angle)
        return p.ravel(), (half[:, None] * (np.cos(angle) * weights)).ravel()

    def _inner_means(self, p: np.ndarray, x: np.ndarray, one: np.ndarray, order: int) -> np.ndarray:
        joint = self.joint
        shift = joint.c * x
        reach = joint.s * joint.scale * joint.reach(p)

        def place(y: float) -> np.ndarray:
            return np.clip(joint.places((y - shift) / reach), -self.edge, self.edge)

        ends = [place(y) for y in (self.span[0], *sorted(self.kinks), self.span[1])]
        cuts = np.maximum.accumulate(np.minimum(np.stack(ends), ends[-1]), axis=0)
        points, weights = legendre(order)
        middle, half = ((cuts[1:] + sign * cuts[:-1])[..., None] / 2 for sign in (1, -1))
        s = middle + half * points
        w = half * weights * joint.inner(s)
        y = shift[:, None] + reach[:, None] * joint.place(s)
        other = self._rows(y)
        here = one[:, None, :, None]
        rows = [
            (here * other * w).sum(axis=(1, 3)),
            ((here - other) ** 2 / 2 * w).sum(axis=(1, 3)),
        ]
        return np.concatenate(rows) / w.sum(axis=(0, 2))
