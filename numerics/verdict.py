r"""The decision: does a limit with its error agree with the theory's value 1?"""

from enum import StrEnum

import numpy as np
import scipy
from numpy.typing import ArrayLike

from numerics.extrapolation import Extrapolation, Uncertainty

GOOD_FIT = 1e-3
"""A fit whose residuals are less likely than this says nothing about its limit."""

TAIL = 0.7
"""Part of a level at which a row is tested: around 2e-5 the tails of t on means of measured,
slightly skew networks are 1.1 to 2.2 times too heavy."""

CONFIDENCE = 0.975
"""Confidence with which AGREES at one look excludes a theory that is wrong by delta. A run looks
twice at most, so that its verdicts exclude it at 95 %."""


class Verdict(StrEnum):
    """What a comparison of theory and networks can say. Only AGREES passes.

    >>> Verdict.OUT_OF_REGIME == "OUT OF REGIME"
    True
    """

    AGREES = "AGREES"
    REFUTED = "REFUTED"
    UNDECIDED = "UNDECIDED"
    OUT_OF_REGIME = "OUT OF REGIME"


def holm(p_values: ArrayLike, alpha: float) -> np.ndarray:
    r"""Level at which each row of a run is tested, so that the whole run has level alpha.

    .. math:: \alpha_{(i)} = \frac{0.7\,\alpha}{m - i + 1}
              \text{ for } p_{(1)} \le \dots \le p_{(m)},

    from the smallest p-value on until one is not below its level; it and all larger ones get
    that level. The factor pays for tails of t that are too heavy. Shape (m,) in and out, in the
    order of the rows.

    ValueError unless 0 < alpha < 1 and the p-values, one at least, lie in [0, 1].

    Source: Holm, Scandinavian Journal of Statistics 1979.

    >>> holm([0.5, 0.002, 0.03], alpha=0.06)
    array([0.021, 0.014, 0.021])
    """
    p_values = np.asarray(p_values, float)
    _require_probability("alpha", alpha)
    if p_values.ndim != 1 or not p_values.size or not np.all((p_values >= 0) & (p_values <= 1)):
        raise ValueError(
            f"holm needs a list of p-values in [0, 1], one for each row judged, "
            f"got {p_values.tolist()}."
        )
    order = np.argsort(p_values, kind="stable")
    thresholds = TAIL * alpha / np.arange(len(order), 0, -1)
    kept = np.flatnonzero(p_values[order] >= thresholds)
    if kept.size:
        thresholds[kept[0] :] = thresholds[kept[0]]
    levels = np.empty_like(thresholds)
    levels[order] = thresholds
    return levels


def refuted(extrapolation: Extrapolation, alpha_row: ArrayLike) -> np.ndarray:
    r"""Whether the limit differs from 1 at level alpha_row while the fit is good.

    .. math:: p < \alpha_{\text{row}} \quad\text{and}\quad p_{\text{fit}} > 10^{-3}

    Shape of theta; alpha_row is one number or one for each row. ValueError unless
    0 < alpha_row < 1.
    """
    _require_probability("alpha_row", alpha_row)
    return (extrapolation.p < alpha_row) & (extrapolation.fit_p > GOOD_FIT)


def agrees(extrapolation: Extrapolation, alpha_row: ArrayLike, delta: float) -> np.ndarray:
    r"""Whether the limit is 1 within the resolution delta, at 97.5 % confidence.

    .. math:: p \ge \alpha_{\text{row}} \quad\text{and}\quad p_{\text{fit}} > 10^{-3}
              \quad\text{and}\quad |\theta - 1| + t_{0.975, \nu}\,\mathrm{SE} \le \delta

    A theory wrong by delta or more passes one look with probability 2.5 % at most: a wide error
    bar never agrees. Shape of theta; alpha_row is one number or one for each row. ValueError
    unless 0 < alpha_row < 1 and delta > 0.
    """
    _require_probability("alpha_row", alpha_row)
    _require_resolution(delta)
    reach = scipy.special.stdtrit(extrapolation.nu, CONFIDENCE) * extrapolation.standard_error
    return (
        (extrapolation.p >= alpha_row)
        & (extrapolation.fit_p > GOOD_FIT)
        & (np.abs(extrapolation.theta - 1) + reach <= delta)
    )


def decide(extrapolation: Extrapolation, alpha_row: float, delta: float) -> Verdict:
    """Verdict on one row: REFUTED by :func:`refuted`, AGREES by :func:`agrees`, else UNDECIDED.

    OUT OF REGIME is not decided by numbers: it is for rows whose assumptions fail. ValueError
    unless 0 < alpha_row < 1 and delta > 0, and for more than one row.

    >>> from numerics.extrapolation import Extrapolation
    >>> error = dict(standard_error=0.006, tau=0.0, nu=1e6, chi2=1.0, dof=2, fit_p=0.6, g=None)
    >>> for theta in (1.001, 1.015, 1.03):
    ...     print(decide(Extrapolation(theta=theta, **error), alpha_row=1e-3, delta=0.02))
    AGREES
    UNDECIDED
    REFUTED
    """
    if np.ndim(extrapolation.theta):
        raise ValueError(
            f"decide judges one row, got {np.shape(extrapolation.theta)} of them. "
            f"Use refuted and agrees for arrays."
        )
    agreement = agrees(extrapolation, alpha_row, delta)
    if refuted(extrapolation, alpha_row):
        return Verdict.REFUTED
    return Verdict.AGREES if agreement else Verdict.UNDECIDED


def detectable(uncertainty: Uncertainty, alpha_row: float, power: float = 0.9) -> np.ndarray:
    r"""Smallest bias that a two-sided test at level alpha_row finds with the given power.

    .. math:: \left(t_{1 - \alpha_{\text{row}}/2,\, \nu} + t_{\text{power},\, \nu}\right)
              \mathrm{SE}

    Relative to the prediction; shape of the standard error. The sum of quantiles is that of many
    networks: where it says 0.9, the power is 0.89 at nu = 60 and 0.80 with 6 networks a width.
    ValueError unless alpha_row and power lie strictly between 0 and 1.

    >>> error = Uncertainty(standard_error=0.0044, tau=0.0, nu=1e9)
    >>> float(detectable(error, alpha_row=1e-3).round(4))
    0.0201
    """
    _require_probability("alpha_row", alpha_row)
    _require_probability("power", power)
    quantile = scipy.special.stdtrit
    distance = quantile(uncertainty.nu, power) - quantile(uncertainty.nu, alpha_row / 2)
    return distance * uncertainty.standard_error


def _require_probability(name: str, value: ArrayLike) -> None:
    if not np.all((np.asarray(value) > 0) & (np.asarray(value) < 1)):
        raise ValueError(f"{name} must lie strictly between 0 and 1, got {np.asarray(value)}.")


def _require_resolution(delta: float) -> None:
    if not 0 < delta < np.inf:
        raise ValueError(
            f"The resolution delta, a relative bias worth finding, must be positive and finite, "
            f"got {delta}."
        )
