"""A theorem as a script: its proof in LaTeX, then its verdict."""

from __future__ import annotations

import sys

from derivations.catalogue import theorem
from derivations.evidence import check, exit_status
from derivations.terminal import verdicts


def run(id: str) -> None:
    """Verify and print the proof of a theorem, judge it on its networks, and exit."""
    proof = theorem(id).prove()
    proof.verify()
    print(proof.to_latex())
    rows = check(id, say=lambda text: print(text, file=sys.stderr))
    print(verdicts(rows))
    sys.exit(exit_status(rows))
