"""Layer norm in hidden layers: each sample is scaled alone, and the outlier stays."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from derivations.fisher.unnormalized import UNNORMALIZED, kernel, outputs, spectrum
from derivations.networks import RELU, TANH
from derivations.theorem import Case, Row, Theorem
from theory.architecture import (
    Activation,
    BatchNorm,
    GroupNorm,
    LayerNorm,
    Network,
    NoNormalization,
    RMSNorm,
    Scheme,
)
from theory.errors import OutOfRegime
from theory.prediction import predict

if TYPE_CHECKING:
    from derivations.proof import Lemma, Proof

WHOLE = ("kappa_1", "kappa_2", "uniform_mode")
GROUPS = ("biases", "scales", "shifts")
OWN = tuple(f"{group}_{number}" for group in GROUPS for number in (1, 2))
KINDS = (LayerNorm, RMSNorm, GroupNorm)


def requires(network: Network, samples: int) -> None:
    """Linear outputs, and a hidden layer that is normalized over its units."""
    if not isinstance(network.last, NoNormalization) or network.loss != "mse":
        raise OutOfRegime("layernorm-hidden needs linear outputs: it is about the hidden layers.")
    if not any(isinstance(scheme, KINDS) for scheme in network.layers or ()):
        kinds = ", ".join(scheme.kind for scheme in network.layers or ())
        raise OutOfRegime(
            "layernorm-hidden needs layer norm, RMS norm or group norm in a hidden layer, but they "
            f"have {kinds}.\nGive the network hidden=LayerNorm()."
        )
    predict(network, 1000, samples)


def prove() -> Proof:
    """The law of the normalized values, the step of the recursion, own parameters, the outlier."""
    from derivations.proof import Proof

    return Proof(
        LAYERNORM_HIDDEN,
        (*_law(), *_backward(), *outputs(), *kernel(), *_own(), *_positive(), *spectrum()),
    )


def _law() -> tuple[Lemma, ...]:
    import sympy as sp

    from derivations.fisher.layered import of_pair
    from derivations.proof import Evaluate, Lemma, Multiply, Step, Substitute, SumOver
    from theory.mathematics import symbols
    from theory.normalization import PreActivations, Setting, rule
    from theory.symbols import (
        M,
        beta,
        eps,
        gamma,
        i,
        mu,
        q1,
        q2,
        s_inner,
        sigma_b2,
        sigma_w2,
        t_inner,
        u,
    )

    linear, setting = Activation.named("linear"), Setting(symbols(), None, sigma_w2, sigma_b2)
    scheme = LayerNorm(gamma, beta, eps)
    found = rule(scheme).law(linear, scheme, PreActivations(q1, q2, q1 - q2), None, setting).moments

    def output(sample: sp.Symbol) -> sp.Basic:
        return gamma * u[i, sample] / sp.sqrt(q1 + eps) + beta

    units = (i, 1, M)
    moments = sp.Sum(u[i, t_inner] * u[i, s_inner], units), M * of_pair(q1, q2)
    means = tuple((sp.Sum(u[i, one], units), sp.S.Zero) for one in (t_inner, s_inner))
    return (
        Lemma(
            "variance over the units",
            r"The units of a layer are independent, centred and of variance $q_1$: over one "
            r"sample's units the mean is $\mu$ and the mean square $q_1$.",
            r"\tfrac1M (u_{i t'} - \mu)^2",
            (u[i, t_inner] - mu) ** 2 / M,
            (
                Step(SumOver(i, M), q1 - mu**2, "The variance over the units."),
                Step(
                    Substitute(((mu, sp.S.Zero),)),
                    q1,
                    r"By the law of large numbers $\mu \to 0$: RMS norm, which subtracts no mean, "
                    "has the same limit, and so has every group of a fixed share of the units.",
                ),
            ),
            given=(
                (sp.Sum(u[i, t_inner], units), M * mu),
                (sp.Sum(u[i, t_inner] ** 2, units), M * q1),
            ),
        ),
        Lemma(
            "normalized pair",
            r"So $\bar u_{i t'} = \gamma u_{i t'}/\sqrt{q_1 + \epsilon} + \beta$, for any two "
            "samples.",
            r"\bar u_{i t'} \bar u_{i s'}",
            output(t_inner) * output(s_inner),
            (
                Step(
                    SumOver(i, M),
                    M * (gamma**2 * of_pair(q1, q2) / (q1 + eps) + beta**2),
                    "Sum over the units.",
                ),
                Step(
                    Multiply(1 / M),
                    of_pair(found.first, found.second),
                    "Their mean, as the prediction has it: a Gaussian pair of variance $q_1/(q_1 + "
                    r"\epsilon)$ and covariance $q_2/(q_1 + \epsilon)$, times $\gamma$, plus "
                    r"$\beta$.",
                ),
            ),
            given=(moments, *means),
        ),
        Lemma(
            "slope of the normalization",
            r"Without its projections, the derivative of $\bar u_{i t'}$ by $u_{i t'}$.",
            r"\frac{d \bar u_{i t'}}{d u_{i t'}}",
            gamma / sp.sqrt(q1 + eps),
            (
                Step(
                    Multiply(gamma / sp.sqrt(q1 + eps)),
                    found.derivative_first,
                    "Its square, which weighs the moments of the slopes in the prediction.",
                ),
                Step(Evaluate(), found.derivative_second, "The same for two samples."),
            ),
        ),
    )


def _backward() -> tuple[Lemma, ...]:
    import sympy as sp

    from derivations.fisher.layered import SUMS, of_pair
    from derivations.proof import Add, Lemma, Multiply, Result, Step, Substitute, SumOver
    from theory.gaussian import Moments
    from theory.normalization import RULES, Backward
    from theory.normalization.units import weighted
    from theory.symbols import (
        Lambda,
        M,
        N,
        S,
        T,
        delta,
        eps,
        f1,
        f2,
        g_ss,
        g_ts,
        g_tt,
        gamma,
        i,
        j,
        psi,
        q1,
        q2,
        qh1,
        qh2,
        s_inner,
        sigma_w2,
        t_inner,
        uh,
    )

    layer = weighted(Moments(qh1, qh2, qh1 - qh2, f1, f2, f1 - f2), gamma**2 / (q1 + eps))
    below = RULES[LayerNorm.kind].pull_back(layer, sigma_w2, Backward(T, S))
    slopes = psi[j, t_inner] * psi[j, s_inner]
    rate = sigma_w2 * gamma**2 / (q1 + eps)
    overlap = q2 / (q1 + eps)

    def entry(sample: sp.Symbol) -> sp.Basic:
        return delta(i, j, M) - 1 / M - uh[i, sample] * uh[j, sample] / M

    def summed(product: sp.Basic, index: sp.Symbol = j) -> sp.Basic:
        return sp.Sum(product, (index, 1, M))

    rest = f2 + g_tt + g_ss - overlap * g_ts
    return (
        Lemma(
            "projections",
            r"The derivative of $\bar u_{j t'}$ by $u_{i t'}$ is $\gamma (q_1 + \epsilon)^{-1/2} "
            r"(\delta_{ij} - \frac1M - \frac1M \hat u_{i t'} \hat u_{j t'})$: two directions of "
            "the units are projected out. With the weights above averaged alone, the gradients of "
            "different units are uncorrelated; two different samples:",
            None,
            entry(t_inner) * entry(s_inner) * slopes,
            (
                Step(
                    SumOver(i, M),
                    slopes
                    * (
                        1
                        - (1 + uh[j, t_inner] ** 2 + uh[j, s_inner] ** 2) / M
                        + overlap * uh[j, t_inner] * uh[j, s_inner] / M
                    ),
                    "Sum over the units below it.",
                ),
                Step(
                    SumOver(j, M),
                    M * f2 - rest,
                    "Sum over the units above the normalization.",
                    r"M \bar\psi_{t' s'}",
                ),
                Step(Multiply(1 / M), f2 - rest / M, "Per unit.", r"\bar\psi_{t' s'}"),
                Step(
                    Substitute(((M, sp.oo),)),
                    f2,
                    "The projections are of rank 2 among $M$ units: their effect is of the next "
                    "order, for RMS norm and for a fixed number of groups likewise.",
                ),
            ),
            given=(
                (summed(uh[i, t_inner] * uh[i, s_inner], i), M * overlap),
                (summed(uh[i, t_inner], i), sp.S.Zero),
                (summed(uh[i, s_inner], i), sp.S.Zero),
                (summed(slopes), M * f2),
                (summed(slopes * uh[j, t_inner] ** 2), M * g_tt),
                (summed(slopes * uh[j, s_inner] ** 2), M * g_ss),
                (summed(slopes * uh[j, t_inner] * uh[j, s_inner]), M * g_ts),
            ),
        ),
        Lemma(
            "backward matrix",
            "The unit's slope and the averaged weights multiply the moment of two samples.",
            r"E[\psi_{t'} \psi_{s'}]",
            Result("projections"),
            (
                Step(
                    Add((f1 - f2) * delta(t_inner, s_inner)),
                    of_pair(f1, f2),
                    "Where the samples agree it is $f_1$.",
                ),
                Step(
                    Multiply(rate * Lambda[t_inner, s_inner]),
                    rate * of_pair(f1, f2) * Lambda[t_inner, s_inner],
                    r"$\Lambda$ on the right is that of the layer above.",
                    r"\Lambda^l_{t' s'}",
                ),
            ),
        ),
        Lemma(
            "trace",
            r"The trace $T^l$ of $\Lambda^l$.",
            r"\Lambda^l_{t' s'}",
            Result("backward matrix"),
            (
                Step(
                    Substitute(((s_inner, t_inner),)),
                    rate * f1 * Lambda[t_inner, t_inner],
                    "On the diagonal.",
                    r"\Lambda^l_{t' t'}",
                ),
                Step(SumOver(t_inner, N), below.T, "Sum over the samples."),
            ),
            given=SUMS[:1],
        ),
        Lemma(
            "sum",
            r"The sum $S^l$ of its entries.",
            r"\Lambda^l_{t' s'}",
            Result("backward matrix"),
            (
                Step(
                    SumOver(s_inner, N),
                    rate
                    * (
                        f2 * sp.Sum(Lambda[t_inner, s_inner], (s_inner, 1, N))
                        + (f1 - f2) * Lambda[t_inner, t_inner]
                    ),
                    "Sum over one sample.",
                ),
                Step(SumOver(t_inner, N), below.S, "Sum over the other: the two numbers close."),
            ),
            given=SUMS,
        ),
    )


def _own() -> tuple[Lemma, ...]:
    from derivations.fisher.layered import groups, over_layers, own_over_layers, own_parameter
    from derivations.proof import Evaluate, Lemma, Step
    from theory.symbols import S

    biases = groups(TANH)["biases"]
    return (
        Lemma(
            "biases of a layer",
            r"The gradient by the bias of unit $i$ is $\sum_{t'} \zeta_{i t'}$.",
            "K^{(l)}",
            S,
            (Step(Evaluate(), S, "The sum over both inner samples."),),
        ),
        over_layers("biases of one sample", "biases_1", 1, "biases of a layer", S, biases),
        over_layers("biases of two samples", "biases_2", 2, "biases of a layer", S, biases),
        own_parameter(),
        *(
            own_over_layers(f"{group} of {samples}", f"{group}_{number}", number)
            for group in ("scales", "shifts")
            for number, samples in ((1, "one sample"), (2, "two samples"))
        ),
    )


def _positive() -> tuple[Lemma, ...]:
    import sympy as sp

    from derivations.fisher.layered import order
    from derivations.proof import (
        Evaluate,
        Integrate,
        Lemma,
        Multiply,
        Square,
        Step,
        Substitute,
    )
    from theory.gaussian import Moments
    from theory.normalization import RULES, Backward
    from theory.symbols import S2, T2, f1, f2, q1, q2, qh1, qh2, r, sigma_w2, z

    below = RULES[LayerNorm.kind].pull_back
    layer = Moments(qh1, qh2, qh1 - qh2, f1, f2, f1 - f2)
    numbers = order()
    h_gap, h2, T, S = (one[2] for one in (numbers.qh_gap, numbers.qh2, numbers.T2, numbers.S2))
    top = numbers.block(2, sp.S.One).K2

    def weight(variable: sp.Symbol) -> sp.Basic:
        return sp.exp(-(variable**2) / 2) / sp.sqrt(2 * sp.pi)

    common = sp.sqrt(q2) * r
    return (
        Lemma(
            "common part",
            r"For $q_2 \ge 0$ a pre-activation is $u_t = \sqrt{q_2}\, r + \sqrt{q_1 - q_2}\, z$, "
            "with a standard normal $r$ that two samples share and a $z$ of each sample's own.",
            "u_t p(z)",
            (common + sp.sqrt(q1 - q2) * z) * weight(z),
            (
                Step(Integrate(z, -sp.oo, sp.oo), common, "Its mean given $r$.", r"E[u_t \mid r]"),
                Step(Square(), q2 * r**2, "Given $r$ the two samples are independent."),
                Step(
                    Multiply(weight(r)),
                    q2 * r**2 * weight(r),
                    "Average over $r$ as well.",
                    r"E[u_t u_s \mid r]\, p(r)",
                ),
                Step(
                    Integrate(r, -sp.oo, sp.oo),
                    q2,
                    r"The covariance. So $E[\varphi \varphi] = E_r[E[\varphi \mid r]^2]$, the "
                    r"square of $E \varphi$ and the variance of $E[\varphi \mid r]$: not negative, "
                    r"and positive if $E \varphi \ne 0$ or $q_2 > 0$; the same for $\varphi'$.",
                    r"E[u_t u_s]",
                ),
            ),
        ),
        Lemma(
            "two samples",
            "Two output samples have $T_2^L = 0$ and $S_2^L = 1$.",
            "(T_2^l, S_2^l)",
            sp.Tuple(*below(layer, sigma_w2, Backward(T2, S2))),
            (
                Step(
                    Evaluate(),
                    sp.Tuple(sigma_w2 * f1 * T2, sigma_w2 * (f2 * S2 + (f1 - f2) * T2)),
                    "One step of the recursion.",
                ),
                Step(
                    Substitute(((T2, sp.S.Zero),)),
                    sp.Tuple(sp.S.Zero, sigma_w2 * f2 * S2),
                    r"So $T_2 = 0$ and $S_2 \ge 0$ at every layer, since $f_2 \ge 0$.",
                ),
            ),
        ),
        Lemma(
            "outlier",
            r"All layers add to $K_2$, none less than 0. The last, per unit of its input:",
            r"K_2^{(L)}/M_{L-1}",
            h_gap * T + h2 * S,
            (
                Step(
                    Substitute(((T, sp.S.Zero), (S, sp.S.One))),
                    top.subs({T: 0, S: 1}),
                    r"So $K_2 \ge M_{L-1} \hat q_2^{L-1}$: of order $M$ where it is not 0.",
                ),
            ),
        ),
    )


GROUP_ROWS = tuple(
    row
    for group in GROUPS
    for row in (
        Row(
            f"{group}_1", rf"K_1^{{\mathrm{{{group}}}}}", "diagonal", lambda t: t.K.K1, group=group
        ),
        Row(
            f"{group}_2",
            rf"K_2^{{\mathrm{{{group}}}}}",
            "off_diagonal",
            lambda t: t.K.K2,
            unit=lambda t: abs(t.K.K2) + t.K.K1 / t.N,
            group=group,
        ),
    )
)

_GELU = Network(Activation.named("gelu"), depth=3, sigma_w2=2, sigma_b2=0.1)
GROUPED = 4


def _normalized(network: Network, *layers: Scheme) -> Network:
    return replace(network, outputs=1, layers=layers if len(layers) > 1 else layers * 2)


LAYERNORM_HIDDEN: Theorem = Theorem(
    id="layernorm-hidden",
    says="Layer norm, RMS norm and group norm in hidden layers agree, and leave the outlier.",
    statement=r"""Let hidden layers normalize each sample over their units, by layer norm, RMS norm
