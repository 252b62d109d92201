"""What a sweep measures: networks, numbers of samples, widths, and how."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product

from numerics.ensemble import block_size
from numerics.store import Cell
from theory.architecture import Network


@dataclass(frozen=True)
class SweepPlan:
    """Every network of a grid, at every width and number of samples, ``seeds`` of each.

    ``quantities`` are names of ``numerics.observables.OBSERVABLES``, each of one number a network,
    also of a parameter group alone: "biases.diagonal".
    """

    networks: tuple[Network, ...]
    samples: tuple[int, ...]
    widths: tuple[int, ...]
    seeds: int
    engine: str
    quantities: tuple[str, ...]

    def cells(self) -> Iterator[Cell]:
        """What is measured, in the order of the keys."""
        for network, samples, width in product(self.networks, self.samples, self.widths):
            yield Cell(network, samples, width, self.engine)

    def blocks(self, width: int) -> int:
        """How many blocks have networks of the plan."""
        return -(-self.seeds // block_size(width))

    def in_block(self, width: int, block: int) -> range:
        """The indices of the plan's networks in a block."""
        size = block_size(width)
        return range(block * size, min((block + 1) * size, self.seeds))
