"""Statistics over batches: a third pair type and three kinds of modes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from derivations.approach import MEAN_SQUARE
from derivations.fisher.sample_statistics import KERNEL_ROWS
from derivations.fisher.unnormalized import kernel, outputs
from derivations.theorem import Case, Row, Terms, Theorem
from theory import fisher
from theory.architecture import Activation, BatchNorm, MeanSubtraction, Network, NoNormalization
from theory.errors import OutOfRegime
from theory.mathematics import Number

if TYPE_CHECKING:
    import sympy as sp

    from derivations.proof import Lemma, Proof


def requires(network: Network, samples: int) -> None:
    """Several batches, the squared error, and batch norm over more than five samples."""
    B = network.batch(samples)
    if network.batch_size is None or samples == B:
        raise OutOfRegime(
            f"mini-batches needs several batches, but one holds all N = {samples} samples.\n"
            "Give the network a batch_size below N."
        )
    if network.loss != "mse" or not isinstance(network.last, NoNormalization | MeanSubtraction):
        raise OutOfRegime(
            "mini-batches needs the squared error, and outputs that are linear or centred."
        )
    normalized = [one for one in network.layers or () if isinstance(one, BatchNorm)]
    if normalized and B <= 5:
        raise OutOfRegime(
            f"mini-batches needs B > 5 samples in a batch for batch norm, but B = {B}: the mean of "
            "1/sigma^4 of a unit does not exist, so that measured kernels have infinite variance."
        )
    for scheme in normalized:
        if scheme.eps != 0:
            raise OutOfRegime(f"mini-batches needs eps = 0, but eps = {float(scheme.eps):.4g}.")


def _third(t: Terms) -> Number:
    assert t.K.K3 is not None
    return t.K.K3


def prove() -> Proof:
    """The kernel of two batches, then the spectrum of a matrix of blocks."""
    from derivations.proof import Proof
    from theory.symbols import B

    return Proof(
        MINI_BATCHES,
        (
            *_blocks(),
            *_two_batches(),
            *outputs(B),
            *kernel(B),
            *_kernel_of_two_batches(),
            *_spectrum(),
            *_centred(),
        ),
    )


def _products() -> tuple[tuple[sp.Basic, sp.Basic], ...]:
    """E of the batches, the ones, contrasts w between batches and x within them."""
    from theory.symbols import B, N, blocks, contrast, ones, ones_row, x

    return (
        (blocks * blocks, B * blocks),
        (blocks * ones, B * ones),
        (ones_row * blocks, B * ones_row),
        (ones_row * ones, N),
        (blocks * contrast, B * contrast),
        (ones_row * contrast, 0 * N),
        (blocks * x, 0 * N),
        (ones_row * x, 0 * N),
    )


def _known(*letters: sp.Basic) -> tuple[tuple[sp.Basic, sp.Basic], ...]:
    """The products of these letters."""
    return tuple(rule for rule in _products() if rule[0].free_symbols <= set(letters))


def _blocks() -> tuple[Lemma, ...]:
    from derivations.proof import Lemma, Step, SumOver
    from theory.symbols import B, N, batch, batch_inner, batch_last, delta, s

    count = N / B
    first = delta(batch, batch_inner, count)
    return (
        Lemma(
            "blocks",
            r"Let $E$ have the entry $\delta_{\mathsf b \mathsf b'}$ at two samples of the batches "
            r"$\mathsf b$ and $\mathsf b'$, of $B$ samples each. An entry of $E^2$ is a sum over "
            "the samples of the batches:",
            r"E_{ts} E_{sr}",
            first * delta(batch_inner, batch_last, count),
            (
                Step(
                    SumOver(s, B),
                    B * first * delta(batch_inner, batch_last, count),
                    "Sum over the samples of a batch.",
                ),
                Step(
                    SumOver(batch_inner, count),
                    B * delta(batch, batch_last, count),
                    "Sum over the batches: $E^2 = B E$.",
                    r"(E^2)_{tr}",
                ),
            ),
        ),
        Lemma(
            "blocks and ones",
            r"An entry of $E \mathbf 1$:",
            r"E_{ts}",
            first,
            (
                Step(SumOver(s, B), B * first, "Sum over the samples of a batch."),
                Step(
                    SumOver(batch_inner, count),
                    B,
                    r"Sum over the batches: $E \mathbf 1 = B \mathbf 1$.",
                    r"(E \mathbf 1)_t",
                ),
            ),
        ),
    )


def _two_batches() -> tuple[Lemma, ...]:
    import sympy as sp

    from derivations.proof import (
        Apply,
        Conjugate,
        Evaluate,
        Lemma,
        Result,
        Square,
        Step,
        Substitute,
        SumOver,
    )
    from theory.gaussian import Moments
    from theory.normalization import RULES, Backward
    from theory.normalization.layer import Coupled
    from theory.symbols import (
        S3,
        B,
        Lambda,
        M,
        M_above,
        backward,
        blocks,
        delta,
        f1,
        f3,
        i,
        identity,
        j,
        k,
        ones,
        ones_row,
        p1,
        p2,
        psi,
        q1,
        q2,
        q3,
        qh1,
        qh3,
        s,
        s_inner,
        sigma_w2,
        t,
        t_inner,
        x,
    )

    centring = identity - blocks / B
    above, sample_wise = Backward(0, S3), Moments(qh1, qh3, qh1 - qh3, f1, f3, f1 - f3)
    coupled = Coupled(*sample_wise, p1, p2, p1 - p2, 1 / B)
    stopped = {
        kind: sp.sympify(RULES[kind].pull_back(coupled, sigma_w2, above).S)
        for kind in ("mean-subtraction", "batchnorm")
    }
    inner = ((s_inner, 1, B), (t_inner, 1, B))
    return (
        Lemma(
            "centring",
            "The part of the normalization that takes the mean off each batch.",
            "A",
            centring,
            (Step(Square(), centring, "It is a projector."),),
            given=_known(blocks),
        ),
        Lemma(
            "pre-activations of two batches",
            "The covariance of a unit's pre-activations over all samples.",
            r"\Sigma",
            (q1 - q2) * identity + (q2 - q3) * blocks + q3 * ones * ones_row,
            (
                Step(
                    Conjugate(Result("centring"), "A"),
                    (q1 - q2) * centring,
                    "Centred, two batches are independent: behind batch norm or mean subtraction "
                    r"$\hat q_3 = (E\,\varphi)^2$, with the law of one sample.",
                ),
            ),
            given=((blocks * blocks, B * blocks), (blocks * ones, B * ones)),
        ),
        Lemma(
            "sum below a normalized layer",
            "The derivatives below batch norm or mean subtraction are centred on each batch.",
            "A",
            Result("centring"),
            (
                Step(
                    Apply(ones + x),
                    x,
                    r"On $\mathbf 1$ and any $x$ that sums to 0 over each batch.",
                ),
                Step(
                    Substitute(((x, sp.S.Zero),)),
                    stopped["batchnorm"] + stopped["mean-subtraction"],
                    r"On $\mathbf 1$ alone: $S_3 = 0$ there, whatever comes from above.",
                ),
            ),
            given=((blocks * ones, B * ones), (blocks * x, 0 * B)),
        ),
        Lemma(
            "sum below another layer",
            r"Without a sample in common, $T_3 = 0$. By the chain rule and gradient independence, "
            r"$\Lambda^l_{t' s'}$ for $t'$ and $s'$ in two batches is:",
            r"\Lambda^l_{t' s'}",
            sp.Sum(
                sigma_w2
                / M
                * delta(j, k, M_above)
                * psi[i, t_inner]
                * psi[i, s_inner]
                * backward[j, t_inner]
                * backward[k, s_inner],
                (k, 1, M_above),
                (j, 1, M_above),
                (i, 1, M),
            ),
            (
                Step(
                    Evaluate(),
                    sigma_w2 * f3 * Lambda[t_inner, s_inner],
                    "Sum over the units; the law of large numbers.",
                ),
                Step(
                    SumOver(s_inner, B),
                    sigma_w2 * f3 * sp.Sum(Lambda[t_inner, s_inner], inner[0]),
                    "Sum over one batch.",
                    r"\Lambda^l_{t'}",
                ),
                Step(
                    SumOver(t_inner, B),
                    RULES["none"].pull_back(sample_wise, sigma_w2, above).S,
                    "Sum over the other.",
                    "S_3^l",
                ),
            ),
            given=(
                (sp.Sum(psi[i, t_inner] * psi[i, s_inner], (i, 1, M)), M * f3),
                (
                    sp.Sum(backward[j, t_inner] * backward[j, s_inner], (j, 1, M_above)),
                    Lambda[t_inner, s_inner],
                ),
                (sp.Sum(Lambda[t_inner, s_inner], *inner), S3),
            ),
        ),
        Lemma(
            "outputs of two batches",
            r"At the outputs $\Lambda^L_{t' s'} = \delta_{t t'} \delta_{s s'}$.",
            "S_3^L",
            sp.Sum(delta(t, t_inner, B) * delta(s, s_inner, B), *inner),
            (Step(Evaluate(), sp.S.One, "Sum over the samples of both batches."),),
        ),
    )


def _kernel_of_two_batches() -> tuple[Lemma, ...]:
    import sympy as sp

    from derivations.fisher.symbolic_layers import at, three_layers
    from derivations.proof import LINEAR_OUTPUT, Evaluate, Lemma, Result, Step, Substitute, SumOver
    from theory.symbols import (
        S3,
        B,
        L,
        Lambda,
        M,
        M_above,
        backward,
        h,
        i,
        j,
        l,
        qh3,
        s_inner,
        t_inner,
    )

    found = three_layers(batches=True).kernel(
        tuple(at(M, layer) for layer in range(3)), bias_gradients=True
    )
    inner = ((s_inner, 1, B), (t_inner, 1, B))
    in_layer = ((M, at(M, l - 1)), (qh3, at(qh3, l - 1)), (S3, at(S3, l)))
    of_layer = (M * qh3 + 1) * S3
    summand = of_layer.subs(in_layer, simultaneous=True)
    return (
        Lemma(
            "kernel of a layer over two batches",
            r"As within a batch, with $t'$ and $s'$ in two of them.",
            r"K^{(l)}_{t' s'}",
            sp.Sum(
                backward[i, t_inner]
                * backward[i, s_inner]
                * (sp.Sum(h[j, t_inner] * h[j, s_inner], (j, 1, M)) + 1),
                (i, 1, M_above),
            ),
            (
                Step(
                    Evaluate(),
                    (M * qh3 + 1) * Lambda[t_inner, s_inner],
                    "Sum over the units; the law of large numbers.",
                ),
                Step(
                    SumOver(s_inner, B),
                    (M * qh3 + 1) * sp.Sum(Lambda[t_inner, s_inner], inner[0]),
                    "Sum over one batch.",
                    r"K^{(l)}_{t'}",
                ),
                Step(SumOver(t_inner, B), of_layer, "Sum over the other.", "K_3^{(l)}"),
            ),
            given=(
                (
                    sp.Sum(backward[i, t_inner] * backward[i, s_inner], (i, 1, M_above)),
                    Lambda[t_inner, s_inner],
                ),
                (sp.Sum(h[j, t_inner] * h[j, s_inner], (j, 1, M)), M * qh3),
                (sp.Sum(Lambda[t_inner, s_inner], *inner), S3),
            ),
        ),
        Lemma(
            "kernel of two batches",
            "The kernel $K_3$ adds up the layers.",
            "K_3^{(l)}",
            Result("kernel of a layer over two batches"),
            (
                Step(Substitute(in_layer), summand, "In layer $l$.", "K_3^{(l)}"),
                Step(
                    SumOver(l, L),
                    sp.Sum(summand, (l, 1, L)),
                    "Each parameter belongs to one layer.",
                    "K_3",
                ),
                Step(
                    Substitute(((L, sp.Integer(3)),)),
                    found.K3,
                    "As the prediction adds them up, here for three layers.",
                ),
            ),
            row="kappa_3",
            terms=LINEAR_OUTPUT._replace(K=found),
        ),
    )


def _spectrum() -> tuple[Lemma, ...]:
    from derivations.proof import (
        Apply,
        Coefficient,
        Lemma,
        Multiply,
        Result,
        Square,
        Step,
        TakeTrace,
        Trace,
    )
    from theory.symbols import (
        K1,
        K2,
        K3,
        B,
        C,
        N,
        P,
        blocks,
        contrast,
        identity,
        ones,
        ones_row,
        x,
    )

    dual = ((K1 - K2) * identity + (K2 - K3) * blocks + K3 * ones * ones_row) / N
    uniform = fisher.batched_uniform_mode(K1, K2, K3, N, B)
    between = fisher.contrast_mode(K1, K2, K3, N, B)
    within = fisher.bulk_mode(K1 - K2, N)
    traces = ((Trace(identity), N), (Trace(blocks), N))
    in_blocks = (K2 - K3) * (2 * (K1 - K2) + B * (K2 - K3))
    in_all = K3 * (2 * (K1 - K2) + 2 * B * (K2 - K3) + N * K3)

    def mode(name: str, vector: sp.Symbol, value: sp.Basic, symbol: str, row: str | None) -> Lemma:
        return Lemma(
            name,
            "An eigenvalue, once for each of the $C$ outputs and each such vector.",
            r"F^* (\mathbf 1 + w + x)",
            Result("eigenvectors"),
            (Step(Coefficient(vector), value, "The factor of the vector.", symbol),),
            row=row,
        )

    def dimension(name: str, opening: str, projector: sp.Basic, value: sp.Basic) -> Lemma:
        known = _known(ones, ones_row) if projector.has(ones) else ()
        trace = tuple(rule for rule in traces if projector.has(rule[0].args[0]))
        return Lemma(
            name,
            opening,
            None,
            projector,
            (Step(TakeTrace(), value, "Its trace is the dimension of their space."),),
            given=(*known, *trace),
        )

    return (
        Lemma(
            "eigenvectors",
            r"The dual Fisher matrix of an output. Apply it to $\mathbf 1$, to any $w$ that is "
            r"constant on each batch and orthogonal to $\mathbf 1$, and to any $x$ that sums to 0 "
            "over each batch; together they span the samples.",
            r"F^*",
            dual,
            (
                Step(
                    Apply(ones + contrast + x),
                    uniform * ones + between * contrast + within * x,
                    "Each is multiplied by a number.",
                ),
            ),
            given=tuple(
                rule for rule in _products() if rule[0] not in (blocks * blocks, ones_row * blocks)
            ),
        ),
        mode("uniform mode", ones, uniform, r"\lambda_U", "uniform_mode"),
        mode("contrasts between batches", contrast, between, r"\lambda_W", "contrast_mode"),
        mode("contrasts within batches", x, within, r"\lambda_D", None),
        dimension(
            "number of contrasts between batches",
            "The projector on the $w$.",
            blocks / B - ones * ones_row / N,
            N / B - 1,
        ),
        dimension(
            "number of contrasts within batches",
            "The projector on the $x$.",
            identity - blocks / B,
            N - N / B,
        ),
        Lemma(
            "trace of the square",
            "The sum of the squared eigenvalues.",
            r"F^*",
            dual,
            (
                Step(
                    Square(),
                    (K1 - K2) ** 2 / N**2 * identity
                    + in_blocks / N**2 * blocks
                    + in_all / N**2 * ones * ones_row,
                    "Multiply.",
                ),
                Step(
                    TakeTrace(),
                    fisher.batched_second_moment(K1, K2, K3, N, B, C=1, P=1),
                    "The trace for one output.",
                ),
            ),
            given=(*_known(blocks, ones, ones_row), *traces),
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
                    fisher.batched_second_moment(K1, K2, K3, N, B, C, P),
                    "$C$ outputs, $P$ eigenvalues.",
                    "s",
                ),
            ),
        ),
    )


def _centred() -> tuple[Lemma, ...]:
    from derivations.proof import (
        Apply,
        Conjugate,
        Lemma,
        Multiply,
        Result,
        Step,
        TakeTrace,
        Trace,
    )
    from theory.symbols import (
        K1,
        K2,
        K3,
        B,
        N,
        blocks,
        contrast,
        identity,
        ones,
        ones_row,
        x,
    )

    gap = K1 - K2
    return (
        Lemma(
            "kernel of centred outputs",
            "Mean subtraction of the outputs over each batch multiplies the kernel by $A$ on both "
            "sides.",
            "K",
            gap * identity + (K2 - K3) * blocks + K3 * ones * ones_row,
            (
                Step(
                    Conjugate(Result("centring"), "A"),
                    gap * (identity - blocks / B),
                    "The parts of $E$ and of the ones are gone.",
                ),
                Step(
                    Multiply(1 / N),
                    fisher.bulk_mode(gap, N) * (identity - blocks / B),
                    "The dual Fisher matrix.",
                    r"F^*",
                ),
            ),
            given=((blocks * blocks, B * blocks), (blocks * ones, B * ones)),
        ),
        Lemma(
            "modes of centred outputs",
            "Apply it to the same vectors.",
            r"F^*",
            Result("kernel of centred outputs"),
            (
                Step(
                    Apply(ones + contrast + x),
                    fisher.bulk_mode(gap, N) * x,
                    "The uniform mode and the contrasts between batches are removed.",
                ),
            ),
            given=(
                (blocks * ones, B * ones),
                (blocks * contrast, B * contrast),
                (blocks * x, 0 * N),
            ),
        ),
        Lemma(
            "trace of centred outputs",
            "Its trace, for one output.",
            r"F^*",
            Result("kernel of centred outputs"),
            (
                Step(
                    TakeTrace(),
                    fisher.centred_mean_eigenvalue(gap, B, C=1, P=1),
                    r"$A$ has the trace $N - N/B$.",
                    r"\operatorname{tr} F^*",
                ),
            ),
            given=((Trace(identity), N), (Trace(blocks), N)),
            row="centred_mean_eigenvalue",
        ),
    )


RELU = Network(
    Activation.named("relu"), depth=3, sigma_w2=2, sigma_b2=0.2, hidden=BatchNorm(), batch_size=8
)
MIXED = Network(
    Activation.named("erf"),
    depth=3,
    sigma_w2=2,
    sigma_b2=0.3,
    layers=(MeanSubtraction(), NoNormalization()),
    batch_size=8,
)
ROWS = (
    *(row for row in KERNEL_ROWS if row.quantity != "uniform_mode"),
    Row(
        "kappa_3",
        r"\kappa_3",
        "between_batches",
        _third,
        unit=lambda t: abs(_third(t)) + t.K.K1 / t.N,
    ),
    Row(
        "uniform_mode",
        r"\lambda_U",
        "uniform",
        lambda t: fisher.batched_uniform_mode(t.K.K1, t.K.K2, _third(t), t.N, t.B),
    ),
    Row(
        "contrast_mode",
        r"\lambda_W",
        "batch_contrast",
        lambda t: fisher.contrast_mode(t.K.K1, t.K.K2, _third(t), t.N, t.B),
    ),
    Row(
        "second_moment",
        r"P s/C",
        "squared_trace",
        lambda t: fisher.batched_second_moment(t.K.K1, t.K.K2, _third(t), t.N, t.B, C=1, P=1),
        approach=MEAN_SQUARE,
    ),
    Row(
        "centred_mean_eigenvalue",
        r"P m/C",
        "centred_trace",
        lambda t: fisher.centred_mean_eigenvalue(t.K.gap, t.B, C=1, P=1),
    ),
)
QUANTITIES = tuple(row.quantity for row in ROWS)

MINI_BATCHES: Theorem = Theorem(
    id="mini-batches",
    says="Statistics over batches of B samples: three pair types, and three kinds of modes.",
    statement=r"""Let batch norm and mean subtraction of hidden layers run over $N/B$ batches of
