r"""The mean-field rules of the hidden layers' normalizations.

A rule has two halves: the law of the normalized pre-activations of two samples, and the step of
the backward recursion. The backward matrices
:math:`\Lambda^l_{ts}(t',s') = \sum_i \frac{\partial f(t)}{\partial u_i^l(t')}
\frac{\partial f(s)}{\partial u_i^l(s')}` enter through their trace T and their sum S only, and
these two numbers close. **A new normalization's mean-field rule goes here.**
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

from theory.architecture import Activation, NoNormalization, NotCovered, Scheme
from theory.gaussian import Moments, moments
from theory.mathematics import Number
from theory.pair import Pair


class Backward(NamedTuple):
    """Trace and sum of the backward matrix of one pair type (or of a difference of two)."""

    T: Number
    S: Number


@dataclass(frozen=True)
class Rule:
    """``law(activation, scheme, pair, N)`` and ``pull_back(moments, sigma_w2, above)``."""

    law: Callable[[Activation, Scheme, Pair, Number], Moments]
    pull_back: Callable[[Moments, Number, Backward], Backward]


def _plain_law(activation: Activation, scheme: Scheme, pair: Pair, N: Number) -> Moments:
    return moments(activation, pair)


def _plain_pull_back(layer: Moments, sigma_w2: Number, above: Backward) -> Backward:
    r"""One step down, under gradient independence.

    .. math:: T^l = \sigma_w^2 f_1 T^{l+1}, \qquad
              S^l = \sigma_w^2\left(f_2 S^{l+1} + (f_1 - f_2) T^{l+1}\right)
    """
    return Backward(
        sigma_w2 * layer.derivative_first * above.T,
        sigma_w2 * (layer.derivative_second * above.S + layer.derivative_gap * above.T),
    )


RULES: dict[str, Rule] = {NoNormalization.kind: Rule(_plain_law, _plain_pull_back)}


def rule(scheme: Scheme) -> Rule:
    """The rule of a hidden layer's scheme; ``NotCovered`` where there is none."""
    if scheme.kind not in RULES:
        raise NotCovered(f"{scheme.kind} in a hidden layer (covered: {', '.join(RULES)})")
    return RULES[scheme.kind]
