r"""Finite-size scaling: from means at several widths to the limit of infinite width.

A row is ``y = measured / predicted`` at the finite sizes used, so a true theory has limit 1. The
limit is one fixed linear combination of the means. Its weights depend on the plan and on the
size of the fluctuations known beforehand, never on the data judged: that keeps it unbiased and
its Student t honest. Corrections too small to fit enter the error by a declared prior.
"""

from dataclasses import dataclass

import numpy as np
import scipy
from numpy.typing import ArrayLike

ROUNDING = 1e-10
"""Relative standard deviation below which networks count as giving all the same number."""


@dataclass(frozen=True)
class Corrections:
    r"""How a row approaches its limit.

    .. math:: y(M) = \theta + \sum_{p \in \text{free}} b_p x^p + \sum_{p \in \text{prior}} b_p x^p,
              \qquad x = \text{scale}/M, \qquad b_p \sim \mathcal N(0, \sigma_p^2)
              \text{ for } (p, \sigma_p) \in \text{prior}

    The coefficients of the powers in ``free`` are fitted, those of the powers in ``prior`` have
    the declared standard deviations. In every case one network of width M fluctuates with
    variance c^2/M. ValueError unless scale, powers and standard deviations are positive and
    finite and no power is given twice.

    >>> Corrections(scale=1, free=(1,), prior=((2, 20.25),)).powers
    (1, 2)
    """

    scale: float
    free: tuple[float, ...]
    prior: tuple[tuple[float, float], ...]

    def __post_init__(self) -> None:
        deviations = tuple(deviation for _, deviation in self.prior)
        if not all(0 < number < np.inf for number in (self.scale, *self.powers, *deviations)):
            raise ValueError(
                f"Corrections need a positive finite scale, powers and prior standard deviations, "
                f"got {self}. Leave a power out instead of giving it the deviation 0 or infinity."
            )
        if len(set(self.powers)) < len(self.powers):
            raise ValueError(
                f"Corrections need distinct powers, got {self.powers}. "
                f"A power is either free or has a prior."
            )

    @property
    def powers(self) -> tuple[float, ...]:
        """All powers of scale/M, free or not, in increasing order."""
        return tuple(sorted((*self.free, *(power for power, _ in self.prior))))

    @classmethod
    def mean(cls, depth: int, factor: float = 1.5) -> "Corrections":
        r"""Means over networks and outlier eigenvalues: powers of 1/M, the first one free.

        .. math:: b_j \sim \mathcal N(0, r^{2j}), \quad j = 2, 3,
                  \qquad r = \text{factor} \cdot \max(\text{depth}, 3)

        The default factor covers kappa_1, kappa_2 and the uniform mode in every network measured
        up to depth 10; the mean of the squared kernel entries needs factor 3.

        >>> Corrections.mean(depth=4)
        Corrections(scale=1.0, free=(1,), prior=((2, 36.0), (3, 216.0)))
        """
        if not (depth >= 1 and 0 < factor < np.inf):
            raise ValueError(
                f"Corrections.mean needs depth >= 1 and a positive factor, "
                f"got depth = {depth}, factor = {factor}."
            )
        r = factor * max(depth, 3)
        return cls(1.0, (1,), ((2, r**2), (3, r**3)))

    @classmethod
    def edge(cls, samples: int) -> "Corrections":
        r"""Edge of a bulk of N = samples eigenvalues: powers of the square root of N/M.

        .. math:: y = \theta + b_1 \sqrt{N/M} + b_2 N/M + b_3 (N/M)^{3/2},
                  \qquad b_3 \sim \mathcal N(0, 6^2)

        with b_1 and b_2 free, for fixed N and M to infinity.

        >>> Corrections.edge(samples=4)
        Corrections(scale=4.0, free=(0.5, 1), prior=((1.5, 6.0),))
        """
        return cls(float(samples), (0.5, 1), ((1.5, 6.0),))

    @classmethod
    def bulk(cls) -> "Corrections":
        r"""Top of a bulk whose samples grow with the width, its Tracy-Widom mean predicted.

        .. math:: y = \theta + b_1/M + b_2 M^{-4/3}, \qquad b_2 \sim \mathcal N(0, 12^2)

        with b_1 free: the mean at order M^{-2/3} is part of the prediction.
        """
        return cls(1.0, (1,), ((4 / 3, 12.0),))

    @classmethod
    def shift(cls) -> "Corrections":
        r"""The same in units of the shift, which is of order M^{-2/3}.

        .. math:: y = \theta + b_1 M^{-1/3} + b_2 M^{-2/3}, \qquad b_2 \sim \mathcal N(0, 3^2)
        """
        return cls(1.0, (1 / 3,), ((2 / 3, 3.0),))

    def bias(self, widths: ArrayLike) -> np.ndarray:
        r"""One prior standard deviation of each unfitted correction, ``sigma_p (scale/M)^p``.

        Shape (widths, powers with a prior), in the unit of y.

        >>> Corrections(scale=1, free=(1,), prior=((2, 16.0), (3, 64.0))).bias([8, 16])
        array([[0.25    , 0.125   ],
               [0.0625  , 0.015625]])
        """
        x = self.scale / np.asarray(widths, float)
        powers, deviations = np.array(self.prior, float).reshape(-1, 2).T
        return x[:, None] ** powers * deviations


