"""What a report keeps beside its page, so that the next one need not measure it again."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from derivations.figures.series import Series, origin_of, read_csv
from derivations.tables.record import Cell, Column, Kind, Table
from theory.errors import DescriptionError

VERDICTS = "data/verdicts.json"


class Kept:
    """The folder of an earlier report; ``None`` keeps nothing.

    Each method gives what is stored under a name, or None. ``DescriptionError`` for a folder that
    is none, and for files that cannot be read.
    """

    def __init__(self, folder: str | Path | None) -> None:
        self.folder = None if folder is None else Path(folder)
        if self.folder is not None and not self.folder.is_dir():
            raise DescriptionError(f"{folder} is not a folder with an earlier report")

    def verdicts(self) -> list[dict[str, Any]] | None:
        """The rows of ``check``."""
        found = self._json(VERDICTS)
        return None if found is None else list(found)

    def figure(self, name: str) -> tuple[list[Series], list[str]] | None:
        """The series of a figure, and their origin."""
        path = self._path(f"figures/{name}.csv")
        return None if path is None else (read_csv(path), origin_of(path))

    def table(self, name: str) -> Table | None:
        """A table."""
        found = self._json(f"data/{name}.json")
        if found is None:
            return None
        try:
            return _table(found)
        except (KeyError, TypeError, ValueError) as problem:
            raise DescriptionError(f"data/{name}.json holds no table: {problem!r}") from None

    def first_line(self, name: str) -> str | None:
        """The first line of a table's LaTeX, which says how its numbers were made."""
        path = self._path(f"tables/{name}.tex")
        first = "" if path is None else path.read_text(encoding="utf-8").partition("\n")[0]
        return first if first.startswith("% ") else None

    def _path(self, name: str) -> Path | None:
        if self.folder is None:
            return None
        path = self.folder / name
        return path if path.exists() else None

    def _json(self, name: str) -> Any:
        path = self._path(name)
        if path is None:
            return None
        try:
            return json.loads(path.read_text(encoding="utf-8"))
        except (OSError, ValueError) as problem:
            raise DescriptionError(f"cannot read {path}: {problem}") from None


def table_json(table: Table) -> str:
    """The text that ``Kept.table`` reads."""
    return json.dumps(asdict(table) | {"starts": sorted(table.starts)}, indent=1)


def verdicts_json(rows: Sequence[dict[str, Any]]) -> str:
    """The text that ``Kept.verdicts`` reads: that of ``fisherfield check --json``."""
    return json.dumps(rows, indent=1, allow_nan=False)


def _table(found: dict[str, Any]) -> Table:
    columns = tuple(Column(**{**one, "kind": Kind(one["kind"])}) for one in found.pop("columns"))
    rows = tuple(tuple(Cell(**cell) for cell in row) for row in found.pop("rows"))
    starts = frozenset(found.pop("starts"))
    return Table(
        **{**found, "note": Cell(**found["note"])}, columns=columns, rows=rows, starts=starts
    )
