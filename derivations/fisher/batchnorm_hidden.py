"""Batch norm in hidden layers: an eigenvalue of order M remains unless the mean activation is 0."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from derivations.fisher.batchnorm_last import derivative, variance
from derivations.fisher.sample_statistics import (
    KERNEL,
    KERNEL_ROWS,
    biases,
    of_group,
    own_parameters,
    require_layers,
    summed,
    two_samples,
    uniform_mode,
    unit_products,
    without_rows,
)
from derivations.fisher.unnormalized import kernel, outputs, spectrum
from derivations.theorem import Case, Theorem
from theory import fisher
from theory.architecture import Activation, BatchNorm, Network, NoNormalization
from theory.errors import OutOfRegime
from theory.normalization.layer import Coupled

if TYPE_CHECKING:
    from derivations.proof import Lemma, Proof


def requires(network: Network, samples: int) -> None:
    """Linear outputs, a hidden batch norm without regularizer, and N > 5."""
    require_layers("batchnorm-hidden", "batchnorm", network, samples)
    for scheme in network.layers or ():
        if isinstance(scheme, BatchNorm) and scheme.eps != 0:
            raise OutOfRegime(
                f"batchnorm-hidden needs eps = 0, but eps = {float(scheme.eps):.4g}.\n"
                "With eps > 0 the length of the normalized values is random too."
            )
    if samples <= 5:
        raise OutOfRegime(
            f"batchnorm-hidden needs N > 5 samples, but N = {samples}: the mean of 1/sigma^4 of a "
            "unit does not exist, so that measured kernels have infinite variance.\n"
            "Use more samples."
        )


def prove() -> Proof:
    """The Jacobian, the step of the recursion, the kernel, the uniform mode."""
    from derivations.proof import Proof
    from theory.symbols import N

    return Proof(
        BATCHNORM_HIDDEN,
        (
            *derivative(),
            *without_rows(variance(), "centred outputs", "mean inverse variance"),
            *step(),
            *outputs(),
            *kernel(),
            *biases(N),
            *own_parameters(N),
            *without_rows(spectrum(), "eigenvectors"),
            *(lemma for lemma in spectrum() if lemma.name == "uniform mode"),
            *_uniform_mode(),
        ),
    )


def step() -> tuple[Lemma, ...]:
    """The Jacobian of a unit, and one step of the recursion below it."""
    import sympy as sp

    from derivations.proof import Apply, Evaluate, Lemma, Result, Square, Step, Substitute, SumOver
    from theory.normalization import RULES, Backward
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
        fh,
        fh_row,
        gamma,
        i,
        identity,
        inverse,
        inverses,
        ones,
        ones_row,
        p1,
        p2,
        psi,
        qh1,
        qh2,
        s_inner,
        sigma_w2,
        t_inner,
        tau,
        uh,
        x,
    )

    pull_back = RULES["batchnorm"].pull_back
    layer = carried_moments()
    below = pull_back(layer, sigma_w2, Backward(T, S))
    projector = identity - ones * ones_row / N - fh * fh_row / N
    position = uh[i, t_inner] * uh[i, s_inner]

    def average(weight: sp.Basic) -> sp.Basic:
        return sp.Sum(inverses[i] * weight * psi[i, t_inner] * psi[i, s_inner], (i, 1, M))

    f, p = two_samples(f1, f2, N), two_samples(p1, p2, N)
    same = delta(t_inner, s_inner)
    row_sum = sp.Sum(Lambda[t_inner, s_inner], (s_inner, 1, N))
    weight = sigma_w2 * gamma**2
    average_removed, gap_removed = (f2 + p2) / N, (f1 + p1 - f2 - p2) / N
    plain = Coupled(qh1, qh2, qh1 - qh2, f1, f2, f1 - f2, p1, p2, p1 - p2, 1 / N)
    one, two = (pull_back(plain, sigma_w2, Backward(*above)) for above in ((T1, S1), (T2, S2)))

    def left(factor: sp.Basic, T: sp.Basic, S: sp.Basic) -> sp.Basic:
        return factor * f1 * T - factor * average_removed * S - factor * gap_removed * T

    products = (
        (ones_row * ones, Result("ones")),
        (ones_row * fh, Result("normalized output and ones")),
        (fh_row * ones, Result("normalized output and ones")),
        (fh_row * fh, Result("length of the normalized output")),
    )
    return (
        Lemma(
            "projector",
            r"A hidden unit is normalized as an output is: read $f$ as its pre-activations over "
            r"the samples, at $\epsilon = 0$, $\tau = 1$. Its Jacobian is "
            r"$A_i = \frac{\gamma_i}{\sigma_i} B$ with:",
            "B",
            projector,
            (
                Step(
                    Square(),
                    identity - ones * ones_row / N - (2 - tau) / N * fh * fh_row,
                    "Multiply.",
                ),
                Step(Substitute(((tau, sp.S.One),)), projector, r"So $B^2 = B$."),
            ),
            given=products,
        ),
        Lemma(
            "sum",
            r"The derivatives below are $\zeta_i = A_i \bar\zeta_i$, with those above the "
            r"activation, and $\Lambda^l = \sum_i \zeta_i \zeta_i^{\top}$.",
            "B",
            Result("projector"),
            (
                Step(
                    Apply(ones + x), x, r"On $\mathbf 1$ and any $x$ orthogonal to it and $\hat u$."
                ),
                Step(
                    Substitute(((x, sp.S.Zero),)),
                    sp.sympify(below.S),
                    r"On $\mathbf 1$ alone: $S^l = \mathbf 1^{\top} \Lambda^l \mathbf 1 = 0$, "
                    "whatever comes from above.",
                ),
            ),
            given=(*products[:1], products[2], (ones_row * x, sp.S.Zero), (fh_row * x, sp.S.Zero)),
        ),
        unit_products(
            "products behind batch norm",
            r"$T^l = \sum_i \bar\zeta_i^{\top} A_i^2 \bar\zeta_i$ sums over $t'$ and $s'$, with "
            r"$\varpi_i = 1/\sigma_i^2$ and $\bar\zeta_{i t'} = \psi_{i t'} \sum_j W_{ji} "
            r"\zeta^{l+1}_{j t'}$. Gradient independence lets the weights be averaged alone, "
            r"$E\,W_{ji} W_{ki} = \frac{\sigma_w^2}{M} \delta_{jk}$; $\sigma_i$ is independent of "
            r"$\hat u_i$, a direction.",
            gamma**2 * inverses[i] * (same - 1 / N - position / N),
            ((average(sp.S.One), M * inverse * f), (average(position), M * inverse * p)),
            gamma**2 * inverse * (same * f - f / N - p / N),
        ),
        summed(
            "trace",
            "products behind batch norm",
            r"The trace $T^l$ of $\Lambda^l$.",
            N,
            left(weight * inverse, Lambda[t_inner, t_inner], row_sum),
            Step(SumOver(t_inner, N), left(weight * inverse, T, S), "Sum over the other.", "T^l"),
            Step(
                Substitute(((inverse, Result("mean inverse variance")),)),
                below.T,
                r"The mean of $1/\sigma_i^2$, at $v = q_1 - q_2$ of the layer.",
                "T^l",
            ),
        ),
        Lemma(
            "difference of the pair types",
            "One output sample ($a = 1$) less two ($a = 2$), a layer further down, the factor "
            r"$\gamma^2/\sigma^2$ in $f$ and $p$.",
            r"T_1^l - T_2^l",
            one.T - two.T,
            (
                Step(
                    Evaluate(),
                    left(sigma_w2, T1 - T2, S1 - S2),
                    "The recursion is linear.",
                ),
            ),
        ),
    )


def carried_moments() -> Coupled:
    """The moments of a batch-normalized layer, as the rule carries them."""
    from theory.symbols import N, f1, f2, gamma, p1, p2, qh1, qh2, v

    weight = gamma**2 * fisher.inverse_variance(v, N)
    carried = [weight * part for part in (f1, f2, f1 - f2, p1, p2, p1 - p2)]
    return Coupled._make((qh1, qh2, qh1 - qh2, *carried, 1 / N))


def _uniform_mode() -> tuple[Lemma, ...]:
    from theory.normalization import RULES
    from theory.symbols import N, f1, f2, gamma, p1, p2, sigma_w2, v

    layer = carried_moments()
    factor = sigma_w2 * gamma**2 * N / (v * (N - 3))
    return uniform_mode(
        lambda above: RULES["batchnorm"].pull_back(layer, sigma_w2, above),
        factor * (f1 - f2 - p2 - (f1 - f2 + p1 - p2) / N),
    )


RELU = Network(Activation.named("relu"), depth=3, sigma_w2=2, sigma_b2=0.2, hidden=BatchNorm())
TRAINED = Network(
    Activation.named("tanh"),
    depth=3,
    sigma_w2=3,
    sigma_b2=0.64,
    hidden=BatchNorm(gamma=1.3, beta=0.5, trained=True),
)
MIXED = replace(RELU, hidden=None, layers=(BatchNorm(), NoNormalization()))

BATCHNORM_HIDDEN: Theorem = Theorem(
    id="batchnorm-hidden",
    says="Hidden batch norm leaves an eigenvalue of order M unless the mean activation vanishes.",
    statement=r"""Let hidden layers normalize each unit over the $N$ samples, $\bar u = \gamma
