"""Which weights a normalization hides the length of: the value behind it, and its slope."""

from __future__ import annotations

from typing import TYPE_CHECKING

from derivations.kernels.record import kernel_theorem
from theory.invariant_weights import PER_SAMPLE, PER_UNIT, WITHOUT_BIAS

if TYPE_CHECKING:
    import sympy as sp

    from derivations.proof import Lemma, Proof


def prove() -> Proof:
    """The slope of each normalized value in the logarithm of a factor of the weights, at 1."""
    from derivations.proof import Proof

    return Proof(
        INVARIANT_WEIGHTS, (*_schemes(), *_biases(), *_passed_on(), *_weights(), *_degrees())
    )


def _value(kind: str, u: sp.Basic, mean: sp.Basic, variance: sp.Basic) -> sp.Basic:
    """What a scheme makes of a pre-activation with these statistics, before scale and shift."""
    import sympy as sp

    from theory.symbols import eps

    values = {
        "mean-subtraction": u - mean,
        "rmsnorm": u / sp.sqrt(variance + mean**2 + eps),
    }
    return values.get(kind, (u - mean) / sp.sqrt(variance + eps))


def _schemes() -> tuple[Lemma, ...]:
    r"""A factor of the pre-activations, with the mean and the variance that it gives them."""
    import sympy as sp

    from derivations.proof import Evaluate, Lemma, Step, Substitute
    from theory.symbols import eps, mu, sigma2, stretch_w, u_t

    at_one = Substitute(((stretch_w, sp.S.One),))
    kept = Substitute(((eps, sp.S.Zero),))

    scaled_values = stretch_w * u_t, stretch_w * mu, stretch_w**2 * sigma2
    removing = tuple(
        Lemma(
            kind,
            f"The value behind {kind} of pre-activations times $c_w$.",
            r"\frac{d\bar u}{d c_w}",
            sp.Derivative(_value(kind, *scaled_values), stretch_w),
            (
                Step(
                    at_one,
                    eps * _value(kind, u_t, mu, sigma2) / _spread(kind),
                    "The regularizer alone sees the factor.",
                ),
                Step(kept, sp.S.Zero, r"Without it ($\epsilon = 0$) nothing does."),
            ),
        )
        for kind in (*PER_UNIT, *PER_SAMPLE)
    )
    passing = Lemma(
        "mean-subtraction",
        "Mean subtraction hands the factor on, as a layer without normalization does.",
        r"\bar u",
        _value("mean-subtraction", *scaled_values),
        (
            Step(
                Evaluate(),
                stretch_w * _value("mean-subtraction", u_t, mu, sigma2),
                "It is seen, unless the next layer hides it.",
            ),
        ),
    )
    return (*removing, passing)


def _spread(kind: str) -> sp.Basic:
    """What stands under the root of a scheme."""
    from theory.symbols import eps, mu, sigma2

    return sigma2 + eps + (mu**2 if kind == "rmsnorm" else 0)


def _biases() -> tuple[Lemma, ...]:
    """Statistics over the samples take a bias off; those over the units do not."""
    import sympy as sp

    from derivations.proof import Add, Lemma, Multiply, Result, Step, Substitute, SumOver
    from theory.symbols import (
        N,
        bias,
        bias_mean,
        bias_var,
        cov,
        f,
        mu,
        sigma2,
        stretch_w,
        t,
        u_t,
    )

    at_one = Substitute(((stretch_w, sp.S.One),))
    with_bias = f[t] + bias
    total = sigma2 + 2 * cov + bias_var
    own = u_t - mu
    shifted = bias - bias_mean
    return (
        Lemma(
            "mean with a bias",
            r"Over the samples the mean of a unit carries its bias.",
            r"\tfrac1N (f_t + b_i)",
            with_bias / N,
            (Step(SumOver(t, N), mu + bias, "Sum.", r"\bar f"),),
            given=((sp.Sum(f[t], (t, 1, N)), N * mu),),
        ),
        Lemma(
            "bias over the samples",
            "Where that mean is subtracted, "
            f"behind {' and '.join(WITHOUT_BIAS)}, a bias does not enter.",
            r"\bar f",
            Result("mean with a bias"),
            (
                Step(Multiply(sp.S.NegativeOne), -mu - bias, "With the other sign."),
                Step(Add(with_bias), f[t] - mu, "Take it from the value."),
            ),
        ),
        Lemma(
            "weights without their biases",
            r"Over the units of a layer the biases have a mean $\bar b$, a variance and a "
            r"covariance $c_{fg}$ with the pre-activations. The weights alone take the factor.",
            r"\frac{d\bar u}{d c_w}",
            sp.Derivative(
                (stretch_w * own + shifted)
                / sp.sqrt(stretch_w**2 * sigma2 + 2 * stretch_w * cov + bias_var),
                stretch_w,
            ),
            (
                Step(
                    at_one,
                    (own * (cov + bias_var) - shifted * (sigma2 + cov))
                    / total ** sp.Rational(3, 2),
                    "It is seen.",
                ),
                Step(
                    Substitute(
                        (
                            (bias, sp.S.Zero),
                            (bias_mean, sp.S.Zero),
                            (bias_var, sp.S.Zero),
                            (cov, sp.S.Zero),
                        )
                    ),
                    sp.S.Zero,
                    "Without biases it is not; with the biases scaled too, the lemmas above hold.",
                    r"\frac{d\bar u}{d c_w}",
                ),
            ),
        ),
    )


