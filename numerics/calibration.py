r"""Calibration: the rule of a run, applied to many simulated sweeps whose truth is known.

A simulated sweep goes the way of a measured one: a pilot estimates c, the plan fixes the networks,
look 1 judges, look 2 judges what is undecided on all networks. Its means follow the stated model

.. math:: y_i = 1 + \text{bias} + \sum_{p \in \text{free}} b_p x_i^p
          + \sum_{p \in \text{prior}} b_p x_i^p + \text{fluctuation},

with any free b, and the b of the prior drawn from it or zero; or a curve given from outside. The
fluctuations are Gaussian, or drawn from pools of measured networks about the mean of their pool.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from numerics.extrapolation import Corrections, Extrapolation, extrapolate
from numerics.looks import EXTENSION, levels, planned_level
from numerics.plan import Design, plan, pooled_c
from numerics.verdict import agrees, refuted

SLOPE = 3.0
"""The free coefficients of every simulated sweep. Weights do not see them."""

C_STEP = 0.01
"""Relative steps to which a pilot's c is rounded, so that sweeps with equal plans go together."""

CHUNK = 2**21
"""Networks drawn from a pool at once."""


class Moments(NamedTuple):
    """Means and sums of squared deviations, shape (sweeps, widths), of ``counts`` networks at each
    width."""

    counts: np.ndarray
    means: np.ndarray
    squares: np.ndarray

    @property
    def variances(self) -> np.ndarray:
        return self.squares / (self.counts - 1)

    def of(self, sweeps: np.ndarray) -> "Moments":
        """Those of some of the sweeps."""
        return Moments(self.counts, self.means[sweeps], self.squares[sweeps])

    def with_(self, more: "Moments") -> "Moments":
        """Those of all networks together."""
        total = self.counts + more.counts
        apart = more.means - self.means
        return Moments(
            total,
            self.means + apart * more.counts / total,
            self.squares + more.squares + apart**2 * self.counts * more.counts / total,
        )


Draw = Callable[[np.random.Generator, np.ndarray, int], Moments]
"""Fluctuations of mean zero: (stream, networks at each width, sweeps)."""


def gaussian(widths: Sequence[int], c: float) -> Draw:
    r"""Gaussian networks of variance :math:`c^2/M`."""
    deviations = c / np.sqrt(np.asarray(widths, float))

    def draw(rng: np.random.Generator, counts: np.ndarray, sweeps: int) -> Moments:
        shape = (sweeps, len(deviations))
        means = rng.standard_normal(shape) * deviations / np.sqrt(np.maximum(counts, 1))
        freedom = np.maximum(counts - 1, 0)
        squares = 2 * rng.standard_gamma(freedom / 2, shape) * deviations**2
        return Moments(counts, means, squares)

    return draw


