r"""The largest eigenvalue at N proportional to M, for every last layer that has a bulk."""

from __future__ import annotations

from math import sqrt
from typing import NamedTuple

from theory import fisher
from theory.architecture import BatchNorm, Network, NotCovered
from theory.bulk.finite import top
from theory.bulk.model import Model, model
from theory.bulk.moments import second_cumulant
from theory.bulk.outliers import norm_outliers, uniform_shift
from theory.meanfield import Kernel
from theory.schemes import Normalized
from theory.statistics import LargestEigenvalue

UNVERIFIED_TAILS = (
    "unverified: at L >= 3 few units of large weight decide the top of the bulk; against networks "
    "of 100 to 1500 units (relu, tanh, gelu, softplus) its mean was up to 6 % too high and 8 % too "
    "low, 17 % too low with 10 outputs at L = 5, for even phi up to 30 % too high"
)
UNVERIFIED_OUTLIERS = (
    "unverified: outliers of order 1 are not derived for these hidden layers; none was seen with "
    "relu, tanh and gelu"
)
UNVERIFIED_UNIFORM = (
    "unverified: what the bulk adds to the uniform mode, of order 1, is not derived for these "
    "hidden layers and left out"
)
UNIFORM_SPREAD = "the spread of the uniform mode over networks is not derived"
OUTLIER_SPREAD = "the spread of an outlier over networks is not derived"
NORMALIZED_SPREAD = "the spread of the realised variance of the outputs is not derived"


class InProportion(NamedTuple):
    """The largest eigenvalue, and what is not verified of it (None if nothing is)."""

    largest: LargestEigenvalue
    reason: str | None


def largest_in_proportion(network: Network, width: int, samples: int, K: Kernel) -> InProportion:
    r"""The largest eigenvalue at width M with N samples, K being the kernel of the linear outputs.

    Centred outputs: the mean top of the bulk, or an outlier of order 1, between

    .. math:: \rho\alpha(\kappa_1 - \kappa_2) + c_1 \le \lambda_{max} \le
              \sqrt{\left(C\alpha^2\rho(\kappa_1 - \kappa_2)^2 + c_2\right) M}

    with leading kappas; ``lower_leading`` and ``upper_leading`` have :math:`c_1 = c_2 = 0` and the
    kernel at this width. Linear outputs: the uniform mode with the shift by the bulk where it
    stands out, else the bulk. Batch norm: the bulk over :math:`q_1^L - q_2^L`.

    >>> from theory.architecture import MeanSubtraction
    >>> net = Network("linear", depth=2, sigma_w2=1, last=MeanSubtraction())
    >>> round(largest_in_proportion(net, 400, 400, Kernel(801, 1, 800)).largest.value, 3)
    9.747
    """
    match network.last.kind:
        case "mean-subtraction":
            return _centred(network, width, samples, K)
        case "none":
            return _linear(network, width, samples, K)
        case "batchnorm":
            return _normalized(network, width, samples)
    raise NotCovered(f"the bulk behind {network.last.kind} in the last layer")


def _centred(network: Network, width: int, samples: int, K: Kernel) -> InProportion:
    found = _bulk(network, width, samples)
    leading = model(network, width / samples)
    C, rho = leading.outputs, leading.rho
    c2 = C * second_cumulant(leading) / rho
    c1 = c2 * rho / (C * leading.trace)
    return found._replace(
        largest=found.largest._replace(
            lower=leading.trace + c1,
            upper=sqrt((C * leading.trace**2 / rho + c2) * width),
            c1=c1,
            c2=c2,
            lower_leading=fisher.lower_bound(K.gap, samples),
            upper_leading=fisher.upper_bound(K.gap, width, samples, C),
        )
    )


def _bulk(network: Network, width: int, samples: int) -> InProportion:
    """The top of the bulk, or what norms of samples lift out of it."""
    found = top(network, width, samples)
    chain = model(network, width / samples, width, scale=found.scale)
    if network.activation.name == "linear":
        return _of_order_one(found.value, found.standard_deviation)
    reasons = [] if chain.forward_only or chain.depth == 2 else [UNVERIFIED_TAILS]
    try:
        outliers = norm_outliers(chain)
    except NotCovered:
        return _of_order_one(found.value, found.standard_deviation, *reasons, UNVERIFIED_OUTLIERS)
    if outliers:
        return _of_order_one(outliers[0], None, *reasons, OUTLIER_SPREAD)
    return _of_order_one(found.value, found.standard_deviation, *reasons)


def _of_order_one(value: float, deviation: float | None, *reasons: str) -> InProportion:
    largest = LargestEigenvalue(value, None, None, "1", "proportional", deviation)
    return InProportion(largest, "; ".join(reasons) or None)


def _linear(network: Network, width: int, samples: int, K: Kernel) -> InProportion:
    """The uniform mode, where it leaves the bulk and lies above it; else the bulk."""
    uniform = float(fisher.uniform_mode(K.K1, K.K2, samples))
    inside = _bulk(network, width, samples)
    leading = model(network, width / samples)
    schemes = network.layers or ()
    outside, reason = K.K2 > 0, UNVERIFIED_UNIFORM
    if network.weights == "plain" and all(scheme.kind == "none" for scheme in schemes):
        kappa2 = K.K2 / (float(network.alpha) * width)
        noise = second_cumulant(leading) / leading.rho / float(network.alpha) ** 2
        outside, reason = kappa2 * samples > sqrt(noise * samples / width), UNIFORM_SPREAD
        if outside:
            uniform += float(network.alpha) * noise / (samples * kappa2)
    elif all(layer.coupled for layer in leading.hidden):
        outside = _has_mean(leading)
        if outside and not any(_scaled(scheme) for scheme in schemes):
            uniform, reason = uniform + uniform_shift(leading), UNIFORM_SPREAD
    bulk = inside.largest.value
    if not outside or (bulk is not None and uniform < bulk):
        return inside
    return InProportion(LargestEigenvalue(float(uniform), None, None, "M", "proportional"), reason)


def _normalized(network: Network, width: int, samples: int) -> InProportion:
    assert isinstance(network.last, BatchNorm)
    found = top(network, width, samples, scale=1.0)
    leading = model(network, width / samples)
    factor = float(network.last.gamma) ** 2 / (leading.output_variance + float(network.last.eps))
    largest = LargestEigenvalue(factor * found.value, None, None, "1", "random")
    return InProportion(largest, NORMALIZED_SPREAD)


def _has_mean(chain: Model) -> bool:
    last = chain.hidden[-1]
    law, n = last.smooth()
    return float(n.m**2 @ law.weight) > 1e-20 * float(n.h2 @ law.weight)


def _scaled(scheme: object) -> bool:
    return isinstance(scheme, Normalized) and (
        scheme.random or scheme.gamma != 1 or scheme.beta != 0 or scheme.eps != 0
    )
