"""Formulas and lists on a page of LaTeX: long formulas on as many lines as it takes."""

from __future__ import annotations

import re
from collections.abc import Iterable

import sympy as sp

from derivations.proof.latex import to_latex

LINE, BRACKETS = 60, 2


def itemized(items: Iterable[str]) -> str:
    """A list; each item brings its label or a space."""
    lines = "\n".join(rf"\item{item}" for item in items)
    return f"\\begin{{itemize}}\n{lines}\n\\end{{itemize}}"


def display(sides: list[sp.Basic], stated: sp.Basic) -> str:
    """The sides and what they equal, on as many lines as it takes."""
    left, right = " = ".join(to_latex(side) for side in sides), to_latex(stated)
    if _width(f"{left} = {right}") <= LINE:
        return f"\\[\n  {left} = {right}\n\\]"
    lines = [left, *_broken(f"= {right}")]
    if _width(lines[0]) + _width(lines[1]) <= LINE:
        lines[:2] = [f"{lines[0]} {lines[1]}"]
    body = " \\\\\n  ".join(lines)
    return f"\\begin{{multline*}}\n  {body}\n\\end{{multline*}}"


def _broken(latex: str) -> list[str]:
    """A formula on as many lines as it takes, cut before signs, outside brackets if possible."""
    for level in range(BRACKETS + 1):
        pieces = _cut(latex, level)
        if all(_width(piece) <= LINE for piece in pieces):
            break
    lines = pieces[:1]
    for piece in pieces[1:]:
        if _width(lines[-1] + piece) <= LINE:
            lines[-1] += piece
        else:
            lines.append("{}" + piece)
    return lines


def _cut(latex: str, level: int) -> list[str]:
    """The pieces between the signs within so many brackets; those brackets keep one size."""
    braces = brackets = 0
    pieces = [""]
    for token in re.split(r"(\\left|\\right|[{}]| [+-] |, \\ )", latex):
        braces += {"{": 1, "}": -1}.get(token, 0)
        brackets += token == r"\left"
        here = braces == 0 and brackets <= level
        if here and token in (" + ", " - "):
            pieces.append("")
        fixed = brackets <= level and token in (r"\left", r"\right")
        pieces[-1] += {r"\left": r"\Bigl", r"\right": r"\Bigr"}[token] if fixed else token
        if here and token == r", \ ":
            pieces.append("")
        brackets -= token == r"\right"
    return pieces


def _width(latex: str) -> float:
    """About how wide a formula is, in letters."""
    latex = re.sub(r"\\(left|right|limits|operatorname|mathbf|mathrm|,|;|!)", "", latex)
    latex = re.sub(r"\\(?!frac|sqrt|tfrac)[a-zA-Z]+", "x", latex)
    while True:
        shorter = re.sub(r"[_^]\s*\{([^{}]*)\}", lambda m: "." * (len(m[1]) // 2), latex)
        shorter = re.sub(
            r"\\t?frac\{([^{}]*)\}\{([^{}]*)\}", lambda m: max(m[1], m[2], key=len), shorter
        )
        shorter = re.sub(r"\\sqrt\{([^{}]*)\}", r"x\1", shorter)
        if shorter == latex:
            return len(re.sub(r"[{}\s]", "", latex))
        latex = shorter
