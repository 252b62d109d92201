"""The metric of the features of a layer: the same spectrum, without the factor of the width."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from derivations.fisher.layer_parts import names, of_part, require_layers, rows, spectrum_of_any
from derivations.networks import RELU, TANH
from derivations.theorem import Case, Theorem
from theory.architecture import LayerNorm, Network
from theory.errors import OutOfRegime

if TYPE_CHECKING:
    from derivations.proof import Proof

LAYERS = (0, 1)
PARTS = tuple(f"features.{l}" for l in LAYERS)


def requires(network: Network, samples: int) -> None:
    """Linear outputs, three layers of weights, hidden layers that act on each sample."""
    require_layers("feature-metric", network, samples)
    for scheme in network.layers or ():
        if scheme.over == "samples":
            raise OutOfRegime(
                "feature-metric needs hidden layers that act on each sample, but one has "
                f"{scheme.kind}: its outputs do not change with a shift common to all samples."
            )


def prove() -> Proof:
    """The gradients by the features of any layer, the spectrum of any kernel, and each layer."""
    import sympy as sp

    from derivations.fisher.layered import ARRAYS, SUMS, order
    from derivations.proof import Evaluate, Lemma, Proof, Step, SumOver
    from theory.parts import feature_kernel
    from theory.symbols import S1, S2, Lambda, M, N, S, i, s_inner, sigma_w2, t_inner

    general = "kernel of the features of a layer"
    lemmas = [
        Lemma(
            general,
            r"A shift of feature $i$, common to all samples, moves the outputs by $\sum_{t'} "
            r"\sum_j W_{ji} \zeta^{l+1}_{j t'}$. With the weights averaged alone, $E W_{ji} W_{ki} "
            r"= \frac{\sigma_w^2}{M} \delta_{jk}$; of the product of two such gradients, the part "
            "of the inner samples $t'$ and $s'$ is:",
            r"K^{(l)}_{t' s'}",
            sp.Sum(sigma_w2 / M * Lambda[t_inner, s_inner], (i, 1, M)),
            (
                Step(
                    Evaluate(),
                    sigma_w2 * Lambda[t_inner, s_inner],
                    "Sum over the features: their number drops out.",
                ),
                Step(
                    SumOver(s_inner, N),
                    sigma_w2 * sp.Sum(Lambda[t_inner, s_inner], (s_inner, 1, N)),
                    "Sum over one inner sample.",
                ),
                Step(SumOver(t_inner, N), sigma_w2 * S, "Sum over the other.", "K^{(l)}"),
            ),
            given=SUMS[1:],
        ),
        *spectrum_of_any(),
    ]
    for l in LAYERS:
        places = tuple(((S, ARRAYS[entries][l + 1]),) for entries in (S1, S2))
        found = feature_kernel(order(), l, sigma_w2)
        lemmas += of_part(f"features.{l}", general, sigma_w2 * S, places, found)
    return Proof(FEATURE_METRIC, tuple(lemmas))


FEATURE_METRIC: Theorem = Theorem(
    id="feature-metric",
    says="The metric of a layer's features has one large eigenvalue per output, of order 1.",
    statement=r"""Let $A^l = \frac1N \sum_{k,t} \nabla f_k(t) \nabla f_k(t)^\top$, with the
gradients by the $M_l$ features $h^l$, $l = 0$ the input. As $M \to \infty$ its nonzero eigenvalues
are those of $\frac1N [(K_1^l - K_2^l) I + K_2^l \mathbf 1 \mathbf 1^\top]$, $C$ times, with
\[
  K_a^l = \sigma_w^2 S_a^{l+1}, \qquad m^l = \frac{C K_1^l}{M_l}, \qquad
  \lambda_U^l = \frac{K_1^l + (N-1) K_2^l}{N}.
\]
At the last features $K_1 = K_2 = \sigma_w^2$: there is no bulk.""",
    assumptions=(
        r"Limit: $M \to \infty$ with $N$, $C$, $L$ and the ratios of the widths fixed; sums over "
        "the units of a layer become means (law of large numbers).",
        "Mean field: gradient independence, as in the theorem unnormalized.",
        "Regime: no hidden statistics over the samples, under which a shift common to all samples "
        "is taken off again.",
    ),
    limit="M -> oo, N fixed",
    source="setting: Karakida, Akaho & Amari; every sample-wise scheme: this project",
    rows=tuple(row for part, l in zip(PARTS, LAYERS, strict=True) for row in rows(part, f"[{l}]")),
    cases=tuple(
        Case(network, 16, names(PARTS), default=False)
        for network in (RELU, replace(TANH, layers=None, hidden=LayerNorm(gamma=1.3)))
    ),
    requires=requires,
    prove=prove,
)

if __name__ == "__main__":
    from derivations.command import run

    run("feature-metric")
