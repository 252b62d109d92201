"""All verdicts of a run at one glance."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np

from derivations.figures.page import PAGE, STYLES, blank
from derivations.figures.record import Picture, Request
from derivations.figures.series import MEASURED, THEORY, Series, series
from theory.errors import DescriptionError

VERDICTS = ("AGREES", "REFUTED", "UNDECIDED")
MEASURE_NOW = "now"
BAND = "delta"
INCHES_OF_ROW = 0.14


def data(asked: Request) -> list[Series]:
    """Deviation from the prediction in units of delta, one row below the other.

    ``panel`` of a point is its row's label. Rows out of regime have no number and no point.
    """
    shown: list[Series] = []
    for row in _rows(str(asked.verdicts)):
        if row["measured"] is None or row["delta"] is None:
            continue
        expected = 0 if row["predicted"] == 0 else 1  # of a residual, or a ratio
        deviation = (row["measured"] - expected) / row["delta"]
        error = (row["standard_error"] or 0.0) / row["delta"]
        label = f"{row['id']}: {row['quantity']}, {row['network']}"
        shown.append(series(label, row["verdict"], MEASURED, [len(shown)], [deviation], [error]))
    if not shown:
        raise DescriptionError(f"no row of {asked.verdicts} has a number to draw")
    return [*shown, series("", BAND, THEORY, [0, len(shown) - 1], [-1, 1])]


def _rows(source: str) -> list[dict[str, Any]]:
    if source == MEASURE_NOW:
        from derivations.evidence import check

        return [row.to_json() for row in check()]
    try:
        rows = json.loads(Path(source).read_text(encoding="utf-8"))
        return [dict(row) | {"id": row["id"], "verdict": row["verdict"]} for row in rows]
    except (OSError, ValueError, TypeError, KeyError) as problem:
        raise DescriptionError(
            f"cannot read verdicts from {source} ({problem}); it needs a file that "
            "'fisherfield check --json' wrote"
        ) from None


def draw(shown: list[Series]) -> Any:
    """A line for each row, the band of the resolution behind them."""
    rows = [one for one in shown if one.name != BAND]
    figure = blank(PAGE, 0.8 + INCHES_OF_ROW * len(rows))
    axes = figure.add_subplot()
    axes.axvspan(-1, 1, color="#e8e8e8", label=r"$\pm\delta$")
    axes.axvline(0, color="black", linewidth=0.6)
    for verdict, style in zip(VERDICTS, STYLES, strict=False):
        found = [one for one in rows if one.name == verdict]
        if found:
            x, y, error = (np.concatenate([one[k] for one in found]) for k in (3, 4, 5))
            axes.errorbar(y, x, xerr=error, **style | {"linestyle": "none"}, label=verdict.lower())
    axes.set_yticks([float(one.x[0]) for one in rows], [_plain(one.panel) for one in rows])
    axes.tick_params(axis="y", labelsize=5)
    axes.set(
        xlabel=r"(measured/predicted $- 1$) in units of the resolution $\delta$",
        ylim=(len(rows) - 0.4, -0.6),
    )
    axes.legend(loc="lower right")
    return figure


def _plain(label: str) -> str:
    return label.replace("_", " ").replace("$", "")


OVERVIEW = Picture(
    "verdicts",
    "Every row of a run of the checker: deviation of the measured limit from theory, with its "
    r"standard error, in units of the resolution $\delta$ that the verdict excludes.",
    Request(verdicts=MEASURE_NOW),
    data,
    draw,
)
