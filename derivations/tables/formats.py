"""The formats of a table: how it is written, read back, and commented."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from derivations.tables import latex, plain
from derivations.tables.record import Table


@dataclass(frozen=True)
class Format:
    """``render(table, label)`` writes; ``cells`` and ``skeleton`` read; comments have two ends."""

    render: Callable[[Table, str | None], str]
    cells: Callable[[str], list[list[str]]]
    skeleton: Callable[[str], str]
    comment: tuple[str, str]


FORMATS = {
    "latex": Format(latex.render, latex.cells, latex.skeleton, ("% ", "")),
    "markdown": Format(
        lambda table, label: plain.markdown(table),
        plain.markdown_cells,
        plain.markdown_skeleton,
        ("<!-- ", " -->"),
    ),
    "csv": Format(
        lambda table, label: plain.csv_text(table), plain.csv_cells, plain.csv_skeleton, ("# ", "")
    ),
}
