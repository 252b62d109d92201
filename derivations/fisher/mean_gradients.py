"""The top eigenvectors of the Fisher matrix span the mean gradients of the outputs."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from derivations.approach import MEAN
from derivations.fisher.sample_statistics import without_rows
from derivations.networks import RELU, TANH
from derivations.theorem import Case, Row, Theorem
from theory import fisher
from theory.architecture import LayerNorm, Network, NoNormalization
from theory.errors import OutOfRegime
from theory.mathematics import of
from theory.prediction import predict

if TYPE_CHECKING:
    from derivations.proof import Proof

ID = "mean-gradients"
QUANTITY = "squared_cosine"
ONE_OUTPUT = replace(MEAN, one_output=True)
"""Of several outputs, the narrow networks of a check mix the least of the uniform modes with the
bulk: powers of 1/M set in at M = 512 only."""


def requires(network: Network, samples: int) -> None:
    """Linear outputs, statistics over all samples, and a uniform mode above the bulk."""
    if not isinstance(network.last, NoNormalization) or network.loss != "mse":
        raise OutOfRegime(f"{ID} needs linear outputs: other maps take the uniform mode away.")
    if network.batch_size is not None:
        raise OutOfRegime(f"{ID} needs statistics over all samples: leave out batch_size.")
    K = predict(network, 1000, samples).kappa_leading
    if K.K2 <= 0:
        raise OutOfRegime(
            f"{ID} needs kappa_2 > 0, but kappa_2 = {K.K2:.3g}: the uniform mode does not stand "
            "above the bulk."
        )


def prove() -> Proof:
    """The mean gradient, its image, and the angle between them."""
    import sympy as sp

    from derivations.fisher.unnormalized import spectrum
    from derivations.proof import Evaluate, Lemma, Multiply, Proof, Result, Square, Step
    from theory.symbols import K1, K2, N, identity, jacobian, jacobian_t, ones, ones_row

    uniform = fisher.uniform_mode(K1, K2, N)
    kernel = (K1 - K2) * identity + K2 * ones * ones_row
    given = ((jacobian * jacobian_t, kernel), (ones_row * ones, Result("ones")))
    gram = jacobian * jacobian_t
    squared_length, product = N**2 * uniform, N**2 * uniform**2
    return Proof(
        MEAN_GRADIENTS,
        (
            *without_rows(spectrum(), "ones", "eigenvectors", "uniform mode", "bulk"),
            *without_rows(spectrum(), "mean gradients"),
            Lemma(
                "length of the mean gradient",
                r"With $g = J^\top \mathbf 1$, $N$ times the mean gradient of an output:",
                r"g^\top g",
                ones_row * gram * ones,
                (Step(Evaluate(), squared_length, "Multiply.", r"|g|^2"),),
                given=given,
            ),
            Lemma(
                "product with its image",
                r"The Fisher matrix $F = J^\top J/N$ stretches $g$ by $\lambda_U$.",
                r"F g",
                Result("mean gradients"),
                (Step(Multiply(ones_row * jacobian), product, "Times $g$.", r"g^\top F g"),),
                given=given,
            ),
            Lemma(
                "length of its image",
                "Likewise.",
                r"\mathbf 1^\top (J J^\top)^3 \mathbf 1/N^2",
                ones_row * gram * gram * gram * ones / N**2,
                (Step(Evaluate(), N**2 * uniform**3, "Multiply.", r"|F g|^2"),),
                given=given,
            ),
            Lemma(
                "squared cosine",
                r"So $g$ and $F g$ enclose the angle 0. The eigenvalue $\lambda_U$ exceeds that of "
                r"the bulk by $K_2 > 0$; the gradients of different outputs are orthogonal.",
                r"g^\top F g",
                Result("product with its image"),
                (
                    Step(Square(), product**2, "Squared."),
                    Step(
                        Multiply(1 / squared_length),
                        N**2 * uniform**3,
                        "Over the squared length of $g$.",
                    ),
                    Step(
                        Multiply(1 / (N**2 * uniform**3)),
                        sp.S.One,
                        "And over that of its image.",
                        r"\cos^2",
                    ),
                ),
                row=QUANTITY,
            ),
        ),
    )


MEAN_GRADIENTS: Theorem = Theorem(
    id=ID,
    says="The top C eigenvectors of the Fisher matrix span the mean gradients of the outputs.",
    statement=r"""Let $K_2 > 0$ and $g_k = \sum_t \nabla f_k(t)$. As $M \to \infty$ the $C$ largest
eigenvalues of $F$ belong to the space that $g_1, \dots, g_C$ span:
\[
  F g_k \to \lambda_U\, g_k, \qquad \cos^2\theta \to 1,
\]
$\theta$ the largest principal angle between this space and that of the top $C$ eigenvectors.
Kernels fluctuate by $M^{-1/2}$, and so does $\theta$; $1 - \cos^2\theta$ falls like $M^{-1}$.""",
    assumptions=(
        r"Limit: $M \to \infty$ with $N$, $C$, $L$ and the ratios of the widths fixed.",
        "Mean field: the kernel of the theorems unnormalized and placements.",
        r"Regime: $\kappa_2 > 0$, so that the uniform mode is the largest eigenvalue.",
    ),
    limit="M -> oo, N fixed",
    source="Karakida, Akaho & Amari, AISTATS 2019",
    rows=(
        Row(
            QUANTITY,
            r"\cos^2\theta",
            "top_eigenspace_cosine",
            lambda t: of(t.N).number(1),
            approach=ONE_OUTPUT,
        ),
    ),
    cases=tuple(
        Case(network, 16, (QUANTITY,), default=False)
        for network in (
            replace(RELU, outputs=1),
            replace(TANH, outputs=1),
            replace(TANH, layers=None, hidden=LayerNorm(), outputs=1),
        )
    ),
    requires=requires,
    prove=prove,
)

if __name__ == "__main__":
    from derivations.command import run

    run(ID)
