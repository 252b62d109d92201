r"""The order with which runs approach their flow, and the verdict on it."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from math import log
from typing import NamedTuple

import numpy as np

from numerics.verdict import Verdict

RATIO = 4
"""Each product of rates is a fourth of the one before."""

TOLERANCE = 0.1
"""Distance of the observed order from the predicted one, its error included, that AGREES."""

NEAR = 0.02
"""Part of the path length below which the last distance must lie for order 1."""


RESOLVED = 1e-3
"""Part of its first extremum below which a decaying oscillation is not looked at."""


class Order(NamedTuple):
    """The observed order, its error, and those of every pair of successive runs."""

    p: float
    error: float
    orders: tuple[float, ...]


def order(decays: Sequence[float], distances: Sequence[float]) -> Order:
    r"""The order in :math:`\varepsilon` of distances (k,) at five or more products of rates.

    .. math:: p_i = \log_4 (E_i/E_{i+1}),

    the last one, with its distance from the last but one as error. ValueError unless the products
    fall by the ratio 4 and the distances are positive.

    >>> order([4.0**-k for k in range(5)], [2.0**-k for k in range(5)])[:2]
    (0.5, 0.0)
    """
    ratios = np.divide(decays[:-1], decays[1:])
    if len(decays) < 5 or len(decays) != len(distances) or np.abs(ratios - RATIO).max() > 1e-9:
        raise ValueError(
            f"an order needs distances at 5 products of rates or more in ratio {RATIO}, "
            f"got {list(decays)} with {len(distances)} distances."
        )
    if not min(distances) > 0:
        raise ValueError(f"an order needs positive distances, got {list(distances)}.")
    orders = tuple(log(one / other, RATIO) for one, other in pairwise(distances))
    return Order(orders[-1], abs(orders[-1] - orders[-2]), orders)


def judge(found: Order, predicted: float, distances: Sequence[float], path: float) -> Verdict:
    r"""The verdict on a flow that is claimed to be approached with this order.

    AGREES: :math:`|p - p_0| + e \le 0.1`, and for order 1 the last distance is below 2 % of the
    path, for order 1/2 the distances fall at every step. REFUTED: :math:`p + 3e < p_0/2`.
    """
    p, error, _ = found
    falling = bool(np.all(np.diff(distances) < 0))
    near = distances[-1] < NEAR * path if predicted == 1 else falling
    if abs(p - predicted) + error <= TOLERANCE and near:
        return Verdict.AGREES
    if p + 3 * error < predicted / 2:
        return Verdict.REFUTED
    return Verdict.UNDECIDED


class Response(NamedTuple):
    """Period in steps and growth per step of a slow oscillation, None where it was not resolved.

    ``span``: the steps of the two extrema between which the growth was seen.
    """

    period: float | None
    growth: float | None
    span: tuple[int, int] | None


def response(base: np.ndarray, moved: np.ndarray) -> Response:
    """How a run with another amplitude returns: the difference of the logarithms oscillates.

    ``base`` and ``moved`` (T,) are the amplitudes of the two runs. Three crossings of zero give
    the period, the first and the last extremum between them the growth. What follows an extremum
    below a thousandth of the first is not looked at.

    >>> t = np.arange(400.0)
    >>> found = response(np.ones(400), np.exp(0.1 * np.exp(-t / 100) * np.cos(t / 9)))
    >>> round(found.period / (2 * np.pi * 9), 3), round(100 * found.growth, 2)
    (1.0, -1.0)
    """
    difference = np.log(moved) - np.log(base)
    signs = np.signbit(difference)
    at = np.flatnonzero(signs[1:] != signs[:-1])
    peaks = [a + 1 + int(np.abs(difference[a + 1 : b + 1]).argmax()) for a, b in pairwise(at)]
    heights = np.abs(difference[peaks]) if peaks else np.empty(0)
    lost = np.flatnonzero(heights < RESOLVED * heights[:1])
    count = int(lost[0]) if len(lost) else len(peaks)
    if count < 2:
        return Response(None, None, None)
    at = at[: count + 1]
    crossings = at + difference[at] / (difference[at] - difference[at + 1])
    period = 2 * (crossings[-1] - crossings[0]) / count
    span = int(peaks[0]), int(peaks[count - 1])
    rise = np.log(heights[count - 1] / heights[0]) / (span[1] - span[0])
    return Response(float(period), float(rise), span)
