"""Batch normalization in the last layer: two directions of each output are projected out."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from derivations.approach import EDGE, MEAN_SQUARE
from derivations.networks import NETWORKS
from derivations.theorem import Case, Row, Theorem
from theory import fisher
from theory.architecture import BatchNorm, Network
from theory.errors import OutOfRegime

if TYPE_CHECKING:
    from derivations.proof import Lemma, Proof

QUANTITIES = ("trace_given_outputs", "output_variance")


def requires(network: Network, samples: int) -> None:
    """Normalized outputs without a regularizer, and samples enough for the mean of 1/sigma^2."""
    if not isinstance(network.last, BatchNorm):
        raise OutOfRegime(
            "batchnorm-last needs batch norm in the last layer, but it has "
            f"{network.last.kind}.\nGive the network last=BatchNorm()."
        )
    if network.last.eps != 0:
        raise OutOfRegime(
            f"batchnorm-last needs eps = 0, but eps = {float(network.last.eps):.4g}.\n"
            "Given the outputs, the normalized output is projected out at eps = 0 only; with "
            "eps > 0 its direction keeps the factor (1 - tau)^2."
        )
    if samples <= 3:
        raise OutOfRegime(
            f"batchnorm-last needs N > 3 samples, but N = {samples}: the mean of 1/sigma^2, "
            "which is N/(v (N - 3)), does not exist.\nUse more samples."
        )


def prove() -> Proof:
    """The Jacobian of batch norm, the trace given the outputs, the law of their variance."""
    from derivations.proof import Proof

    return Proof(BATCHNORM_LAST, (*derivative(), *traces(), *variance(), *_moments()))


def derivative() -> tuple[Lemma, ...]:
    """The Jacobian of batch norm over N samples, and what it does to two directions."""
    import sympy as sp

    from derivations.proof import Add, Lemma, Result, Step, Substitute, SumOver
    from theory.symbols import (
        N,
        beta,
        cov,
        delta,
        eps,
        eta,
        f,
        fh_entry,
        g,
        gamma,
        moved_variance,
        mu,
        nu,
        s,
        sigma2,
        t,
        tau,
        var,
    )

    variance = moved_variance(eta)
    moved = f[t] - mu + eta * (g[t] - nu)
    samples = (t, 1, N)
    normalizer = sp.sqrt(sigma2 + eps)
    of_mean = (sp.Sum(f[t], samples), N * mu)
    of_square = (sp.Sum(f[t] ** 2, samples), N * (sigma2 + mu**2))
    return (
        Lemma(
            "moved variance",
            r"Move the outputs from $f$ to $f + \eta g$. Their variance is a sum over $t$.",
            r"\tfrac1N \left(f_t + \eta g_t - \mu - \eta \bar g\right)^2",
            moved**2 / N,
            (
                Step(
                    SumOver(t, N),
                    sigma2 + 2 * eta * cov + eta**2 * var,
                    "Sum, with the means, variances and covariance of $f$ and $g$.",
                    r"\sigma^2(\eta)",
                ),
            ),
            given=(
                of_mean,
                of_square,
                (sp.Sum(g[t], samples), N * nu),
                (sp.Sum(g[t] ** 2, samples), N * (var + nu**2)),
                (sp.Sum(f[t] * g[t], samples), N * (cov + mu * nu)),
            ),
        ),
        Lemma(
            "mean of one direction",
            r"Let the output of sample $s$ move alone: $g_t = \delta_{ts}$.",
            r"\tfrac1N g_t",
            delta(t, s) / N,
            (Step(SumOver(t, N), 1 / N, "The mean of $g$.", r"\bar g"),),
        ),
        Lemma(
            "covariance with one direction",
            "Its covariance with the outputs, which are centred:",
            r"\tfrac1N (f_t - \mu) g_t",
            (f[t] - mu) * delta(t, s) / N,
            (Step(SumOver(t, N), (f[s] - mu) / N, "The covariance.", "c_{fg}"),),
        ),
        Lemma(
            "derivative of batch norm",
            r"The normalized outputs are $\mathrm{BN}_t = \gamma (f_t - \mu)/"
            r"\sqrt{\sigma^2 + \epsilon} + \beta$. Their derivative along $g$,",
            r"\frac{d}{d\eta} \mathrm{BN}_t",
            sp.Derivative(gamma * moved / sp.sqrt(variance + eps) + beta, eta),
            (
                Step(
                    Substitute(((eta, sp.S.Zero),)),
                    gamma / normalizer * (g[t] - nu - (f[t] - mu) * cov / (sigma2 + eps)),
                    r"At $\eta = 0$; mean and variance move along.",
                ),
                Step(
                    Substitute(
                        (
                            (g[t], delta(t, s)),
                            (nu, Result("mean of one direction")),
                            (cov, Result("covariance with one direction")),
                        )
                    ),
                    gamma
                    / normalizer
                    * (delta(t, s) - 1 / N - (f[t] - mu) * (f[s] - mu) / (N * (sigma2 + eps))),
                    "Along the output of sample $s$.",
                    r"\frac{\partial\, \mathrm{BN}_t}{\partial f_s}",
                ),
                Step(
                    Substitute(tuple((f[a], mu + normalizer * fh_entry[a]) for a in (t, s))),
                    gamma / normalizer * (delta(t, s) - 1 / N - fh_entry[t] * fh_entry[s] / N),
                    r"With $\hat f = (f - \mu)/\sqrt{\sigma^2 + \epsilon}$: the matrix "
                    r"$\frac{\gamma}{\sqrt{\sigma^2 + \epsilon}} B$ of the next lemmas.",
                    r"\frac{\partial\, \mathrm{BN}_t}{\partial f_s}",
                ),
            ),
            given=((variance, Result("moved variance")),),
        ),
        Lemma(
            "ones",
            "The vector of ones over the samples.",
            r"\mathbf 1_t",
            sp.S.One,
            (Step(SumOver(t, N), N, "Its squared length.", r"\mathbf 1^{\top}\mathbf 1"),),
        ),
        Lemma(
            "normalized output and ones",
            "The normalized output is centred.",
            r"(1 + \hat f_t)",
            1 + (f[t] - mu) / normalizer,
            (
                Step(SumOver(t, N), N, "Sum over the samples."),
                Step(
                    Add(-N),
                    sp.S.Zero,
                    "So it is orthogonal to the vector of ones.",
                    r"\mathbf 1^{\top} \hat f",
                ),
            ),
            given=(of_mean,),
        ),
        Lemma(
            "length of the normalized output",
            "Its squared length.",
            r"\hat f_t^2",
            (f[t] - mu) ** 2 / (sigma2 + eps),
            (
                Step(SumOver(t, N), N * sigma2 / (sigma2 + eps), "Sum over the samples."),
                Step(
                    Substitute(((eps, sigma2 * (1 - tau) / tau),)),
                    N * tau,
                    r"With $\tau = \sigma^2/(\sigma^2 + \epsilon)$, which is 1 at $\epsilon = 0$.",
                    r"\hat f^{\top} \hat f",
                ),
            ),
            given=(of_mean, of_square),
        ),
    )


def traces() -> tuple[Lemma, ...]:
    """The kernel behind batch norm of one output, its trace and its square."""
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
        Substitute,
        TakeTrace,
        Trace,
    )
    from theory.symbols import K1, K2, N, fh, fh_row, identity, ones, ones_row, tau, x

    gap = K1 - K2
    jacobian = identity - ones * ones_row / N - fh * fh_row / N
    at_zero = Substitute(((tau, sp.S.One),))
    length = (ones_row * ones, Result("ones"))
    output_length = (fh_row * fh, Result("length of the normalized output"))
    orthogonal = (ones_row * fh, Result("normalized output and ones"))
    transposed = (fh_row * ones, Result("normalized output and ones"))
    return (
        Lemma(
            "directions",
            r"The matrix $B$ on $\mathbf 1$, on $\hat f$, and on any $x$ orthogonal to both.",
            "B",
            jacobian,
            (
                Step(
                    Apply(ones + fh + x),
                    (1 - tau) * fh + x,
                    r"The eigenvalues are 0, $1 - \tau$, and 1 for the $N - 2$ independent $x$. At "
                    r"$\epsilon = 0$ it is the projector on the $x$.",
                ),
            ),
            given=(
                length,
                orthogonal,
                transposed,
                output_length,
                (ones_row * x, sp.S.Zero),
                (fh_row * x, sp.S.Zero),
            ),
        ),
        Lemma(
            "rank",
            "Its trace.",
            "B",
            jacobian,
            (
                Step(TakeTrace(), N - 1 - tau, "The three terms."),
                Step(at_zero, N - 2, r"At $\epsilon = 0$ this is the rank of a projector."),
            ),
            given=(length, output_length, (Trace(identity), N)),
        ),
        Lemma(
            "kernel behind batch norm",
            "The kernel of a linear output.",
            "K",
            gap * identity + K2 * ones * ones_row,
            (
                Step(
                    Conjugate(jacobian, "B"),
                    gap * (identity - ones * ones_row / N - (2 - tau) / N * fh * fh_row),
                    "Multiply.",
                ),
            ),
            given=(length, orthogonal, transposed, output_length),
        ),
        Lemma(
            "trace",
            "Its trace.",
            "(BKB)",
            Result("kernel behind batch norm"),
            (
                Step(
                    TakeTrace(),
                    gap * (N - 2 + (1 - tau) ** 2),
                    "Two directions are lost, one of them not quite.",
                ),
            ),
            given=(length, output_length, (Trace(identity), N)),
        ),
        Lemma(
            "trace given the outputs",
            r"At $\epsilon = 0$ the kernel behind batch norm is $\gamma^2 B K B/\sigma^2$.",
            r"\operatorname{tr} BKB",
            Result("trace"),
            (
                Step(
                    at_zero,
                    fisher.conditional_trace(gap, N),
                    "Its trace, times the realised variance.",
                    r"\sigma^2 \operatorname{tr}(A K A^{\top})/\gamma^2",
                ),
            ),
            row="trace_given_outputs",
        ),
        Lemma(
            "trace of the square",
            "For the second moment.",
            "(BKB)",
            Result("kernel behind batch norm"),
            (
                Step(
                    Square(),
                    gap**2
                    * (
                        identity
                        - ones * ones_row / N
                        - (2 - tau) * (2 - 2 * tau + tau**2) / N * fh * fh_row
                    ),
                    "Multiply.",
                ),
                Step(TakeTrace(), gap**2 * (N - 2 + (1 - tau) ** 4), "Its trace."),
            ),
            given=(length, orthogonal, transposed, output_length, (Trace(identity), N)),
        ),
        Lemma(
            "square given the outputs",
            r"At $\epsilon = 0$:",
            r"\operatorname{tr} (BKB)^2",
            Result("trace of the square"),
            (
                Step(
                    at_zero,
                    fisher.conditional_square(gap, N),
                    "The squared trace, times the squared realised variance.",
                    r"\sigma^4 |A K A^{\top}|^2/\gamma^4",
                ),
            ),
            row="square_given_outputs",
        ),
        Lemma(
            "largest eigenvalue given the outputs",
            r"The dual Fisher matrix, times the realised variance, on any $x$ orthogonal to "
            r"$\mathbf 1$ and to $\hat f$.",
            "(BKB)",
            Result("kernel behind batch norm"),
            (
                Step(
                    Apply(x),
                    gap * x,
                    r"The $N - 2$ independent $x$ have one eigenvalue; the others are smaller.",
                ),
                Step(Coefficient(x), gap, "The factor of $x$.", r"\lambda"),
                Step(
                    Multiply(1 / N),
                    fisher.bulk_mode(gap, N),
                    "Of the dual matrix.",
                    r"\sigma^2 \lambda_{\max}",
                ),
            ),
            given=((ones_row * x, sp.S.Zero), (fh_row * x, sp.S.Zero)),
            row="largest_given_outputs",
        ),
    )


def variance() -> tuple[Lemma, ...]:
    """The law of the variance over N samples, and the means that exist."""
    import sympy as sp

    from derivations.proof import Conjugate, Evaluate, Lemma, Multiply, Result, Step, Substitute
    from theory.symbols import N, excess, identity, n, ones, ones_row, q2, v, xi

    def moment(power: int, freedom: sp.Basic) -> sp.Basic:
        density = sp.exp(-xi / 2) / (2 ** (freedom / 2) * sp.gamma(freedom / 2))
        return sp.Integral(xi ** (freedom / 2 - 1 + power) * density, (xi, 0, sp.oo))

    return (
        Lemma(
            "centred outputs",
            "Given the features of a wide last hidden layer, an output is Gaussian over the "
            "samples, with the covariance:",
            r"\Sigma",
            v * identity + q2 * ones * ones_row,
            (
                Step(
                    Conjugate(identity - ones * ones_row / N, "A"),
                    v * (identity - ones * ones_row / N),
                    "Centred over the samples it is white in the $N - 1$ directions orthogonal to "
                    r"$\mathbf 1$: $N \sigma^2 = |A f|^2 = v \chi^2_{N-1}$.",
                ),
            ),
            given=((ones_row * ones, Result("ones")),),
        ),
        Lemma(
            "mean variance",
            r"The mean of $\xi = \chi^2_n$.",
            r"E\,\xi",
            moment(1, n),
            (
                Step(Evaluate(), n, "Integrate."),
                Step(Substitute(((n, N - 1),)), N - 1, "Here $n = N - 1$."),
                Step(
                    Multiply(v / N),
                    fisher.output_variance(v, N),
                    r"$\sigma^2 = v \xi/N$.",
                    r"E\,\sigma^2",
                ),
            ),
            row="output_variance",
        ),
        Lemma(
            "mean inverse variance",
            r"The mean of $1/\xi$, for $n = 2 + d$ degrees of freedom: it exists for $d > 0$, that "
            "is $N > 3$.",
            r"E\,\xi^{-1}",
            moment(-1, 2 + excess),
            (
                Step(Evaluate(), 1 / excess, "Integrate."),
                Step(Substitute(((excess, N - 3),)), 1 / (N - 3), "Here $n = N - 1$."),
                Step(
                    Multiply(N / v),
                    fisher.inverse_variance(v, N),
                    r"$\sigma^2 = v \xi/N$.",
                    r"E\,\sigma^{-2}",
                ),
            ),
        ),
        Lemma(
            "mean inverse square",
            r"The mean of $1/\xi^2$, for $n = 4 + d$: it exists for $d > 0$, that is $N > 5$.",
            r"E\,\xi^{-2}",
            moment(-2, 4 + excess),
            (
                Step(Evaluate(), 1 / (excess * (excess + 2)), "Integrate."),
                Step(Substitute(((excess, N - 5),)), 1 / ((N - 5) * (N - 3)), "Here $n = N - 1$."),
                Step(
                    Multiply(N**2 / v**2),
                    fisher.inverse_variance(v, N, power=2),
                    r"$\sigma^2 = v \xi/N$.",
                    r"E\,\sigma^{-4}",
                ),
            ),
        ),
    )


def _moments() -> tuple[Lemma, ...]:

    from derivations.proof import Lemma, Multiply, Result, Step
    from theory.symbols import K1, K2, C, N, P, eps, gamma, sigma2, tau, v

    gap = K1 - K2
    traces = {power: (N - 2) * fisher.inverse_variance(v, N, power) for power in (1, 2)}
    given_outputs = (N - 2 + (1 - tau) ** 2) / (sigma2 + eps)
    outputs = "$C$ outputs, $P$ eigenvalues, dual Fisher matrix $1/N$ times the kernel."
    return (
        Lemma(
            "mean eigenvalue given the outputs",
            r"With $\epsilon$, the kernel behind batch norm is "
            r"$\gamma^2 B K B/(\sigma^2 + \epsilon)$.",
            r"\operatorname{tr} BKB",
            Result("trace"),
            (
                Step(
                    Multiply(C * gamma**2 / (N * P * (sigma2 + eps))),
                    fisher.normalized_mean_eigenvalue(gap, given_outputs, gamma, N, C, P),
                    outputs,
                    r"m \mid f",
                ),
            ),
        ),
        Lemma(
            "mean eigenvalue",
            r"Average over the outputs, at $\epsilon = 0$.",
            r"\operatorname{tr} BKB",
            Result("trace given the outputs"),
            (
                Step(
                    Multiply(Result("mean inverse variance")),
                    traces[1] * gap,
                    "The trace does not depend on the outputs.",
                    r"E[\operatorname{tr} BKB/\sigma^2]",
                ),
                Step(
                    Multiply(C * gamma**2 / (N * P)),
                    fisher.normalized_mean_eigenvalue(gap, traces[1], gamma, N, C, P),
                    outputs,
                    "m",
                ),
            ),
        ),
        Lemma(
            "second moment",
            r"The same for the square, at $\epsilon = 0$.",
            r"\operatorname{tr} (BKB)^2",
            Result("square given the outputs"),
            (
                Step(
                    Multiply(Result("mean inverse square")),
                    traces[2] * gap**2,
                    "The trace does not depend on the outputs.",
                    r"E[\operatorname{tr} (BKB)^2/\sigma^4]",
                ),
                Step(
                    Multiply(C * gamma**4 / (N**2 * P)),
                    fisher.normalized_second_moment(gap, traces[2], gamma, N, C, P),
                    outputs,
                    "s",
                ),
            ),
        ),
    )


BATCHNORM_LAST: Theorem = Theorem(
    id="batchnorm-last",
    says="Batch norm of the outputs projects out two directions: all-ones and the output itself.",
    statement=r"""Let the last layer normalize each output over the $N$ samples,
