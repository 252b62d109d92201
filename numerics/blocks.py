r"""The Gram matrices of one layer: of its weights' gradients, and of the gradients by its features.

Exact derivatives, as in ``numerics.fisher``; the names are "weights.l", l = 1..L, and "features.l",
l = 0..L-1.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import NamedTuple

import numpy as np

from numerics.fisher import grams_below, grams_of_outputs
from numerics.network import Forward, backpropagate
from numerics.products import square
from theory.architecture import Network


class LayerGram(NamedTuple):
    """``below`` (n, C, N, C, N) and what an output has for itself, ``last`` (n, C, N, N)."""

    name: str
    below: np.ndarray
    last: np.ndarray

    @property
    def gram(self) -> np.ndarray:
        """The Gram matrix (n, C N, C N)."""
        n, C, N = self.below.shape[:3]
        K, outputs = self.below.copy(), np.arange(C)
        K[:, outputs, :, outputs] += self.last.swapaxes(0, 1)
        return K.reshape(n, C * N, C * N)


def layer_grams(network: Network, run: Forward) -> Iterator[LayerGram]:
    """Of all layers, one at a time: the blocks from below, then the features from above."""
    n, C, N = run.linear_outputs.shape
    none = np.zeros((n, C, N, N))
    for l in range(1, network.depth):
        yield LayerGram(f"weights.{l}", _weights(network, run, l), none)
    last = np.broadcast_to(grams_of_outputs(network, run)["weights"], none.shape)
    yield LayerGram(f"weights.{network.depth}", np.zeros((n, C, N, C, N)), last)
    for l, gradients in _features(run):
        flat = gradients.reshape(n, C * N, -1)
        products = square(flat).reshape(n, C, N, C, N)
        yield LayerGram(f"features.{l}", products, none)


def _weights(network: Network, run: Forward, l: int) -> np.ndarray:
    """The weights' part where no layer but l sees its inputs."""
    seen = tuple(
        h if layer == l else np.zeros_like(h) for layer, h in enumerate(run.activations, start=1)
    )
    return grams_below(network, replace(run, activations=seen), split=True)["weights"]


def _features(run: Forward) -> Iterator[tuple[int, np.ndarray]]:
    r"""Gradients (n, C, N, M_l) by a shift of the features of layer l that all samples share.

    :math:`(W^{l+1})^T \sum_{t'} \partial f_k(t)/\partial u^{l+1}(t')`, for l = L-1..0.
    """
    n, C, N = run.linear_outputs.shape
    W = run.affines[-1].W.swapaxes(1, 2)
    yield len(run.affines) - 1, np.broadcast_to(W[:, :, None], (n, C, N, W.shape[-1]))
    for sensitivity in backpropagate(run):
        below = run.affines[sensitivity.layer - 1].W.swapaxes(1, 2)
        yield sensitivity.layer - 1, sensitivity.collected() @ below[:, None]
