"""A proof: the lemmas of a theorem, verified and printed from the same objects."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import lru_cache

import sympy as sp

from derivations.proof.equality import is_plain, objection
from derivations.proof.lemma import Lemma, Path, ProofError, leaves, resolved, with_leaf
from derivations.proof.operations import Known
from derivations.proof.printing import proof_in_latex, proof_in_text
from derivations.theorem import Theorem


@dataclass(frozen=True)
class Proof:
    """The lemmas of a theorem, in order.

    >>> from derivations.catalogue import theorem
    >>> theorem("mean-subtraction-last").prove().verify()
    """

    theorem: Theorem
    lemmas: tuple[Lemma, ...]

    def conclusions(self) -> dict[str, sp.Basic]:
        """What each lemma ends in, every step checked; raises ``ProofError`` at one that fails."""
        results: dict[str, sp.Basic] = {}
        for lemma in self.lemmas:
            if lemma.name in results:
                raise ProofError(f"{self.theorem.id}: two lemmas are named {lemma.name!r}")
            results[lemma.name], failure = _outcome(resolved(lemma, results))
            if failure:
                raise ProofError(f"{self.theorem.id}, lemma {lemma.name!r}, {failure}")
        return results

    def verify(self) -> None:
        """Check every step and every prediction; raise ``ProofError`` at the first that fails."""
        results = self.conclusions()
        for row in self.theorem.rows:
            lemma = self._ending_in(row.quantity)
            if row.given_outputs is not None:
                continue
            prediction = row.value(lemma.terms)
            failure = objection(results[lemma.name], prediction, ())
            if failure:
                raise ProofError(
                    f"{self.theorem.id}: lemma {lemma.name!r} does not end in the prediction of "
                    f"{row.quantity}: {failure}"
                )

    def _ending_in(self, quantity: str) -> Lemma:
        for lemma in self.lemmas:
            if lemma.row == quantity:
                return lemma
        raise ProofError(f"{self.theorem.id}: no lemma ends in the prediction of {quantity}")

    def places(self) -> Iterator[tuple[Path, Known]]:
        """Every definition, rule, operand and stated side, with the path that leads to it."""
        yield from leaves(self.lemmas, ())

    def altered(self, path: Path, value: Known) -> Proof:
        """The proof with another expression at this place."""
        return replace(self, lemmas=with_leaf(self.lemmas, path, value))

    def to_text(self) -> str:
        """The proof for the terminal."""
        return proof_in_text(self.theorem, self.lemmas)

    def to_latex(self) -> str:
        """A fragment for a document with amsmath: statement, assumptions, numbered steps."""
        return proof_in_latex(self.theorem, self.lemmas)


@lru_cache(maxsize=1024)
def _outcome(lemma: Lemma) -> tuple[sp.Basic, str | None]:
    """The last object of a lemma, and what is wrong with its first step that fails."""
    plain = {old: new for old, new in lemma.given if is_plain(old)}
    current: sp.Basic = lemma.definition
    for number, step in enumerate(lemma.steps, start=1):
        try:
            outcome = step.operation(current.xreplace(plain))
            failure = objection(outcome, step.states, lemma.given)
        except ValueError as error:
            failure = f"the operation has no meaning: {error}"
        if failure:
            return step.states, f"step {number} ({step.reason}): {failure}"
        current = step.states
    return current, None
