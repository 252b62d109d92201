"""Groups: questions that share networks, and the measurements of these networks."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np

from derivations.questions import Question
from derivations.samples import Samples, samples_at
from numerics.engines import engine as engine_of
from numerics.ensemble import block_size
from numerics.extrapolation import Extrapolation, extrapolate
from numerics.plan import Design, excess_kurtosis, pooled_c
from theory.architecture import Network, OutOfRegime

Key = tuple[Network, Samples, Design, str]
"""What questions that share networks have in common."""

OUTPUTS = "linear_outputs"

OVERWHELMING = 20
"""Standard errors between claim and pilot beyond which more networks cannot change the verdict: no
level that a run can declare reaches that far, so they would only cost time."""


class Points(NamedTuple):
    """Means over the networks of each width, in units of the prediction, and their errors."""

    means: tuple[float, ...]
    errors: tuple[float, ...]


@dataclass
class Group:
    """Questions that share the same networks, and what was measured of them.

    ``c`` is each question's fluctuation and ``kurtosis`` the weight of its tails, both of one
    network and fixed by the pilot. ``points`` are those of each question's last fit.
    """

    network: Network
    samples: Samples
    design: Design
    engine: str
    questions: list[Question] = field(default_factory=list)
    c: dict[Question, float] = field(default_factory=dict)
    kurtosis: dict[Question, float] = field(default_factory=dict)
    values: dict[tuple[int, int], dict[str, np.ndarray]] = field(default_factory=dict)
    points: dict[Question, Points] = field(default_factory=dict)

    def jobs(self, counts: Sequence[int]) -> list[tuple[Group, int, int]]:
        """Blocks not measured yet, for this many networks at each width."""
        return [
            (self, width, block)
            for width, count in zip(self.design.widths, counts, strict=True)
            for block in range(math.ceil(count / block_size(width)))
            if (width, block) not in self.values
        ]

    @property
    def given_outputs(self) -> bool:
        """Whether a prediction needs the outputs of each network."""
        return any(question.row.given_outputs for question in self.questions)

    @property
    def observables(self) -> tuple[str, ...]:
        """What is measured of every network."""
        names = {question.observable for question in self.questions}
        return tuple(sorted(names | ({OUTPUTS} if self.given_outputs else set())))

    def measure(self, width: int, block: int) -> None:
        """Measure one block, and keep it."""
        observe = engine_of(self.engine).observe
        samples = samples_at(self.samples, width)
        self.values[width, block] = observe(self.network, width, samples, block, self.observables)

    def gathered(self, name: str, width: int) -> np.ndarray:
        """All measured values at this width, in the order of the blocks."""
        blocks = sorted(block for at, block in self.values if at == width)
        return np.concatenate([self.values[width, block][name] for block in blocks])

    @property
    def counts(self) -> tuple[int, ...]:
        """Networks measured at each width."""
        name = self.observables[0]
        return tuple(len(self.gathered(name, width)) for width in self.design.widths)

    def ratios(self, question: Question) -> list[np.ndarray]:
        """One row of every network measured, at every width."""
        return [
            question.ratio(
                width,
                self.gathered(question.observable, width),
                self.gathered(OUTPUTS, width) if question.row.given_outputs else None,
            )
            for width in self.design.widths
        ]

    def fit(self, question: Question) -> Extrapolation:
        """The limit of one row, from everything measured so far."""
        rows = self.ratios(question)
        counts = [len(row) for row in rows]
        means, variances = [float(row.mean()) for row in rows], _variances(rows)
        errors = np.sqrt(np.divide(variances, counts))
        self.points[question] = Points(tuple(means), tuple(errors.tolist()))
        return extrapolate(
            self.design.widths,
            counts,
            means,
            variances,
            self.c[question],
            question.corrections,
        )

    def settle(self) -> dict[Question, str]:
        """Fix the fluctuations by what is measured; leave out questions that it cannot answer."""
        outside = {}
        for question in tuple(self.questions):
            try:
                rows = self.ratios(question)
            except OutOfRegime as problem:
                outside[question] = str(problem)
                self.questions.remove(question)
                continue
            self.c[question] = float(pooled_c(self.design.widths, _variances(rows)))
            self.kurtosis[question] = excess_kurtosis(rows)
        return outside

    def undecided_by_pilot(self) -> dict[Question, float]:
        """The fluctuations of the questions to which more networks can matter."""
        return {
            question: c
            for question, c in self.c.items()
            if abs(self.fit(question).z) < OVERWHELMING
        }

    def seconds(self, jobs: Iterable[tuple[Group, int, int]]) -> float:
        """Time of further blocks on one core, from that of the pilot's."""
        per_block = {
            width: np.median(self.gathered("seconds", width)) for width in self.design.widths
        }
        return float(sum(per_block[width] for group, width, _ in jobs if group is self))


def _variances(rows: list[np.ndarray]) -> list[float]:
    return [float(row.var(ddof=1)) for row in rows]


def grouped(questions: Iterable[Question], precision: float) -> dict[Key, Group]:
    """Questions with equal keys together, with the widths for this precision."""
    groups: dict[Key, Group] = {}
    for question in questions:
        linear, samples, _, engine = question.key
        design = question.approach.design(precision).scaled(linear.depth)
        group = groups.setdefault(question.key, Group(linear, samples, design, engine))
        group.questions.append(question)
    return groups
