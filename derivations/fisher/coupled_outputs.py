"""Maps that couple the outputs of a sample: outliers of order M remain, random through the outputs.

Layer norm over the outputs and the softmax of cross-entropy share the argument; each is a theorem.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from derivations.approach import MEAN_SQUARE, SPLIT_OUTLIER
from derivations.networks import RELU, TANH
from derivations.theorem import Case, Row, Terms, Theorem
from theory import fisher
from theory.architecture import LayerNorm, Network
from theory.coupled_outputs import check_layer_norm
from theory.errors import OutOfRegime
from theory.outliers import layer_norm_metric, outliers, realised, softmax_metric

if TYPE_CHECKING:
    from derivations.proof import Lemma, Proof

MOMENTS = ("mean_given_outputs", "square_given_outputs", "cross_given_outputs")


def _largest(
    metric: Callable[[np.ndarray], np.ndarray], terms: Terms, outputs: np.ndarray
) -> float | None:
    (one,) = outliers(metric(outputs), float(terms.K.K2), float(terms.K.gap), 1)
    return one.value


def _second_moment(
    metric: Callable[[np.ndarray], np.ndarray], terms: Terms, outputs: np.ndarray
) -> float:
    means = realised(metric(outputs))
    s = fisher.coupled_second_moment(
        terms.K.K1, terms.K.K2, terms.N, means.square, means.cross, P=1
    )
    return float(s)


def _rows(observed: str, metric: Callable[[np.ndarray], np.ndarray]) -> tuple[Row, ...]:
    return (
        Row(
            "mean_given_outputs",
            r"P m/\langle\mathrm{tr} B_t\rangle",
            f"{observed}_trace",
            lambda t: t.K.K1,
        ),
        Row(
            "square_given_outputs",
            r"\langle|A_t K_{tt} A_t^{\top}|^2\rangle/\langle|A_t A_t^{\top}|^2\rangle",
            f"{observed}_square",
            lambda t: t.K.K1**2,
        ),
        Row(
            "cross_given_outputs",
            r"\langle|A_t K_{ts} A_s^{\top}|^2\rangle/\langle|A_t A_s^{\top}|^2\rangle",
            f"{observed}_cross",
            lambda t: t.K.K2**2,
        ),
        Row(
            "second_moment_given_outputs",
            r"P s",
            f"{observed}_second",
            lambda t: t.K.K1,
            approach=MEAN_SQUARE,
            given_outputs=partial(_second_moment, metric),
        ),
        Row(
            "largest_given_outputs",
            r"\lambda_{\max}",
            f"{observed}_largest",
            lambda t: t.K.K2,
            approach=SPLIT_OUTLIER,
            given_outputs=partial(_largest, metric),
        ),
    )


def _lemmas() -> tuple[Lemma, ...]:
    from derivations.proof import Add, Evaluate, Lemma, Multiply, Result, Step, TakeTrace
    from theory.symbols import (
        K1,
        K2,
        A_s,
        A_s_T,
        A_t,
        A_t_T,
        B_s,
        B_t,
        N,
        common,
        lambda_out,
        resolvent,
        trace_cross,
        trace_metric,
        trace_square,
    )

    gap = K1 - K2
    metric = (A_t_T * A_t, B_t)
    inverse = (B_t * resolvent, N / gap * (lambda_out * resolvent - 1))
    component = K2 / N * A_t * resolvent * common
    return (
        Lemma(
            "trace given the outputs",
            r"The block of a sample $t$ in the dual Fisher matrix, times $N$, is $K_1 A_t "
            r"A_t^{\top}$.",
            r"N F^*_{tt}",
            K1 * A_t * A_t_T,
            (
                Step(
                    TakeTrace(),
                    K1 * trace_metric,
                    r"Its trace, in the mean over the samples: that of $B_t = A_t^{\top} A_t$ is "
                    r"$\varrho_t$.",
                    r"P m",
                ),
                Step(Multiply(1 / trace_metric), K1, "In units of the realised trace."),
            ),
            given=((A_t_T * A_t, trace_metric),),
            row="mean_given_outputs",
        ),
        Lemma(
            "square within a sample",
            "The square of this block.",
            r"(N F^*_{tt})^2",
            (K1 * A_t * A_t_T) * (K1 * A_t * A_t_T),
            (
                Step(
                    TakeTrace(),
                    K1**2 * trace_square,
                    r"Its trace, in the mean over the samples: that of $B_t^2$ is $\tau_{BB}$.",
                ),
                Step(Multiply(1 / trace_square), K1**2, "In units of the realised trace."),
            ),
            given=(metric, (B_t * A_t_T * A_t, trace_square)),
            row="square_given_outputs",
        ),
        Lemma(
            "square between samples",
            r"The block of two samples, times its transpose.",
            r"N F^*_{ts} N F^*_{st}",
            (K2 * A_t * A_s_T) * (K2 * A_s * A_t_T),
            (
                Step(
                    TakeTrace(),
                    K2**2 * trace_cross,
                    r"Its trace, in the mean over the pairs: that of $B_t B_s$ is $\varrho_{ts}$.",
                ),
                Step(Multiply(1 / trace_cross), K2**2, "In units of the realised trace."),
            ),
            given=((A_s_T * A_s, B_s), (B_s * A_t_T * A_t, trace_cross)),
            row="cross_given_outputs",
        ),
        Lemma(
            "second moment",
            r"The trace of $F^{*2}$ has the $N$ squares within a sample and the $N(N-1)$ "
            "between two, over $N^2$.",
            r"P s",
            Result("square within a sample"),
            (
                Step(Multiply(trace_square / N), K1**2 * trace_square / N, "Within the samples."),
                Step(
                    Add((N - 1) / N * trace_cross * K2**2),
                    fisher.coupled_second_moment(K1, K2, N, trace_square, trace_cross, 1),
                    "Between them.",
                ),
            ),
            row="second_moment_given_outputs",
        ),
        Lemma(
            "resolvent",
            r"Let $R_t$ be the inverse of $\bar\lambda - \frac{K_1 - K_2}N B_t$, for "
            r"$\bar\lambda$ above the eigenvalues of the second term.",
            r"\left(\bar\lambda - \tfrac{K_1 - K_2}N A_t A_t^{\top}\right) A_t R_t",
            lambda_out * A_t * resolvent - gap / N * A_t * A_t_T * A_t * resolvent,
            (
                Step(
                    Evaluate(),
                    A_t,
                    r"So $A_t R_t$ solves the equation of $A_t$ with $A_t A_t^{\top}$.",
                ),
            ),
            given=(metric, inverse),
        ),
        Lemma(
            "eigenvector",
            r"An eigenvector of the dual matrix has the components $y_t$ with $\bar\lambda y_t = "
            r"\frac{K_1 - K_2}N A_t A_t^{\top} y_t + \frac{K_2}N A_t \mathsf{x}$, where "
            r"$\mathsf{x} = \sum_s A_s^{\top} y_s$. Try $y_t = \frac{K_2}N A_t R_t \mathsf{x}$.",
            r"\bar\lambda y_t - \tfrac{K_1 - K_2}N A_t A_t^{\top} y_t",
            lambda_out * component - gap / N * A_t * A_t_T * component,
            (Step(Evaluate(), K2 / N * A_t * common, "It solves the equation."),),
            given=(metric, inverse),
        ),
        Lemma(
            "secular equation",
            r"For consistency $\mathsf{x}$ is the sum over the samples of $A_t^{\top} y_t$.",
            r"A_t^{\top} y_t",
            A_t_T * component,
            (
                Step(
                    Evaluate(),
                    K2 / N * B_t * resolvent * common,
                    r"So $\mathsf{x} = S(\bar\lambda) \mathsf{x}$ with $S(\bar\lambda) = "
                    r"\frac{K_2}N \sum_t B_t R_t$: an eigenvalue of $S(\bar\lambda)$ is 1. The "
                    r"eigenvalues of $S$ decrease in $\bar\lambda$, from the largest of the bulk "
                    r"on, so each equals 1 once at most.",
                ),
            ),
            given=(metric,),
            row="largest_given_outputs",
        ),
    )


def prove_layer_norm() -> Proof:
    """Traces given the outputs, and the secular equation."""
    from derivations.proof import Proof

    return Proof(LAYERNORM_LAST, _lemmas())


def prove_cross_entropy() -> Proof:
    """The same with the softmax's metric."""
    from derivations.proof import Proof

    return Proof(CROSS_ENTROPY, _lemmas())


