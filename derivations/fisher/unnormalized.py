"""The spectrum of a network without normalization: an outlier per output, and a bulk."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from derivations.approach import MEAN_SQUARE
from derivations.networks import ERF, LINEAR, NETWORKS, TANH
from derivations.theorem import Case, Row, Theorem
from theory import fisher
from theory.architecture import Activation, Network, NoNormalization
from theory.errors import NotCovered, OutOfRegime
from theory.prediction import predict

if TYPE_CHECKING:
    import sympy as sp

    from derivations.proof import Lemma, Proof

QUANTITIES = ("kappa_1", "kappa_2", "uniform_mode")


def requires(network: Network, samples: int) -> None:
    """Two samples at least, linear outputs, and hidden layers without normalization."""
    if samples < 2:
        raise OutOfRegime(
            f"unnormalized needs N >= 2 samples, but N = {samples}: kappa_2 belongs to two of them."
        )
    if not isinstance(network.last, NoNormalization):
        raise OutOfRegime(
            f"unnormalized needs linear outputs, but the last layer has {network.last.kind}.\n"
            f"Use the theorem {network.last.kind}-last, or leave out the last layer's map."
        )
    normalized = [scheme.kind for scheme in network.layers or () if scheme.kind != "none"]
    if normalized:
        raise OutOfRegime(f"unnormalized has no prediction for a hidden layer with {normalized[0]}")
    try:
        predict(network, 1000, samples)
    except NotCovered as error:
        raise OutOfRegime(f"unnormalized has no prediction for this network: {error}") from error


def prove() -> Proof:
    """The kernels of the activations, the recursion, the kernel of an output, its spectrum."""
    from derivations.proof import Proof

    return Proof(
        UNNORMALIZED,
        (*_price(), *_relu(), *_erf(), *_recursion(), *outputs(), *kernel(), *spectrum()),
    )


def _price() -> tuple[Lemma, ...]:
    import sympy as sp

    from derivations.proof import DropTotalDerivatives, Evaluate, Lemma, Result, Step
    from theory.symbols import density, q1, q2, u_s, u_t, varphi

    determinant = q1**2 - q2**2
    marginal = sp.exp(-(u_t**2) / (2 * q1)) / sp.sqrt(2 * sp.pi * q1)
    conditional = sp.exp(-((u_s - q2 * u_t / q1) ** 2) * q1 / (2 * determinant)) / sp.sqrt(
        2 * sp.pi * determinant / q1
    )
    joint = sp.exp(-(q1 * u_t**2 - 2 * q2 * u_t * u_s + q1 * u_s**2) / (2 * determinant)) / (
        2 * sp.pi * sp.sqrt(determinant)
    )
    p = density(u_t, u_s, q1, q2)
    phi_t, phi_s = varphi(u_t), varphi(u_s)
    slope_t, slope_s = sp.Derivative(phi_t, u_t), sp.Derivative(phi_s, u_s)
    score = q1 * q2 * (u_t**2 + u_s**2) - (q1**2 + q2**2) * u_t * u_s
    plane = ((u_t, -sp.oo, sp.oo), (u_s, -sp.oo, sp.oo))
    return (
        Lemma(
            "Gaussian pair",
            "The density of two samples' pre-activations is that of $u_t$, times that of $u_s$ "
            "given $u_t$, of mean $q_2 u_t/q_1$ and variance $(q_1^2 - q_2^2)/q_1$.",
            "p",
            marginal * conditional,
            (Step(Evaluate(), joint, "Multiply."),),
        ),
        Lemma(
            "heat equation",
            "How the density changes with the covariance.",
            None,
            sp.Derivative(p, q2),
            (
                Step(
                    Evaluate(),
                    p * (q2 / determinant - score / determinant**2),
                    "Differentiate the density.",
                ),
                Step(Evaluate(), sp.Derivative(p, u_t, u_s), "It is the mixed derivative of $p$."),
            ),
            given=((p, Result("Gaussian pair")),),
        ),
        Lemma(
            "Price's theorem",
            "How a Gaussian integral changes with the covariance.",
            r"\frac{\partial}{\partial q_2} E[\varphi(u_t)\varphi(u_s)]",
            sp.Integral(phi_t * phi_s * sp.Derivative(p, q2), *plane),
            (
                Step(
                    Evaluate(),
                    sp.Integral(phi_t * phi_s * sp.Derivative(p, u_t, u_s), *plane),
                    "The density solves the heat equation.",
                ),
                Step(
                    Evaluate(),
                    sp.Integral(
                        sp.Derivative(phi_t * phi_s * sp.Derivative(p, u_s), u_t)
                        - sp.Derivative(slope_t * phi_s * p, u_s)
                        + slope_t * slope_s * p,
                        *plane,
                    ),
                    "The product rule, twice.",
                ),
                Step(
                    DropTotalDerivatives((u_t, u_s)),
                    sp.Integral(slope_t * slope_s * p, *plane),
                    "The boundary terms vanish, by sub-Gaussian growth: what is left is "
                    r"$E[\varphi'(u_t)\varphi'(u_s)]$.",
                ),
            ),
            given=((sp.Derivative(p, q2), Result("heat equation")),),
        ),
    )


def _relu() -> tuple[Lemma, ...]:
    import sympy as sp

    from derivations.proof import (
        Evaluate,
        IntegrateFromZero,
        Lemma,
        Result,
        Square,
        Step,
        Substitute,
    )
    from theory.gaussian import moments
    from theory.pair import Pair
    from theory.symbols import q1, q2, u_s, u_t

    relu = moments(Activation.named("relu"), Pair.of_samples(q1, q2, q1 - q2))
    density = sp.exp(-(u_t**2) / (2 * q1)) / sp.sqrt(2 * sp.pi * q1)

    def half_line(power: int) -> sp.Basic:
        return sp.Integral(u_t**power * density, (u_t, 0, sp.oo))

    return (
        Lemma(
            "positive sample",
            "The probability that a pre-activation is positive.",
            "P(u_t > 0)",
            half_line(0),
            (
                Step(Evaluate(), relu.derivative_first, "Integrate."),
                Step(
                    Square(),
                    sp.Rational(1, 4),
                    "Two samples are independent at $q_2 = 0$, where both are positive with "
                    "this probability.",
                ),
            ),
        ),
        Lemma(
            "two positive samples",
            r"For $\varphi$ the unit step, $\varphi'$ is the delta function: by Price's theorem "
            "the derivative of $P(u_t > 0, u_s > 0)$ is the density of the pair at 0.",
            "p",
            Result("Gaussian pair"),
            (
                Step(
                    Substitute(((u_t, sp.S.Zero), (u_s, sp.S.Zero))),
                    1 / (2 * sp.pi * sp.sqrt(q1**2 - q2**2)),
                    "The density at 0.",
                    r"\frac{\partial}{\partial q_2} P(u_t > 0, u_s > 0)",
                ),
                Step(
                    IntegrateFromZero(q2, Result("positive sample")),
                    sp.Rational(1, 4) + sp.asin(q2 / q1) / (2 * sp.pi),
                    "Integrate over the covariance, from independent samples.",
                    "P(u_t > 0, u_s > 0)",
                ),
                Step(
                    Evaluate(),
                    relu.derivative_second,
                    r"With $\arcsin x + \arccos x = \pi/2$: the arc-cosine kernel of order 0.",
                ),
            ),
        ),
        Lemma(
            "mean of ReLU",
            "The mean of the positive part.",
            r"E \max(0, u_t)",
            half_line(1),
            (
                Step(Evaluate(), sp.sqrt(q1 / (2 * sp.pi)), "Integrate."),
                Step(
                    Square(),
                    q1 / (2 * sp.pi),
                    "Two samples are independent at $q_2 = 0$: the mean of the product there.",
                ),
            ),
        ),
        Lemma(
            "ReLU",
            r"For $\varphi(x) = \max(0, x)$, $\varphi'$ is the unit step: Price's theorem again.",
            r"\frac{\partial}{\partial q_2} E[\max(0, u_t) \max(0, u_s)]",
            Result("two positive samples"),
            (
                Step(
                    IntegrateFromZero(q2, Result("mean of ReLU")),
                    relu.second,
                    "Integrate over the covariance, from independent samples: the arc-cosine "
                    "kernel of order 1.",
                    r"E[\max(0, u_t) \max(0, u_s)]",
                ),
            ),
        ),
        Lemma(
            "ReLU of one sample",
            "The same for one sample.",
            r"E \max(0, u_t)^2",
            half_line(2),
            (Step(Evaluate(), relu.first, "Integrate."),),
        ),
    )


def _erf() -> tuple[Lemma, ...]:
    import sympy as sp

    from derivations.proof import (
        Add,
        ChangeVariables,
        Evaluate,
        Integrate,
        IntegrateFromZero,
        Lemma,
        Multiply,
        Result,
        Step,
        Substitute,
    )
    from theory.gaussian import moments
    from theory.pair import Pair
    from theory.symbols import S_erf, q1, q2, q_minus, q_plus, scale, u_s, u_t, y, z

    erf = moments(Activation.named("erf", scale=scale), Pair.of_samples(q1, q2, q1 - q2))
    density = sp.exp(-(u_t**2) / (2 * q1)) / sp.sqrt(2 * sp.pi * q1)

    def phi(u: sp.Basic) -> sp.Basic:
        return sp.erf(u / sp.sqrt(2 * S_erf))

    def gaussian(variance: sp.Basic) -> sp.Basic:
        return S_erf * variance / (S_erf + variance)

    slopes = 2 * sp.exp(-(u_t**2 + u_s**2) / (2 * S_erf)) / (sp.pi * S_erf)
    rotated = sp.exp(-(y**2) / (2 * gaussian(q_plus)) - z**2 / (2 * gaussian(q_minus))) / (
        sp.pi**2 * S_erf * sp.sqrt(q_plus * q_minus)
    )
    inner = (
        sp.sqrt(2 / sp.pi)
        * sp.exp(-(z**2) / (2 * gaussian(q_minus)))
        / (sp.pi * sp.sqrt(S_erf * q_minus * (S_erf + q_plus)))
    )
    return (
        Lemma(
            "slopes of erf",
            r"For $\varphi(x) = \mathrm{erf}(x/\sqrt{2\varsigma})$: the integral of the slopes, "
            "by completing the square.",
            r"\varphi'(u_t)\varphi'(u_s)",
            sp.Derivative(phi(u_t), u_t) * sp.Derivative(phi(u_s), u_s),
            (
                Step(Evaluate(), slopes, "Differentiate."),
                Step(
                    Multiply(Result("Gaussian pair")),
                    slopes
                    * sp.exp(
                        -(q1 * u_t**2 - 2 * q2 * u_t * u_s + q1 * u_s**2) / (2 * (q1**2 - q2**2))
                    )
                    / (2 * sp.pi * sp.sqrt(q1**2 - q2**2)),
                    "The integrand is the product with the density of the pair.",
                    r"\varphi'(u_t)\varphi'(u_s)\,p",
                ),
                Step(
                    Substitute(((q1, (q_plus + q_minus) / 2), (q2, (q_plus - q_minus) / 2))),
                    slopes
                    * sp.exp(-((u_t + u_s) ** 2) / (4 * q_plus) - (u_t - u_s) ** 2 / (4 * q_minus))
                    / (2 * sp.pi * sp.sqrt(q_plus * q_minus)),
                    r"With $q_\pm = q_1 \pm q_2$ the exponent is a sum of two squares.",
                    r"\varphi'(u_t)\varphi'(u_s)\,p",
                ),
                Step(
                    ChangeVariables(
                        ((u_t, (y + z) / sp.sqrt(2)), (u_s, (y - z) / sp.sqrt(2))), (y, z)
                    ),
                    rotated,
                    r"Rotate: $y = (u_t + u_s)/\sqrt 2$ and $z = (u_t - u_s)/\sqrt 2$.",
                    r"\varphi'\varphi'\,p\,\frac{\partial(u_t, u_s)}{\partial(y, z)}",
                ),
                Step(
                    Integrate(y, -sp.oo, sp.oo),
                    inner,
                    "A Gaussian integral.",
                    r"E[\varphi'(u_t)\varphi'(u_s) \mid z]\,p(z)",
                ),
                Step(
                    Integrate(z, -sp.oo, sp.oo),
                    2 / (sp.pi * sp.sqrt(sp.expand((S_erf + q_plus) * (S_erf + q_minus)))),
                    "Another one.",
                    r"E[\varphi'(u_t)\varphi'(u_s)]",
                ),
                Step(
                    Substitute(((q_plus, q1 + q2), (q_minus, q1 - q2))),
                    2 / (sp.pi * sp.sqrt(sp.expand((S_erf + q1) ** 2 - q2**2))),
                    "Back to variance and covariance.",
                    r"E[\varphi'(u_t)\varphi'(u_s)]",
                ),
            ),
        ),
        Lemma(
            "mean of erf",
            r"Twice a normal distribution function is $1 + \varphi$.",
            r"E[1 + \varphi(u_t)]",
            sp.Integral((1 + phi(u_t)) * density, (u_t, -sp.oo, sp.oo)),
            (
                Step(Evaluate(), sp.S.One, "Integrate."),
                Step(Add(-sp.S.One), sp.S.Zero, r"So $\varphi$ has mean 0.", r"E\,\varphi(u_t)"),
            ),
        ),
        Lemma(
            "arc-sine kernel",
            "Price's theorem once more.",
            r"\frac{\partial}{\partial q_2} E[\varphi(u_t)\varphi(u_s)]",
            Result("slopes of erf"),
            (
                Step(
                    IntegrateFromZero(q2, Result("mean of erf")),
                    2 / sp.pi * sp.asin(q2 / (S_erf + q1)),
                    "Integrate over the covariance, from independent samples.",
                    r"E[\varphi(u_t)\varphi(u_s)]",
                ),
            ),
        ),
        Lemma(
            "erf",
            r"The kernel of $\mathrm{erf}(a x)$.",
            r"E[\varphi(u_t)\varphi(u_s)]",
            Result("arc-sine kernel"),
            (
                Step(
                    Substitute(((S_erf, 1 / (2 * scale**2)),)),
                    erf.second,
                    r"$\varsigma = 1/(2 a^2)$.",
                ),
            ),
        ),
        Lemma(
            "derivative of erf",
            "And that of its derivative.",
            r"E[\varphi'(u_t)\varphi'(u_s)]",
            Result("slopes of erf"),
            (
                Step(
                    Substitute(((S_erf, 1 / (2 * scale**2)),)),
                    erf.derivative_second,
                    r"$\varsigma = 1/(2 a^2)$.",
                ),
            ),
        ),
        Lemma(
            "erf of one sample",
            "The same for one sample: the kernel is continuous at $q_2 = q_1$.",
            r"E[\varphi(u_t)\varphi(u_s)]",
            Result("erf"),
            (Step(Substitute(((q2, q1),)), erf.first, "Equal samples.", r"E\,\varphi(u_t)^2"),),
        ),
        Lemma(
            "derivative of erf at one sample",
            "And for the derivative.",
            r"E[\varphi'(u_t)\varphi'(u_s)]",
            Result("derivative of erf"),
            (
                Step(
                    Substitute(((q2, q1),)),
                    erf.derivative_first,
                    "Equal samples.",
                    r"E\,\varphi'(u_t)^2",
                ),
            ),
        ),
    )


def _recursion() -> tuple[Lemma, ...]:
    import sympy as sp

    from derivations.proof import Evaluate, Lemma, Result, Step, Substitute, SumOver
    from theory.gaussian import Moments
    from theory.normalization import RULES, Backward
    from theory.symbols import (
        S1,
        S2,
        T1,
        T2,
        Lambda,
        M,
        M_above,
        N,
        S,
        T,
        backward,
        delta,
        f1,
        f2,
        i,
        j,
        k,
        psi,
        qh1,
        qh2,
        s_inner,
        sigma_w2,
        t_inner,
    )

    layer = Moments(qh1, qh2, qh1 - qh2, f1, f2, f1 - f2)
    pull_back = RULES["none"].pull_back
    below = pull_back(layer, sigma_w2, Backward(T, S))
    one, two = (pull_back(layer, sigma_w2, Backward(*above)) for above in ((T1, S1), (T2, S2)))
    difference = pull_back(layer, sigma_w2, Backward(T1 - T2, S1 - S2))
    samples = ((t_inner, 1, N), (s_inner, 1, N))
    moment = f2 + (f1 - f2) * delta(t_inner, s_inner)
    trace = (sp.Sum(Lambda[t_inner, t_inner], samples[0]), T)
    total = (sp.Sum(Lambda[t_inner, s_inner], samples[1], samples[0]), S)

    return (
        Lemma(
            "backward matrix",
            r"By the chain rule $\zeta^l_{i t'} = \psi_{i t'} \sum_j W_{ji} \zeta^{l+1}_{j t'}$. "
            r"Gradient independence lets the weights be averaged alone, "
            r"$E\,W_{ji} W_{ki} = \frac{\sigma_w^2}{M} \delta_{jk}$.",
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
                    sigma_w2 * moment * Lambda[t_inner, s_inner],
                    r"Sum over the units; the law of large numbers turns the sum of "
                    r"$\psi\psi$ into its mean.",
                ),
            ),
            given=(
                (sp.Sum(psi[i, t_inner] * psi[i, s_inner], (i, 1, M)), M * moment),
                (
                    sp.Sum(backward[j, t_inner] * backward[j, s_inner], (j, 1, M_above)),
                    Lambda[t_inner, s_inner],
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
                    sigma_w2 * f1 * Lambda[t_inner, t_inner],
                    "On the diagonal.",
                    r"\Lambda^l_{t' t'}",
                ),
                Step(
                    SumOver(t_inner, N),
                    below.T,
                    "Sum over the samples.",
                ),
            ),
            given=(trace,),
        ),
        Lemma(
            "sum",
            r"The sum $S^l$ of the entries of $\Lambda^l$.",
            r"\Lambda^l_{t' s'}",
            Result("backward matrix"),
            (
                Step(
                    SumOver(s_inner, N),
                    sigma_w2
                    * (
                        f2 * sp.Sum(Lambda[t_inner, s_inner], samples[1])
                        + (f1 - f2) * Lambda[t_inner, t_inner]
                    ),
                    "Sum over one sample.",
                ),
                Step(
                    SumOver(t_inner, N),
                    below.S,
                    "Sum over the other: the two numbers close.",
                ),
            ),
            given=(trace, total),
        ),
        Lemma(
            "difference of the pair types",
            "One output sample ($a = 1$) less two ($a = 2$), a layer further down.",
            r"(T_1^l - T_2^l,\ S_1^l - S_2^l)",
            sp.Tuple(one.T - two.T, one.S - two.S),
            (Step(Evaluate(), sp.Tuple(*difference), "The recursion is linear."),),
        ),
    )


def outputs(size: sp.Basic | None = None) -> tuple[Lemma, ...]:
    """Where the recursion starts, among ``size`` samples, by default N."""
    import sympy as sp

    from derivations.proof import Evaluate, Lemma, Step, Substitute
    from theory.meanfield import LINEAR_OUTPUT
    from theory.symbols import N, delta, s, s_inner, t, t_inner

    size = N if size is None else size
    samples = ((t_inner, 1, size), (s_inner, 1, size))

    def reached(a: sp.Basic, b: sp.Basic) -> sp.Basic:
        """The numbers T and S of two outputs: each depends on its own sample only."""
        return sp.Tuple(
            sp.Sum(delta(a, t_inner, size) * delta(b, t_inner, size), samples[0]),
            sp.Sum(delta(a, t_inner, size) * delta(b, s_inner, size), *samples),
        )

    return (
        Lemma(
            "one output sample",
            r"At the outputs $\Lambda^L_{t' s'} = \delta_{t t'} \delta_{s s'}$. Here $s = t$.",
            r"(T_1^L, S_1^L)",
            reached(t, t),
            (Step(Evaluate(), sp.Tuple(*LINEAR_OUTPUT[0]), "Sum over the samples."),),
        ),
        Lemma(
            "two output samples",
            r"Here $s \ne t$.",
            r"(T_2^L, S_2^L)",
            reached(t, s),
            (
                Step(Evaluate(), sp.Tuple(delta(t, s, size), sp.S.One), "Sum over the samples."),
                Step(
                    Substitute(((delta(t, s, size), sp.S.Zero),)),
                    sp.Tuple(*LINEAR_OUTPUT[1]),
                    "The samples differ.",
                    r"(T_2^L, S_2^L)",
                ),
            ),
        ),
    )


def kernel(size: sp.Basic | None = None) -> tuple[Lemma, ...]:
    """The kernel of a linear output by (T, S), among ``size`` samples, by default N."""
    import sympy as sp

    from derivations.fisher.symbolic_layers import at, three_layers
    from derivations.proof import LINEAR_OUTPUT, Evaluate, Lemma, Result, Step, Substitute, SumOver
    from theory.symbols import (
        S1,
        S2,
        T1,
        T2,
        L,
        Lambda,
        M,
        M_above,
        N,
        S,
        T,
        backward,
        delta,
        h,
        i,
        j,
        l,
        qh1,
        qh2,
        s_inner,
        t_inner,
    )

    size = N if size is None else size
    product = M * (qh2 + (qh1 - qh2) * delta(t_inner, s_inner, size))
    of_layer = M * ((qh1 - qh2) * T + qh2 * S) + S
    found = three_layers().kernel(tuple(at(M, layer) for layer in range(3)), bias_gradients=True)

    def over_layers(name: str, row: str, number: int, ends_in: sp.Basic) -> Lemma:
        in_layer = (
            *((symbol, at(symbol, l - 1)) for symbol in (M, qh1, qh2)),
            (T, at((T1, T2)[number - 1], l)),
            (S, at((S1, S2)[number - 1], l)),
        )
        summand = of_layer.subs(in_layer, simultaneous=True)
        return Lemma(
            name,
            f"The kernel $K_{number}$ adds up the layers.",
            rf"K_{number}^{{(l)}}",
            Result("kernel of a layer"),
            (
                Step(Substitute(in_layer), summand, "In layer $l$.", rf"K_{number}^{{(l)}}"),
                Step(
                    SumOver(l, L),
                    sp.Sum(summand, (l, 1, L)),
                    "Each parameter belongs to one layer.",
                    rf"K_{number}",
                ),
                Step(
                    Substitute(((L, sp.Integer(3)),)),
                    ends_in,
                    "As the prediction adds them up, here for three layers.",
                ),
            ),
            row=row,
            terms=LINEAR_OUTPUT._replace(K=found),
        )

    return (
        Lemma(
            "kernel of a layer",
            r"The weights of a layer have the gradients $\sum_{t'} \zeta_{i t'} h_{j t'}$, its "
            r"biases $\sum_{t'} \zeta_{i t'}$. Of the product of two such gradients, the part "
            "that belongs to the inner samples $t'$ and $s'$ is:",
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
                    Lambda[t_inner, s_inner] * (product + 1),
                    "Sum over the units; the law of large numbers turns the sum of $hh$ into "
                    "its mean.",
                ),
                Step(
                    SumOver(s_inner, size),
                    (M * qh2 + 1) * sp.Sum(Lambda[t_inner, s_inner], (s_inner, 1, size))
                    + M * (qh1 - qh2) * Lambda[t_inner, t_inner],
                    "Sum over one inner sample.",
                ),
                Step(
                    SumOver(t_inner, size),
                    of_layer,
                    "Sum over the other.",
                    r"K^{(l)}",
                ),
            ),
            given=(
                (
                    sp.Sum(backward[i, t_inner] * backward[i, s_inner], (i, 1, M_above)),
                    Lambda[t_inner, s_inner],
                ),
                (sp.Sum(h[j, t_inner] * h[j, s_inner], (j, 1, M)), product),
                (sp.Sum(Lambda[t_inner, t_inner], (t_inner, 1, size)), T),
                (sp.Sum(Lambda[t_inner, s_inner], (s_inner, 1, size), (t_inner, 1, size)), S),
            ),
        ),
        over_layers("kernel of one sample", "kappa_1", 1, found.K1),
        over_layers("kernel of two samples", "kappa_2", 2, found.K2),
    )


def spectrum() -> tuple[Lemma, ...]:
    """The eigenvalues of the kernel of N samples alike."""
    import sympy as sp

    from derivations.proof import (
        Apply,
        Coefficient,
        Lemma,
        Multiply,
        Result,
        Square,
        Step,
        SumOver,
        TakeTrace,
        Trace,
    )
    from theory.symbols import (
        K1,
        K2,
        C,
        N,
        P,
        identity,
        jacobian,
        jacobian_t,
        ones,
        ones_row,
        t,
        x,
    )

    kernel = (K1 - K2) * identity + K2 * ones * ones_row
    dual = kernel / N
    uniform, bulk = fisher.uniform_mode(K1, K2, N), fisher.bulk_mode(K1 - K2, N)
    products = ((ones_row * ones, Result("ones")), (ones_row * x, sp.S.Zero))
    traces = ((ones_row * ones, Result("ones")), (Trace(identity), N))
    return (
        Lemma(
            "ones",
            "The vector of ones over the samples.",
            r"\mathbf 1_t",
            sp.S.One,
            (Step(SumOver(t, N), N, "Its squared length.", r"\mathbf{1}^{\top}\mathbf{1}"),),
        ),
        Lemma(
            "eigenvectors",
            r"The dual Fisher matrix of an output. Apply it to $\mathbf 1$ and to any vector $x$ "
            "orthogonal to it; together they span the samples.",
            r"F^*",
            dual,
            (
                Step(
                    Apply(ones + x),
                    uniform * ones + bulk * x,
                    r"Each is multiplied by a number: $\mathbf 1$ and the $N - 1$ independent $x$ "
                    "are the eigenvectors.",
                ),
            ),
            given=products,
        ),
        Lemma(
            "uniform mode",
            r"The eigenvalue of $\mathbf 1$, once for each of the $C$ outputs.",
            r"F^* (\mathbf 1 + x)",
            Result("eigenvectors"),
            (Step(Coefficient(ones), uniform, r"The factor of $\mathbf 1$.", r"\lambda_U"),),
            row="uniform_mode",
        ),
        Lemma(
            "bulk",
            r"The eigenvalue of the vectors orthogonal to $\mathbf 1$, $N - 1$ times for each of "
            "the $C$ outputs.",
            r"F^* (\mathbf 1 + x)",
            Result("eigenvectors"),
            (Step(Coefficient(x), bulk, "The factor of $x$.", r"\lambda_D"),),
        ),
        Lemma(
            "multiplicity",
            r"The projector on the vectors orthogonal to $\mathbf 1$.",
            None,
            identity - ones * ones_row / N,
            (Step(TakeTrace(), N - 1, "Its trace is the dimension of their space."),),
            given=traces,
        ),
        Lemma(
            "mean gradients",
            r"The Fisher matrix $F = J^{\top} J/N$ has the same nonzero eigenvalues: apply it to "
            r"$J^{\top} \mathbf 1$, the sum of the gradients over the samples.",
            "F",
            jacobian_t * jacobian / N,
            (
                Step(
                    Apply(jacobian_t * ones),
                    uniform * jacobian_t * ones,
                    r"The mean gradient is the eigenvector of $\lambda_U$.",
                ),
            ),
            given=((jacobian * jacobian_t, kernel), *products[:1]),
        ),
        Lemma(
            "mean eigenvalue",
            "The mean over all $P$ eigenvalues, from the trace.",
            r"F^*",
            dual,
            (
                Step(TakeTrace(), K1, "The trace for one output."),
                Step(
                    Multiply(C / P),
                    fisher.mean_eigenvalue(K1, C, P),
                    "$C$ outputs, $P$ eigenvalues.",
                    "m",
                ),
            ),
            given=traces,
        ),
        Lemma(
            "trace of the square",
            "The sum of the squared eigenvalues.",
            r"F^*",
            dual,
            (
                Step(
                    Square(),
                    ((K1 - K2) ** 2 * identity + K2 * (2 * K1 + (N - 2) * K2) * ones * ones_row)
                    / N**2,
                    "Multiply.",
                ),
                Step(
                    TakeTrace(),
                    fisher.second_moment(K1, K2, N, C=1, P=1),
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
                    fisher.second_moment(K1, K2, N, C, P),
                    "$C$ outputs, $P$ eigenvalues.",
                    "s",
                ),
            ),
        ),
    )


UNNORMALIZED: Theorem = Theorem(
    id="unnormalized",
    says="One large eigenvalue per output, along the mean gradient; the others form a bulk.",
    statement=r"""Let $F = \frac1N J^\top J$, with $J$ the Jacobian of the $C$ outputs over $N$
