r"""Kernels of many samples of equal norm through many layers, by interpolation in the angle.

The variance of every sample is the same, so one number per layer; the covariance of two samples in
the last layer is a function of their angle in the first. It is composed of the layers' maps
(``theory.dual_map``) at the nodes of a Chebyshev series only, and the series is evaluated once for
all pairs: the cost hardly depends on the depth. Where the composition varies too fast for one
series, deep in the chaotic phase, the layers are halved.
"""

from __future__ import annotations

from math import isfinite
from typing import Any, NamedTuple

import numpy as np

from theory.architecture import Activation
from theory.chebyshev import Series, fitted
from theory.dual_map import END, DualMap, dual_map, roots_of_angles
from theory.errors import DescriptionError, OutOfRegime
from theory.validation import at_least_zero, check_positive, check_real, whole

AGREEMENT = 1e-11


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
    """A map, the weights' variance, and the variance of the pre-activations after it."""

    map: DualMap
    sigma_w2: float
    variance: float

    def __call__(self, one_minus_c: np.ndarray) -> np.ndarray:
        found = self.sigma_w2 * self.map.gap(one_minus_c) / self.variance
        return np.minimum(found, 2)  # an odd function keeps c = -1, but for rounding


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
    layers = _layers(activation, q, sigma_w2, sigma_b2, whole("depth", depth, least=1))
    dl = np.asarray(one_minus_c, dtype=float)
    if layers[0].map.even:
        dl = np.minimum(dl, 2 - dl)
    rows, gap = _through(layers, dl, tangent)
    final = layers[-1].variance
    error = gap + sum(layer.map.error for layer in layers)
    kernel = rows[1] * q * (1 - dl) + rows[2] if tangent else None
    return Composed(final, final * rows[0], error, kernel)


def _layers(
    activation: Activation, q: float, sigma_w2: float, sigma_b2: float, depth: int
) -> list[Layer]:
    layers: list[Layer] = []
    for _ in range(depth):
        one = dual_map(activation, q)
        q = sigma_w2 * one.second + sigma_b2
        if not (isfinite(q) and q > 0):
            raise OutOfRegime(f"the variance of layer {len(layers) + 2} is {q:g}: beyond float64")
        layers.append(Layer(one, sigma_w2, q))
    return layers


def _through(layers: list[Layer], dl: np.ndarray, tangent: bool) -> tuple[np.ndarray, float]:
    r"""1 - c after the layers; with ``tangent`` also A and B, its kernel being A times it plus B.

    Also the error that interpolating the composition adds.
    """
    if len(layers) == 1:
        return _exactly(layers, dl, tangent), 0.0
    s, is_far = roots_of_angles(dl)
    out = np.empty((3 if tangent else 1, *dl.shape))
    error = 0.0
    for far, where in ((False, ~is_far), (True, is_far)):
        if not where.any():
            continue
        series = _composition(layers, far, tangent)
        if series is None:
            return _halved(layers, dl, tangent)
        out[:, where] = series(s[where])
        error = max(error, float(series.gaps[0]))
    out[0] = dl * np.exp(out[0])
    return out, error


def _halved(layers: list[Layer], dl: np.ndarray, tangent: bool) -> tuple[np.ndarray, float]:
    """The same, through half of the layers and then through the others."""
    middle = len(layers) // 2
    first, one = _through(layers[:middle], dl, tangent)
    rest, other = _through(layers[middle:], first[0], tangent)
    if tangent:
        rest = np.stack([rest[0], rest[1] * first[1], rest[1] * first[2] + rest[2]])
    return rest, one + other


def _exactly(layers: list[Layer], dl: np.ndarray, tangent: bool) -> np.ndarray:
    """The rows of ``_through``, layer by layer."""
    factor, offset = np.ones_like(dl), np.zeros_like(dl)
    for layer in layers:
        slope = layer.sigma_w2 * layer.map.derivative_dual(dl) if tangent else 0.0
        dl = layer(dl)
        factor = slope * factor
        offset = slope * offset + layer.variance * (1 - dl)
    return np.stack([dl, factor, offset] if tangent else [dl])


def _composition(layers: list[Layer], far: bool, tangent: bool) -> Series | None:
    """The layers as one map in half of the angles, None if it varies too fast for a series.

    Its first row is the logarithm of the ratio of 1 - c after the layers to that before.
    """

    def rows(s: np.ndarray) -> np.ndarray:
        near = 2 * np.sin(s * s / 2) ** 2
        dl = 2 - near if far else near
        found = _exactly(layers, dl, tangent)
        with np.errstate(divide="ignore"):
            found[0] = np.log(found[0] / dl)
        return found

    if any(layer.map.power == 1 for layer in layers):
        return None
    series = fitted(rows, END)
    sizes = abs(series.coefficients).max(axis=1)
    sizes[0] = 1
    return series if np.all(series.gaps <= AGREEMENT * sizes) else None
