r"""Normalization of each unit over the B samples of a batch: mean subtraction and batch norm.

Both centre the gradients as well, so S = 0 below them. With ``share`` = 1/B everything is a formula
in 1/B that also holds at 0, for infinitely many samples.
"""

from __future__ import annotations

from collections.abc import Callable
from math import log
from typing import Any, NamedTuple

import numpy as np

from theory.activations import Activation
from theory.averages import elementwise, over_normal, over_variance
from theory.errors import NotCovered, OutOfRegime
from theory.gaussian import closed_kernel, mean, moments
from theory.last_layer import chi_square_mean
from theory.mathematics import FLOATS, Number, Symbols
from theory.normalization.layer import Backward, Coupled, Layer, PreActivations, Rule, Setting, own
from theory.normalization.positions import gain, homogeneous
from theory.normalization.units import given_scale, over_scales
from theory.pair import Law, Pair
from theory.schemes import BatchNorm, Scheme
from theory.two_samples import Couple, Sphere, TwoSamples, two_samples


def pull_back(layer: Coupled, sigma_w2: Number, above: Backward) -> Backward:
    r"""One step down through statistics over B samples.

    .. math:: T^l = \sigma_w^2 f_1 T^{l+1} - \tfrac1B \left[
              \sigma_w^2 (f_2 S + (f_1 - f_2) T) + \sigma_w^2 (c_2 S + (c_1 - c_2) T)
              \right]^{l+1}, \qquad S^l = 0

    The first bracket is the mean taken off the gradients, the second, of batch norm alone, their
    part along the normalized values: f and c carry :math:`\gamma^2/(\sigma^2 + \epsilon)`, c also
    :math:`2 - \tau` (at :math:`\epsilon = 0` it is 1).
    """
    f1, f2, f_gap = layer[3:6]
    off = own(Couple(f1, f2, f_gap), sigma_w2, above)
    along = own(Couple(*layer[6:9]), sigma_w2, above)
    return Backward(sigma_w2 * f1 * above.T - layer.share * (off + along), 0)


def subtracted(
    activation: Activation,
    scheme: Scheme,
    pair: PreActivations,
    across: PreActivations | None,
    setting: Setting,
) -> Layer:
    """Mean subtraction: Gaussian, variance v (1 - 1/B), covariance -v/B with v = q1 - q2."""
    v, share = pair.gap, setting.share
    variance = v * (1 - share)
    here = PreActivations(variance, -v * share, v)
    there = None if across is None else PreActivations(variance, 0 * v, variance)
    found = moments(activation, Pair.of_samples(*here))
    apart = None if there is None else moments(activation, Pair.of_samples(*there))
    return Layer(
        Coupled(*found, 0, 0, 0, share),
        None if apart is None else Coupled(*apart, 0, 0, 0, share),
        mean(activation, Law(0, variance)) if setting.centred else None,
        gain=gain(activation, here, there, setting, 0) if setting.gains else None,
    )


def batch_normalized(
    activation: Activation,
    scheme: BatchNorm,
    pair: PreActivations,
    across: PreActivations | None,
    setting: Setting,
) -> Layer:
    r"""Batch norm: :math:`\gamma x + \beta`, x uniform on a sphere of ``theory.two_samples``.

    :math:`\sigma^2 = v \chi^2_{B-1}/B` of each unit is independent of the direction of x; with
    :math:`\epsilon` the radius is :math:`|x|^2 = B\tau`,
    :math:`\tau = \sigma^2/(\sigma^2 + \epsilon)`. Infinitely many samples: x is Gaussian.
    """
    check_batch(scheme, setting)
    v = pair.gap
    if homogeneous(activation, scheme.beta, scheme.beta_std):
        found = _homogeneous(activation, scheme, v, across is not None, setting)
    elif setting.batch is None:
        inverse = 1 / (v + setting.m.number(scheme.eps))
        alone = PreActivations(v * inverse, 0 * v, v * inverse)
        layer = over_scales(
            lambda gamma: given_scale(activation, scheme, gamma, alone, None, inverse, setting),
            scheme,
            setting,
        )
        found = layer._replace(moments=Coupled(*layer.moments[:6], 0, 0, 0, 0))
    elif setting.m is not FLOATS:
        raise NotCovered(
            f"hidden batchnorm of {activation} with beta = {scheme.beta} with symbols or digits "
            "(covered: float64)"
        )
    else:
        found = _on_sphere(activation, scheme, v, across is not None, setting)
    if setting.gains:
        zero = 0 * v  # the scale of the weights drops out
        found = found._replace(gain=Couple(zero, zero, zero, None if across is None else zero))
    return found


def check_batch(scheme: BatchNorm, setting: Setting) -> None:
    """Raise ``OutOfRegime`` where the mean of 1/sigma^2 does not exist."""
    B = setting.batch
    if B is None or (isinstance(setting.m, Symbols) and not B.is_number) or B > 3:
        return
    if scheme.eps == 0:
        raise OutOfRegime(
            f"batch norm in a hidden layer needs at least 4 samples in a batch at eps = 0, {int(B)}"
            " given: the mean of 1/sigma^2 does not exist. Use more samples."
        )
    raise NotCovered(f"batch norm in a hidden layer with eps > 0 and {int(B)} samples in a batch")


