r"""The mean-field rules of the hidden layers' normalizations.

A rule has two halves: the law of the normalized pre-activations of two samples, and the step of
the backward recursion. The backward matrices
:math:`\Lambda^l_{ts}(t',s') = \sum_i \frac{\partial f(t)}{\partial u_i^l(t')}
\frac{\partial f(s)}{\partial u_i^l(s')}` enter through their trace T and their sum S only, and
these two numbers close. **A new normalization's mean-field rule goes here.**
"""

from __future__ import annotations

from theory.errors import NotCovered
from theory.normalization import plain, samples, units
from theory.normalization.layer import (
    Backward,
    Couple,
    Coupled,
    Layer,
    PreActivations,
    Rule,
    Setting,
    own,
)
from theory.schemes import (
    BatchNorm,
    GroupNorm,
    LayerNorm,
    MeanSubtraction,
    NoNormalization,
    RMSNorm,
    Scheme,
)

__all__ = [
    "RULES",
    "Backward",
    "Couple",
    "Coupled",
    "Layer",
    "PreActivations",
    "Rule",
    "Setting",
    "own",
    "rule",
]

RULES: dict[str, Rule] = {
    NoNormalization.kind: plain.RULE,
    MeanSubtraction.kind: samples.MEAN_SUBTRACTION,
    BatchNorm.kind: samples.BATCH_NORM,
    LayerNorm.kind: units.RULE,
    RMSNorm.kind: units.RULE,
    GroupNorm.kind: units.RULE,
}


def rule(scheme: Scheme) -> Rule:
    """The rule of a hidden layer's scheme; ``NotCovered`` where there is none."""
    if scheme.kind not in RULES:
        raise NotCovered(f"{scheme.kind} in a hidden layer (covered: {', '.join(RULES)})")
    return RULES[scheme.kind]
