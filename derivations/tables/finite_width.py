"""Convergence to infinite width: the limit, the power of 1/M, and the fit."""

from __future__ import annotations

from dataclasses import replace

from derivations import evidence
from derivations.catalogue import theorem
from derivations.declared import DELTA
from derivations.networks import RELU, TANH
from derivations.questions import Judged
from derivations.tables import words
from derivations.tables.judged import decided, traced
from derivations.tables.record import (
    MISSING,
    Cell,
    Column,
    Kind,
    Table,
    groups,
    measured,
    predicted,
)
from derivations.tables.request import Request
from derivations.theorem import Case, Theorem
from numerics.exponents import exponent
from theory.architecture import Network

COLUMNS = (
    Column("activation", r"$\varphi(x)$"),
    Column("N", "$N$"),
    Column("quantity", "Quantity"),
    Column("widths", "$M$"),
    Column("predicted", "Predicted", Kind.PREDICTED),
    Column("measured/predicted", "Measured/pred.", Kind.MEASURED),
    Column("power", "Power", Kind.PREDICTED),
    Column("measured power", "Measured", Kind.MEASURED),
    Column("chi2/dof", r"$\chi^2/\mathrm{dof}$", Kind.MEASURED),
    Column("verdict", "Verdict", Kind.VERDICT),
)
NETWORKS = (TANH, RELU)
KERNEL = ("kappa_1", "kappa_2", "uniform_mode")


def theorems() -> list[Theorem]:
    """The rows that converge like 1/M, and the edge of a bulk, which is slower."""
    plain, centred = theorem("unnormalized"), theorem("mean-subtraction-last")
    last = centred.cases[0].network.last

    def centred_case(network: Network, samples: int, quantity: str) -> Case:
        return Case(replace(network, last=last), samples, (quantity,))

    return [
        replace(plain, cases=tuple(Case(network, 16, KERNEL) for network in NETWORKS)),
        replace(
            centred,
            cases=tuple(
                case
                for network in NETWORKS
                for case in (
                    centred_case(network, 16, "mean_eigenvalue"),
                    centred_case(replace(network, outputs=1), 4, "largest_eigenvalue"),
                )
            ),
        ),
    ]


def build(request: Request) -> Table:
    """The rows, measured by the conditional engine over a wide range of widths."""
    rows = evidence.check_networks(
        theorems(), engine="conditional", stored=request.stored, say=request.say
    )
    rows.sort(key=lambda row: NETWORKS.index(_plain(row.network)))
    table = Table(
        "finite-width",
        "Convergence of Fisher statistics to infinite width.",
        COLUMNS,
        tuple(_row(row, request) for row in rows),
        Cell(
            "Measured/predicted: the limit of infinite width M at a fixed number N of samples, "
            "extrapolated in the declared powers of 1/M. Power: the smallest declared one, and "
            "that of the measured distances from the prediction, where they are resolved. chi2 of "
            f"the extrapolation; verdicts exclude an error of {100 * DELTA:g} %.",
            r"Measured/predicted: the limit $M \to \infty$ at fixed $N$, extrapolated in the "
            r"declared powers of $1/M$. Power: the smallest declared one, and that of the measured "
            r"distances from the prediction, where they are resolved. $\chi^2$ of the "
            rf"extrapolation; verdicts exclude an error of {100 * DELTA:g}\,\%.",
        ),
        starts=groups([row.network.activation for row in rows]),
        repeated=1,
    )
    return traced(table, rows, request)


def _plain(network: Network) -> Network:
    from theory.prediction import unmapped

    return replace(unmapped(network), outputs=NETWORKS[0].outputs)


def _row(row: Judged, request: Request) -> tuple[Cell, ...]:
    found = exponent(row.widths, row.means, row.errors) if row.means else None
    of = theorem(row.id).row(row.quantity)
    return (
        words.activation(row.network.activation),
        Cell(str(row.samples)),
        Cell(row.quantity, f"${of.latex}$"),
        _range(row.widths),
        predicted(row.predicted),
        measured(row.measured, row.standard_error),
        Cell(f"{min(row.powers):g}" if row.powers else MISSING),
        measured(None) if found is None else measured(found.p, found.error),
        measured(row.chi2_dof, digits=3),
        decided(row, request),
    )


def _range(widths: tuple[int, ...]) -> Cell:
    if not widths:
        return Cell(MISSING)
    low, high = widths[0], widths[-1]
    return Cell(f"{low} to {high}", f"{low}--{high}")
