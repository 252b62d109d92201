"""Runs pdflatex, where it is installed."""

from __future__ import annotations

import re
import shutil
import subprocess
import tempfile
from pathlib import Path

from theory.errors import DescriptionError

PASSES = 4
SECONDS = 300
AGAIN = re.compile(r"Rerun to get|Table widths have changed|rerunfilecheck Warning")


def has_latex() -> bool:
    """Whether pdflatex is there."""
    return shutil.which("pdflatex") is not None


def compiled(latex: str, beside: Path | None = None) -> tuple[bytes, str]:
    """The PDF of a document, and the log of the last pass; it may read the files of a folder.

    Raises ``DescriptionError`` with the first error of LaTeX where there is one.
    """
    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder, "document.tex")
        if beside is not None:
            shutil.copytree(beside, folder, dirs_exist_ok=True)
        source.write_text(latex, encoding="utf-8")
        for _ in range(PASSES):
            log = _pass(source)
            if not AGAIN.search(log):
                break
        return source.with_suffix(".pdf").read_bytes(), log


def _pass(source: Path) -> str:
    command = ["pdflatex", "-no-shell-escape", "-halt-on-error", "-interaction=nonstopmode"]
    try:
        run = subprocess.run(
            [*command, source.name],
            cwd=source.parent,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=SECONDS,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as problem:
        raise DescriptionError(f"pdflatex does not run: {problem}") from None
    log = source.with_suffix(".log")
    text = log.read_text(encoding="latin-1") if log.exists() else run.stdout.decode("latin-1")
    if run.returncode != 0:
        found = re.search(r"^! ?(.*)", text, re.MULTILINE)
        raise DescriptionError(f"pdflatex fails: {found[1] if found else 'no output'}")
    return text
