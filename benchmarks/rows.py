"""What a script of this package measures: rows, each a claim with what it needs."""

from __future__ import annotations

import argparse
import json
import os
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, NamedTuple

from benchmarks.timing import Rounds, conditions, one_core, one_thread


class Need(NamedTuple):
    """The bound on a row's ratio, or on its own number where it has no ratio."""

    limit: float
    least: bool = False

    def met(self, value: float) -> bool:
        """Whether the value keeps the bound."""
        return value >= self.limit if self.least else value <= self.limit

    def __str__(self) -> str:
        return f"{'at least' if self.least else 'at most'} {self.limit:.3g}"


@dataclass(frozen=True)
class Row:
    """One claim: our number, the other's, and the ratio of ours to the other's.

    ``wall``: the seconds of the clock, ours and the other's, where the numbers are those of the
    processor. ``needed``: None for a number that is only told.
    """

    claim: str
    ours: float
    unit: str = "s"
    other: float | None = None
    against: str = ""
    ratio: float | None = None
    needed: Need | None = None
    precision: str = "float64"
    wall: tuple[float, float] | None = None
    note: str = ""

    @classmethod
    def of(cls, claim: str, found: Rounds, ours: str, other: str, **more: Any) -> Row:
        """The row of two tasks of interleaved rounds."""
        return cls(
            claim,
            found.cpu(ours),
            other=found.cpu(other),
            against=other,
            ratio=found.ratio(ours, other),
            wall=(found.wall(ours), found.wall(other)),
            **more,
        )

    @classmethod
    def read(cls, fields: dict[str, Any]) -> Row:
        """The row that was written as this JSON object."""
        needed, wall = fields["needed"], fields["wall"]
        return cls(
            **fields
            | {"needed": needed and Need(*needed), "wall": None if wall is None else tuple(wall)}
        )

    @property
    def judged(self) -> float:
        """The number that ``needed`` bounds."""
        return self.ours if self.ratio is None else self.ratio

    @property
    def reached(self) -> bool | None:
        """Whether the claim holds; None where nothing is claimed."""
        return None if self.needed is None else self.needed.met(self.judged)

    def __str__(self) -> str:
        parts = [f"{self.claim} ({self.precision}): {self.ours:.4g} {self.unit}"]
        if self.other is not None:
            parts.append(f"{self.against} {self.other:.4g} {self.unit}")
        if self.wall is not None:
            parts.append(f"by the clock {self.wall[0]:.4g} and {self.wall[1]:.4g} s")
        if self.ratio is not None:
            parts.append(f"ratio {self.ratio:.4g}")
        if self.needed is not None:
            parts.append(f"needed {self.needed}: {'reached' if self.reached else 'MISSED'}")
        return "; ".join([*parts, self.note] if self.note else parts)


class Result(NamedTuple):
    """What one script measured, and under which conditions."""

    conditions: dict[str, Any]
    rows: list[Row]

    @classmethod
    def read(cls, path: Path) -> Result:
        """The result that ``script`` wrote to this file, as far as it came."""
        first, *rest = path.read_text(encoding="utf-8").splitlines()
        return cls(json.loads(first), [Row.read(json.loads(line)) for line in rest])


def script(
    description: str | None,
    rows: Callable[[argparse.Namespace], Iterator[Row]],
    *,
    shim: str = "",
    pinned: bool = True,
    **defaults: int,
) -> None:
    """Run a script: print every row when it is measured, and with ``--rows FILE`` store it.

    ``defaults`` are its options. Not ``pinned``, its processes may use all cores. ``shim``: what
    was done to a peer to make it import, told with the versions.
    """
    parser = argparse.ArgumentParser(
        description=description, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    for name, default in defaults.items():
        parser.add_argument(f"--{name}", type=int, default=default)
    parser.add_argument("--rows", type=Path, help="a file for the rows, one JSON object a line")
    options = parser.parse_args()
    (one_core if pinned else one_thread)()
    told = conditions()
    if shim:
        told["shim"] = shim
    versions = ", ".join(f"{name} {found}" for name, found in told["versions"].items())
    print(
        f"{told['machine']}, {told['cores']} cores, load {told['load']:.1f}, "
        f"{told['threads']} thread; {versions}"
    )
    if shim:
        print(f"shim: {shim}")
    print(
        f"matrix products of order 1024: {told['dgemm']:.1f} Gflop/s in float64, "
        f"{told['sgemm']:.1f} in float32"
    )
    with open(options.rows or os.devnull, "w", encoding="utf-8") as file:
        print(json.dumps(told), file=file, flush=True)
        for row in rows(options):
            print(row, flush=True)
            print(json.dumps(asdict(row)), file=file, flush=True)