@dataclass(frozen=True, eq=False)
class Uncertainty:
    """Error of a limit: ``standard_error`` contains ``tau``, the part left by unfitted
    corrections, and its statistical part has ``nu`` degrees of freedom. Unit: that of y."""

    standard_error: np.ndarray
    tau: np.ndarray
    nu: np.ndarray


@dataclass(frozen=True, eq=False)
class Extrapolation(Uncertainty):
    """A limit ``theta`` with its error, the weights ``g`` that gave it, and the quality of the fit.

    ``chi2`` is that of the residuals with ``dof`` degrees of freedom, ``fit_p`` the probability
    of a larger one. Arrays have the leading shape of the means, except g of shape (widths,), tau
    and dof, which all sweeps of one plan share.
    """

    theta: np.ndarray
    chi2: np.ndarray
    dof: int
    fit_p: np.ndarray
    g: np.ndarray

    @property
    def z(self) -> np.ndarray:
        """Distance from the theory's value 1 in standard errors."""
        return (self.theta - 1) / self.standard_error

    @property
    def p(self) -> np.ndarray:
        """Two-sided probability of a larger distance, Student t with nu degrees of freedom.

        At most uniform for a true theory: tau is in the error whether or not it acts.
        """
        return 2 * scipy.special.stdtr(self.nu, -np.abs(self.z))


def weights(widths: ArrayLike, counts: ArrayLike, c: float, corrections: Corrections) -> np.ndarray:
    r"""Weights of the best linear unbiased estimator of the limit, ``theta = g . y``.

    .. math:: g = e_0^\top (X^\top W X + \Pi)^{-1} X^\top W, \qquad
              X_{ip} = (\text{scale}/M_i)^p, \qquad W_{ii} = n_i M_i/c^2,

    with p over 0, the free powers and those with a prior, and Pi the diagonal of the prior
    precisions (0 for theta and the free powers). Widths M_i and counts n_i >= 2 of networks have
    shape (widths,), c is the standard deviation of one network times the square root of its
    width. The weights sum to 1 and do not see the free powers.

    ValueError unless there is one width more than theta and the free powers need, the widths
    are distinct, and every number is positive and finite.

    >>> line = Corrections(scale=1, free=(1,), prior=())
    >>> weights([1, 2, 4], [8, 4, 2], c=1, corrections=line).round(12)
    array([-0.5,  0.5,  1. ])
    """
    widths, counts = _design(widths, counts, c, corrections)
    g, _ = _least_squares(c**2 / (counts * widths), widths, corrections)
    return g


