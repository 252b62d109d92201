r"""Scale-invariant losses with exact derivatives: sums of squares :math:`L = |r(w)|^2/(2N)`.

Weights are rows (..., n), so one call serves a whole trajectory. The arithmetic is analytic: it
holds for complex weights, where a step along the imaginary axis gives exact second derivatives,
and for arrays of arbitrary-precision numbers (of the losses without activations).
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property
from typing import Protocol

import numpy as np

from theory.architecture import DescriptionError

IMAGINARY = 1e-40
"""Length of a complex step: its square is lost beside 1, so no difference is ever taken."""


class Loss(Protocol):
    """A sum of squares over N samples, and the groups of weights that are invariant each alone."""

    @property
    def size(self) -> int: ...

    @property
    def samples(self) -> int: ...

    @property
    def groups(self) -> tuple[slice, ...]: ...

    def residual(self, w: np.ndarray) -> np.ndarray:
        """Residuals (..., k) at weights (..., n)."""

    def pull_back(self, w: np.ndarray, r: np.ndarray) -> np.ndarray:
        """The Jacobian's transpose times r (..., k), shape (..., n)."""

    def gradient(self, w: np.ndarray) -> np.ndarray:
        """The slope of the loss, shape (..., n)."""


def value(loss: Loss, w: np.ndarray) -> np.ndarray:
    """The loss at weights (..., n)."""
    r = loss.residual(w)
    return (r * r).sum(axis=-1) / (2 * loss.samples)


def hessian_product(loss: Loss, w: np.ndarray, v: np.ndarray) -> np.ndarray:
    """The Hessian at w times v, both (..., n), by a complex step through the gradient: exact."""
    return loss.gradient(w + 1j * IMAGINARY * v).imag / IMAGINARY


def _squares(rows: np.ndarray) -> np.ndarray:
    """Squared lengths (..., 1)."""
    return (rows * rows).sum(axis=-1, keepdims=True)


