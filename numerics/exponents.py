r"""The power of 1/M with which a measured row comes near its limit, as the widths show it."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

RESOLVED = 3.0
"""Standard errors that a distance from the limit must have to count."""


class Exponent(NamedTuple):
    """The exponent p with its standard error, from this many widths."""

    p: float
    error: float
    widths: int


def exponent(widths: ArrayLike, means: ArrayLike, errors: ArrayLike) -> Exponent | None:
    r"""The exponent of :math:`|y(M) - 1| = b M^{-p}`, by weighted least squares of logarithms.

    Widths M, means y and their standard errors have shape (k,). Widths whose distance from 1 is
    below three standard errors say nothing of p and are left out; None where fewer than two are
    left, or where their distances differ in sign. Corrections of higher order shift p: it is no
    verdict.

    >>> found = exponent([64, 256, 1024], [1 + 8 / 64, 1 + 8 / 256, 1 + 8 / 1024], [1e-4] * 3)
    >>> round(found.p, 12), found.widths
    (1.0, 3)
    """
    M, y, e = (np.asarray(values, float) for values in (widths, means, errors))
    distance = y - 1
    kept = np.abs(distance) > RESOLVED * e
    M, distance, e = M[kept], distance[kept], e[kept]
    if len(M) < 2 or np.ptp(np.sign(distance)):
        return None
    weights = (distance / e) ** 2
    x = -np.log(M)
    x = x - np.average(x, weights=weights)
    spread = float((weights * x**2).sum())
    p = float((weights * x * np.log(np.abs(distance))).sum()) / spread
    return Exponent(p, spread**-0.5, len(M))
