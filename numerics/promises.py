"""What a checker promises, counted over simulated sweeps.

A count is red where a checker that just keeps its promise would exceed it with probability
``CHANCE`` or less; most promises are kept with room to spare, so that a red one is a defect.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from scipy.stats import binom, kstest

from numerics.calibration import Fit, Rates, Simulated, simulate
from numerics.extrapolation import extrapolate
from numerics.verdict import TAIL

CHANCE = 0.003
"""Probability of a red count at exactly the declared rate: more than 33 of 20 000 at 0.1 %."""

KS_CHANCE = 1e-5
"""Probability of a red Kolmogorov-Smirnov test of p-values that are uniform."""

LEAST_POWER = 0.88
"""Part of sweeps wrong by delta to be refuted: planned is 90 %, with reserve."""

PASSED = 0.05
"""Part of sweeps wrong by delta that may agree."""


@dataclass(frozen=True)
class Promise:
    """One promise on one row: what was found, the bound it must keep, and whether it did."""

    row: str
    what: str
    found: float
    bound: float
    kept: bool


def most(rate: float, number: int) -> int:
    """Largest count of ``number`` that a rate explains.

    >>> most(1e-3, 20_000)
    33
    """
    return int(binom.isf(CHANCE, number, rate))


def under_the_truth(
    row: Simulated,
    sweeps: int,
    seed: tuple[int, ...],
    rates: Rates,
    *,
    rows: int = 1,
    fit: Fit = extrapolate,
) -> Iterator[Promise]:
    """Promises on true rows: few runs refute one, few p-values are small, and the p-values are
    uniform, or larger where the prior is in the error and does not act. No law of p is promised
    of a row with a curve of its own, one draw from the prior at best."""
    rng = np.random.default_rng(seed)
    found = simulate(row, sweeps, rng, rates, rows=rows, fit=fit)
    wrong, allowed = int(found.refuted.any(axis=1).sum()), most(rates.alpha, sweeps)
    yield Promise(row.label, "runs that refute", wrong, allowed, wrong <= allowed)
    if row.own is not None:
        return
    p = found.p.ravel()
    small, allowed = int(np.sum(p < TAIL * rates.alpha)), most(rates.alpha, p.size)
    yield Promise(row.label, "p below 0.7 alpha", small, allowed, small <= allowed)
    uniform = row.prior or not row.corrections.prior
    fits = kstest(p, "uniform", alternative="two-sided" if uniform else "greater").pvalue
    what = "p uniform" if uniform else "p uniform or larger"
    yield Promise(row.label, what, float(fits), KS_CHANCE, bool(fits > KS_CHANCE))


def under_an_error(
    row: Simulated,
    sweeps: int,
    seed: tuple[int, ...],
    rates: Rates,
    *,
    fit: Fit = extrapolate,
) -> Iterator[Promise]:
    """Promises on rows wrong by delta, half of the sweeps above and half below: most are refuted,
    few agree."""
    rng = np.random.default_rng(seed)
    sides = [
        simulate(row, sweeps // 2, rng, rates, bias=bias, fit=fit)
        for bias in (row.delta, -row.delta)
    ]
    least = min(float(side.refuted.mean()) for side in sides)
    yield Promise(row.label, "power at delta", least, LEAST_POWER, least >= LEAST_POWER)
    passed = sum(int(side.agrees.sum()) for side in sides)
    allowed = most(PASSED, 2 * (sweeps // 2))
    yield Promise(row.label, "agree when wrong by delta", passed, allowed, passed <= allowed)