def _passed_on() -> tuple[Lemma, ...]:
    """A homogeneous activation hands the factor on, and a normalization above removes it."""
    import sympy as sp

    from derivations.proof import Evaluate, Lemma, Step, Substitute
    from theory.symbols import bias, eps, height, mu, offset, power, sigma2, stretch_w, u_t

    def activation(u: sp.Basic) -> sp.Basic:
        return (offset + height * sp.sign(u)) * sp.Abs(u) ** power

    factor = stretch_w**power
    return (
        Lemma(
            "homogeneous activation",
            r"$(c_0 + c_1 \operatorname{sign} u)\,|u|^m$: linear, ReLU and its powers, leaky ReLU, "
            "the absolute value, monomials.",
            r"\varphi(c_w u)",
            activation(stretch_w * u_t),
            (Step(Evaluate(), factor * activation(u_t), "It keeps a power of the factor."),),
        ),
        Lemma(
            "factor of the inputs",
            r"The pre-activations above are sums of these, $c_w^m$ times what they were, and a "
            "bias. Statistics over the samples take the bias off:",
            r"\frac{d\bar u}{d c_w}",
            sp.Derivative(
                _value("batchnorm", factor * u_t + bias, factor * mu + bias, factor**2 * sigma2),
                stretch_w,
            ),
            (
                Step(
                    Substitute(((stretch_w, sp.S.One),)),
                    power * eps * (u_t - mu) / (sigma2 + eps) ** sp.Rational(3, 2),
                    "As for weights of its own.",
                ),
                Step(Substitute(((eps, sp.S.Zero),)), sp.S.Zero, r"At $\epsilon = 0$."),
            ),
        ),
    )


def _weights() -> tuple[Lemma, ...]:
    """Normalized weights have no length, standardized ones no mean either."""
    import sympy as sp

    from derivations.proof import Evaluate, Lemma, Step
    from theory.symbols import length, mu, sigma2, stretch_w, u_t

    return (
        Lemma(
            "normalized weights",
            r"A weight, here u, over the length $\ell_w$ of its row, both times $c_w$.",
            None,
            stretch_w * u_t / sp.sqrt(stretch_w**2 * length**2),
            (Step(Evaluate(), u_t / length, "The factor is lost."),),
        ),
        Lemma(
            "standardized weights",
            r"A weight, here u, less the mean of its row, over its deviation.",
            None,
            (stretch_w * u_t - stretch_w * mu) / sp.sqrt(stretch_w**2 * sigma2),
            (Step(Evaluate(), (u_t - mu) / sp.sqrt(sigma2), "The factor is lost."),),
        ),
    )


def _degrees() -> tuple[Lemma, ...]:
    """Where biases are present without a normalization, they take one more power a layer."""
    from derivations.proof import Evaluate, Lemma, Step
    from theory.symbols import bias, l, stretch_w, u_t

    return (
        Lemma(
            "biases by degrees",
            r"With an activation of degree 1 the inputs of layer $l$ have the factor "
            r"$c_w^{l-1}$, its weights $c_w$, its biases $c_w^l$:",
            r"u^l",
            stretch_w * (stretch_w ** (l - 1) * u_t) + stretch_w**l * bias,
            (
                Step(
                    Evaluate(),
                    stretch_w**l * (u_t + bias),
                    "One factor of the layer: a normalization at the end removes it, though not "
                    "that of all weights and biases alike.",
                ),
            ),
        ),
    )


INVARIANT_WEIGHTS = kernel_theorem(
    id="invariant-weights",
    says="Which weights can be scaled without a change of the loss, under every normalization.",
    statement=r"""Let $c > 0$ and $\epsilon = 0$. The loss does not change when $c$ multiplies

(a) the weights of one unit whose pre-activations are batch-normalized, whatever its bias;

(b) the weights and biases of a layer normalized over its units, or the weights alone where there
are no biases;

(c) the raw weights of one unit, where weights are normalized or standardized;

(d) the weights (with biases: weights and biases) of a layer without normalization, or the weights
of one with mean subtraction, under a homogeneous activation, where the layer above does not see a
factor of its inputs.

Groups that are invariant each alone are so together. Mean subtraction hides no factor by itself,
and $\epsilon > 0$ leaves none hidden exactly.""",
    assumptions=(
        "Scales and shifts of the normalization and gains of the weights are not scaled.",
        "No variance is 0.",
        "That nothing else is invariant is measured, on placements of every scheme, not proved.",
    ),
    source="the table is ours; batch norm: Ioffe & Szegedy, ICML 2015, and van Laarhoven, 2017",
    prove=prove,
)

if __name__ == "__main__":
    from derivations.sharpness.catalogue import show

    show("invariant-weights")
