"""Evidence for theorems on gradient descent: what runs show beside what theory expects of them.

``derivations.sharpness.cases`` names, for each theorem, the problems and what is measured there. An
order is judged as ``numerics.orders`` says. The other rows are not random: ratios to a prediction
agree within ``delta`` of 1, residuals of equalities up to ``delta``; else the theorem is refuted.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

from tqdm import tqdm

from derivations.dynamics import JudgedOrder
from derivations.questions import Judged
from numerics.verdict import Verdict
from theory.errors import DescriptionError, OutOfRegime


@dataclass(frozen=True)
class JudgedRun:
    """One row of a theorem on gradient descent, with what its verdict rests on.

    ``network`` is the problem, ``decays`` the products of learning rate and weight decay,
    ``starts`` the number of starts at each of them. ``measured`` is an order beside the
    ``predicted`` one, with its ``standard_error``; a ratio to what is ``predicted``, or a residual
    beside 0, within ``delta``.
    """

    id: str
    network: str
    quantity: str
    verdict: Verdict
    measured: float | None = None
    predicted: float | None = None
    standard_error: float | None = None
    delta: float | None = None
    decays: tuple[float, ...] = ()
    starts: tuple[int, ...] = ()
    reason: str | None = None
    note: None = None

    def to_json(self) -> dict[str, Any]:
        """A row with the keys of those on networks; null, what has no meaning for a run."""
        own = {name: getattr(self, name) for name in self.__dataclass_fields__}
        widths, seeds = list(own.pop("decays")), list(own.pop("starts"))
        empty: dict[str, Any] = dict.fromkeys(Judged.__dataclass_fields__)
        return empty | own | {"verdict": str(self.verdict), "widths": widths, "seeds": seeds}


class Ratio(NamedTuple):
    """A measured value over the predicted one, at this product of rates."""

    value: float
    predicted: float
    decay: float


class Residual(NamedTuple):
    """How far an equality is missed, in units of its sides."""

    value: float


Found = JudgedOrder | Ratio | Residual


@dataclass(frozen=True)
class Case:
    """Quantities that one measurement on a problem shows, with their tolerances; None of an order.

    ``default``: part of the main job; the others join with ``--all``.
    """

    problem: str
    deltas: Mapping[str, float | None]
    measure: Callable[[], Mapping[str, Found]]
    default: bool = True


def judge_runs(
    cases: Sequence[tuple[str, Case]], say: Callable[[str], None] | None = None
) -> list[JudgedRun]:
    """The rows of cases, each with the name of its theorem.

    ``say`` hears how many there are, and lets progress be shown.
    """
    if say is not None and cases:
        say(f"{len(cases)} problems of gradient descent")
    shown = say is not None and sys.stderr.isatty()
    return [
        row
        for id, case in tqdm(cases, "descent", disable=not shown, leave=False)
        for row in judge_case(id, case)
    ]


def judge_case(id: str, case: Case) -> list[JudgedRun]:
    """Measure a case and judge its quantities."""
    try:
        found = case.measure()
    except OutOfRegime as problem:
        return [
            JudgedRun(id, case.problem, quantity, Verdict.OUT_OF_REGIME, reason=str(problem))
            for quantity in case.deltas
        ]
    return [
        judged_row(id, case.problem, name, found[name], delta)
        for name, delta in case.deltas.items()
    ]


def judged_row(
    id: str, problem: str, quantity: str, found: Found, delta: float | None
) -> JudgedRun:
    """The verdict on one finding: on an order its own, else by the distance from 1 or 0."""
    row = JudgedRun(id, problem, quantity, Verdict.AGREES)
    if isinstance(found, JudgedOrder):
        return replace(
            row,
            verdict=found.verdict,
            measured=found.found.p,
            predicted=found.predicted,
            standard_error=found.found.error,
            decays=found.decays,
            starts=(found.starts,) * len(found.decays),
        )
    if delta is None:
        raise DescriptionError(f"{id}, {problem}: {quantity} needs a tolerance")
    decays: tuple[float, ...] = ()
    off, predicted = found.value, 0.0
    if isinstance(found, Ratio):
        off, predicted, decays = abs(found.value - 1), found.predicted, (found.decay,)
    return replace(
        row,
        verdict=Verdict.AGREES if off <= delta else Verdict.REFUTED,
        measured=found.value,
        predicted=predicted,
        delta=delta,
        decays=decays,
        starts=(1,) * len(decays),
    )
