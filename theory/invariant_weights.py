r"""Which weights of a network its loss does not see the length of.

Scaling :math:`W^l` scales the pre-activations, up to the bias. A normalization removes the scale:
batch norm for each unit and whatever the bias is, the norms over units for the layer as a whole.
Without one the scale passes through a homogeneous activation into the next layer.
"""

from __future__ import annotations

from theory.architecture import Network
from theory.schemes import NoNormalization

HOMOGENEOUS = ("linear", "relu", "leaky_relu", "abs", "relu_power", "monomial")
"""Activations that multiply a positive factor of their argument by a power of it."""

PER_UNIT = ("batchnorm",)
PER_SAMPLE = ("layernorm", "rmsnorm", "groupnorm")
WITHOUT_BIAS = ("batchnorm", "mean-subtraction")
"""Maps over the samples, which a bias does not pass."""


def invariant_weights(network: Network) -> tuple[frozenset[str], ...]:
    """What can be scaled by a positive factor in each layer 1..L, without a change of the loss.

    "row": the weights of any one unit; "matrix": all weights of the layer; "layer": these with
    the biases. Scales, shifts and gains are fixed. A regularizer leaves nothing invariant.

    >>> from theory.architecture import BatchNorm
    >>> for found in invariant_weights(Network("relu", depth=2, sigma_w2=2, last=BatchNorm())):
    ...     print(sorted(found))
    ['layer', 'matrix']
    ['layer', 'matrix', 'row']
    """
    hidden = network.layers or (NoNormalization(),) * (network.depth - 1)
    found: list[frozenset[str]] = []
    above = False
    for scheme in reversed((*hidden, network.last)):
        last = not found
        here = _of_layer(network, scheme, above and not last)
        above = "scale" in here
        found.append(here - {"scale"})
    return tuple(reversed(found))


def _of_layer(network: Network, scheme: object, above: bool) -> frozenset[str]:
    """The same for one layer, with "scale" where a factor of its inputs is not seen either.

    ``above``: whether the next layer does not see a factor of its inputs.
    """
    kind = getattr(scheme, "kind", "none")
    regular = getattr(scheme, "eps", 0) == 0
    biased = network.sigma_b2 != 0 and kind not in WITHOUT_BIAS
    passes = above and network.activation.name in HOMOGENEOUS and kind in ("none", *WITHOUT_BIAS)
    removed = (regular and kind in (*PER_UNIT, *PER_SAMPLE)) or (passes and kind not in PER_UNIT)
    found = set()
    if removed:
        found.add("layer")
        if not biased:
            found |= {"matrix", "scale"}
    if regular and kind in PER_UNIT:
        found.add("row")
    if network.weights != "plain":
        found |= {"row", "matrix"}
        if biased:
            found.discard("layer")
        else:
            found.add("layer")
    return frozenset(found)
