"""The atlas: m, s and the largest eigenvalue for schemes x placements x losses x activations.

A cell is one network. Behind batch norm, and behind the maps that couple the outputs, the
statistics are random through the outputs: they are judged given the outputs. Few samples would
make hidden batch norm divide by nearly equal numbers: at 6 the largest eigenvalue of one network
fluctuates six times as much as at 16.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

from tabulate import tabulate

from derivations import evidence
from derivations.approach import Approach
from derivations.catalogue import theorem
from derivations.evidence import Judged
from derivations.terminal import shorthand
from derivations.theorem import Case, Theorem
from numerics.verdict import Verdict
from theory.architecture import (
    Activation,
    BatchNorm,
    GroupNorm,
    LayerNorm,
    MeanSubtraction,
    Network,
    NoNormalization,
    RMSNorm,
    Scheme,
)

COLUMNS = ("m", "s", "largest")
RESOLUTION = {"m": 0.02, "s": 0.05, "largest": 0.1}
"""Relative errors that the verdicts exclude; an outlier in the mean is judged like m."""

HIDDEN: tuple[Scheme, ...] = (
    NoNormalization(),
    MeanSubtraction(),
    BatchNorm(),
    LayerNorm(),
    RMSNorm(),
    GroupNorm(groups=4),
)
ACTIVATIONS = ("tanh", "relu")


@dataclass(frozen=True)
class Ending:
    """What follows the linear outputs, and which rows of which theorem judge it.

    ``quantities``: for each column the row and its number of samples.
    """

    label: str
    theorem: str
    fields: dict[str, Any]
    quantities: dict[str, tuple[str, int]]


GIVEN_OUTPUTS = {
    "m": ("mean_given_outputs", 16),
    "s": ("second_moment_given_outputs", 16),
    "largest": ("largest_given_outputs", 8),
}
ENDINGS = (
    Ending(
        "linear",
        "placements",
        {},
        {"m": ("kappa_1", 16), "s": ("second_moment", 16), "largest": ("uniform_mode", 16)},
    ),
    Ending(
        "mean-subtraction",
        "mean-subtraction-last",
        {"last": MeanSubtraction()},
        {
            "m": ("mean_eigenvalue", 16),
            "s": ("second_moment", 16),
            "largest": ("largest_eigenvalue", 16),
        },
    ),
    Ending(
        "batchnorm",
        "batchnorm-last",
        {"last": BatchNorm()},
        {
            "m": ("trace_given_outputs", 16),
            "s": ("square_given_outputs", 16),
            "largest": ("largest_given_outputs", 16),
        },
    ),
    Ending("layernorm", "layernorm-last", {"last": LayerNorm(), "outputs": 10}, GIVEN_OUTPUTS),
    Ending(
        "cross-entropy", "cross-entropy", {"loss": "cross-entropy", "outputs": 10}, GIVEN_OUTPUTS
    ),
)


@dataclass(frozen=True)
class Cell:
    """One network of the atlas with its judged rows by column."""

    hidden: str
    activation: str
    ending: str
    rows: dict[str, Judged]

    def to_json(self) -> dict[str, Any]:
        return {
            "hidden": self.hidden,
            "activation": self.activation,
            "ending": self.ending,
        } | {column: row.to_json() for column, row in self.rows.items()}


def networks(
    ending: Ending, activations: Sequence[str] | None = None
) -> Iterator[tuple[str, Network]]:
    """The networks of one ending, named by their hidden scheme; all activations by default."""
    for name in activations or ACTIVATIONS:
        for scheme in HIDDEN:
            yield (
                scheme.kind,
                Network(
                    Activation.named(name),
                    depth=3,
                    sigma_w2=2,
                    sigma_b2=0.2,
                    hidden=scheme,
                    **ending.fields,
                ),
            )


def atlas(
    engine: str = evidence.FASTEST,
    say: Callable[[str], None] | None = None,
    *,
    endings: Sequence[Ending] | None = None,
    activations: Sequence[str] | None = None,
    stored: evidence.Stored | None = None,
) -> list[Cell]:
    """Judge every cell under one error rate; the same designs and the same seeds in all of them.

    All ``endings`` and ``activations`` by default. ``stored``: as in ``evidence.check``.
    """
    endings = endings or ENDINGS
    theorems = [_restricted(ending, activations) for ending in endings]
    rows = iter(
        evidence.check_networks(
            theorems,
            everything=True,
            precision=RESOLUTION["m"],
            engine=engine,
            stored=stored,
            say=say,
        )
    )
    return [
        Cell(
            hidden,
            network.activation.name,
            ending.label,
            {column: next(rows) for column in ending.quantities},
        )
        for ending in endings
        for hidden, network in networks(ending, activations)
    ]


def _restricted(ending: Ending, activations: Sequence[str] | None = None) -> Theorem:
    """The theorem with the cases of the atlas, one row a case, at the atlas' resolutions."""
    one = theorem(ending.theorem)
    coarsest = {name: RESOLUTION[column] for column, (name, _) in ending.quantities.items()}
    rows = tuple(
        replace(row, approach=_resolving(row.approach, coarsest[row.quantity]))
        for row in one.rows
        if row.quantity in coarsest
    )
    cases = tuple(
        Case(network, samples, (quantity,))
        for _, network in networks(ending, activations)
        for quantity, samples in ending.quantities.values()
    )
    return replace(one, rows=rows, cases=cases)


def _resolving(approach: Approach, resolution: float) -> Approach:
    """The same approach with the resolution of its column, if it has one of its own."""
    if not approach.resolution:
        return approach
    coarsest = max(approach.resolution, resolution)
    design, _ = approach.conditional
    return replace(approach, resolution=coarsest, conditional=(design, coarsest))


def to_text(cells: list[Cell]) -> str:
    """A line for each cell, and how many verdicts of each kind there are."""
    lines = [
        (
            cell.hidden,
            cell.activation,
            cell.ending,
            *(text for column in COLUMNS for text in _shown(cell.rows[column])),
        )
        for cell in cells
    ]
    parts = ("", "measured/predicted", "")
    titles = (f"{column} {part}".strip() for column in COLUMNS for part in parts)
    headers = ("hidden", "phi", "outputs", *titles)
    counts = Counter(str(row.verdict) for cell in cells for row in cell.rows.values())
    summary = ", ".join(f"{number} {verdict}" for verdict, number in sorted(counts.items()))
    reasons = sorted(
        {
            f"{row.verdict}: {cell.hidden}, {cell.activation}, {cell.ending}, {column}: "
            f"{row.reason or _why(row)}"
            for cell in cells
            for column, row in cell.rows.items()
            if row.verdict is not Verdict.AGREES
        }
    )
    table = tabulate(lines, headers=headers, disable_numparse=True)
    return "\n".join([table, "", f"{len(cells)} cells: {summary}", *reasons])


def _shown(row: Judged) -> tuple[str, str, str]:
    predicted = "-" if row.predicted is None else f"{row.predicted:.5g}"
    if row.measured is not None and row.predicted == 1.0:
        predicted = "given f"
    return predicted, shorthand(row.measured, row.standard_error), str(row.verdict)


def _why(row: Judged) -> str:
    """Why a measured row does not agree."""
    assert row.measured is not None
    assert row.standard_error is not None
    assert row.z is not None
    return (
        f"measured/predicted = {shorthand(row.measured, row.standard_error)}, z = {row.z:.1f}, "
        f"resolution {row.delta:g}, chi2/dof {row.chi2_dof:.1f}"
    )
