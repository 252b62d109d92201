"""Measurements from a store in place of fresh ones: networks that ``fisherfield sweep`` kept."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Iterable, Sequence
from functools import cached_property
from itertools import groupby
from pathlib import Path

import numpy as np

from derivations.groups import Group
from derivations.planning import PILOT
from derivations.questions import Judged, Question
from derivations.samples import samples_at
from numerics.ensemble import block_size
from numerics.environment import Origin, origin
from numerics.store import describe, read
from theory.errors import DescriptionError
from theory.prediction import unmapped

Place = tuple[str, int, int, str, str]
"""Network, samples, width, engine and quantity of stored numbers."""


class Stored:
    """The measurements of one store, for the groups of a table.

    A group takes all its networks from one origin: the present one if it has them, else that of
    the same version elsewhere, else another; then it is stale. ``plan`` is what fills the store.
    """

    def __init__(self, path: str | Path, plan: str) -> None:
        self.path, self.plan = path, plan
        self._places: dict[Place, dict[Origin, dict[int, float]]] = defaultdict(
            lambda: defaultdict(dict)
        )
        for row in read(path):
            place = row.network, row.samples, row.width, row.engine, row.quantity
            self._places[place][row.origin][row.seed] = row.value
        self._hash = hashlib.sha256()
        self._origins: dict[tuple[object, ...], Origin] = {}

    @property
    def key(self) -> str:
        """128 bits of the SHA-256 of the measurements used so far."""
        return self._hash.hexdigest()[:32]

    @cached_property
    def sweep(self) -> str:
        """The command that measures what a table needs."""
        return f"fisherfield sweep {self.plan} --store {self.path}"

    def __call__(self, groups: Sequence[Group]) -> dict[Question, str]:
        """Fill the groups: the fluctuations are fixed by the first networks, as by a pilot.

        Raises ``DescriptionError`` where measurements are missing, and says which sweep makes
        them.
        """
        self._require(groups)
        outside: dict[Question, str] = {}
        for group in groups:
            source = self._source(group)
            assert source is not None
            blocks = self._blocks(group, source)
            for (width, block), values in blocks.items():
                if block * block_size(width) < PILOT:
                    group.values[width, block] = values
            outside |= group.settle()
            group.values.update(blocks)
            self._origins[_identity(group)] = source
            self._hash.update(repr((_identity(group), source)).encode())
            for at in sorted(blocks):
                for name in group.observables:
                    self._hash.update(blocks[at][name].tobytes())
        return outside

    def stale(self, row: Judged) -> Origin | None:
        """The origin of a row's measurements where version or seed are not the present ones."""
        found = self._origins.get(
            (describe(unmapped(row.network)), row.samples, row.widths, row.engine)
        )
        return None if found is None or _rank(found) < 2 else found

    def _require(self, groups: Iterable[Group]) -> None:
        missing = [group for group in groups if self._source(group) is None]
        if not missing:
            return
        first = missing[0]
        raise DescriptionError(
            f"{self.path} lacks measurements of {len(missing)} networks of this table, for example "
            f"{', '.join(first.observables)} of {first.network}, N = {first.samples}, by the "
            f"{first.engine} engine at widths {', '.join(map(str, first.design.widths))}, "
            f"{PILOT} at each or more; measure them by: {self.sweep}"
        )

    def _source(self, group: Group) -> Origin | None:
        """The origin that a group takes its networks from, None where none has all of them."""
        wanted = [self._places.get(place, {}) for place in _places(group)]
        common = set.intersection(*(set(origins) for origins in wanted))
        enough = [
            one
            for one in common
            if all(len(self._seeds(group, one, width)) >= PILOT for width in group.design.widths)
        ]
        return min(enough, key=lambda one: (_rank(one), one), default=None)

    def _seeds(self, group: Group, source: Origin, width: int) -> list[int]:
        """The networks of this width of which everything is stored."""
        found = [
            set(self._places[_place(group, width, name)][source]) for name in group.observables
        ]
        return sorted(set.intersection(*found))

    def _blocks(self, group: Group, source: Origin) -> dict[tuple[int, int], dict[str, np.ndarray]]:
        blocks = {}
        for width in group.design.widths:
            size, seeds = block_size(width), self._seeds(group, source, width)
            stored = {
                name: self._places[_place(group, width, name)][source] for name in group.observables
            }
            for block, inside in groupby(seeds, key=lambda seed: seed // size):
                some = list(inside)
                blocks[width, block] = {
                    name: np.array([values[seed] for seed in some])
                    for name, values in stored.items()
                }
        return blocks


def _place(group: Group, width: int, name: str) -> Place:
    samples = samples_at(group.samples, width)
    return describe(group.network), samples, width, group.engine, name


def _places(group: Group) -> list[Place]:
    return [
        _place(group, width, name) for width in group.design.widths for name in group.observables
    ]


def _identity(group: Group) -> tuple[object, ...]:
    return describe(group.network), group.samples, group.design.widths, group.engine


def _rank(one: Origin) -> int:
    """0: measured just as here; 1: in another environment; 2: by another version or seed."""
    here = origin()
    if one == here:
        return 0
    return 1 if one[:2] == here[:2] else 2
