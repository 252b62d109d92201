"""The command ``derive``: verified proofs, in the terminal or on paper."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from derivations.output_file import check_writable
from theory.errors import DescriptionError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from derivations.paper.evidence_table import Row
    from derivations.theorem import Theorem

SUFFIXES = (".tex", ".pdf")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of the command."""
    parser.add_argument("id", nargs="?", metavar="ID", help="a theorem")
    parser.add_argument("--all", action="store_true", help="every theorem, in place of ID")
    parser.add_argument("--latex", action="store_true", help="print LaTeX")
    parser.add_argument(
        "--out",
        metavar="FILE",
        help="write a document, FILE.tex or FILE.pdf, which writes the .tex as well",
    )
    parser.add_argument(
        "--verdicts", metavar="FILE.json", help="with --out: verdicts of a check --json"
    )
    parser.add_argument(
        "--judge", action="store_true", help="with --out: measure the verdicts now, in a minute"
    )


def derive(options: argparse.Namespace) -> int:
    """Print the proofs, or write the document; the exit status.

    1 where --judge finds a theorem that does not agree, 2 where there is no pdflatex for a PDF,
    whose LaTeX is written all the same.
    """
    theorems = _chosen(options)
    if options.out is None:
        if options.verdicts is not None or options.judge:
            raise DescriptionError("--verdicts and --judge are of a document: name it with --out")
        return _print(theorems, options)
    return _write(theorems, options)


def _chosen(options: argparse.Namespace) -> Sequence[Theorem]:
    from derivations.catalogue import ALL, theorem

    if (options.id is None) != options.all:
        raise DescriptionError("derive needs the ID of a theorem or --all, one of them")
    return ALL if options.all else [theorem(options.id)]


def _print(theorems: Sequence[Theorem], options: argparse.Namespace) -> int:
    if options.latex and options.all:
        from derivations.paper.document import document

        print(document(theorems, say=_progress(theorems)), end="")
        return 0
    for number, one in enumerate(theorems):
        proof = one.prove()
        proof.verify()
        if number:
            print("\n")
        print(proof.to_latex() if options.latex else proof.to_text())
    return 0


def _write(theorems: Sequence[Theorem], options: argparse.Namespace) -> int:
    from derivations.paper.document import document

    path = Path(options.out)
    if path.suffix not in SUFFIXES:
        raise DescriptionError(f"--out needs a file ending in .tex or .pdf, {options.out} given")
    source = path.with_suffix(".tex")
    for one in (source, path):
        check_writable(str(one))
    rows, status = _verdicts(theorems, options)
    latex = document(theorems, rows, say=_progress(theorems))
    _save(source, latex.encode())
    if path == source:
        return status
    return _compile(latex, source, path) or status


def _compile(latex: str, source: Path, path: Path) -> int:
    from derivations.paper.pdf import compiled, has_latex

    if not has_latex():
        raise DescriptionError(
            f"no pdflatex here to make {path}: {source} is written; install pdflatex (Debian: "
            "texlive-latex-base, texlive-latex-recommended), or compile the file elsewhere"
        )
    pdf, _ = compiled(latex)
    _save(path, pdf)
    return 0


def _verdicts(
    theorems: Sequence[Theorem], options: argparse.Namespace
) -> tuple[Sequence[Row] | None, int]:
    """The rows of a run, and the exit status that they ask for."""
    from derivations.paper.evidence_table import read_rows, unknown

    if options.verdicts is not None and options.judge:
        raise DescriptionError("verdicts are read (--verdicts) or measured now (--judge), not both")
    if options.verdicts is not None:
        from derivations.catalogue import ALL

        rows = read_rows(options.verdicts)
        stranger = unknown(rows, ALL)
        if stranger is not None:
            raise DescriptionError(f"{options.verdicts} judges {stranger}: no row of a theorem")
        return rows, 0
    if not options.judge:
        return None, 0
    from derivations import evidence

    ids = [one.id for one in theorems if one.rows]
    if not ids:
        return [], 0
    judged = evidence.check(ids, say=lambda text: print(text, file=sys.stderr))
    return [row.to_json() for row in judged], evidence.exit_status(judged)


def _save(path: Path, content: bytes) -> None:
    try:
        path.write_bytes(content)
    except OSError as problem:
        raise DescriptionError(f"cannot write {path}: {problem.strerror}") from None


def _progress(theorems: Sequence[Theorem]) -> Any:
    """Shows how many proofs are verified, where somebody looks."""
    from tqdm import tqdm

    bar = tqdm(total=len(theorems), desc="proofs", disable=not sys.stderr.isatty(), leave=False)
    return lambda one: bar.update()
