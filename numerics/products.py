r"""Gram matrices (n, C, N, C, N) as sums of symmetric products: one triangle is computed.

``Sum`` takes the parts one by one, the blocks (k, k') of two outputs for :math:`k \le k'`, each
while it is in the cache; ``mirrored`` fills in the rest.
"""

from __future__ import annotations

from collections.abc import Iterator
from math import prod

import numpy as np

TILE = 16
"""Samples to a tile of a symmetric block: fewer make small products, more compute twice."""
HALVED = 64
"""Samples from which half of a symmetric block, tile by tile, is quicker than the whole."""
ROWS = 512
"""Rows of a product of tiles that are worth their place in the cache."""
MIRRORED = 16
"""Columns of a block that are transposed together: few, as their rows share sets of the cache."""
LOWER = np.tri(MIRRORED, k=-1, dtype=bool)
SYRK = 224
"""Rows from which numpy's A @ A.T spends more on the other triangle than a call of syrk costs."""


def square(A: np.ndarray) -> np.ndarray:
    r"""The matrices :math:`A A^T` (..., N, N) of A (..., N, M), at half of the operations.

    >>> square(np.array([[1.0, 2.0], [3.0, 0.0]]))
    array([[5., 3.],
           [3., 9.]])
    """
    N = A.shape[-2]
    if N < SYRK or A.dtype.char not in "fd":
        return A @ A.swapaxes(-1, -2)
    from scipy.linalg import blas  # slow to import, so only where it pays

    syrk = blas.get_blas_funcs("syrk", dtype=A.dtype)
    K = np.empty((*A.shape[:-1], N), A.dtype)
    for place in np.ndindex(A.shape[:-2]):
        syrk(1.0, A[place].T, c=K[place].T, trans=1, lower=1, overwrite_c=1)
    for t in range(0, N, MIRRORED):
        some = slice(t, t + MIRRORED)
        own = K[..., some, some]
        size = own.shape[-1]
        np.copyto(own, own.swapaxes(-1, -2), where=LOWER[:size, :size])
        K[..., t + MIRRORED :, some] = K[..., some, t + MIRRORED :].swapaxes(-1, -2)
    return K


