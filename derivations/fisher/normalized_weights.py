"""Normalized weights: gradients lose the unit's own direction; standardized, the mean as well."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from derivations.fisher.unnormalized import UNNORMALIZED, spectrum
from derivations.networks import RELU, TANH
from derivations.theorem import Case, Row, Terms, Theorem
from theory.architecture import Network, NoNormalization
from theory.errors import OutOfRegime
from theory.mathematics import Number
from theory.prediction import predict

if TYPE_CHECKING:
    from derivations.proof import Lemma, Proof

WHOLE = ("kappa_1", "kappa_2", "uniform_mode")
GAINS = ("gains_1", "gains_2")
NORMALIZATION, STANDARDIZATION = "weight-normalization", "weight-standardization"


def _requires(id: str, network: Network, samples: int) -> None:
    if not isinstance(network.last, NoNormalization) or network.loss != "mse":
        raise OutOfRegime(f"{id} needs linear outputs: it is about the weights.")
    if network.weights != id:
        raise OutOfRegime(
            f"{id} needs weights = '{id}', but the weights are {network.weights}.\n"
            f"Give the network weights='{id}'."
        )
    normalized = [scheme.kind for scheme in network.layers or () if scheme.kind != "none"]
    if normalized:
        raise OutOfRegime(f"{id} is about layers without normalization, not {normalized[0]}.")
    predict(network, 1000, samples)


def requires_normalization(network: Network, samples: int) -> None:
    """Linear outputs of a network with normalized weights."""
    _requires(NORMALIZATION, network, samples)


def requires_standardization(network: Network, samples: int) -> None:
    """Linear outputs of a network with standardized weights."""
    _requires(STANDARDIZATION, network, samples)


def prove_normalization() -> Proof:
    """What a unit's weights see, the kernel, the gains."""
    from derivations.proof import Proof

    return Proof(
        WEIGHT_NORMALIZATION,
        (
            *_products(standardized=False),
            *_kernel(_NORMALIZED, standardized=False),
            *_gains(),
            *spectrum(),
        ),
    )


def prove_standardization() -> Proof:
    """The same with the mean activation taken off, and where two samples become uncorrelated."""
    from derivations.proof import Proof

    return Proof(
        WEIGHT_STANDARDIZATION,
        (
            *_products(standardized=True),
            *_forward(),
            *_kernel(_STANDARDIZED, standardized=True),
            *_no_outlier(),
            *spectrum(),
        ),
    )


def _products(*, standardized: bool) -> tuple[Lemma, ...]:
    """Products of what the weights of a unit see, and what is left beside their own direction."""
    import sympy as sp

    from derivations.proof import Lemma, Multiply, Result, Step, Substitute, SumOver
    from theory.symbols import M, h, h_mean, j, n, qh2, s, t

    removed = h_mean**2 if standardized else sp.S.Zero
    free = M - 1 if standardized else M
    centre = h_mean if standardized else sp.S.Zero
    sums = ((sp.Sum(h[j, t] * h[j, s], (j, 1, M)), M * qh2),)
    means = tuple((sp.Sum(h[j, one], (j, 1, M)), M * h_mean) for one in (t, s))
    seen = (
        r"Centred weights see $h_j - \bar h$, with the mean $\bar h \to E \varphi$ over the units."
        if standardized
        else "The weights of a unit see the activations of two samples."
    )
    return (
        Lemma(
            "features",
            seen,
            r"(h_{j t} - \bar h)(h_{j s} - \bar h)" if standardized else None,
            (h[j, t] - centre) * (h[j, s] - centre),
            (Step(SumOver(j, M), M * (qh2 - removed), "Sum over the units."),),
            given=sums + (means if standardized else ()),
        ),
        Lemma(
            "own direction",
            rf"Their gradient has no part along their direction, which is uniform in $n = {free}$ "
            "dimensions: its share of the product is the mean over these.",
            r"h_t \cdot h_s",
            Result("features"),
            (
                Step(
                    Multiply(1 - 1 / n),
                    M * (qh2 - removed) * (1 - 1 / n),
                    "Without that share.",
                    r"h_t \cdot \Pi h_s",
                ),
                Step(Multiply(1 / M), (qh2 - removed) * (1 - 1 / n), "Per unit."),
                Step(
                    Substitute(((n, sp.oo),)),
                    qh2 - removed,
                    "The projection is of the next order.",
                ),
            ),
        ),
    )


