"""Mean subtraction in the last layer: the outlier eigenvalues disappear, the bulk stays."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from derivations.approach import EDGE, MEAN_SQUARE
from derivations.networks import NETWORKS
from derivations.theorem import Case, Row, Theorem
from theory import fisher
from theory.architecture import MeanSubtraction, Network
from theory.errors import OutOfRegime
from theory.prediction import predict, unmapped

if TYPE_CHECKING:
    from derivations.proof import Lemma, Proof


def requires(network: Network, samples: int) -> None:
    """Centred outputs, and gradients that differ between samples."""
    if not isinstance(network.last, MeanSubtraction):
        raise OutOfRegime(
            "mean-subtraction-last needs mean subtraction in the last layer, but it has "
            f"{network.last.kind}.\nGive the network last=MeanSubtraction()."
        )
    kappa = predict(unmapped(network), 1000, samples).kappa_leading
    if not kappa.K1 > kappa.K2:
        raise OutOfRegime(
            "mean-subtraction-last needs kappa_1 > kappa_2, but "
            f"kappa_1 = {float(kappa.K1):.4g}, kappa_2 = {float(kappa.K2):.4g}.\n"
            "Two different samples give the same gradient: their correlation q_2/q_1 has reached 1 "
            "at this depth.\nUse fewer layers or another (sigma_w^2, sigma_b^2)."
        )


def prove() -> Proof:
    """The centred dual Fisher matrix and its spectrum; then the same by the recursion."""
    from derivations.proof import Proof

    return Proof(MEAN_SUBTRACTION_LAST, (*_spectrum(), *_moments(), *_recursion()))


def _spectrum() -> tuple[Lemma, ...]:
    import sympy as sp

    from derivations.proof import (
        Apply,
        Coefficient,
        Conjugate,
        Lemma,
        Multiply,
        Result,
        Square,
        Step,
        SumOver,
    )
    from theory.symbols import K1, K2, N, identity, ones, ones_row, t, x

    centring = identity - ones * ones_row / N
    bulk = fisher.bulk_mode(K1 - K2, N)
    length = (ones_row * ones, Result("ones"))
    return (
        Lemma(
            "ones",
            "The vector of ones over the samples.",
            r"\mathbf 1_t",
            sp.S.One,
            (Step(SumOver(t, N), N, "Its squared length.", r"\mathbf 1^{\top}\mathbf 1"),),
        ),
        Lemma(
            "projector",
            "Mean subtraction multiplies the outputs, and their Jacobian, by a matrix.",
            "A",
            centring,
            (
                Step(Square(), centring, "It is a projector."),
                Step(
                    Apply(ones + x),
                    x,
                    r"It removes $\mathbf 1$ and leaves every $x$ orthogonal to it as it is.",
                ),
            ),
            given=(length, (ones_row * x, sp.S.Zero)),
        ),
        Lemma(
            "centred kernel",
            "The kernel of a linear output.",
            "K",
            (K1 - K2) * identity + K2 * ones * ones_row,
            (
                Step(
                    Conjugate(centring, "A"),
                    (K1 - K2) * centring,
                    r"The kernel of the centred output: the part along $\mathbf 1$ is gone.",
                ),
                Step(Multiply(1 / N), bulk * centring, "Its dual Fisher matrix.", r"F^*"),
            ),
            given=(length,),
        ),
        Lemma(
            "eigenvectors",
            r"Apply it to $\mathbf 1$ and to any $x$ orthogonal to it.",
            r"F^*",
            Result("centred kernel"),
            (
                Step(
                    Apply(ones + x),
                    bulk * x,
                    "The eigenvalue is 0 once, and the factor of $x$ for $N - 1$ independent $x$.",
                ),
                Step(
                    Coefficient(x),
                    bulk,
                    "It is the largest, since $K_1 > K_2$.",
                    r"\lambda_{\max}",
                ),
            ),
            given=(length, (ones_row * x, sp.S.Zero)),
            row="largest_eigenvalue",
        ),
    )


def _moments() -> tuple[Lemma, ...]:
    from derivations.proof import Lemma, Multiply, Result, Square, Step, TakeTrace, Trace
    from theory.symbols import K1, K2, C, N, P, identity, ones, ones_row

    gap = K1 - K2
    centring = identity - ones * ones_row / N
    traces = ((ones_row * ones, Result("ones")), (Trace(identity), N))
    return (
        Lemma(
            "trace",
            "The trace of the dual Fisher matrix of an output.",
            r"F^*",
            Result("centred kernel"),
            (
                Step(
                    TakeTrace(),
                    fisher.centred_mean_eigenvalue(gap, N, C=1, P=1),
                    "The projector has the trace $N - 1$.",
                ),
            ),
            given=traces,
            row="mean_eigenvalue",
        ),
        Lemma(
            "mean eigenvalue",
            "The mean over all $P$ eigenvalues.",
            r"\operatorname{tr} F^*",
            Result("trace"),
            (
                Step(
                    Multiply(C / P),
                    fisher.centred_mean_eigenvalue(gap, N, C, P),
                    "$C$ outputs, $P$ eigenvalues.",
                    "m",
                ),
            ),
        ),
        Lemma(
            "trace of the square",
            "The sum of the squared eigenvalues.",
            r"F^*",
            Result("centred kernel"),
            (
                Step(Square(), gap**2 / N**2 * centring, "A projector is its own square."),
                Step(
                    TakeTrace(),
                    fisher.centred_second_moment(gap, N, C=1, P=1),
                    "The trace for one output.",
                ),
            ),
            given=traces,
            row="second_moment",
        ),
        Lemma(
            "second moment",
            "The mean square of the eigenvalues.",
            r"\operatorname{tr} F^{*2}",
            Result("trace of the square"),
            (
                Step(
                    Multiply(C / P),
                    fisher.centred_second_moment(gap, N, C, P),
                    "$C$ outputs, $P$ eigenvalues.",
                    "s",
                ),
            ),
        ),
    )


def _recursion() -> tuple[Lemma, ...]:
    import sympy as sp

    from derivations.proof import Evaluate, Lemma, Step, Substitute, SumOver
    from theory.gaussian import Moments
    from theory.meanfield import OrderParameters
    from theory.normalization import RULES, Backward
    from theory.symbols import (
        S1,
        S2,
        T1,
        T2,
        M,
        N,
        c,
        delta,
        f1,
        f2,
        qh1,
        qh2,
        s,
        s_inner,
        sigma_w2,
        t,
        t_inner,
    )

    pull_back = RULES["none"].pull_back
    layer = Moments(qh1, qh2, qh1 - qh2, f1, f2, f1 - f2)
    one, two = (pull_back(layer, sigma_w2, Backward(*above)) for above in ((T1, S1), (T2, S2)))
    uniform = Backward(T1 + (N - 1) * T2, S1 + (N - 1) * S2)
    gap = Backward(T1 - T2, S1 - S2)
    vanishes = Substitute(((T1, -(N - 1) * T2), (S1, -(N - 1) * S2)))
    none: tuple[sp.Basic, ...] = ()
    kernel = OrderParameters(
        q1=none,
        q2=none,
        q_gap=none,
        qh1=(qh1,),
        qh2=(qh2,),
        qh_gap=(qh1 - qh2,),
        T1=(T1,),
        T2=(T2,),
        T_gap=(gap.T,),
        S1=(S1,),
        S2=(S2,),
        S_gap=(gap.S,),
    ).kernel((M,), bias_gradients=True)

    def of_layer(mode: Backward) -> sp.Basic:
        return M * ((qh1 - qh2) * mode.T + qh2 * mode.S) + mode.S

    def centred(a: sp.Basic, b: sp.Basic) -> sp.Basic:
        return delta(a, b) - c / N

    return (
        Lemma(
            "trace at the outputs",
            r"Mean subtraction folded into the backward recursion: "
            r"$\Lambda^L_{t' s'} = A_{t t'} A_{s s'}$, with $A_{t t'} = \delta_{t t'} - c/N$ and "
            "$c = 1$; linear outputs are the case $c = 0$.",
            r"A_{t t'} A_{s t'}",
            centred(t, t_inner) * centred(s, t_inner),
            (
                Step(
                    SumOver(t_inner, N),
                    delta(t, s) - c * (2 - c) / N,
                    "Sum over the samples: $T_1^L$ where $s = t$, $T_2^L$ elsewhere. "
                    "$T_1^L - T_2^L = 1$ for every $c$.",
                    "T^L",
                ),
                Step(SumOver(s, N), (1 - c) ** 2, "Sum over $s$.", "T_1^L + (N - 1) T_2^L"),
                Step(
                    Substitute(((c, sp.S.One),)),
                    sp.S.Zero,
                    "It vanishes for centred outputs.",
                ),
            ),
        ),
        Lemma(
            "sum at the outputs",
            "The same for the sum.",
            r"A_{t t'} A_{s s'}",
            centred(t, t_inner) * centred(s, s_inner),
            (
                Step(
                    SumOver(s_inner, N),
                    (1 - c) * centred(t, t_inner),
                    "Sum over one inner sample.",
                ),
                Step(
                    SumOver(t_inner, N),
                    (1 - c) ** 2,
                    "Sum over the other: $S_1^L - S_2^L = 0$ for every $c$.",
                    "S^L",
                ),
                Step(
                    Substitute(((c, sp.S.One),)),
                    sp.S.Zero,
                    "Both vanish for centred outputs.",
                ),
            ),
        ),
        Lemma(
            "uniform mode through a layer",
            "One step of the recursion of a layer without normalization.",
            r"\left(T_1^l + (N-1) T_2^l,\ S_1^l + (N-1) S_2^l\right)",
            sp.Tuple(one.T + (N - 1) * two.T, one.S + (N - 1) * two.S),
            (
                Step(
                    Evaluate(),
                    sp.Tuple(*pull_back(layer, sigma_w2, uniform)),
                    "The recursion is linear. $T_a$ and $S_a$ on the right are those of layer "
                    "$l + 1$.",
                ),
                Step(
                    vanishes,
                    sp.Tuple(sp.S.Zero, sp.S.Zero),
                    "What vanishes at the outputs vanishes at every layer.",
                ),
            ),
        ),
        Lemma(
            "difference through a layer",
            "The same for the difference of the two pair types.",
            r"\left(T_1^l - T_2^l,\ S_1^l - S_2^l\right)",
            sp.Tuple(one.T - two.T, one.S - two.S),
            (
                Step(
                    Evaluate(),
                    sp.Tuple(*pull_back(layer, sigma_w2, gap)),
                    "It starts from $(1, 0)$ whether the outputs are centred or not, so it is the "
                    "same at every layer.",
                ),
            ),
        ),
        Lemma(
            "uniform mode of the folded kernel",
            "The contribution of a layer to the kernel, as the prediction forms it.",
            r"K_1^{(l)} + (N-1) K_2^{(l)}",
            kernel.K1 + (N - 1) * kernel.K2,
            (
                Step(
                    Evaluate(),
                    of_layer(uniform),
                    "It depends on the uniform mode alone.",
                ),
                Step(
                    vanishes,
                    sp.S.Zero,
                    r"So $K_1 + (N-1) K_2 = 0$: the kernel is centred, $K \mathbf 1 = 0$.",
                ),
            ),
        ),
        Lemma(
            "difference of the folded kernel",
            "The difference of the two pair types.",
            r"K_1^{(l)} - K_2^{(l)}",
            kernel.K1 - kernel.K2,
            (
                Step(
                    Evaluate(),
                    of_layer(gap),
                    "It depends on the difference alone: $K_1 - K_2$ is that of linear outputs. "
                    "The folded recursion and the projector give the same kernel.",
                ),
            ),
        ),
    )


_TANH, _RELU, _LINEAR, _ERF = (replace(network, last=MeanSubtraction()) for network in NETWORKS)

MEAN_SUBTRACTION_LAST: Theorem = Theorem(
    id="mean-subtraction-last",
    says="Centring the outputs over the samples removes the outlier eigenvalues.",
    statement=r"""Let the last layer subtract from each output its mean over the $N$ samples,
