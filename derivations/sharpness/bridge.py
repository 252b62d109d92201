"""The bridge: the Gauss-Newton part of the spherical sharpness of a random network, by kernels."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from derivations.fisher.batchnorm_last import derivative, traces
from derivations.fisher.sample_statistics import without_rows
from derivations.networks import LINEAR, RELU, TANH
from derivations.theorem import Case, Row, Terms, Theorem
from theory import scale_invariance as exact
from theory.architecture import BatchNorm, LayerNorm, Network
from theory.bridge import require_sphere, spherical_eigenvalue, squared_norm, time_to_edge_at
from theory.errors import OutOfRegime
from theory.mathematics import Number

if TYPE_CHECKING:
    from derivations.proof import Lemma, Proof

LAYERS: tuple[int, ...] = (1, 2, 3)
ROWS = ("weights", *(f"weights.{l}" for l in LAYERS))
NETWORKS = tuple(
    replace(network, layers=None, last=BatchNorm(gamma=1.3), **fields)
    for network, fields in (
        (RELU, {"sigma_b2": 0}),
        (TANH, {"hidden": BatchNorm(), "outputs": 2}),
        (LINEAR, {"sigma_b2": 0, "outputs": 1}),
        (TANH, {"sigma_b2": 0, "hidden": LayerNorm(), "outputs": 2}),
    )
)


def requires(network: Network, samples: int) -> None:
    """The regime of ``theory.bridge``, and three layers."""
    require_sphere(network, samples)
    if network.depth < len(LAYERS):
        raise OutOfRegime(
            f"bridge needs depth {len(LAYERS)}, but depth = {network.depth}: its rows are those of "
            "all weights and of the layers 1 to 3."
        )


def in_own_units(t: Terms) -> Number:
    r"""The eigenvalue on the sphere, over :math:`|w|^2 \gamma^2/\sigma^2`."""
    return spherical_eigenvalue(t.K.gap, t.N)


def prove() -> Proof:
    """The sphere, the trace behind batch norm, the kernel of each layer, and the edge."""
    from derivations.proof import Proof

    behind = (
        "directions",
        "rank",
        "kernel behind batch norm",
        "trace",
        "trace given the outputs",
    )
    return Proof(
        BRIDGE,
        (
            *_sphere(),
            *derivative(),
            *without_rows(traces(), *behind),
            *_eigenvalue(),
            *_layers(),
            *_norm(),
            *_edge(),
        ),
    )


def _sphere() -> tuple[Lemma, ...]:
    from derivations.proof import Lemma, Multiply, Step
    from theory.symbols import N, jacobian, jacobian_t, length

    return (
        Lemma(
            "sphere",
            r"The outputs do not see the length of $w = \ell_w \theta$, so their gradients, like "
            r"that of a loss, are those at $\theta$ over $\ell_w$ (theorem scale-invariance). With "
            r"$J$ the Jacobian at $\theta$:",
            "F(w)",
            jacobian_t * jacobian / (N * length**2),
            (
                Step(
                    Multiply(length**2),
                    jacobian_t * jacobian / N,
                    r"Times $|w|^2$ it is that at the direction.",
                    r"|w|^2 F(w)",
                ),
            ),
        ),
    )


def _eigenvalue() -> tuple[Lemma, ...]:
    import sympy as sp

    from derivations.proof import Lemma, Multiply, Result, Step, SumOver
    from theory.symbols import K1, K2, C, N, gamma, inverse, inverses, k, length

    def eigenvalue(over_variance: sp.Basic) -> Number:
        return spherical_eigenvalue(
            K1 - K2, N, norm2=length**2, inverse_variance=gamma**2 * over_variance
        )

    return (
        Lemma(
            "mean on the sphere",
            r"The trace of $|w|^2 F$ is that of the dual matrix: $|w|^2/N$ times the kernels "
            r"$\gamma^2 B K B/\sigma_k^2$ of all outputs, with $\varpi_k = 1/\sigma_k^2$.",
            r"\operatorname{tr} BKB",
            Result("trace given the outputs"),
            (
                Step(
                    Multiply(length**2 * gamma**2 * inverses[k] / N),
                    (N - 2) * eigenvalue(inverses[k]),
                    "Of one output.",
                    r"\operatorname{tr}_k",
                ),
                Step(
                    SumOver(k, C),
                    (N - 2) * C * eigenvalue(inverse),
                    "Of all.",
                    r"|w|^2 \operatorname{tr} F",
                ),
                Step(
                    Multiply(1 / ((N - 2) * C * length**2 * gamma**2 * inverse)),
                    spherical_eigenvalue(K1 - K2, N),
                    r"The mean of $N - 2$ eigenvalues, over $|w|^2 \sum_k \gamma^2/\sigma_k^2$.",
                    r"\bar\lambda",
                ),
            ),
            given=((sp.Sum(inverses[k], (k, 1, C)), C * inverse),),
        ),
    )


def _layers() -> tuple[Lemma, ...]:
    """The rows: the mean on the sphere with the kernel of one layer's weights, and of all."""
    import sympy as sp

    from derivations.fisher.layered import ARRAYS, of_layer, order
    from derivations.proof import LINEAR_OUTPUT, Lemma, Result, Step, Substitute, SumOver
    from theory.meanfield import total
    from theory.symbols import K1, K2, S1, S2, T1, T2, L, M, N, S, T, l, qh1, qh2

    opening = (
        r"The weights of a layer have the gradients $\sum_{t'} \zeta_{i t'} h_{j t'}$ of a linear "
        r"output, and by the law of large numbers $\sum_j h_{j t'} h_{j s'} = M_{l-1} (\hat q_2 + "
        r"(\hat q_1 - \hat q_2) \delta_{t' s'})$."
    )
    of_one = M * ((qh1 - qh2) * T + qh2 * S)
    pairs = ((T1, S1), (T2, S2))

    def kernels(layer: sp.Basic) -> tuple[sp.Basic, ...]:
        forward = tuple((one, ARRAYS[one][layer - 1]) for one in (M, qh1, qh2))
        return tuple(
            of_one.subs(
                (*forward, (T, ARRAYS[trace][layer]), (S, ARRAYS[entries][layer])),
                simultaneous=True,
            )
            for trace, entries in pairs
        )

    def place(layer: sp.Basic) -> Substitute:
        return Substitute(tuple(zip((K1, K2), kernels(layer), strict=True)))

    def eigenvalue(layer: sp.Basic) -> sp.Basic:
        width, one, two = (ARRAYS[array][layer - 1] for array in (M, qh1, qh2))
        traces, entries = (ARRAYS[a][layer] - ARRAYS[b][layer] for a, b in ((T1, T2), (S1, S2)))
        gaps = width * (one - two) * traces, width * two * entries
        return sp.Add(*(spherical_eigenvalue(gap, N) for gap in gaps))

    found = {layer: order().block(layer - 1, ARRAYS[M][layer - 1]) for layer in LAYERS}
    of_layers = tuple(
        Lemma(
            f"layer {layer}",
            "The mean on the sphere with the kernel of this layer's weights.",
            r"\bar\lambda",
            Result("mean on the sphere"),
            (Step(place(layer), eigenvalue(layer), "Its numbers.", r"\bar\lambda^{(l)}"),),
            row=f"weights.{layer}",
            terms=LINEAR_OUTPUT._replace(K=kernel),
        )
        for layer, kernel in found.items()
    )
    summand = eigenvalue(l)
    whole = Lemma(
        "all layers",
        "Each weight belongs to one layer: the trace adds them up.",
        r"\bar\lambda",
        Result("mean on the sphere"),
        (
            Step(place(l), summand, "In layer $l$.", r"\bar\lambda^{(l)}"),
            Step(SumOver(l, L), sp.Sum(summand, (l, 1, L)), "All layers."),
            Step(
                Substitute(((L, sp.Integer(len(LAYERS))),)),
                sp.Add(*map(eigenvalue, LAYERS)),
                "Here three.",
            ),
        ),
        row="weights",
        terms=LINEAR_OUTPUT._replace(K=total(found.values())),
    )
    general = of_layer(
        opening, lambda moment: M * moment, "Sum over the units.", "kernel of a layer"
    )
    return general, *of_layers, whole


