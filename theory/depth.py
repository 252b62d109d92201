r"""Kernels of many samples of equal norm through many layers, by interpolation in the angle.

The variance of every sample is the same, so one number per layer; the covariance of two samples in
the last layer is a function of their angle in the first. It is composed of the layers' maps
(``theory.dual_map``) at the nodes of a Chebyshev series only, and the series is evaluated once for
all pairs: the cost hardly depends on the depth. Of many equal layers, as behind layer norm or at
the fixed point of the variance, powers are composed. Where the composition varies too fast for one
series, deep in the chaotic phase, the layers are halved.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache
from itertools import groupby
from math import isfinite
from typing import Any, NamedTuple

import numpy as np

from theory.architecture import Activation
from theory.chebyshev import Series, fitted, trimmed
from theory.closed_dual import ClosedDual
from theory.dual_map import END, DualMap, dual_map, roots_of_angles
from theory.errors import DescriptionError, OutOfRegime
from theory.validation import at_least_zero, check_positive, check_real, whole

Function = Callable[[np.ndarray], np.ndarray]

AGREEMENT = 1e-12
FEWEST = 32
MANY = 32
"""Equal layers in turn from which squaring costs less than one by one."""


class Composed(NamedTuple):
    r"""What the last layer knows of each pair: ``variance`` q, ``gap`` = q - covariance.

    ``error`` estimates the error of a gap relative to that gap, where the correlation of the first
    layer is at least 0: that of every layer, which later ones do not enlarge because D grows with
    c > 0, and that of the composition. ``tangent`` is the neural tangent kernel of the pair, None
    where it was not asked for.
    """

    variance: float
    gap: np.ndarray
    error: float
    tangent: np.ndarray | None = None

    @property
    def covariance(self) -> np.ndarray:
        return self.variance - self.gap

    @property
    def one_minus_c(self) -> np.ndarray:
        return self.gap / self.variance


class Layer(NamedTuple):
    r"""A dual, and what follows it up to the next pre-activations, of this ``variance``.

    With the gap :math:`g = E\varphi^2 - E\varphi\varphi` the next pre-activations have
    :math:`1 - c = \sigma_w^2 g/q`, and the tangent kernel goes from :math:`\Theta` to

    .. math:: s\,E\varphi'\varphi'\,\Theta + w\,(E\varphi^2 - m^2 - g) + b

    with ``slope`` s, ``weight`` w, ``bias`` b, and ``removed`` :math:`m^2`, which weight
    standardization takes off the overlaps.
    """

    map: DualMap | ClosedDual
    sigma_w2: float
    variance: float
    slope: float
    weight: float
    bias: float
    removed: float = 0.0

    @property
    def even(self) -> bool:
        return self.map.even

    @property
    def singular(self) -> bool:
        """Whether 1 - c after the layer is of another order than that before, as phi jumps."""
        return self.map.power == 1

    def after(self, rows: np.ndarray, one_plus_c: np.ndarray | None = None) -> np.ndarray:
        """The rows of ``ComposedMap``, one layer further: 1 - c, and what is linear in Theta."""
        dl = rows[0]
        gap = self.map.gap(dl, one_plus_c)
        # an odd function keeps c = -1, but for rounding
        after = np.minimum(self.sigma_w2 * gap / self.variance, 2)
        if len(rows) == 1:
            return after[None]
        slope = self.slope * self.map.derivative_dual(dl, one_plus_c)
        fresh = self.weight * (self.map.second - self.removed - gap) + self.bias
        return np.stack([after, *(slope * rows[1:-1]), slope * rows[-1] + fresh])


def compose(
    activation: Activation,
    one_minus_c: Any,
    *,
    q: float,
    sigma_w2: float,
    sigma_b2: float,
    depth: int,
    tangent: bool = False,
) -> Composed:
    r"""The covariances of the pre-activations after ``depth`` more layers, for samples of one norm.

    .. math:: q_{ij}^{l+1} = \sigma_w^2\,E\varphi(u)\varphi(v) + \sigma_b^2, \qquad
              (u, v) \sim N\big(0, \begin{pmatrix} q^l & q_{ij}^l \\ q_{ij}^l & q^l
              \end{pmatrix}\big)

    from variance q and correlations c, given as 1 - c in an array of any shape (0 on the diagonal
    of a correlation matrix). The gap is relatively accurate as c tends to 1. With ``tangent``, also
    the neural tangent kernel :math:`\Theta^{l+1} = q_{ij}^{l+1} + \sigma_w^2\,
    E\varphi'(u)\varphi'(v)\,\Theta^l`, :math:`\Theta^1 = q_{ij}^1`, where every weight is
    :math:`\sigma_w/\sqrt{M}` and every bias :math:`\sigma_b` times a standard normal parameter.

    Domain: q, sigma_w2 > 0, sigma_b2 >= 0, depth >= 1. Raises ``DescriptionError`` outside it,
    ``OutOfRegime`` where a variance leaves float64 or, with ``tangent``, where phi jumps, and
    ``NotConverged`` where a layer's map is not accurate.

    >>> relu = Activation.named("relu")
    >>> found = compose(relu, [0.0, 1.0], q=2.0, sigma_w2=2.0, sigma_b2=0.0, depth=1)
    >>> [round(float(x), 12) for x in found.covariance]  # 2, 2/pi
    [2.0, 0.636619772368]
    """
    check_positive("sigma_w2", sigma_w2)
    check_real("sigma_b2", sigma_b2)
    if not at_least_zero(sigma_b2):
        raise DescriptionError(f"sigma_b2 must be at least 0, {sigma_b2!r} given")
    if tangent and activation.jumps:
        raise OutOfRegime(f"{activation} jumps: E phi'(u)^2, and the tangent kernel, do not exist")
    layers, error = _layers(activation, q, sigma_w2, sigma_b2, whole("depth", depth, least=1))
    dl = np.asarray(one_minus_c, dtype=float)
    composed = ComposedMap(layers, tangent, (lambda dl: q * (1 - dl)) if tangent else None)
    rows = composed(dl)
    final = layers[-1].variance
    kernel = rows[1] if tangent else None
    return Composed(final, final * rows[0], composed.error + error, kernel)


def _layers(
    activation: Activation, q: float, sigma_w2: float, sigma_b2: float, depth: int
) -> tuple[list[Layer], float]:
    """The layers, and the errors of their maps in sum."""
    layers: list[Layer] = []
    error = 0.0
    for _ in range(depth):
        one = dual_map(activation, q)
        error += one.error
        q = sigma_w2 * one.second + sigma_b2
        if not (isfinite(q) and q > 0):
            raise OutOfRegime(f"the variance of layer {len(layers) + 2} is {q:g}: beyond float64")
        layers.append(Layer(one, sigma_w2, q, sigma_w2, sigma_w2, sigma_b2))
    return layers, error


class ComposedMap:
    r"""Layers as one map, of 1 - c in arrays of any shape and size.

    The rows that it returns: 1 - c after the layers; with ``tangent`` also A and B, the tangent
    kernel after them being A times that before, plus B, or in their place the kernel after them,
    where that before is known as a function ``start`` of 1 - c. ``error`` is what interpolating
    the composition adds to 1 - c, relative to it; ``pieces`` counts the maps that are applied in
    turn.
    """

    def __init__(
        self, layers: Sequence[Step], tangent: bool, start: Function | None = None
    ) -> None:
        self.steps = _fewer(layers, tangent)
        self.even: bool = layers[0].even
        self.singular: bool = any(layer.singular for layer in layers)
        self.tangent, self.start, self.pieces = tangent, start, 1
        self.error: float = sum(
            (step.error for step in self.steps if isinstance(step, ComposedMap)), 0.0
        )
        self._parts: list[ComposedMap] = []
        # the tangent kernel of an even function has no symmetry, A and B have
        self._halves = _composition(self.steps, tangent, None if self.even else start)
        if self._halves:
            self.error += max(float(half.gaps[0]) for half in self._halves)
        elif len(layers) > 1:
            middle = len(layers) // 2
            self._parts = [
                ComposedMap(layers[:middle], tangent, start),
                ComposedMap(layers[middle:], tangent),
            ]
            self.error = sum(part.error for part in self._parts)
            self.pieces = sum(part.pieces for part in self._parts)

    def __call__(self, one_minus_c: np.ndarray, one_plus_c: np.ndarray | None = None) -> np.ndarray:
        dl, op, start = one_minus_c, one_plus_c, self.start
        if self._parts:
            return self._parts[1].after(self._parts[0](dl, op))
        if self.even:
            opposite = dl > 1
            dl, op, start = np.where(opposite, 2 - dl, dl), None, None
        if self._halves:
            rows = self._series(dl, op)
        else:
            rows = _exactly(self.steps, dl, self.tangent, start, op)
        if self.even and self.tangent:  # the derivative of an even function is odd
            np.negative(rows[1], out=rows[1], where=opposite)
            if self.start is not None:
                rows = np.stack([rows[0], rows[1] * self.start(one_minus_c) + rows[2]])
        return rows

    def after(self, rows: np.ndarray, one_plus_c: np.ndarray | None = None) -> np.ndarray:
        """The rows of the layers before, after these layers too, as those of ``Layer.after``."""
        found = self(rows[0], one_plus_c)
        if len(rows) == 1:
            return found
        after, A, B = found
        return np.stack([after, *(A * rows[1:-1]), A * rows[-1] + B])

    def _series(self, dl: np.ndarray, op: np.ndarray | None) -> np.ndarray:
        s, is_far = roots_of_angles(dl, op)
        s, is_far = s.ravel(), is_far.ravel()
        out = np.empty((len(self._halves[0].coefficients), dl.size))
        for half, where in zip(self._halves, (~is_far, is_far), strict=False):
            chosen = np.flatnonzero(where)
            for row, values in zip(out, half(s[chosen]), strict=True):
                row[chosen] = values
        np.exp(out[0], out=out[0])
        out = out.reshape(-1, *dl.shape)
        out[0] = np.minimum(out[0] * dl, 2)
        return out


Step = Layer | ComposedMap


def _fewer(layers: Sequence[Step], tangent: bool) -> list[Step]:
    """The same layers in fewer steps: many equal ones in turn are powers of one."""
    steps: list[Step] = []
    for layer, equal in groupby(layers):
        count = len(list(equal))
        steps += _powers(layer, count, tangent) if count >= MANY else [layer] * count
    return steps


def _powers(layer: Step, count: int, tangent: bool) -> list[Step]:
    """So many equal layers, by repeated squaring as long as a square is interpolated in one."""
    steps: list[Step] = []
    power = layer
    while True:
        if count % 2:
            steps.append(power)
        count //= 2
        if not count:
            return steps
        square = _squared(power, tangent)
        if square.pieces > 1:
            return steps + [power] * (2 * count)
        power = square


@lru_cache(maxsize=64)
def _squared(step: Step, tangent: bool) -> ComposedMap:
    """The step twice, kept for the halves of the layers."""
    return ComposedMap([step, step], tangent)


def _exactly(
    layers: Sequence[Step],
    dl: np.ndarray,
    tangent: bool,
    start: Function | None,
    op: np.ndarray | None,
) -> np.ndarray:
    """The rows layer by layer."""
    rows = [dl]
    if tangent:
        rows += [np.ones_like(dl), np.zeros_like(dl)] if start is None else [start(dl)]
    found = layers[0].after(np.stack(rows), op)
    for layer in layers[1:]:
        found = layer.after(found)
    return found


def _composition(layers: Sequence[Step], tangent: bool, start: Function | None) -> list[Series]:
    """The layers as one map in each half of the angles, none if it varies too fast for a series.

    Its first row is the logarithm of the ratio of 1 - c after the layers to that before. An even
    function has the first half alone.
    """
    count, even = 1 if not tangent else 3 if start is None else 2, layers[0].even

    def rows(s: np.ndarray) -> np.ndarray:
        near = 2 * np.sin(s * s / 2) ** 2
        dl, op = near, 2 - near
        if not even:
            dl, op = np.concatenate([dl, op]), np.concatenate([op, dl])
        found = _exactly(layers, dl, tangent, start, op)
        with np.errstate(divide="ignore"):
            found[0] = np.log(found[0] / dl)
        halves = np.split(found, 1 if even else 2, axis=1)
        return np.concatenate(halves)

    if any(layer.singular for layer in layers):
        return []
    series = fitted(rows, END, FEWEST)
    sizes = abs(series.coefficients).max(axis=1)
    sizes[::count] = 1
    if not np.all(series.gaps <= AGREEMENT * sizes):
        return []
    parts = [slice(start, start + count) for start in range(0, len(sizes), count)]
    return [trimmed(Series(END, series.coefficients[part], series.gaps[part])) for part in parts]
