"""Proofs on a page: for the terminal and for a LaTeX document."""

from __future__ import annotations

import re
from collections.abc import Mapping

import sympy as sp

from derivations.proof.latex import letter_for, plain_text, to_latex, to_text
from derivations.proof.layout import display, itemized
from derivations.proof.lemma import Lemma, resolved
from derivations.proof.operations import Known, Result
from derivations.proof.statement import source_in_latex, statement_in_latex, statement_in_text
from derivations.theorem import Theorem

Numbers = Mapping[str, int]


def proof_in_text(theorem: Theorem, lemmas: tuple[Lemma, ...]) -> str:
    """The proof for the terminal."""
    numbers = _numbers(lemmas)
    lines = [statement_in_text(theorem)]
    for number, lemma in enumerate(lemmas, start=1):
        lines += ["", f"Lemma {number}. {lemma.name}", f"  {plain_text(lemma.opening)}"]
        lines.append(f"    {_in_text(lemma.definition, numbers)}")
        for place, step in enumerate(lemma.steps, start=1):
            operation = type(step.operation).__name__
            lines.append(f"  {number}.{place} {operation}: {plain_text(step.reason)}")
            lines.append(f"    {to_text(step.states)}")
        if lemma.row:
            lines.append(f"  This is the prediction of {lemma.row}.")
    return "\n".join(lines)


def proof_in_latex(theorem: Theorem, lemmas: tuple[Lemma, ...]) -> str:
    """A fragment for a document with amsmath: statement, assumptions, numbered steps."""
    return statement_in_latex(theorem, source_in_latex(theorem)) + lemmas_in_latex(lemmas)


def lemmas_in_latex(lemmas: tuple[Lemma, ...]) -> str:
    """The proof: numbered lemmas of numbered steps, each with its reason."""
    results = {lemma.name: lemma.steps[-1].states for lemma in lemmas}
    numbers = _numbers(lemmas)
    parts = [_lemma_in_latex(lemma, results, numbers) for lemma in lemmas]
    heading = r"\par\medskip\noindent\textbf{Proof.}"
    return "\n".join((heading, *parts, r"\hfill\rule{1ex}{1ex}", ""))


def _numbers(lemmas: tuple[Lemma, ...]) -> Numbers:
    return {lemma.name: number for number, lemma in enumerate(lemmas, start=1)}


def _in_text(definition: Known, numbers: Numbers) -> str:
    if isinstance(definition, Result):
        return f"lemma {numbers[definition.name]}"
    return to_text(definition)


def _lemma_in_latex(lemma: Lemma, results: Mapping[str, sp.Basic], numbers: Numbers) -> str:
    number = numbers[lemma.name]
    opening = lemma.opening
    if isinstance(lemma.definition, Result):
        opening = _by(lemma, numbers[lemma.definition.name])
    rules = ", ".join(_rule_in_latex(old, new, numbers) for old, new in lemma.given)
    lemma = resolved(lemma, results)
    written, shown = lemma.definition, ""
    if lemma.symbol is not None:
        written = letter_for(lemma.symbol, lemma.definition)
        shown = display([written], lemma.definition)
    if rules and not shown:
        opening = re.sub(r"[.:]$", ",", opening)
    parts = [rf"\par\medskip\noindent\textbf{{Lemma {number} ({lemma.name}).}} {opening}"]
    if shown:
        parts.append(shown)
    if rules:
        parts.append(rf"{{\raggedright with {rules}.\par}}")
    steps = []
    for step in lemma.steps:
        outcome = step.operation.on(written)
        sides = [] if step.symbol is None else [letter_for(step.symbol, step.states)]
        if outcome is not None and outcome not in sides:
            sides.append(outcome)
        written = sides[0]
        formula = display(sides, step.states)
        steps.append(f"{step.reason}\n{formula}" if formula not in ("", shown) else step.reason)
        shown = formula
    parts.append(itemized([f"[({number}.{at})] {step}" for at, step in enumerate(steps, start=1)]))
    if lemma.row:
        parts.append("This is what the theorem predicts.")
    return "\n".join(parts)


def _by(lemma: Lemma, number: int) -> str:
    """The opening of a lemma that begins where another one ended."""
    if lemma.opening.endswith(":"):
        return f"{lemma.opening[:-1]} (by lemma {number}):"
    return f"{lemma.opening} By lemma {number}{':' if lemma.symbol else '.'}"


def _rule_in_latex(old: sp.Basic, new: Known, numbers: Numbers) -> str:
    if isinstance(new, Result):
        return f"${to_latex(old)}$ of lemma {numbers[new.name]}"
    return f"${to_latex(old)} = {to_latex(new)}$"