$B$ samples each. Within a batch $(T_a, S_a)$, $a = 1, 2$, are those of $B$ samples. For two samples
of different batches $T_3 = 0$ and $S_3^L = 1$; below batch norm or mean subtraction $S_3^l = 0$ and
behind it $\hat q_3 = (E\,\varphi)^2$; in other layers $S_3^l = \sigma_w^2 f_3 S_3^{l+1}$. With
\[
  K_3 = \sum_{l=1}^L \left( M_{l-1} \hat q_3^{l-1} + 1 \right) S_3^l
\]
the kernel tends to $(K_1 - K_2) I + (K_2 - K_3) E + K_3 \mathbf 1 \mathbf 1^\top$, where $E$ is 1
between samples of one batch, and the nonzero eigenvalues of $F$ are for each output
\begin{align*}
  \lambda_U &= \tfrac1N \left( K_1 + (B-1) K_2 + (N-B) K_3 \right) & &\text{once}, \\
  \lambda_W &= \tfrac1N \left( K_1 + (B-1) K_2 - B K_3 \right) & &N/B - 1 \text{ times}, \\
  \lambda_D &= \tfrac1N \left( K_1 - K_2 \right) & &N - N/B \text{ times}.
\end{align*}
Mean subtraction of the outputs over each batch removes the first two kinds.""",
    assumptions=(
        r"Limit: $M \to \infty$ with $N$, $B$, $C$, $L$ and the ratios of the widths fixed; sums "
        "over the units of a layer become means (law of large numbers).",
        "Mean field: the pre-activations of a layer are Gaussian over the samples, independent "
        "between units; gradient independence.",
        "Within a batch each layer takes the step of its own theorem (batchnorm-hidden, "
        "mean-subtraction-hidden, unnormalized) with $B$ samples.",
        r"Regime: $B < N$; for batch norm $\epsilon = 0$ and $B > 5$, so that $1/\sigma^4$ has a "
        "mean.",
    ),
    limit="M -> oo, N and B fixed",
    source="this project",
    rows=ROWS,
    cases=(
        Case(RELU, 24, tuple(q for q in QUANTITIES if q != "second_moment"), default=False),
        Case(MIXED, 16, QUANTITIES, default=False),
    ),
    requires=requires,
    prove=prove,
)

if __name__ == "__main__":
    from derivations.command import run

    run("mini-batches")
