"""What the terminal shows: verdicts, and one line for each quantity."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from tabulate import tabulate
from uncertainties import ufloat

if TYPE_CHECKING:
    from derivations.evidence import Judged


def verdicts(rows: Sequence[Judged]) -> str:
    """The rows of a run, for the terminal: measured values in units of the prediction."""
    table = tabulate(
        [
            (
                row.id,
                str(row.network),
                row.samples,
                row.quantity,
                row.predicted,
                shorthand(row.measured, row.standard_error),
                row.z,
                row.alpha_row,
                row.detectable,
                row.delta,
                row.look,
                str(row.verdict),
            )
            for row in rows
        ],
        headers=(
            "theorem",
            "network",
            "N",
            "quantity",
            "predicted",
            "measured/predicted",
            "z",
            "level",
            "detectable",
            "delta",
            "look",
            "verdict",
        ),
        floatfmt=("", "", "", "", ".5g", "", ".2f", ".1e", ".4f", "g", "", ""),
        disable_numparse=[5],
    )
    if not rows:
        return table
    declared = (
        f"alpha = {rows[0].alpha:g} for the whole run, power = {rows[0].power:g} at delta; "
        "each row is tested at its level"
    )
    return f"{table}\n\n{declared}"


def statistics(values: dict[str, Any]) -> str:
    """A prediction or a measurement for the terminal: one line a quantity."""
    lines = []
    for name, value in values.items():
        if isinstance(value, dict) and "standard_error" in value:
            error = value["standard_error"]
            value = f"{value['mean']:.6g}" if error is None else shorthand(value["mean"], error)
            lines.append((name, value))
        elif isinstance(value, dict):
            lines += [(f"{name}.{key}", _text(inner)) for key, inner in value.items()]
        elif name == "outliers" and value:
            lines += [
                (f"outliers.{number}", _text(outlier)) for number, outlier in enumerate(value, 1)
            ]
        elif name == "spectrum":
            lines += [
                (
                    f"spectrum.{mode['direction']}",
                    f"{_text(mode['eigenvalue'])} x {mode['multiplicity']}",
                )
                for mode in value
            ]
        else:
            lines.append((name, _text(value)))
    return tabulate(lines, tablefmt="plain", disable_numparse=True)


def _text(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:.8g}"
    if isinstance(value, list):
        return ", ".join(map(_text, value))
    if isinstance(value, dict):
        return ", ".join(f"{key} {_text(inner)}" for key, inner in value.items())
    return "-" if value is None else str(value)


def shorthand(value: float | None, error: float | None) -> str:
    """The value with two digits of its error, 1.234(56)."""
    if value is None or error is None:
        return "-"
    return f"{ufloat(value, error):.2uS}"