samples by the $P$ parameters, and $\kappa_a = K_a/(\alpha M)$. For each output, as $M \to \infty$,
\begin{gather*}
  \tfrac1M J J^\top \to \tfrac1M \left[(K_1 - K_2)\, I + K_2 \mathbf 1 \mathbf 1^\top\right], \\
  K_a = \sum_{l=1}^L \left[ M_{l-1} \left( (\hat q_1^{l-1} - \hat q_2^{l-1})\, T_a^l
        + \hat q_2^{l-1} S_a^l \right) + S_a^l \right],
\end{gather*}
and the nonzero eigenvalues of $F$ are
\[
  \lambda_U = \frac{K_1 + (N-1) K_2}{N} \quad (C \text{ times}), \qquad
  \lambda_D = \frac{K_1 - K_2}{N} \quad (C(N-1) \text{ times}).
\]""",
    assumptions=(
        r"Limit: $M \to \infty$ with $N$, $C$, $L$ and the ratios of the widths fixed; sums over "
        "the units of a layer become means (law of large numbers).",
        "Mean field: the pre-activations of a layer are Gaussian, independent between units.",
        "Mean field: gradient independence. The weights of the backward pass are averaged as if "
        "they were independent of those of the forward pass.",
        r"Inputs: overlaps $\hat q_1^0$ of a sample with itself and $\hat q_2^0$ of two samples, "
        "the same for all.",
        r"Growth: $\varphi$ and $\varphi'$ are of sub-Gaussian growth, so that the boundary terms "
        "of Price's theorem vanish.",
    ),
    limit="M -> oo, N fixed",
    source="Karakida, Akaho & Amari, NeurIPS 2019; kernels: Price, IRE Trans. Inf. Theory 1958, "
    "Cho & Saul, NeurIPS 2009, Williams, NeurIPS 1996",
    rows=(
        Row("kappa_1", r"\kappa_1", "diagonal", lambda t: t.K.K1),
        Row(
            "kappa_2",
            r"\kappa_2",
            "off_diagonal",
            lambda t: t.K.K2,
            unit=lambda t: abs(t.K.K2) + t.K.K1 / t.N,
        ),
        Row(
            "uniform_mode",
            r"\lambda_U",
            "uniform",
            lambda t: fisher.uniform_mode(t.K.K1, t.K.K2, t.N),
        ),
        Row(
            "second_moment",
            r"P s/C",
            "squared_trace",
            lambda t: fisher.second_moment(t.K.K1, t.K.K2, t.N, C=1, P=1),
            approach=MEAN_SQUARE,
        ),
    ),
    cases=(
        *(Case(network, 16, QUANTITIES) for network in NETWORKS),
        *(
            Case(network, 16, QUANTITIES, default=False)
            for network in (
                replace(TANH, ratios=(2, 1, 0.5)),
                replace(LINEAR, ratios=(0.5, 1, 2)),
                replace(ERF, outputs=1, input_overlaps=(1, 0.3)),
            )
        ),
        *(
            Case(replace(network, outputs=1), 16, ("second_moment",), default=False)
            for network in NETWORKS
        ),
    ),
    requires=requires,
    prove=prove,
)

if __name__ == "__main__":
    from derivations.command import run

    run("unnormalized")
