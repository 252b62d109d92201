r"""Products of :math:`x_t\,\varphi'(\gamma x_t + \beta)` over two samples."""

from __future__ import annotations

import numpy as np

from theory.activations import Activation
from theory.averages import elementwise, over_normal
from theory.errors import NotCovered
from theory.gaussian import moments
from theory.mathematics import FLOATS, Number
from theory.normalization.layer import PreActivations, Setting
from theory.pair import Pair
from theory.two_samples import Couple, Gaussian, two_samples

HOMOGENEOUS = ("linear", "relu", "leaky_relu", "abs")
r"""Activations with :math:`x\varphi'(x) = \varphi(x)`, so that scales move out of the moments."""


def homogeneous(activation: Activation, *shifts: Number) -> bool:
    """Whether a scale moves out of the moments, the shifts being 0."""
    return activation.name in HOMOGENEOUS and all(_zero(shift) for shift in shifts)


def _zero(shift: Number) -> bool:
    return bool(np.all(np.asarray(shift) == 0))


def positions(
    activation: Activation,
    pair: PreActivations,
    gamma: Number,
    shift: Number,
    spread: Number,
    setting: Setting,
) -> Couple:
    r"""``E x_t x_s psi_t psi_s``, (x_t, x_s) the Gaussian pair, a shift N(shift, spread) in common.

    Closed for ``HOMOGENEOUS`` activations without shift; else float64 only.
    """
    if homogeneous(activation, shift, spread):
        found = moments(activation, Pair.of_samples(*pair))
        return Couple(found.first, found.second, found.gap)
    if setting.m is not FLOATS:
        raise NotCovered(
            f"trained scales or gains of {activation} with symbols or digits (covered: float64)"
        )
    return elementwise(
        lambda q1, q2, gap, g, b, s: over_normal(
            lambda beta: (
                two_samples(activation, Gaussian(q1, gap / q1, (q1 + q2) / q1), g, beta).position
            ),
            b,
            s**0.5,
        ),
        *pair,
        gamma,
        shift,
        spread,
    )


def gain(
    activation: Activation,
    pair: PreActivations,
    across: PreActivations | None,
    setting: Setting,
    bias: Number,
) -> Couple:
    r"""Products of :math:`(u - b)\varphi'(u)/\sigma_w`; the pairs are those of u - b."""
    found = positions(activation, pair, 1, 0, bias, setting)
    third = None
    if across is not None:
        third = positions(activation, across, 1, 0, bias, setting).second / setting.sigma_w2
    first, second, gap = (part / setting.sigma_w2 for part in found[:3])
    return Couple(first, second, gap, third)
