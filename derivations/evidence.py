"""Evidence: joins predictions and measurements row by row, and judges them.

A row is a quantity of one theorem on one network with N samples, in units of its prediction at the
finite N and M used, so that the claim is always "tends to 1". Rows on the same linear network share
their samples. A pilot of variances fixes widths and numbers of networks once; then everything is
measured, extrapolated, and judged under one error rate for the whole run.
"""

from __future__ import annotations

import math
import os
import sys
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

import numpy as np

from derivations.approach import Approach
from derivations.catalogue import THEOREMS, theorem
from derivations.theorem import Case, Row, Terms, Theorem
from numerics.ensemble import SEED_BASE, block_size, check_size, observe, over_blocks
from numerics.extrapolation import Corrections, Extrapolation, extrapolate
from numerics.plan import Design, Plan, Unreachable, explicit_seconds, plan, pooled_c
from numerics.verdict import TAIL, Verdict, decide, detectable, holm
from theory.architecture import DescriptionError, GroupNorm, Network, OutOfRegime
from theory.meanfield import Kernel
from theory.prediction import Prediction, predict, unmapped

ALPHA = 1e-3
"""Probability that a run over true theorems refutes one of them."""

DELTA = 0.02
"""Relative error that a verdict excludes, unless its row approaches the limit too slowly for it."""

OUTPUTS = "linear_outputs"
POWER = 0.9
PILOT = 32

OVERWHELMING = 20
"""Standard errors between claim and pilot beyond which more networks cannot change the verdict: no
level that a run can declare reaches that far, so they would only cost time."""


@dataclass(frozen=True)
class Judged:
    """One row of a run, with everything that its verdict rests on.

    ``measured`` is the extrapolated ratio to the prediction (an error of kappa_2 in units of
    abs(kappa_2) + kappa_1/N), ``predicted`` the limit itself: K in units of alpha M, the mean
    eigenvalue in units of C alpha M/P. ``seeds`` are the networks at each of ``widths``.
    """

    id: str
    network: Network
    quantity: str
    samples: int
    verdict: Verdict
    z: float | None = None
    p: float | None = None
    alpha_row: float | None = None
    chi2_dof: float | None = None
    measured: float | None = None
    standard_error: float | None = None
    tau: float | None = None
    nu: float | None = None
    predicted: float | None = None
    unit: float | None = None
    detectable: float | None = None
    delta: float | None = None
    powers: tuple[float, ...] = ()
    widths: tuple[int, ...] = ()
    seeds: tuple[int, ...] = ()
    seed_base: int = SEED_BASE
    reason: str | None = None

    def to_json(self) -> dict[str, Any]:
        plain = {name: getattr(self, name) for name in self.__dataclass_fields__}
        return plain | {"network": str(self.network), "verdict": str(self.verdict)}


