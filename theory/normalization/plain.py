"""Layers without normalization: the pre-activations are Gaussian as they come."""

from __future__ import annotations

from theory.activations import Activation
from theory.gaussian import Moments, mean, moments
from theory.mathematics import Number
from theory.normalization.layer import (
    Backward,
    Couple,
    Layer,
    PreActivations,
    Rule,
    Setting,
)
from theory.normalization.positions import gain
from theory.pair import Law, Pair
from theory.schemes import Scheme


def law(
    activation: Activation,
    scheme: Scheme,
    pair: PreActivations,
    across: PreActivations | None,
    setting: Setting,
) -> Layer:
    return Layer(
        moments(activation, Pair.of_samples(*pair)),
        None if across is None else moments(activation, Pair.of_samples(*across)),
        mean(activation, Law(0, pair.q1)) if setting.centred else None,
        gain=_gain(activation, pair, across, setting) if setting.gains else None,
    )


def _gain(
    activation: Activation,
    pair: PreActivations,
    across: PreActivations | None,
    setting: Setting,
) -> Couple:
    """A gain multiplies the pre-activations without their bias, which two samples share."""
    bias = setting.sigma_b2

    def less(one: PreActivations) -> PreActivations:
        return PreActivations(one.q1 - bias, one.q2 - bias, one.gap)

    there = None if across is None else less(across)
    return gain(activation, less(pair), there, setting, bias)


def pull_back(layer: Moments, sigma_w2: Number, above: Backward) -> Backward:
    r"""One step down, under gradient independence.

    .. math:: T^l = \sigma_w^2 f_1 T^{l+1}, \qquad
              S^l = \sigma_w^2\left(f_2 S^{l+1} + (f_1 - f_2) T^{l+1}\right)
    """
    return Backward(
        sigma_w2 * layer.derivative_first * above.T,
        sigma_w2 * (layer.derivative_second * above.S + layer.derivative_gap * above.T),
    )


RULE = Rule(law, pull_back)