def _forward() -> tuple[Lemma, ...]:
    import sympy as sp

    from derivations.proof import Add, Lemma, Multiply, Result, Step, Substitute
    from theory.gaussian import moments
    from theory.mathematics import symbols
    from theory.meanfield import order_parameters
    from theory.pair import Pair
    from theory.symbols import M, N, h_mean, q1, q2, qh2, sigma_b2, sigma_w2

    inputs = replace(_STANDARDIZED, sigma_w2=1, sigma_b2=0, input_overlaps=(1, 0))
    order = order_parameters(inputs, symbols(), N, sigma_w2, sigma_b2)
    relu = moments(inputs.activation, Pair.of_samples(q1, q2, q1 - q2))
    first = ((q1, order.q1[0]), (q2, order.q2[0]))
    return (
        Lemma(
            "covariance",
            r"Weights of norm $\sigma_w$ and uniform direction have $E W_j W_k = "
            r"\frac{\sigma_w^2}{M-1} (\delta_{jk} - \frac1M)$.",
            r"h_t \cdot h_s",
            Result("features"),
            (
                Step(
                    Multiply(sigma_w2 / (M - 1)),
                    sigma_w2 / (1 - 1 / M) * (qh2 - h_mean**2),
                    "So the weighted sums have this covariance.",
                    "E[u_t u_s]",
                ),
                Step(
                    Substitute(((M, sp.oo),)),
                    sigma_w2 * (qh2 - h_mean**2),
                    "For wide layers.",
                    "E[u_t u_s]",
                ),
                Step(
                    Add(sigma_b2),
                    sigma_w2 * (qh2 - h_mean**2) + sigma_b2,
                    "The bias is common to the samples.",
                    "q_2",
                ),
                Step(
                    Substitute(((qh2, relu.second), (h_mean, sp.sqrt(q1 / (2 * sp.pi))))),
                    sigma_w2 * (relu.second - q1 / (2 * sp.pi)) + sigma_b2,
                    r"For ReLU, of mean $\sqrt{q_1/(2 \pi)}$.",
                    "q_2",
                ),
                Step(
                    Substitute(first),
                    order.q2[1],
                    "Behind the first layer, as the prediction has it.",
                    "q_2",
                ),
            ),
        ),
    )


def _kernel(network: Network, *, standardized: bool) -> tuple[Lemma, ...]:
    import sympy as sp

    from derivations.fisher.layered import kernel, of_layer, over_layers
    from derivations.proof import Lemma, Multiply, Square, Step
    from theory.mathematics import symbols
    from theory.symbols import M, S, T, h_mean, qh1, qh2, raw_variance, sigma_b2, sigma_w2
    from theory.weights import gradient_factors

    symbolic = replace(network, raw_variance=raw_variance)
    removed = h_mean**2 if standardized else sp.S.Zero
    (rate,), _ = gradient_factors(symbolic, symbols(), (M,), sigma_w2, sigma_b2, True)
    found = kernel(symbolic)
    layer = rate * ((qh2 - removed) * S + (qh1 - qh2) * T) + S
    opening = (
        r"The derivative of the weights by the raw ones is $\frac{\sigma_w}{|V|}$ times these "
        r"projections; $|V|^2 \to \sigma_v^2$. With the bias, the product of two gradients is:"
    )
    return (
        Lemma(
            "rate",
            r"Raw weights of variance $\sigma_v^2/M$ have $|V|^2 \to \sigma_v^2$: a step of theirs "
            r"moves the weights by $\sigma_w/|V|$.",
            r"\sigma_w/|V|",
            sp.sqrt(sigma_w2) / sp.sqrt(raw_variance),
            (
                Step(Square(), sigma_w2 / raw_variance, "Squared."),
                Step(
                    Multiply(M),
                    rate,
                    "Times the width: the prediction's factor of the mean product of two samples.",
                ),
            ),
        ),
        of_layer(
            opening,
            lambda moment: rate * (moment - removed) + 1,
            "Sum over the units of the layer.",
            "kernel of a layer",
        ),
        over_layers("kernel of one sample", "kappa_1", 1, "kernel of a layer", layer, found),
        over_layers("kernel of two samples", "kappa_2", 2, "kernel of a layer", layer, found),
    )