def requires_layer_norm(network: Network, samples: int) -> None:
    """Layer norm over four outputs at least."""
    if not isinstance(network.last, LayerNorm):
        raise OutOfRegime(
            "layernorm-last needs layer norm in the last layer, but it has "
            f"{network.last.kind}.\nGive the network last=LayerNorm()."
        )
    check_layer_norm(int(network.outputs))


def requires_cross_entropy(network: Network, samples: int) -> None:
    """The softmax of two outputs at least."""
    if network.loss != "cross-entropy":
        raise OutOfRegime(
            f"cross-entropy needs loss = 'cross-entropy', but the loss is {network.loss}."
        )


ASSUMPTIONS = (
    r"Limit: $M \to \infty$ with $N$, $C$, $L$ and the ratios of the widths fixed.",
    r"Mean field: the kernel of the linear outputs is $[(K_1 - K_2) I + K_2 \mathbf 1 \mathbf "
    r"1^{\top}] \otimes I_C$ (theorem unnormalized, with its assumptions), also given the outputs: "
    "it concentrates, they do not.",
)
STATEMENT = r"""%s Let $B_t = A_t^\top A_t$ and $K_1, K_2$ be the kernel of a linear output.
Given the outputs, as $M \to \infty$,
\[
  m = \frac{K_1}{P} \langle\operatorname{tr} B_t\rangle, \qquad
  s = \frac1P \Bigl( \frac{K_1^2}{N} \langle\operatorname{tr} B_t^2\rangle
      + \frac{N-1}{N} K_2^2 \langle\operatorname{tr} B_t B_s\rangle_{t \ne s} \Bigr),
\]
and the eigenvalues above the bulk are the $\lambda$ at which an eigenvalue of
\[
  S(\lambda) = \frac{K_2}{N} \sum_t B_t \Bigl( \lambda - \frac{K_1 - K_2}{N} B_t \Bigr)^{-1}
\]
equals 1: at most $C - 1$, of order $M$."""
LIMIT = "M -> oo, N and C fixed, given the outputs"

