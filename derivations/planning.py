"""How many networks a row needs, and which engine gives them sooner."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import partial

import numpy as np
from numpy.typing import ArrayLike

from derivations.declared import Declared
from derivations.questions import Question
from derivations.samples import samples_at
from numerics.engines import engine
from numerics.ensemble import block_size
from numerics.looks import planned_level
from numerics.plan import Plan, Unreachable, plan
from theory.architecture import DescriptionError

PILOT = 32
"""Networks at each width of a pilot, at least."""


def planned(
    question: Question, c: float, observables: Sequence[str], declared: Declared, rows: int
) -> Plan:
    """The networks of one of ``rows`` rows, for a fluctuation c, on which these are observed.

    Raises ``DescriptionError`` where no number of networks keeps what is declared.
    """
    design = question.approach.design(declared.precision).scaled(question.network.depth)
    try:
        return plan(
            c,
            delta=question.approach.attainable(declared.precision),
            alpha=planned_level(declared.alpha, rows),
            power=declared.power,
            corrections=question.corrections,
            design=design,
            pilot=PILOT,
            block=block_size,
            seconds=partial(_seconds, question, observables),
        )
    except Unreachable as problem:
        raise DescriptionError(f"{question.row.quantity}: {problem}") from None


def _seconds(question: Question, observables: Sequence[str], widths: ArrayLike) -> np.ndarray:
    """Times of one network at these widths, with the samples that it has there."""
    timed = engine(question.engine).seconds
    return np.array(
        [
            timed(question.network, samples_at(question.samples, width), observables)(width)
            for width in np.asarray(widths).tolist()
        ]
    )


def sooner(question: Question, declared: Declared, rows: int) -> Question:
    """The same question to the engine that answers it sooner, at the usual fluctuation."""

    def seconds(asked: Question) -> float:
        usual = asked.approach.usual
        return planned(asked, usual, [asked.observable], declared, rows).seconds

    explicit = replace(question, engine="explicit")
    return explicit if question == explicit else min(question, explicit, key=seconds)