def resampled(pools: Sequence[np.ndarray]) -> Draw:
    """Networks drawn, with replacement, from the pool of their width, moved to mean zero."""
    centred = [pool - pool.mean() for pool in pools]

    def draw(rng: np.random.Generator, counts: np.ndarray, sweeps: int) -> Moments:
        means, squares = np.zeros((2, sweeps, len(centred)))
        for column, (pool, count) in enumerate(zip(centred, counts.tolist(), strict=True)):
            step = max(1, CHUNK // max(1, count))
            for first in range(0, sweeps if count else 0, step):
                some = slice(first, min(first + step, sweeps))
                drawn = pool[rng.integers(len(pool), size=(some.stop - first, count), dtype="u2")]
                means[some, column] = mean = drawn.mean(axis=1)
                squares[some, column] = np.einsum("sn,sn->s", drawn, drawn) - count * mean**2
        return Moments(counts, means, squares)

    return draw


@dataclass(frozen=True)
class Simulated:
    """A row whose sweeps are simulated, planned like that of a run.

    ``prior``: whether the unfitted corrections of its sweeps are drawn from the declared prior, or
    zero. ``own``: the true means at limit 1 instead of the model's, one for each width. ``pilot``
    and ``block`` are those of :func:`numerics.plan.plan`.
    """

    label: str
    draw: Draw
    design: Design
    corrections: Corrections
    delta: float
    pilot: int
    block: Callable[[int], int]
    prior: bool = True
    own: np.ndarray | None = None

    def curve(self, rng: np.random.Generator, sweeps: int, bias: float) -> np.ndarray:
        """The true means of the sweeps, shape (sweeps, widths)."""
        if self.own is not None:
            return np.broadcast_to(self.own + bias, (sweeps, len(self.own)))
        x = self.corrections.scale / np.array(self.design.widths, float)
        free = sum((SLOPE * x**power for power in self.corrections.free), 1 + bias + 0 * x)
        unfitted = self.corrections.bias(self.design.widths)
        drawn = rng.standard_normal((sweeps, unfitted.shape[1])) * self.prior
        return free + drawn @ unfitted.T


class Rates(NamedTuple):
    """What a run declares: the probability that it refutes a truth, and its power at delta."""

    alpha: float
    power: float


Fit = Callable[..., Extrapolation]
"""``numerics.extrapolation.extrapolate``, or a wrong one in its place."""


@dataclass(frozen=True)
class Outcome:
    """What became of simulated runs, arrays (runs, rows): p at look 1, and the verdicts after both
    looks."""

    p: np.ndarray
    extended: np.ndarray
    refuted: np.ndarray
    agrees: np.ndarray


def simulate(
    row: Simulated,
    runs: int,
    rng: np.random.Generator,
    rates: Rates,
    *,
    bias: float = 0.0,
    rows: int = 1,
    fit: Fit = extrapolate,
) -> Outcome:
    """Runs over ``rows`` independent rows of this kind, all wrong by ``bias``, judged in two
    looks."""
    sweeps = runs * rows
    sizes = np.array([row.block(width) for width in row.design.widths])
    curve = row.curve(rng, sweeps, bias)
    pilot = row.draw(rng, -(-row.pilot // sizes) * sizes, sweeps)
    steps = np.round(np.log(pooled_c(row.design.widths, pilot.variances)) / C_STEP).astype(int)
    first, second = _undecided(sweeps), _undecided(sweeps)
    measured: list[tuple[np.ndarray, float, Moments]] = []
    for step in np.unique(steps):
        (some,) = np.nonzero(steps == step)
        c = float(np.exp(C_STEP * step))
        counts = np.array(
            plan(
                c,
                delta=row.delta,
                alpha=planned_level(rates.alpha, rows),
                power=rates.power,
                corrections=row.corrections,
                design=row.design,
                pilot=row.pilot,
                block=row.block,
            ).counts
        )
        found = pilot.of(some).with_(row.draw(rng, counts - pilot.counts, len(some)))
        measured.append((some, c, found))
        _keep(first, some, _fitted(fit, row, c, found, curve[some]))
    p = first.p.reshape(runs, rows)
    of_row = np.array([levels(one, rates.alpha, 1) for one in p]).ravel()
    no, yes = refuted(first, of_row), agrees(first, of_row, row.delta)
    extended = ~(no | yes)
    for some, c, found in measured:
        (inside,) = np.nonzero(extended[some])
        if inside.size:
            more = row.draw(rng, (EXTENSION - 1) * found.counts, inside.size)
            again = found.of(inside).with_(more)
            _keep(second, some[inside], _fitted(fit, row, c, again, curve[some[inside]]))
    for run in np.flatnonzero(extended.reshape(runs, rows).any(axis=1)):
        asked = run * rows + np.flatnonzero(extended.reshape(runs, rows)[run])
        of_row[asked] = levels(second.p[asked], rates.alpha, 2)
    no |= extended & refuted(second, of_row)
    yes |= extended & agrees(second, of_row, row.delta)
    shaped = (runs, rows)
    return Outcome(p, *(found.reshape(shaped) for found in (extended, no, yes & ~no)))


DECISIVE = ("theta", "standard_error", "nu", "fit_p")


def _undecided(sweeps: int) -> Extrapolation:
    """A place for the limits of all sweeps, filled group by group."""
    columns = {name: np.ones(sweeps) for name in DECISIVE}
    return Extrapolation(**columns, tau=np.zeros(0), chi2=np.zeros(0), dof=0, g=np.zeros(0))


def _keep(limits: Extrapolation, some: np.ndarray, fit: Extrapolation) -> None:
    for name in DECISIVE:
        getattr(limits, name)[some] = getattr(fit, name)


def _fitted(fit: Fit, row: Simulated, c: float, found: Moments, curve: np.ndarray) -> Extrapolation:
    return fit(
        row.design.widths,
        found.counts,
        curve + found.means,
        found.variances,
        c,
        row.corrections,
    )
