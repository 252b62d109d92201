"""Mean subtraction in hidden layers: an eigenvalue of order M remains, as with batch norm."""

from __future__ import annotations

from typing import TYPE_CHECKING

from derivations.fisher.sample_statistics import (
    KERNEL,
    KERNEL_ROWS,
    biases,
    of_group,
    require_layers,
    summed,
    two_samples,
    uniform_mode,
    unit_products,
)
from derivations.fisher.unnormalized import kernel, outputs, spectrum
from derivations.theorem import Case, Theorem
from theory.architecture import Activation, MeanSubtraction, Network, NoNormalization
from theory.errors import OutOfRegime
from theory.normalization.layer import Backward, Coupled

if TYPE_CHECKING:
    import sympy as sp

    from derivations.proof import Lemma, Proof


def requires(network: Network, samples: int) -> None:
    """Linear outputs, a hidden mean subtraction, and two samples."""
    require_layers("mean-subtraction-hidden", "mean-subtraction", network, samples)
    if samples < 2:
        raise OutOfRegime(f"mean-subtraction-hidden needs N >= 2 samples, but N = {samples}.")


def prove() -> Proof:
    """The law, the step of the recursion, the kernel, the uniform mode."""
    from derivations.proof import Proof
    from theory.symbols import N

    of_spectrum = {lemma.name: lemma for lemma in spectrum()}
    return Proof(
        MEAN_SUBTRACTION_HIDDEN,
        (
            of_spectrum["ones"],
            *_law(),
            *_step(),
            *outputs(),
            *kernel(),
            *biases(N),
            of_spectrum["eigenvectors"],
            of_spectrum["uniform mode"],
            *_uniform_mode(),
        ),
    )


def _pull_back(above: Backward) -> Backward:
    from theory.normalization import RULES
    from theory.symbols import N, f1, f2, qh1, qh2, sigma_w2

    layer = Coupled(qh1, qh2, qh1 - qh2, f1, f2, f1 - f2, 0, 0, 0, 1 / N)
    return RULES["mean-subtraction"].pull_back(layer, sigma_w2, above)


def _law() -> tuple[Lemma, ...]:
    from derivations.proof import Conjugate, Lemma, Result, Square, Step, Substitute
    from theory.gaussian import moments
    from theory.mathematics import symbols
    from theory.normalization import RULES, PreActivations, Setting
    from theory.pair import Pair
    from theory.symbols import N, identity, ones, ones_row, q1, q2, sigma_b2, sigma_w2, v

    relu = Activation.named("relu")
    law = RULES["mean-subtraction"].law
    found = law(
        relu,
        MeanSubtraction(),
        PreActivations(v + q2, q2, v),
        None,
        Setting(symbols(), N, sigma_w2, sigma_b2),
    ).moments
    at_law = Substitute(((q1, v * (1 - 1 / N)), (q2, -v / N)))

    centring = identity - ones * ones_row / N
    length = ((ones_row * ones, Result("ones")),)
    return (
        Lemma(
            "projector",
            "Mean subtraction multiplies a unit's pre-activations over the samples by a matrix.",
            "A",
            centring,
            (Step(Square(), centring, "It is a projector."),),
            given=length,
        ),
        Lemma(
            "centred pre-activations",
            "Of a unit, over the samples, the covariance is:",
            r"\Sigma",
            v * identity + q2 * ones * ones_row,
            (
                Step(
                    Conjugate(Result("projector"), "A"),
                    v * (identity - ones * ones_row / N),
                    r"What is left is Gaussian, of variance $v (1 - 1/N)$ and covariance $-v/N$.",
                ),
            ),
            given=length,
        ),
        Lemma(
            "ReLU behind mean subtraction",
            "Moments are those of this law: for ReLU, from its kernel (theorem unnormalized),",
            r"E[\max(0, u_t) \max(0, u_s)]",
            moments(relu, Pair.of_samples(q1, q2, q1 - q2)).second,
            (
                Step(
                    at_law,
                    found.second,
                    "As the prediction forms it.",
                    r"\hat q_2",
                ),
            ),
        ),
        Lemma(
            "derivative of ReLU behind mean subtraction",
            "The same for the derivative.",
            r"P(u_t > 0, u_s > 0)",
            moments(relu, Pair.of_samples(q1, q2, q1 - q2)).derivative_second,
            (Step(at_law, found.derivative_second, "As the prediction forms it.", "f_2"),),
        ),
    )


