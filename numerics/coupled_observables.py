r"""What a network shows behind a map that couples the outputs of a sample, given its outputs.

Layer norm over the outputs and the softmax of cross-entropy make every moment of the Fisher matrix
random through the outputs. Divided by what the same outputs make of a kernel of ones, they are not.
Raw: nothing is averaged over the norm of the output weights, on which the outputs depend.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from numerics.output_kernels import OutputKernels
from numerics.outputs import through_last_layer
from theory.architecture import LayerNorm, Network

Observable = Callable[[OutputKernels, Network], np.ndarray]


def _layer_normalized(network: Network) -> Network:
    return replace(network, last=LayerNorm())


def _with_softmax(network: Network) -> Network:
    return replace(network, loss="cross-entropy")


def _blocks(network: Network, kernels: OutputKernels, K: np.ndarray) -> np.ndarray:
    """A K A^T by outputs and samples, (n, C, N, C, N)."""
    n, C, N = kernels.outputs.shape
    return through_last_layer(network, kernels.outputs, K).reshape(n, C, N, C, N)


def _ones(kernels: OutputKernels) -> np.ndarray:
    """The kernel that is 1 between all samples of an output, and 0 between outputs."""
    n, C, N = kernels.outputs.shape
    return np.broadcast_to(np.kron(np.eye(C), np.ones((N, N))), (n, C * N, C * N))


def _samples(kernels: OutputKernels) -> int:
    return int(kernels.outputs.shape[-1])


def _same(blocks: np.ndarray) -> np.ndarray:
    """The sum of squares within each sample."""
    own = np.einsum("nctdt->ntcd", blocks)
    return np.einsum("ntcd,ntcd->n", own, own)


def _all(blocks: np.ndarray) -> np.ndarray:
    return np.einsum("nctds,nctds->n", blocks, blocks)


def _trace(mapped: Callable[[Network], Network]) -> Observable:
    def observable(kernels: OutputKernels, network: Network) -> np.ndarray:
        K, ones = (_blocks(mapped(network), kernels, k) for k in (kernels.gram, _ones(kernels)))
        return np.einsum("nctct->n", K) / np.einsum("nctct->n", ones)

    observable.__doc__ = r""":math:`\sum_t \mathrm{tr} A_t K_{tt} A_t^T /
    \sum_t \mathrm{tr} A_t A_t^T`: the mean eigenvalue given the outputs, in the unit of K_1."""
    return observable


def _square(mapped: Callable[[Network], Network]) -> Observable:
    def observable(kernels: OutputKernels, network: Network) -> np.ndarray:
        K, ones = (_blocks(mapped(network), kernels, k) for k in (kernels.gram, _ones(kernels)))
        return _same(K) / _same(ones)

    observable.__doc__ = r""":math:`\sum_t |A_t K_{tt} A_t^T|^2 / \sum_t |A_t A_t^T|^2`: one part
    of the second moment given the outputs, in the unit of K_1 squared."""
    return observable


def _cross(mapped: Callable[[Network], Network]) -> Observable:
    def observable(kernels: OutputKernels, network: Network) -> np.ndarray:
        K, ones = (_blocks(mapped(network), kernels, k) for k in (kernels.gram, _ones(kernels)))
        return (_all(K) - _same(K)) / (_all(ones) - _same(ones))

    observable.__doc__ = r""":math:`\sum_{t \ne s} |A_t K_{ts} A_s^T|^2 / \sum_{t \ne s}
    |A_t A_s^T|^2`: the other part of the second moment, in the unit of K_2 squared."""
    return observable


def _largest(mapped: Callable[[Network], Network]) -> Observable:
    def observable(kernels: OutputKernels, network: Network) -> np.ndarray:
        K, N = kernels.gram, kernels.outputs.shape[-1]
        return (
            np.linalg.eigvalsh(through_last_layer(mapped(network), kernels.outputs, K))[:, -1] / N
        )

    observable.__doc__ = "The largest eigenvalue of the dual Fisher matrix."
    return observable


def _second(mapped: Callable[[Network], Network]) -> Observable:
    def observable(kernels: OutputKernels, network: Network) -> np.ndarray:
        return _all(_blocks(mapped(network), kernels, kernels.gram)) / _samples(kernels) ** 2

    observable.__doc__ = "The trace of the squared dual Fisher matrix, P s."
    return observable


COUPLED_OBSERVABLES: dict[str, Observable] = {
    f"{name}_{quantity}": of_map(mapped)
    for name, mapped in (("layer_norm", _layer_normalized), ("softmax", _with_softmax))
    for quantity, of_map in (
        ("trace", _trace),
        ("square", _square),
        ("cross", _cross),
        ("second", _second),
        ("largest", _largest),
    )
}
