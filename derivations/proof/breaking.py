"""A formula of LaTeX that is too wide for its line, on several."""

from __future__ import annotations

import re
from itertools import pairwise

BRACKETS = 3
TOKENS = re.compile(r"( ?\\left(?![a-z])|\\right(?![a-z])|[{}]| [+-] |, \\ | \\exp(?=\\left))")
FRACTION = re.compile(r"\\frac\{")
SUBSTACK = re.compile(r"\\substack\{((?:[^{}]|\{[^{}]*\})*)\}")


def broken(latex: str, line: float) -> list[str]:
    """The formula on lines of this width, cut before signs, outside brackets if possible.

    A bracket that is open at the end of a line keeps one size, that of its other half.

    >>> broken("a + b + c", 8)
    ['a + b', '{} + c']
    """
    latex = _opened(latex, line)
    size = r"\biggl" if re.search(r"\\(frac|sum|int)\b", latex) else r"\Bigl"
    lines = [""]
    for piece in _pieces(latex, line):
        if lines[-1] and width(lines[-1] + piece) > line:
            lines.append(_continued(piece))
        else:
            lines[-1] += piece
    return [_in_sizes(text, size) for text in lines]


def _continued(piece: str) -> str:
    """A piece at the beginning of a line: after a bracket it is a factor."""
    return r"{} \times" + piece if piece.startswith((r" \left", r" \exp")) else "{}" + piece


def _pieces(latex: str, line: float) -> list[str]:
    """Cut before signs, then before signs within wide brackets, then between factors."""
    tokens = [token for token in TOKENS.split(latex) if token]
    places = _places(tokens, line / 3)
    stages = [
        [at for at, depth in found.items() if depth <= level]
        for found in places
        for level in range(BRACKETS)
    ]

    def cut(first: int, last: int, stages: list[list[int]]) -> list[str]:
        text = "".join(tokens[first:last])
        if not stages or width(text) <= line:
            return [text]
        ends = [first, *(at for at in stages[0] if first < at < last), last]
        return [piece for start, end in pairwise(ends) for piece in cut(start, end, stages[1:])]

    return cut(0, len(tokens), stages)


def _places(tokens: list[str], wide: float) -> tuple[dict[int, int], dict[int, int]]:
    """Where a line may begin with a sign, and where with a factor, and within how many brackets.

    Never within braces, nor within a bracket that is not wide.
    """
    signs, factors = {}, {}
    open_brackets: list[bool] = []
    braces = 0
    for at, token in enumerate(tokens):
        if braces == 0 and all(open_brackets):
            if token in (" + ", " - ") or (at and tokens[at - 1] == r", \ "):
                signs[at] = len(open_brackets)
            elif _is_factor(tokens, at):
                factors[at] = len(open_brackets)
        braces += {"{": 1, "}": -1}.get(token, 0)
        if token.endswith(r"\left"):
            open_brackets.append(braces == 0 and width(_inside(tokens[at + 1 :])) >= wide)
        elif token == r"\right":
            open_brackets.pop()
    return signs, factors


def _is_factor(tokens: list[str], at: int) -> bool:
    """Whether a bracket or an exponential opens here, beside another factor."""
    bracket = tokens[at] == r" \left" and tokens[at + 1][0] in "(["
    return (bracket or tokens[at] == r" \exp") and tokens[at - 1].strip() != "="


def _inside(tokens: list[str]) -> str:
    """What stands before the bracket closes that was open before these tokens."""
    depth = 1
    for at, token in enumerate(tokens):
        depth += token.endswith(r"\left")
        depth -= token == r"\right"
        if depth == 0:
            return "".join(tokens[:at])
    raise ValueError(f"a bracket is not closed in {''.join(tokens)}")


def _opened(latex: str, line: float) -> str:
    r"""Fractions wider than the line as :math:`\frac{1}{b} a`, outside braces."""
    while True:
        for found in FRACTION.finditer(latex):
            above_end = _closing(latex, found.end())
            below_end = _closing(latex, above_end + 1)
            above = latex[found.end() : above_end - 1]
            below = latex[above_end + 1 : below_end - 1]
            outside = latex.count("{", 0, found.start()) == latex.count("}", 0, found.start())
            if outside and width(above) > line:
                sums = any(sign in _outside_braces(above) for sign in (" + ", " - "))
                bracket = rf"\left({above}\right)" if sums else above
                latex = (
                    rf"{latex[: found.start()]}\frac{{1}}{{{below}}} {bracket}{latex[below_end:]}"
                )
                break
        else:
            return latex


def _closing(latex: str, start: int) -> int:
    """The place after the brace that closes the one before ``start``."""
    depth = 1
    for at in range(start, len(latex)):
        depth += {"{": 1, "}": -1}.get(latex[at], 0)
        if depth == 0:
            return at + 1
    raise ValueError(f"a brace is not closed in {latex}")


def _outside_braces(latex: str) -> str:
    """The formula without what stands in braces or in brackets."""
    kept, depth = [], 0
    for token in TOKENS.split(latex):
        depth += token == "{" or token.endswith(r"\left")
        if depth == 0:
            kept.append(token)
        depth -= token in ("}", r"\right")
    return "".join(kept)


def _in_sizes(line: str, size: str) -> str:
    r"""Brackets that the line breaks open, by \left and \right, in one size."""
    tokens = re.split(r"(\\(?:left|right)(?![a-z]))", line)
    open_at: list[int] = []
    single = []
    for at, token in enumerate(tokens):
        if token == r"\left":
            open_at.append(at)
        elif token == r"\right":
            if open_at:
                open_at.pop()
            else:
                single.append(at)
    for at in (*open_at, *single):
        tokens[at] = size if tokens[at] == r"\left" else size[:-1] + "r"
    return "".join(tokens)


def width(latex: str) -> float:
    """About how wide a formula is, in letters."""
    latex = SUBSTACK.sub(lambda m: "{" + max(m[1].split(r"\\"), key=len) + "}", latex)
    latex = re.sub(r"\\(left|right|limits|operatorname|mathbf|mathrm|mathsf|text|,|;|!)", "", latex)
    latex = re.sub(r"\\(exp|sin|cos|tan|log|max|min|arccos|arcsin)(?![a-z])", r"\1", latex)
    latex = re.sub(r"\\q?quad", "xx", latex)
    latex = re.sub(r"\\(?!frac|sqrt|tfrac)[a-zA-Z]+", "x", latex)
    latex = re.sub(r" ([+=-]) ", r"\1\1\1", latex)
    latex = re.sub(r"([_^][\w*]){1,2}", ".", latex)
    while True:
        shorter = re.sub(r"[_^]\s*\{([^{}]*)\}", lambda m: "." * ((len(m[1]) + 1) // 2), latex)
        shorter = re.sub(
            r"\\t?frac\{([^{}]*)\}\{([^{}]*)\}", lambda m: max(m[1], m[2], key=len), shorter
        )
        shorter = re.sub(r"\\sqrt\{([^{}]*)\}", r"x\1", shorter)
        shorter = re.sub(r"(?<![}\w])\{([^{}]*)\}", r"\1", shorter)
        if shorter == latex:
            return len(re.sub(r"[{}\s]", "", latex))
        latex = shorter
