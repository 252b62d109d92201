r"""The one loop over layers: order parameters forward and backward, and the kernel.

Notation. :math:`q_1^l, q_2^l` are the variance and the covariance of the pre-activations of one and
of two samples, :math:`\hat q_1^l, \hat q_2^l` the second moments of the activations, T and S the
backward numbers of ``theory.normalization``; index 1 stands for one sample, 2 for two.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

from theory.architecture import Network
from theory.gaussian import Moments
from theory.mathematics import Number
from theory.normalization import Backward, rule
from theory.pair import Pair


class Kernel(NamedTuple):
    r"""K_1 (one sample), K_2 (two samples) and gap = K_1 - K_2, carried along.

    The kernel of one output over N samples is :math:`(K_1 - K_2) I + K_2 11^T`.
    """

    K1: Number
    K2: Number
    gap: Number

    def over(self, scale: Number) -> Kernel:
        return Kernel(self.K1 / scale, self.K2 / scale, self.gap / scale)


class PreActivations(NamedTuple):
    """Variance and covariance of two samples at one neuron, and gap = q1 - q2, carried along."""

    q1: Number
    q2: Number
    gap: Number


@dataclass(frozen=True)
class OrderParameters:
    """Every layer's numbers: q, T, S for l = 1..L; qh for l = 0..L-1. A gap is index 1 less 2."""

    q1: tuple[Number, ...]
    q2: tuple[Number, ...]
    q_gap: tuple[Number, ...]
    qh1: tuple[Number, ...]
    qh2: tuple[Number, ...]
    qh_gap: tuple[Number, ...]
    T1: tuple[Number, ...]
    T2: tuple[Number, ...]
    T_gap: tuple[Number, ...]
    S1: tuple[Number, ...]
    S2: tuple[Number, ...]
    S_gap: tuple[Number, ...]

    def kernel(self, widths: tuple[Number, ...], bias_gradients: bool) -> Kernel:
        r"""The kernel of one output at these layer widths.

        .. math:: K_a = \sum_{l=1}^L \left[ M_{l-1}\left((\hat q_1^{l-1} - \hat q_2^{l-1}) T_a^l
                  + \hat q_2^{l-1} S_a^l\right) + S_a^l \right]

        the last term for the gradients of the biases.
        """
        bias = int(bias_gradients)
        gap = K2 = 0
        for l, M in enumerate(widths[: len(self.T1)]):
            h_gap, h2 = self.qh_gap[l], self.qh2[l]
            gap = gap + M * (h_gap * self.T_gap[l] + h2 * self.S_gap[l]) + bias * self.S_gap[l]
            K2 = K2 + M * (h_gap * self.T2[l] + h2 * self.S2[l]) + bias * self.S2[l]
        return Kernel(gap + K2, K2, gap)


LINEAR_OUTPUT = (Backward(1, 1), Backward(0, 1))


def order_parameters(
    network: Network,
    m: Any,
    samples: Number,
    sigma_w2: Number,
    sigma_b2: Number,
    start: tuple[Backward, Backward] = LINEAR_OUTPUT,
) -> OrderParameters:
    """Run the recursions of a network in the number system ``m``, its last layer linear.

    ``start`` holds the backward numbers (T, S) of the outputs, for one sample and for two.
    """
    rules = [rule(scheme) for scheme in network.layers or ()]
    pairs, hidden = _forward(network, m, samples, sigma_w2, sigma_b2)
    one, two = start
    gaps = [Backward(one.T - two.T, one.S - two.S)]
    seconds = [two]
    for scheme_rule, layer in zip(reversed(rules), reversed(hidden), strict=True):
        gaps.insert(0, scheme_rule.pull_back(layer, sigma_w2, gaps[0]))
        seconds.insert(0, scheme_rule.pull_back(layer, sigma_w2, seconds[0]))
    same, different = (m.number(overlap) for overlap in network.input_overlaps)
    return OrderParameters(
        q1=tuple(pair.q1 for pair in pairs),
        q2=tuple(pair.q2 for pair in pairs),
        q_gap=tuple(pair.gap for pair in pairs),
        qh1=(same, *(layer.first for layer in hidden)),
        qh2=(different, *(layer.second for layer in hidden)),
        qh_gap=(same - different, *(layer.gap for layer in hidden)),
        T1=tuple(gap.T + second.T for gap, second in zip(gaps, seconds, strict=True)),
        T2=tuple(second.T for second in seconds),
        T_gap=tuple(gap.T for gap in gaps),
        S1=tuple(gap.S + second.S for gap, second in zip(gaps, seconds, strict=True)),
        S2=tuple(second.S for second in seconds),
        S_gap=tuple(gap.S for gap in gaps),
    )


def _forward(
    network: Network, m: Any, samples: Number, sigma_w2: Number, sigma_b2: Number
) -> tuple[list[PreActivations], list[Moments]]:
    same, different = (m.number(overlap) for overlap in network.input_overlaps)
    first, second, gap = same, different, same - different
    pairs: list[PreActivations] = []
    hidden: list[Moments] = []
    for scheme in network.layers or ():
        pairs.append(_pre_activations(first, second, gap, sigma_w2, sigma_b2))
        layer = rule(scheme).law(network.activation, scheme, Pair.of_samples(*pairs[-1]), samples)
        hidden.append(layer)
        first, second, gap = layer.first, layer.second, layer.gap
    pairs.append(_pre_activations(first, second, gap, sigma_w2, sigma_b2))
    return pairs, hidden


def _pre_activations(
    first: Number, second: Number, gap: Number, sigma_w2: Number, sigma_b2: Number
) -> PreActivations:
    return PreActivations(sigma_w2 * first + sigma_b2, sigma_w2 * second + sigma_b2, sigma_w2 * gap)
