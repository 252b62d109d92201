"""Tables for a paper: booktabs and siunitx."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from derivations.catalogue import theorem
from derivations.evidence import ALPHA, Judged
from derivations.terminal import shorthand


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
        cells = [f"{row.predicted:.5g}", shorthand(value, row.standard_error * abs(unit))]
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