$f_k(t) - \frac1N \sum_s f_k(s)$, and let $K_1 > K_2$ be the kernel of a linear output. Then, as
$M \to \infty$, the eigenvalue $\frac1N (K_1 + (N-1) K_2)$ of each output is replaced by 0, and
\[
  m = \frac{C (N-1)}{N P} (K_1 - K_2), \quad
  s \to \frac{C (N-1)}{P N^2} (K_1 - K_2)^2, \quad
  \lambda_{\max} \to \frac{K_1 - K_2}{N}.
\]""",
    assumptions=(
        r"Limit: $M \to \infty$ with $N$, $C$, $L$ and the ratios of the widths fixed. The largest "
        r"eigenvalue is the edge of a bulk: it converges from above, in powers of $\sqrt{N/M}$.",
        r"Mean field: the kernel of a linear output is $(K_1 - K_2) I + K_2 \mathbf 1 "
        r"\mathbf 1^{\top}$ (theorem unnormalized, with its assumptions).",
        r"Regime: $\kappa_1 > \kappa_2$. Otherwise all samples have the same gradient, and the "
        "centred Fisher matrix vanishes.",
    ),
    limit="M -> oo, N fixed",
    source="Karakida, Akaho & Amari, NeurIPS 2019; folded recursion, finite N: this project",
    rows=(
        Row(
            "mean_eigenvalue",
            r"P m/C",
            "centred_trace",
            lambda t: fisher.centred_mean_eigenvalue(t.K.gap, t.N, C=1, P=1),
        ),
        Row(
            "second_moment",
            r"P s/C",
            "centred_squared_trace",
            lambda t: fisher.centred_second_moment(t.K.gap, t.N, C=1, P=1),
            approach=MEAN_SQUARE,
        ),
        Row(
            "largest_eigenvalue",
            r"\lambda_{\max}",
            "centred_largest",
            lambda t: fisher.bulk_mode(t.K.gap, t.N),
            approach=EDGE,
        ),
    ),
    cases=(
        *(Case(network, 16, ("mean_eigenvalue",)) for network in (_TANH, _RELU, _LINEAR, _ERF)),
        *(
            Case(replace(network, outputs=1), 4, ("largest_eigenvalue",), default=network is _TANH)
            for network in (_TANH, _RELU, _LINEAR, _ERF)
        ),
        *(
            Case(replace(network, outputs=1), 16, ("second_moment",), default=False)
            for network in (_TANH, _ERF)
        ),
    ),
    requires=requires,
    prove=prove,
)

if __name__ == "__main__":
    from derivations.command import run

    run("mean-subtraction-last")
