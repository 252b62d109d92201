r"""The dual Fisher matrix as a product with vectors, without the matrix.

:math:`F^* v = \frac1N A J J^T A^T v` takes one pass down, which gathers the cotangents
:math:`\bar u^l` of all layers, and one up. The weights' gradient :math:`h^T \bar u` is never
formed: its effect on the way up is :math:`h h^T \bar u`, with the N x N matrix :math:`h h^T` kept.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from numerics.network import Forward, Parameters, propagate
from numerics.outputs import against_outputs, along_outputs
from theory.architecture import Network, Normalized


@dataclass(frozen=True)
class DualProduct:
    """F* of one network as a product with vectors of C N numbers, the last layer's map applied.

    ``grams``: of what the weights of each layer see, with the gradients of its biases where the
    weights are plain. ``memory``: for each hidden layer two arrays of its size, which every
    product overwrites; one product runs at a time.
    """

    network: Network
    run: Forward
    grams: tuple[np.ndarray, ...]
    memory: tuple[np.ndarray, ...]

    @classmethod
    def at(cls, network: Network, parameters: Parameters, inputs: np.ndarray) -> DualProduct:
        """At one network, parameters of n = 1, and inputs (N, M_0) or (1, N, M_0)."""
        run = propagate(network, parameters, inputs)
        grams = []
        for affine, h in zip(run.affines, run.activations, strict=True):
            grams.append(affine.gram(h))
            if network.bias_gradients and affine.directions is None:
                grams[-1] += affine.bias_rate**2
        return cls(network, run, tuple(grams), work(run))

    @property
    def size(self) -> int:
        return self.run.linear_outputs.size

    def __call__(self, v: np.ndarray) -> np.ndarray:
        return self.of_layers_from(1, v)

    def of_layers_from(self, lowest: int, v: np.ndarray) -> np.ndarray:
        """The product with what the parameters of the layers l >= ``lowest`` contribute to F*.

        From L - 1 on it is cheap: no matrix of weights between hidden layers takes part.
        """

        def linear(cotangent: np.ndarray) -> np.ndarray:
            inner, outer = cotangents(self.network, self.run, cotangent, self.memory, lowest)
            return self._up(lowest, inner, outer)

        return self._mapped(v, linear)

    def random(self) -> np.ndarray:
        """A random vector of the precision of the product, always the same."""
        dtype = self.run.linear_outputs.dtype
        return np.random.default_rng(0).standard_normal(self.size).astype(dtype)

    def _mapped(self, v: np.ndarray, linear: Callable[[np.ndarray], np.ndarray]) -> np.ndarray:
        """A product for the linear outputs, (1, N, C) to (1, N, C), between A^T and A."""
        outputs = self.run.linear_outputs
        cotangent = against_outputs(self.network, outputs, v.reshape(1, *outputs.shape))[0]
        tangent = linear(cotangent.swapaxes(1, 2)).swapaxes(1, 2)
        return along_outputs(self.network, outputs, tangent[None])[0].ravel() / outputs.shape[-1]

    def _up(
        self, lowest: int, inner: list[np.ndarray], outer: list[np.ndarray | None]
    ) -> np.ndarray:
        """The tangent (1, N, C) of the outputs along the gradient of these cotangents."""
        h_tangent = None
        for l in range(lowest, self.network.depth):
            layer = self.run.hidden[l - 1]
            tangent = self._own(l, inner[l - lowest], self.memory[l - 1][1])
            if h_tangent is not None:  # nothing needs the cotangent of u^l any more
                tangent += np.matmul(h_tangent, self.run.affines[l - 1].W, out=inner[l - lowest])
            tangent = layer.tangent(tangent, overwrite=True)
            cotangent = outer[l - lowest]
            if cotangent is not None:
                hat = layer.normalized()
                tangent += hat * (hat * cotangent).sum(axis=1, keepdims=True)
                tangent += cotangent.sum(axis=1, keepdims=True)
            tangent *= self.run.derivatives[l - 1]
            h_tangent = tangent
        own = self._own(self.network.depth, inner[-1])
        return own if h_tangent is None else own + h_tangent @ self.run.affines[-1].W

    def _own(self, l: int, cotangent: np.ndarray, out: np.ndarray | None = None) -> np.ndarray:
        """The tangent of u^l along the gradient by the weights, biases and gains of layer l."""
        affine, h = self.run.affines[l - 1], self.run.activations[l - 1]
        tangent = np.matmul(self.grams[l - 1], cotangent, out=out)
        if affine.directions is not None:
            y = h @ affine.directions
            along = y * (y * cotangent).sum(axis=1, keepdims=True)
            tangent -= along
            tangent *= np.asarray(affine.rates)[:, None, :] ** 2
            if self.network.trained_gains:
                tangent += along
            if self.network.bias_gradients:
                tangent += affine.bias_rate**2 * cotangent.sum(axis=1, keepdims=True)
        return tangent


def work(run: Forward) -> tuple[np.ndarray, ...]:
    """Two arrays (n, N, M_l) for each hidden layer."""
    return tuple(np.empty((2, *h.shape), h.dtype) for h in run.activations[1:])


def cotangents(
    network: Network,
    run: Forward,
    cotangent: np.ndarray,
    memory: Sequence[np.ndarray],
    lowest: int = 1,
) -> tuple[list[np.ndarray], list[np.ndarray | None]]:
    """Cotangents (n, N, M_l) of u^l for l = ``lowest``..L, and of the activations' arguments.

    ``cotangent`` is that of the linear outputs, (n, N, C). The arguments' are kept where scale and
    shift are trained, None elsewhere. The results lie in ``memory``, one array (n, N, M_l) or more
    for each hidden layer.
    """
    inner, outer = [cotangent], list[np.ndarray | None]()
    for l in range(network.depth - 1, lowest - 1, -1):
        scheme = (network.layers or ())[l - 1]
        trained = isinstance(scheme, Normalized) and scheme.trained
        above = np.matmul(inner[-1], run.affines[l].W.swapaxes(1, 2), out=memory[l - 1][0])
        above *= run.derivatives[l - 1]
        outer.append(above if trained else None)
        inner.append(run.hidden[l - 1].cotangent(above, overwrite=not trained))
    return inner[::-1], outer[::-1]
