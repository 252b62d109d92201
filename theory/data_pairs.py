"""Pairs of given inputs: their overlaps, accurate where two inputs nearly agree."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from theory.architecture import Network
from theory.errors import DescriptionError
from theory.schemes import Normalized, Scheme

CLOSE = 1e-3
"""1 - c below which it is computed from the difference of the directions."""
TINY = float(np.finfo(float).tiny)
ALL = slice(None)


class Pairs(NamedTuple):
    """Variances a (N_1,) and b (N_2,), covariance r and 1 - c, of all pairs."""

    a: np.ndarray
    b: np.ndarray
    r: np.ndarray
    dl: np.ndarray


class Inputs(NamedTuple):
    """Mean squares (N_1,) and (N_2,) of the inputs, and their directions (N_1, M_0), (N_2, M_0)."""

    a: np.ndarray
    b: np.ndarray
    one: np.ndarray
    other: np.ndarray

    @property
    def same(self) -> bool:
        """Whether both sides are one: then a pair with itself is exactly at c = 1."""
        return self.one is self.other

    def one_minus_c(self, rows: slice = ALL, columns: slice = ALL) -> np.ndarray:
        """1 - c of the pairs of some inputs of either side."""
        one, other = self.one[rows], self.other[columns]
        dl = one @ other.T
        np.maximum(np.subtract(1, dl, out=dl), 0, out=dl)
        close = dl < CLOSE
        if self.same:
            own = np.arange(len(self.one))
            _, t, u = np.intersect1d(own[rows], own[columns], True, return_indices=True)
            dl[t, u], close[t, u] = 0, False
        for row in np.flatnonzero(close.any(axis=1)):
            near = close[row]
            dl[row, near] = ((one[row] - other[near]) ** 2).sum(axis=1) / 2
        return dl

    @property
    def pairs(self) -> Pairs:
        """All pairs."""
        dl = self.one_minus_c()
        r = np.sqrt(self.a)[:, None] * np.sqrt(self.b) * (1 - dl)
        return Pairs(self.a, self.b, r, dl)


def inputs(X1: Any, X2: Any) -> Inputs:
    """The pairs of given inputs, divided by their number of columns; X2 = None stands for X1.

    Raises ``DescriptionError`` unless they are arrays of finite numbers with equally many columns
    and no zero row.
    """
    first = _checked("X1", X1)
    second = first if X2 is None else _checked("X2", X2)
    if first.shape[1] != second.shape[1]:
        raise DescriptionError(
            f"X1 and X2 need equally many columns, {first.shape[1]} and {second.shape[1]} given"
        )
    a, one = _directions(first)
    b, other = (a, one) if X2 is None else _directions(second)
    return Inputs(a, b, one, other)


def _directions(X: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Mean squares of the rows, and the rows over their norms."""
    largest = abs(X).max(axis=1, keepdims=True)
    scaled = X / largest
    norms = np.sqrt((scaled**2).sum(axis=1, keepdims=True))
    with np.errstate(over="ignore"):
        squares = ((largest * norms) ** 2 / X.shape[1])[:, 0]
    beyond = ~(np.isfinite(squares) & (squares > TINY))
    if beyond.any():
        raise DescriptionError(
            f"the squares of row {int(np.flatnonzero(beyond)[0])} leave the range of float64: "
            "rescale the inputs"
        )
    return squares, scaled / norms


def _checked(name: str, X: Any) -> np.ndarray:
    array = np.asarray(X)
    if array.dtype.kind not in "iuf" or array.ndim != 2 or not array.size:
        raise DescriptionError(
            f"{name} must be an array of numbers of shape (samples, M_0), {array.dtype} of shape "
            f"{array.shape} given"
        )
    array = array.astype(float)
    if not np.isfinite(array).all():
        raise DescriptionError(f"{name} must be finite, NaN or infinity given")
    if not array.any(axis=1).all():
        row = int(np.flatnonzero(~array.any(axis=1))[0])
        raise DescriptionError(f"row {row} of {name} is zero: it has no direction; leave it out")
    return array


def centred(X: Any) -> np.ndarray:
    array = np.asarray(X, dtype=float)
    return array - array.mean(axis=1, keepdims=True)


def affine(hat: Pairs, sigma_w2: float, sigma_b2: float) -> Pairs:
    """The pre-activations: a bias moves the samples towards each other."""
    a, b = sigma_w2 * hat.a + sigma_b2, sigma_w2 * hat.b + sigma_b2
    roots = np.sqrt(hat.a)[:, None], np.sqrt(hat.b)
    spread = sigma_w2 * ((roots[0] - roots[1]) ** 2 / 2 + roots[0] * roots[1] * hat.dl)
    return Pairs(a, b, sigma_w2 * hat.r + sigma_b2, one_minus_c(a, b, spread))


def one_minus_c(a: np.ndarray, b: np.ndarray, gap: np.ndarray) -> np.ndarray:
    r"""From gap = (a + b)/2 - r: :math:`1 - c = (gap - (\sqrt a - \sqrt b)^2/2)/\sqrt{ab}`."""
    roots = np.sqrt(a)[:, None], np.sqrt(b)
    return np.clip((gap - (roots[0] - roots[1]) ** 2 / 2) / (roots[0] * roots[1]), 0, 2)


def normalized(scheme: Scheme, u: Pairs) -> tuple[Pairs, float, float, np.ndarray | float]:
    """The law of the normalized pre-activations, scale and shift, product of the deviations."""
    if not isinstance(scheme, Normalized):
        return u, 1.0, 0.0, 1.0
    eps = float(scheme.eps)
    a, b = u.a + eps, u.b + eps
    norms = np.sqrt(a[:, None] * b)
    law = Pairs(u.a / a, u.b / b, u.r / norms, u.dl)
    return law, float(scheme.gamma), float(scheme.beta), norms


def input_weights(network: Network) -> list[tuple[float, float]]:
    r"""The factor of :math:`\hat q^{l-1}` in the neural tangent kernel and what a bias adds to it,
    for l = 1..L."""
    sigma_w2, scale = float(network.sigma_w2), 1.0
    if network.weights != "plain":
        scale = sigma_w2 / float(sigma_w2 if network.raw_variance is None else network.raw_variance)
    ratios = network.ratios or ()
    if network.parameterization == "ntk":
        return [(scale * sigma_w2, float(network.sigma_b2)) for _ in ratios]
    alpha = float(network.alpha)
    return [(scale * (float(ratio) / alpha), 0.0) for ratio in ratios]
