r"""The largest stable learning rate of gradient descent, :math:`2/\lambda_{\max}`, by scheme."""

from __future__ import annotations

from dataclasses import replace

from derivations import atlas
from derivations.questions import Judged
from derivations.tables import words
from derivations.tables.atlas import ENDINGS
from derivations.tables.judged import decided, traced
from derivations.tables.record import Cell, Column, Kind, Table, groups, measured, predicted
from derivations.tables.request import Request
from theory.fisher import learning_rate_threshold

COLUMNS = (
    Column("outputs", "Outputs"),
    Column("hidden layers", "Hidden layers"),
    Column("C", "$C$"),
    Column("N", "$N$"),
    Column("predicted", "Predicted", Kind.PREDICTED),
    Column("measured", "Measured", Kind.MEASURED),
    Column("unit", "Unit"),
    Column("verdict", "Verdict", Kind.VERDICT),
)
ACTIVATION = "relu"
WIDE = Cell("1/(alpha M)", r"$1/(\alpha M)$")
UNITS = {
    "linear": WIDE,
    "mean-subtraction": WIDE,
    "batchnorm": Cell("sigma^2/(alpha M)", r"$\sigma_k^2/(\alpha M)$"),
}
GIVEN_OUTPUTS = Cell("1/lambda_max(f)", r"$1/\lambda_{\max}(f)$")


def build(request: Request) -> Table:
    """Thresholds from the largest eigenvalues of the atlas."""
    endings = [
        replace(ending, quantities={"largest": ending.quantities["largest"]})
        for ending in atlas.ENDINGS
    ]
    found = atlas.atlas(
        say=request.say, endings=endings, activations=(ACTIVATION,), stored=request.stored
    )
    table = Table(
        "learning-rates",
        "The largest stable learning rate of gradient descent by scheme.",
        COLUMNS,
        tuple(
            (
                Cell(ENDINGS[cell.ending]),
                Cell(words.SCHEMES[cell.hidden]),
                *_cells(cell.rows["largest"], UNITS.get(cell.ending, GIVEN_OUTPUTS)),
                decided(cell.rows["largest"], request),
            )
            for cell in found
        ),
        Cell(
            "2/lambda_max in the limit of infinite width M at a fixed number N of samples, ReLU, "
            "L = 3, sigma_w2 = 2, sigma_b2 = 0.2. lambda_max(f): the prediction given the outputs "
            "of each network.",
            r"$2/\lambda_{\max}$ in the limit $M \to \infty$ at fixed $N$, ReLU, $L = 3$, "
            r"$\sigma_w^2 = 2$, $\sigma_b^2 = 0.2$. $\lambda_{\max}(f)$: the prediction given the "
            r"outputs of each network; $\sigma_k^2$: the realised variance of the output.",
        ),
        starts=groups([cell.ending for cell in found]),
        repeated=1,
    )
    return traced(table, [cell.rows["largest"] for cell in found], request)


def _cells(row: Judged, unit: Cell) -> tuple[Cell, ...]:
    threshold = None if row.predicted is None else float(learning_rate_threshold(row.predicted))
    shown = measured(None)
    if threshold is not None and row.measured is not None and row.standard_error is not None:
        value = threshold / row.measured
        shown = measured(value, value * row.standard_error / row.measured)
    sizes = Cell(str(row.network.outputs)), Cell(str(row.samples))
    return *sizes, predicted(threshold), shown, unit
