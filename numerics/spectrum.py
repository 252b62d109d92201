"""What is measured on one Gram matrix: moments, modes, eigenvalues, alignment."""

from __future__ import annotations

from typing import Any

import numpy as np
import scipy

from theory.architecture import Network


def mean_kernels(K: np.ndarray, C: int, N: int, B: int) -> list[float]:
    r"""K_1, K_2 and, beside one batch, K_3: means over t = s, the same batch, different batches.

    Averaged over the C outputs; K is that of the linear outputs, its batches of B samples.

    >>> mean_kernels(np.array([[3.0, 1, 0], [1, 5, 2], [0, 2, 4]]), 1, 3, 3)
    [4.0, 1.0]
    """
    blocks = np.einsum("ctcs->ts", K.reshape(C, N, C, N)) / C
    trace, total = np.trace(blocks), blocks.sum()
    batches = np.einsum("btbs->", blocks.reshape(N // B, B, N // B, B))
    means = [float(trace / N), float((batches - trace) / (N * (B - 1)))]
    return means if B == N else [*means, float((total - batches) / (N * (N - B)))]


def kernel_statistics(network: Network, K: np.ndarray, width: int) -> dict[str, float | None]:
    r"""kappa_a, the uniform mode and the batch contrasts of the linear outputs.

    .. math:: \kappa_a = \frac{K_a}{\alpha M}, \quad \frac{1^T K 1}{N^2} =
              \frac{K_1 + (B-1) K_2 + (N-B) K_3}{N}, \quad
              \frac{K_1 + (B-1) K_2 - B K_3}{N}

    averaged over the C outputs; in the NTK parameterization :math:`\kappa_a = K_a`. kappa_3 and the
    contrast mode come with a ``batch_size``, and are None where one batch holds all samples.
    """
    C, N = network.outputs, len(K) // network.outputs
    B = network.batch(N)
    scale = 1.0 if network.parameterization == "ntk" else float(network.alpha) * width
    K1, K2, *K3 = mean_kernels(K, C, N, B)
    third = K3[0] if K3 else 0.0
    statistics = {
        "kappa1": K1 / scale,
        "kappa2": K2 / scale,
        "uniform_mode": (K1 + (B - 1) * K2 + (N - B) * third) / N,
    }
    if network.batch_size is not None:
        contrast = (K1 + (B - 1) * K2 - B * third) / N
        statistics["kappa3"] = third / scale if K3 else None
        statistics["contrast_mode"] = contrast if K3 else None
    return statistics


def spectral_statistics(F: np.ndarray, C: int, P: int) -> dict[str, Any]:
    r"""Moments and top of the dual Fisher matrix.

    :math:`m = \mathrm{tr}F/P`, :math:`s = \mathrm{tr}F^2/P`; ``top_mean`` is the mean of the C
    largest eigenvalues.
    """
    eigenvalues = scipy.linalg.eigvalsh(F, check_finite=False)
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
    eigenvalues, vectors = scipy.linalg.eigh(F, check_finite=False)
    U = np.repeat(np.eye(C), N, axis=0)
    try:
        R = scipy.linalg.cholesky(U.T @ F @ U)
    except scipy.linalg.LinAlgError:
        return None
    overlaps = np.sqrt(np.maximum(eigenvalues, 0))[:, None] * (vectors.T @ U)
    coordinates = scipy.linalg.solve_triangular(R, overlaps.T, trans="T").T
    sine = scipy.linalg.svdvals(coordinates[:-C]).max() if len(F) > C else 0.0
    cosine = scipy.linalg.svdvals(coordinates[-C:]).min()
    return float(np.degrees(np.arctan2(sine, cosine)))


def measure_gram(
    network: Network,
    K: np.ndarray,
    groups: dict[str, np.ndarray],
    mapped: np.ndarray,
    width: int,
) -> dict[str, Any]:
    """Every statistic of one network.

    K is that of its linear outputs, ``groups`` its part of every parameter group, ``mapped`` that
    behind the last layer's map.
    """
    C, P = network.outputs, network.parameter_count(width)
    N = len(mapped) // C
    statistics: dict[str, Any] = dict(kernel_statistics(network, K, width))
    statistics |= spectral_statistics(mapped / N, C, P)
    linear = network.last.kind == "none" and network.loss == "mse"
    statistics["alignment"] = alignment(mapped / N, C, N) if linear else None
    statistics["groups"] = {
        group: mean_kernels(part, C, N, network.batch(N)) for group, part in groups.items()
    }
    return statistics