def _homogeneous(
    activation: Activation, scheme: BatchNorm, v: Number, batches: bool, setting: Setting
) -> Layer:
    """Scales move out: on the sphere as for Gaussian variables of variance 1, covariance -1/(B-1).

    For a product of degree 2 only the mean square radius of the law counts, for degree 0 nothing.
    """
    m, share = setting.m, setting.share
    square = m.number(scheme.gamma) ** 2 + m.number(scheme.gamma_std) ** 2
    ratio = 1 / (1 - share)
    found = moments(activation, Pair(m.number(1), m.number(1), -share * ratio, ratio, 2 - ratio))
    tau, inverse, along, root = _over_variance(scheme, v, setting)
    weights = (tau,) * 3 + (inverse,) * 3 + (along,) * 3
    parts = zip(weights, (*found, *found[:3]), strict=True)
    here = Coupled(*(*(square * weight * part for weight, part in parts), share))
    kernel, standard = closed_kernel(activation), Law(0, m.number(1))
    assert kernel is not None
    size = root * _size(m, setting.batch) * kernel.mean(standard)
    shift = scale = None
    if scheme.trained:
        shift = Couple(*found[3:])
        scale = Couple(*(tau * part for part in found[:3]))
        if batches:
            shift = shift._replace(third=kernel.derivative_mean(standard) ** 2)
            scale = scale._replace(third=size**2)
    return Layer(
        here,
        here._replace(second=square * size**2) if batches else None,
        _mean_scale(m, scheme) * size if setting.centred else None,
        shift,
        scale,
    )


def _over_variance(scheme: BatchNorm, v: Number, setting: Setting) -> tuple[Number, ...]:
    r"""Means of :math:`\tau,\ w,\ \tau(2-\tau) w` and :math:`\sqrt\tau` over the variance of a
    unit, :math:`w = 1/(\sigma^2 + \epsilon)`."""
    m, B, eps = setting.m, setting.batch, setting.m.number(scheme.eps)
    if eps == 0:
        inverse = 1 / (v * (1 - 3 * setting.share))
        return 1, inverse, inverse, 1
    reach = 0.0 if m is not FLOATS else 4 * max(0.0, log(np.max(v) / eps))

    def average(f: Callable[[Number, Number], Number]) -> Number:
        def of_chi_square(x: Number) -> Number:
            variance = v if B is None else v * x / B
            return f(variance / (variance + eps), 1 / (variance + eps))

        return of_chi_square(0) if B is None else chi_square_mean(of_chi_square, B - 1, v, reach)

    return (
        average(lambda tau, w: tau),
        average(lambda tau, w: w),
        average(lambda tau, w: tau * (2 - tau) * w),
        average(lambda tau, w: m.sqrt(tau)),
    )


def _size(m: Any, B: Number | None) -> Number:
    r"""``E |x|`` on the sphere over that of a standard normal x, with d = B - 1:

    .. math:: \sqrt{d/2}\;\Gamma(d/2)/\Gamma((d+1)/2)
    """
    if B is None:
        return 1
    half = (B - 1) / m.number(2)
    return m.sqrt(half) / m.rising(half, m.number(1) / 2)


def _mean_scale(m: Any, scheme: BatchNorm) -> Number:
    r""":math:`E|\gamma_i|`."""
    gamma, deviation = m.number(scheme.gamma), m.number(scheme.gamma_std)
    if deviation == 0:
        return m.absolute(gamma)
    ratio = gamma / deviation / m.sqrt(m.number(2))
    return deviation * m.sqrt(2 / m.pi) * m.exp(-(ratio**2)) + gamma * m.erf(ratio)


def _on_sphere(
    activation: Activation, scheme: BatchNorm, v: Number, batches: bool, setting: Setting
) -> Layer:
    """By quadrature on the sphere, averaged over the scales and shifts of the units."""

    def averaged(v: Number) -> Layer:
        return over_scales(
            lambda gamma: over_normal(
                lambda beta: _unit(activation, scheme, gamma, beta, v, batches, setting),
                float(scheme.beta),
                float(scheme.beta_std),
            ),
            scheme,
            setting,
        )

    return averaged(v) if scheme.eps == 0 else elementwise(averaged, v)


class _Weighted(NamedTuple):
    """Moments of a unit, and those of its gradients with what batch norm divides by."""

    law: TwoSamples
    slope: Couple
    position: Couple


def _unit(
    activation: Activation,
    scheme: BatchNorm,
    gamma: float,
    beta: float,
    v: Number,
    batches: bool,
    setting: Setting,
) -> Layer:
    """One unit of given scale and shift; at eps > 0 averaged over its variance."""
    B, eps, share = int(setting.batch or 0), float(scheme.eps), setting.share

    def given(tau: float, inverse: Number) -> _Weighted:
        law = two_samples(activation, Sphere(B, tau), gamma, beta)
        weight = gamma**2 * inverse
        along = weight * (2 - tau)
        return _Weighted(
            law,
            Couple(*(weight * part for part in law.slope[:3])),
            Couple(*(along * part for part in law.position[:3])),
        )

    def of_variance(x: float) -> _Weighted:
        variance = v * (1 - share) * x
        return given(variance / (variance + eps), 1 / (variance + eps))

    if eps == 0:
        law, slope, position = given(1.0, 1 / (v * (1 - 3 * share)))
    else:
        law, slope, position = over_variance(of_variance, B - 1)
    here = Coupled(*law.value[:3], *slope[:3], *position[:3], share)
    shift = scale = None
    if scheme.trained:
        shift = law.slope._replace(third=law.slope_mean**2 if batches else None)
        scale = law.position._replace(third=law.position_mean**2 if batches else None)
    return Layer(
        here,
        here._replace(second=law.mean**2) if batches else None,
        law.mean if setting.centred else None,
        shift,
        scale,
    )


BATCH_NORM = Rule(batch_normalized, pull_back)
MEAN_SUBTRACTION = Rule(subtracted, pull_back)
