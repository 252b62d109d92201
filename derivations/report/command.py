"""``fisherfield report``: verdicts, tables, figures and proofs on one page, and as a PDF."""

from __future__ import annotations

import argparse
import io
import platform
import shlex
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from derivations.output_file import check_writable
from theory.errors import DescriptionError

if TYPE_CHECKING:
    from derivations.report.kept import Kept
    from derivations.tables.record import Table

PAGE, DOCUMENT = "report.html", "report.pdf"
FOLDERS = ("data", "figures", "tables")
TITLE = "fisherfield: theory and networks compared"
LEAD = (
    "<p>Predictions of mean field theory for wide random networks, beside measurements on sampled "
    "networks, judged under one declared error rate. Measured values carry their standard error; a "
    "limit is extrapolated over several widths.</p>"
)

Say = Callable[[str], None]


def add_arguments(sub: argparse.ArgumentParser) -> None:
    """The arguments that ``report`` reads."""
    sub.add_argument("--out", required=True, metavar="DIR", help="folder of the report, made anew")
    sub.add_argument(
        "--from",
        dest="earlier",
        metavar="DIR",
        help="an earlier report: what it measured is not measured again",
    )
    sub.add_argument(
        "--store", metavar="FILE", help="measurements of sweeps, for the tables of networks"
    )


def run(options: argparse.Namespace) -> int:
    """Write the report; 1 if a verdict of it fails.

    Raises ``DescriptionError`` for a folder that cannot be written, an earlier report that cannot
    be read, and without matplotlib or latex2mathml. Without pdflatex the LaTeX of the PDF is
    written, and a line says so.
    """
    from derivations.report.kept import Kept, table_json, verdicts_json
    from derivations.tables.formats import FORMATS

    folder = Path(options.out)
    try:
        for name in FOLDERS:
            (folder / name).mkdir(parents=True, exist_ok=True)
    except OSError as problem:
        raise DescriptionError(f"cannot write to {folder}: {problem.strerror}") from None
    check_writable(str(folder / PAGE))
    kept = Kept(options.earlier)
    rows = _verdicts(kept)
    (folder / "data" / "verdicts.json").write_text(verdicts_json(rows), encoding="utf-8")
    tables = {}
    for name, (table, first) in _tables(kept, options.store).items():
        tables[name] = table
        (folder / "data" / f"{name}.json").write_text(table_json(table), encoding="utf-8")
        text = f"{first}\n{FORMATS['latex'].render(table, None)}"
        (folder / "tables" / f"{name}.tex").write_text(text, encoding="utf-8")
    figures = _figures(kept, folder)
    _write_page(folder, rows, tables, figures)
    _write_document(folder, rows, tables)
    _say(f"{folder / PAGE}: {(folder / PAGE).stat().st_size / 1e6:.1f} MB")
    failed = {"REFUTED", "UNDECIDED"} & {str(row["verdict"]) for row in rows}
    return 1 if failed else 0


def _say(text: str) -> None:
    print(text, file=sys.stderr)


def _verdicts(kept: Kept) -> list[dict[str, Any]]:
    found = kept.verdicts()
    if found is None:
        from derivations.evidence import check

        found = [row.to_json() for row in check(say=_say)]
    return found


def _tables(kept: Kept, store: str | None) -> dict[str, tuple[Table, str]]:
    """The tables, each with the first line that ``verify-table`` reads."""
    from derivations.tables.catalogue import TABLES
    from derivations.tables.request import Request
    from derivations.tables.stored import Stored

    found = {}
    for name, entry in TABLES.items():
        known, first = kept.table(name), kept.first_line(name)
        if known is not None and first is not None:
            found[name] = known, first
            continue
        _say(f"table {name}")
        stored = None
        if store is not None and entry.stored:
            stored = Stored(store, f"plans/{name}.toml")
        table = entry.build(Request(stored, None, _say))
        found[name] = table, _first_line(table, store if stored else None)
    return found


def _first_line(table: Table, store: str | None) -> str:
    from derivations.tables import header
    from derivations.tables.formats import FORMATS
    from numerics.environment import origin

    here = origin()
    words = [table.name] if store is None else [table.name, "--store", store]
    digest = header.digest(FORMATS["latex"].render(table, None))
    found = header.Header(shlex.join(words), here.version, here.seed_base, table.key, digest)
    return found.line("latex")


def _figures(kept: Kept, folder: Path) -> dict[str, bytes]:
    """The figures as SVG, written as PDF and PNG with their data."""
    from derivations.figure_command import write
    from derivations.figures.catalogue import FIGURES
    from derivations.figures.page import rules

    found = {}
    with rules():
        for name, picture in FIGURES.items():
            data = kept.figure(name)
            if data is None:
                _say(f"figure {name}")
            request = picture.defaults
            if name == "verdicts":
                request = request.filled(name, _verdicts_of(folder))
            figure = write(picture, request, folder / "figures" / name, data)
            text = io.BytesIO()
            figure.savefig(text, format="svg", metadata={"Date": None})
            found[name] = text.getvalue()
    return found


def _verdicts_of(folder: Path) -> Any:
    from derivations.figures.record import Request

    return Request(verdicts=str(folder / "data" / "verdicts.json"))


def _write_page(
    folder: Path,
    rows: list[dict[str, Any]],
    tables: Mapping[str, Table],
    figures: Mapping[str, bytes],
) -> None:
    from derivations.catalogue import ALL
    from derivations.figures.catalogue import FIGURES
    from derivations.report import parts
    from derivations.report.page import Section, page

    _say(f"{len(ALL)} proofs")
    proofs = [theorem.prove() for theorem in ALL]
    for proof in proofs:
        proof.verify()
    sections = [
        Section("verdicts", "Verdicts", parts.verdicts(rows)),
        Section("tables", "Tables", "\n".join(parts.table(one) for one in tables.values())),
        Section(
            "figures",
            "Figures",
            "\n".join(parts.figure(name, FIGURES[name].says, svg) for name, svg in figures.items()),
        ),
        Section("proofs", "Proofs", parts.proofs(proofs)),
        Section("settings", "Settings", parts.settings(settings(rows))),
    ]
    (folder / PAGE).write_text(page(TITLE, LEAD, sections), encoding="utf-8")


def settings(rows: list[dict[str, Any]]) -> dict[str, object]:
    """Seeds, error rates and versions behind the numbers of a report."""
    from numerics.environment import origin

    here = origin()
    declared = {
        name: sorted({row[name] for row in rows if row.get(name) is not None})
        for name in ("alpha", "power", "delta", "engine", "seed_base")
    }
    return {
        "version": here.version,
        "seed base": here.seed_base,
        "environment": here.environment,
        "machine": platform.platform(),
        **{name: ", ".join(map(str, values)) for name, values in declared.items()},
    }


def _write_document(folder: Path, rows: list[dict[str, Any]], tables: Mapping[str, Table]) -> None:
    from derivations.catalogue import ALL
    from derivations.figures.catalogue import FIGURES
    from derivations.paper.document import document
    from derivations.paper.pdf import compiled, has_latex
    from derivations.report.front import front

    captions = {name: picture.says for name, picture in FIGURES.items()}
    latex = document(ALL, rows, front=front(list(tables), captions), title=TITLE)
    (folder / "report.tex").write_text(latex, encoding="utf-8")
    if not has_latex():
        _say(f"no pdflatex here: {folder / 'report.tex'} is written, to be compiled elsewhere")
        return
    pdf, _ = compiled(latex, folder)
    (folder / DOCUMENT).write_bytes(pdf)
