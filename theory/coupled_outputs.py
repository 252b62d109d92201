r"""Layer norm and softmax over the outputs: statistics for given outputs, and over their law.

The outputs of a wide network are Gaussian: independent over the C outputs, with the covariance
:math:`(q_1 - q_2)\,\delta_{ts} + q_2` over the samples. What the outputs of all samples share is
frozen by the weights, so the outliers stay random at any width and number of samples.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from theory import outliers, special
from theory.errors import OutOfRegime
from theory.outliers import Bulk, Outlier, Realised, realised

DRAWS = 256
"""Sets of outputs that an average over their law is taken from."""

SEED = 20221128
LEAST_REST = 1e-5
QUANTILES = (0.05, 0.5, 0.95)


class Law(NamedTuple):
    """Covariance of an output over the samples: q2 between two, gap = q1 - q2, N samples."""

    q2: float
    gap: float
    N: int
    C: int

    @property
    def correlation(self) -> float:
        return self.q2 / (self.q2 + self.gap)


class Mean(NamedTuple):
    """An expectation over the outputs, and its standard error where it was sampled, else 0."""

    value: float
    standard_error: float = 0.0


@dataclass(frozen=True)
class Spread:
    """Law of an outlier over the outputs: None where it lies in the bulk for some of them.

    ``quantiles`` are those of ``QUANTILES``, ``above_bulk`` the part of the outputs with a root.
    """

    mean: float | None
    standard_error: float | None
    standard_deviation: float | None
    quantiles: tuple[float, ...] | None
    above_bulk: float


class CoupledMap(NamedTuple):
    """A map that couples the outputs of a sample; ``lost`` dimensions of each sample vanish."""

    metric: Callable[[np.ndarray], np.ndarray]
    lost: int


def draw_outputs(law: Law, draws: int, seed: int) -> np.ndarray:
    r"""Outputs of shape (draws, C, N): :math:`\sqrt{q_1 - q_2}\,(z - \bar z)
    + \sqrt{q_1 - q_2 + N q_2}\,\bar z` with z standard normal, q_2 of either sign.

    >>> f = draw_outputs(Law(q2=0.5, gap=1.5, N=2, C=3), draws=40000, seed=0)
    >>> np.cov(f[:, 0].T).round(1)
    array([[2. , 0.5],
           [0.5, 2. ]])
    """
    z = np.random.default_rng(seed).standard_normal((draws, law.C, law.N))
    mean = z.mean(axis=-1, keepdims=True)
    return np.sqrt(law.gap) * (z - mean) + np.sqrt(law.gap + law.N * law.q2) * mean


def sampled(coupled: CoupledMap, law: Law) -> tuple[Realised, np.ndarray]:
    """The realised means of every draw, and B of every draw."""
    B = coupled.metric(draw_outputs(law, DRAWS, SEED))
    return realised(B), B


def mean(values: np.ndarray) -> Mean:
    return Mean(float(values.mean()), float(values.std(ddof=1) / np.sqrt(len(values))))


def spread(B: np.ndarray, K2: float, gap: float, count: int) -> tuple[Spread, ...]:
    """The law of each outlier over the drawn outputs."""
    drawn = [[one.value for one in outliers.outliers(one, K2, gap, count)] for one in B]
    return tuple(_spread(values) for values in zip(*drawn, strict=True))


def _spread(values: tuple[float | None, ...]) -> Spread:
    present = [value for value in values if value is not None]
    above = len(present) / len(values)
    if above < 1:
        return Spread(None, None, None, None, above)
    numbers = np.array(present)
    centre = mean(numbers)
    return Spread(
        *centre,
        float(numbers.std(ddof=1)),
        tuple(np.quantile(numbers, QUANTILES).tolist()),
        above,
    )


def given(
    coupled: CoupledMap, outputs: np.ndarray, K2: float, gap: float
) -> tuple[Realised, tuple[Outlier, ...], Bulk]:
    """For outputs of shape (C, N): the realised means, the outliers, the bulk."""
    C = outputs.shape[0]
    B = coupled.metric(outputs)
    return (
        realised(B),
        outliers.outliers(B, K2, gap, C - 1),
        outliers.bulk(B, gap, C - coupled.lost),
    )


def check_layer_norm(C: int) -> None:
    r"""Raise ``OutOfRegime`` where the mean of :math:`\mathrm{tr} B_t` is 0 or does not exist."""
    if C == 2:
        raise OutOfRegime(
            "layer norm over C = 2 outputs gives +1 and -1: its derivative vanishes identically, "
            "and so does the Fisher matrix. Use at least 4 outputs."
        )
    if C == 3:
        raise OutOfRegime(
            "layer norm over C = 3 outputs: the mean of 1/sigma_t^2 over the outputs does not "
            "exist. Use at least 4 outputs."
        )


def layer_norm_trace(q1: float, C: int) -> float:
    r""":math:`E\,\mathrm{tr} B_t = \frac{(C-2)\,C}{q_1 (C-3)}` at gain 1; C > 3."""
    return (C - 2) * C / (q1 * (C - 3))


def layer_norm_square(q1: float, C: int) -> float:
    r""":math:`E\,\mathrm{tr} B_t^2 = \frac{(C-2)\,C^2}{q_1^2 (C-3)(C-5)}` at gain 1; C > 5."""
    return (C - 2) * C**2 / (q1**2 * (C - 3) * (C - 5))


def layer_norm_cross(q1: float, c: float, C: int) -> float:
    r"""Expectation over two samples of correlation c, at gain 1; C > 3.

    .. math:: E\,\mathrm{tr} B_t B_s = C^2 \sum_{j \ge 0} p_j
              \left[ \frac{1}{2 (1-c^2)\, q_1 (n/2 + j - 1)} \right]^2
              \left[ C - 3 + \frac{j + 1/2}{j + n/2} \right], \qquad
              p_j = \frac{\Gamma(n/2+j)}{\Gamma(n/2)\, j!}\, c^{2j} (1-c^2)^{n/2},

    n = C - 1. Given the centred outputs of both samples' mixture index j, their squared lengths
    are independent gamma variables.

    >>> round(layer_norm_cross(2.0, 0.0, 10), 12) == round((7 + 1 / 9) * (10 / 2 / 7) ** 2, 12)
    True
    """
    n, rest = C - 1, 1 - c**2
    if rest < LEAST_REST:
        raise OutOfRegime(
            f"the outputs of two samples have the correlation 1 - {1 - c:.1e}: they are the same; "
            "use fewer layers or other variances"
        )
    j = np.arange(64 + int((n + 40) / rest))
    log_weight = (
        special.gammaln(n / 2 + j)
        - special.gammaln(n / 2)
        - special.gammaln(j + 1)
        + special.xlogy(2 * j, abs(c))
        + n / 2 * np.log(rest)
    )
    inverse = 1 / (2 * rest * q1 * (n / 2 + j - 1))
    terms = np.exp(log_weight) * inverse**2 * (C - 3 + (j + 0.5) / (j + n / 2))
    return float(C**2 * terms.sum())
