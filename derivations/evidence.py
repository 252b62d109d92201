"""Evidence: measures the networks that a run needs, and judges its rows.

A pilot of variances fixes widths and numbers of networks once; then everything is measured,
extrapolated, and judged under one error rate for the whole run.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from typing import Any

from derivations.catalogue import THEOREMS, theorem
from derivations.groups import Group, grouped
from derivations.questions import Judged, Question, out_of_regime, questions, violated
from derivations.theorem import Theorem
from numerics.ensemble import block_size, over_blocks
from numerics.extrapolation import Extrapolation
from numerics.plan import Plan, Unreachable, explicit_seconds, plan
from numerics.verdict import TAIL, Verdict, decide, detectable, holm
from theory.architecture import DescriptionError, Network, OutOfRegime

ALPHA = 1e-3
"""Probability that a run over true theorems refutes one of them."""

DELTA = 0.02
"""Relative error that a verdict excludes, unless its row approaches the limit too slowly for it."""

POWER = 0.9
PILOT = 32


def check(
    ids: str | Theorem | Sequence[str | Theorem] | None = None,
    network: Network | None = None,
    *,
    everything: bool = False,
    precision: float = DELTA,
    samples: int | None = None,
    alpha: float = ALPHA,
    power: float = POWER,
    say: Callable[[str], None] | None = None,
) -> list[Judged]:
    """Judge theorems against random networks.

    ``ids``: one theorem or several, all by default. ``network``: judge them there instead of on
    their own networks, with ``samples`` samples (by default as many as the theorem's cases have);
    a last layer of another kind than the theorem's is replaced by the theorem's.
    ``everything`` adds the cases outside the main job. ``precision`` is the relative error delta
    that a verdict excludes (edges of a bulk: 10 %), ``alpha`` the probability that a run over true
    theorems refutes one, ``power`` that of finding an error of delta. ``say`` hears the estimated
    time and the plan, and lets progress be shown.

    Raises ``DescriptionError`` for an unknown theorem or meaningless numbers.
    """
    if not 0 < precision < 1:
        raise DescriptionError(f"precision must lie between 0 and 1, {precision} given")
    if samples is not None and network is None:
        raise DescriptionError("--samples needs --network: the theorems' own cases have theirs")
    wanted = THEOREMS if ids is None else [ids] if isinstance(ids, str | Theorem) else ids
    chosen = [theorem(one) if isinstance(one, str) else one for one in wanted]
    asked = questions(chosen, network, samples, everything)
    outside = {q: reason for q in asked if (reason := violated(q)) is not None}
    judged = [question for question in asked if question not in outside]
    groups = grouped(judged, precision)
    level = TAIL * alpha / max(1, len(judged))
    outside |= _measure(list(groups.values()), precision, level, power, say)
    fits, unfit = _fits(groups, [question for question in judged if question not in outside])
    outside |= unfit
    decided = _decide(groups, fits, precision, alpha, power)
    return [
        out_of_regime(question, outside[question]) if question in outside else decided[question]
        for question in asked
    ]


def exit_status(rows: Iterable[Judged]) -> int:
    """0: all agree; 1: one is refuted or undecided; 3: one is out of regime, the others agree."""
    found = {row.verdict for row in rows}
    if found & {Verdict.REFUTED, Verdict.UNDECIDED}:
        return 1
    return 3 if Verdict.OUT_OF_REGIME in found else 0


def _measure(
    groups: list[Group],
    precision: float,
    level: float,
    power: float,
    say: Callable[[str], None] | None,
) -> dict[Question, str]:
    """The pilot and then the networks that it asks for; why a question has no answer."""

    def run(jobs: list[tuple[Group, int, int]], label: str) -> None:
        over_blocks(Group.measure, jobs, label, progress=say is not None and sys.stderr.isatty())

    if say is not None:
        guessed = [_largest(group, _usual(group), precision, level, power) for group in groups]
        seconds = sum(chosen.seconds for chosen in guessed if chosen is not None) / _cores()
        say(f"a run like this takes about {seconds:.0f} s")
    run(
        [job for group in groups for job in group.jobs([PILOT] * len(group.design.widths))], "pilot"
    )
    outside: dict[Question, str] = {}
    for group in groups:
        outside |= group.settle()
    groups = [group for group in groups if group.questions]
    planned = [
        _largest(group, group.undecided_by_pilot(), precision, level, power) for group in groups
    ]
    jobs = [
        job
        for group, chosen in zip(groups, planned, strict=True)
        if chosen is not None
        for job in group.jobs(chosen.counts)
    ]
    if say is not None:
        seconds = sum(group.seconds(jobs) for group in groups) / _cores()
        networks = sum(sum(chosen.counts) for chosen in planned if chosen is not None)
        say(f"{networks} networks planned, estimated time {seconds:.0f} s")
    run(jobs, "networks")
    return outside


def _cores() -> int:
    return os.cpu_count() or 1


def _usual(group: Group) -> dict[Question, float]:
    """What most networks fluctuate by, before anything is measured."""
    return {question: question.approach.usual for question in group.questions}


def _largest(
    group: Group, c: dict[Question, float], precision: float, level: float, power: float
) -> Plan | None:
    """The plan of the row that needs most, for the rows in ``c``; all rows of the group use it."""
    plans = []
    for question, fluctuation in c.items():
        try:
            chosen = plan(
                fluctuation,
                delta=question.approach.attainable(precision),
                alpha=level,
                power=power,
                corrections=question.corrections,
                design=group.design,
                pilot=PILOT,
                block=block_size,
                seconds=partial(explicit_seconds, depth=group.network.depth),
            )
        except Unreachable as problem:
            raise DescriptionError(f"{question.row.quantity}: {problem}") from None
        plans.append(chosen)
    return max(plans, key=lambda chosen: chosen.seconds, default=None)


def _fits(
    groups: dict[Any, Group], questions: list[Question]
) -> tuple[dict[Question, Extrapolation], dict[Question, str]]:
    """The limits, and why a question has none."""
    fits, outside = {}, {}
    for question in questions:
        try:
            fits[question] = groups[question.key].fit(question)
        except OutOfRegime as problem:
            outside[question] = str(problem)
    return fits, outside


def _decide(
    groups: dict[Any, Group],
    fits: dict[Question, Extrapolation],
    precision: float,
    alpha: float,
    power: float,
) -> dict[Question, Judged]:
    if not fits:
        return {}
    levels = holm([float(fit.p) for fit in fits.values()], alpha)
    return {
        question: _judge(groups[question.key], question, fit, float(level), precision, power)
        for (question, fit), level in zip(fits.items(), levels, strict=True)
    }


def _judge(
    group: Group,
    question: Question,
    fit: Extrapolation,
    level: float,
    precision: float,
    power: float,
) -> Judged:
    delta = question.approach.attainable(precision)
    counts = [len(group.gathered(question.observable, width)) for width in group.design.widths]
    predicted, unit = question.limit(group.design.widths[-1])
    return Judged(
        id=question.theorem.id,
        network=question.network,
        quantity=question.row.quantity,
        samples=question.samples,
        verdict=decide(fit, level, delta),
        z=float(fit.z),
        p=float(fit.p),
        alpha_row=level,
        chi2_dof=float(fit.chi2 / fit.dof),
        measured=float(fit.theta),
        standard_error=float(fit.standard_error),
        tau=float(fit.tau),
        nu=float(fit.nu),
        predicted=predicted,
        unit=unit,
        detectable=float(detectable(fit, level, power)),
        delta=delta,
        powers=question.corrections.powers,
        widths=group.design.widths,
        seeds=tuple(int(count) for count in counts),
    )
