"""A table in LaTeX: booktabs, and numbers aligned by siunitx."""

from __future__ import annotations

import re
from collections.abc import Sequence

from derivations.tables.record import MISSING, Cell, Kind, Table

NUMBER = re.compile(r"(-?)(\d+)(?:\.(\d+))?(?:\(([\d.]+)\))?(?:e([+-]\d+))?$")
SPECIAL = {
    "&": r"\&",
    "%": r"\%",
    "_": r"\_",
    "#": r"\#",
    "$": r"\$",
    "<": "$<$",
    ">": "$>$",
    "*": r"\textsuperscript{*}",
}
LABEL = "tab:"


def render(table: Table, label: str | None = None) -> str:
    """The table environment: one line for each row, cells apart by ``&``."""
    aligned = "".join(_alignment(table, index) for index in range(len(table.columns)))
    lines = []
    for index, row in enumerate(table.rows):
        if index in table.starts:
            lines.append(r"\midrule")
        cells = [_cell(one, column.kind) for one, column in zip(row, table.columns, strict=True)]
        if index and index not in table.starts:
            cells = _without_repeats(cells, row, table.rows[index - 1], table.repeated)
        lines.append(" & ".join(cells) + r" \\")
    headings = [
        column.latex if column.kind in (Kind.TEXT, Kind.VERDICT) else f"{{{column.latex}}}"
        for column in table.columns
    ]
    note = escaped(table.note.plain) if table.note.latex is None else table.note.latex
    return "\n".join(
        [
            r"\begin{table}",
            rf"\centering\{table.size}",
            rf"\caption{{{table.caption}}}",
            rf"\label{{{LABEL + table.name if label is None else label}}}",
            r"\medskip\renewcommand{\arraystretch}{1.12}",
            rf"\setlength{{\tabcolsep}}{{{3 if table.size == 'tiny' else 4}pt}}",
            r"\sisetup{group-digits=none}",
            rf"\begin{{tabular}}{{@{{}}{aligned}@{{}}}}",
            r"\toprule",
            " & ".join(headings) + r" \\",
            r"\midrule",
            *lines,
            r"\bottomrule",
            r"\end{tabular}",
            r"\par\smallskip",
            rf"\parbox{{0.96\linewidth}}{{\footnotesize {note}}}",
            r"\end{table}",
            "",
        ]
    )


def cells(body: str) -> list[list[str]]:
    """The printed cells of the rows between the heading and the last rule."""
    start = body.find(r"\midrule")
    inside = body[start : body.find(r"\bottomrule", start)].splitlines()
    rows = [line.removesuffix(r" \\") for line in inside if line.endswith(r"\\")]
    return [[cell.strip() for cell in re.split(r"(?<!\\)&", row)] for row in rows]


def skeleton(body: str) -> str:
    """The text without the rows, and without the widths of their numbers."""
    start = body.find(r"\midrule")
    end = body.find(r"\bottomrule", start)
    return re.sub(r"table-format=[^]]*", "", body[:start] + body[end:])


def escaped(text: str) -> str:
    r"""Plain text for LaTeX.

    >>> escaped("100 % of a_b")
    '100 \\% of a\\_b'
    """
    return "".join(SPECIAL.get(letter, letter) for letter in text)


def _cell(cell: Cell, kind: Kind) -> str:
    if kind in (Kind.TEXT, Kind.VERDICT):
        return escaped(cell.plain) if cell.latex is None else cell.latex
    return f"{{{MISSING}}}" if cell.plain == MISSING else cell.plain


def _without_repeats(
    printed: list[str], row: Sequence[Cell], above: Sequence[Cell], most: int
) -> list[str]:
    """The cells, the leading ones empty where they are those of the row above."""
    same = 0
    while same < most and row[same] == above[same]:
        same += 1
    return [""] * same + printed[same:]


def _alignment(table: Table, index: int) -> str:
    if table.columns[index].kind in (Kind.TEXT, Kind.VERDICT):
        return "l"
    return f"S[table-format={_format([row[index].plain for row in table.rows])}]"


def _format(numbers: Sequence[str]) -> str:
    """The siunitx format that holds all these numbers.

    >>> _format(["12.34(56)", "-1.5", "--"])
    '-2.2(2)'
    """
    found = [match for number in numbers if (match := NUMBER.match(number))]
    if not found:
        return "1.1"
    whole = max(len(match[2]) for match in found)
    decimals = max(len(match[3] or "") for match in found)
    error = max(len((match[4] or "").replace(".", "")) for match in found)
    power = max(len((match[5] or "").lstrip("+-").lstrip("0")) for match in found)
    sign = "-" if any(match[1] for match in found) else ""
    return (
        f"{sign}{whole}.{decimals}"
        + (f"({error})" if error else "")
        + (f"e-{power}" if power else "")
    )
