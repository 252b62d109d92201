r"""The normalization of a hidden layer at the pre-activations of one pass, and its derivative.

.. math:: \bar u_i = \gamma_i\, \hat u_i + \beta_i

Derivatives of the outputs by a layer have shape (n, C, N/R, R, R, M): networks, outputs, groups of
R samples that the layers above couple, the sample of the output, the sample of the layer, units. R
is 1 as long as the layers above are sample-wise, and the batch size from the first layer on, seen
from the top, whose statistics run over samples. Those of T combinations of the samples of each
batch have shape (n, C, N/B, T, B, M) throughout.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from numerics.layers import At, along, bare, operation
from numerics.products import square
from theory.architecture import Scheme


@dataclass(frozen=True)
class Hidden:
    """A scheme of scale 1 and shift 0 over batches of B samples, at u (n, N, M).

    ``scale`` and ``shift`` (n, M) are None where the scheme has none, or all are 1 and 0.
    """

    scheme: Scheme
    u: np.ndarray
    batch: int
    scale: np.ndarray | None
    shift: np.ndarray | None

    @classmethod
    def at(
        cls,
        scheme: Scheme,
        u: np.ndarray,
        batch: int,
        scale: np.ndarray | None = None,
        shift: np.ndarray | None = None,
    ) -> Hidden:
        if scale is not None and shift is not None and (scale == 1).all() and not shift.any():
            scale = shift = None
        return cls(bare(scheme), u, batch, scale, shift)

    @property
    def couples(self) -> bool:
        return self.scheme.over == "samples"

    def _batches(self, array: np.ndarray) -> np.ndarray:
        *leading, N, M = array.shape
        return along(self.scheme, array.reshape(*leading, N // self.batch, self.batch, M))

    @cached_property
    def _at(self) -> At:
        return operation(self.scheme).at(self.scheme, self._batches(self.u))

    def _joined(self, batches: np.ndarray) -> np.ndarray:
        return along(self.scheme, batches).reshape(self.u.shape)

    def normalized(self) -> np.ndarray:
        r""":math:`\hat u` (n, N, M), before scale and shift."""
        return self._joined(self._at.value)

    def output(self) -> np.ndarray:
        """The argument of the activation, (n, N, M)."""
        hat = self.normalized()
        if self.scale is None or self.shift is None:
            return hat
        found = self.scale[:, None] * hat
        found += self.shift[:, None]
        return found

    def tangent(self, tangent: np.ndarray, overwrite: bool = False) -> np.ndarray:
        """The derivative of ``output`` along a tangent of u, both (n, N, M).

        ``overwrite`` lets it use the memory of its argument.
        """
        found = self._joined(self._at.jvp(self._batches(tangent), overwrite))
        if self.scale is not None:
            found *= self.scale[:, None]
        return found

    def cotangent(self, cotangent: np.ndarray, overwrite: bool = False) -> np.ndarray:
        """The transpose of ``tangent``, both (n, N, M)."""
        if self.scale is not None:
            out = cotangent if overwrite else None
            cotangent, overwrite = np.multiply(self.scale[:, None], cotangent, out=out), True
        return self._joined(self._at.vjp(self._batches(cotangent), overwrite))

    def derivatives_below(self, outer: np.ndarray) -> np.ndarray:
        r"""From :math:`\partial f/\partial\bar u` to :math:`\partial f/\partial u`.

        Shape (n, C, N/R, R, R, M) in and out, where R becomes the batch size if the statistics
        run over samples; combinations keep theirs.
        """
        if self.scheme.over == "":
            return outer
        if self.scale is not None:
            outer = outer * self.scale[:, None, None, None, None, :]
        if self.couples_first(outer):
            return self._coupled(outer)
        u = along(self.scheme, spread(self.u, outer))
        found = operation(self.scheme).vjp(self.scheme, u, along(self.scheme, outer))
        return along(self.scheme, found)

    def couples_first(self, outer: np.ndarray) -> bool:
        """Whether these derivatives by its output are still sample-wise, and by its u are not."""
        return self.couples and outer.shape[4] < self.batch

    def weight_products(self, outer: np.ndarray, gram: np.ndarray) -> np.ndarray:
        r"""The Gram matrix (n, C, N, C, N) of the weights of the first layer that couples.

        .. math:: \sum_i \delta_{k,i}(t)\, \delta_{k',i}(s)\, (J_i G J_i)_{ts}

        for the sample-wise derivatives ``outer`` and the Gram matrix G of what the weights see,
        (n, N, N) or (N, N). The derivatives by u, N times as many numbers, are not formed: with
        G centred and :math:`q_i = G \hat u_i`,

        .. math:: \text{rate}_i^{-2} J_i G J_i = G - \frac{\hat u_i a_i^T + a_i \hat u_i^T}B,
                  \qquad a_i = q_i - \hat u_i\, \frac{\hat u_i \cdot q_i}{2B}

        and likewise between two batches.
        """
        n, C, N, _, _, M = outer.shape
        B, blocks = self.batch, N // self.batch
        delta = outer.reshape(n, C, N, M)
        if self.scale is not None:
            delta = delta * self.scale[:, None, None, :]
        delta = delta.reshape(n, C, blocks, B, M)
        if self._at.rate is not None:
            delta = delta * self._at.rate.swapaxes(-1, -2)[:, None]
        G = np.broadcast_to(gram, (n, N, N)).reshape(n, blocks, B, blocks, B)
        G = G - G.mean(axis=2, keepdims=True)
        G -= G.mean(axis=4, keepdims=True)
        flat = delta.reshape(n, C * N, M)
        K = square(flat).reshape(n, C, N, C, N)
        K *= G.reshape(n, 1, N, 1, N)
        if self._at.hat is None:
            return K
        hat = self._at.hat.swapaxes(-1, -2)
        along = np.empty((n, C, N, C, blocks, B), delta.dtype)
        for c in range(blocks):
            a = G[:, :, :, c] @ hat[:, None, c]
            a -= hat * ((hat * a).sum(axis=2, keepdims=True) / (2 * B))
            left = (delta * a[:, None]).reshape(n, C * N, M)
            right = (delta[:, :, c] * hat[:, None, c]).reshape(n, C * B, M)
            along[..., c, :] = (left @ right.swapaxes(1, 2)).reshape(n, C, N, C, B)
        along = along.reshape(n, C, N, C, N)
        K -= (along + along.transpose(0, 3, 4, 1, 2)) / B
        return K

    def _coupled(self, outer: np.ndarray) -> np.ndarray:
        """The first layer that couples: its Jacobian times what was sample-wise above it."""
        n, C, N, _, _, M = outer.shape
        B = self.batch
        u = self._batches(self.u)[..., None, :]
        jacobian = operation(self.scheme).vjp(self.scheme, u, np.eye(B, dtype=self.u.dtype))
        jacobian = np.broadcast_to(jacobian, (n, N // B, M, B, B)).transpose(0, 1, 3, 4, 2)
        samplewise = outer.reshape(n, C, N // B, B, 1, M)
        return samplewise * np.ascontiguousarray(jacobian)[:, None]


def spread(array: np.ndarray, derivatives: np.ndarray) -> np.ndarray:
    """Numbers (n, N, M) of a layer's samples, against the derivatives by these samples."""
    n, _, M = array.shape
    return array.reshape(n, 1, derivatives.shape[2], 1, -1, M)


def collect(derivatives: np.ndarray, weights: np.ndarray | None = None) -> np.ndarray:
    """The sum (n, C, N, M) over a layer's samples, with weights (n, N, M)."""
    n, C, blocks, T, R, M = derivatives.shape
    if weights is None:
        total = derivatives[..., 0, :] if R == 1 else derivatives.sum(axis=-2)
    elif R == 1:
        total = derivatives * spread(weights, derivatives)
    else:
        samples = weights.reshape(n, blocks, R, M)
        total = np.einsum("ncbtsm,nbsm->ncbtm", derivatives, samples)
    return total.reshape(n, C, blocks * T, M)