$\gamma (f_k - \mu_k)/\sigma_k + \beta$ with the biased variance $\sigma_k^2$. With
$\hat f_k = (f_k - \mu_k)/\sigma_k$, the Jacobian of the normalized output is that of the linear
output times
\[
  A_k = \frac{\gamma}{\sigma_k} \left( I - \frac{\mathbf 1 \mathbf 1^\top}{N}
        - \frac{\hat f_k \hat f_k^\top}{N} \right),
\]
a projector of rank $N - 2$ times $\gamma/\sigma_k$, and for $M \to \infty$, given the outputs,
\[
  \frac{\sigma_k^2}{\gamma^2} \operatorname{tr}(A_k K A_k^\top) \to (N - 2)(K_1 - K_2), \qquad
  \sigma_k^2 \to \frac{v}{N} \chi^2_{N-1}, \qquad v = q_1^L - q_2^L.
\]
Hence, on average over the outputs, $E\,\sigma_k^2 = v (N-1)/N$ and
\begin{align*}
  m &= \frac{C \gamma^2 (N-2)}{P\, v\, (N-3)} (K_1 - K_2) \quad (N > 3), \\
  s &= \frac{C \gamma^4 (N-2)}{P\, v^2 (N-3)(N-5)} (K_1 - K_2)^2 \quad (N > 5).
