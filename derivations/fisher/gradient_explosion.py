"""Batch norm of ReLU layers: gradients grow by a constant factor with every layer downwards."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from derivations.fisher.batchnorm_hidden import carried_moments, step
from derivations.fisher.batchnorm_last import derivative, variance
from derivations.fisher.sample_statistics import require_layers, without_rows
from derivations.theorem import Case, Row, Terms, Theorem
from theory.architecture import Activation, BatchNorm, Network
from theory.errors import OutOfRegime
from theory.mathematics import Number

if TYPE_CHECKING:
    from derivations.proof import Lemma, Proof


def requires(network: Network, samples: int) -> None:
    """ReLU, four layers of weights, batch norm in each hidden one without shift or regularizer."""
    id = "gradient-explosion"
    require_layers(id, "batchnorm", network, samples)
    if network.activation.name != "relu":
        raise OutOfRegime(f"{id} is about relu, but the activation is {network.activation.name}.")
    for scheme in network.layers or ():
        if not isinstance(scheme, BatchNorm) or (scheme.beta, scheme.beta_std, scheme.eps) != (
            0,
            0,
            0,
        ):
            raise OutOfRegime(
                f"{id} needs batch norm with beta = 0 and eps = 0 in every hidden layer."
            )
    if network.depth < 4:
        raise OutOfRegime(
            f"{id} needs depth 4, but depth = {network.depth}: layers 2 and 3 are the first two "
            "that both lie between ReLU layers."
        )
    if samples <= 5:
        raise OutOfRegime(
            f"{id} needs N > 5 samples, but N = {samples}: the mean of 1/sigma^4 of a unit does "
            "not exist, so that measured gradients have infinite variance."
        )


def prove() -> Proof:
    """The step of the recursion, the law of ReLU on the sphere, the ratio."""
    from derivations.proof import Proof

    return Proof(
        GRADIENT_EXPLOSION,
        (
            *derivative(),
            *without_rows(variance(), "centred outputs", "mean inverse variance"),
            *step(),
            *_ratio(),
        ),
    )


def _ratio() -> tuple[Lemma, ...]:
    import sympy as sp

    from derivations.fisher.symbolic_layers import three_layers
    from derivations.proof import LINEAR_OUTPUT, Evaluate, Lemma, Multiply, Result, Step, Substitute
    from theory.gaussian import moments
    from theory.mathematics import symbols
    from theory.normalization import RULES, Backward, PreActivations, Setting
    from theory.pair import Pair
    from theory.symbols import (
        N,
        S,
        T,
        f1,
        f2,
        gamma,
        p1,
        p2,
        q1,
        q2,
        share,
        sigma_b2,
        sigma_w2,
        v,
    )

    relu, rule = Activation.named("relu"), RULES["batchnorm"]

    def layer(gap: sp.Basic, batch: sp.Basic | None = N) -> sp.Basic:
        setting = Setting(symbols(), batch, sigma_w2, sigma_b2)
        pair = PreActivations(gap + q2, q2, gap)
        return rule.law(relu, BatchNorm(gamma=gamma), pair, None, setting).moments

    unit, endless = layer(v), layer(v, None)
    above_endless = rule.pull_back(
        layer(sigma_w2 * endless.gap, None), sigma_w2, Backward(T, sp.S.Zero)
    )
    half = sp.Rational(1, 2)
    of_relu = ((S, sp.S.Zero), (f1, half), (p1, half), (v, sigma_w2 * gamma**2 * (half - p2)))
    below = rule.pull_back(carried_moments(), sigma_w2, Backward(T, S)).T
    below = below.subs(dict(of_relu), simultaneous=True)
    gaussian = moments(relu, Pair.of_samples(q1, q2, q1 - q2))
    on_sphere = Substitute(((q1, sp.S.One), (q2, -1 / (N - 1))))
    many, endlessly = Substitute(((N, 1 / share),)), Substitute(((share, sp.S.Zero),))
    slope = unit.derivative_second * v * (1 - 3 / N) / gamma**2
    ratio = N / ((N - 3) * (half - p2)) * (half - (1 - f2 - p2) / N)

    def at_share(expression: sp.Basic) -> sp.Basic:
        return expression.subs(N, 1 / share)

    return (
        Lemma(
            "ReLU on the sphere",
            r"A Gaussian vector over the samples, of variance 1 and covariance $-1/(N-1)$, is "
            r"$\hat u$ times its length, which is independent of $\hat u$ and of mean square 1 in "
            r"units of $N$. The product of two ReLU is of degree 2 in the length: on the sphere it "
            "has the mean of this Gaussian, from the arc-cosine kernel (theorem unnormalized).",
            r"E[\max(0, u_t) \max(0, u_s)]",
            gaussian.second,
            (
                Step(
                    on_sphere,
                    unit.second / gamma**2,
                    r"This is $p_2$ as well, since $x \varphi'(x) = \varphi(x)$.",
                    "p_2",
                ),
            ),
        ),
        Lemma(
            "derivative of ReLU on the sphere",
            "The derivative does not depend on the length at all.",
            r"P(u_t > 0, u_s > 0)",
            gaussian.derivative_second,
            (
                Step(
                    on_sphere,
                    slope,
                    r"The prediction carries $\gamma^2 E\,\sigma^{-2}$ with it.",
                    "f_2",
                ),
            ),
        ),
        Lemma(
            "ratio",
            r"Between two ReLU layers $S^{l+1} = 0$, $f_1 = p_1 = \frac12$, and the layer's gap is "
            r"$v = \sigma_w^2 (\hat q_1 - \hat q_2) = \sigma_w^2 \gamma^2 (\frac12 - p_2)$.",
            "T^l",
            Result("trace"),
            (
                Step(
                    Substitute(of_relu),
                    ratio * T,
                    r"The variances of weights and biases and the gain drop out.",
                    "T^l",
                ),
                Step(Multiply(1 / T), ratio, "From one layer to the next.", "R_N"),
            ),
            row="gradient_ratio",
            terms=LINEAR_OUTPUT._replace(
                order=replace(three_layers(), T1=(three_layers().T1[0], below, T))
            ),
        ),
        Lemma(
            "ReLU of infinitely many samples",
            "As a function of $N^{-1}$ it is continuous at 0.",
            "p_2",
            Result("ReLU on the sphere"),
            (
                Step(many, at_share(unit.second / gamma**2), "In terms of it.", "p_2"),
                Step(endlessly, 1 / (2 * sp.pi), "The square of the mean.", "p_2"),
            ),
        ),
        Lemma(
            "infinitely many samples",
            "So is the ratio, and $f_2$ drops out.",
            "R_N",
            Result("ratio"),
            (
                Step(
                    many,
                    (half - share * (1 - f2 - p2)) / ((1 - 3 * share) * (half - p2)),
                    "In terms of $N^{-1}$.",
                    "R_N",
                ),
                Step(
                    Substitute(
                        (
                            (share, sp.S.Zero),
                            (p2, Result("ReLU of infinitely many samples")),
                        )
                    ),
                    sp.pi / (sp.pi - 1),
                    "At 0.",
                    r"R_\infty",
                ),
                Step(
                    Evaluate(),
                    above_endless.T / T,
                    "As the prediction for infinitely many samples has it.",
                ),
            ),
        ),
    )


def _predicted(t: Terms) -> Number:
    assert t.order is not None
    return t.order.T1[1] / t.order.T1[2]


RELU = Network(Activation.named("relu"), depth=4, sigma_w2=2, sigma_b2=0.2, hidden=BatchNorm())

GRADIENT_EXPLOSION: Theorem = Theorem(
    id="gradient-explosion",
    says="Below batch-normalized ReLU layers the squared gradients grow by R_N with every layer.",
    statement=r"""Let all hidden layers be ReLU with batch norm over the $N$ samples, without shift.
