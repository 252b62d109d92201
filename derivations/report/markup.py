r"""From the LaTeX of theorems and tables to HTML with MathML.

The text commands that they use are few, and any other is refused, so that nothing is lost on the
way; formulas go through ``latex2mathml``.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import lru_cache
from html import escape

from theory.errors import DescriptionError

MATH = re.compile(
    r"\\\[(?P<display>.*?)\\\]|\$(?P<inline>.*?)\$"
    r"|\\begin\{(?P<kind>gather|align|multline)\*?\}(?P<lines>.*?)\\end\{(?P=kind)\*?\}",
    re.DOTALL,
)
MATH_MARK = re.compile("\x00([0-9]+)\x00")
NESTED = re.compile(r"\\begin\{(\w+\*?)\}.*?\\end\{\1\}", re.DOTALL)
TOKEN = re.compile(
    r"\\textbf\{(?P<bold>[^{}]*)\}|\\(?:textit|emph)\{(?P<italic>[^{}]*)\}"
    r"|\\texttt\{(?P<code>[^{}]*)\}"
    r"|(?P<open>\\begin\{(?:itemize|enumerate)\})|(?P<close>\\end\{(?:itemize|enumerate)\})"
    r"|\\item(?:\[(?P<label>[^\]]*)\])?|(?P<par>\\par\b|\n[ \t]*\n)"
    r"|\\(?:noindent|medskip|smallskip|raggedright|hfill|centering)\b|\\rule\{[^{}]*\}\{[^{}]*\}"
    r"|(?P<special>\\[&%_#$, ]|~|--|``|''|\{|\})|(?P<unknown>\\[a-zA-Z]+|\\.)"
)
ONES = re.compile(r"\\mathbf\s*(?:1|\{1\})")  # which it would print as a plain 1
BRACES = re.compile(r"\\[bB]igg?[lr]?\s*(\\[{}])")  # which it would print with the backslash
SPECIAL = {
    "~": "&nbsp;",
    "--": "–",
    "``": "“",
    "''": "”",
    "{": "",
    "}": "",
    "\\ ": " ",
    "\\,": "&thinsp;",
}


def to_html(latex: str) -> str:
    r"""A fragment of LaTeX as HTML; formulas as MathML, display formulas on lines of their own.

    Raises ``DescriptionError`` for a command that it does not know.

    >>> to_html(r"\noindent\textbf{Proof.} One \& two.")
    '<b>Proof.</b> One &amp; two.'
    """
    formulas: list[str] = []

    def kept(match: re.Match[str]) -> str:
        formulas.append("".join(_formula(match)))
        return f"\x00{len(formulas) - 1}\x00"

    text = MATH.sub(kept, latex)
    html = "".join(_text(text))
    return MATH_MARK.sub(lambda match: formulas[int(match[1])], html).strip()


def _formula(match: re.Match[str]) -> Iterator[str]:
    if match["inline"] is not None:
        yield mathml(match["inline"])
    elif match["display"] is not None:
        yield f'<div class="display">{mathml(match["display"], True)}</div>'
    else:
        for line in _lines(match["lines"]):
            formula = re.sub(r"(?:\s|\\ |&)*$", "", line).replace("&", "")
            yield f'<div class="display">{mathml(formula, True)}</div>'


def _lines(body: str) -> list[str]:
    """The lines of a formula, not those of an environment inside it."""
    inner: list[str] = []

    def kept(match: re.Match[str]) -> str:
        inner.append(match[0])
        return f"\x01{len(inner) - 1}\x01"

    lines = re.split(r"\\\\(?:\[[^\]]*\])?", _without_substacks(NESTED.sub(kept, body), inner))
    back = [re.sub("\x01([0-9]+)\x01", lambda m: inner[int(m[1])], line) for line in lines]
    return [re.sub("\x01([0-9]+)\x01", lambda m: inner[int(m[1])], line) for line in back]


def _without_substacks(text: str, inner: list[str]) -> str:
    def kept(match: re.Match[str]) -> str:
        inner.append(match[0])
        return f"\x01{len(inner) - 1}\x01"

    return re.sub(r"\\substack\{[^{}]*\}", kept, text)


@lru_cache(maxsize=4096)
def mathml(formula: str, display: bool = False) -> str:
    r"""MathML of one formula.

    >>> mathml("x")
    '<math><mrow><mi>x</mi></mrow></math>'

    Raises ``DescriptionError`` without latex2mathml, and for a formula that it does not know.
    """
    try:
        from latex2mathml.converter import convert
    except ImportError:
        raise DescriptionError(
            "formulas in a report need latex2mathml: pip install fisherfield[report]"
        ) from None
    try:
        plain = ONES.sub("\U0001d7cf ", formula)
        plain = BRACES.sub(r"\1", plain)
        found = convert(plain, display="block" if display else "inline")
    except Exception as problem:  # its own errors have no common base
        raise DescriptionError(f"cannot show the formula {formula}: {problem!r}") from None
    if "\\" in found:
        raise DescriptionError(f"a report does not know every command of the formula {formula}")
    found = found.replace(' xmlns="http://www.w3.org/1998/Math/MathML"', "")
    return found.replace(' display="inline"', "")


def _text(text: str) -> Iterator[str]:
    at = 0
    items: list[bool] = []
    for match in TOKEN.finditer(text):
        yield escape(text[at : match.start()], quote=False)
        at = match.end()
        if match["unknown"]:
            raise DescriptionError(f"a report does not know the LaTeX command {match['unknown']}")
        if match["bold"] is not None:
            yield f"<b>{escape(match['bold'], quote=False)}</b>"
        elif match["italic"] is not None:
            yield f"<i>{escape(match['italic'], quote=False)}</i>"
        elif match["code"] is not None:
            yield f"<code>{escape(match['code'], quote=False)}</code>"
        elif match["open"]:
            items.append(False)
            yield "<ul>"
        elif match["close"]:
            yield ("</li>" if items.pop() else "") + "</ul>"
        elif match[0].startswith("\\item"):
            before = "</li>" if items[-1] else ""
            items[-1] = True
            label = match["label"]
            yield before + ("<li>" if label is None else f'<li class="step"><b>{label}</b> ')
        elif match["par"]:
            yield "<br>"
        elif match["special"]:
            special = match["special"]
            yield SPECIAL.get(special, escape(special.removeprefix("\\"), quote=False))
    yield escape(text[at:], quote=False)
