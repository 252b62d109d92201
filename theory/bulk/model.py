r"""The linear-equivalent model of a network when samples grow in proportion to the width.

.. math:: F^* \simeq r I + \sum_{l=0}^{L-1} x_l H_l + \sum_{l=1}^{L-1} y_l \Delta_l

H_l is the Gram matrix of the activations of layer l, centred over the samples, over M_l, and
:math:`\Delta_l` that of the centred backpropagated vectors. Both are chains of Gaussian layers:
:math:`h^l = b\, W^l h^{l-1} + {}` noise of the unit. Hidden normalization enters through its gain
:math:`1/\sigma_l^2` and, where it couples the samples, cuts the backward chain.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from theory.activations import Activation
from theory.architecture import Network, NotCovered, OutOfRegime
from theory.bulk.neurons import Conditional, conditional_moments
from theory.bulk.units import Units, normal_octaves, trapezoid, units
from theory.mathematics import FLOATS
from theory.meanfield import OrderParameters, order_parameters
from theory.schemes import Normalized, Scheme

ROUNDING = 1e-13
SEVERAL = 81  # nodes per law where units differ in more than zeta


@dataclass(frozen=True)
class Hidden:
    r"""A hidden layer: :math:`\alpha_l, x_l, y_l`, the factor s_l of both its links, p_1 and p_2.

    z has the variance ``common`` + ``tau``, ``common`` of it shared by all samples. ``coupled``:
    its statistics run over the samples.
    """

    activation: Activation
    scheme: Scheme
    ratio: float
    units: int | None
    common: float
    tau: float
    x: float
    y: float
    s: float
    p1: float
    p2: float

    @property
    def coupled(self) -> bool:
        return self.scheme.over == "samples"

    def smooth(self) -> tuple[Units, Conditional]:
        """The units' law for averages of smooth moments."""
        random = isinstance(self.scheme, Normalized) and self.scheme.random
        law = units(self.scheme, self.common > 0, lambda: trapezoid(SEVERAL if random else 321))
        return law, self._moments(law)

    def octaves(self) -> tuple[Units, Conditional]:
        """The units' law inside the fixed point, as far as M_l units reach."""
        count = self.units or 0
        law = units(self.scheme, self.common > 0, lambda: normal_octaves(count))
        return law, self._moments(law)

    def _moments(self, law: Units) -> Conditional:
        return conditional_moments(self.activation, law, self.common, self.tau)


@dataclass(frozen=True)
class Model:
    """The whole chain: the inputs' ratio, variance and x_0, the hidden layers 1..L-1, r.

    ``output_variance`` is q_1^L - q_2^L, ``gap`` k_1: the mean eigenvalue of the bulk.
    """

    outputs: int
    rho: float
    ratio: float
    variance: float
    x: float
    hidden: tuple[Hidden, ...]
    r: float
    trace: float
    output_variance: float

    @property
    def depth(self) -> int:
        return len(self.hidden) + 1

    @property
    def forward_only(self) -> bool:
        """Whether no backpropagated vector has a mean part: outputs are then copies."""
        return all(layer.y == 0 for layer in self.hidden)

    def cut(self, l: int) -> bool:
        """Whether the backward chain does not reach hidden layer l from l + 1."""
        return l >= len(self.hidden) or self.hidden[l].coupled


