r"""What a network shows of one theorem: functions of the kernels of its outputs.

All are averaged over the C outputs, and over the norm of the output weights where that is exact.
Each takes the kernels of n networks and returns n numbers. The units are those of K: nothing is
divided by a width.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from scipy import linalg

from numerics.fisher import OutputKernels
from theory.architecture import DescriptionError, Network


def diagonal(kernels: OutputKernels, network: Network) -> np.ndarray:
    r"""Mean of :math:`K_{tt}` over the samples."""
    return np.einsum("nctt->n", kernels.averaged) / _count(kernels)


def off_diagonal(kernels: OutputKernels, network: Network) -> np.ndarray:
    r"""Mean of :math:`K_{ts}` over the pairs of different samples."""
    K, N = kernels.averaged, kernels.outputs.shape[-1]
    difference = K.sum(axis=(1, 2, 3)) - np.einsum("nctt->n", K)
    return difference / (_count(kernels) * (N - 1))


def uniform(kernels: OutputKernels, network: Network) -> np.ndarray:
    r"""Rayleigh quotient of K/N along the uniform direction, :math:`1^T K 1/N^2`."""
    N = kernels.outputs.shape[-1]
    return kernels.averaged.sum(axis=(1, 2, 3)) / (_count(kernels) * N)


def squared_trace(kernels: OutputKernels, network: Network) -> np.ndarray:
    r"""Trace of the squared dual Fisher matrix over C, :math:`|K|^2/(C N^2)`, all blocks counted.

    Averaged over the norms of the output weights: :math:`|W_k|^2/\sigma_w^2` is
    :math:`\chi^2_M/M`, M the width of the last hidden layer, of mean 1 and mean square
    :math:`1 + 2/M`.
    """
    own, last, (C, N) = kernels.own, kernels.last, kernels.outputs.shape[1:]
    squares = np.einsum("nctds,nctds->n", kernels.below, kernels.below)
    squares += 2 / kernels.last_width * np.einsum("ncts,ncts->n", own, own)
    crossed = np.einsum("ncts,nts->n", 2 * own + last[:, None], last)
    return (squares + crossed) / (C * N**2)


def centred_trace(kernels: OutputKernels, network: Network) -> np.ndarray:
    r"""Trace of the dual Fisher matrix of one output after mean subtraction.

    .. math:: \mathrm{tr}(AKA)/N, \qquad A = I - 11^T/N
    """
    return diagonal(kernels, network) - uniform(kernels, network)


def centred_largest(kernels: OutputKernels, network: Network) -> np.ndarray:
    r"""Largest eigenvalue of :math:`AKA/N`, averaged over the norm of the output weights; C = 1.

    :math:`|W|^2/\sigma_w^2` is :math:`\chi^2_M/M`, M the width of the last hidden layer, and
    independent of the direction of W: the average is a Gauss sum of 5 nodes, exact for polynomials
    of degree 9 in it.
    """
    if kernels.outputs.shape[1] != 1:
        raise DescriptionError("the largest eigenvalue is averaged over the norm for one output")
    N = kernels.outputs.shape[-1]
    A = np.eye(N) - 1 / N
    below, last = A @ kernels.own[:, 0] @ A / N, A @ kernels.last @ A / N
    return np.sum(
        [
            weight * np.linalg.eigvalsh(squared_norm * below + last)[:, -1]
            for squared_norm, weight in zip(*mean_chi_square_rule(kernels.last_width), strict=True)
        ],
        axis=0,
    )


def mean_chi_square_rule(n: int, nodes: int = 5) -> tuple[np.ndarray, np.ndarray]:
    r"""Gauss nodes and weights of the law of :math:`\chi^2_n/n`, from its three-term recurrence.

    >>> x, w = mean_chi_square_rule(8)
    >>> [round(float(w @ x**k), 12) for k in (0, 1, 2)]
    [1.0, 1.0, 1.25]
    """
    k = np.arange(nodes)
    diagonal, above = 2 * k + n / 2, np.sqrt(k[1:] * (k[1:] + n / 2 - 1))
    points, vectors = linalg.eigh_tridiagonal(diagonal, above)
    return 2 * points / n, vectors[0] ** 2


def trace_given_outputs(kernels: OutputKernels, network: Network) -> np.ndarray:
    r"""Trace of an output's kernel behind batch norm, times the realised variance of the output.

    .. math:: \sigma_k^2\,\mathrm{tr}(A_k K_k A_k^T)/\gamma^2 = \mathrm{tr}(\Pi_k K_k \Pi_k),
              \qquad \Pi_k = I - \frac{11^T}N - \frac{\hat f_k \hat f_k^T}N

    at :math:`\epsilon = 0`. The normalized output does not depend on the norm of the output
    weights, so the average over it stays exact.
    """
    K, N = kernels.averaged, kernels.outputs.shape[-1]
    centred = kernels.outputs - kernels.outputs.mean(axis=-1, keepdims=True)
    along = np.einsum("nct,ncts,ncs->nc", centred, K, centred) / (centred**2).sum(axis=-1)
    return N * centred_trace(kernels, network) - along.mean(axis=1)


def output_variance(kernels: OutputKernels, network: Network) -> np.ndarray:
    r"""Biased variance of an output over the samples, averaged exactly over the output weights.

    .. math:: \frac{\sigma_w^2}{M_{L-1}} \frac{|H - \bar H|^2}{N}, \qquad H = h^{L-1}
    """
    N = kernels.outputs.shape[-1]
    gram = kernels.output_gram
    spread = np.einsum("ntt->n", gram) - gram.sum(axis=(1, 2)) / N
    return float(network.sigma_w2) / kernels.last_width * spread / N


def _count(kernels: OutputKernels) -> int:
    return kernels.outputs.shape[1] * kernels.outputs.shape[2]


OBSERVABLES: dict[str, Callable[[OutputKernels, Network], np.ndarray]] = {
    function.__name__: function
    for function in (
        diagonal,
        off_diagonal,
        uniform,
        squared_trace,
        centred_trace,
        centred_largest,
        trace_given_outputs,
        output_variance,
    )
}
