"""The theorems on scale-invariant losses, one line each."""

from __future__ import annotations

from derivations.sharpness.edge import EDGE_OF_STABILITY
from derivations.sharpness.groups import SHARPNESS_GROUPS
from derivations.sharpness.identities import SCALE_INVARIANCE
from derivations.sharpness.invariant_weights import INVARIANT_WEIGHTS
from derivations.sharpness.next_order import NEXT_ORDER
from derivations.sharpness.recursion import WEIGHT_DECAY_RECURSION
from derivations.sharpness.regression import REGRESSION
from derivations.sharpness.solutions import SHARPNESS_SOLUTIONS
from derivations.sharpness.two_cycle import TWO_CYCLE
from derivations.sharpness.zero_residual import ZERO_RESIDUAL
from derivations.theorem import Theorem

SHARPNESS_THEOREMS: tuple[Theorem, ...] = (
    SCALE_INVARIANCE,
    WEIGHT_DECAY_RECURSION,
    TWO_CYCLE,
    EDGE_OF_STABILITY,
    NEXT_ORDER,
    SHARPNESS_SOLUTIONS,
    REGRESSION,
    SHARPNESS_GROUPS,
    ZERO_RESIDUAL,
    INVARIANT_WEIGHTS,
)


def show(id: str) -> None:
    """Verify the proof of a theorem on scale-invariant losses and print it in LaTeX."""
    proof = next(one for one in SHARPNESS_THEOREMS if one.id == id).prove()
    proof.verify()
    print(proof.to_latex())
