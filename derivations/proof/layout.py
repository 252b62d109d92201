"""Formulas and lists on a page of LaTeX: long formulas on as many lines as it takes."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable
from itertools import pairwise

import sympy as sp

from derivations.proof.breaking import broken, width
from derivations.proof.latex import Letter, to_latex

LINE, LINES = 57, 3
REPEATED = 16
ABBREVIATION = Letter(r"\Delta")
RELATIONS = (r"\ge", r"\le", r"\to")


def itemized(items: Iterable[str]) -> str:
    """A list; each item brings its label or a space."""
    lines = "\n".join(rf"\item{item}" for item in items)
    return f"\\begin{{itemize}}\n{lines}\n\\end{{itemize}}"


def display(sides: list[sp.Basic], stated: sp.Basic) -> str:
    """The sides and what they equal, on as many lines as it takes; nothing if all are the same.

    Where the lines are many, a sum that occurs more than once is written once, as Delta.
    """
    chain = [*sides, stated]
    if len({_in_any_order(to_latex(side)) for side in chain}) == 1:
        return ""
    lines = _lines([to_latex(side) for side in chain])
    too_long = len(lines) > LINES or any(width(line) > LINE for line in lines)
    repeated = _repeated(chain) if too_long else None
    if repeated is not None:
        lines = _lines([to_latex(side.xreplace({repeated: ABBREVIATION})) for side in chain])
        first, *more = broken(to_latex(repeated), LINE - 12)
        lines.append(rf"& \quad\text{{where }} {to_latex(ABBREVIATION)} = {first}")
        lines += [rf"& \qquad\qquad {line}" for line in more]
        if "&" not in lines[0]:
            lines[0] = f"& {lines[0]}"
    if "&" not in lines[0]:
        return f"\\[\n  {lines[0]}\n\\]"
    body = " \\\\\n  ".join(lines)
    return f"\\begin{{align*}}\n  {body}\n\\end{{align*}}"


def _lines(chain: list[str]) -> list[str]:
    """A chain of equalities on one line, or on several that are aligned at the relations."""
    different: dict[str, str] = {}
    for side in chain:
        different.setdefault(_in_any_order(side), side)
    related = [f"{_relation(a)}{b}" for a, b in pairwise(different.values())]
    left, whole = chain[0], " ".join((chain[0], *related))
    if width(whole) <= LINE:
        return [whole]
    if 3 * width(left) <= LINE:
        margin, room, lines = "& ", LINE - width(left), []
    else:
        margin, room, lines = r"& \quad ", LINE - 2, [f"& {one}" for one in broken(left, LINE)]
    for one in related:
        first, *more = broken(one, room)
        lines += [margin + first, *(rf"{margin}\quad {line}" for line in more)]
    if margin == "& ":
        lines[0] = f"{left} {lines[0]}"
    return lines


def _in_any_order(latex: str) -> str:
    """What is equal for two sides that differ in the order of their factors or terms alone."""
    return "".join(sorted(re.findall(r"\\(?!left|right)[a-zA-Z]+|[^\s\\{}]", latex)))


def _relation(left: str) -> str:
    """What stands between two sides: a sign of equality, unless the left one brings another."""
    return "" if left.endswith(RELATIONS) else "= "


def _repeated(chain: list[sp.Basic]) -> sp.Basic | None:
    """The widest sum that occurs more than once in these formulas."""
    found = Counter(
        node
        for side in chain
        for node in sp.preorder_traversal(side)
        if isinstance(node, sp.Add) and node.is_commutative and node not in chain
    )
    widths = {node: width(to_latex(node)) for node, count in found.items() if count > 1}
    widest = max(widths, key=lambda node: widths[node], default=None)
    return widest if widest is not None and widths[widest] >= REPEATED else None
