"""Evidence: measures the networks that a run needs, and judges its rows.

Theorems on gradient descent are judged on runs of their own, see ``derivations.dynamic_evidence``.
A pilot of variances fixes widths and numbers of networks once; then everything is measured,
extrapolated, and judged under one error rate for the whole run. Rows left undecided get one
extension, declared beforehand in ``numerics.looks``.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace

from derivations.catalogue import THEOREMS, theorem
from derivations.declared import ALPHA, DELTA, POWER, Declared
from derivations.dynamic_evidence import JudgedRun, judge_runs
from derivations.groups import Group, Key, grouped
from derivations.planning import PILOT, planned, sooner
from derivations.questions import Judged, Question, questions, violated
from derivations.sharpness.cases import CASES
from derivations.sharpness.catalogue import SHARPNESS_THEOREMS
from derivations.theorem import Theorem
from derivations.verdict_list import Verdicts
from numerics.engines import ENGINES
from numerics.ensemble import over_blocks
from numerics.extrapolation import Extrapolation
from numerics.looks import EXTENSION, levels
from numerics.plan import Plan
from numerics.verdict import Verdict, decide, detectable
from theory.architecture import DescriptionError, Network, OutOfRegime

FASTEST = "fastest"
"""In place of an engine: for each row the one that answers it sooner."""

HEAVY = 10
"""Excess kurtosis of one network beyond which a note warns of heavy tails: the level of a test on
means of such networks is less sure than its number of degrees of freedom says."""

Say = Callable[[str], None]

Stored = Callable[[Sequence[Group]], dict[Question, str]]
"""Fills groups with measurements made before; why a question has no answer."""


def check(
    ids: str | Theorem | Sequence[str | Theorem] | None = None,
    network: Network | None = None,
    *,
    everything: bool = False,
    precision: float = DELTA,
    samples: int | None = None,
    alpha: float = ALPHA,
    power: float = POWER,
    engine: str | None = None,
    say: Say | None = None,
) -> Verdicts:
    """Judge theorems against random networks, those on gradient descent against runs of it.

    ``ids``: one theorem or several, all by default. Rows on networks come first; what is asked of
    them is what ``check_networks`` asks. Those on runs have tolerances of their own.

    Raises ``DescriptionError`` for an unknown theorem or meaningless numbers.
    """
    chosen = _chosen(ids, network)
    rows: list[Judged | JudgedRun] = []
    on_networks = [one for one in chosen if not _on_runs(one)]
    if on_networks:
        rows += check_networks(
            on_networks,
            network,
            everything=everything,
            precision=precision,
            samples=samples,
            alpha=alpha,
            power=power,
            engine=engine,
            say=say,
        )
    runs = [
        (one.id, case)
        for one in chosen
        if _on_runs(one)
        for case in CASES[one.id]
        if case.default or everything
    ]
    rows += judge_runs(runs, say)
    return Verdicts(rows)


def _chosen(
    ids: str | Theorem | Sequence[str | Theorem] | None, network: Network | None
) -> list[Theorem]:
    """The theorems asked for; without a name, all that a network or a run can refute."""
    if ids is None:
        runs = [one for one in SHARPNESS_THEOREMS if _on_runs(one)]
        return [*THEOREMS, *(runs if network is None else ())]
    wanted = [ids] if isinstance(ids, str | Theorem) else ids
    chosen = [theorem(one) if isinstance(one, str) else one for one in wanted]
    for one in chosen:
        if _on_runs(one) and network is not None:
            raise DescriptionError(
                f"{one.id} is judged on its own problems of gradient descent; leave out --network"
            )
    return chosen


def _on_runs(one: Theorem) -> bool:
    return not one.rows and one.id in CASES


def check_networks(
    theorems: Sequence[Theorem],
    network: Network | None = None,
    *,
    everything: bool = False,
    precision: float = DELTA,
    samples: int | None = None,
    alpha: float = ALPHA,
    power: float = POWER,
    engine: str | None = None,
    stored: Stored | None = None,
    say: Say | None = None,
) -> list[Judged]:
    """Judge theorems against random networks.

    ``network``: judge them there instead of on their own networks, with ``samples`` samples (by
    default as many as the theorem's cases have); a last layer of another kind than the theorem's is
    replaced by the theorem's. ``everything`` adds the cases outside the main job. ``precision`` is
    the relative error delta that a verdict excludes (edges of a bulk: 10 %), ``alpha`` the
    probability that a run over true theorems refutes one, ``power`` that of finding an error of
    delta. ``engine``: "explicit"; "conditional", which draws networks of the same law at a cost
    linear in the width, while rows that it does not cover are measured with explicit weights; or
    "fastest", for each row the one that answers it sooner, which is the default with
    ``everything`` and for a precision finer than 2 %; otherwise it is "explicit". ``stored`` fills
    groups with measurements made before, all that there are, so that these rows have no second
    look; rows given the outputs, which no store holds, are measured all the same. ``say`` hears
    the estimated time and the plan, and lets progress be shown.

    Raises ``DescriptionError`` for meaningless numbers.
    """
    declared = Declared(alpha, precision, power)
    if samples is not None and network is None:
        raise DescriptionError("--samples needs --network: the theorems' own cases have theirs")
    if engine is None:
        engine = FASTEST if everything or precision < DELTA else "explicit"
    if engine not in (*ENGINES, FASTEST):
        known = ", ".join((*ENGINES, FASTEST))
        raise DescriptionError(f"unknown engine {engine!r}; known: {known}")
    drawing = "conditional" if engine == FASTEST else engine
    asked = questions(theorems, network, samples, everything, drawing)
    if engine == FASTEST:
        asked = [sooner(question, declared, len(asked)) for question in asked]
    outside = {q: reason for q in asked if (reason := violated(q)) is not None}
    judged = [question for question in asked if question not in outside]
    groups = grouped(judged, declared.precision)
    if say is not None and engine != "explicit":
        others = sum(question.engine == "explicit" for question in judged)
        say(f"{others} of {len(judged)} rows with explicit weights, the others by conditioning")
    fresh = {key: one for key, one in groups.items() if stored is None or one.given_outputs}
    if stored is not None:
        outside |= stored([one for key, one in groups.items() if key not in fresh])
    if fresh:
        outside |= _measure(list(fresh.values()), declared, len(judged), say)
    rows = {question: _out_of_regime(question, why, declared) for question, why in outside.items()}
    rows |= _look(1, groups, [question for question in judged if question not in rows], declared)
    open_ = [
        question
        for question in judged
        if rows[question].verdict is Verdict.UNDECIDED and question.key in fresh
    ]
    if open_:
        _extend(groups, open_, say)
        rows |= _look(2, groups, open_, declared)
    return [rows[question] for question in asked]


def exit_status(rows: Iterable[Judged | JudgedRun]) -> int:
    """0: all agree; 1: one is refuted or undecided; 3: one is out of regime, the others agree."""
    found = {row.verdict for row in rows}
    if found & {Verdict.REFUTED, Verdict.UNDECIDED}:
        return 1
    return 3 if Verdict.OUT_OF_REGIME in found else 0


def _measure(
    groups: list[Group], declared: Declared, rows: int, say: Say | None
) -> dict[Question, str]:
    """The pilot and then the networks that it asks for; why a question has no answer."""
    if say is not None:
        guessed = [_largest(group, _usual(group), declared, rows) for group in groups]
        seconds = sum(chosen.seconds for chosen in guessed if chosen is not None) / _cores()
        say(f"a run like this takes about {seconds:.0f} s")
    pilots = [(group, [PILOT] * len(group.design.widths)) for group in groups]
    _run([job for group, counts in pilots for job in group.jobs(counts)], "pilot", say)
    outside: dict[Question, str] = {}
    for group in groups:
        outside |= group.settle()
    groups = [group for group in groups if group.questions]
    plans = [_largest(group, group.undecided_by_pilot(), declared, rows) for group in groups]
    jobs = [
        job
        for group, chosen in zip(groups, plans, strict=True)
        if chosen is not None
        for job in group.jobs(chosen.counts)
    ]
    if say is not None:
        seconds = sum(group.seconds(jobs) for group in groups) / _cores()
        networks = sum(sum(chosen.counts) for chosen in plans if chosen is not None)
        say(f"{networks} networks planned, estimated time {seconds:.0f} s")
    _run(jobs, "networks", say)
    return outside


def _extend(groups: dict[Key, Group], undecided: list[Question], say: Say | None) -> None:
    """The one extension of a run: more networks for the rows that look 1 left undecided."""
    extended = [groups[key] for key in dict.fromkeys(question.key for question in undecided)]
    jobs = [
        job
        for group in extended
        for job in group.jobs([EXTENSION * count for count in group.counts])
    ]
    if say is not None:
        seconds = sum(group.seconds(jobs) for group in extended) / _cores()
        say(
            f"second look at undecided rows: {len(undecided)}, networks once more for them, "
            f"estimated time {seconds:.0f} s"
        )
    _run(jobs, "second look", say)


def _run(jobs: list[tuple[Group, int, int]], label: str, say: Say | None) -> None:
    over_blocks(Group.measure, jobs, label, progress=say is not None and sys.stderr.isatty())


def _cores() -> int:
    return os.cpu_count() or 1


def _usual(group: Group) -> dict[Question, float]:
    """What most networks fluctuate by, before anything is measured."""
    return {question: question.approach.usual for question in group.questions}


def _largest(group: Group, c: dict[Question, float], declared: Declared, rows: int) -> Plan | None:
    """The plan of the row that needs most, for the rows in ``c``; all rows of the group use it."""
    plans = [
        planned(question, fluctuation, group.observables, declared, rows)
        for question, fluctuation in c.items()
    ]
    return max(plans, key=lambda chosen: chosen.seconds, default=None)


def _look(
    number: int, groups: dict[Key, Group], asked: list[Question], declared: Declared
) -> dict[Question, Judged]:
    """Judge these rows on all their networks so far."""
    rows, fits = {}, {}
    for question in asked:
        try:
            fits[question] = groups[question.key].fit(question)
        except OutOfRegime as problem:
            rows[question] = _out_of_regime(question, str(problem), declared)
    if fits:
        found = levels([float(fit.p) for fit in fits.values()], declared.alpha, number)
        for (question, fit), level in zip(fits.items(), found, strict=True):
            row = _judge(groups[question.key], question, fit, float(level), declared)
            rows[question] = replace(row, look=number)
    return rows


def _judge(
    group: Group, question: Question, fit: Extrapolation, level: float, declared: Declared
) -> Judged:
    delta = question.approach.attainable(declared.precision)
    predicted, unit = question.limit(group.design.widths[-1])
    kurtosis = group.kurtosis[question]
    return Judged(
        id=question.theorem.id,
        network=question.network,
        quantity=question.row.quantity,
        samples=question.samples,
        verdict=decide(fit, level, delta),
        alpha=declared.alpha,
        power=declared.power,
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
        detectable=float(detectable(fit, level, declared.power)),
        delta=delta,
        powers=question.corrections.powers,
        widths=group.design.widths,
        seeds=group.counts,
        means=group.points[question].means,
        errors=group.points[question].errors,
        engine=question.engine,
        excess_kurtosis=kurtosis,
        note=_warning(kurtosis),
    )


def _warning(kurtosis: float) -> str | None:
    if kurtosis <= HEAVY:
        return None
    return f"heavy tails: excess kurtosis {kurtosis:.0f} in the pilot; judge it given the outputs"


def _out_of_regime(question: Question, reason: str, declared: Declared) -> Judged:
    return Judged(
        id=question.theorem.id,
        network=question.network,
        quantity=question.row.quantity,
        samples=question.samples,
        verdict=Verdict.OUT_OF_REGIME,
        engine=question.engine,
        alpha=declared.alpha,
        power=declared.power,
        delta=question.approach.attainable(declared.precision),
        reason=reason,
    )