Then the squared gradients $T^l = \sum_{t', i} (\partial f(t)/\partial u_i^l(t'))^2$ of one sample
grow from layer to layer, for $1 < l < L - 1$ and as $M \to \infty$, by
\begin{gather*}
  \frac{T^l}{T^{l+1}} \to R_N = \frac{N}{(N-3)(\frac12 - p_2)}
     \Bigl( \frac12 - \frac{1 - f_2 - p_2}{N} \Bigr), \qquad \cos\theta = -\frac1{N-1}, \\
  p_2 = \frac{\sin\theta + (\pi - \theta) \cos\theta}{2\pi}, \qquad
  f_2 = \frac{\pi - \theta}{2\pi}, \qquad R_\infty = \frac{\pi}{\pi - 1},
\end{gather*}
whatever $\sigma_w^2$, $\sigma_b^2$ and $\gamma$ are.""",
    assumptions=(
        r"Limit: $M \to \infty$ with $N$, $C$, $L$ and the ratios of the widths fixed.",
        "Mean field: the pre-activations of a layer are Gaussian over the samples, independent "
        "between units; gradient independence (theorem batchnorm-hidden).",
        r"Regime: ReLU, $\beta = 0$, $\epsilon = 0$; $N > 3$ for the mean of $1/\sigma^2$, and "
        r"$N > 5$ for that of $1/\sigma^4$, without which a measured gradient has no variance.",
    ),
    limit="M -> oo, N fixed",
    source="setting: Yang et al., ICLR 2019; finite N: this project",
    rows=(Row("gradient_ratio", r"T^2/T^3", "gradient_ratio", _predicted),),
    cases=tuple(Case(RELU, N, ("gradient_ratio",), default=False) for N in (10, 20)),
    requires=requires,
    prove=prove,
)

if __name__ == "__main__":
    from derivations.command import run

    run("gradient-explosion")