@dataclass(frozen=True)
class Question:
    """A row to be judged: theorem, quantity, network, samples."""

    theorem: Theorem
    row: Row
    network: Network
    samples: int

    def ratio(self, width: int, values: np.ndarray, outputs: np.ndarray | None) -> np.ndarray:
        """Measured values at this width in units of the prediction there.

        ``outputs`` (n, C, N): those of each network, for a prediction that is conditional on them.
        """
        prediction = predict(unmapped(self.network), width, self.samples)
        if self.row.given_outputs is not None and outputs is not None:
            return self._given_outputs(prediction, values, outputs)
        predicted, unit = self._value(prediction, prediction.K)
        return 1 + (values - predicted) / unit

    def _given_outputs(
        self, prediction: Prediction, values: np.ndarray, outputs: np.ndarray
    ) -> np.ndarray:
        assert self.row.given_outputs is not None
        terms = self._terms(prediction, prediction.K)
        predicted = [self.row.given_outputs(terms, one) for one in outputs]
        if None in predicted:
            raise OutOfRegime(
                f"{predicted.count(None)} of {len(predicted)} networks have no eigenvalue above "
                "the bulk for their outputs"
            )
        return values / np.array(predicted, dtype=float)

    def limit(self, width: int) -> tuple[float, float]:
        """The leading order of the prediction, and the unit of its error; any width will do."""
        prediction = predict(unmapped(self.network), width, self.samples)
        return self._value(prediction, prediction.kappa_leading)

    def _value(self, prediction: Prediction, kernel: Kernel) -> tuple[float, float]:
        terms = self._terms(prediction, kernel)
        if self.row.given_outputs is not None:
            return 1.0, 1.0
        predicted = float(self.row.value(terms))
        return predicted, predicted if self.row.unit is None else float(self.row.unit(terms))

    def _terms(self, prediction: Prediction, kernel: Kernel) -> Terms:
        order = prediction.order_parameters
        K = prediction.part(self.row.group) if self.row.group else kernel
        return Terms(K, order.q_gap[-1], self.samples, self.network.batch(self.samples), order)

    @property
    def observable(self) -> str:
        """The name under which the row's measurement is taken and kept."""
        return f"{self.row.group}.{self.row.observable}" if self.row.group else self.row.observable

    @property
    def approach(self) -> Approach:
        """The row's approach to its limit, on this network."""
        layers = self.network.layers or ()
        groups = [scheme.groups for scheme in layers if isinstance(scheme, GroupNorm)]
        return self.row.approach.in_groups(max(groups, default=1))

    @property
    def key(self) -> tuple[Network, int, Design]:
        """Questions with equal keys share their networks."""
        return unmapped(self.network), self.samples, self.approach.coarse

    @property
    def corrections(self) -> Corrections:
        return self.approach.corrections(self.network.depth, self.samples)


@dataclass
class Group:
    """Questions that share the same networks, and what was measured of them.

    ``c`` is each question's fluctuation, fixed by the pilot.
    """

    network: Network
    samples: int
    design: Design
    questions: list[Question] = field(default_factory=list)
    c: dict[Question, float] = field(default_factory=dict)
    values: dict[tuple[int, int], dict[str, np.ndarray]] = field(default_factory=dict)

    def jobs(self, counts: Sequence[int]) -> list[tuple[Group, int, int]]:
        """Blocks not measured yet, for this many networks at each width."""
        return [
            (self, width, block)
            for width, count in zip(self.design.widths, counts, strict=True)
            for block in range(math.ceil(count / block_size(width)))
            if (width, block) not in self.values
        ]

    @property
    def conditional(self) -> bool:
        """Whether a prediction needs the outputs of each network."""
        return any(question.row.given_outputs for question in self.questions)

    def measure(self, width: int, block: int) -> None:
        names = {question.observable for question in self.questions}
        names |= {OUTPUTS} if self.conditional else set()
        observables = tuple(sorted(names))
        self.values[width, block] = observe(self.network, width, self.samples, block, observables)

    def gathered(self, name: str, width: int) -> np.ndarray:
        """All measured values at this width, in the order of the blocks."""
        blocks = sorted(block for at, block in self.values if at == width)
        return np.concatenate([self.values[width, block][name] for block in blocks])

    def summary(self, question: Question) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Counts, means and variances of one row at every width."""
        rows = [
            question.ratio(
                width,
                self.gathered(question.observable, width),
                self.gathered(OUTPUTS, width) if question.row.given_outputs else None,
            )
            for width in self.design.widths
        ]
        return (
            np.array([len(row) for row in rows]),
            np.array([row.mean() for row in rows]),
            np.array([row.var(ddof=1) for row in rows]),
        )

    def settle(self) -> dict[Question, str]:
        """Fix the fluctuations by what is measured; leave out questions that it cannot answer."""
        outside = {}
        for question in tuple(self.questions):
            try:
                variances = self.summary(question)[2]
            except OutOfRegime as problem:
                outside[question] = str(problem)
                self.questions.remove(question)
                continue
            self.c[question] = float(pooled_c(self.design.widths, variances))
        return outside

    def undecided_by_pilot(self) -> dict[Question, float]:
        """The fluctuations of the questions to which more networks can matter."""
        return {
            question: c
            for question, c in self.c.items()
            if abs(_fit(self, question).z) < OVERWHELMING
        }

    def seconds(self, jobs: Iterable[tuple[Group, int, int]]) -> float:
        """Time of further blocks on one core, from that of the pilot's."""
        per_block = {
            width: np.median(self.gathered("seconds", width)) for width in self.design.widths
        }
        return float(sum(per_block[width] for group, width, _ in jobs if group is self))


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
    for one in chosen:
        if not one.rows:
            raise DescriptionError(
                f"{one.id} is a theorem on integrals: it is proved (derive {one.id}), not measured"
            )
    questions = [
        question
        for one in chosen
        for case in _cases(one, network, samples, everything)
        for question in _questions(one, case)
    ]
    for question in questions:
        _validate(question)
    outside = {q: reason for q in questions if (reason := _violated(q)) is not None}
    judged = [question for question in questions if question not in outside]
    groups = _group(judged, precision)
    level = TAIL * alpha / max(1, len(judged))
    outside |= _measure(list(groups.values()), precision, level, power, say)
    fits, unfit = _fits(groups, [question for question in judged if question not in outside])
    outside |= unfit
    decided = _decide(groups, fits, precision, alpha, power)
    return [
        _out_of_regime(question, outside[question]) if question in outside else decided[question]
        for question in questions
    ]