def uncertainty(
    g: ArrayLike,
    widths: ArrayLike,
    counts: ArrayLike,
    variances: ArrayLike,
    corrections: Corrections,
) -> Uncertainty:
    r"""Error of the limit ``g . y`` from variances of one network, shape (..., widths).

    .. math:: \mathrm{SE}^2 = \sum_i g_i^2 s_i^2/n_i + \tau^2, \qquad
              \tau^2 = \sum_{p \in \text{prior}} \sigma_p^2 \Big(\sum_i g_i x_i^p\Big)^2, \qquad
              \nu = \frac{(\sum_i g_i^2 s_i^2/n_i)^2}{\sum_i (g_i^2 s_i^2/n_i)^2/(n_i - 1)}

    With g fixed tau does not fall as networks are added. Nu belongs to the statistical part
    alone: counting tau with infinite freedom makes the tail of t at 1e-3 twice too heavy for
    6 networks a width and a tau of half the error.

    Source: Welch, Biometrika 1947, for nu.

    >>> line = Corrections(scale=1, free=(1,), prior=((2, 1.0),))
    >>> error = uncertainty([-1, 2], [1, 2], [5, 5], [5, 5], line)
    >>> float(error.tau), float(error.standard_error**2).__round__(12), float(error.nu)
    (0.5, 5.25, 5.882352941176471)
    """
    g, counts, variances = (np.asarray(a, float) for a in (g, counts, variances))
    parts = g**2 * variances / counts
    statistical = parts.sum(axis=-1)
    tau = np.sqrt(((g @ corrections.bias(widths)) ** 2).sum())
    nu = statistical**2 / (parts**2 / (counts - 1)).sum(axis=-1)
    return Uncertainty(np.sqrt(statistical + tau**2), tau, nu)


def extrapolate(
    widths: ArrayLike,
    counts: ArrayLike,
    means: ArrayLike,
    variances: ArrayLike,
    c: float,
    corrections: Corrections,
) -> Extrapolation:
    r"""Limit of infinite width with its error, from means and variances at several widths.

    Widths, counts and c as in :func:`weights`, where c must not come from these means; means y_i
    and unbiased variances s_i^2 of **one** network have shape (..., widths). The fit is judged
    by its residuals,

    .. math:: \chi^2 = \min_{\theta, b_{\text{free}}} (y - F b)^\top V^{-1} (y - F b), \qquad
              V = \mathrm{diag}(s_i^2/n_i) + \sum_{p \in \text{prior}} \sigma_p^2 x^p (x^p)^\top

    with f = widths - 1 - free degrees of freedom. Because the s_i^2 are estimates, chi^2/u is
    referred to F(f, f(f + 2)/(3a)), where a sums (share of mean i in its own residual)^2/(n_i - 1)
    and u = f + 2a - 6a/(f + 2); at 6 networks a width the plain chi^2 tail is 13 times too heavy
    at 1e-3, this one within a fifth.

    ValueError as in :func:`weights`, for a shape that does not match, and for means or variances
    that are not finite. A variance of zero (up to rounding) is refused too: networks that all
    give the same number leave nothing to test with.

    Source: Johansen, Biometrika 1980, for the distribution of chi^2.

    >>> line = Corrections(scale=1, free=(1,), prior=())
    >>> fit = extrapolate([1, 2, 4], [8, 4, 2], [4, 2.5, 1.75], [1, 0.5, 0.25], 1, line)
    >>> float(fit.theta.round(12)), float((fit.standard_error**2).round(12)), fit.dof
    (1.0, 0.1875, 1)
    """
    widths, counts = _design(widths, counts, c, corrections)
    means, variances = np.asarray(means, float), np.asarray(variances, float)
    _require_fluctuations(widths, means, variances)
    g = weights(widths, counts, c, corrections)
    _, residual = _least_squares(variances / counts, widths, corrections)
    chi2 = ((residual @ means[..., None])[..., 0] ** 2).sum(axis=-1)
    dof = len(widths) - 1 - len(corrections.free)
    own = variances / counts * (residual**2).sum(axis=-2)
    a = (own**2 / (counts - 1)).sum(axis=-1)
    u = dof + 2 * a - 6 * a / (dof + 2)
    return Extrapolation(
        **vars(uncertainty(g, widths, counts, variances, corrections)),
        theta=means @ g,
        chi2=chi2,
        dof=dof,
        fit_p=scipy.special.fdtrc(dof, dof * (dof + 2) / (3 * a), chi2 / u),
        g=g,
    )


