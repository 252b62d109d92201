"""Scaled weights of networks with every normalization in every place, beside what theory says."""

from __future__ import annotations

from itertools import product

from numerics.invariance import changes
from theory.architecture import SCHEMES, Activation, Network
from theory.invariant_weights import invariant_weights
from theory.schemes import GroupNorm, read_scheme

ACTIVATIONS = ("relu", "tanh")
BIASES = (0.0, 0.5)
LASTS = ("none", "mean-subtraction", "batchnorm", "layernorm")
SEEN = 1e-6
"""Relative change of the loss beyond which it sees a factor."""


def invariance() -> float:
    """The largest change of the loss by a factor of weights that are invariant.

    1 if another part is invariant as well.
    """
    found = 0.0
    schemes = [
        GroupNorm(groups=3) if kind is GroupNorm else read_scheme(kind.kind)
        for kind in SCHEMES.values()
    ]
    for hidden, last, name, bias in product(schemes, LASTS, ACTIVATIONS, BIASES):
        network = Network(
            Activation.named(name),
            depth=3,
            sigma_w2=2,
            sigma_b2=bias,
            outputs=5,
            hidden=hidden,
            last=read_scheme(last),
        )
        for expected, change in zip(invariant_weights(network), changes(network), strict=True):
            for part, size in change.items():
                found = max(found, size if part in expected else float(size < SEEN))
    return found
