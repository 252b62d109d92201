"""The theorems, one line each."""

from __future__ import annotations

from derivations.fisher.batchnorm_last import BATCHNORM_LAST
from derivations.fisher.mean_subtraction_last import MEAN_SUBTRACTION_LAST
from derivations.fisher.unnormalized import UNNORMALIZED
from derivations.theorem import Theorem
from theory.errors import DescriptionError

THEOREMS: tuple[Theorem, ...] = (
    UNNORMALIZED,
    MEAN_SUBTRACTION_LAST,
    BATCHNORM_LAST,
)


def theorem(id: str) -> Theorem:
    """The theorem of this name; ``DescriptionError`` where there is none.

    >>> theorem("batchnorm-last").limit
    'M -> oo, N fixed'
    """
    for known in THEOREMS:
        if known.id == id:
            return known
    raise DescriptionError(
        f"unknown theorem {id!r}; known: {', '.join(known.id for known in THEOREMS)}"
    )
