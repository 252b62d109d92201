r"""From the kernels of a random network to the spherical sharpness of its loss at initialization.

With batch norm in the last layer and weights whose length the loss does not see, the Fisher matrix
at the direction of the weights is :math:`|w|^2 F(w)`: the Gauss-Newton part of the Hessian on the
unit sphere. For M to infinity with N fixed each output gives it N - 2 equal eigenvalues,

.. math:: \lambda_k = |w|^2\, \frac{\gamma^2}{\sigma_k^2}\, \frac{K_1 - K_2}{N},

K the kernel of the linear outputs over these weights, all of them or those of one layer, and
:math:`\sigma_k^2` the realised variance of output k over the samples. It is the Hessian's largest
eigenvalue at zero residual only: elsewhere the edge that follows from it is an estimate.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from theory.architecture import BatchNorm, Network
from theory.errors import DescriptionError, OutOfRegime
from theory.invariant_weights import invariant_weights
from theory.mathematics import Number
from theory.prediction import predict, unmapped
from theory.scale_invariance import effective_learning_rate, time_to_edge


def spherical_eigenvalue(
    gap: Number, N: Number, *, norm2: Number = 1, inverse_variance: Number = 1
) -> Number:
    r"""The (N - 2)-fold eigenvalue of one output, :math:`|w|^2 \gamma^2 \sigma^{-2} (K_1 - K_2)/N`.

    ``inverse_variance`` is :math:`\gamma^2/\sigma^2`.

    >>> spherical_eigenvalue(6.0, 3, norm2=2.0, inverse_variance=0.5)
    2.0
    """
    return norm2 * inverse_variance * gap / N


def squared_norm(variance: Number, units: Number) -> Number:
    r"""Mean squared norm of a layer's weights, of variance ``variance`` over their fan-in.

    .. math:: E|W^l|^2 = \sigma_w^2 M_l

    >>> squared_norm(2.0, 100)
    200.0
    """
    return variance * units


def time_to_edge_at(curvature: Number, learning_rate: Number, decay: Number) -> Number:
    r"""Time :math:`\varepsilon t` from an initialization to the edge, at zero gradient.

    .. math:: \tau = \tfrac12 \log \frac{2 (1 - \varepsilon)}{\eta \lambda_1}

    ``curvature`` is :math:`\lambda_1` of the Hessian at the weights themselves: their norm drops
    out.

    >>> round(float(time_to_edge_at(2.0, 0.05, 0.0)), 6)
    1.497866
    """
    return time_to_edge(effective_learning_rate(learning_rate, decay, 1), curvature)


def require_sphere(network: Network, samples: int, lowest: int = 1) -> None:
    """``OutOfRegime`` where |w|^2 F(w) is not the matrix on the unit sphere, or has no mean.

    w are the weights of the layers from the ``lowest`` up.
    """
    if not isinstance(network.last, BatchNorm) or network.last.eps != 0:
        raise OutOfRegime(
            "the bridge needs batch norm with eps = 0 in the last layer; give the network "
            "last=BatchNorm()"
        )
    if network.batch_size is not None:
        raise OutOfRegime("the bridge needs statistics over all samples: leave out batch_size")
    for l, found in enumerate(invariant_weights(network), start=1):
        if l >= lowest and "matrix" not in found:
            raise OutOfRegime(
                f"the bridge needs weights whose length the loss does not see, but it sees that of "
                f"layer {l}: |w|^2 F(w) is no spherical sharpness there.\nUse a homogeneous "
                "activation without biases, or normalize every layer."
            )
    hidden = any(isinstance(scheme, BatchNorm) for scheme in network.layers or ())
    least = 5 if hidden else 3
    if samples <= least:
        raise OutOfRegime(
            f"the bridge needs N > {least} samples here, but N = {samples}: with N - 2 directions "
            "left, the mean of 1/sigma^2, or with hidden batch norm its variance, is infinite"
        )


@dataclass(frozen=True)
class Sphere:
    r"""The Gauss-Newton part on the unit sphere, of all weights or of one ``layer``.

    ``norm2`` is the mean of :math:`|w|^2`; ``eigenvalues`` (C,), of each output, stand
    (N - 2)-fold; ``curvature`` is the largest of them over ``norm2``, that of F(w).
    """

    layer: int | None
    norm2: float
    eigenvalues: tuple[float, ...]

    @property
    def curvature(self) -> float:
        return max(self.eigenvalues) / self.norm2


def bridge(network: Network, width: int, samples: int, outputs: np.ndarray) -> tuple[Sphere, ...]:
    r"""All weights, then the layers 1..L, given the linear ``outputs`` (C, N) of the network.

    Raises ``OutOfRegime`` (``require_sphere``), ``DescriptionError`` for outputs of another shape
    or without variance.

    >>> net = Network("relu", depth=3, sigma_w2=2, last=BatchNorm())
    >>> whole, *layers = bridge(net, 100, 8, np.eye(8)[:1])
    >>> whole.norm2, [one.layer for one in layers]
    (402.0, [1, 2, 3])
    """
    require_sphere(network, samples)
    assert isinstance(network.last, BatchNorm)
    F = np.asarray(outputs, float)
    if F.shape != (network.outputs, samples) or not (variances := F.var(axis=-1)).min() > 0:
        raise DescriptionError(
            f"the bridge needs linear outputs of shape {(network.outputs, samples)} that vary over "
            f"the samples, an array of shape {F.shape} given"
        )
    found = predict(unmapped(network), width, samples)
    inverse = float(network.last.gamma) ** 2 / variances
    norms = _squared_norms(network, width)
    whole = (None, sum(norms), found.part("weights").gap)
    layers = ((one.layer, norms[one.layer - 1], one.K.gap) for one in found.blocks)
    return tuple(
        Sphere(
            layer,
            norm2,
            tuple(
                float(spherical_eigenvalue(gap, samples, norm2=norm2, inverse_variance=one))
                for one in inverse
            ),
        )
        for layer, norm2, gap in (whole, *layers)
    )


def _squared_norms(network: Network, width: int) -> list[float]:
    """Of each layer, as its weights are drawn."""
    raw = network.sigma_w2 if network.raw_variance is None else network.raw_variance
    ntk = network.parameterization == "ntk"
    return [
        float(squared_norm(into if ntk else raw, units))
        for into, units in pairwise(network.widths(width))
    ]
