"""The normalization schemes: prediction, measurement and verdict of each statistic."""

from __future__ import annotations

from derivations import evidence
from derivations.catalogue import theorem
from derivations.declared import ALPHA
from derivations.questions import Judged
from derivations.tables import words
from derivations.tables.judged import decided, limit, traced
from derivations.tables.record import Cell, Column, Kind, Table, groups
from derivations.tables.request import Request

COLUMNS = (
    Column("last layer", "Last layer"),
    Column("activation", r"$\varphi(x)$"),
    Column("sigma_w2, sigma_b2", r"$\sigma_w^2, \sigma_b^2$"),
    Column("ratios", r"$\alpha_l$"),
    Column("C", "$C$"),
    Column("N", "$N$"),
    Column("quantity", "Quantity"),
    Column("predicted", "Predicted", Kind.PREDICTED),
    Column("measured", "Measured", Kind.MEASURED),
    Column("verdict", "Verdict", Kind.VERDICT),
)


THEOREMS = ("unnormalized", "mean-subtraction-last", "batchnorm-last")


def build(request: Request) -> Table:
    """The rows of the main job, judged."""
    judged = [theorem(id) for id in THEOREMS]
    rows = evidence.check_networks(judged, stored=request.stored, say=request.say)
    table = Table(
        "normalization",
        "Fisher statistics of random networks with and without a normalization of the last layer.",
        COLUMNS,
        tuple(_row(row, request) for row in rows),
        Cell(
            "Limit of infinite width M at a fixed number N of samples; measured values are "
            "extrapolated to it, with their standard error. All but the variance of the outputs "
            f"in units of alpha M. Error rate of all verdicts: {ALPHA:g}.",
            r"Limit $M \to \infty$ at fixed $N$; measured values are extrapolated to it, with "
            r"their standard error. All but the variance of the outputs in units of $\alpha M$. "
            rf"Error rate of all verdicts: ${words.power_of_ten(ALPHA)}$.",
        ),
        starts=groups([row.id for row in rows]),
        repeated=6,
    )
    return traced(table, rows, request)


def _row(row: Judged, request: Request) -> tuple[Cell, ...]:
    network = row.network
    return (
        Cell(row.id.removesuffix("-last").replace("-", " ").replace("batchnorm", "batch norm")),
        words.activation(network.activation),
        words.variances(network),
        words.ratios(network),
        Cell(str(network.outputs)),
        Cell(str(row.samples)),
        Cell(row.quantity, f"${theorem(row.id).row(row.quantity).latex}$"),
        *limit(row),
        decided(row, request),
    )
