r"""Parts of the whole: the diagonal blocks of the Fisher matrix, and the metric of the features."""

from __future__ import annotations

from itertools import pairwise
from typing import NamedTuple

from theory.architecture import Network
from theory.last_layer import last_layer
from theory.mathematics import Number
from theory.meanfield import Kernel, OrderParameters
from theory.statistics import Outputs


class Part(NamedTuple):
    """A matrix of one layer, of ``parameters`` rows: its kernel and what this says of it."""

    layer: int
    parameters: Number
    K: Kernel
    mean_eigenvalue: Number
    second_moment: Number | None
    largest_eigenvalue: Number | None


def blocks(
    network: Network,
    widths: tuple[Number, ...],
    order: OrderParameters,
    factors: tuple[Number, ...],
    outputs: Outputs,
) -> tuple[Part, ...]:
    r"""The diagonal block of the weights of each layer l = 1..L.

    Its :math:`M_{l-1} M_l` rows have the kernel
    :math:`K_a^l = M_{l-1} ((\hat q_1^{l-1} - \hat q_2^{l-1}) T_a^l + \hat q_2^{l-1} S_a^l)`, with
    ``factors`` in place of :math:`M_{l-1}`.
    """
    return tuple(
        _part(network, l + 1, inputs * units, order.block(l, factors[l]), outputs)
        for l, (inputs, units) in enumerate(pairwise(widths))
    )


def feature_metric(
    network: Network,
    widths: tuple[Number, ...],
    order: OrderParameters,
    sigma_w2: Number,
    outputs: Outputs,
) -> tuple[Part, ...]:
    r"""The metric of the features of each layer l = 0..L-1; layer 0 is the input.

    .. math:: A^l = \frac1N \sum_{k,t} \nabla_\eta f_k(t)\, \nabla_\eta f_k(t)^T

    for a shift :math:`h^l(t) + \eta` of the :math:`M_l` features that is common to all samples; of
    sample-wise layers, :math:`\nabla_\eta f_k(t) = \partial f_k(t)/\partial h^l(t)`.
    """
    return tuple(
        _part(network, l, width, feature_kernel(order, l, sigma_w2), outputs)
        for l, width in enumerate(widths[:-1])
    )


def feature_kernel(order: OrderParameters, l: int, sigma_w2: Number) -> Kernel:
    r"""Products of the gradients by the features of layer l, :math:`\sigma_w^2 S_a^{l+1}`.

    :math:`\nabla_\eta f = (W^{l+1})^T \sum_{t'} \partial f/\partial u^{l+1}(t')`, and the columns
    of :math:`W^{l+1}` add up to :math:`\sigma_w^2` for each of its units: no width is left.
    """
    S3 = sigma_w2 * order.S3[l] if order.S3 else None
    gap, K2 = sigma_w2 * order.S_gap[l], sigma_w2 * order.S2[l]
    return Kernel(gap + K2, K2, gap, S3)


def _part(network: Network, layer: int, size: Number, K: Kernel, outputs: Outputs) -> Part:
    own = outputs._replace(K1=K.K1, K2=K.K2, gap=K.gap, K3=K.K3, P=size)
    found = last_layer(network)(own._replace(v_tot=None, moments_only=True))
    return Part(
        layer,
        size,
        K,
        found.mean_eigenvalue,
        found.second_moment,
        found.largest_eigenvalue.value,
    )
