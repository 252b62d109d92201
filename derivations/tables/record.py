"""What a table is: columns, rows of cells, and where its measurements come from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from math import isfinite

from derivations.terminal import shorthand
from numerics.verdict import Verdict

MISSING = "--"
CANCELLED = 1e-13
STALE = "*"
"""Marks the verdict on measurements of another version."""


class Kind(StrEnum):
    """What stands in a column."""

    TEXT = "text"
    PREDICTED = "predicted"
    MEASURED = "measured"
    VERDICT = "verdict"


@dataclass(frozen=True)
class Cell:
    """One entry: its text in every format, and in LaTeX where that differs."""

    plain: str
    latex: str | None = None


@dataclass(frozen=True)
class Column:
    """A column: its name, unique in the table, its heading in LaTeX, and its kind."""

    name: str
    latex: str
    kind: Kind = Kind.TEXT


@dataclass(frozen=True)
class Table:
    """A table; ``starts`` are the rows that begin a new group, ``key`` that of its measurements.

    ``note`` says the regime, in LaTeX and in plain words. ``status`` is the exit status of its
    verdicts. The first ``repeated`` columns are left empty in LaTeX where they say what stands
    above.
    """

    name: str
    caption: str
    columns: tuple[Column, ...]
    rows: tuple[tuple[Cell, ...], ...]
    note: Cell
    starts: frozenset[int] = frozenset()
    repeated: int = 0
    size: str = "footnotesize"
    key: str = "none"
    status: int = 0

    def __post_init__(self) -> None:
        for row in self.rows:
            assert len(row) == len(self.columns), (self.name, row)


def predicted(value: float | None) -> Cell:
    """A prediction, with six digits; what is left of terms that cancel, below 1e-13, is 0.

    >>> [predicted(x).plain for x in (1.575, 140.5, 2e-7, None)]
    ['1.57500', '140.500', '2.00000e-07', '--']
    """
    return _number(0.0 if value is not None and abs(value) < CANCELLED else value, 6)


def measured(value: float | None, error: float | None = None, digits: int = 5) -> Cell:
    """A measurement with two digits of its error, or with some digits where it has none.

    >>> measured(1.5712, 0.0123).plain, measured(23.41, 4.2).plain, measured(0.5).plain
    ('1.571(12)', '23.4(4.2)', '0.50000')
    """
    if error is None:
        return _number(value, digits)
    return Cell(shorthand(value, error))


def verdict(value: Verdict, stale: bool = False) -> Cell:
    """A verdict in small letters.

    >>> verdict(Verdict.OUT_OF_REGIME, stale=True).plain
    'out of regime*'
    """
    return Cell(str(value).lower() + (STALE if stale else ""))


def _number(value: float | None, digits: int) -> Cell:
    if value is None or not isfinite(value):
        return Cell(MISSING)
    return Cell(f"{value:#.{digits}g}")


def titled(table: Table, caption: str | None) -> Table:
    """The table with another caption, if there is one."""
    return table if caption is None else replace(table, caption=caption)


def groups(keys: Sequence[object]) -> frozenset[int]:
    """The rows at which a key differs from the one above; not the first.

    >>> sorted(groups(["a", "a", "b", "b", "c"]))
    [2, 4]
    """
    return frozenset(i for i in range(1, len(keys)) if keys[i] != keys[i - 1])
