"""The second moment of centred outputs where samples grow with the width: c_2."""

from __future__ import annotations

from typing import TYPE_CHECKING

from derivations.approach import BULK_VARIANCE
from derivations.fisher.bulk_edge import HALF, SQUARE, centred, require_bulk
from derivations.networks import LINEAR, RELU, TANH
from derivations.theorem import Case, Row, Terms, Theorem
from theory.architecture import BatchNorm, GroupNorm, LayerNorm, MeanSubtraction, Network
from theory.mathematics import Number

if TYPE_CHECKING:
    from derivations.proof import Lemma, Proof

ID = "bulk-variance"
QUANTITY = "relative_variance"


def requires(network: Network, samples: int) -> None:
    """Centred outputs whose bulk is derived."""
    require_bulk(ID, network)


def relative_variance(t: Terms) -> Number:
    """The variance of the bulk's eigenvalues over their squared mean."""
    assert t.cumulants is not None
    mean, variance = t.cumulants()
    return variance / mean**2


def prove() -> Proof:
    """The variance of one Gram matrix, of a chain of them, of random weights; linear networks."""
    from derivations.proof import Proof

    return Proof(BULK_VARIANCE_THEOREM, (*_one_layer(), *_chain(), *_linear()))


def _one_layer() -> tuple[Lemma, ...]:
    from derivations.proof import Add, Lemma, Multiply, Result, Step, Substitute, SumOver
    from theory.symbols import (
        M,
        N,
        delta,
        first_sigma,
        i,
        j,
        ratio,
        rho,
        second_sigma,
        share,
    )

    product = N * second_sigma
    square = N**2 * first_sigma**2 + N * second_sigma
    return (
        Lemma(
            "square of a Gram matrix",
            r"Let $h_1, \dots, h_M$ be Gaussian vectors over the samples, of covariance $\Sigma$ "
            r"with $\mathrm{tr}\,\Sigma = N \tau_1$, $\mathrm{tr}\,\Sigma^2 = N \tau_2$, and $H = "
            r"\frac1M \sum_i h_i h_i^\top$. By Isserlis' theorem the mean square of $h_i^\top h_j$ "
            "is:",
            r"E (h_i^\top h_j)^2",
            product + delta(i, j, M) * square,
            (
                Step(SumOver(j, M), M * product + square, "Sum over one unit."),
                Step(SumOver(i, M), M * (M * product + square), "Sum over the other."),
                Step(
                    Multiply(1 / (N * M**2)),
                    second_sigma * (1 + 1 / M) + first_sigma**2 * N / M,
                    "Of the normalized sum.",
                    r"\frac1N E\,\mathrm{tr} H^2",
                ),
            ),
        ),
        Lemma(
            "variance of a Gram matrix",
            r"With $M_l = \rho \alpha_l N$ units, and $N^{-1} \to 0$.",
            r"\frac1N E\,\mathrm{tr} H^2",
            Result("square of a Gram matrix"),
            (
                Step(
                    Substitute(((M, rho * ratio * N),)),
                    second_sigma * (1 + 1 / (rho * ratio * N)) + first_sigma**2 / (rho * ratio),
                    "As many units as the layer has.",
                    r"\frac1N E\,\mathrm{tr} H_l^2",
                ),
                Step(
                    Substitute(((1 / N, share),)),
                    second_sigma * (1 + share / (rho * ratio)) + first_sigma**2 / (rho * ratio),
                    "The share of one sample.",
                ),
                Step(
                    Substitute(((share, 0),)),
                    second_sigma + first_sigma**2 / (rho * ratio),
                    "It vanishes.",
                    r"m_2",
                ),
                Step(
                    Add(-(first_sigma**2)),
                    second_sigma - first_sigma**2 + first_sigma**2 / (rho * ratio),
                    r"The mean of $H$ is $\tau_1$: the variance of its eigenvalues is that of "
                    r"those of $\Sigma$ and a part of its own.",
                ),
            ),
        ),
    )


def _chain() -> tuple[Lemma, ...]:
    import sympy as sp

    from derivations.proof import LINEAR_OUTPUT, Add, Evaluate, Integrate, Lemma, Multiply, Step
    from theory.symbols import (
        C,
        gain_b2,
        gram_below,
        identity,
        mean_law,
        noise_of,
        other_part,
        own_part,
        variance_law,
        weight_below,
        weight_of,
        xi,
    )

    given_below = gain_b2 * gram_below + noise_of * identity
    density = xi ** (C / 2 - 1) * sp.exp(-xi / 2) / (2 ** (C / 2) * sp.gamma(C / 2))
    both = (own_part * xi + C * other_part) ** 2 / C
    terms = LINEAR_OUTPUT._replace(cumulants=lambda: (mean_law, variance_law))
    return (
        Lemma(
            "mean given the layers below",
            r"Given $h^{l-1}$ the units of layer $l$ are Gaussian over the samples, in the "
            r"linear-equivalent model, with $\Sigma = s_l b_l^2 H_{l-1} + R_l I$. What weighs on "
            "the layers below is their own part and this mean.",
            r"x_{l-1} H_{l-1} + X_l \Sigma",
            weight_below * gram_below + weight_of * given_below,
            (
                Step(
                    Evaluate(),
                    (weight_below + gain_b2 * weight_of) * gram_below
                    + weight_of * noise_of * identity,
                    r"So $X_{l-1} = x_{l-1} + s_l b_l^2 X_l$. With the lemma above, the variance "
                    r"is the sum over the layers of $X_l^2 V_l^2/(\rho \alpha_l)$, $V_l$ the mean "
                    r"of $\Sigma$.",
                ),
            ),
        ),
        Lemma(
            "units of random weight",
            r"A unit's centred backpropagated vectors have the covariance $A_l \xi + C B_l$, with "
            r"$\xi = |\omega|^2 = \chi^2_C$: $A_l$ belongs to what samples share of $\omega$. "
            r"Their Gram matrices $\Delta_l$ run down from layer $l + 1$ as the $H_l$ run up, and "
            r"$V_l^2$ becomes:",
            None,
            both * density,
            (
                Step(
                    Integrate(xi, sp.S.Zero, sp.oo),
                    C * (C + 2) * own_part**2 / C
                    + 2 * C * own_part * other_part
                    + C * other_part**2,
                    r"The mean over $\xi$.",
                ),
            ),
        ),
        Lemma(
            "variance over the squared mean",
            "The mean square of the eigenvalues.",
            "m_2",
            mean_law**2 + variance_law,
            (
                Step(
                    Multiply(1 / mean_law**2),
                    1 + variance_law / mean_law**2,
                    "In units of their squared mean.",
                    "m_2/k_1^2",
                ),
                Step(
                    Add(-sp.S.One),
                    variance_law / mean_law**2,
                    "This is what a network shows.",
                ),
            ),
            row=QUANTITY,
            terms=terms,
        ),
    )


