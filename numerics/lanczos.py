r"""The largest eigenvalue of the Fisher matrix without the matrix: products through the layers.

:math:`F^* v = \frac1N A J J^T A^T v` takes one pass down, which gathers the cotangents
:math:`\bar u^l` of all layers, and one up. The weights' gradient :math:`h^T \bar u` is never
formed: its effect on the way up is :math:`h h^T \bar u`, with the N x N matrix :math:`h h^T` kept.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from scipy import linalg

from numerics.network import Forward, Parameters, propagate
from numerics.outputs import against_outputs, along_outputs
from theory.architecture import Network, Normalized

SMOOTHING = 2
"""Products with the output layer's own part of F* that make the first vector."""


class NotConverged(ArithmeticError):
    """An iteration that did not reach the residual asked for."""


class Eigenvalue(NamedTuple):
    r"""An estimate from below, and :math:`|F^* v - \lambda v|/\lambda` of its unit vector v.

    An eigenvalue of F* lies within ``residual`` times ``value`` of it. ``vector`` is v, (C N,).
    """

    value: float
    residual: float
    products: int
    vector: np.ndarray


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
        return self._mapped(
            v,
            lambda cotangent: self._up(*cotangents(self.network, self.run, cotangent, self.memory)),
        )

    def of_output_layer(self, v: np.ndarray) -> np.ndarray:
        """The product with the output layer's own part of F*: no other layer takes part."""
        return self._mapped(v, lambda cotangent: self._own(self.network.depth, cotangent))

    def start(self) -> np.ndarray:
        """A random vector, after ``SMOOTHING`` products with the output layer's own part of F*.

        They are cheap, and an outlier of F* lies near the largest eigenvectors of this part. Few
        of them, so that a part along all others stays.
        """
        v = np.random.default_rng(0).standard_normal(self.size)
        for _ in range(SMOOTHING):
            smoothed = self.of_output_layer(v)
            norm = np.linalg.norm(smoothed)
            if norm == 0:
                break
            v = smoothed / norm
        return v

    def _mapped(self, v: np.ndarray, linear: Callable[[np.ndarray], np.ndarray]) -> np.ndarray:
        """A product for the linear outputs, (1, N, C) to (1, N, C), between A^T and A."""
        outputs = self.run.linear_outputs
        cotangent = against_outputs(self.network, outputs, v.reshape(1, *outputs.shape))[0]
        tangent = linear(cotangent.swapaxes(1, 2)).swapaxes(1, 2)
        return along_outputs(self.network, outputs, tangent[None])[0].ravel() / outputs.shape[-1]

    def _up(self, inner: list[np.ndarray], outer: list[np.ndarray | None]) -> np.ndarray:
        """The tangent (1, N, C) of the outputs along the gradient of these cotangents."""
        h_tangent = None
        for l, layer in enumerate(self.run.hidden, 1):
            tangent = self._own(l, inner[l - 1], self.memory[l - 1][1])
            if h_tangent is not None:  # nothing needs the cotangent of u^l any more
                tangent += np.matmul(h_tangent, self.run.affines[l - 1].W, out=inner[l - 1])
            tangent = layer.tangent(tangent, overwrite=True)
            cotangent = outer[l - 1]
            if cotangent is not None:
                hat = layer.normalized()
                tangent += hat * (hat * cotangent).sum(axis=1, keepdims=True)
                tangent += cotangent.sum(axis=1, keepdims=True)
            tangent *= self.run.derivatives[l - 1]
            h_tangent = tangent
        return self._own(self.network.depth, inner[-1]) + h_tangent @ self.run.affines[-1].W

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
    network: Network, run: Forward, cotangent: np.ndarray, memory: Sequence[np.ndarray]
) -> tuple[list[np.ndarray], list[np.ndarray | None]]:
    """Cotangents (n, N, M_l) of u^l for l = 1..L, and of the activations' arguments.

    ``cotangent`` is that of the linear outputs, (n, N, C). The arguments' are kept where scale and
    shift are trained, None elsewhere. The results lie in ``memory``, one array (n, N, M_l) or more
    for each hidden layer.
    """
    inner, outer = [cotangent], list[np.ndarray | None]()
    for l in range(network.depth - 1, 0, -1):
        scheme = (network.layers or ())[l - 1]
        trained = isinstance(scheme, Normalized) and scheme.trained
        above = np.matmul(inner[-1], run.affines[l].W.swapaxes(1, 2), out=memory[l - 1][0])
        above *= run.derivatives[l - 1]
        outer.append(above if trained else None)
        inner.append(run.hidden[l - 1].cotangent(above, overwrite=not trained))
    return inner[::-1], outer[::-1]


def largest_eigenvalue(
    network: Network,
    parameters: Parameters,
    inputs: np.ndarray,
    *,
    residual: float = 1e-3,
    most: int = 200,
) -> Eigenvalue:
    r"""The largest eigenvalue of the Fisher matrix of one network (n = 1), matrix-free.

    Lanczos with full orthogonalization on the dual side, from ``DualProduct.start``: it stops as
    soon as :math:`|F^* v - \lambda v| \le \mathrm{residual}\cdot\lambda`, computed and not
    estimated. That an eigenvalue lies there is certain; that it is the largest is not, if the
    start happens to have no part along its vector.

    Raises ``NotConverged`` if this takes more than ``most`` products.

    >>> net = Network("linear", depth=2, sigma_w2=1)
    >>> weights = np.ones((1, 3, 2)), np.ones((1, 2, 1))
    >>> ones = Parameters(weights, (np.zeros((1, 2)), np.zeros((1, 1))))
    >>> found = largest_eigenvalue(net, ones, np.eye(3)[:2], residual=1e-12)
    >>> round(found.value, 9)  # of [[7, 5], [5, 7]]/2
    6.0
    """
    product = DualProduct.at(network, parameters, inputs)
    return lanczos(product, product.start(), residual=residual, most=most)


def lanczos(
    product: Callable[[np.ndarray], np.ndarray], start: np.ndarray, *, residual: float, most: int
) -> Eigenvalue:
    """The largest eigenvalue of a positive semidefinite symmetric product, from this start.

    Raises ``NotConverged`` after ``most`` products, ``OverflowError`` if one is not finite.
    """
    size = start.size
    basis = np.empty((min(most, size), size))
    images = np.empty_like(basis)
    basis[0] = start / np.linalg.norm(start)
    relative = np.inf
    for k in range(1, len(basis) + 1):
        images[k - 1] = product(basis[k - 1])
        projected = basis[:k] @ images[:k].T
        if not np.isfinite(projected).all():
            raise OverflowError("the products with F* leave the range of float64")
        values, vectors = linalg.eigh((projected + projected.T) / 2)
        value, coefficients = float(values[-1]), vectors[:, -1]
        difference = float(np.linalg.norm(coefficients @ (images[:k] - value * basis[:k])))
        if difference <= residual * value:
            reached = difference / value if value > 0 else 0.0
            return Eigenvalue(value, reached, k, coefficients @ basis[:k])
        relative = difference / value if value > 0 else np.inf
        if k < len(basis):
            w = images[k - 1]
            for _ in range(2):  # twice is enough against rounding
                w = w - (basis[:k] @ w) @ basis[:k]
            norm = np.linalg.norm(w)
            if norm == 0:
                break
            basis[k] = w / norm
    raise NotConverged(
        f"the largest eigenvalue has a relative residual of {relative:.1e} after {k} products, "
        f"{residual:.1e} was asked for; ask for a larger residual or allow more products"
    )
