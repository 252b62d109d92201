r"""The largest eigenvalues of a positive semidefinite symmetric product, by a growing subspace.

The subspace grows along the residuals of the eigenvalues sought, each corrected by what is known of
the matrix (Davidson, J. Comput. Phys. 1975); with nothing known it is a Krylov space (Lanczos, with
full orthogonalization). Residuals are computed and not estimated.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from theory.architecture import NotConverged

Product = Callable[[np.ndarray], np.ndarray]
Correction = Callable[[np.ndarray, int], np.ndarray]
"""A residual of the i-th eigenvalue to a direction in which its vector is to be improved."""

NEW = 1e-3
"""The part of a vector outside of the subspace below which it is taken to lie inside."""


FIRST = 16
"""Vectors for which a subspace has memory at first; it doubles."""


class Eigenvalue(NamedTuple):
    r"""An estimate from below, and :math:`|F^* v - \lambda v|/\lambda_1` of its unit vector v.

    An eigenvalue of F* lies within ``residual`` times the largest value of it; the error of the
    estimate is of the order of the square of ``residual``. ``vector`` is v, (C N,).
    """

    value: float
    residual: float
    products: int
    vector: np.ndarray


class Subspace:
    """An orthonormal basis and its images, which grow by one vector and one product at a time."""

    def __init__(self, product: Product, size: int, most: int, dtype: np.dtype) -> None:
        self._product, self._most = product, min(most, size)
        self._basis, self._images = (np.empty((FIRST, size), dtype) for _ in range(2))
        self.products = 0

    @property
    def full(self) -> bool:
        """Whether it takes no further vector."""
        return self.products == self._most

    def add(self, w: np.ndarray) -> bool:
        """Take the part of w outside of the subspace; False if there is none.

        Raises ``OverflowError`` if its image is not finite.
        """
        k, basis = self.products, self._basis[: self.products]
        norm = np.linalg.norm(w)
        if norm == 0 or not np.isfinite(norm):
            return False
        w = w / norm
        for _ in range(2):  # twice is enough against rounding
            w = w - (basis @ w) @ basis
        norm = np.linalg.norm(w)
        if norm < NEW:
            return False
        if k == len(self._basis):
            self._basis, self._images = (
                np.concatenate([old, np.empty_like(old)]) for old in (self._basis, self._images)
            )
        self._basis[k] = w / norm
        self._images[k] = self._product(self._basis[k])
        if not np.isfinite(self._images[k]).all():
            raise OverflowError(f"the products with F* leave the range of {w.dtype}")
        self.products += 1
        return True

    def pairs(self, count: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """The ``count`` largest Ritz values, descending; their vectors and residuals, in rows."""
        basis, images = self._basis[: self.products], self._images[: self.products]
        projected = basis @ images.T
        values, coefficients = np.linalg.eigh((projected + projected.T) / 2)
        values, coefficients = values[::-1][:count], coefficients[:, ::-1].T[:count]
        vectors = coefficients @ basis
        return values, vectors, coefficients @ images - values[:, None] * vectors


def unchanged(residual: np.ndarray, i: int) -> np.ndarray:
    """The correction where nothing is known: Lanczos."""
    return residual


def search(
    product: Product,
    starts: np.ndarray,
    *,
    residual: float,
    most: int,
    count: int = 1,
    correct: Correction = unchanged,
) -> tuple[list[Eigenvalue], Subspace]:
    """The ``count`` largest eigenvalues as far as ``most`` products go, and the subspace.

    From the rows of ``starts``, (b, size), until every residual is at most ``residual`` times the
    largest value; whoever calls looks whether they are. Raises ``OverflowError`` if a product is
    not finite.
    """
    space = Subspace(product, starts.shape[1], most, starts.dtype)
    for start in starts:
        if not space.full:
            space.add(start)
    while True:
        values, vectors, remainders = space.pairs(count)
        lengths = np.linalg.norm(remainders, axis=1)
        largest = float(values[0])
        relative = lengths / largest if largest > 0 else np.where(lengths > 0, np.inf, 0.0)
        grown = False
        for i, remainder in enumerate(remainders):
            if relative[i] > residual and not space.full:
                grown |= space.add(correct(remainder, i)) or space.add(remainder)
        grown |= len(values) < count and not space.full and space.add(remainders.sum(axis=0))
        if not grown:
            found = [
                Eigenvalue(float(value), float(missing), space.products, vector)
                for value, missing, vector in zip(values, relative, vectors, strict=True)
            ]
            return found, space


def checked(found: list[Eigenvalue], residual: float) -> list[Eigenvalue]:
    """The eigenvalues, if all have the residual; else raises ``NotConverged``."""
    worst = max(one.residual for one in found)
    if worst > residual:
        raise NotConverged(
            f"the largest eigenvalue has a relative residual of {worst:.1e} after "
            f"{found[0].products} products, {residual:.1e} was asked for; ask for a larger "
            "residual or allow more products"
        )
    return found


def lanczos(product: Product, start: np.ndarray, *, residual: float, most: int) -> Eigenvalue:
    """The largest eigenvalue from this start.

    Raises ``NotConverged`` after ``most`` products, ``OverflowError`` if one is not finite.

    >>> lanczos(lambda v: np.array([3.0, 1.0]) * v, np.ones(2), residual=1e-12, most=9).value
    3.0
    """
    found, _ = search(product, start[None], residual=residual, most=most)
    return checked(found, residual)[0]
