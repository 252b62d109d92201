"""The catalogue of activations: Gaussian moments, edge of chaos, phase."""

from __future__ import annotations

from derivations.tables.latex import escaped
from derivations.tables.record import Cell, Column, Kind, Table, predicted
from derivations.tables.request import Request
from theory.activations import ACTIVATIONS, Activation
from theory.errors import NotConverged, OutOfRegime
from theory.gaussian import closed_kernel
from theory.phase import derivative_second_moment, edge_of_chaos, phase, second_moment

POINT = (1.5, 0.05)
"""The variances (sigma_w2, sigma_b2) at which chi_1 and the phase are said."""

COLUMNS = (
    Column("activation", "Activation"),
    Column("integrals", "Integrals"),
    Column("V(1)", "$V(1)$", Kind.PREDICTED),
    Column("W(1)", "$W(1)$", Kind.PREDICTED),
    Column("edge sigma_w2", r"$\sigma_w^2$", Kind.PREDICTED),
    Column("edge sigma_b2", r"$\sigma_b^2$", Kind.PREDICTED),
    Column("q*", "$q^*$", Kind.PREDICTED),
    Column("chi_1", r"$\chi_1$", Kind.PREDICTED),
    Column("xi_c", r"$\xi_c$", Kind.PREDICTED),
    Column("phase", "Phase"),
)


def build(request: Request) -> Table:
    """Every activation of the catalogue, its parameters those of the examples."""
    found = [template.filled(dict(template.needs)) for template in ACTIVATIONS.values()]
    parameters = "; ".join(str(one) for one in found if one.parameters)
    return Table(
        "activations",
        "Activations: their Gaussian moments, edge of chaos and phase.",
        COLUMNS,
        tuple(map(_row, found)),
        Cell(
            "V(q) = E phi^2 and W(q) = E phi'^2 at variance q. Edge: the variances of weights and "
            "biases at which q = 1 is fixed and chi_1 = 1; a negative one is that of no network. "
            f"Phase, with chi_1 = sigma_w2 W(q*) and the depth xi_c of correlations, at "
            f"(sigma_w2, sigma_b2) = {POINT}. Closed: the integrals over two samples too. "
            f"Parameters: {parameters}.",
            r"$V(q) = E \varphi^2$ and $W(q) = E \varphi'^2$ at variance $q$. $\sigma_w^2$, "
            r"$\sigma_b^2$: the edge of chaos at which $q = 1$ is fixed and $\chi_1 = 1$; a "
            r"negative variance is that of no network. Phase, with $\chi_1 = \sigma_w^2 W(q^*)$ "
            r"and the depth $\xi_c$ of correlations, at "
            rf"$(\sigma_w^2, \sigma_b^2) = {POINT}$. Closed: the integrals over two samples too. "
            rf"Parameters: {escaped(parameters)}.",
        ),
        size="scriptsize",
    )


def _row(activation: Activation) -> tuple[Cell, ...]:
    try:
        slope, edge = (
            float(derivative_second_moment(activation, 1.0)),
            edge_of_chaos(activation, 1.0),
        )
        w, b = predicted(float(edge[0])), predicted(float(edge[1]))
    except OutOfRegime:  # a jump: W is infinite
        slope, w, b = None, predicted(None), predicted(None)
    return (
        Cell(activation.name),
        Cell("quadrature" if closed_kernel(activation) is None else "closed"),
        predicted(float(second_moment(activation, 1.0))),
        predicted(slope),
        w,
        b,
        *_phase(activation),
    )


def _phase(activation: Activation) -> tuple[Cell, ...]:
    try:
        found = phase(activation, *POINT)
    except (OutOfRegime, NotConverged):
        return (*(predicted(None),) * 3, Cell("--"))
    return (
        predicted(found.q_star),
        predicted(found.chi_1),
        predicted(found.xi_c),
        Cell(found.phase or "--"),
    )