\end{align*}""",
    assumptions=(
        r"Limit: $M \to \infty$ with $N$, $C$, $L$ and the ratios of the widths fixed.",
        r"Limit: given the features of the last hidden layer an output is Gaussian over the "
        r"samples, of covariance $v I + q_2^L \mathbf 1 \mathbf 1^{\top}$.",
        r"Mean field: the kernel of a linear output is $(K_1 - K_2) I + K_2 \mathbf 1 "
        r"\mathbf 1^{\top}$, given the outputs too (theorem unnormalized, with its assumptions).",
        r"Regime: $\epsilon = 0$, and $N > 3$, so that $1/\sigma_k^2$ has a mean.",
    ),
    limit="M -> oo, N fixed",
    source="setting: Karakida, Akaho & Amari, NeurIPS 2019; values at finite N: this project",
    rows=(
        Row(
            "trace_given_outputs",
            r"\sigma_k^2\,\mathrm{tr}(A_k K A_k^T)/\gamma^2",
            "trace_given_outputs",
            lambda t: fisher.conditional_trace(t.K.gap, t.N),
        ),
        Row(
            "output_variance",
            r"E\,\sigma_k^2",
            "output_variance",
            lambda t: fisher.output_variance(t.v, t.N),
        ),
        Row(
            "square_given_outputs",
            r"\sigma_k^4\,|A_k K A_k^T|^2/\gamma^4",
            "square_given_outputs",
            lambda t: fisher.conditional_square(t.K.gap, t.N),
            approach=replace(MEAN_SQUARE, one_output=True),
        ),
        Row(
            "largest_given_outputs",
            r"\sigma_k^2\,\lambda_{\max}",
            "largest_given_outputs",
            lambda t: fisher.bulk_mode(t.K.gap, t.N),
            approach=EDGE,
        ),
    ),
    cases=(
        *(Case(replace(network, last=BatchNorm()), 10, QUANTITIES) for network in NETWORKS),
        *(
            Case(replace(network, last=BatchNorm(), outputs=1), samples, (quantity,), default=False)
            for network in NETWORKS[:2]
            for quantity, samples in (("square_given_outputs", 10), ("largest_given_outputs", 6))
        ),
    ),
    requires=requires,
    prove=prove,
)

if __name__ == "__main__":
    from derivations.command import run

    run("batchnorm-last")
