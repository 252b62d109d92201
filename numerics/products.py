r"""Gram matrices (n, C, N, C, N) as sums of symmetric products: one triangle is computed.

``Sum`` takes the parts one by one, the blocks (k, k') of two outputs for :math:`k \le k'`, each
while it is in the cache; ``mirrored`` fills in the rest.
"""

from __future__ import annotations

import numpy as np

POLARIZED = 64
"""Samples from which symmetric blocks by polarization are quicker than whole ones."""


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
        for k in range(K.shape[1]):
            for j in range(k):
                K[:, k, :, j] = K[:, j, :, k].swapaxes(1, 2)
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
        memory = np.empty(n * N * C * N, self._upper.dtype)
        for k in range(C):
            own = Z[:, k] @ Z[:, k].swapaxes(1, 2)  # A @ A.T is done at half the operations
            _add(self._upper[:, k, :, k], own, weights, sign, first)
            others = C - k - 1
            if others:
                out = memory[: n * N * others * N].reshape(n, N, others * N)
                above = Z[:, k + 1 :].reshape(n, others * N, M)
                found = np.matmul(Z[:, k], above.swapaxes(1, 2), out=out)
                found = found.reshape(n, N, others, N)
                _add(self._upper[:, k, :, k + 1 :], found, _between(weights), sign, first)

    def add_outer(self, a: np.ndarray, P: np.ndarray, weights: np.ndarray) -> None:
        r"""``add_units`` of :math:`Z_k(t) = a_k \circ P(t)`, for a (n, C, M) and P (n, N, M).

        The block of two outputs is symmetric in t and s, at half the operations again:

        .. math:: S(v) = (v \circ P)(v \circ P)^T, \qquad
                  Z_k Z_{k'}^T = \tfrac12 \left(S(a_k + a_{k'}) - S(a_k) - S(a_{k'})\right)
        """
        C, N = a.shape[1], P.shape[1]
        if N < POLARIZED or C == 1:
            self.add_units(a[:, :, None] * P[:, None], 1, weights)
            return
        first = self._first()
        memory = np.empty_like(P)

        def square(v: np.ndarray) -> np.ndarray:
            Z = np.multiply(P, v[:, None], out=memory)
            found: np.ndarray = Z @ Z.swapaxes(1, 2)
            return found

        own = [square(a[:, k]) for k in range(C)]
        for k in range(C):
            for j in range(k):
                block = square(a[:, j] + a[:, k])
                block -= own[j]
                block -= own[k]
                block *= 0.5
                _add(self._upper[:, j, :, k], block, weights, 1, first)
        for k in range(C):
            _add(self._upper[:, k, :, k], own[k], weights, 1, first)

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


def _between(weights: np.ndarray | None) -> np.ndarray | None:
    return None if weights is None else np.expand_dims(weights, -2)
