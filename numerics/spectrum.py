"""What is measured on one Gram matrix: moments, modes, eigenvalues, alignment."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy import linalg

from theory.architecture import Network


def kernel_statistics(K: np.ndarray, C: int, N: int, scale: float) -> dict[str, float]:
    r"""kappa_1, kappa_2 and the uniform mode of the linear outputs, averaged over the C outputs.

    .. math:: \kappa_1 = \frac{\langle K_{tt}\rangle}{\alpha M}, \quad
              \kappa_2 = \frac{\langle K_{ts}\rangle_{t\ne s}}{\alpha M}, \quad
              \frac{1^T K 1}{N^2}

    ``scale`` is alpha M.
    """
    blocks = K.reshape(C, N, C, N)[np.arange(C), :, np.arange(C), :]
    trace, total = np.trace(blocks, axis1=1, axis2=2).mean(), blocks.sum(axis=(1, 2)).mean()
    return {
        "kappa1": trace / N / scale,
        "kappa2": (total - trace) / (N * (N - 1)) / scale,
        "uniform_mode": total / N**2,
    }


def spectral_statistics(F: np.ndarray, C: int, P: int) -> dict[str, Any]:
    r"""Moments and top of the dual Fisher matrix.

    :math:`m = \mathrm{tr}F/P`, :math:`s = \mathrm{tr}F^2/P`; ``top_mean`` is the mean of the C
    largest eigenvalues.
    """
    eigenvalues = linalg.eigvalsh(F, check_finite=False)
    return {
        "mean_eigenvalue": np.trace(F) / P,
        "second_moment": (F**2).sum() / P,
        "top_mean": eigenvalues[-C:].mean(),
        "largest_eigenvalue": eigenvalues[-1],
    }


def alignment(F: np.ndarray, C: int, N: int) -> float | None:
    r"""Largest principal angle, in degrees, between two C-dimensional spaces of parameters.

    One is spanned by the top C eigenvectors of the Fisher matrix, the other by the mean gradients
    :math:`\frac1N\sum_t \nabla f_k(t)`. With :math:`F^* = V \Lambda V^T` and U the indicators of
    the outputs, :math:`\sin` of the angle is the largest singular value of
    :math:`\Lambda_r^{1/2} V_r^T U R^{-1}`, r the rest of the spectrum, :math:`R^T R = U^T F^* U`.
    None where the mean gradients are linearly dependent.
    """
    eigenvalues, vectors = linalg.eigh(F, check_finite=False)
    U = np.repeat(np.eye(C), N, axis=0)
    try:
        R = linalg.cholesky(U.T @ F @ U)
    except linalg.LinAlgError:
        return None
    overlaps = np.sqrt(np.maximum(eigenvalues, 0))[:, None] * (vectors.T @ U)
    coordinates = linalg.solve_triangular(R, overlaps.T, trans="T").T
    sine = linalg.svdvals(coordinates[:-C]).max() if len(F) > C else 0.0
    cosine = linalg.svdvals(coordinates[-C:]).min()
    return float(np.degrees(np.arctan2(sine, cosine)))


def measure_gram(network: Network, K: np.ndarray, mapped: np.ndarray, width: int) -> dict[str, Any]:
    """Every statistic of one network: K of its linear outputs, ``mapped`` behind the last layer."""
    C, P = network.outputs, network.parameter_count(width)
    N = len(K) // C
    statistics = kernel_statistics(K, C, N, float(network.alpha) * width)
    statistics |= spectral_statistics(mapped / N, C, P)
    linear = network.last.kind == "none"
    return statistics | {"alignment": alignment(mapped / N, C, N) if linear else None}
