r"""Normalization over the units of a layer, each sample alone: layer, RMS and group norm.

At infinite width all three divide by the root of :math:`q_1 + \epsilon`; groups do not matter.
"""

from __future__ import annotations

from collections.abc import Callable

from theory.activations import Activation
from theory.averages import over_normal
from theory.errors import NotCovered
from theory.gaussian import Moments, mean, moments
from theory.mathematics import FLOATS, Number
from theory.normalization.layer import Layer, PreActivations, Rule, Setting
from theory.normalization.plain import pull_back
from theory.normalization.positions import positions
from theory.pair import Law, Pair
from theory.schemes import Normalized
from theory.two_samples import Couple


def law(
    activation: Activation,
    scheme: Normalized,
    pair: PreActivations,
    across: PreActivations | None,
    setting: Setting,
) -> Layer:
    r""":math:`\gamma z + \beta`, z Gaussian of variance :math:`q_1/(q_1+\epsilon)` and covariance
    :math:`q_2/(q_1+\epsilon)`; the derivatives carry :math:`\gamma^2/(q_1 + \epsilon)`."""
    variance = pair.q1 + setting.m.number(scheme.eps)
    standard, standard_across = (
        None if one is None else PreActivations(*(part / variance for part in one))
        for one in (pair, across)
    )
    assert standard is not None
    return over_scales(
        lambda gamma: given_scale(
            activation, scheme, gamma, standard, standard_across, 1 / variance, setting
        ),
        scheme,
        setting,
    )


def over_scales(unit: Callable[[Number], Layer], scheme: Normalized, setting: Setting) -> Layer:
    """The average of a layer over the scales of its units."""
    if scheme.gamma_std == 0:
        return unit(setting.m.number(scheme.gamma))
    if setting.m is not FLOATS:
        raise NotCovered(f"{scheme.kind}.gamma_std with symbols or digits (covered: float64)")
    return over_normal(unit, float(scheme.gamma), float(scheme.gamma_std))


def given_scale(
    activation: Activation,
    scheme: Normalized,
    gamma: Number,
    pair: PreActivations,
    across: PreActivations | None,
    inverse_variance: Number,
    setting: Setting,
) -> Layer:
    r"""The layer at :math:`\gamma x + \beta_i` for a Gaussian pair x, :math:`\beta_i` in common.

    A random shift adds its variance to the variance and to the covariance.
    """
    m = setting.m
    spread = m.number(scheme.beta_std) ** 2
    beta = 0 if scheme.beta == 0 else m.number(scheme.beta)

    def shifted(one: PreActivations) -> PreActivations:
        q1, q2, gap = (gamma**2 * part for part in one)
        return PreActivations(q1 + spread, q2 + spread, gap)

    found, apart = (
        None if one is None else moments(activation, Pair.of_samples(*shifted(one), beta))
        for one in (pair, across)
    )
    assert found is not None
    shift = scale = None
    if scheme.trained:
        third = None if apart is None else apart.derivative_second
        shift = Couple(found.derivative_first, found.derivative_second, found.derivative_gap, third)
        scale, other = (
            None if one is None else positions(activation, one, gamma, beta, spread, setting)
            for one in (pair, across)
        )
        if scale is not None and other is not None:
            scale = scale._replace(third=other.second)
    weight = gamma**2 * inverse_variance
    return Layer(
        weighted(found, weight),
        None if apart is None else weighted(apart, weight),
        mean(activation, Law(beta, shifted(pair).q1)) if setting.centred else None,
        shift,
        scale,
    )


def weighted(found: Moments, weight: Number) -> Moments:
    """The moments with a weight on those of the derivative."""
    return found._replace(
        derivative_first=weight * found.derivative_first,
        derivative_second=weight * found.derivative_second,
        derivative_gap=weight * found.derivative_gap,
    )


RULE = Rule(law, pull_back)
