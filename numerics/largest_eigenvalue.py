r"""The largest eigenvalues of the Fisher matrix of one network, matrix-free.

The parameters of the two layers on top contribute a part to F* whose products are cheap, and whose
largest eigenvectors lie near those of F*. This part is solved first; its eigenvectors correct the
residuals of F*. Both are done in float32, and what they find is the start in float64, so that the
result and its residual are those of float64.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

import numpy as np

from numerics.dual_product import DualProduct
from numerics.lanczos import Correction, Eigenvalue, checked, search, unchanged
from numerics.network import Parameters
from theory.architecture import DescriptionError, Network, OutOfRegime

ROUGH = 4e-6
"""Residual to which float32 is used."""

OF_PART = 1e-6
"""Residual of the cheap part's eigenvectors, which are a correction, not a result."""

NEAREST = 1e-3
"""Smallest distance, relative to the eigenvalue, by which a correction divides."""


@dataclass(frozen=True)
class Part:
    r"""Eigenvalues :math:`\mu_j` (k,), descending, and eigenvectors (k, C N) of a part of F*.

    Called, :math:`\mu_i (\lambda_i - F^*)^{-1}` on a residual of the i-th eigenvalue, if the rest
    of F* adds one number to the :math:`\mu_j`, and the other eigenvalues are small.
    """

    values: np.ndarray
    vectors: np.ndarray

    def __call__(self, residual: np.ndarray, i: int) -> np.ndarray:
        if i >= len(self.values) or self.values[i] <= 0:
            return residual
        value = self.values[i]
        distance = value - self.values
        near = NEAREST * value
        distance = np.where(abs(distance) < near, near, distance)
        along = self.vectors @ residual
        corrected = residual + (along * (value / distance - 1)) @ self.vectors
        return corrected.astype(residual.dtype)


def largest_eigenvalue(
    network: Network,
    parameters: Parameters,
    inputs: np.ndarray,
    *,
    residual: float = 1e-3,
    most: int = 200,
) -> Eigenvalue:
    r"""The largest eigenvalue of the Fisher matrix of one network (n = 1), matrix-free.

    It stops as soon as :math:`|F^* v - \lambda v| \le \mathrm{residual}\cdot\lambda`, computed in
    float64. That an eigenvalue lies there is certain; that it is the largest is not, if neither a
    random vector nor the layers on top have a part along its vector.

    Raises ``NotConverged`` if this takes more than ``most`` products with F*.

    >>> net = Network("linear", depth=2, sigma_w2=1)
    >>> weights = np.ones((1, 3, 2)), np.ones((1, 2, 1))
    >>> ones = Parameters(weights, (np.zeros((1, 2)), np.zeros((1, 1))))
    >>> found = largest_eigenvalue(net, ones, np.eye(3)[:2], residual=1e-12)
    >>> round(found.value, 9)  # of [[7, 5], [5, 7]]/2
    6.0
    """
    return top_eigenvalues(network, parameters, inputs, 1, residual=residual, most=most)[0]


def top_eigenvalues(
    network: Network,
    parameters: Parameters,
    inputs: np.ndarray,
    count: int,
    *,
    residual: float = 1e-3,
    most: int = 200,
) -> list[Eigenvalue]:
    r"""The ``count`` largest eigenvalues of the Fisher matrix of one network, descending.

    As ``largest_eigenvalue``, every residual relative to the largest value: the memory is that of
    the weights and of some 2 ``most`` vectors of C N numbers, whatever the size of F*.
    ``products`` counts those of all eigenvalues together; float32 has half of ``most`` at most, so
    that float64 has its share where float32 comes to nothing.

    Raises ``DescriptionError`` for a count that is not among 1..C N, ``NotConverged`` as there.
    """
    whole = DualProduct.at(network, parameters, inputs)
    whole_number = hasattr(count, "__index__") and not isinstance(count, bool)
    if not whole_number or not 1 <= count <= whole.size:
        raise DescriptionError(
            f"count must be a number of eigenvalues from 1 to {whole.size}, {count!r} given"
        )
    starts, used = whole.random()[None], 0
    correct: Correction = unchanged
    try:
        with np.errstate(all="ignore"):
            single = DualProduct.at(
                network, parameters.astype(np.float32), inputs.astype(np.float32)
            )
            starts, correct, used = _rough(single, count, max(residual / 2, ROUGH), most // 2)
    except (OverflowError, OutOfRegime):
        pass  # numbers that float32 cannot hold: float64 does all
    found, _ = search(
        whole,
        starts.astype(whole.run.linear_outputs.dtype),
        residual=residual,
        most=max(most - used, 1),
        count=count,
        correct=correct,
    )
    return [one._replace(products=one.products + used) for one in checked(found, residual)]


def _rough(
    product: DualProduct, count: int, residual: float, most: int
) -> tuple[np.ndarray, Correction, int]:
    """Vectors to start from, a correction of residuals, and the products with F* that they took."""
    random = product.random()[None]
    correct: Correction = unchanged
    starts = random
    if product.network.depth > 2:
        on_top = partial(product.of_layers_from, product.network.depth - 1)
        steps = 4 * (count + product.network.outputs)
        found, space = search(on_top, random, residual=OF_PART, most=steps, count=count)
        values, vectors, _ = space.pairs(space.products)
        correct = Part(values, vectors)
        starts = np.stack([*(one.vector for one in found), product(random[0])])
    found, _ = search(product, starts, residual=residual, most=most, count=count, correct=correct)
    return np.stack([one.vector for one in found]), correct, found[0].products