def _step() -> tuple[Lemma, ...]:
    import sympy as sp

    from derivations.proof import Apply, Evaluate, Lemma, Result, Step, Substitute, SumOver
    from theory.symbols import (
        S1,
        S2,
        T1,
        T2,
        Lambda,
        M,
        N,
        S,
        T,
        delta,
        f1,
        f2,
        i,
        ones,
        ones_row,
        psi,
        s_inner,
        sigma_w2,
        t_inner,
        x,
    )

    below = _pull_back(Backward(T, S))
    one, two = (_pull_back(Backward(*above)) for above in ((T1, S1), (T2, S2)))
    same, f = delta(t_inner, s_inner), two_samples(f1, f2, N)
    row_sum = sp.Sum(Lambda[t_inner, s_inner], (s_inner, 1, N))

    def left(T: sp.Basic, S: sp.Basic) -> sp.Basic:
        return sigma_w2 * (f1 * T - (f2 * S + (f1 - f2) * T) / N)

    return (
        Lemma(
            "sum",
            r"The derivatives below are $\zeta_i = A \bar\zeta_i$, with those above the "
            r"activation, and $\Lambda^l = \sum_i \zeta_i \zeta_i^{\top}$.",
            "A",
            Result("projector"),
            (
                Step(Apply(ones + x), x, r"On $\mathbf 1$ and any $x$ orthogonal to it."),
                Step(
                    Substitute(((x, sp.S.Zero),)),
                    sp.sympify(below.S),
                    r"On $\mathbf 1$ alone: $S^l = \mathbf 1^{\top} \Lambda^l \mathbf 1 = 0$, "
                    "whatever comes from above.",
                ),
            ),
            given=((ones_row * ones, Result("ones")), (ones_row * x, sp.S.Zero)),
        ),
        unit_products(
            "products behind mean subtraction",
            r"$T^l = \sum_i \bar\zeta_i^{\top} A \bar\zeta_i$ sums over $t'$ and $s'$, with "
            r"$\bar\zeta_{i t'} = \psi_{i t'} \sum_j W_{ji} \zeta^{l+1}_{j t'}$. Gradient "
            "independence lets the weights be averaged alone, "
            r"$E\,W_{ji} W_{ki} = \frac{\sigma_w^2}{M} \delta_{jk}$.",
            same - 1 / N,
            ((sp.Sum(psi[i, t_inner] * psi[i, s_inner], (i, 1, M)), M * f),),
            same * f - f / N,
        ),
        summed(
            "trace",
            "products behind mean subtraction",
            r"The trace $T^l$ of $\Lambda^l$.",
            N,
            left(Lambda[t_inner, t_inner], row_sum),
            Step(SumOver(t_inner, N), below.T, "Sum over the other.", "T^l"),
        ),
        Lemma(
            "difference of the pair types",
            "One output sample ($a = 1$) less two ($a = 2$), a layer further down.",
            r"T_1^l - T_2^l",
            one.T - two.T,
            (Step(Evaluate(), left(T1 - T2, S1 - S2), "The recursion is linear."),),
        ),
    )


def _uniform_mode() -> tuple[Lemma, ...]:
    from theory.symbols import N, f1, f2, sigma_w2

    return uniform_mode(_pull_back, sigma_w2 * (f1 - f2 - (f1 - f2) / N))


RELU = Network(
    Activation.named("relu"), depth=3, sigma_w2=2, sigma_b2=0.2, hidden=MeanSubtraction()
)
MIXED = Network(
    Activation.named("tanh"),
    depth=3,
    sigma_w2=3,
    sigma_b2=0.64,
    layers=(MeanSubtraction(), NoNormalization()),
)

MEAN_SUBTRACTION_HIDDEN: Theorem = Theorem(
    id="mean-subtraction-hidden",
    says="Hidden mean subtraction leaves an eigenvalue of order M unless E phi vanishes.",
    statement=r"""Let hidden layers subtract from each pre-activation its mean over the $N$ samples.
Below such a layer, for $\Lambda^l_{t's'} = \sum_i \frac{\partial f(t)}{\partial u_i^l(t')}
\frac{\partial f(s)}{\partial u_i^l(s')}$ with trace $T$ and sum $S$,
\[
  T^l = \sigma_w^2 \Bigl[ f_1 T - \frac1N \bigl( f_2 S + (f_1 - f_2) T \bigr) \Bigr]^{l+1}, \qquad
  S^l = 0,
\]
with $f_1 = E\,\psi_t^2$, $f_2 = E\,\psi_t \psi_s$, $\psi = \varphi'$ for a Gaussian pair of
variance $v (1 - 1/N)$ and covariance $-v/N$, $v = q_1 - q_2$. The kernel adds up as without
normalization, and as $M \to \infty$
\[
  \lambda_{\max} \ge M_{L-1} \Bigl( \frac{N-1}{N} \hat q_2^{L-1} + \frac1N \hat q_1^{L-1} \Bigr),
  \qquad \lambda_U = \frac{K_1 + (N-1) K_2}{N}.
\]""",
    assumptions=(
        r"Limit: $M \to \infty$ with $N$, $C$, $L$ and the ratios of the widths fixed; sums over "
        "the units of a layer become means (law of large numbers).",
        "Mean field: the pre-activations of a layer are Gaussian over the samples, independent "
        r"between units, with covariance $v I + q_2 \mathbf 1 \mathbf 1^{\top}$.",
        "Mean field: gradient independence. The weights of the backward pass are averaged as if "
        "they were independent of those of the forward pass.",
        "Layers of another normalization take the step of their own theorem.",
    ),
    limit="M -> oo, N fixed",
    source="lower bound: Karakida, Akaho & Amari, NeurIPS 2019; values at finite N: this project",
    rows=(*KERNEL_ROWS, *of_group("biases", "b")),
    cases=(
        Case(RELU, 16, KERNEL, default=False),
        Case(MIXED, 16, (*KERNEL, "biases_1", "biases_2"), default=False),
    ),
    requires=requires,
    prove=prove,
)

if __name__ == "__main__":
    from derivations.command import run

    run("mean-subtraction-hidden")
