"""The NTK parameterization: every layer's weights count alike, and the spectrum has no width."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from derivations.fisher.unnormalized import UNNORMALIZED, spectrum
from derivations.networks import RELU, TANH
from derivations.theorem import Case, Theorem
from theory.architecture import Activation, Network, NoNormalization
from theory.errors import OutOfRegime
from theory.prediction import predict

if TYPE_CHECKING:
    from derivations.proof import Lemma, Proof

WHOLE = ("kappa_1", "kappa_2", "uniform_mode")


def requires(network: Network, samples: int) -> None:
    """Linear outputs in the NTK parameterization."""
    if not isinstance(network.last, NoNormalization) or network.loss != "mse":
        raise OutOfRegime("ntk-parameterization needs linear outputs.")
    if network.parameterization != "ntk":
        raise OutOfRegime(
            "ntk-parameterization needs parameterization = 'ntk', but it is "
            f"{network.parameterization}."
        )
    predict(network, 1000, samples)


def prove() -> Proof:
    """The factors of the gradients, the kernel, and what it is without normalization."""
    from derivations.proof import Proof

    return Proof(NTK_PARAMETERIZATION, (*_kernel(), *_unnormalized(), *spectrum()))


def _kernel() -> tuple[Lemma, ...]:
    import sympy as sp

    from derivations.fisher.layered import kernel, of_layer, of_pair, over_layers
    from derivations.proof import Add, Lemma, Multiply, Step, SumOver
    from theory.symbols import (
        M,
        S,
        T,
        h,
        j,
        qh1,
        qh2,
        s_inner,
        sigma_b2,
        sigma_w2,
        t_inner,
    )

    found = kernel(NTK)
    layer = sigma_w2 * ((qh1 - qh2) * T + qh2 * S) + sigma_b2 * S
    overlap = of_pair(qh1, qh2)
    return (
        Lemma(
            "gradients of a unit",
            r"With $u_i = \frac{\sigma_w}{\sqrt M} \sum_j W_{ij} h_j + \sigma_b b_i$ the "
            r"derivatives of $u_i$ are $\frac{\sigma_w}{\sqrt M} h_j$ and $\sigma_b$.",
            "h_{j t'} h_{j s'}",
            h[j, t_inner] * h[j, s_inner],
            (
                Step(SumOver(j, M), M * overlap, "Sum over the weights of the unit."),
                Step(
                    Multiply(sigma_w2 / M),
                    sigma_w2 * overlap,
                    "The square of their factor cancels the width.",
                ),
                Step(Add(sigma_b2), sigma_w2 * overlap + sigma_b2, "With the bias."),
            ),
            given=((sp.Sum(h[j, t_inner] * h[j, s_inner], (j, 1, M)), M * overlap),),
        ),
        of_layer(
            r"Times $\zeta_{i t'} \zeta_{i s'}$, summed over the units of the layer:",
            lambda moment: sigma_w2 * moment + sigma_b2,
            "The product of the backward vectors.",
            "kernel of a layer",
        ),
        over_layers("kernel of one sample", "kappa_1", 1, "kernel of a layer", layer, found),
        over_layers("kernel of two samples", "kappa_2", 2, "kernel of a layer", layer, found),
    )


def _unnormalized() -> tuple[Lemma, ...]:
    import sympy as sp

    from derivations.proof import Lemma, Result, Step, Substitute
    from theory.mathematics import symbols
    from theory.meanfield import order_parameters
    from theory.symbols import S2, N, S, T, qh2, sigma_b2, sigma_w2

    linear = Network(Activation.named("linear"), depth=2, sigma_w2=1, input_overlaps=(1, 0))
    order = order_parameters(linear, symbols(), N, sigma_w2, sigma_b2)
    inputs = ((qh2, order.qh2[1]),)
    return (
        Lemma(
            "without normalization",
            r"There $T_1 = S_1$ for one sample, and $T_2 = 0$ for two.",
            "K^{(l)}",
            Result("kernel of a layer"),
            (
                Step(
                    Substitute(((T, sp.S.Zero), (S, S2))),
                    (sigma_w2 * qh2 + sigma_b2) * S2,
                    r"Two samples: $K_2^{(l)} = S_2^l q_2^l$; one sample likewise.",
                    "K_2^{(l)}",
                ),
                Step(
                    Substitute(inputs),
                    order.q2[1] * S2,
                    "For a linear layer on uncorrelated inputs, with the $q_2$ of the prediction.",
                    "K_2^{(l)}",
                ),
            ),
        ),
    )


NTK = replace(TANH, outputs=1, parameterization="ntk")

NTK_PARAMETERIZATION: Theorem = Theorem(
    id="ntk-parameterization",
    says="In the NTK parameterization the largest eigenvalue does not grow with the width.",
    statement=r"""Let $u_i = \frac{\sigma_w}{\sqrt{M_{l-1}}} \sum_j W_{ij} h_j + \sigma_b b_i$ with
standard normal $W$ and $b$, and $F$ that of $W$ and $b$. As $M \to \infty$,
\begin{gather*}
  J J^\top \to (K_1 - K_2)\, I + K_2 \mathbf 1 \mathbf 1^\top, \\
  K_a = \sum_{l=1}^L \left[ \sigma_w^2 \left( (\hat q_1^{l-1} - \hat q_2^{l-1})\, T_a^l
        + \hat q_2^{l-1} S_a^l \right) + \sigma_b^2 S_a^l \right],
\end{gather*}
without normalization $\sum_l S_a^l q_a^l$. The eigenvalues $\frac1N (K_1 + (N-1) K_2)$ and
$\frac1N (K_1 - K_2)$ have limits; $m$ and $s$ fall like $1/P$.""",
    assumptions=(
        r"Limit: $M \to \infty$ with $N$, $C$, $L$ and the ratios of the widths fixed; sums over "
        "the units of a layer become means (law of large numbers).",
        "Mean field: gradient independence, as in the theorem unnormalized.",
    ),
    limit="M -> oo, N fixed",
    source="parameterization: Jacot, Gabriel & Hongler, NeurIPS 2018; kernel: theorem placements",
    rows=tuple(UNNORMALIZED.row(quantity) for quantity in WHOLE),
    cases=(
        Case(NTK, 16, WHOLE, default=False),
        Case(replace(RELU, outputs=1, parameterization="ntk"), 16, WHOLE, default=False),
    ),
    requires=requires,
    prove=prove,
)

if __name__ == "__main__":
    from derivations.command import run

    run("ntk-parameterization")
