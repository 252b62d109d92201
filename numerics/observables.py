r"""What a network shows of one theorem: functions of the kernels of its outputs.

All are averaged over the C outputs, and over the norm of the output weights where that is exact.
Each takes the kernels of n networks and returns n numbers. The units are those of K: nothing is
divided by a width. Batches are the network's, of B samples each; one batch holds all N by default.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import scipy

from numerics.coupled_observables import COUPLED_OBSERVABLES
from numerics.output_kernels import OutputKernels
from numerics.spectrum import alignment
from numerics.spherical import spherical_mean
from theory.architecture import DescriptionError, Network


def diagonal(kernels: OutputKernels, network: Network) -> np.ndarray:
    r"""Mean of :math:`K_{tt}` over the samples."""
    return np.einsum("nctt->n", kernels.averaged) / _count(kernels)


def off_diagonal(kernels: OutputKernels, network: Network) -> np.ndarray:
    r"""Mean of :math:`K_{ts}` over the pairs of different samples of one batch."""
    K, B = kernels.averaged, _batch(kernels, network)
    return (_batch_sums(K, B) - np.einsum("nctt->n", K)) / (_count(kernels) * (B - 1))


def hidden_diagonal(kernels: OutputKernels, network: Network) -> np.ndarray:
    r"""``diagonal`` of the part of the layers l < L."""
    return np.einsum("nctt->n", kernels.own) / _count(kernels)


def hidden_off_diagonal(kernels: OutputKernels, network: Network) -> np.ndarray:
    r"""``off_diagonal`` of the part of the layers l < L."""
    K, B = kernels.own, _batch(kernels, network)
    return (_batch_sums(K, B) - np.einsum("nctt->n", K)) / (_count(kernels) * (B - 1))


def between_batches(kernels: OutputKernels, network: Network) -> np.ndarray:
    r"""Mean of :math:`K_{ts}` over the pairs of samples of different batches."""
    K, B, N = kernels.averaged, _batch(kernels, network), kernels.outputs.shape[-1]
    _require_batches(B, N)
    return (K.sum(axis=(1, 2, 3)) - _batch_sums(K, B)) / (_count(kernels) * (N - B))


def uniform(kernels: OutputKernels, network: Network) -> np.ndarray:
    r"""Rayleigh quotient of K/N along the uniform direction, :math:`1^T K 1/N^2`."""
    N = kernels.outputs.shape[-1]
    return kernels.averaged.sum(axis=(1, 2, 3)) / (_count(kernels) * N)


def batch_contrast(kernels: OutputKernels, network: Network) -> np.ndarray:
    r"""Mean eigenvalue of K/N on the contrasts between batches.

    .. math:: \frac{1}{(N/B - 1) N} \left(\frac1B\sum_b 1_b^T K 1_b - \frac1N 1^T K 1\right)
    """
    K, B, N = kernels.averaged, _batch(kernels, network), kernels.outputs.shape[-1]
    _require_batches(B, N)
    contrast = _batch_sums(K, B) / B - K.sum(axis=(1, 2, 3)) / N
    return contrast / ((N / B - 1) * _count(kernels))


def squared_trace(kernels: OutputKernels, network: Network) -> np.ndarray:
    r"""Trace of the squared dual Fisher matrix over C, :math:`|K|^2/(C N^2)`, all blocks counted.

    Averaged over the norms of the output weights: :math:`|W_k|^2/\sigma_w^2` is
    :math:`\chi^2_M/M`, M their dimension, of mean 1 and mean square :math:`1 + 2/M`; or 1, where
    output weights are normalized.
    """
    return _mean_square(kernels, kernels.below, kernels.last)


def centred_squared_trace(kernels: OutputKernels, network: Network) -> np.ndarray:
    r"""``squared_trace`` after mean subtraction, :math:`|AKA|^2/(C N^2)`; A centres each batch."""
    A = _centring(kernels, network)
    below = np.einsum("tu,ncuds,sv->nctdv", A, kernels.below, A, optimize=True)
    return _mean_square(kernels, below, A @ kernels.last @ A)


def square_given_outputs(kernels: OutputKernels, network: Network) -> np.ndarray:
    r"""Squared trace behind batch norm, times the squared realised variance of the output; C = 1.

    .. math:: \sigma^4\,|A K A^T|^2/\gamma^4 = |\Pi K \Pi|^2

    at :math:`\epsilon = 0`, with the :math:`\Pi` of ``trace_given_outputs``.
    """
    N, P = kernels.outputs.shape[-1], _projectors(kernels, network)
    own, last = P @ kernels.own[:, 0] @ P, P @ kernels.last[:, 0] @ P
    return N**2 * _mean_square(kernels, own[:, None, :, None], last[:, None])


def _mean_square(kernels: OutputKernels, below: np.ndarray, last: np.ndarray) -> np.ndarray:
    """The mean of the sum of squares over the norms of the output weights, over C N^2."""
    C, N = kernels.outputs.shape[1:]
    own = np.einsum("nctcs->ncts", below)
    last = np.broadcast_to(last, own.shape)
    squares = np.einsum("nctds,nctds->n", below, below)
    if not kernels.fixed_norm:
        squares += 2 / kernels.dimension * np.einsum("ncts,ncts->n", own, own)
    crossed = np.einsum("ncts,ncts->n", 2 * own + last, last)
    return (squares + crossed) / (C * N**2)


def _centring(kernels: OutputKernels, network: Network) -> np.ndarray:
    B, N = _batch(kernels, network), kernels.outputs.shape[-1]
    return np.eye(N) - np.kron(np.eye(N // B), np.full((B, B), 1 / B))


def _projectors(kernels: OutputKernels, network: Network) -> np.ndarray:
    r"""The projectors :math:`\Pi` of batch norm of one output, (n, N, N), blocks over batches."""
    if kernels.outputs.shape[1] != 1:
        raise DescriptionError("squares behind batch norm are averaged for one output")
    B, (n, _, N) = _batch(kernels, network), kernels.outputs.shape
    f = kernels.outputs[:, 0].reshape(n, N // B, B)
    centred = f - f.mean(axis=-1, keepdims=True)
    unit = centred / np.linalg.norm(centred, axis=-1, keepdims=True)
    along = np.einsum("nbt,nbs,bc->nbtcs", unit, unit, np.eye(N // B)).reshape(n, N, N)
    return _centring(kernels, network) - along


def centred_trace(kernels: OutputKernels, network: Network) -> np.ndarray:
    r"""Trace of the dual Fisher matrix of one output after mean subtraction.

    .. math:: \mathrm{tr}(AKA)/N, \qquad A = I - 11^T/B \text{ on each batch}
    """
    B = _batch(kernels, network)
    within = _batch_sums(kernels.averaged, B) / (B * _count(kernels))
    return diagonal(kernels, network) - within


def centred_largest(kernels: OutputKernels, network: Network) -> np.ndarray:
    r"""Largest eigenvalue of :math:`AKA/N`, averaged over the norm of the output weights; C = 1.

    A centres over each batch. :math:`|W|^2/\sigma_w^2` is :math:`\chi^2_M/M`, M the dimension of
    W, and independent of the direction of W: the average is a Gauss sum of 5 nodes, exact for
    polynomials of degree 9 in it. It is 1 where output weights are normalized.
    """
    if kernels.outputs.shape[1] != 1:
        raise DescriptionError("the largest eigenvalue is averaged over the norm for one output")
    return _largest(kernels, _centring(kernels, network))


def largest_given_outputs(kernels: OutputKernels, network: Network) -> np.ndarray:
    r"""Largest eigenvalue behind batch norm, times the realised variance of the output; C = 1.

    That of :math:`\Pi K \Pi/N`, with the :math:`\Pi` of ``trace_given_outputs``, averaged as
    ``centred_largest``.
    """
    return _largest(kernels, _projectors(kernels, network))


def largest_over_mean(kernels: OutputKernels, network: Network) -> np.ndarray:
    r"""Largest eigenvalue after mean subtraction over the mean of the C (N-1) that remain.

    All outputs together, at the realised norms of their weights: both are of the same network.
    """
    F = _centred_gram(kernels, network)
    top = F.shape[1] - 1
    largest = [scipy.linalg.eigvalsh(one, subset_by_index=[top, top])[0] for one in F]
    return np.array(largest) / (np.einsum("nii->n", F) / _remaining(kernels, network))


def relative_variance(kernels: OutputKernels, network: Network) -> np.ndarray:
    r"""Variance over the squared mean of the C (N-1) eigenvalues after mean subtraction.

    .. math:: C (N-1)\,\frac{\mathrm{tr} F^{*2}}{(\mathrm{tr} F^*)^2} - 1
    """
    F = _centred_gram(kernels, network)
    squares, traces = np.einsum("nij,nij->n", F, F), np.einsum("nii->n", F)
    return _remaining(kernels, network) * squares / traces**2 - 1


def _centred_gram(kernels: OutputKernels, network: Network) -> np.ndarray:
    """The Gram matrix as realised (n, C N, C N), each output centred over its batches."""
    A = np.kron(np.eye(kernels.outputs.shape[1]), _centring(kernels, network))
    return A @ kernels.gram @ A


def _remaining(kernels: OutputKernels, network: Network) -> int:
    """Eigenvalues that centring leaves."""
    return _count(kernels) - kernels.outputs.shape[1] * (
        kernels.outputs.shape[2] // _batch(kernels, network)
    )


def _largest(kernels: OutputKernels, A: np.ndarray) -> np.ndarray:
    N = kernels.outputs.shape[-1]
    below, last = (A @ K[:, 0] @ A / N for K in (kernels.own, kernels.last))
    rule = ((1.0,), (1.0,)) if kernels.fixed_norm else mean_chi_square_rule(kernels.dimension)
    return np.sum(
        [
            weight * np.linalg.eigvalsh(squared_norm * below + last)[:, -1]
            for squared_norm, weight in zip(*rule, strict=True)
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
    points, vectors = np.linalg.eigh(np.diag(diagonal) + np.diag(above, -1))
    return 2 * points / n, vectors[0] ** 2


def trace_given_outputs(kernels: OutputKernels, network: Network) -> np.ndarray:
    r"""Trace of an output's kernel behind batch norm, times the realised variance of the output.

    .. math:: \sigma_k^2\,\mathrm{tr}(A_k K_k A_k^T)/\gamma^2 = \mathrm{tr}(\Pi_k K_k \Pi_k),
              \qquad \Pi_k = I - \frac{11^T}B - \frac{\hat f_k \hat f_k^T}B

    at :math:`\epsilon = 0`, summed over the batches. The normalized output does not depend on the
    norm of the output weights, so the average over it stays exact.
    """
    B, (n, C, N) = _batch(kernels, network), kernels.outputs.shape
    f = kernels.outputs.reshape(n, C, N // B, B)
    centred = f - f.mean(axis=-1, keepdims=True)
    K = np.einsum("ncbtbs->ncbts", kernels.averaged.reshape(n, C, N // B, B, N // B, B))
    along = np.einsum("ncbt,ncbts,ncbs->ncb", centred, K, centred) / (centred**2).sum(axis=-1)
    return N * centred_trace(kernels, network) - along.sum(axis=-1).mean(axis=1)


def output_variance(kernels: OutputKernels, network: Network) -> np.ndarray:
    r"""Biased variance of an output over a batch, averaged exactly over the output weights.

    .. math:: \frac{\sigma_w^2}{M} \frac{|H - \bar H|^2}{N}, \qquad H = h^{L-1}

    M is the dimension of the output weights, the mean that over the samples of each batch.
    """
    B, N = _batch(kernels, network), kernels.outputs.shape[-1]
    gram = kernels.output_gram
    spread = np.einsum("ntt->n", gram) - _batch_sums(gram[:, None], B) / B
    return float(network.sigma_w2) / kernels.dimension * spread / N


def top_eigenspace_cosine(kernels: OutputKernels, network: Network) -> np.ndarray:
    r"""Squared cosine of the angle between the top C eigenvectors and the mean gradients.

    The largest principal angle (``numerics.spectrum.alignment``), as realised.
    """
    C, N = kernels.outputs.shape[1:]
    angles = [alignment(K / N, C, N) for K in kernels.gram]
    if None in angles:
        raise DescriptionError("the mean gradients of the outputs are linearly dependent")
    return np.cos(np.radians(np.array(angles, dtype=float))) ** 2


def gradient_ratio(kernels: OutputKernels, network: Network) -> np.ndarray:
    r"""Ratio of the squared gradients of layers 2 and 3, ``traces``: below a hidden layer whose
    inputs and outputs are hidden too."""
    if network.depth < 4:
        raise DescriptionError(
            f"the ratio of the gradients of layers 2 and 3 needs depth 4, {network.depth} given"
        )
    traces = kernels.traces
    return traces[:, 1] / traces[:, 2]


def linear_outputs(kernels: OutputKernels, network: Network) -> np.ndarray:
    """The outputs themselves, (n, C, N): what a prediction may be conditional on."""
    return kernels.outputs


def _batch(kernels: OutputKernels, network: Network) -> int:
    return network.batch(kernels.outputs.shape[-1])


def _batch_sums(K: np.ndarray, B: int) -> np.ndarray:
    r""":math:`\sum_b 1_b^T K 1_b` over batches of B samples and outputs, of K (n, C, N, N)."""
    n, C, N, _ = K.shape
    return np.einsum("ncbtbs->n", K.reshape(n, C, N // B, B, N // B, B))


def _require_batches(B: int, N: int) -> None:
    if B == N:
        raise DescriptionError(
            f"pairs of different batches need several batches: one of {B} holds all {N} samples"
        )


def _count(kernels: OutputKernels) -> int:
    return kernels.outputs.shape[1] * kernels.outputs.shape[2]


OBSERVABLES: dict[str, Callable[[OutputKernels, Network], np.ndarray]] = {
    function.__name__: function
    for function in (
        diagonal,
        off_diagonal,
        hidden_diagonal,
        hidden_off_diagonal,
        between_batches,
        uniform,
        batch_contrast,
        squared_trace,
        centred_trace,
        centred_squared_trace,
        centred_largest,
        largest_over_mean,
        relative_variance,
        trace_given_outputs,
        square_given_outputs,
        largest_given_outputs,
        output_variance,
        gradient_ratio,
        top_eigenspace_cosine,
        linear_outputs,
        spherical_mean,
    )
} | COUPLED_OBSERVABLES


def split_name(name: str) -> tuple[str, str]:
    """An observable and the part whose kernel it is taken of, "" for all parameters.

    >>> split_name("biases.off_diagonal"), split_name("weights.2.uniform"), split_name("uniform")
    (('off_diagonal', 'biases'), ('uniform', 'weights.2'), ('uniform', ''))
    """
    group, _, observable = name.rpartition(".")
    return observable, group


def observed(name: str, kernels: OutputKernels, network: Network) -> np.ndarray:
    """The observable of this name.

    That of a group, as "biases.diagonal", needs split kernels; that of one layer is, for example,
    "weights.2.diagonal" or "features.0.diagonal" (``numerics.blocks``).
    """
    observable, group = split_name(name)
    if group:
        known = kernels.layers() if "." in group else kernels.groups
        if group not in known:
            raise DescriptionError(
                f"the network has no parameters {group!r}, it has {', '.join(known)}"
            )
        kernels = known[group]
    return OBSERVABLES[observable](kernels, network)
