"""The page that all measurements make: first what is claimed, then all rows, script by script."""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

from benchmarks.catalogue import Script
from benchmarks.rows import Result, Row

HEAD = """# Benchmarks

This page is generated: `make bench` measures everything and writes it, `python -m benchmarks NAME`
measures one script of `benchmarks/` again. It is not edited by hand.

Seconds are those of the processor, all threads of the process together, and in brackets those of
the clock. Ours and the other's are called in turn, in one process on one core with one thread.
Numbers are medians; a ratio is the median over the rounds of ours over the other's in one round.
What the threads of a call still do after it has returned is charged to it, not to the next call.
Peers run in environments of their own (`benchmarks/peers-a.txt`, `benchmarks/peers-b.txt`),
compiled before the clock starts, with weights stored (in, out). Gflop/s are by one count of
operations for all. A missed need fails nothing. OpenBLAS takes the kernels that it chooses for the
processor: `OPENBLAS_CORETYPE` is unset here, and one set to an older processor can halve its speed.
"""
COLUMNS = "| claim | ours | other | ratio | needed | reached | precision | threads |"
RULE = "|---|---|---|---|---|---|---|---|"


class Outcome(NamedTuple):
    """What came of a script: its rows, and a text on why there are no more, if it broke off."""

    script: Script
    result: Result | None
    text: str = ""


def page(outcomes: Iterable[Outcome]) -> str:
    """The page, in Markdown."""
    outcomes = list(outcomes)
    claimed = [
        (row, one.result)
        for one in outcomes
        if one.result is not None
        for row in one.result.rows
        if row.needed is not None
    ]
    kept = sum(bool(row.reached) for row, _ in claimed)
    lines = [
        HEAD,
        f"## What is claimed: {kept} of {len(claimed)} reached\n",
        *table((row, result.conditions) for row, result in claimed),
    ]
    for one in outcomes:
        lines += ["", f"## {one.script.name}\n", description(one.script.name), ""]
        lines += [*(f"    {line}" for line in one.text.splitlines()), ""]
        if one.result is not None:
            told = one.result.conditions
            lines += [*table((row, told) for row in one.result.rows), "", *noted(one.result.rows)]
            lines.append(conditions(told))
    return "\n".join(lines) + "\n"


def description(name: str) -> str:
    """The first words of the script about itself."""
    source = (Path(__file__).parent / f"{name}.py").read_text(encoding="utf-8")
    return ast.get_docstring(ast.parse(source)) or ""


def table(rows: Iterable[tuple[Row, dict[str, Any]]]) -> Iterator[str]:
    """The lines of the rows, each with the conditions under which it was measured."""
    yield COLUMNS
    yield RULE
    for row, told in rows:
        ours, other = row.wall if row.wall is not None else (None, None)
        cells = [
            row.claim,
            number(row.ours, row.unit, ours),
            "" if row.other is None else f"{row.against} {number(row.other, row.unit, other)}",
            "" if row.ratio is None else f"{row.ratio:.3g}",
            "" if row.needed is None else str(row.needed),
            {None: "", True: "yes", False: "**no**"}[row.reached],
            row.precision,
            str(told["threads"]),
        ]
        yield f"| {' | '.join(cells)} |"


def number(value: float, unit: str, wall: float | None) -> str:
    """A number with its unit, and the seconds of the clock beside those of the processor."""
    shown = f"{value:.3g} {unit}".strip()
    return shown if wall is None else f"{shown} ({wall:.3g})"


def noted(rows: Iterable[Row]) -> Iterator[str]:
    """What the rows have to say further, as a list."""
    notes = [f"- {row.claim}, {row.precision}: {row.note}" for row in rows if row.note]
    if notes:
        yield from [*notes, ""]


def conditions(told: dict[str, Any]) -> str:
    """The sentence on machine and versions."""
    versions = ", ".join(
        f"{name} {' and '.join(found) if isinstance(found, list) else found}"
        for name, found in told["versions"].items()
    )
    sentence = (
        f"Measured {told['date']} on {told['machine']} ({told['cores']} cores, load "
        f"{told['load']:.1f} at the start); matrix products of order 1024 on one thread: "
        f"{told['dgemm']:.1f} Gflop/s in float64, {told['sgemm']:.1f} in float32. {versions}."
    )
    return sentence + (f" Shim: {told['shim']}." if "shim" in told else "")
