"""Rows of a run as cells of a table."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from derivations.evidence import exit_status
from derivations.questions import Judged
from derivations.tables.record import STALE, Cell, Table, measured, predicted, verdict
from derivations.tables.request import Request
from numerics.environment import Origin

AFRESH = "afresh"
"""The key of measurements that no store holds."""


def limit(row: Judged) -> tuple[Cell, Cell]:
    """The predicted limit of a row, and the measured one with its error, in the same unit."""
    if row.measured is None or row.standard_error is None or row.predicted is None:
        return predicted(row.predicted), measured(None)
    unit = row.predicted if row.unit is None else row.unit
    value = row.predicted + (row.measured - 1) * unit
    return predicted(row.predicted), measured(value, row.standard_error * abs(unit))


def decided(row: Judged, request: Request) -> Cell:
    """The verdict on a row, marked where its measurements are stale."""
    return verdict(
        row.verdict, request.stored is not None and request.stored.stale(row) is not None
    )


def traced(table: Table, rows: Iterable[Judged], request: Request) -> Table:
    """The table with the key of its measurements, its status, and what is stale in its note."""
    rows = tuple(rows)
    status = exit_status(rows)
    if request.stored is None:
        return replace(table, key=AFRESH, status=status)
    found = {request.stored.stale(row) for row in rows}
    old = sorted(one for one in found if one is not None)
    note = table.note
    for one in old:
        text = f" {STALE} {_words(one)}; measure again by: {request.stored.sweep}."
        note = Cell(note.plain + text, None if note.latex is None else note.latex + _latex(text))
    return replace(table, key=request.stored.key, status=status, note=note)


def _words(one: Origin) -> str:
    return f"measured by fisherfield {one.version} with seed base {one.seed_base}"


def _latex(text: str) -> str:
    from derivations.tables.latex import escaped

    return escaped(text)