def _gains() -> tuple[Lemma, ...]:
    import sympy as sp

    from derivations.fisher.layered import order, own_kernel, own_over_layers, own_parameter
    from derivations.proof import LINEAR_OUTPUT as LINEAR_TERMS
    from derivations.proof import Evaluate, Lemma, Step
    from theory.meanfield import LINEAR_OUTPUT, Kernel, total
    from theory.normalization import Couple, own

    numbers = order()
    h1, h2, gap = (part[2] for part in (numbers.qh1, numbers.qh2, numbers.qh_gap))
    one, two = (own(Couple(h1, h2, gap), 1, start) for start in LINEAR_OUTPUT)
    hidden = own_kernel()
    whole = total((hidden, Kernel(one, two, one - two)))
    return (
        own_parameter(),
        Lemma(
            "gain of an output",
            "The gain of an output multiplies a sum over the last activations, whose product over "
            "two samples has their moment as its mean. It belongs to one unit and does not "
            "concentrate, so the rows are about the gains of the hidden units.",
            "(K_1^{(L)}, K_2^{(L)})",
            sp.Tuple(h1, h2),
            (Step(Evaluate(), sp.Tuple(one, two), "As the prediction has it."),),
        ),
        *(
            replace(
                own_over_layers(f"gains of {samples}", f"gains_{number}", number),
                terms=LINEAR_TERMS._replace(K=whole, order=numbers),
            )
            for number, samples in ((1, "one sample"), (2, "two samples"))
        ),
    )


def _no_outlier() -> tuple[Lemma, ...]:
    import sympy as sp

    from derivations.fisher.layered import order
    from derivations.proof import Evaluate, Lemma, Step, Substitute
    from theory.symbols import h_mean, q1, q2, qh2, sigma_b2, sigma_w2, u_s, u_t

    determinant = q1**2 - q2**2

    def normal(u: sp.Symbol) -> sp.Basic:
        return sp.exp(-(u**2) / (2 * q1)) / sp.sqrt(2 * sp.pi * q1)

    joint = sp.exp(-(q1 * u_t**2 - 2 * q2 * u_t * u_s + q1 * u_s**2) / (2 * determinant)) / (
        2 * sp.pi * sp.sqrt(determinant)
    )
    numbers = order(standardized=True)
    top = numbers.block(2, sp.S.One).K2
    h_gap, h2, T, S = (one[2] for one in (numbers.qh_gap, numbers.qh2, numbers.T2, numbers.S2))
    removed = numbers.removed[2]
    return (
        Lemma(
            "independent samples",
            r"Let $\sigma_b^2 = 0$ and $q_2 = 0$.",
            "p(u_t, u_s)",
            joint,
            (
                Step(
                    Substitute(((q2, sp.S.Zero),)),
                    normal(u_t) * normal(u_s),
                    r"The samples are independent: $\hat q_2 = (E \varphi)^2$.",
                ),
            ),
        ),
        Lemma(
            "next layer",
            "The covariance of a layer whose inputs are independent.",
            "q_2",
            sigma_w2 * (qh2 - h_mean**2) + sigma_b2,
            (
                Step(
                    Substitute(((qh2, h_mean**2),)),
                    sigma_b2,
                    r"It is 0 without biases. So, from uncorrelated inputs on, $q_2 = 0$ and "
                    r"$\hat q_2 = (E \varphi)^2$ at every layer.",
                ),
            ),
        ),
        Lemma(
            "no outlier",
            "What the weights of a layer add to $K_2$, per unit of their input.",
            r"K_2^{(l)}/M_{l-1}",
            top,
            (
                Step(Evaluate(), h_gap * T + (h2 - removed) * S, "As the prediction has it."),
                Step(
                    Substitute(((T, sp.S.Zero), (h2, removed))),
                    sp.S.Zero,
                    r"With $T_2 = 0$: no layer adds anything of order $M$, whatever $\varphi$ is.",
                ),
            ),
        ),
    )


def _hidden_gains_1(terms: Terms) -> Number:
    """Without the gain of the output itself, which is one random number."""
    assert terms.order is not None
    return terms.K.K1 - terms.order.qh1[-1]


def _hidden_gains_2(terms: Terms) -> Number:
    assert terms.order is not None
    return terms.K.K2 - terms.order.qh2[-1]


