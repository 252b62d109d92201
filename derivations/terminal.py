"""What the terminal shows: verdicts, and one line for each quantity."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from derivations.dynamic_evidence import JudgedRun
    from derivations.questions import Judged


def verdicts(rows: Sequence[Judged | JudgedRun]) -> str:
    """The rows of a run, for the terminal: those on networks, then those on gradient descent."""
    from derivations.dynamic_evidence import JudgedRun
    from derivations.questions import Judged

    networks = [row for row in rows if isinstance(row, Judged)]
    runs = [row for row in rows if isinstance(row, JudgedRun)]
    tables = [_on_networks(networks)] if networks or not runs else []
    return "\n\n".join([*tables, *([_on_runs(runs)] if runs else [])])


def _on_networks(rows: Sequence[Judged]) -> str:
    """Measured values in units of the prediction, and what was declared."""
    from tabulate import tabulate

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


def _on_runs(rows: Sequence[JudgedRun]) -> str:
    """Orders beside those predicted, ratios to the prediction, and residuals beside 0."""
    from tabulate import tabulate

    return tabulate(
        [
            (
                row.id,
                row.network,
                row.quantity,
                row.predicted,
                _text(row.measured)
                if row.standard_error is None
                else shorthand(row.measured, row.standard_error),
                row.delta,
                " to ".join(f"{one:.2g}" for one in row.decays[:: max(1, len(row.decays) - 1)]),
                str(row.verdict),
            )
            for row in rows
        ],
        headers=(
            "theorem",
            "problem",
            "quantity",
            "predicted",
            "order, ratio or residual",
            "delta",
            "eps",
            "verdict",
        ),
        floatfmt=("", "", "", ".5g", "", "g", "", ""),
        disable_numparse=[4, 6],
    )


def statistics(values: dict[str, Any]) -> str:
    """A prediction or a measurement for the terminal: one line a quantity."""
    lines = []
    for name, value in values.items():
        if isinstance(value, dict) and "standard_error" not in value:
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
    widest = max(len(name) for name, _ in lines)
    return "\n".join(f"{name:{widest}}  {value}" for name, value in lines)


def _text(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:.8g}"
    if isinstance(value, list):
        return ", ".join(map(_text, value))
    if isinstance(value, dict) and "standard_error" in value:
        error = value["standard_error"]
        return f"{value['mean']:.6g}" if error is None else shorthand(value["mean"], error)
    if isinstance(value, dict):
        return ", ".join(f"{key} {_text(inner)}" for key, inner in value.items())
    return "-" if value is None else str(value)


def shorthand(value: float | None, error: float | None) -> str:
    """The value with two digits of its error, 1.234(56)."""
    if value is None or error is None:
        return "-"
    from uncertainties import ufloat

    return f"{ufloat(value, error):.2uS}"
