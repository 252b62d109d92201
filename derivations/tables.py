"""Tables for a paper: booktabs and siunitx."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

import sympy as sp

from derivations.catalogue import theorem
from derivations.evidence import ALPHA, Judged
from derivations.terminal import shorthand
from theory.architecture import Activation
from theory.evaluation import evaluate

Row = list[str]


def normalization(rows: Sequence[Judged]) -> str:
    """The LaTeX table of normalization schemes: prediction, measurement and verdict."""
    cells = [_cells(row) for row in rows]
    predicted, measured = ([row[column] for row in cells] for column in (7, 8))
    body = []
    for index, row in enumerate(cells):
        new_theorem = index == 0 or rows[index].id != rows[index - 1].id
        if new_theorem:
            body.append(r"\midrule")
        above = [""] * 6 if new_theorem else cells[index - 1][:6]
        body.append(" & ".join([*_without_repeats(row[:6], above), *row[6:]]) + r" \\")
    return "\n".join(
        [
            r"\begin{table}",
            r"\centering\footnotesize",
            r"\caption{Fisher statistics of random networks. Measured values are extrapolated to",
            r"infinite width, with their standard error. All but the variance of the outputs are",
            rf"in units of $\alpha M$. Error rate of the whole table: ${_power_of_ten(ALPHA)}$.}}",
            r"\label{tab:normalization}",
            r"\medskip\renewcommand{\arraystretch}{1.15}",
            rf"\begin{{tabular}}{{@{{}}llllcclS[table-format={_format(predicted)}]"
            rf"S[table-format={_format(measured)}]l@{{}}}}",
            r"\toprule",
            r"Last layer & $\varphi(x)$ & $\sigma_w^2, \sigma_b^2$ & $\alpha_l$ & $C$ & $N$",
            r"& Quantity & {Predicted} & {Measured} & Verdict \\",
            *body,
            r"\bottomrule",
            r"\end{tabular}",
            r"\end{table}",
        ]
    )


def _cells(row: Judged) -> Row:
    network = row.network
    ratios = ", ".join(f"{float(ratio):g}" for ratio in network.ratios or ())
    return [
        row.id.removesuffix("-last").replace("-", " "),
        f"${formula(network.activation)}$",
        f"${float(network.sigma_w2):g}, {float(network.sigma_b2):g}$",
        f"${ratios}$",
        str(network.outputs),
        str(row.samples),
        f"${theorem(row.id).row(row.quantity).latex}$",
        *_numbers(row),
        str(row.verdict).lower(),
    ]


def _without_repeats(cells: Row, above: Row) -> Row:
    """Leading cells equal to those above are left empty."""
    same = next((i for i, pair in enumerate(zip(cells, above, strict=True)) if len({*pair}) > 1), 6)
    return [""] * same + cells[same:]


def _numbers(row: Judged) -> tuple[str, str]:
    """The prediction, with one decimal more than the measurement, which has two digits of error."""
    if row.measured is None or row.standard_error is None or row.predicted is None:
        return "{--}", "{--}"
    unit = row.predicted if row.unit is None else row.unit
    measured = shorthand(row.predicted + (row.measured - 1) * unit, row.standard_error * abs(unit))
    decimals = len(measured.partition(".")[2].partition("(")[0])
    return f"{row.predicted:.{decimals + 1}f}", measured


def _format(numbers: Iterable[str]) -> str:
    """The siunitx format that holds all these numbers."""
    parts = [number.partition("(") for number in numbers if not number.startswith("{")]
    if not parts:
        return "1.0"
    whole = max(len(number.partition(".")[0].lstrip("-")) for number, _, _ in parts)
    decimals = max(len(number.partition(".")[2]) for number, _, _ in parts)
    error = max(len(digits.rstrip(")")) for _, _, digits in parts)
    sign = "-" if any(number.startswith("-") for number, _, _ in parts) else ""
    return f"{sign}{whole}.{decimals}" + (f"({error})" if error else "")


def formula(activation: Activation) -> str:
    r"""The activation in LaTeX, from its expression; decimals with four digits.

    >>> formula(Activation.named("erf", scale=0.7071067811865476))
    '\\operatorname{erf}{\\left(0.7071 x \\right)}'
    """
    expression = sp.sympify(evaluate(activation, sp.Symbol("x", real=True)))
    decimals = {
        number: sp.Float(number, 4) for number in expression.atoms(sp.Rational) if number.q > 100
    }
    return sp.latex(expression.xreplace(decimals))


def _power_of_ten(value: float) -> str:
    mantissa, exponent = f"{value:.0e}".split("e")
    factor = "" if mantissa == "1" else rf"{mantissa}\times"
    return rf"{factor}10^{{{int(exponent)}}}"


TABLES: dict[str, Callable[[Sequence[Judged]], str]] = {"normalization": normalization}