def _unit_and_length(rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    length = _squares(rows) ** 0.5
    return rows / length, length


class QuadraticForms:
    r""":math:`L(z, y) = \sum_i z^T A_i z\, y_i^2/(2|w|^4)` for diagonals (m, d) of the forms.

    >>> QuadraticForms(np.array([[1.0, 4.0]])).gradient(np.array([0.0, 1.0, 1.0])) + 0.0
    array([0., 0., 0.])
    """

    samples = 1

    def __init__(self, forms: np.ndarray) -> None:
        self.forms = np.atleast_2d(forms)
        self.d = self.forms.shape[1]
        self.size = sum(self.forms.shape)
        self.groups = (slice(0, self.size),)

    def residual(self, w: np.ndarray) -> np.ndarray:
        z, y = w[..., : self.d], w[..., self.d :]
        return (z * z @ self.forms.T) ** 0.5 * y / _squares(w)

    def pull_back(self, w: np.ndarray, r: np.ndarray) -> np.ndarray:
        z, y = w[..., : self.d], w[..., self.d :]
        norm2, root = _squares(w), (z * z @ self.forms.T) ** 0.5
        inner = np.concatenate([z * (r * y / root @ self.forms), r * root], axis=-1)
        return inner / norm2 - 2 * (r * root * y).sum(axis=-1, keepdims=True) / norm2**2 * w

    def gradient(self, w: np.ndarray) -> np.ndarray:
        d = self.d
        squares = w * w
        heights, weights = squares[..., :d] @ self.forms.T, squares[..., d:] @ self.forms
        norm2 = squares.sum(axis=-1, keepdims=True)
        lost = 2 * (heights * squares[..., d:]).sum(axis=-1, keepdims=True) / norm2
        return w * (np.concatenate([weights, heights], axis=-1) - lost) / (norm2 * norm2)


class TwoGroups:
    r""":math:`L = \frac12 q_A q_B w_{A3}^2/|w_A|^2`, w = (w_A, w_B) of 3 and 2 weights.

    :math:`q_A = (w_{A1}^2 + a w_{A2}^2)/|w_A|^2`, :math:`q_B = (w_{B1}^2 + b w_{B2}^2)/|w_B|^2`.
    """

    samples, size = 1, 5
    groups = (slice(0, 3), slice(3, 5))

    def __init__(self, a: float, b: float) -> None:
        self.A, self.B = np.array([1.0, a, 0.0]), np.array([1.0, b])

    def _parts(self, w: np.ndarray) -> tuple[np.ndarray, ...]:
        A, B = w[..., :3], w[..., 3:]
        A2, B2 = _squares(A), _squares(B)
        return (
            A,
            B,
            A2,
            B2,
            (A * A * self.A).sum(axis=-1, keepdims=True),
            (B * B * self.B).sum(axis=-1, keepdims=True),
        )

    def residual(self, w: np.ndarray) -> np.ndarray:
        A, _B, A2, B2, hA, hB = self._parts(w)
        return (hA * hB / B2) ** 0.5 * A[..., 2:] / A2

    def pull_back(self, w: np.ndarray, r: np.ndarray) -> np.ndarray:
        A, B, A2, B2, hA, hB = self._parts(w)
        f = self.residual(w)
        in_A = f * A * (self.A / hA - 2 / A2)
        in_A[..., 2:] += (hA * hB / B2) ** 0.5 / A2
        in_B = f * B * (self.B / hB - 1 / B2)
        return r * np.concatenate([in_A, in_B], axis=-1)

    def gradient(self, w: np.ndarray) -> np.ndarray:
        return self.pull_back(w, self.residual(w))


class BatchNormRegression:
    r"""Linear regression with a batch-normalized output, times the targets' deviation.

    Inputs X (N, n), targets y (N,), both centred over the samples here.
    """

    def __init__(self, X: np.ndarray, y: np.ndarray) -> None:
        self.X, self.y = X - X.mean(axis=0), y - y.mean()
        self.samples, self.size = X.shape
        self.groups = (slice(0, self.size),)
        self.length = (self.y @ self.y) ** 0.5

    def residual(self, w: np.ndarray) -> np.ndarray:
        return self.length * _unit_and_length(w @ self.X.T)[0] - self.y

    def pull_back(self, w: np.ndarray, r: np.ndarray) -> np.ndarray:
        unit, length = _unit_and_length(w @ self.X.T)
        return (r - (unit * r).sum(axis=-1, keepdims=True) * unit) / length @ self.X * self.length

    def gradient(self, w: np.ndarray) -> np.ndarray:
        unit, length = _unit_and_length(w @ self.X.T)
        against = (unit * self.y).sum(axis=-1, keepdims=True) * unit - self.y
        return against / length @ self.X * (self.length / self.samples)


class WeightNormRegression:
    r"""Linear regression with normalized weights, :math:`f = \ell X w/|w|`."""

    def __init__(self, X: np.ndarray, y: np.ndarray, length: float) -> None:
        self.X, self.y, self.length = X, y, length
        self.samples, self.size = X.shape
        self.groups = (slice(0, self.size),)

    def residual(self, w: np.ndarray) -> np.ndarray:
        return self.length * (_unit_and_length(w)[0] @ self.X.T) - self.y

    def pull_back(self, w: np.ndarray, r: np.ndarray) -> np.ndarray:
        unit, length = _unit_and_length(w)
        back = self.length * (r @ self.X)
        return (back - (unit * back).sum(axis=-1, keepdims=True) * unit) / length

    def gradient(self, w: np.ndarray) -> np.ndarray:
        return self.pull_back(w, self.residual(w)) / self.samples


class Network:
    r"""A tanh network of one output in which every weight belongs to a scale-invariant group.

    ``widths`` are those of the hidden layers; ``scheme`` says what is normalized, over all N
    inputs in training mode and without a regularizer: "batchnorm", the pre-activations of each
    unit over the samples, and the outputs; "layernorm", those of each sample over the units;
    "weightnorm", the weights of each unit. The last two have a normalized readout. The output is
    multiplied by ``length`` over root N. The targets are centred for "batchnorm" alone.

    ``DescriptionError`` for an unknown scheme, no hidden layer, or one that is too narrow.
    """

    SCHEMES = ("batchnorm", "layernorm", "weightnorm")

    def __init__(
        self, X: np.ndarray, y: np.ndarray, widths: tuple[int, ...], scheme: str, length: float
    ) -> None:
        if scheme not in self.SCHEMES:
            raise DescriptionError(f"unknown scheme {scheme!r}; known: {', '.join(self.SCHEMES)}")
        least = 3 if scheme == "layernorm" else 1
        if not widths or min(widths) < least:
            raise DescriptionError(
                f"a {scheme} network needs hidden widths of {least} at least, {widths} given"
            )
        self.X, self.y, self.scheme, self.length = X, y, scheme, length
        self.samples = len(X)
        fans = (X.shape[1], *widths)
        self.shapes = [*((m, n) for n, m in zip(fans, widths, strict=False)), (1, widths[-1])]
        self.ends = np.cumsum([0, *(m * n for m, n in self.shapes)])
        self.size = int(self.ends[-1])

    @cached_property
    def groups(self) -> tuple[slice, ...]:
        """Rows where each unit is invariant, whole matrices where the layer is."""
        found = []
        for start, (m, n) in zip(self.ends, self.shapes, strict=False):
            rows = 1 if self.scheme == "layernorm" else m
            span = m * n // rows
            found += [slice(start + k * span, start + (k + 1) * span) for k in range(rows)]
        return tuple(found)

    def _matrices(self, w: np.ndarray) -> list[np.ndarray]:
        spans = zip(self.ends, self.ends[1:], self.shapes, strict=False)
        return [w[..., a:b].reshape(*w.shape[:-1], *shape) for a, b, shape in spans]

    def _normalize(
        self, u: np.ndarray, axis: int
    ) -> tuple[np.ndarray, Callable[[np.ndarray], np.ndarray]]:
        """Values of mean 0 and mean square 1 along an axis, and the pull-back of that map."""
        count = u.shape[axis]

        def mean(rows: np.ndarray) -> np.ndarray:  # ndarray.mean takes twice as long on few numbers
            return rows.sum(axis=axis, keepdims=True) / count

        centred = u - mean(u)
        deviation = mean(centred * centred) ** 0.5
        unit = centred / deviation

        def back(r: np.ndarray) -> np.ndarray:
            r = r - mean(r)
            return (r - unit * mean(unit * r)) / deviation

        return unit, back

    def _layer(
        self, h: np.ndarray, W: np.ndarray, last: bool
    ) -> tuple[np.ndarray, Callable[[np.ndarray], tuple[np.ndarray, np.ndarray]]]:
        """Normalized pre-activations (..., N, m), and their pull-back to h and W."""
        if self.scheme == "batchnorm" or (self.scheme == "layernorm" and not last):
            u, normalized = self._normalize(
                h @ W.swapaxes(-1, -2), -2 if self.scheme == "batchnorm" else -1
            )

            def back(r: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
                r = normalized(r)
                return r @ W, r.swapaxes(-1, -2) @ h

            return u, back
        unit, length = _unit_and_length(W)

        def back_by_unit(r: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
            raw = r.swapaxes(-1, -2) @ h
            return r @ unit, (raw - unit * (unit * raw).sum(axis=-1, keepdims=True)) / length

        return h @ unit.swapaxes(-1, -2), back_by_unit

    def _run(self, w: np.ndarray) -> tuple[np.ndarray, list[np.ndarray], list[Callable]]:
        h: np.ndarray = np.broadcast_to(self.X, (*w.shape[:-1], *self.X.shape))
        matrices, slopes, backs = self._matrices(w), [], []
        for at, W in enumerate(matrices):
            last = at == len(matrices) - 1
            u, back = self._layer(h, W, last)
            backs.append(back)
            h = u if last else np.tanh(u)
            slopes.append(np.ones_like(u) if last else 1 - h * h)
        return h[..., 0], slopes, backs

    def features(self, w: np.ndarray) -> np.ndarray:
        """What the readout sees, (..., N, m)."""
        h: np.ndarray = np.broadcast_to(self.X, (*w.shape[:-1], *self.X.shape))
        for W in self._matrices(w)[:-1]:
            h = np.tanh(self._layer(h, W, last=False)[0])
        return h

    @property
    def _scale(self) -> float:
        return self.length / self.samples**0.5

    def residual(self, w: np.ndarray) -> np.ndarray:
        return self._scale * self._run(w)[0] - self.y

    def _against(self, run: tuple, r: np.ndarray) -> np.ndarray:
        _, slopes, backs = run
        signal, parts = (self._scale * r)[..., None], []
        for slope, back in zip(reversed(slopes), reversed(backs), strict=True):
            signal, matrix = back(signal * slope)
            parts.append(matrix.reshape(*matrix.shape[:-2], -1))
        return np.concatenate(parts[::-1], axis=-1)

    def pull_back(self, w: np.ndarray, r: np.ndarray) -> np.ndarray:
        return self._against(self._run(w), r)

    def gradient(self, w: np.ndarray) -> np.ndarray:
        run = self._run(w)
        return self._against(run, self._scale * run[0] - self.y) / self.samples


class MatrixCompletion:
    r"""Observed entries of W = U V, batch-normalized over the observed and scaled to the targets.

    U (rows, inner) and V (inner, columns) in one vector; ``entries`` (N, 2) are rows and columns.
    """

    def __init__(
        self, entries: np.ndarray, y: np.ndarray, shape: tuple[int, int], inner: int
    ) -> None:
        self.entries, self.mean, self.y = entries, y.mean(), y - y.mean()
        self.rows, self.columns, self.inner = *shape, inner
        self.samples, self.size = len(y), (shape[0] + shape[1]) * inner
        self.groups = (slice(0, shape[0] * inner), slice(shape[0] * inner, self.size))
        self.length = (self.y @ self.y) ** 0.5

    def factors(self, w: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """U and V of weights (..., n)."""
        U, V = w[..., self.groups[0]], w[..., self.groups[1]]
        return (
            U.reshape(*w.shape[:-1], self.rows, self.inner),
            V.reshape(*w.shape[:-1], self.inner, self.columns),
        )

    def completed(self, w: np.ndarray) -> np.ndarray:
        """All entries (rows, columns) at weights (n,), by the mean and deviation of those seen."""
        U, V = self.factors(w)
        p = U @ V
        seen = p[self.entries[:, 0], self.entries[:, 1]]
        return self.mean + (p - seen.mean()) * (self.y.std() / seen.std())

    def _observed(self, w: np.ndarray) -> np.ndarray:
        U, V = self.factors(w)
        p = (U @ V)[..., self.entries[:, 0], self.entries[:, 1]]
        return p - p.mean(axis=-1, keepdims=True)

    def residual(self, w: np.ndarray) -> np.ndarray:
        return self.length * _unit_and_length(self._observed(w))[0] - self.y

    def pull_back(self, w: np.ndarray, r: np.ndarray) -> np.ndarray:
        unit, length = _unit_and_length(self._observed(w))
        r = r - r.mean(axis=-1, keepdims=True)
        back = self.length * (r - (unit * r).sum(axis=-1, keepdims=True) * unit) / length
        U, V = self.factors(w)
        full = np.zeros((*back.shape[:-1], self.rows, self.columns), back.dtype)
        full[..., self.entries[:, 0], self.entries[:, 1]] = back
        parts = full @ V.swapaxes(-1, -2), U.swapaxes(-1, -2) @ full
        return np.concatenate([one.reshape(*back.shape[:-1], -1) for one in parts], axis=-1)

    def gradient(self, w: np.ndarray) -> np.ndarray:
        return self.pull_back(w, self.residual(w)) / self.samples
