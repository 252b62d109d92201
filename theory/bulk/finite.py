r"""The top of the bulk at a finite width: its mean and its spread from network to network."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from theory.architecture import Network, OutOfRegime
from theory.bulk.edge import right_edge
from theory.bulk.model import model
from theory.bulk.orthogonal import largest_of_orthogonal
from theory.mathematics import Number

TRACY_WIDOM_MEAN, TRACY_WIDOM_DEVIATION = -1.2065335745820, 1.2679831
MOVE = 1e-6
LEAST_SAMPLES = 32


def mean_top(edge: Number, fluctuation: Number) -> Number:
    r"""Mean of the largest eigenvalue of a bulk: edge - 1.2065 s, by the law of Tracy and Widom.

    >>> mean_top(1.0, 0.0)
    1.0
    """
    return edge + TRACY_WIDOM_MEAN * fluctuation


class Top(NamedTuple):
    r"""The largest eigenvalue of a bulk at width M with N samples.

    ``value`` is its mean and ``standard_deviation`` its spread over networks, ``edge`` the right
    edge at the mean scale of the output weights, ``fluctuation`` the scale s of Tracy and Widom,
    ``scale`` the mean scale w, ``rate`` the derivative of the edge by w.
    """

    value: float
    standard_deviation: float
    edge: float
    fluctuation: float
    scale: float
    rate: float


def top(network: Network, width: int, samples: int, scale: float | None = None) -> Top:
    r"""The largest eigenvalue of the bulk of a network, its outputs linear or centred.

    .. math:: \lambda_{edge}(w) - 1.2065\, s, \qquad
              s = \left(N \sqrt{2/\lambda''(g)}\right)^{-2/3}, \qquad
              w = 1 + \frac{e_C}{\sqrt{M_{L-1}}}

    with e_C the mean of the largest eigenvalue of the C x C Gaussian orthogonal ensemble: w is the
    mean largest eigenvalue of :math:`W^L W^{L T}/\sigma_w^2`. The standard deviation is that of
    Tracy and Widom, 1.268 s, and that of w times the derivative of the edge by w, added in squares.
    ``scale`` is w of one network where it is known; it has no spread then.
    Raises ``OutOfRegime`` below 32 samples, or units of a layer.
    """
    if samples < LEAST_SAMPLES:
        raise OutOfRegime(
            f"the top of the bulk needs at least {LEAST_SAMPLES} samples, {samples} given: it was "
            "checked from 100 on; use more samples"
        )
    spread = largest_of_orthogonal(int(network.outputs))
    units = np.sqrt(network.widths(width)[-2])
    w = 1 + spread.mean / units if scale is None else scale
    chain = model(network, width / samples, width, scale=w)
    edge = right_edge(chain)
    moved = right_edge(model(network, width / samples, width, scale=w + MOVE))
    rate = (moved.value - edge.value) / MOVE
    s = float((samples * np.sqrt(2 / edge.curvature)) ** (-2 / 3))
    weights = 0.0 if scale is not None else rate * spread.deviation / float(units)
    return Top(
        value=float(mean_top(edge.value, s)),
        standard_deviation=float(np.hypot(TRACY_WIDOM_DEVIATION * s, weights)),
        edge=edge.value,
        fluctuation=s,
        scale=float(w),
        rate=rate,
    )