def exit_status(rows: Iterable[Judged]) -> int:
    """0: all agree; 1: one is refuted or undecided; 3: one is out of regime, the others agree."""
    found = {row.verdict for row in rows}
    if found & {Verdict.REFUTED, Verdict.UNDECIDED}:
        return 1
    return 3 if Verdict.OUT_OF_REGIME in found else 0


def _cases(
    one: Theorem, network: Network | None, samples: int | None, everything: bool
) -> list[Case]:
    if network is None:
        return [case for case in one.cases if case.default or everything]
    own = one.cases[0].network
    mapped = network if network.last.kind == own.last.kind else replace(network, last=own.last)
    if own.loss != mapped.loss:
        mapped = replace(mapped, loss=own.loss)
    usual = {quantity: case.samples for case in reversed(one.cases) for quantity in case.quantities}
    return [
        Case(mapped, usual[row.quantity] if samples is None else samples, (row.quantity,))
        for row in one.rows
    ]


def _questions(one: Theorem, case: Case) -> list[Question]:
    return [
        Question(one, one.row(quantity), case.network, case.samples) for quantity in case.quantities
    ]


def _validate(question: Question) -> None:
    """Refuse a meaningless question before anything is measured."""
    width = question.approach.coarse.scaled(question.network.depth).widths[-1]
    check_size(question.network, width, question.samples)
    predict(unmapped(question.network), width, question.samples)


def _violated(question: Question) -> str | None:
    """Why the theorem does not apply here, or None."""
    if question.approach.one_output and question.network.outputs > 1:
        return f"the {question.row.quantity} is judged for one output, C = 1"
    try:
        question.theorem.requires(question.network, question.samples)
    except OutOfRegime as problem:
        return str(problem)
    return None


def _out_of_regime(question: Question, reason: str) -> Judged:
    return Judged(
        question.theorem.id,
        question.network,
        question.row.quantity,
        question.samples,
        Verdict.OUT_OF_REGIME,
        reason=reason,
    )


def _group(questions: Iterable[Question], precision: float) -> dict[Any, Group]:
    groups: dict[Any, Group] = {}
    for question in questions:
        linear, samples, _ = question.key
        design = question.approach.design(precision).scaled(linear.depth)
        groups.setdefault(question.key, Group(linear, samples, design)).questions.append(question)
    return groups


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
            fits[question] = _fit(groups[question.key], question)
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


def _fit(group: Group, question: Question) -> Extrapolation:
    counts, means, variances = group.summary(question)
    return extrapolate(
        group.design.widths, counts, means, variances, group.c[question], question.corrections
    )


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
