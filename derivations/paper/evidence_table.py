"""The verdicts of a run of ``check`` on a page: what was measured beside each theorem."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, TypeAlias

from derivations.paper.plain import escaped
from derivations.terminal import shorthand
from derivations.theorem import Theorem
from theory.errors import DescriptionError

Row: TypeAlias = Mapping[str, Any]
"""A row of ``check --json``."""

TEXTS = ("id", "network", "quantity", "verdict")
NUMBERS = ("samples", "alpha", "predicted", "measured", "standard_error")


def read_rows(path: str) -> list[Row]:
    """The rows that ``check --json`` wrote.

    Raises ``DescriptionError`` for a file that holds anything else.
    """
    needed = "it needs the output of fisherfield check --json"
    try:
        rows = json.loads(Path(path).read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, json.JSONDecodeError, RecursionError) as problem:
        reason = str(problem).partition("\n")[0]
        raise DescriptionError(f"cannot read verdicts from {path}: {reason}; {needed}") from None
    if not isinstance(rows, list):
        raise DescriptionError(f"{path} holds no list of verdicts; {needed}")
    for number, row in enumerate(rows, start=1):
        wrong = _wrong(row)
        if wrong is not None:
            raise DescriptionError(f"row {number} of {path} has no {wrong}; {needed}")
    return rows


def _wrong(row: Any) -> str | None:
    """The field that a row lacks, or has as something else."""
    if not isinstance(row, dict):
        return TEXTS[0]
    for name in TEXTS:
        if not isinstance(row.get(name), str):
            return name
    for name in NUMBERS:
        value = row.get(name, math.nan)
        if isinstance(value, bool) or not (value is None or isinstance(value, int | float)):
            return name
        if value is not None and not math.isfinite(value):
            return name
    return None


def unknown(rows: Sequence[Row], theorems: Sequence[Theorem]) -> str | None:
    """What in these rows belongs to none of the theorems, or None."""
    known = {(one.id, row.quantity) for one in theorems for row in one.rows}
    for row in rows:
        if (row["id"], row["quantity"]) not in known:
            return f"{row['id']}, {row['quantity']}"
    return None


def table(one: Theorem, rows: Sequence[Row] | None) -> str:
    """The verdicts on a theorem, or why there are none."""
    if not one.rows:
        return "No network can refute this theorem: it is proved and not measured.\n"
    own = [row for row in rows or () if row["id"] == one.id]
    if not own:
        return "Not judged in this run.\n"
    level = own[0]["alpha"]
    lines = [
        " & ".join(
            (
                f"${one.row(row['quantity']).latex}$",
                escaped(row["network"]),
                str(row["samples"]),
                "--" if row["predicted"] is None else f"{row['predicted']:.5g}",
                shorthand(row["measured"], row["standard_error"]).replace("-", "--"),
                escaped(row["verdict"].lower()),
            )
        )
        + r" \\"
        for row in own
    ]
    declared = "" if level is None else f" Error rate of the whole run: {level:g}."
    return "\n".join(
        (
            "Measured values are extrapolated to infinite width, with their standard error, in "
            f"units of the prediction.{declared}",
            r"\begin{longtable}{@{}lp{0.34\textwidth}rrrl@{}}",
            r"\toprule",
            r"quantity & network & $N$ & predicted & measured & verdict \\",
            r"\midrule",
            r"\endhead",
            *lines,
            r"\bottomrule",
            r"\end{longtable}",
            "",
        )
    )
