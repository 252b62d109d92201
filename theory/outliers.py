r"""Maps that couple the outputs of each sample: the spectrum for given outputs.

A map with the derivative :math:`A_t` at sample t enters through :math:`B_t = A_t^T A_t`, a C x C
matrix: layer norm over the outputs, or the softmax of cross-entropy, where
:math:`F = \frac1N\sum_t J_t^T B_t J_t`. The dual Fisher matrix has the blocks

.. math:: \frac1N A_t A_s^T \left( K_2 + (K_1 - K_2)\,\delta_{ts} \right).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from theory.errors import OutOfRegime

SEPARATED = 3
"""Ratio to the top of the bulk beyond which the first-order form of an outlier is given."""


def layer_norm_metric(outputs: np.ndarray, gamma: float = 1) -> np.ndarray:
    r"""B_t of layer norm over the outputs, from outputs (..., C, N) to (..., N, C, C).

    .. math:: B_t = \frac{\gamma^2}{\sigma_t^2}\left( I - \frac{11^T}C
                    - \frac{\hat f_t \hat f_t^T}C \right)

    with the biased variance over the C outputs; rank C - 2. Raises ``OutOfRegime`` where the
    outputs of a sample are all equal.

    >>> layer_norm_metric(np.array([[1.0], [-1.0], [0.0]]))[0].round(3) + 0.0
    array([[ 0.25,  0.25, -0.5 ],
           [ 0.25,  0.25, -0.5 ],
           [-0.5 , -0.5 ,  1.  ]])
    """
    f = np.swapaxes(outputs, -1, -2)
    C = f.shape[-1]
    centred = f - f.mean(axis=-1, keepdims=True)
    variance = (centred**2).mean(axis=-1)
    if not variance.all():
        raise OutOfRegime("the outputs of a sample are all equal: layer norm divides by 0")
    hat = centred / np.sqrt(variance)[..., None]
    projector = np.eye(C) - 1 / C - hat[..., :, None] * hat[..., None, :] / C
    return gamma**2 / variance[..., None, None] * projector


def softmax_metric(outputs: np.ndarray) -> np.ndarray:
    r"""B_t of cross-entropy, :math:`\mathrm{diag}(g) - g g^T` with g the softmax; as above.

    >>> softmax_metric(np.zeros((2, 1)))[0]
    array([[ 0.25, -0.25],
           [-0.25,  0.25]])
    """
    f = np.swapaxes(outputs, -1, -2)
    g = np.exp(f - f.max(axis=-1, keepdims=True))
    g /= g.sum(axis=-1, keepdims=True)
    return g[..., :, None] * (np.eye(f.shape[-1]) - g[..., None, :])


@dataclass(frozen=True)
class Outlier:
    r"""An eigenvalue of order M of the dual Fisher matrix for given outputs.

    ``value`` is the root of the secular equation; None, with the regime "bulk", where none stands
    above the bulk. ``first_order`` is
    :math:`K_2 b + \frac{K_1 - K_2}N v^T \langle B_t^2\rangle v/b`, (b, v) an eigenpair of
    :math:`\langle B_t\rangle`, where it exceeds three times the top of the bulk; ``large_samples``
    is :math:`K_2 b`.
    """

    value: float | None
    first_order: float | None
    large_samples: float
    regime: str


@dataclass(frozen=True)
class Bulk:
    """The least and the largest non-zero eigenvalue of the bulk, and their mean."""

    lower: float
    upper: float
    mean: float


@dataclass(frozen=True)
class Realised:
    r"""Means over the samples of given outputs, on which the two moments depend.

    ``trace``: :math:`\langle\mathrm{tr} B_t\rangle`; ``square``:
    :math:`\langle\mathrm{tr} B_t^2\rangle`; ``cross``: :math:`\langle\mathrm{tr} B_t B_s\rangle`
    over the pairs of different samples.
    """

    trace: np.ndarray
    square: np.ndarray
    cross: np.ndarray


def realised(B: np.ndarray) -> Realised:
    """The means over the samples, of B of shape (..., N, C, C)."""
    N = B.shape[-3]
    mean = B.mean(axis=-3)
    square = (B**2).sum(axis=(-1, -2)).mean(axis=-1)
    return Realised(
        trace=np.trace(mean, axis1=-2, axis2=-1),
        square=square,
        cross=(N * (mean**2).sum(axis=(-1, -2)) - square) / (N - 1),
    )


def bulk(B: np.ndarray, gap: float, rank: int) -> Bulk:
    r"""Eigenvalues of :math:`\frac{K_1 - K_2}N B_t`, ``rank`` of them for each sample."""
    values = np.linalg.eigvalsh(B)[..., -rank:] * gap / B.shape[-3]
    return Bulk(float(values.min()), float(values.max()), float(values.mean()))


def outliers(B: np.ndarray, K2: float, gap: float, count: int) -> tuple[Outlier, ...]:
    r"""The ``count`` largest eigenvalues that may leave the bulk, in decreasing order.

    The eigenvalue :math:`\lambda` is where the matching eigenvalue of

    .. math:: S(\lambda) = \frac{K_2}N \sum_t B_t
              \left( \lambda - \tfrac{K_1 - K_2}N B_t \right)^{-1}

    equals 1: an eigenvector of the dual matrix, mapped to the parameters, is
    :math:`x = S(\lambda) x`. Each eigenvalue of S decreases for :math:`\lambda` above the bulk.
    Where K_1 = K_2 there is no bulk, and the eigenvalues are those of
    :math:`K_2 \langle B_t\rangle`.

    >>> B = softmax_metric(np.zeros((3, 4)))
    >>> [round(one.value, 12) for one in outliers(B, K2=2.0, gap=1.0, count=2)]
    [0.75, 0.75]
    """
    N = B.shape[0]
    values, vectors = np.linalg.eigh(B)
    top = gap / N * values.max()
    mean_values, mean_vectors = np.linalg.eigh(B.mean(axis=0))
    squares = (B @ B).mean(axis=0)

    from scipy.optimize import brentq

    def excess(eigenvalue: float, place: int) -> float:
        weights = K2 / N * values / (eigenvalue - gap / N * values)
        S = np.einsum("tik,tk,tjk->ij", vectors, weights, vectors)
        return 1 - 1 / float(np.linalg.eigvalsh(S)[-1 - place])  # nearly linear

    found = []
    for place in range(count):
        b, v = mean_values[-1 - place], mean_vectors[:, -1 - place]
        first = K2 * b + gap / N * float(v @ squares @ v) / b
        start, most = top * (1 + 1e-9), top + K2 * values.max() * (1 + 1e-9)
        root = None
        if K2 > 0 and top == 0:
            root = float(K2 * b)
        elif K2 > 0 and excess(start, place) > 0:
            root = float(brentq(excess, start, most, args=(place,), xtol=1e-13 * most, rtol=1e-13))
        found.append(
            Outlier(
                root,
                float(first) if K2 > 0 and first > SEPARATED * top else None,
                float(K2 * b),
                "bulk" if root is None else "outlier",
            )
        )
    return tuple(found)
