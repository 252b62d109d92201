"""The record of a theorem on kernels: it holds for integrals, so no network can refute it."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from derivations.theorem import Theorem
from theory.architecture import Network

if TYPE_CHECKING:
    from derivations.proof import Proof

PRICE = (
    r"Price's theorem (its own theorem, price): $\varphi$ and its distributional derivatives grow "
    "slower than any Gaussian decays, so that the boundary terms of the integrations by parts "
    "vanish."
)
UNIQUE = (
    r"A function of $q_{12}$ is determined by its derivative, continuous for "
    r"$q_{12}^2 < q_{11} q_{22}$, and its value at 0; at the ends of the interval it is continuous."
)


def requires(network: Network, samples: int) -> None:
    """Nothing: the integrals are those of every network."""


def kernel_theorem(
    id: str,
    says: str,
    statement: str,
    assumptions: tuple[str, ...],
    source: str,
    prove: Callable[[], Proof],
) -> Theorem:
    """A theorem without rows: what it claims is an identity."""
    return Theorem(
        id=id,
        says=says,
        statement=statement,
        assumptions=assumptions,
        limit="none",
        source=source,
        rows=(),
        cases=(),
        requires=requires,
        prove=prove,
    )
