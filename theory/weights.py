r"""How the weights of a network are parameterized: the factors of their gradients."""

from __future__ import annotations

from typing import Any, NamedTuple

from theory.architecture import Network
from theory.mathematics import Number


class Factors(NamedTuple):
    """What multiplies a layer's part of the kernel: for weights by input width, and for biases."""

    weights: tuple[Number, ...]
    biases: Number


def gradient_factors(
    network: Network,
    m: Any,
    widths: tuple[Number, ...],
    sigma_w2: Number,
    sigma_b2: Number,
    bias_gradients: bool,
) -> Factors:
    r"""The squared derivative of a pre-activation by its parameters, per unit overlap.

    Weights: :math:`M_{l-1}`; with normalized or standardized weights times
    :math:`\sigma_w^2/\sigma_v^2`, for raw weights of variance :math:`\sigma_v^2/M_{l-1}`; in the
    NTK parameterization :math:`\sigma_w^2`. Biases: 1, there :math:`\sigma_b^2`.
    """
    if network.parameterization == "ntk":
        return Factors((sigma_w2,) * len(widths), sigma_b2 * int(bias_gradients))
    if network.raw_variance is not None:
        scale = sigma_w2 / m.number(network.raw_variance)
        widths = tuple(scale * M for M in widths)
    return Factors(widths, int(bias_gradients))
