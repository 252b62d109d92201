"""The statement of a theorem, with assumptions and source: on paper, in notebooks, in terminals."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from derivations.proof.latex import plain_text
from derivations.proof.layout import itemized

if TYPE_CHECKING:
    from derivations.theorem import Theorem


def statement_in_latex(theorem: Theorem, source: str) -> str:
    """Statement, assumptions, and the source as it is to be written."""
    parts = [
        rf"\noindent\textbf{{Theorem ({theorem.id}).}} {theorem.statement}",
        r"\par\medskip\noindent\textbf{Assumptions.}",
        itemized(f" {assumption}" for assumption in theorem.assumptions),
        rf"\noindent\textbf{{Source.}} {source}.",
    ]
    return "\n".join((*parts, ""))


def source_in_latex(theorem: Theorem) -> str:
    """The source, without references."""
    return theorem.source.replace("&", r"\&")


def statement_in_markdown(theorem: Theorem) -> str:
    """The same for a notebook, whose formulas stand between dollars."""
    statement = re.sub(r"\\\[(.*?)\\\]", r"$$\1$$", theorem.statement, flags=re.DOTALL)
    environment = r"\\begin\{(align|gather|multline)\*\}(.*?)\\end\{\1\*\}"
    statement = re.sub(
        environment, r"$$\\begin{aligned}\2\\end{aligned}$$", statement, flags=re.DOTALL
    )
    lines = [f"**Theorem ({theorem.id}).** {statement}", ""]
    if theorem.assumptions:
        lines += ["**Assumptions.**", "", *(f"- {one}" for one in theorem.assumptions), ""]
    return "\n".join([*lines, f"**Source.** {theorem.source}."])


def statement_in_text(theorem: Theorem) -> str:
    """What it says and what it assumes, for the terminal."""
    lines = [f"{theorem.id}: {theorem.says}", "", "Assumptions"]
    return "\n".join([*lines, *(f"  - {plain_text(one)}" for one in theorem.assumptions)])
