r"""The one loop over layers: order parameters forward and backward, and the kernel.

Notation. :math:`q_1^l, q_2^l` are the variance and the covariance of the pre-activations of one and
of two samples, :math:`\hat q_1^l, \hat q_2^l` the second moments of the activations, T and S the
backward numbers of ``theory.normalization``; index 1 stands for one sample, 2 for two of the same
batch, 3, with mini-batches, for two of different batches.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from theory.architecture import Network
from theory.mathematics import Number, Symbols
from theory.normalization import Backward, Couple, Layer, PreActivations, Setting, own, rule


class Kernel(NamedTuple):
    r"""K_1 (one sample), K_2 (two samples) and gap = K_1 - K_2, carried along.

    The kernel of one output over N samples is :math:`(K_1 - K_2) I + K_2 11^T`. With mini-batches
    K_2 is that of two samples of a batch, and K_3 of two batches; else K_3 is None.
    """

    K1: Number
    K2: Number
    gap: Number
    K3: Number | None = None

    def over(self, scale: Number) -> Kernel:
        return Kernel(*(None if part is None else part / scale for part in self))


def total(kernels: Iterable[Kernel]) -> Kernel:
    """The sum, entry by entry."""
    columns = zip(*kernels, strict=True)
    return Kernel(*(None if column[0] is None else sum(column) for column in columns))


@dataclass(frozen=True)
class OrderParameters:
    """Every layer's numbers: q, T, S for l = 1..L; qh for l = 0..L-1. A gap is index 1 less 2.

    ``removed`` is what weight standardization takes off each qh, the square of the mean activation.
    ``own`` holds the kernels of scales, shifts and gains, which no width multiplies. The numbers of
    two batches are empty without mini-batches.
    """

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
    q3: tuple[Number, ...] = ()
    qh3: tuple[Number, ...] = ()
    S3: tuple[Number, ...] = ()
    removed: tuple[Number, ...] = ()
    own: Mapping[str, Kernel] = field(default_factory=dict, hash=False)

    def groups(self, widths: tuple[Number, ...], biases: Number) -> dict[str, Kernel]:
        r"""The kernel of one output by groups of parameters.

        .. math:: K_a^{weights} = \sum_{l=1}^L M_{l-1}\left((\hat q_1^{l-1} - \hat q_2^{l-1}) T_a^l
                  + \hat q_2^{l-1} S_a^l\right), \qquad K_a^{biases} = \sum_{l=1}^L S_a^l

        ``widths``: the :math:`M_{l-1}`, or other factors of the layers; ``biases``: that of the
        biases, 0 if they are no parameters.
        """
        layers = range(len(self.T1))
        found = {"weights": total(self.block(l, widths[l]) for l in layers)}
        if not (isinstance(biases, int) and biases == 0):
            found["biases"] = self._biases(biases)
        return found | dict(self.own)

    def kernel(self, widths: tuple[Number, ...], bias_gradients: Number) -> Kernel:
        """The sum of ``groups``."""
        biases = int(bias_gradients) if isinstance(bias_gradients, bool) else bias_gradients
        return total(self.groups(widths, biases).values())

    def block(self, l: int, width: Number) -> Kernel:
        """The kernel of the weights of layer l + 1."""
        removed = self.removed[l] if self.removed else 0
        h_gap, h2 = self.qh_gap[l], self.qh2[l] - removed
        gap = width * (h_gap * self.T_gap[l] + h2 * self.S_gap[l])
        K2 = width * (h_gap * self.T2[l] + h2 * self.S2[l])
        K3 = width * (self.qh3[l] - removed) * self.S3[l] if self.S3 else 0
        return self._kernel(gap, K2, K3)

    def _biases(self, factor: Number) -> Kernel:
        return self._kernel(*(factor * sum(S) for S in (self.S_gap, self.S2, self.S3)))

    def _kernel(self, gap: Number, K2: Number, K3: Number) -> Kernel:
        return Kernel(gap + K2, K2, gap, K3 if self.S3 else None)


LINEAR_OUTPUT = (Backward(1, 1), Backward(0, 1))


class Above(NamedTuple):
    """The backward numbers of one layer: index 1 less index 2, index 2, and S of index 3."""

    gap: Backward
    two: Backward
    across: Number | None


def order_parameters(
    network: Network,
    m: Any,
    samples: Number | None,
    sigma_w2: Number,
    sigma_b2: Number,
    start: tuple[Backward, Backward] = LINEAR_OUTPUT,
) -> OrderParameters:
    """Run the recursions of a network in the number system ``m``, its last layer linear.

    ``samples`` is N, None for infinitely many. ``start`` holds the backward numbers (T, S) of the
    outputs, for one sample and for two of a batch; two batches start at S = 1.
    """
    batch = network.batch_size if samples is None else network.batch(samples)
    setting = Setting(
        m,
        None if batch is None else m.number(batch),
        sigma_w2,
        sigma_b2,
        centred=network.weights == "weight-standardization",
        gains=network.trained_gains,
    )
    forward = _forward(network, setting)
    hidden = forward.layers
    one, two = start
    top = Above(
        Backward(one.T - two.T, one.S - two.S), two, None if network.batch_size is None else 1
    )
    backward = [top]
    for scheme, layer in zip(reversed(network.layers or ()), reversed(hidden), strict=True):
        backward.insert(0, _step(rule(scheme).pull_back, layer, sigma_w2, backward[0]))
    gaps, seconds = [above.gap for above in backward], [above.two for above in backward]
    batches = network.batch_size is not None
    same, different = (m.number(overlap) for overlap in network.input_overlaps)
    return OrderParameters(
        q1=tuple(pair.q1 for pair in forward.pairs),
        q2=tuple(pair.q2 for pair in forward.pairs),
        q_gap=tuple(pair.gap for pair in forward.pairs),
        qh1=(same, *(layer.moments.first for layer in hidden)),
        qh2=(different, *(layer.moments.second for layer in hidden)),
        qh_gap=(same - different, *(layer.moments.gap for layer in hidden)),
        T1=tuple(gap.T + second.T for gap, second in zip(gaps, seconds, strict=True)),
        T2=tuple(second.T for second in seconds),
        T_gap=tuple(gap.T for gap in gaps),
        S1=tuple(gap.S + second.S for gap, second in zip(gaps, seconds, strict=True)),
        S2=tuple(second.S for second in seconds),
        S_gap=tuple(gap.S for gap in gaps),
        q3=tuple(pair.q2 for pair in forward.across if pair is not None),
        qh3=(different, *(l.across.second for l in hidden if l.across)) if batches else (),
        S3=tuple(above.across for above in backward if above.across is not None),
        removed=(0, *map(_removed, hidden)) if setting.centred else (),
        own=_own(network, forward, backward, sigma_w2),
    )


class Forward(NamedTuple):
    """Every layer's pre-activations, of two samples of a batch and of different ones; moments."""

    pairs: list[PreActivations]
    across: list[PreActivations | None]
    layers: list[Layer]


