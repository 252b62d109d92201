r"""The Fisher matrix through its dual, from layerwise products: never P x P.

With :math:`J = \partial f_k(t)/\partial\theta`, rows (k, t), the Gram matrix :math:`K = J J^T` is

.. math:: K_{(k,t),(k',s)} = \sum_{l=1}^L D_k^l(t)\cdot D_{k'}^l(s)
          \left( h^{l-1}(t)\cdot h^{l-1}(s) + 1 \right),

the 1 for the gradients of the biases, and :math:`F^* = K/N`.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from numerics.layers import operation
from numerics.network import Forward, Parameters, backpropagate, propagate
from theory.architecture import Network


def _forward_grams(network: Network, run: Forward) -> list[np.ndarray]:
    bias = float(network.bias_gradients)
    return [h @ h.swapaxes(-1, -2) + bias for h in run.activations]


def dual_gram(network: Network, parameters: Parameters, inputs: np.ndarray) -> np.ndarray:
    r"""The Gram matrix K of every network, shape (n, C N, C N), the last layer's map applied.

    Divide by N for the dual Fisher matrix. ``inputs``: (n, N, M_0), or (N, M_0) for all networks.

    >>> net = Network("linear", depth=2, sigma_w2=1)
    >>> weights = np.ones((1, 3, 2)), np.ones((1, 2, 1))
    >>> ones = Parameters(weights, (np.zeros((1, 2)), np.zeros((1, 1))))
    >>> dual_gram(net, ones, np.eye(3)[:2])  # W2.W2 (x.x + 1) + h.h + 1
    array([[[7., 5.],
            [5., 7.]]])
    """
    run = propagate(network, parameters, inputs)
    return through_last_layer(network, run.linear_outputs, linear_gram(network, parameters, run))


def through_last_layer(network: Network, outputs: np.ndarray, K: np.ndarray) -> np.ndarray:
    """A K A^T, A the derivative of the last layer's map at the linear outputs (n, C, N)."""
    n, C, N = outputs.shape
    jvp = operation(network.last).jvp

    def along_rows(matrix: np.ndarray) -> np.ndarray:
        tangents = matrix.reshape(n, C, N, C * N).swapaxes(2, 3)
        mapped = jvp(network.last, outputs[:, :, None, :], tangents)
        return mapped.swapaxes(2, 3).reshape(n, C * N, C * N)

    return along_rows(along_rows(K).swapaxes(1, 2)).swapaxes(1, 2)


def linear_gram(network: Network, parameters: Parameters, run: Forward) -> np.ndarray:
    """The Gram matrix of the linear outputs, shape (n, C N, C N)."""
    grams = _forward_grams(network, run)
    n, C, N = run.linear_outputs.shape
    K = np.zeros((n, C, N, C, N))
    for k in range(C):
        K[:, k, :, k, :] = grams[-1]
    for l, D in backpropagate(parameters, run):
        flat = D.reshape(n, C * N, -1)
        for network_index in range(n):  # A @ A.T is a symmetric product, at half the operations
            A = flat[network_index]
            gram = grams[l - 1][network_index if grams[l - 1].ndim == 3 else ()]
            block = (A @ A.T).reshape(C, N, C, N)
            block *= gram[None, :, None, :]
            K[network_index] += block
    return K.reshape(n, C * N, C * N)


class OutputKernels(NamedTuple):
    r"""The kernel K of the linear outputs, split at the output weights; n networks.

    ``below`` (n, C, N, C, N): layers l < L, the block of outputs k and k' divided by
    :math:`|W_k^L| |W_{k'}^L|/\sigma_w^2`. It is linear in :math:`W_k^L` and in
    :math:`W_{k'}^L`, whose norms are independent of their directions and of each other.
    ``last`` (n, N, N): the output layer, the same for each output and zero between two.
    ``outputs`` (n, C, N): linear. ``output_gram`` (n, N, N): that of h^{L-1}, whose width is
    ``last_width``.
    """

    below: np.ndarray
    last: np.ndarray
    outputs: np.ndarray
    output_gram: np.ndarray
    last_width: int

    @property
    def own(self) -> np.ndarray:
        """``below`` of one output at a time, (n, C, N, N)."""
        return np.einsum("nctcs->ncts", self.below)

    @property
    def averaged(self) -> np.ndarray:
        """The blocks (n, C, N, N) of one output, averaged over the norm of its weights."""
        return self.own + self.last[:, None]


def output_kernels(network: Network, parameters: Parameters, inputs: np.ndarray) -> OutputKernels:
    """The kernel before the last layer's map, split at the output weights."""
    run = propagate(network, parameters, inputs)
    grams = _forward_grams(network, run)
    norms = np.sqrt((parameters.weights[-1] ** 2).sum(axis=1) / float(network.sigma_w2))
    n, C, N = run.linear_outputs.shape
    below = np.zeros((n, C, N, C, N))
    for l, D in backpropagate(parameters, run):
        flat = D.reshape(n, C * N, -1)
        products = (flat @ flat.swapaxes(-1, -2)).reshape(n, C, N, C, N)
        below += products * np.expand_dims(grams[l - 1], (-4, -2))
    below /= norms[:, :, None, None, None] * norms[:, None, None, :, None]
    output_gram = grams[-1] - float(network.bias_gradients)
    last_width = run.activations[-1].shape[-1]
    return OutputKernels(below, grams[-1], run.linear_outputs, output_gram, last_width)
