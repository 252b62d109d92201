"""Numbers with a stated error."""

from __future__ import annotations

from typing import Any, NamedTuple

from theory.errors import NotConverged, OutOfRegime
from theory.mathematics import FLOATS, Number

TOLERANCE = 1e-12
SAFETY, ROUNDINGS = 4, 32


class Estimate(NamedTuple):
    """A number, and a bound of its error."""

    value: Number
    error: Number


Answer = Estimate | OutOfRegime | NotConverged


def tolerance(m: Any) -> float:
    """The relative gap at which a refinement stops."""
    return TOLERANCE if m is FLOATS else 10.0 ** -(m.digits - 15 + 2)


def estimated(m: Any, value: Number, gap: Number, size: Number) -> Estimate:
    """With an error from the gap between two refinements and from the rounding of the terms."""
    if m is FLOATS:
        return Estimate(float(value), float(SAFETY * gap + ROUNDINGS * 2.0**-52 * size))
    return Estimate(value, SAFETY * gap + ROUNDINGS * m.context.eps * size)


def compare(answers: dict[str, Answer], plan: dict[str, Answer]) -> None:
    """Whether mpmath found what float64 did, to the accuracy of the latter."""
    for name, answer in answers.items():
        seen = plan.get(name)
        if isinstance(answer, Estimate) and isinstance(seen, Estimate):
            gap = abs(float(answer.value - seen.value))
            if gap > SAFETY * (seen.error + float(answer.error)):
                raise NotConverged(
                    f"the quadrature of {name} has not converged: in float64 and in mpmath the "
                    f"results differ by {gap:.1e}"
                )


def in_float(integral: str, answer: Answer) -> Answer:
    """The same in float64."""
    if not isinstance(answer, Estimate):
        return answer
    value, error = float(answer.value), float(answer.error)
    if abs(value) == float("inf"):
        return OutOfRegime(f"{integral} exceeds the largest float64: ask for digits")
    return Estimate(value, error + 2.0**-52 * abs(value))


def given(answer: Answer) -> Estimate:
    """The number, or the exception that stands in its place."""
    if not isinstance(answer, Estimate):
        raise answer
    return answer
