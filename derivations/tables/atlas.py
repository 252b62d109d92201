"""The atlas: m, s and the largest eigenvalue of every scheme, placement and loss."""

from __future__ import annotations

from derivations import atlas
from derivations.questions import Judged
from derivations.tables import words
from derivations.tables.judged import decided, limit, traced
from derivations.tables.record import Cell, Column, Kind, Table, groups
from derivations.tables.request import Request

QUANTITIES = {"m": "$m$", "s": "$s$", "largest": r"$\lambda_{\max}$"}
ENDINGS = {"linear": "linear", "cross-entropy": "softmax"} | words.SCHEMES

COLUMNS = (
    Column("outputs", "Outputs"),
    Column("activation", r"$\varphi$"),
    Column("hidden layers", "Hidden layers"),
    *(
        column
        for name, latex in QUANTITIES.items()
        for column in (
            Column(f"{name} predicted", latex, Kind.PREDICTED),
            Column(f"{name} measured", "measured", Kind.MEASURED),
            Column(f"{name} verdict", "", Kind.VERDICT),
        )
    ),
)


def build(request: Request) -> Table:
    """All cells of the atlas, those given the outputs in units of their prediction."""
    found = atlas.atlas(say=request.say, stored=request.stored)
    rows = [row for cell in found for row in cell.rows.values()]
    table = Table(
        "atlas",
        "Mean, mean square and largest of the Fisher eigenvalues for every hidden scheme and "
        "every map of the outputs.",
        COLUMNS,
        tuple(
            (
                Cell(ENDINGS[cell.ending]),
                Cell(cell.activation),
                Cell(words.SCHEMES[cell.hidden]),
                *(one for name in QUANTITIES for one in _cells(cell.rows[name], request)),
            )
            for cell in found
        ),
        Cell(
            "Limit of infinite width M at a fixed number of samples, L = 3, sigma_w2 = 2, "
            "sigma_b2 = 0.2; m is P m/C, in units of alpha M. Where the statistics depend on the "
            "outputs (layer norm, softmax) m is divided by the squared Jacobian of the map, s and "
            "the largest eigenvalue by their predictions given the outputs; batch norm is in units "
            "of the realised variance.",
            r"Limit $M \to \infty$ at fixed $N$, $L = 3$, $\sigma_w^2 = 2$, $\sigma_b^2 = 0.2$, "
            r"$m$ is $P m/C$, in units of $\alpha M$. Where the statistics depend on the outputs "
            r"(layer norm, softmax) $m$ is divided by the squared Jacobian of the map, $s$ and "
            r"$\lambda_{\max}$ by their predictions given the outputs; batch norm is in units of "
            r"the realised variance.",
        ),
        starts=groups([(cell.ending, cell.activation) for cell in found]),
        repeated=2,
        size="tiny",
    )
    return traced(table, rows, request)


def _cells(row: Judged, request: Request) -> tuple[Cell, ...]:
    return *limit(row), decided(row, request)
