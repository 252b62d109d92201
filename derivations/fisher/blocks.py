"""Layerwise diagonal blocks of the Fisher matrix: each layer has its own outlier and bulk."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from derivations.fisher.layer_parts import names, of_part, require_layers, rows, spectrum_of_any
from derivations.networks import RELU
from derivations.theorem import Case, Theorem
from theory.architecture import BatchNorm, Network

if TYPE_CHECKING:
    from derivations.proof import Proof

LAYERS = (1, 2, 3)
PARTS = tuple(f"weights.{l}" for l in LAYERS)


def requires(network: Network, samples: int) -> None:
    """Linear outputs and three layers of weights."""
    require_layers("blocks", network, samples)


def prove() -> Proof:
    """The kernel of any layer, the spectrum of any kernel, and both for each layer."""
    from derivations.fisher.layered import ARRAYS, of_layer, order
    from derivations.proof import Proof
    from theory.symbols import S1, S2, T1, T2, M, S, T, qh1, qh2

    general = "kernel of the weights of a layer"
    opening = (
        r"The weights of a layer have the gradients $\sum_{t'} \zeta_{i t'} h_{j t'}$, and by the "
        r"law of large numbers $\sum_j h_{j t'} h_{j s'} = M_{l-1} (\hat q_2 + (\hat q_1 - \hat "
        r"q_2) \delta_{t' s'})$. Of the product of two, the part of the inner samples $t'$, $s'$:"
    )
    layer = M * ((qh1 - qh2) * T + qh2 * S)
    lemmas = [
        of_layer(opening, lambda moment: M * moment, "Sum over the units.", general),
        *spectrum_of_any(),
    ]
    for l in LAYERS:
        forward = tuple((one, ARRAYS[one][l - 1]) for one in (M, qh1, qh2))
        places = tuple(
            (*forward, (T, ARRAYS[trace][l]), (S, ARRAYS[entries][l]))
            for trace, entries in ((T1, S1), (T2, S2))
        )
        found = order().block(l - 1, ARRAYS[M][l - 1])
        lemmas += of_part(f"weights.{l}", general, layer, places, found)
    return Proof(BLOCKS, tuple(lemmas))


BLOCKS: Theorem = Theorem(
    id="blocks",
    says="Each layer's diagonal block of the Fisher matrix has an outlier and a bulk of its own.",
    statement=r"""Let $F^l$ be the diagonal block of the weights of layer $l$ in $F$, of $P_l =
M_{l-1} M_l$ rows. As $M \to \infty$ its nonzero eigenvalues are those of $\frac1N [(K_1^l - K_2^l)
I + K_2^l \mathbf 1 \mathbf 1^\top]$, $C$ times, with
\begin{gather*}
  K_a^l = M_{l-1} \left( (\hat q_1^{l-1} - \hat q_2^{l-1})\, T_a^l
          + \hat q_2^{l-1} S_a^l \right), \\
  m^l = \frac{C K_1^l}{P_l}, \qquad \lambda_U^l = \frac{K_1^l + (N-1) K_2^l}{N};
\end{gather*}
$\lambda_U^l$ is the largest where $K_2^l > 0$.""",
    assumptions=(
        r"Limit: $M \to \infty$ with $N$, $C$, $L$ and the ratios of the widths fixed; sums over "
        "the units of a layer become means (law of large numbers).",
        "Mean field: gradient independence, as in the theorem unnormalized.",
        r"The numbers $T$ and $S$ of each layer are those of its scheme's rule.",
    ),
    limit="M -> oo, N fixed",
    source="setting: Karakida, Akaho & Amari; every placement: this project",
    rows=tuple(row for part, l in zip(PARTS, LAYERS, strict=True) for row in rows(part, f"({l})")),
    cases=tuple(
        Case(network, 16, names(PARTS), default=False)
        for network in (RELU, replace(RELU, sigma_b2=0.2, layers=None, hidden=BatchNorm()))
    ),
    requires=requires,
    prove=prove,
)

if __name__ == "__main__":
    from derivations.command import run

    run("blocks")
