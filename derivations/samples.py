"""How many samples a row is judged with: a number, or as many for each unit of width."""

from __future__ import annotations

from dataclasses import dataclass

from theory.errors import DescriptionError


@dataclass(frozen=True)
class Proportional:
    r"""Samples that grow with the width: :math:`N = M/\rho`, rounded, rho > 0.

    >>> str(Proportional(2.0)), Proportional(2.0).at(101)
    ('M/2', 50)
    """

    rho: float

    def __post_init__(self) -> None:
        if not 0 < self.rho < float("inf"):
            raise DescriptionError(f"samples in proportion need rho = M/N > 0, {self.rho:g} given")

    def at(self, width: int) -> int:
        return round(width / self.rho)

    def __str__(self) -> str:
        return "M" if self.rho == 1 else f"M/{self.rho:g}"


Samples = int | Proportional


def samples_at(samples: Samples, width: int) -> int:
    """The number of samples at this width.

    >>> samples_at(16, 100), samples_at(Proportional(0.5), 100)
    (16, 200)
    """
    return samples.at(width) if isinstance(samples, Proportional) else samples