def _norm() -> tuple[Lemma, ...]:
    from derivations.proof import Lemma, Step, SumOver
    from theory.symbols import M, M_above, i, j, sigma_w2

    return (
        Lemma(
            "norm of a layer",
            r"One weight has the mean square $\sigma_w^2/M_{l-1}$, here $M_{l-1} = M$ and $M_l = "
            "M'$.",
            r"E\,W_{ji}^2",
            sigma_w2 / M,
            (
                Step(SumOver(i, M), sigma_w2, "Sum over the units below.", r"E\,|W_j|^2"),
                Step(
                    SumOver(j, M_above),
                    squared_norm(sigma_w2, M_above),
                    "And over its own.",
                    r"E\,|W^l|^2",
                ),
            ),
        ),
    )


def _edge() -> tuple[Lemma, ...]:
    import sympy as sp

    from derivations.proof import Lemma, Step, Substitute
    from theory.symbols import (
        decay,
        effective,
        flow_time,
        learning_rate,
        length,
        top_curvature,
        weight_decay,
    )

    at_edge = exact.edge_learning_rate(top_curvature, weight_decay)
    rate = exact.effective_learning_rate(learning_rate, learning_rate * weight_decay, length**2)
    start = exact.effective_learning_rate(learning_rate, decay, length**2)
    grown = effective * length**2 * top_curvature * sp.exp(2 * flow_time)
    return (
        Lemma(
            "learning rate at the edge",
            r"On the sphere the Hessian is $|w|^2 \lambda_1$, $\lambda_1$ that of the weights "
            "themselves. Their norm drops out.",
            r"\tilde\eta |w|^2 \lambda_1",
            rate * length**2 * top_curvature,
            (
                Step(
                    Substitute(((learning_rate, at_edge),)),
                    sp.Integer(2),
                    r"A start is on the edge at $\eta_w = 2/(\lambda_1 + 2 \lambda_w)$.",
                ),
            ),
        ),
        Lemma(
            "time to the edge of a start",
            "Below it the rate grows, as in the theorem sharpness-flow, at zero gradient.",
            r"\tilde\eta |w|^2 \lambda_1",
            grown,
            (
                Step(
                    Substitute(
                        (
                            (effective, start),
                            (flow_time, time_to_edge_at(top_curvature, learning_rate, decay)),
                        )
                    ),
                    sp.Integer(2),
                    r"It is 2 at the time $\frac12 \log(2 (1 - \varepsilon)/(\eta_w \lambda_1))$.",
                ),
            ),
        ),
    )


