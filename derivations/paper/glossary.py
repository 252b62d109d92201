"""The symbols of a document: what they mean, in a table of those that its formulas contain."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache
from typing import NamedTuple

from derivations.paper.notation import NOTATION
from derivations.paper.plain import in_latex
from theory.symbols import GLOSSARY

FORMULA = re.compile(
    r"\$([^$]+)\$|\\\[(.*?)\\\]|\\begin\{((?:align|multline|gather)\*)\}(.*?)\\end\{\3\}",
    re.DOTALL,
)
LETTER = re.compile(
    r"(\\text\{[^{}]*\})"
    r"|\\(?:hat|bar|tilde|dot|mathsf|mathbf|mathrm|mathcal|operatorname)\s*"
    r"(?:\{[^{}]*\}|\\[a-zA-Z]+|.)"
    r"|\\[a-zA-Z]+|[a-zA-Z]"
)
BELOW = re.compile(r"_(\{(?:[^{}]|\{[^{}]*\})*\}|\\[a-zA-Z]+|.)")
INDEX = re.compile(r"(?:[abijklmnrstLNM\d'+\-,=() ]|\\(?:mathsf|pm|infty|nu|omega|ne))*")
MARKS = frozenset(
    re.findall(
        r"\\\w+",
        r"""\frac \tfrac \left \right \sqrt \sum \int \exp \log \sin \cos \tan \sinh \tanh \arccos
    \arcsin \arctan \max \min \infty \partial \nabla \top \quad \qquad \substack \to \ll \ne \ge \le
    \times \cdot \odot \otimes \pm \mid \angle \langle \rangle \dots \ldots \overline \pi
    \biggl \biggr \Bigl \Bigr \bigl \bigr \big \Big""",
    )
)
"""What stands between symbols."""


class Symbol(NamedTuple):
    """A letter with its accent, and its subscript, without braces and spaces."""

    letter: str
    below: str


class Entry(NamedTuple):
    """A line of the glossary, in LaTeX."""

    latex: str
    domain: str
    meaning: str


def entries() -> list[Entry]:
    """All symbols: first those of statements and reasons, then those that proofs compute with."""
    named = [Entry(latex, "", meaning) for latex, meaning in NOTATION.items()]
    return named + [
        Entry(term.latex, in_latex(term.domain), in_latex(term.meaning))
        for term in GLOSSARY.values()
    ]


def undefined(latex: str) -> set[Symbol]:
    """The symbols in the formulas of a text that are not in the glossary."""
    return {symbol for symbol in _symbols_of(latex) if _defined(symbol) is None}


def glossary(latex: str) -> str:
    """The table of the symbols in the formulas of a text."""
    used = {_defined(symbol) for symbol in _symbols_of(latex)}
    lines = [
        rf"${one.latex}$ & {one.domain} & {one.meaning} \\"
        for one in entries()
        if _symbol(one.latex) in used
    ]
    return "\n".join(
        (
            r"\begin{longtable}{@{}lll@{}}",
            r"\toprule",
            r"symbol & domain & meaning \\",
            r"\midrule",
            r"\endhead",
            *lines,
            r"\bottomrule",
            r"\end{longtable}",
            "",
        )
    )


def _symbols_of(latex: str) -> set[Symbol]:
    found = (_symbols(match[1] or match[2] or match[4]) for match in FORMULA.finditer(latex))
    return {symbol for symbols in found for symbol in symbols}


def _symbols(formula: str) -> Iterator[Symbol]:
    for found in LETTER.finditer(formula):
        if found[1] is None and found[0] not in MARKS:
            below = BELOW.match(formula, found.end())
            yield Symbol(_bare(found[0]), _bare(below[1]) if below else "")


def _bare(latex: str) -> str:
    return re.sub(r"[{}\s]", "", latex).replace(r"\operatorname", r"\mathrm")


def _symbol(latex: str) -> Symbol:
    """What an entry defines: its first letter."""
    return next(_symbols(latex))


@cache
def _known() -> frozenset[Symbol]:
    return frozenset(_symbol(one.latex) for one in entries())


def _defined(symbol: Symbol) -> Symbol | None:
    """The entry that defines a symbol: itself, or its family where the subscript is an index."""
    if symbol in _known():
        return symbol
    family = Symbol(symbol.letter, "")
    return family if INDEX.fullmatch(symbol.below) and family in _known() else None
