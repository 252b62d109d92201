"""Tables: for the terminal, and for a paper."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from tabulate import tabulate
from uncertainties import ufloat

from derivations.catalogue import theorem
from derivations.evidence import ALPHA, Judged


def verdicts(rows: Sequence[Judged]) -> str:
    """The rows of a run, for the terminal: measured values in units of the prediction."""
    return tabulate(
        [
            (
                row.id,
                row.network,
                row.samples,
                row.quantity,
                row.predicted,
                _shorthand(row.measured, row.standard_error),
                row.z,
                row.detectable,
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
            "detectable",
            "verdict",
        ),
        floatfmt=("", "", "", "", ".5g", "", ".2f", ".4f", ""),
        disable_numparse=[5],
    )


def statistics(values: dict[str, Any]) -> str:
    """A prediction or a measurement for the terminal: one line a quantity."""
    lines = []
    for name, value in values.items():
        if isinstance(value, dict) and "mean" in value:
            error = value["standard_error"]
            value = f"{value['mean']:.6g}" if error is None else _shorthand(value["mean"], error)
            lines.append((name, value))
        elif isinstance(value, dict):
            lines += [(f"{name}.{key}", _text(inner)) for key, inner in value.items()]
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


def _shorthand(value: float | None, error: float | None) -> str:
    """The value with two digits of its error, 1.234(56)."""
    if value is None or error is None:
        return "-"
    return f"{ufloat(value, error):.2uS}"


def normalization(rows: Sequence[Judged]) -> str:
    """The LaTeX table of normalization schemes: prediction, measurement and verdict."""
    body, previous = [], ""
    for row in rows:
        if row.id != previous and previous:
            body.append(r"\midrule")
        body.append(_latex_row(row, first=row.id != previous))
        previous = row.id
    lines = [
        r"\begin{table}",
        r"\centering\small",
        r"\caption{Fisher statistics of random networks. Measured values are extrapolated to",
        r"infinite width, with their standard error. Kernels and eigenvalues are in units of",
        r"$\alpha M$, $m$ in units of $C\alpha M/P$.",
        rf"Error rate of the whole table: ${_power_of_ten(ALPHA)}$.}}",
        r"\label{tab:normalization}",
        r"\begin{tabular}{@{}lllcS[table-format=2.5]S[table-format=2.5(3)]l@{}}",
        r"\toprule",
        r"Last layer & Network & Quantity & $N$ & {Predicted} & {Measured} & Verdict \\",
        r"\midrule",
        *body,
        r"\bottomrule",
        r"\end{tabular}",
        r"\end{table}",
    ]
    return "\n".join(lines)


def _latex_row(row: Judged, first: bool) -> str:
    scheme = row.id.removesuffix("-last").replace("-", " ") if first else ""
    quantity = theorem(row.id).row(row.quantity).latex
    if row.measured is None or row.predicted is None or row.standard_error is None:
        cells = ["{--}", "{--}"]
    else:
        unit = row.unit or row.predicted
        value = row.predicted + (row.measured - 1) * unit
        cells = [f"{row.predicted:.5g}", _shorthand(value, row.standard_error * abs(unit))]
    network = _latex_network(row.network)
    verdict = str(row.verdict).lower()
    return (
        " & ".join([scheme, network, f"${quantity}$", str(row.samples), *cells, verdict]) + r" \\"
    )


def _latex_network(name: str) -> str:
    return name.replace("_", r"\_")


def _power_of_ten(value: float) -> str:
    mantissa, exponent = f"{value:.0e}".split("e")
    factor = "" if mantissa == "1" else rf"{mantissa}\times"
    return rf"{factor}10^{{{int(exponent)}}}"


TABLES: dict[str, Callable[[Sequence[Judged]], str]] = {"normalization": normalization}
