"""One layer on its own: rows, regime and lemmas of its block and of its features' metric."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from derivations.fisher.sample_statistics import without_rows
from derivations.theorem import Row
from theory import fisher
from theory.architecture import BatchNorm, Network, NoNormalization
from theory.errors import OutOfRegime
from theory.meanfield import Kernel
from theory.prediction import predict

if TYPE_CHECKING:
    import sympy as sp

    from derivations.proof import Lemma

QUANTITIES = ("K_1", "K_2", "uniform_mode")


def names(parts: Iterable[str]) -> tuple[str, ...]:
    """The quantities of these parts.

    >>> names(("weights.2",))[0]
    'weights.2.K_1'
    """
    return tuple(f"{part}.{quantity}" for part in parts for quantity in QUANTITIES)


def rows(part: str, latex: str) -> tuple[Row, ...]:
    """The kernel of one part and its uniform mode.

    The mean eigenvalue is C K_1 over the number of parameters: the row of K_1.
    """
    one, two, uniform = names((part,))
    return (
        Row(one, f"K_1^{{{latex}}}", "diagonal", lambda t: t.K.K1, group=part),
        Row(
            two,
            f"K_2^{{{latex}}}",
            "off_diagonal",
            lambda t: t.K.K2,
            unit=lambda t: abs(t.K.K2) + t.K.K1 / t.N,
            group=part,
        ),
        Row(
            uniform,
            rf"\lambda_U^{{{latex}}}",
            "uniform",
            lambda t: fisher.uniform_mode(t.K.K1, t.K.K2, t.N),
            group=part,
        ),
    )


def require_layers(id: str, network: Network, samples: int) -> None:
    """Linear outputs, three layers of weights, statistics over all samples."""
    if not isinstance(network.last, NoNormalization) or network.loss != "mse":
        raise OutOfRegime(f"{id} needs linear outputs: it is about one layer at a time.")
    if network.depth < 3:
        raise OutOfRegime(
            f"{id} needs depth 3, but depth = {network.depth}: its rows are those of the layers "
            "1 to 3."
        )
    if network.batch_size is not None:
        raise OutOfRegime(f"{id} needs statistics over all samples: leave out batch_size.")
    if samples <= 5 and any(isinstance(scheme, BatchNorm) for scheme in network.layers or ()):
        raise OutOfRegime(
            f"{id} needs N > 5 samples with hidden batch norm, but N = {samples}: the variance "
            "of 1/sigma^2, and with it that of the measured kernel, is infinite."
        )
    predict(network, 1000, samples)


def spectrum_of_any() -> tuple[Lemma, ...]:
    """The uniform mode of a kernel (K_1, K_2), for any part."""
    from derivations.fisher.unnormalized import spectrum

    return without_rows(spectrum(), "ones", "eigenvectors", "uniform mode")


def of_part(
    part: str,
    general: str,
    of_layer: sp.Basic,
    places: tuple[tuple[tuple[sp.Basic, sp.Basic], ...], ...],
    found: Kernel,
) -> tuple[Lemma, ...]:
    """The rows of a part, from the lemma ``general``, which ends in ``of_layer``, on any layer.

    ``places``: what stands for its symbols in this layer, for one sample and for two; ``of_layer``
    is linear in those in which they differ. ``found``: the prediction.
    """
    from derivations.proof import LINEAR_OUTPUT, Lemma, Result, Step, Substitute
    from theory.symbols import K1, K2, N

    averages = tuple(
        (symbol, one if one == two else (one + (N - 1) * two) / N)
        for (symbol, one), (_, two) in zip(*places, strict=True)
    )
    rows = names((part,))
    terms = LINEAR_OUTPUT._replace(K=found)
    lemmas = [f"{part}, {pair}" for pair in ("one sample", "two samples")]
    kernels = tuple(
        Lemma(
            lemma,
            "The kernel of any layer, in this one.",
            "K^{(l)}",
            Result(general),
            (
                Step(
                    Substitute(place),
                    of_layer.subs(place, simultaneous=True),
                    "The numbers of this layer.",
                    f"K_{number}",
                ),
            ),
            row=row,
            terms=terms,
        )
        for number, (lemma, row, place) in enumerate(
            zip(lemmas, rows[:2], places, strict=True), start=1
        )
    )
    one, two = map(Result, lemmas)
    uniform = Lemma(
        f"{part}, uniform mode",
        "The kernel of this part has the form of the whole.",
        r"\lambda_U",
        Result("uniform mode"),
        (
            Step(
                Substitute(((K1, one), (K2, two))),
                of_layer.subs(averages, simultaneous=True),
                "With the numbers of this layer.",
                r"\lambda_U",
            ),
        ),
        row=rows[2],
        terms=terms,
    )
    return (*kernels, uniform)