_PLAIN = replace(RELU, outputs=1)
_NORMALIZED = replace(_PLAIN, weights=NORMALIZATION)
_TRAINED = replace(TANH, outputs=1, weights=NORMALIZATION, raw_variance=0.7, trained_gains=True)
_STANDARDIZED = replace(_PLAIN, weights=STANDARDIZATION, sigma_b2=0.5)
ASSUMPTIONS = (
    r"Limit: $M \to \infty$ with $N$, $C$, $L$ and the ratios of the widths fixed; sums over the "
    "units of a layer become means (law of large numbers).",
    "Mean field: gradient independence, as in the theorem unnormalized.",
    r"Raw weights are Gaussian, so that the direction of a unit's weights is uniform.",
)
WEIGHT_NORMALIZATION: Theorem = Theorem(
    id=NORMALIZATION,
    says="Weight normalization scales the kernel of the weights, and leaves the outlier.",
    statement=r"""Let the weights of each unit be $g V/|V|$ with $g = \sigma_w$ and raw weights $V$
of variance $\sigma_v^2/M_{l-1}$, and $F$ that of $V$ and the biases. As $M \to \infty$,
\[
  K_a = \sum_{l=1}^L \left[ \frac{\sigma_w^2}{\sigma_v^2} M_{l-1} \left(
        (\hat q_1^{l-1} - \hat q_2^{l-1})\, T_a^l + \hat q_2^{l-1} S_a^l \right) + S_a^l \right].
\]
Trained gains add $\hat q_a^{L-1}$ and, for each hidden layer, $\sigma_w^2 (g_2 S^{l+1} + (g_1 -
g_2) T^{l+1})$ with $g_a = E y_t y_s$, $y = \varphi'(u) (u - b)/\sigma_w$.""",
    assumptions=ASSUMPTIONS,
    limit="M -> oo, N fixed",
    source="this project",
    rows=(
        *(UNNORMALIZED.row(quantity) for quantity in WHOLE),
        Row(
            "gains_1",
            r"K_1^{\mathrm{gains}} - \hat q_1^{L-1}",
            "hidden_diagonal",
            _hidden_gains_1,
            group="gains",
        ),
        Row(
            "gains_2",
            r"K_2^{\mathrm{gains}} - \hat q_2^{L-1}",
            "hidden_off_diagonal",
            _hidden_gains_2,
            unit=lambda t: abs(_hidden_gains_2(t)) + _hidden_gains_1(t) / t.N,
            group="gains",
        ),
    ),
    cases=(
        Case(_TRAINED, 16, (*WHOLE, *GAINS), default=False),
        Case(_NORMALIZED, 16, WHOLE, default=False),
    ),
    requires=requires_normalization,
    prove=prove_normalization,
)

WEIGHT_STANDARDIZATION: Theorem = Theorem(
    id=STANDARDIZATION,
    says="Standardized weights do not see the mean activation: without biases, no outlier.",
    statement=r"""Let the weights of each unit be $\sigma_w (V - \bar V)/|V - \bar V|$, with raw
weights $V$ of variance $\sigma_v^2/M_{l-1}$, and $F$ that of $V$ and the biases. As $M \to \infty$,
\begin{gather*}
  q_a^l = \sigma_w^2 \left( \hat q_a^{l-1} - (E \varphi)^2 \right) + \sigma_b^2, \\
  K_a = \sum_{l=1}^L \left[ \frac{\sigma_w^2}{\sigma_v^2} M_{l-1} \left(
        (\hat q_1^{l-1} - \hat q_2^{l-1})\, T_a^l
        + (\hat q_2^{l-1} - (E \varphi)^2)\, S_a^l \right) + S_a^l \right].
\end{gather*}
With $\sigma_b^2 = 0$ and uncorrelated inputs the weights add nothing to $K_2$ at leading order,
whatever $\varphi$ is: $\lambda_{\max}$ is not of order $M$.""",
    assumptions=ASSUMPTIONS,
    limit="M -> oo, N fixed",
    source="this project",
    rows=tuple(UNNORMALIZED.row(quantity) for quantity in WHOLE),
    cases=(
        Case(_STANDARDIZED, 16, WHOLE, default=False),
        Case(replace(_STANDARDIZED, sigma_b2=0), 16, WHOLE, default=False),
    ),
    requires=requires_standardization,
    prove=prove_standardization,
)

if __name__ == "__main__":
    from derivations.command import run

    run(NORMALIZATION)