class Sum:
    """A sum of Gram matrices of n networks, C outputs and N samples.

    >>> one = Sum((1, 2, 1, 2, 1), np.dtype(float))
    >>> one.add_units(np.array([[[[1.0, 2.0]], [[3.0, 0.0]]]]))
    >>> one.mirrored().reshape(2, 2)
    array([[5., 3.],
           [3., 9.]])
    """

    def __init__(self, shape: tuple[int, ...], dtype: np.dtype) -> None:
        self._upper = np.empty(shape, dtype)
        self._blank = True

    def _first(self, *, whole: bool = True) -> bool:
        """Whether a part is the first: it then replaces what is there, if it is ``whole``."""
        first, self._blank = self._blank, False
        if first and not whole:
            self._upper[...] = 0
        return first and whole

    def mirrored(self) -> np.ndarray:
        """The matrices, symmetric; after which nothing is added."""
        self._first(whole=False)
        K = self._upper
        C, N = K.shape[1:3]
        for k in range(C):
            for j in range(k):
                for t in range(0, N, MIRRORED):
                    some = slice(t, t + MIRRORED)
                    K[:, k, :, j, some] = K[:, j, some, k].swapaxes(1, 2)
        return K

    def add(self, K: np.ndarray) -> None:
        """Symmetric matrices of their own."""
        if self._first():
            self._upper[...] = K
        else:
            self._upper += K

    def add_units(self, Z: np.ndarray, sign: int = 1, weights: np.ndarray | None = None) -> None:
        r""":math:`\pm w_{ts}\, Z_k(t) \cdot Z_{k'}(s)` for Z (n, C, N, M).

        ``weights`` w, symmetric, (n, N, N), or (N, N) for all networks; none are 1.
        """
        n, C, N, M = Z.shape
        first = self._first(whole=sign > 0)
        memory = np.empty(n * N * (C - 1) * N, self._upper.dtype)
        for k in range(C):
            _add(self._upper[:, k, :, k], square(Z[:, k]), weights, sign, first)
            others = C - k - 1
            if others:
                found = _of(memory, (n, N, others, N))
                above = Z[:, k + 1 :].reshape(n, others * N, M)
                np.matmul(Z[:, k], above.swapaxes(1, 2), out=found.reshape(n, N, -1))
                _add(self._upper[:, k, :, k + 1 :], found, _between(weights), sign, first)

    def add_outer(self, a: np.ndarray, P: np.ndarray, weights: np.ndarray) -> None:
        r"""``add_units`` of :math:`Z_k(t) = a_k \circ P(t)`, for a (n, C, M) and P (n, N, M).

        The block of two outputs is symmetric in t and s: of each tile of samples, only the
        products with itself and with later samples are formed, for many pairs of outputs at once.
        """
        C, N = a.shape[1], P.shape[1]
        if N < HALVED or C == 1:
            self.add_units(a[:, :, None] * P[:, None], 1, weights)
            return
        first, K, W = self._first(), self._upper, np.broadcast_to(weights, (len(P), N, N))
        for k, j, t, found in _tiles(a, P):
            tile, later = slice(t, t + TILE), slice(t + TILE, None)
            found *= W[:, None, tile, t:]
            above, below = found.swapaxes(0, 1), found[..., TILE:].transpose(1, 0, 3, 2)
            if first:
                K[:, k, tile, j, t:] = above
                K[:, k, later, j, tile] = below
            else:
                K[:, k, tile, j, t:] += above
                K[:, k, later, j, tile] += below

    def add_coupled(self, D: np.ndarray, weights: np.ndarray) -> None:
        r""":math:`\sum_{t',s'} w_{t's'} \sum_i D_{k,i}(t, t')\, D_{k',i}(s, s')`.

        D is (n, C, blocks, T, R, M), as ``numerics.hidden`` explains, R > 1.
        """
        n, C, blocks, T, R, M = D.shape
        self._first(whole=False)
        K = self._upper.reshape(n, C, blocks, T, C, blocks, T)
        N = blocks * R
        G = np.broadcast_to(weights, (n, N, N)).reshape(n, blocks, R, blocks, R)
        for c in range(blocks):
            upto = c + 1
            between = G[:, :upto, :, c].swapaxes(-1, -2)[:, None, :, None]
            left = (between @ D[:, :, :upto]).reshape(n, C * upto * T, R * M)
            right = D[:, :, c].reshape(n, C * T, R * M)
            block = (left @ right.swapaxes(1, 2)).reshape(n, C, upto, T, C, T)
            K[:, :, :upto, :, :, c] += block
            K[:, :, c, :, :, :c] += block[:, :, :c].transpose(0, 4, 5, 1, 2, 3)


def _tiles(
    a: np.ndarray, P: np.ndarray
) -> Iterator[tuple[np.ndarray, np.ndarray, int, np.ndarray]]:
    r"""Pairs of outputs :math:`k \le k'`, a tile's first sample t, and its products.

    They are those of the tile's samples with all from t on, (n, pairs, tile, N - t), in memory
    that the next tile overwrites.
    """
    (n, C, M), N = a.shape, P.shape[1]
    one, other = np.triu_indices(C)
    together = min(ROWS // TILE, len(one))
    rows = np.empty(n * together * TILE * M, P.dtype)
    memory = np.empty(n * together * TILE * N, P.dtype)
    columns = np.ascontiguousarray(P.swapaxes(1, 2))
    for start in range(0, len(one), together):
        k, j = one[start : start + together], other[start : start + together]
        pairs = (a[:, k] * a[:, j])[:, :, None]
        for t in range(0, N, TILE):
            samples = P[:, None, t : t + TILE]
            shape = n, len(k), samples.shape[2]
            Z = np.multiply(pairs, samples, out=_of(rows, (*shape, M))).reshape(n, -1, M)
            found = _of(memory, (n, Z.shape[1], N - t))
            np.matmul(Z, columns[:, :, t:], out=found)
            yield k, j, t, found.reshape(*shape, N - t)


def _add(
    into: np.ndarray, products: np.ndarray, weights: np.ndarray | None, sign: int, first: bool
) -> None:
    """``products`` are overwritten; ``first``, they replace what is there."""
    if weights is not None:
        np.multiply(products, weights, out=into if first else products)
    elif first:
        into[...] = products
    if not first:
        (np.add if sign > 0 else np.subtract)(into, products, out=into)


def _of(memory: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """The first numbers of ``memory``, in this shape."""
    return memory[: prod(shape)].reshape(shape)


def _between(weights: np.ndarray | None) -> np.ndarray | None:
    return None if weights is None else np.expand_dims(weights, -2)
