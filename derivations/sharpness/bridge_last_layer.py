"""The bridge for the last layer alone: for every activation, with biases too."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from derivations.networks import ERF, TANH
from derivations.sharpness.bridge import BRIDGE, LAYERS
from derivations.theorem import Case, Theorem
from theory.architecture import BatchNorm, MeanSubtraction, Network
from theory.bridge import require_sphere, spherical_eigenvalue
from theory.errors import OutOfRegime

if TYPE_CHECKING:
    from derivations.proof import Lemma, Proof

LAST = f"weights.{LAYERS[-1]}"
OTHERS = (*(f"layer {l}" for l in LAYERS[:-1]), "all layers")
NETWORKS = (
    replace(TANH, last=BatchNorm(gamma=0.7)),
    replace(ERF, layers=None, hidden=MeanSubtraction(), outputs=2, last=BatchNorm()),
)


def requires(network: Network, samples: int) -> None:
    """The regime of the bridge in the last of three layers."""
    require_sphere(network, samples, lowest=network.depth)
    if network.depth != len(LAYERS):
        raise OutOfRegime(
            f"bridge-last-layer needs depth {len(LAYERS)}, but depth = {network.depth}: its row is "
            f"that of layer {len(LAYERS)}."
        )


def prove() -> Proof:
    """That of the bridge, for one layer, whose backward numbers are those of the outputs."""
    from derivations.proof import Proof

    shared = (lemma for lemma in BRIDGE.prove().lemmas if lemma.name not in OTHERS)
    return Proof(BRIDGE_LAST_LAYER, (*shared, *_outputs()))


def _outputs() -> tuple[Lemma, ...]:
    from derivations.fisher.layered import ARRAYS
    from derivations.proof import Lemma, Multiply, Result, Step, Substitute
    from theory.meanfield import LINEAR_OUTPUT
    from theory.symbols import S1, S2, T1, T2, M, N, gamma, inverse, qh1, qh2, sigma_w2, v

    last = LAYERS[-1]
    width, one, two = (ARRAYS[array][last - 1] for array in (M, qh1, qh2))
    same, different = LINEAR_OUTPUT
    places = tuple(
        (ARRAYS[array][last], number)
        for (trace, entries), start in zip(((T1, S1), (T2, S2)), (same, different), strict=True)
        for array, number in ((trace, start.T), (entries, start.S))
    )
    return (
        Lemma(
            "last layer",
            "A linear output is its own pre-activation: T is 1 for one sample and 0 for two, S 1 "
            "for both.",
            r"\bar\lambda^{(l)}",
            Result(f"layer {last}"),
            (
                Step(
                    Substitute(places),
                    spherical_eigenvalue(width * (one - two), N),
                    "With these.",
                    r"\bar\lambda",
                ),
                Step(
                    Substitute(((one, v / sigma_w2 + two),)),
                    spherical_eigenvalue(width * v / sigma_w2, N),
                    r"The outputs' gap is $v = \sigma_w^2 (\hat q_1 - \hat q_2)$.",
                ),
                Step(
                    Multiply(sigma_w2 * gamma**2 * inverse),
                    gamma**2 * inverse * width * v / N,
                    r"Times $E\,|W^L_k|^2 = \sigma_w^2$ of one output and $\gamma^2/\sigma^2$: no "
                    "number of the layers below is left but v.",
                    r"\lambda",
                ),
            ),
        ),
    )


BRIDGE_LAST_LAYER: Theorem = replace(
    BRIDGE,
    id="bridge-last-layer",
    says="The spherical sharpness of the last layer alone, for every activation and with biases.",
    statement=r"""Let the outputs be batch-normalized. They do not see the length of $W^L$, whatever
the layers below are. As $M \to \infty$, given the realised variances, the $N - 2$ eigenvalues of
output k of $|W^L|^2 F^L$ have the mean
\[ |W^L|^2\, \frac{\gamma^2}{\sigma_k^2}\, \frac{M_{L-1}}N \left( \hat q_1^{L-1} - \hat q_2^{L-1}
   \right), \]
which for one output, $E\,|W^L|^2 = \sigma_w^2$, is $\gamma^2 M_{L-1} v/(N \sigma^2)$ with $v =
q_1^L - q_2^L$.""",
    assumptions=(
        *BRIDGE.assumptions[:2],
        r"Regime: $\epsilon = 0$ and statistics over all samples.",
        BRIDGE.assumptions[-1],
    ),
    rows=(BRIDGE.row(LAST),),
    cases=tuple(Case(network, 10, (LAST,), default=False) for network in NETWORKS),
    requires=requires,
    prove=prove,
)

if __name__ == "__main__":
    from derivations.command import run

    run("bridge-last-layer")