def _least_squares(
    noise: np.ndarray, widths: np.ndarray, corrections: Corrections
) -> tuple[np.ndarray, np.ndarray]:
    """Weights of the limit (..., W), and the matrix (..., W, W) that maps means to residuals of
    unit variance, for variances ``noise`` (..., W) of the means.

    To put the prior into the covariance is the same as ridge regression on all powers, with
    fewer and less parallel columns.
    """
    x = corrections.scale / widths
    bias = corrections.bias(widths)
    covariance = noise[..., None] * np.eye(len(x)) + bias @ bias.T
    whiten = np.linalg.inv(np.linalg.cholesky(covariance))
    columns = (x / x.max())[:, None] ** np.array((0.0, *corrections.free))
    q, r = np.linalg.qr(whiten @ columns)
    fitted = q.mT @ whiten
    return np.linalg.solve(r, fitted)[..., 0, :], whiten - q @ fitted


def _design(
    widths: ArrayLike, counts: ArrayLike, c: float, corrections: Corrections
) -> tuple[np.ndarray, np.ndarray]:
    """The widths and counts as arrays of floats, once they can carry the fit."""
    widths, counts = np.asarray(widths, float), np.asarray(counts, float)
    needed = 2 + len(corrections.free)
    if widths.ndim != 1 or len(widths) < needed:
        raise ValueError(
            f"An extrapolation with free powers {corrections.free} of {corrections.scale:g}/M "
            f"needs at least {needed} widths: one for the limit, one for each free power, one to "
            f"test the fit. Got widths {widths.tolist()}. Measure at more widths."
        )
    if not (np.all(widths > 0) and np.all(np.isfinite(widths))) or len(set(widths)) < len(widths):
        raise ValueError(
            f"Widths must be distinct, positive and finite, got {widths.tolist()}. "
            f"Merge the networks of equal width."
        )
    if counts.shape != widths.shape or not (np.all(counts >= 2) and np.all(np.isfinite(counts))):
        raise ValueError(
            f"Every width needs at least 2 networks, else its variance is unknown. "
            f"Got counts {counts.tolist()} for widths {widths.tolist()}."
        )
    if not 0 < c < np.inf:
        raise ValueError(
            f"c, the standard deviation of one network times sqrt(width), must be positive and "
            f"finite, got {c}. Take it from a pilot."
        )
    return widths, counts


def _require_fluctuations(widths: np.ndarray, means: np.ndarray, variances: np.ndarray) -> None:
    """Refuse means and variances from which no error can be computed."""
    if means.shape[-1:] != widths.shape or variances.shape[-1:] != widths.shape:
        raise ValueError(
            f"Means and variances need one entry for each of the {len(widths)} widths on their "
            f"last axis, got shapes {means.shape} and {variances.shape}."
        )
    for name, values in (("mean", means), ("variance", variances)):
        if not np.all(np.isfinite(values)):
            width = widths[np.nonzero(~np.isfinite(values))[-1][0]]
            raise ValueError(
                f"The {name} at width {width:g} is not finite. A network there overflowed or its "
                f"law has no such moment: look at it, do not drop it."
            )
    still = variances <= (ROUNDING * means) ** 2
    if np.any(still):
        where = np.argwhere(still)[0]
        raise ValueError(
            f"The variance at width {widths[where[-1]]:g} must be positive, got "
            f"{np.broadcast_to(variances, still.shape)[tuple(where)]:g}: all networks give the "
            f"same number. Either they share a seed, or the quantity is not random: then compare "
            f"the numbers, a test has nothing to say."
        )