\hat u + \beta$ with $\hat u = (u - \mu)/\sigma$. Below such a layer, for $\Lambda^l_{t's'} =
\sum_i \frac{\partial f(t)}{\partial u_i^l(t')} \frac{\partial f(s)}{\partial u_i^l(s')}$ with trace
$T$ and sum $S$,
\begin{gather*}
  T^l = \frac{\sigma_w^2 \gamma^2 N}{v (N-3)} \Bigl[ f_1 T - \frac1N \bigl( (f_2 + p_2) S
        + (f_1 - f_2 + p_1 - p_2) T \bigr) \Bigr]^{l+1}, \quad S^l = 0, \\
  f_1 = E\,\psi_t^2, \quad f_2 = E\,\psi_t \psi_s, \quad p_1 = E\,\hat u_t^2 \psi_t^2, \quad
  p_2 = E\,\hat u_t \hat u_s \psi_t \psi_s,
\end{gather*}
with $\psi = \varphi'(\bar u)$, $\hat u$ uniform on the sphere $|\hat u|^2 = N$ orthogonal
to $\mathbf 1$, and $v = q_1 - q_2$. The kernel adds up as without normalization, and as
$M \to \infty$
\[
  \lambda_{\max} \ge M_{L-1} \Bigl( \frac{N-1}{N} \hat q_2^{L-1} + \frac1N \hat q_1^{L-1} \Bigr),
  \qquad \lambda_U = \frac{K_1 + (N-1) K_2}{N}.
\]""",
    assumptions=(
        r"Limit: $M \to \infty$ with $N$, $C$, $L$ and the ratios of the widths fixed; sums over "
        "the units of a layer become means (law of large numbers).",
        "Mean field: the pre-activations of a layer are Gaussian over the samples, independent "
        "between units, with covariance $v I + q_2 \\mathbf 1 \\mathbf 1^{\\top}$.",
        "Mean field: gradient independence. The weights of the backward pass are averaged as if "
        "they were independent of those of the forward pass.",
        "Layers of another normalization take the step of their own theorem.",
        r"Regime: $\epsilon = 0$; $N > 3$ for the mean of $1/\sigma^2$, and $N > 5$ for that of "
        r"$1/\sigma^4$, without which a measured kernel has no variance.",
    ),
    limit="M -> oo, N fixed",
    source="lower bound: Karakida, Akaho & Amari, NeurIPS 2019; values at finite N: this project",
    rows=(
        *KERNEL_ROWS,
        *of_group("biases", "b"),
        *of_group("scales", r"\gamma"),
        *of_group("shifts", r"\beta"),
    ),
    cases=(
        Case(RELU, 16, KERNEL, default=False),
        Case(
            TRAINED,
            16,
            (*KERNEL, "scales_1", "scales_2", "shifts_1", "shifts_2"),
            default=False,
        ),
        Case(MIXED, 16, (*KERNEL, "biases_1", "biases_2"), default=False),
    ),
    requires=requires,
    prove=prove,
)

if __name__ == "__main__":
    from derivations.command import run

    run("batchnorm-hidden")
