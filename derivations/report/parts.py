"""The parts of a report in HTML: verdicts, tables, figures, proofs, settings."""

from __future__ import annotations

from base64 import b64encode
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from html import escape
from typing import Any

from derivations.proof import Proof
from derivations.report.markup import to_html
from derivations.tables.record import Column, Kind, Table
from derivations.terminal import shorthand

COLUMNS = (
    *("theorem", "network", "N", "quantity", "predicted", "measured/predicted"),
    *("z", "level", "delta", "verdict"),
)
NUMBERS = ("N", "predicted", "measured/predicted", "z", "level", "delta")


def verdicts(rows: Sequence[Mapping[str, Any]]) -> str:
    """How many of each kind, then a line for each row."""
    counts = Counter(str(row["verdict"]) for row in rows)
    summary = ", ".join(f"{number} {verdict}" for verdict, number in counts.items())
    body = [_verdict(row) for row in rows]
    reasons = [
        f"<li>{escape(', '.join((row['id'], row['quantity'])))}: {escape(row['reason'])}</li>"
        for row in rows
        if row.get("reason")
    ]
    why = f"<ul>{''.join(reasons)}</ul>" if reasons else ""
    return f"<p>{len(rows)} rows: {summary}.</p>{_table(COLUMNS, NUMBERS, body)}{why}"


def _verdict(row: Mapping[str, Any]) -> tuple[list[str], bool]:
    def number(name: str, form: str) -> str:
        value = row.get(name)
        return "" if value is None else format(value, form)

    measured, error = row.get("measured"), row.get("standard_error")
    ratio = number("measured", ".5g") if error is None else shorthand(measured, error)
    cells = [
        str(row["id"]),
        str(row["network"]),
        str(row.get("samples") or ""),
        str(row["quantity"]),
        number("predicted", ".5g"),
        ratio,
        number("z", ".2f"),
        number("alpha_row", ".2g"),
        number("delta", "g"),
        str(row["verdict"]),
    ]
    return [escape(cell) for cell in cells], False


def table(shown: Table) -> str:
    """One table of the package, caption above and note below."""
    numbers = [one.name for one in shown.columns if one.kind in (Kind.PREDICTED, Kind.MEASURED)]
    rows = [
        (
            [escape(cell.plain) if cell.latex is None else to_html(cell.latex) for cell in row],
            index in shown.starts,
        )
        for index, row in enumerate(shown.rows)
    ]
    names = [one.name for one in shown.columns]
    headings = [_heading(one) for one in shown.columns]
    note = to_html(shown.note.plain if shown.note.latex is None else shown.note.latex)
    body = _table(names, numbers, rows, headings, to_html(shown.caption))
    return f'{body}<p class="note">{note}</p>'


def _heading(column: Column) -> str:
    return to_html(column.latex)


def _table(
    names: Sequence[str],
    numbers: Sequence[str],
    rows: Sequence[tuple[list[str], bool]],
    headings: Sequence[str] | None = None,
    caption: str = "",
) -> str:
    shown = headings or [escape(one) for one in names]
    head = "".join(
        f"<th{_class(name, numbers, '')}>{one}</th>" for name, one in zip(names, shown, strict=True)
    )
    lines = []
    for cells, begins in rows:
        line = "".join(
            f"<td{_class(name, numbers, cell)}>{cell}</td>"
            for name, cell in zip(names, cells, strict=True)
        )
        begin = '<tr class="begins">' if begins else "<tr>"
        lines.append(f"{begin}{line}</tr>")
    above = f"<caption>{caption}</caption>" if caption else ""
    return (
        f'<div class="wide"><table>{above}<thead><tr>{head}</tr></thead>'
        f"<tbody>{''.join(lines)}</tbody></table></div>"
    )


def _class(name: str, numbers: Sequence[str], cell: str) -> str:
    if name in numbers:
        return ' class="number"'
    return f' class="{cell.rstrip("*")}"' if name == "verdict" and cell else ""


def figure(name: str, caption: str, svg: bytes) -> str:
    """A figure as an image in the page, with its caption."""
    source = f"data:image/svg+xml;base64,{b64encode(svg).decode()}"
    return (
        f'<figure id="figure-{name}"><img alt="{escape(name)}" src="{source}">'
        f"<figcaption>{to_html(caption)} Data: <code>figures/{name}.csv</code>.</figcaption>"
        "</figure>"
    )


def proofs(found: Iterable[Proof]) -> str:
    """Every theorem, its proof to be unfolded."""
    return "\n".join(
        f"<details><summary>{escape(one.theorem.id)}: {escape(one.theorem.says)}</summary>"
        f"{to_html(one.to_latex())}</details>"
        for one in found
    )


def settings(values: Mapping[str, object]) -> str:
    """Names and values."""
    entries = "".join(
        f"<dt>{escape(name)}</dt><dd>{escape(str(value))}</dd>" for name, value in values.items()
    )
    return f"<dl>{entries}</dl>"