_WIDE = tuple(replace(network, outputs=10) for network in (TANH, RELU))
_SOFTMAX = tuple(replace(network, loss="cross-entropy") for network in _WIDE)
_NORMALIZED = tuple(replace(network, last=LayerNorm()) for network in _WIDE)


def _cases(networks: tuple[Network, ...]) -> tuple[Case, ...]:
    largest = ("largest_given_outputs",)
    return (
        *(Case(network, 16, MOMENTS, default=False) for network in networks),
        *(Case(network, 4, largest, default=False) for network in networks),
    )


CROSS_ENTROPY: Theorem = Theorem(
    id="cross-entropy",
    says="With the softmax up to C - 1 outliers remain; their values follow from the outputs.",
    statement=STATEMENT % r"Let the loss be the cross-entropy of the softmax $g$ of $C$ outputs, "
    r"with $A_t = (I - \sqrt g \sqrt g^\top) \operatorname{diag}(\sqrt g)$.",
    assumptions=ASSUMPTIONS,
    limit=LIMIT,
    source="values of the outliers: this project",
    rows=_rows("softmax", softmax_metric),
    cases=_cases(_SOFTMAX),
    requires=requires_cross_entropy,
    prove=prove_cross_entropy,
)
LAYERNORM_LAST: Theorem = Theorem(
    id="layernorm-last",
    says="Layer norm over the outputs leaves outliers of order M: it does not remove them.",
    statement=STATEMENT % r"Let layer norm act on the $C > 3$ outputs of each sample, with "
    r"$A_t = \frac1{\sigma_t} (I - \frac1C \mathbf 1 \mathbf 1^\top - \frac1C \hat f_t \hat "
    r"f_t^\top)$.",
    assumptions=ASSUMPTIONS,
    limit=LIMIT,
    source="Karakida, Akaho & Amari, NeurIPS 2019 (order); values of the outliers: this project",
    rows=_rows("layer_norm", layer_norm_metric),
    cases=_cases(_NORMALIZED),
    requires=requires_layer_norm,
    prove=prove_layer_norm,
)

if __name__ == "__main__":
    from derivations.command import run

    run("cross-entropy")
