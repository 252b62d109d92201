"""A table in Markdown, and as comma-separated values."""

from __future__ import annotations

import csv
import io

from derivations.tables.record import Kind, Table


def markdown(table: Table) -> str:
    """A table between its caption and its note; numbers to the right."""
    rule = [
        "---" if column.kind in (Kind.TEXT, Kind.VERDICT) else "---:" for column in table.columns
    ]
    lines = [[column.name for column in table.columns], rule]
    lines += [[cell.plain.replace("|", r"\|") for cell in row] for row in table.rows]
    text = "\n".join("| " + " | ".join(line) + " |" for line in lines)
    return f"**{table.caption}**\n\n{text}\n\n{table.note.plain}\n"


def markdown_cells(body: str) -> list[list[str]]:
    """The printed cells below the heading."""
    lines = [line for line in body.splitlines() if line.startswith("| ")]
    return [line.removeprefix("| ").removesuffix(" |").split(" | ") for line in lines[2:]]


def markdown_skeleton(body: str) -> str:
    """The text without the rows."""
    lines = body.splitlines()
    table = [index for index, line in enumerate(lines) if line.startswith("| ")]
    return "\n".join(line for index, line in enumerate(lines) if index not in table[2:])


def csv_text(table: Table) -> str:
    """A heading and the rows."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow([column.name for column in table.columns])
    writer.writerows([cell.plain for cell in row] for row in table.rows)
    return text.getvalue()


def csv_cells(body: str) -> list[list[str]]:
    """The printed cells below the heading."""
    return list(csv.reader(io.StringIO(body)))[1:]


def csv_skeleton(body: str) -> str:
    """The heading."""
    return body.partition("\n")[0]
