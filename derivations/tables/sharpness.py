"""Problems of sharpness reduction: the order of approach to the flow, and the edge of stability."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from derivations.tables.record import Cell, Column, Kind, Table, measured, predicted, verdict
from derivations.tables.request import Request
from numerics.verdict import Verdict

OPTIONS: tuple[str, ...] = ()
"""Options of ``fisherfield flow`` for all problems."""

COLUMNS = (
    Column("problem", "Problem"),
    Column("loss", "Loss"),
    Column("eps", r"$\varepsilon$", Kind.PREDICTED),
    Column("order predicted", "$p$", Kind.PREDICTED),
    Column("order measured", "measured", Kind.MEASURED),
    Column("verdict", "", Kind.VERDICT),
    Column("x2 predicted", "$x^2$", Kind.PREDICTED),
    Column("x2 measured", "measured", Kind.MEASURED),
    Column("hover predicted", "$u$", Kind.PREDICTED),
    Column("hover measured", "measured", Kind.MEASURED),
    Column("period predicted", "$T$", Kind.PREDICTED),
    Column("period measured", "measured", Kind.MEASURED),
)


@dataclass(frozen=True)
class Problem:
    """A problem of ``fisherfield flow`` in the table; ``judged``: it has an order of its own."""

    id: str
    name: str
    loss: str
    judged: bool = True


PROBLEMS = (
    Problem("T1", "arc", "quadratic form, an arc"),
    Problem("T2", "quadratic", "quadratic form, a sphere"),
    Problem("T3", "batchnorm-regression", "regression behind batch norm"),
    Problem("T4", "weightnorm-regression", "regression, weights normalized", judged=False),
    Problem("T5", "two-groups", "two groups of weights", judged=False),
    Problem("T6", "batchnorm-mlp", "network with batch norm"),
)


def build(request: Request) -> Table:
    """Runs of gradient descent with weight decay beside the flow, at the problems' own rates."""
    found = []
    for problem in PROBLEMS:
        if request.say is not None:
            request.say(f"gradient descent on {problem.name}")
        found.append((run(problem.name), order(problem.name) if problem.judged else None))
    verdicts = {one["verdict"] for _, one in found if one is not None}
    return Table(
        "sharpness",
        "Gradient descent with weight decay at the edge of stability beside the flow that lowers "
        "the sharpness.",
        COLUMNS,
        tuple(_row(problem, *pair) for problem, pair in zip(PROBLEMS, found, strict=True)),
        Cell(
            "eps: learning rate times weight decay. p: order in eps in which runs from prepared "
            "starts approach the flow, and its last change. x2: mean squared oscillation, u: mean "
            "of the effective learning rate times sharpness less 2, T: period of the slow "
            "oscillation in steps. T4 is a control whose sharpness is constant; T5 has rates "
            "for each group, and no order is judged.",
            r"$\varepsilon$: learning rate times weight decay. $p$: order in $\varepsilon$ in "
            r"which runs from prepared starts approach the flow, and its last change. $x^2$: mean "
            r"squared oscillation, $u$: mean of $\tilde\eta \lambda_1 - 2$, $T$: period of the "
            r"slow oscillation in steps. T4 is a control whose sharpness is constant; T5 has "
            r"rates for each group, and no order is judged.",
        ),
        size="scriptsize",
        key="afresh",
        status=0 if verdicts <= {str(Verdict.AGREES)} else 1,
    )


def run(name: str) -> dict[str, Any]:
    """The record of one run of ``fisherfield flow`` from its prepared start."""
    return _flow(name)


def order(name: str) -> dict[str, Any]:
    """The row of ``fisherfield flow --judge``: the order in which runs approach the flow."""
    row: dict[str, Any] = _flow(name, "--judge")["row"]
    return row


def _flow(name: str, *options: str) -> dict[str, Any]:
    import argparse

    from derivations import flow_command

    parser = argparse.ArgumentParser()
    flow_command.add_arguments(parser)
    return flow_command.flow(parser.parse_args([name, *OPTIONS, *options]))[0]


def _row(problem: Problem, run: dict[str, Any], row: dict[str, Any] | None) -> tuple[Cell, ...]:
    shown = (predicted(None), measured(None), Cell("--"))
    if row is not None:
        shown = (
            Cell(f"{row['predicted']:g}"),
            measured(row["measured"], row["standard_error"]),
            verdict(Verdict(row["verdict"])),
        )
    return (
        Cell(problem.id),
        Cell(problem.loss),
        Cell(f"{run['eps']:g}"),
        *shown,
        *(
            cell
            for name in ("x2", "hover", "period")
            for cell in (predicted(run["predicted"][name]), measured(run["measured"][name]))
        ),
    )