def _linear() -> tuple[Lemma, ...]:
    import sympy as sp

    from derivations.proof import Add, Lemma, Multiply, Step, Substitute
    from theory.symbols import C, L, rho

    squares = L * (L + 1) * (2 * L + 1) / 6
    found = [
        Lemma(
            "sum of squares",
            r"In a linear network of equal widths with $\sigma_w^2 = 1$, $b = 1$, $R_l = 0$ and "
            r"$x_l = \rho$: $X_l = \rho (L - l)$ and $k_2 = \rho \sum_{k=1}^L k^2$. The sum is "
            "a cubic, because it is 0 for $L = 0$ and grows as it should:",
            r"\sum_{k=1}^L k^2",
            squares,
            (
                Step(
                    Add(-squares.subs(L, L - 1)),
                    L**2,
                    "Less the sum of one layer less: the square of the last.",
                ),
            ),
        ),
    ]
    for depth, value in ((2, 5), (3, 14), (4, 30)):
        found.append(
            Lemma(
                f"{depth} layers",
                r"$c_2 = C k_2/\rho$.",
                "k_2",
                rho * squares,
                (
                    Step(Multiply(C / rho), C * squares, "Does not depend on rho.", "c_2"),
                    Step(
                        Substitute(((L, sp.Integer(depth)),)),
                        value * C,
                        f"At $L = {depth}$, for any variance of the biases.",
                    ),
                ),
            )
        )
    return tuple(found)


BULK_VARIANCE_THEOREM: Theorem = Theorem(
    id=ID,
    says="With samples in proportion to the width, the eigenvalues of centred outputs have a "
    "variance in closed form, which gives c_1 and c_2.",
    statement=r"""In the setting of the theorem bulk-edge let $k_1$ and $k_2$ be mean and variance
of the nonzero eigenvalues of $F$. As $M \to \infty$
\begin{gather*}
  k_2 = \frac1\rho \Bigl\{ \frac{X_0^2}{\alpha_0} + \sum_{l=1}^{L-1} \frac1{\alpha_l}
        E \bigl[ X_l^2 V^2 + 2 X_l Y_l\, p_2 (hd - mb)^2 \\
        {} + Y_l^2 \left( (C+2) A_l^2 + 2 C A_l B_l + C B_l^2 \right) \bigr] \Bigr\}, \\
  c_2 = \frac{C k_2}{\rho}, \qquad c_1 = \frac{k_2}{k_1},
\end{gather*}
with the effective weights $X_l$ of activations and $Y_l$ of backpropagated vectors. A linear
network of equal widths with $\sigma_w^2 = 1$ has
$c_2/C = 1 + 4 + \dots + L^2$: 5, 14, 30 for $L = 2, 3, 4$.""",
    assumptions=(
        r"Limit: $M \to \infty$ with $N = M/\rho$; $C$, $L$ and the ratios of the widths fixed.",
        "Derived, not proved: a layer acts like a Gaussian linear map and independent noise "
        "(linear-equivalent model), and forward and backward chains are free of each other. What "
        "is algebra is checked: the square of a Gram matrix, the chain, the law of the weights.",
    ),
    limit="M -> oo, N = M/rho",
    source="this project; Gram matrices: Wishart, Biometrika 1928",
    rows=(
        Row(
            QUANTITY,
            r"k_2/k_1^2",
            "relative_variance",
            relative_variance,
            approach=BULK_VARIANCE,
        ),
    ),
    cases=tuple(
        Case(network, samples, (QUANTITY,), default=False)
        for network, samples in (
            (centred(TANH, 2), SQUARE),
            (centred(LINEAR, 3), SQUARE),
            (centred(RELU, 3), HALF),
            (centred(RELU, 2, LayerNorm(eps=0.5)), SQUARE),
            (centred(RELU, 2, GroupNorm(groups=2)), SQUARE),
            (centred(TANH, 2, BatchNorm()), SQUARE),
            (centred(RELU, 2, MeanSubtraction()), SQUARE),
        )
    ),
    requires=requires,
    prove=prove,
)

if __name__ == "__main__":
    from derivations.command import run

    run(ID)
