r"""Do the declared priors cover the corrections that real networks have?

The limit is known here: it is 1. Long sweeps then show the coefficients of the powers of the width,
and what a fit leaves of them in its limit, beside the error tau that a verdict allows for it.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from numerics.extrapolation import Corrections, uncertainty, weights


class Coefficients(NamedTuple):
    """Fitted coefficients b of these powers of scale/M, shape (powers,), and their errors."""

    powers: tuple[float, ...]
    b: np.ndarray
    errors: np.ndarray


def coefficients(
    widths: ArrayLike, squares: ArrayLike, means: ArrayLike, corrections: Corrections
) -> Coefficients:
    r"""The corrections of a row whose limit is 1, shape (widths,) in.

    .. math:: y_i = 1 + \sum_p b_p x_i^p + \text{noise}_i
              + \sum_{p' \in \text{rest}} b_{p'} x_i^{p'}, \qquad x = \text{scale}/M,

    with p the free powers and the first that has a prior, the rest drawn from theirs, and
    ``squares`` the squared standard errors of the means.

    >>> line = Corrections(scale=1, free=(1,), prior=((2, 4.0),))
    >>> found = coefficients([2, 4, 8], [1e-4] * 3, [1.75, 1.3125, 1.140625], line)
    >>> found.powers, found.b.round(12).tolist()
    ((1, 2), [1.0, 1.0])
    """
    widths, squares, means = (np.asarray(one, float) for one in (widths, squares, means))
    powers = (*corrections.free, *(power for power, _ in corrections.prior[:1]))
    columns = (corrections.scale / widths)[:, None] ** np.array(powers, float)
    rest = corrections.bias(widths)[:, 1:]
    whiten = np.linalg.inv(np.linalg.cholesky(np.diag(squares) + rest @ rest.T))
    q, r = np.linalg.qr(whiten @ columns)
    b = np.linalg.solve(r, q.T @ (whiten @ (means - 1)))
    return Coefficients(powers, b, np.sqrt((np.linalg.inv(r) ** 2).sum(axis=1)))


def curve(widths: ArrayLike, b: Sequence[float], corrections: Corrections) -> np.ndarray:
    r"""True means at limit 1 with these coefficients, :math:`1 + \sum_p b_p x^p`, shape (widths,).

    The powers are the free ones and the first that has a prior, as in :func:`coefficients`.

    >>> curve([2, 4], [1.0, 1.0], Corrections(scale=1, free=(1,), prior=((2, 4.0),))).tolist()
    [1.75, 1.3125]
    """
    powers = (*corrections.free, *(power for power, _ in corrections.prior[:1]))
    x = (corrections.scale / np.asarray(widths, float))[:, None]
    return 1 + x ** np.array(powers, float) @ np.asarray(b, float)


class Left(NamedTuple):
    """What a plan's fit leaves of the corrections in its limit: value, its error, and tau."""

    value: float
    error: float
    tau: float

    @property
    def z(self) -> float:
        """Of a correction drawn from the prior: standard normal."""
        return float(self.value / np.hypot(self.error, self.tau))


def left(
    widths: ArrayLike,
    planned: ArrayLike,
    squares: ArrayLike,
    means: ArrayLike,
    c: float,
    corrections: Corrections,
) -> Left:
    r"""The bias that ``planned`` networks at each width would leave in the limit.

    .. math:: \Delta = \sum_i g_i (y_i - 1) \pm \Big(\sum_i g_i^2\, \text{squares}_i\Big)^{1/2}

    with the weights g of that plan at the fluctuation c, and the means y of a sweep so long that
    the error is below the plan's tau. The free powers drop out.

    >>> line = Corrections(scale=1, free=(1,), prior=((2, 1.0),))
    >>> found = left([2, 4, 8], [10**6] * 3, [1e-8] * 3, [1.5, 1.25, 1.125], 1.0, line)
    >>> bool(abs(found.value) < 1e-12)
    True
    """
    g = weights(widths, planned, c, corrections)
    squares, means = np.asarray(squares, float), np.asarray(means, float)
    tau = uncertainty(g, widths, np.full(len(g), 2), np.ones(len(g)), corrections).tau
    error = np.sqrt((g**2 * squares).sum())
    return Left(float(g @ (means - 1)), float(error), float(tau))
