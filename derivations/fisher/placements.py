"""Any scheme in any hidden layer: the kernel and the uniform mode follow from (T, S)."""

from __future__ import annotations

from itertools import product
from typing import TYPE_CHECKING

from derivations.fisher.unnormalized import UNNORMALIZED, kernel, outputs, spectrum
from derivations.theorem import Case, Theorem
from theory.architecture import (
    Activation,
    BatchNorm,
    GroupNorm,
    LayerNorm,
    MeanSubtraction,
    Network,
    NoNormalization,
    RMSNorm,
    Scheme,
)
from theory.errors import OutOfRegime
from theory.prediction import predict

if TYPE_CHECKING:
    from derivations.proof import Proof

QUANTITIES = ("kappa_1", "kappa_2", "uniform_mode")
SCHEMES: tuple[Scheme, ...] = (NoNormalization(), MeanSubtraction(), BatchNorm(), LayerNorm())
OTHERS: tuple[Scheme, ...] = (
    BatchNorm(gamma=1.3, beta=0.5, eps=0.2),
    BatchNorm(gamma=1.1, beta_std=0.4, trained=True),
    LayerNorm(gamma=1.3, beta=0.4, eps=0.1),
    RMSNorm(gamma=0.8, beta_std=0.5),
    GroupNorm(groups=4, beta=0.3),
)


def requires(network: Network, samples: int) -> None:
    """Linear outputs, statistics over all samples, and at least 6 of them for batch norm."""
    if not isinstance(network.last, NoNormalization) or network.loss != "mse":
        raise OutOfRegime("placements needs linear outputs: it is about the hidden layers.")
    if network.batch_size is not None:
        raise OutOfRegime("placements needs statistics over all samples: leave out batch_size.")
    if samples <= 5 and any(isinstance(scheme, BatchNorm) for scheme in network.layers or ()):
        raise OutOfRegime(
            f"placements needs N > 5 samples with hidden batch norm, but N = {samples}: the "
            "variance of 1/sigma^2, and with it that of the measured kernel, is infinite.\nUse "
            "more samples."
        )
    predict(network, 1000, samples)


def prove() -> Proof:
    """From (T, S) of every layer to the kernel and its spectrum."""
    from derivations.proof import Proof

    return Proof(PLACEMENTS, (*outputs(), *kernel(), *spectrum()))


def _network(*layers: Scheme) -> Network:
    return Network(Activation.named("relu"), depth=3, sigma_w2=2, sigma_b2=0.2, layers=layers)


PLACEMENTS: Theorem = Theorem(
    id="placements",
    says="Whatever normalizes which hidden layer, two numbers per pair type give the kernel.",
    statement=r"""Let every hidden layer have a scheme of its own, with the backward numbers
$T_a^l = \operatorname{tr} \Lambda_a^l$ and $S_a^l = \mathbf 1^\top \Lambda_a^l \mathbf 1$ of its
rule (theorems batchnorm-hidden, mean-subtraction-hidden, layernorm-hidden, unnormalized). Then, as
$M \to \infty$,
\begin{gather*}
  K_a = \sum_{l=1}^L \left[ M_{l-1} \left( (\hat q_1^{l-1} - \hat q_2^{l-1})\, T_a^l
        + \hat q_2^{l-1} S_a^l \right) + S_a^l \right], \\
  \lambda_U = \frac{K_1 + (N-1) K_2}{N}.
\end{gather*}""",
    assumptions=(
        r"Limit: $M \to \infty$ with $N$, $C$, $L$ and the ratios of the widths fixed; sums over "
        "the units of a layer become means (law of large numbers).",
        "Mean field: gradient independence, as in the theorem unnormalized.",
        r"The numbers $T$ and $S$ of each layer are those of its scheme's rule.",
    ),
    limit="M -> oo, N fixed",
    source="the recursion for any placement: this project",
    rows=tuple(row for row in UNNORMALIZED.rows if row.quantity in (*QUANTITIES, "second_moment")),
    cases=(
        *(
            Case(_network(one, two), 16, QUANTITIES, default=False)
            for one, two in product(SCHEMES, repeat=2)
        ),
        *(Case(_network(one, one), 16, QUANTITIES, default=False) for one in OTHERS),
    ),
    requires=requires,
    prove=prove,
)

if __name__ == "__main__":
    from derivations.command import run

    run("placements")