def model(network: Network, rho: float, width: int | None = None, *, scale: float = 1) -> Model:
    r"""The model of a network at rho = M/N, at leading order or at a finite width.

    .. math:: x_l = \rho\alpha_l \tilde q_2^{l+1}, \qquad
              y_l = \rho\left(\alpha_{l-1}\hat q_2^{l-1} + \tfrac1M\right), \qquad
              r = \rho\sum_l \alpha_{l-1} (\tilde q_1^l - \tilde q_2^l)
                  (\hat q_1^{l-1} - \hat q_2^{l-1})

    The 1/M is that of bias gradients, absent without a width; y_l = 0 where layer l couples the
    samples. ``scale`` is the realised :math:`|W_k^L|^2/\sigma_w^2` of the output weights.

    Raises ``NotCovered`` for a network that has no derivation, ``OutOfRegime`` for negative
    covariances, rho <= 0 or mini-batches.
    """
    _check(network, rho)
    sigma_w2, sigma_b2 = float(network.sigma_w2), float(network.sigma_b2)
    order = order_parameters(network, FLOATS, None, sigma_w2, sigma_b2)
    if any(_rounded(q2, q1) < 0 for q1, q2 in zip(order.q1, order.q2, strict=True)):
        raise OutOfRegime(
            f"the bulk needs samples with non-negative covariance, q_2 = {min(order.q2):.4g}"
        )
    removed = order.removed or (0.0,) * network.depth
    means = [_rounded(h2 - o, h1) for h1, h2, o in zip(order.qh1, order.qh2, removed, strict=True)]
    raw = 1.0 if network.raw_variance is None else sigma_w2 / float(network.raw_variance)
    ratios = [float(ratio) for ratio in network.ratios or ()]
    widths = None if width is None else network.widths(width)
    bias = 0.0 if width is None or not network.bias_gradients else 1 / width
    schemes = network.layers or ()
    L = network.depth
    hidden: list[Hidden] = []
    above1 = above2 = scale  # of the backpropagated vectors at layer l + 1
    noise = trace = backward = 0.0
    for l in range(L - 1, 0, -1):
        scheme = schemes[l - 1]
        common, tau, gain = _law(scheme, order, l - 1)
        layer = Hidden(
            network.activation,
            scheme,
            ratios[l],
            None if widths is None else widths[l],
            common,
            tau,
            x=raw * rho * ratios[l] * (1.0 if l == L - 1 else above2),
            y=0.0
            if scheme.over == "samples"
            else rho * (raw * ratios[l - 1] * means[l - 1] + bias),
            s=sigma_w2 * gain,
            p1=sigma_w2 * gain * above1,
            p2=sigma_w2 * gain * above2,
        )
        law, n = layer.smooth()
        reached = 0.0 if l == L - 1 or schemes[l].over == "samples" else layer.s * backward
        dd, b2 = float(n.dd @ law.weight), float(n.b**2 @ law.weight)
        backward = layer.p1 * (dd - b2) + reached * b2
        above1, above2 = layer.p1 * dd, layer.p2 * b2
        noise += raw * rho * ratios[l - 1] * (above1 - above2) * float(order.qh_gap[l - 1])
        trace += layer.x * float(order.qh_gap[l]) + layer.y * backward
        hidden.insert(0, layer)
    x = raw * rho * ratios[0] * above2
    return Model(
        outputs=int(network.outputs),
        rho=rho,
        ratio=ratios[0],
        variance=float(order.qh_gap[0]),
        x=x,
        hidden=tuple(hidden),
        r=noise,
        trace=noise + trace + x * float(order.qh_gap[0]),
        output_variance=float(order.q_gap[-1]),
    )


def _law(scheme: Scheme, order: OrderParameters, at: int) -> tuple[float, float, float]:
    r"""Common and own variance of the normalized pre-activation, and the gain.

    The gain is :math:`1/(\sigma^2 + \epsilon)`; a group of units has the variance of all units.
    """
    q1, gap = float(order.q1[at]), float(order.q_gap[at])
    q2 = _rounded(order.q2[at], q1)
    match scheme.kind:
        case "none":
            return q2, gap, 1.0
        case "mean-subtraction":
            return 0.0, gap, 1.0
    eps = float(scheme.eps) if isinstance(scheme, Normalized) else 0.0
    if scheme.kind == "batchnorm":
        return 0.0, gap / (gap + eps), 1 / (gap + eps)
    total = q1 + eps
    return q2 / total, gap / total, 1 / total


def _rounded(value: float, size: float) -> float:
    """A difference that is 0 but for rounding errors is 0: it switches whole laws of units on."""
    return 0.0 if abs(value) < ROUNDING * size else float(value)


def _check(network: Network, rho: float) -> None:
    if not 0 < rho < np.inf:
        raise OutOfRegime(f"the bulk needs rho = M/N > 0, {rho:g} given")
    if network.weights == "weight-normalization":
        raise NotCovered("the bulk of a network with weight normalization")
    if network.parameterization != "standard":
        raise NotCovered("the bulk in the NTK parameterization")
    if network.batch_size is not None:
        raise OutOfRegime(
            f"the bulk needs statistics over all samples, batch_size = {network.batch_size} given: "
            "that of one batch is wrong by 17 % in its variance at 16 samples; leave out batch_size"
        )
    for scheme in network.layers or ():
        if isinstance(scheme, Normalized) and scheme.trained:
            raise NotCovered(f"the bulk with trained scales in {scheme.kind}")
