"""The kernel of the linear outputs, split at the output weights, whose norm is averaged exactly."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache

import numpy as np

from numerics.blocks import layer_grams
from numerics.fisher import grams_below, grams_of_outputs, total
from numerics.network import Forward, Parameters, backpropagate, propagate
from numerics.probes import averaged_over_orders
from theory.architecture import Network


@dataclass(frozen=True)
class OutputKernels:
    r"""The kernel K of the linear outputs, split at the output weights; n networks.

    ``below`` (n, C, N, C, N): layers l < L, the block of outputs k and k' divided by
    :math:`|W_k^L| |W_{k'}^L|/\sigma_w^2`. It is linear in :math:`W_k^L` and in
    :math:`W_{k'}^L`, whose norms are independent of their directions and of each other.
    ``last`` (n, 1 or C, N, N): the output layer, zero between two outputs.
    ``outputs`` (n, C, N): linear. ``output_gram`` (n, N, N): that of what the output weights see of
    h^{L-1}. They are isotropic in ``dimension`` dimensions, and Gaussian unless ``fixed_norm``,
    where :math:`|W_k^L|^2 = \sigma_w^2` and there is nothing to average. ``norms`` (n, C): the
    realised :math:`|W_k^L|/\sigma_w`. ``groups``: the kernels of each parameter group alone, if
    asked for. ``run``: the pass that they belong to. ``layers()``: the kernels of one layer's
    weights or features, by the names of ``numerics.blocks``, computed when first called.
    """

    below: np.ndarray
    last: np.ndarray
    norms: np.ndarray
    outputs: np.ndarray
    output_gram: np.ndarray
    dimension: int
    fixed_norm: bool
    groups: dict[str, OutputKernels]
    run: Forward
    layers: Callable[[], dict[str, OutputKernels]]

    @property
    def own(self) -> np.ndarray:
        """``below`` of one output at a time, (n, C, N, N)."""
        return np.einsum("nctcs->ncts", self.below)

    @property
    def traces(self) -> np.ndarray:
        r"""Squared gradients by the pre-activations of the layers l = 1..L-1, (n, L-1).

        .. math:: \frac{\sigma_w^2}{C N} \sum_{k,t} \frac{1}{|W_k^L|^2} \sum_{t',i}
                  \left(\frac{\partial f_k(t)}{\partial u_i^l(t')}\right)^2
        """
        C, N = self.outputs.shape[1:]
        squares = [
            np.einsum("ncbtsm,ncbtsm->nc", D, D)
            for D in (sensitivity.inner for sensitivity in backpropagate(self.run))
        ]
        weighted = [(square / self.norms**2).sum(axis=1) / (C * N) for square in squares]
        return np.stack(weighted[::-1], axis=1)

    @property
    def averaged(self) -> np.ndarray:
        """The blocks (n, C, N, N) of one output, averaged over the norm of its weights."""
        return self.own + self.last

    @property
    def gram(self) -> np.ndarray:
        """The Gram matrix K of the linear outputs as realised, (n, C N, C N)."""
        n, C, N = self.outputs.shape
        K = self.below * self.norms[:, :, None, None, None] * self.norms[:, None, None, :, None]
        outputs = np.arange(C)
        K[:, outputs, :, outputs] += np.broadcast_to(self.last, (n, C, N, N)).swapaxes(0, 1)
        return K.reshape(n, C * N, C * N)


def output_kernels(
    network: Network, parameters: Parameters, inputs: np.ndarray, *, split: bool = False
) -> OutputKernels:
    """The kernel before the last layer's map, split at the output weights.

    ``split``: by parameter groups as well.
    """
    return kernels_of(network, propagate(network, parameters, inputs), split=split)


def kernels_of(
    network: Network, run: Forward, *, split: bool = False, probes: np.ndarray | None = None
) -> OutputKernels:
    """``output_kernels`` of a pass.

    With ``probes`` (``numerics.probes``) ``below`` is its average over the order of the samples,
    estimated without bias.
    """
    n, _, N = run.linear_outputs.shape
    affine, h = run.affines[-1], run.activations[-1]
    features = affine.features(h)
    output_gram = features @ features.swapaxes(-1, -2)
    norms = np.sqrt((affine.W**2).sum(axis=1) / float(network.sigma_w2))
    scale = norms[:, :, None, None, None] * norms[:, None, None, :, None]
    dimension = h.shape[-1] - int(affine.centred)

    def kernels(
        below: np.ndarray, last: np.ndarray, groups: dict[str, OutputKernels]
    ) -> OutputKernels:
        fixed = affine.directions is not None
        outputs = run.linear_outputs
        return OutputKernels(
            below, last, norms, outputs, output_gram, dimension, fixed, groups, run, layers
        )

    @cache
    def layers() -> dict[str, OutputKernels]:
        return {
            name: kernels(below / scale, last, {})
            for name, below, last in layer_grams(network, run)
        }

    parts = grams_below(network, run, split=split, combinations=probes)
    if probes is not None:
        parts = {group: averaged_over_orders(K, probes) for group, K in parts.items()}
    last = grams_of_outputs(network, run)
    last = {group: np.broadcast_to(K, (n, K.shape[1], N, N)) for group, K in last.items()}
    none = np.zeros((n, 1, N, N))
    groups = {}
    if split:
        parts = {group: below / scale for group, below in parts.items()}
        groups = {
            group: kernels(below, last.get(group, none), {}) for group, below in parts.items()
        }
        below = total(parts)
    else:
        below = parts["weights"] / scale
    return kernels(below, total(last), groups)
