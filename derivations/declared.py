"""What a run declares before it starts: its error rates and its resolution."""

from __future__ import annotations

from dataclasses import dataclass

from theory.errors import DescriptionError

ALPHA = 1e-3
"""Probability that a run over true theorems refutes one of them."""

DELTA = 0.02
"""Relative error that a verdict excludes, unless its row approaches the limit too slowly for it."""

POWER = 0.9
"""Probability that a row whose theory is wrong by delta is refuted."""


@dataclass(frozen=True)
class Declared:
    """The error rates of a run. ``DescriptionError`` unless 0 < precision < 1 and
    0 < alpha < power < 1."""

    alpha: float = ALPHA
    precision: float = DELTA
    power: float = POWER

    def __post_init__(self) -> None:
        for name in ("precision", "alpha", "power"):
            value = getattr(self, name)
            if not 0 < value < 1:
                raise DescriptionError(f"{name} must lie between 0 and 1, {value} given")
        if self.power <= self.alpha:
            raise DescriptionError(
                f"power, the probability to find an error, must exceed alpha = {self.alpha}, that "
                f"to find one where there is none; {self.power} given"
            )