BRIDGE: Theorem = Theorem(
    id="bridge",
    says="The kernels give the Gauss-Newton part of the spherical sharpness at initialization.",
    statement=r"""Let the outputs $\gamma (f_k - \mu_k)/\sigma_k + \beta$ be batch-normalized over
$N$ samples, and let them not see the length of any $W^l$. The Fisher matrix at the direction of
weights $w$ is $|w|^2 F(w)$. As $M \to \infty$, given the realised variances $\sigma_k^2$, its
$N - 2$ eigenvalues of each output have the mean
\[ \lambda_k = |w|^2\, \frac{\gamma^2}{\sigma_k^2}\, \frac{K_1 - K_2}{N} \]
with the kernel of the linear outputs over $w$: all weights, or those of one layer, where
\begin{gather*}
  K_1 - K_2 = M_{l-1} \left( (\hat q_1 - \hat q_2)^{l-1} (T_1 - T_2)^l
   + \hat q_2^{l-1} (S_1 - S_2)^l \right), \\ E\,|W^l|^2 = \sigma_w^2 M_l.
\end{gather*}
Where $\lambda_1$ is the largest eigenvalue of the Hessian at $w$ itself, a start is on the edge at
$\eta_w = 2/(\lambda_1 + 2\lambda_w)$, and below it reaches the edge after the time $\frac12
\log(2(1-\varepsilon)/(\eta_w \lambda_1))$ at zero gradient. Proved are the trace and these two;
that $\lambda_1 = \lambda_{\max}(F)$ is proved at zero residual (theorem zero-residual) and false at
random weights, so that the edge of a random start is an estimate.""",
    assumptions=(
        r"Limit: $M \to \infty$ with $N$, $C$, $L$ and the ratios of the widths fixed.",
        r"Mean field: the kernel of a linear output is $(K_1 - K_2) I + K_2 \mathbf 1 "
        r"\mathbf 1^{\top}$, given the outputs too (theorem placements).",
        r"Regime: $\epsilon = 0$, statistics over all samples, and every $W^l$ scale-invariant "
        "(theorem invariant-weights). For other networks the number is no spherical sharpness.",
        r"The largest eigenvalue is not judged: it exceeds the mean by $O(\sqrt{N/M})$.",
    ),
    limit="M -> oo, N fixed",
    source="setting: Karakida, Akaho & Amari, NeurIPS 2019, and Lyu, Li & Arora, NeurIPS 2022; the "
    "bridge: this project",
    rows=tuple(
        Row(part, rf"\bar\lambda^{{{latex}}}", "spherical_mean", in_own_units, group=part)
        for part, latex in zip(ROWS, ("", "(1)", "(2)", "(3)"), strict=True)
    ),
    cases=tuple(
        Case(network, 10, ROWS, default=number == 0) for number, network in enumerate(NETWORKS)
    ),
    requires=requires,
    prove=prove,
)

if __name__ == "__main__":
    from derivations.command import run

    run("bridge")