def _forward(network: Network, setting: Setting) -> Forward:
    same, different = (setting.m.number(overlap) for overlap in network.input_overlaps)
    first, second, gap = same, different, same - different
    third = None if network.batch_size is None else different
    removed: Number = 0
    found = Forward([], [], [])
    variances = setting.m, setting.sigma_w2, setting.sigma_b2
    for scheme in (*(network.layers or ()), None):
        second, first = second - removed, first - removed
        found.pairs.append(_pre_activations(first, second, gap, *variances))
        across = None
        if third is not None:
            third = third - removed
            across = _pre_activations(first, third, first - third, *variances)
        found.across.append(across)
        if scheme is None:
            break
        layer = rule(scheme).law(network.activation, scheme, found.pairs[-1], across, setting)
        found.layers.append(layer)
        first, second, gap = layer.moments.first, layer.moments.second, layer.moments.gap
        third = None if layer.across is None else layer.across.second
        removed = _removed(layer)
    return found


def _removed(layer: Layer) -> Number:
    return 0 if layer.mean is None else layer.mean**2


def _pre_activations(
    first: Number, second: Number, gap: Number, m: Any, sigma_w2: Number, sigma_b2: Number
) -> PreActivations:
    """The three numbers of two samples, of which any two say the third.

    Rounding must not drive them apart: the next layers may multiply the discrepancy, also where
    they forget the gap. The smaller one of q2 and the gap keeps its digits, the other follows.
    """
    q1, q2, gap = sigma_w2 * first + sigma_b2, sigma_w2 * second + sigma_b2, sigma_w2 * gap
    if isinstance(m, Symbols):
        return PreActivations(q1, q2, gap)
    near = 2 * gap < q1
    return PreActivations(
        q1,
        m.select(near, lambda: q1 - gap, lambda: q2),
        m.select(near, lambda: gap, lambda: q1 - q2),
    )


def _step(pull_back: Any, layer: Layer, sigma_w2: Number, above: Above) -> Above:
    across = None
    if above.across is not None:
        # no trace: two batches have no sample in common
        across = pull_back(layer.across, sigma_w2, Backward(0, above.across)).S
    return Above(
        pull_back(layer.moments, sigma_w2, above.gap),
        pull_back(layer.moments, sigma_w2, above.two),
        across,
    )


def _own(
    network: Network, forward: Forward, backward: list[Above], sigma_w2: Number
) -> dict[str, Kernel]:
    """The kernels of the parameters that each unit has for itself."""
    found: dict[str, Kernel] = {}
    for name, field_name in (("scales", "scale"), ("shifts", "shift"), ("gains", "gain")):
        kernels = [
            _of_couple(couple, sigma_w2, above)
            for layer, above in zip(forward.layers, backward[1:], strict=True)
            if (couple := getattr(layer, field_name)) is not None
        ]
        if name == "gains" and network.trained_gains:
            kernels.append(_last_gain(forward, backward[-1]))
        if kernels:
            found[name] = total(kernels)
    return found


def _of_couple(couple: Couple, sigma_w2: Number, above: Above) -> Kernel:
    gap, K2 = own(couple, sigma_w2, above.gap), own(couple, sigma_w2, above.two)
    K3 = None if above.across is None else sigma_w2 * couple.third * above.across
    return Kernel(gap + K2, K2, gap, K3)


def _last_gain(forward: Forward, outputs: Above) -> Kernel:
    """The gain of an output multiplies a sum over the last activations."""
    layer = forward.layers[-1]
    third = None if layer.across is None else layer.across.second
    return _of_couple(Couple(*layer.moments[:3], third), 1, outputs)
