r"""Gaussian matrices that are decided as they are looked at, at the cost of a few of their rows.

A matrix W of independent normal numbers of variance :math:`\sigma^2`, (n, M, M'), multiplies
twice in a pass: features h (n, N, M) from the left, and later derivatives D (n, Q, M') its
transpose. Given both, the products are Gaussian, and are drawn without W. With
:math:`h = R\,E`, the rows of E orthonormal,

.. math:: h W = R A, \qquad D W^T = Y + (D A^T - Y E^T)\, E, \qquad
          Y = F Z, \quad F F^T = D D^T,

A (n, N, M') and Z (n, Q, M) of independent normal numbers of variance :math:`\sigma^2`: A is what W
does on the span of the features, and Y what an independent matrix would give. The law is that of W
itself, also where D depends on h W.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from scipy.linalg import lapack

SAFE_PIVOT = 1e-4
"""Smallest pivot of the Cholesky factor of unit rows from which they are orthonormalized: their
Gram matrix is then well enough conditioned for eight digits. Below it, by singular values."""


class Deferred:
    """A Gaussian matrix (n, M, M') of standard deviation ``deviation``, known by its products.

    ``h @ W`` decides what it does to h, ``D @ W.swapaxes(1, 2)`` then what its transpose does to
    D, for features and derivatives of one pass; the same D gives the same numbers again. Each
    kind of product has a stream of random numbers.

    ValueError for products in another order, or with others.

    >>> W = Deferred((1, 1000, 500), 0.1, np.random.SeedSequence(1))
    >>> h, D = np.ones((1, 3, 1000)), np.ones((1, 2, 500))
    >>> u = h @ W
    >>> v = D @ W.swapaxes(1, 2)
    >>> [bool(np.allclose(u @ D.swapaxes(1, 2), h @ v.swapaxes(1, 2))), u.shape, v.shape]
    [True, (1, 3, 500), (1, 2, 1000)]
    """

    __array_ufunc__ = None  # numpy's own product makes way for __rmatmul__

    def __init__(
        self, shape: tuple[int, int, int], deviation: float, seed: np.random.SeedSequence
    ) -> None:
        self.shape = shape
        self._deviation = deviation
        self._forward, self._backward = seed.spawn(2)
        self._basis: Basis | None = None
        self._action = self._lengths = np.empty(0)

    def __rmatmul__(self, h: np.ndarray) -> np.ndarray:
        if self._basis is not None:
            raise ValueError("a deferred matrix multiplies the features of one pass, once")
        n, _, out = self.shape
        self._basis = orthonormalized(h)
        self._action = self._normal(self._forward, (n, h.shape[1], out))
        return self._basis.factor @ self._action

    def swapaxes(self, first: int, second: int) -> Transposed:
        """The transposed matrices, the only other view."""
        if {first, second} != {1, 2}:
            raise ValueError(f"a deferred matrix swaps axes 1 and 2, {first} and {second} given")
        return Transposed(self)

    def pulled(self, D: np.ndarray) -> np.ndarray:
        """D W^T, given what W did to the features."""
        if self._basis is None:
            raise ValueError("a deferred matrix multiplies features before derivatives")
        lengths = np.einsum("nqm,nqm->nq", D, D)
        if self._lengths.size and not np.array_equal(lengths, self._lengths):
            raise ValueError("a deferred matrix multiplies the derivatives of one pass alone")
        self._lengths = lengths
        n, M, out = self.shape
        factor = D if D.shape[1] >= out else square_root(D)
        Y = factor @ self._normal(self._backward, (n, factor.shape[2], M))
        Y += self._basis.combined(D @ self._action.swapaxes(1, 2) - self._basis.coordinates(Y))
        return Y

    def _normal(self, seed: np.random.SeedSequence, shape: tuple[int, ...]) -> np.ndarray:
        numbers = np.random.Generator(np.random.SFC64(seed)).standard_normal(shape)
        numbers *= self._deviation
        return numbers


class Transposed:
    """The transposes of deferred matrices."""

    __array_ufunc__ = None

    def __init__(self, matrix: Deferred) -> None:
        self._matrix = matrix

    def __rmatmul__(self, D: np.ndarray) -> np.ndarray:
        return self._matrix.pulled(D)


class Basis(NamedTuple):
    """Rows h (n, N, M) as ``factor`` (n, N, N) times orthonormal rows E = ``mixing`` ``vectors``.

    Where rows of a network depend on each other, rows of E are zero, as their columns of the
    factor are.
    """

    factor: np.ndarray
    mixing: np.ndarray
    vectors: np.ndarray

    def coordinates(self, rows: np.ndarray) -> np.ndarray:
        """rows E^T (n, Q, N) of rows (n, Q, M)."""
        return (rows @ self.vectors.swapaxes(1, 2)) @ self.mixing.swapaxes(1, 2)

    def combined(self, coordinates: np.ndarray) -> np.ndarray:
        """coordinates E (n, Q, M) of coordinates (n, Q, N)."""
        return (coordinates @ self.mixing) @ self.vectors


def orthonormalized(rows: np.ndarray) -> Basis:
    """An orthonormal basis of the rows (n, N, M), N <= M, of every network.

    By Cholesky's factor of the Gram matrix where it is good to eight digits for all networks, by
    singular values otherwise.

    >>> found = orthonormalized(np.array([[[3.0, 4.0, 0.0], [6.0, 8.0, 0.0]]]))
    >>> found.combined(found.factor).round(12).tolist()
    [[[3.0, 4.0, 0.0], [6.0, 8.0, 0.0]]]
    >>> found.coordinates(found.combined(np.eye(2)[None])).round(12).tolist()
    [[[1.0, 0.0], [0.0, 0.0]]]
    """
    length, gram = _correlations(rows)
    try:
        factor = np.linalg.cholesky(gram)
    except np.linalg.LinAlgError:
        factor = np.zeros_like(gram)
    if np.einsum("nqq->nq", factor).min() > SAFE_PIVOT:
        factor *= length[..., None]
        return Basis(factor, np.linalg.inv(factor), rows)
    left, singular, vectors = np.linalg.svd(rows / length[..., None], full_matrices=False)
    kept = singular > max(rows.shape[1:]) * np.finfo(float).eps * singular[:, :1]
    factor = left * (singular * kept)[:, None, :] * length[..., None]
    return Basis(factor, np.eye(rows.shape[1]) * kept[..., None], vectors)


def square_root(rows: np.ndarray) -> np.ndarray:
    r"""F (n, Q, Q) with :math:`F F^T` the Gram matrix of ``rows`` (n, Q, M), of any rank.

    >>> F = square_root(np.array([[[3.0, 4.0], [6.0, 8.0], [0.0, 0.0]]]))
    >>> (F @ F.swapaxes(1, 2)).round(12).tolist()
    [[[25.0, 50.0, 0.0], [50.0, 100.0, 0.0], [0.0, 0.0, 0.0]]]
    """
    length, gram = _correlations(rows)
    try:
        factor = np.linalg.cholesky(gram)
    except np.linalg.LinAlgError:
        factor = np.stack([_pivoted(one) for one in gram])
    factor *= length[..., None]
    return factor


def _correlations(rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The lengths (n, Q) of rows, 1 for a row of zeros, and the Gram matrix of the unit rows."""
    gram = rows @ rows.swapaxes(1, 2)
    length = np.sqrt(np.einsum("nqq->nq", gram))
    length[length == 0] = 1
    gram /= length[:, :, None]
    gram /= length[:, None, :]
    return length, gram


def _pivoted(gram: np.ndarray) -> np.ndarray:
    """A factor of a singular Gram matrix, by Cholesky's method with pivots, up to its rank."""
    found, pivots, rank, _ = lapack.dpstrf(gram, lower=1)
    factor = np.zeros_like(gram)
    factor[pivots - 1, :rank] = np.tril(found)[:, :rank]
    return factor
