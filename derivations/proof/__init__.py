r"""Proofs: chains of checked equalities, verified and printed from the same objects.

A ``Lemma`` starts from a definition; each ``Step`` is an operation on the previous object and
states what comes out. ``Proof.verify`` performs every operation and compares the outcome with what
is stated, first in numbers and then exactly; then it compares the lemmas that end in a prediction
with the rows of the theorem. Dimensions stay symbolic: matrices over the samples are words of an
algebra whose letters do not commute, sums run to a symbolic bound.
"""

from derivations.proof.equality import objection
from derivations.proof.lemma import LINEAR_OUTPUT, Lemma, ProofError, Step
from derivations.proof.operations import (
    Add,
    Apply,
    ChangeVariables,
    Coefficient,
    Conjugate,
    DropTotalDerivatives,
    Evaluate,
    Integrate,
    IntegrateFromZero,
    Known,
    Multiply,
    Operation,
    Result,
    Square,
    Substitute,
    SumOver,
    TakeTrace,
    Trace,
)
from derivations.proof.record import Proof

__all__ = [
    "LINEAR_OUTPUT",
    "Add",
    "Apply",
    "ChangeVariables",
    "Coefficient",
    "Conjugate",
    "DropTotalDerivatives",
    "Evaluate",
    "Integrate",
    "IntegrateFromZero",
    "Known",
    "Lemma",
    "Multiply",
    "Operation",
    "Proof",
    "ProofError",
    "Result",
    "Square",
    "Step",
    "Substitute",
    "SumOver",
    "TakeTrace",
    "Trace",
    "objection",
]
