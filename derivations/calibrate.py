"""Calibration of the checker: its error rates, counted where the truth is known.

Sweeps come from the stated model with Gaussian networks, and from pools of networks measured by the
checker's own engine. Controls are wrong checkers that the same counts must catch.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

from tabulate import tabulate

from derivations.approach import EDGE, MEAN, MEAN_SQUARE, Approach
from derivations.catalogue import theorem
from derivations.declared import ALPHA, DELTA, POWER
from derivations.groups import Group, grouped
from derivations.networks import LINEAR, RELU, TANH
from derivations.planning import PILOT
from derivations.priors import recorded
from derivations.questions import Question
from derivations.samples import samples_at
from numerics.calibration import Rates, Simulated, gaussian, resampled
from numerics.ensemble import block_size, over_blocks
from numerics.extrapolation import Corrections, Extrapolation, extrapolate
from numerics.priors import curve
from numerics.promises import Promise, under_an_error, under_the_truth
from theory.architecture import BatchNorm, MeanSubtraction, Network
from theory.errors import DescriptionError

RATES = Rates(ALPHA, POWER)

SWEEPS = 20_000
LEAST_SWEEPS = 1000
SEED = 20200607
"""The seed of every simulated sweep."""

ROWS = 25
"""Rows of a simulated run, as many as the main job has."""

POOLS = (4096, 2048, 1024, 512, 256)
"""Networks in the pools of a row, from the narrowest width on."""

UNDERSTATED = 1.3
"""Factor by which the control's standard errors are too small."""

RESAMPLED: tuple[tuple[str, Network, int, tuple[str, ...]], ...] = (
    ("unnormalized", TANH, 16, ("kappa_1", "kappa_2", "second_moment")),
    ("unnormalized", LINEAR, 16, ("kappa_2",)),
    ("batchnorm-last", replace(RELU, last=BatchNorm()), 10, ("output_variance",)),
    (
        "batchnorm-hidden",
        replace(RELU, sigma_b2=0.2, ratios=None, outputs=1, layers=(BatchNorm(), BatchNorm())),
        16,
        ("kappa_1", "uniform_mode"),
    ),
    (
        "mean-subtraction-last",
        replace(TANH, outputs=1, last=MeanSubtraction()),
        4,
        ("largest_eigenvalue",),
    ),
)
"""Measured rows whose networks are resampled: theorem, network, samples, quantities."""


@dataclass(frozen=True)
class Calibration:
    """All promises, and those that the control, a wrong checker, broke."""

    sweeps: int
    promises: tuple[Promise, ...]
    broken_by_control: tuple[Promise, ...]

    @property
    def kept(self) -> bool:
        """Whether every promise is kept and the control was caught."""
        return all(promise.kept for promise in self.promises) and bool(self.broken_by_control)

    def to_json(self) -> dict[str, Any]:
        return asdict(self) | {"kept": self.kept, "seed": SEED}


def calibrate(
    sweeps: int = SWEEPS,
    *,
    measured: bool = True,
    say: Callable[[str], None] | None = None,
) -> Calibration:
    """Count the checker's errors over simulated sweeps of each row, ``sweeps`` of them.

    ``measured``: also with networks resampled from measured pools, which takes a minute.
    ``DescriptionError`` for fewer than 1000 sweeps, too few for any count.
    """
    if isinstance(sweeps, bool) or not isinstance(sweeps, int) or sweeps < LEAST_SWEEPS:
        raise DescriptionError(
            f"sweeps must be a whole number of at least {LEAST_SWEEPS}, {sweeps!r} given"
        )
    rows = synthetic()
    if measured:
        if say is not None:
            say(f"measuring pools of up to {POOLS[0]} networks a width")
        rows += pooled(progress=say is not None and sys.stderr.isatty())
    promises: list[Promise] = []
    for number, row in enumerate(rows):
        if say is not None:
            say(f"{row.label}: {sweeps} sweeps")
        promises += under_the_truth(row, sweeps, (SEED, number, 0), RATES)
        promises += under_an_error(row, sweeps, (SEED, number, 1), RATES)
    run = replace(rows[0], label=f"run of {ROWS} rows")
    promises += under_the_truth(run, sweeps, (SEED, len(rows)), RATES, rows=ROWS)
    control = replace(rows[0], label="control: errors 1.3 times too small")
    broken = [
        promise
        for promise in under_the_truth(
            control, sweeps, (SEED, len(rows) + 1), RATES, fit=understated
        )
        if not promise.kept
    ]
    return Calibration(sweeps, tuple(promises), tuple(broken))


def synthetic() -> list[Simulated]:
    """Gaussian networks on the stated model."""
    mean = _simulated("mean", MEAN, c=1.0)
    bare = Corrections(1.0, (1,), ())
    return [
        mean,
        replace(mean, label="mean, prior idle", prior=False),
        replace(mean, label="mean, no prior", corrections=bare),
        _simulated("mean square", MEAN_SQUARE, c=2.0),
        _simulated("edge", EDGE, c=1.5),
    ]


def _simulated(label: str, approach: Approach, c: float) -> Simulated:
    design = approach.design(DELTA)
    return Simulated(
        f"{label}, Gaussian",
        gaussian(design.widths, c),
        design,
        approach.corrections(3, 4),
        approach.attainable(DELTA),
        PILOT,
        block_size,
    )


def pooled(progress: bool = False) -> list[Simulated]:
    """Networks resampled from pools measured here and now; they stay in memory."""
    asked = [
        Question(theorem(id), theorem(id).row(quantity), network, samples)
        for id, network, samples, quantities in RESAMPLED
        for quantity in quantities
    ]
    groups = grouped(asked, DELTA)
    jobs = [
        job for group in groups.values() for job in group.jobs(POOLS[: len(group.design.widths)])
    ]
    over_blocks(Group.measure, jobs, "pools", progress=progress)
    return [row for question in asked for row in _of_pools(groups[question.key], question)]


def _of_pools(group: Group, question: Question) -> tuple[Simulated, Simulated]:
    """The row with corrections drawn from the prior, and with those on record for it."""
    pools = group.ratios(question)
    drawn = Simulated(
        f"{question.row.quantity}, {question.network}",
        resampled(pools),
        group.design,
        question.corrections,
        question.approach.attainable(DELTA),
        PILOT,
        block_size,
    )
    key = (
        question.theorem.id,
        str(question.network),
        samples_at(question.samples, group.design.widths[0]),
        question.row.quantity,
    )
    known = recorded()[key]
    own = curve(group.design.widths, known.b, question.corrections)
    return drawn, replace(drawn, label=f"{drawn.label}, own bias", own=own)


def understated(*sweep: Any) -> Extrapolation:
    """The control: a limit whose standard error is too small."""
    fit = extrapolate(*sweep)
    return replace(fit, standard_error=fit.standard_error / UNDERSTATED)


def to_text(found: Calibration) -> str:
    """A line for each promise, and whether the control was caught."""
    lines = [_line(promise) for promise in found.promises]
    broken = [_line(promise) for promise in found.broken_by_control]
    headers = ("row", f"of {found.sweeps} sweeps", "found", "bound", "")
    caught = "caught" if broken else "NOT CAUGHT"
    kept = sum(promise.kept for promise in found.promises)
    summary = f"{kept} of {len(lines)} promises kept; the control was {caught}"
    return "\n".join([tabulate([*lines, *broken], headers=headers, floatfmt=".4g"), "", summary])


def _line(promise: Promise) -> Sequence[Any]:
    verdict = "kept" if promise.kept else "BROKEN"
    return promise.row, promise.what, promise.found, promise.bound, verdict
