"""Plain text in LaTeX: the words of the glossary, and what a user wrote."""

from __future__ import annotations

import re

FUNCTIONS = ("arccos", "exp", "log")
LETTERS = {
    "phi": r"\varphi",
    "Phi": r"\Phi",
    "psi": r"\psi",
    "eps": r"\epsilon",
    "lambda": r"\bar\lambda",
    "lambda_1": r"\lambda_1",
    "uh": r"\hat u",
    "qh": r"\hat q",
    "oo": r"\infty",
} | {name: rf"\{name}" for name in ("alpha", "eta", "kappa", "sigma", "tau", "pi", *FUNCTIONS)}
SIGNS = {"<=": r"\le ", ">=": r"\ge ", "->": r"\to ", "...": r"\ldots ", "..": r"\ldots "}
SIGNS |= {" x ": r" \times "}
SIGNED = re.compile(r"->|<=|>=|\.\.\.?| x ")
SPECIAL = {"\\": r"\textbackslash{}", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}"}
SPECIAL |= {mark: rf"\{mark}" for mark in "#$%&_{}"}


def escaped(text: str) -> str:
    """Text without a mark that LaTeX reads.

    >>> escaped("leaky_relu & co")
    'leaky\\\\_relu \\\\& co'
    """
    return "".join(SPECIAL.get(mark, mark) for mark in text)


def in_latex(text: str) -> str:
    r"""A sentence of the glossary with its formulas between dollars.

    >>> in_latex("variance of u_t, E phi'(u)^2")
    "variance of $u_t$, $E \\varphi'(u)^2$"
    """
    pieces: list[tuple[bool, list[str]]] = []
    for word in text.split():
        formula = _is_formula(word)
        if not pieces or pieces[-1][0] != formula or (formula and _ended(pieces[-1][1])):
            pieces.append((formula, []))
        pieces[-1][1].append(word)
    return " ".join(_typeset(" ".join(words), formula) for formula, words in pieces)


def _ended(words: list[str]) -> bool:
    """Whether a formula ends here: at a comma or a colon outside brackets."""
    text = " ".join(words)
    return text.endswith((",", ":")) and text.count("(") == text.count(")")


def _is_formula(word: str) -> bool:
    if re.search(r"[_^/=<>+|()\[\]\d]|->|\.\.|^-$|^[A-Z]'", word):
        return True
    word = word.rstrip(",:.")
    return word in LETTERS.keys() - set(FUNCTIONS) or (len(word) == 1 and word not in "aA")


def _typeset(text: str, formula: bool) -> str:
    if not formula:
        return text
    inner = text.rstrip(",:")
    latex = re.sub(r"sqrt\(([^()]*)\)", r"\\sqrt{\1}", inner)
    latex = re.sub(r"\^T\b", r"^{\\top}", latex)
    latex = re.sub(r"_(\d\d)", r"_{\1}", latex)
    latex = re.sub(r"\berf\b", r"\\mathrm{erf}", latex)
    latex = re.sub(
        r"(?<![\\A-Za-z])(?:lambda_1|[A-Za-z]+)", lambda m: LETTERS.get(m[0], m[0]), latex
    )
    latex = SIGNED.sub(lambda m: SIGNS[m[0]], latex).strip()
    return f"${latex}${text[len(inner) :]}"