or group norm with a fixed number of groups. As $M \to \infty$ the three agree: two samples of a
unit are $\gamma z + \beta$ with a Gaussian pair $z$ of variance $q_1/(q_1 + \epsilon)$ and
covariance $q_2/(q_1 + \epsilon)$, and
\[
  T^l = \frac{\sigma_w^2 \gamma^2}{q_1 + \epsilon} f_1 T^{l+1}, \qquad
  S^l = \frac{\sigma_w^2 \gamma^2}{q_1 + \epsilon} \left( f_2 S^{l+1} + (f_1 - f_2) T^{l+1} \right).
\]
If every hidden layer does so and $q_2 \ge 0$, then $K_2 \ge M_{L-1} \hat q_2^{L-1}$, which is
positive where $E \varphi \ne 0$ or $q_2^{L-1} > 0$: the largest eigenvalue stays of order $M$.
Trained shifts and scales add $\sigma_w^2 (g_2 S^{l+1} + (g_1 - g_2) T^{l+1})$ each, with
$g_a = E \psi_t \psi_s$ and $g_a = E z_t z_s \psi_t \psi_s$.""",
    assumptions=(
        r"Limit: $M \to \infty$ with $N$, $C$, $L$, the ratios of the widths and the number of "
        "groups fixed; sums over the units of a layer become means (law of large numbers).",
        "Mean field: gradient independence, as in the theorem unnormalized.",
        r"Inputs: overlaps $\hat q_1^0$ of a sample with itself and $\hat q_2^0$ of two samples, "
        "the same for all.",
    ),
    limit="M -> oo, N fixed",
    source="order of the largest eigenvalue: Karakida, Akaho & Amari, NeurIPS 2019; values, own "
    "parameters: this project",
    rows=(*(UNNORMALIZED.row(quantity) for quantity in WHOLE), *GROUP_ROWS),
    cases=(
        Case(
            _normalized(TANH, LayerNorm(gamma=1.3, beta=0.4, trained=True)),
            16,
            (*WHOLE, *OWN),
            default=False,
        ),
        Case(_normalized(RELU, RMSNorm()), 16, WHOLE, default=False),
        Case(_normalized(_GELU, GroupNorm(groups=GROUPED)), 16, WHOLE, default=False),
        Case(_normalized(RELU, BatchNorm(), LayerNorm()), 16, WHOLE, default=False),
    ),
    requires=requires,
    prove=prove,
)

if __name__ == "__main__":
    from derivations.command import run

    run("layernorm-hidden")
