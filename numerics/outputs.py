r"""The map of the linear outputs: the last layer's scheme, or the loss's metric; arrays (n, C, N).

The Fisher matrix is :math:`\frac1N J^T A^T A J`, J the Jacobian of the linear outputs and A the
derivative of the last layer's map. For cross-entropy
:math:`A_t^T A_t = Q_t = \mathrm{diag}(g) - g g^T`, g the softmax of the outputs of sample t, with

.. math:: A_t = (I - \sqrt g \sqrt g^T)\, \mathrm{diag}(\sqrt g).
"""

from __future__ import annotations

import numpy as np

from numerics.layers import operation
from theory.architecture import Network


def map_outputs(network: Network, outputs: np.ndarray) -> np.ndarray:
    """The last layer's scheme applied to linear outputs (n, C, N)."""
    scheme = network.last
    return _back(network, operation(scheme).apply(scheme, _statistics(network, outputs)), outputs)


def along_outputs(network: Network, outputs: np.ndarray, tangents: np.ndarray) -> np.ndarray:
    """A at the linear outputs (n, C, N), along tangents (n, K, C, N)."""
    return _derivative(network, outputs, tangents, transposed=False)


def against_outputs(network: Network, outputs: np.ndarray, cotangents: np.ndarray) -> np.ndarray:
    """A^T at the linear outputs (n, C, N), along cotangents (n, K, C, N)."""
    return _derivative(network, outputs, cotangents, transposed=True)


def _derivative(
    network: Network, outputs: np.ndarray, vectors: np.ndarray, *, transposed: bool
) -> np.ndarray:
    if network.loss == "cross-entropy":
        return _softmax_root(outputs[:, None], vectors, transposed=transposed)
    scheme = network.last
    if scheme.over == "":
        return vectors
    product = operation(scheme).vjp if transposed else operation(scheme).jvp
    at = _statistics(network, outputs[:, None])
    return _back(network, product(scheme, at, _statistics(network, vectors)), vectors)


def _statistics(network: Network, array: np.ndarray) -> np.ndarray:
    """(..., C, N) with the axis of the statistics last: the samples of a batch, or the outputs."""
    if network.last.over == "units":
        return array.swapaxes(-1, -2)
    return array.reshape(*array.shape[:-1], -1, network.batch(array.shape[-1]))


def _back(network: Network, array: np.ndarray, like: np.ndarray) -> np.ndarray:
    return array.swapaxes(-1, -2) if network.last.over == "units" else array.reshape(like.shape)


def softmax(outputs: np.ndarray) -> np.ndarray:
    """Over the outputs of each sample, (..., C, N)."""
    powers = np.exp(outputs - outputs.max(axis=-2, keepdims=True))
    return powers / powers.sum(axis=-2, keepdims=True)


def _softmax_root(outputs: np.ndarray, vectors: np.ndarray, *, transposed: bool) -> np.ndarray:
    root = np.sqrt(softmax(outputs))
    if not transposed:
        vectors = root * vectors
    projected = vectors - root * (root * vectors).sum(axis=-2, keepdims=True)
    return root * projected if transposed else projected


def through_last_layer(network: Network, outputs: np.ndarray, K: np.ndarray) -> np.ndarray:
    """A K A^T at the linear outputs (n, C, N), for K of shape (n, C N, C N)."""
    if network.loss == "mse" and network.last.over == "":
        return K
    n, C, N = outputs.shape

    def on_columns(matrix: np.ndarray) -> np.ndarray:
        tangents = matrix.swapaxes(1, 2).reshape(n, C * N, C, N)
        return along_outputs(network, outputs, tangents).reshape(n, C * N, C * N).swapaxes(1, 2)

    return on_columns(on_columns(K).swapaxes(1, 2)).swapaxes(1, 2)
