"""Problems of sharpness reduction: the order of approach to the flow, and the edge of stability."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from derivations.tables import words
from derivations.tables.record import Cell, Column, Kind, Table, measured, predicted, verdict
from derivations.tables.request import Request
from numerics.verdict import Verdict

OPTIONS: tuple[str, ...] = ()
"""Options of ``fisherfield flow`` for all problems."""

COLUMNS = (
    Column("problem", "Problem"),
    Column("name", "Loss"),
    Column("eps", r"$\varepsilon$"),
    Column("order predicted", "$p$", Kind.PREDICTED),
    Column("order measured", "meas.", Kind.MEASURED),
    Column("verdict", "", Kind.VERDICT),
    Column("x2/eps predicted", r"$x^2/\varepsilon$", Kind.PREDICTED),
    Column("x2/eps measured", "meas.", Kind.MEASURED),
    Column("hover/eps predicted", r"$u/\varepsilon$", Kind.PREDICTED),
    Column("hover/eps measured", "meas.", Kind.MEASURED),
    Column("period predicted", "$T$", Kind.PREDICTED),
    Column("period measured", "meas.", Kind.MEASURED),
)


@dataclass(frozen=True)
class Problem:
    """A problem of ``fisherfield flow``, with its name; ``still``: its flow is, so no order."""

    id: str
    name: str
    still: bool = False


PROBLEMS = (
    Problem("T1", "arc"),
    Problem("T2", "quadratic"),
    Problem("T3", "batchnorm-regression"),
    Problem("T4", "weightnorm-regression", still=True),
    Problem("T5", "two-groups"),
    Problem("T6", "batchnorm-mlp"),
)


def build(request: Request) -> Table:
    """Runs of gradient descent with weight decay beside the flow, at the problems' own rates."""
    found = []
    for problem in PROBLEMS:
        if request.say is not None:
            request.say(f"gradient descent on {problem.name}")
        judge = drift if problem.still else order
        found.append((run(problem.name), judge(problem.name)))
    verdicts = {one["verdict"] for _, one in found}
    return Table(
        "sharpness",
        "Gradient descent with weight decay at the edge of stability beside the flow that lowers "
        "the sharpness.",
        COLUMNS,
        tuple(_row(problem, *pair) for problem, pair in zip(PROBLEMS, found, strict=True)),
        Cell(
            "eps: learning rate times weight decay, of T5 in its first group. p: order in eps in "
            "which runs from prepared starts approach the flow, and its last change. x2: mean "
            "squared oscillation, u: mean of the effective learning rate times sharpness less 2, "
            "T: period of the slow oscillation in steps. T4 is a control whose sharpness is "
            "constant: it is judged by whether its runs stay where they start. u and T are not "
            "compared with several groups, nor T where abs(c) sqrt(eps) is above 1, c the cubic "
            "coefficient: the oscillation then dies within a period.",
            r"$\varepsilon$: learning rate times weight decay, of T5 in its first group. $p$: "
            r"order in $\varepsilon$ in which runs from prepared starts approach the flow, and its "
            r"last change. $x^2$: mean squared oscillation, $u$: mean of "
            r"$\tilde\eta \lambda_1 - 2$, $T$: period of the slow oscillation in steps. T4 is a "
            r"control whose sharpness is constant: it is judged by whether its runs stay where "
            r"they start. $u$ and $T$ are not compared with several groups, nor $T$ where "
            r"$|c|\sqrt\varepsilon > 1$, $c$ the cubic coefficient: the oscillation then dies "
            r"within a period.",
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


def drift(name: str) -> dict[str, Any]:
    """The row of ``fisherfield check sharpness-solutions`` on runs whose flow stands still."""
    from derivations.dynamic_evidence import judge_case
    from derivations.sharpness.cases import CASES

    id = "sharpness-solutions"
    case = next(one for one in CASES[id] if one.problem == name and "drift" in one.deltas)
    (row,) = judge_case(id, case)
    return row.to_json()


def _flow(name: str, *options: str) -> dict[str, Any]:
    import argparse

    from derivations import flow_command

    parser = argparse.ArgumentParser()
    flow_command.add_arguments(parser)
    return flow_command.flow(parser.parse_args([name, *OPTIONS, *options]))[0]


def _row(problem: Problem, run: dict[str, Any], row: dict[str, Any]) -> tuple[Cell, ...]:
    order = predicted(None), measured(None)
    if row["quantity"] == "order" and row["measured"] is not None:
        order = Cell(f"{row['predicted']:g}"), measured(row["measured"], row["standard_error"])
    return (
        Cell(problem.id),
        Cell(problem.name),
        _small(run["eps"]),
        *order,
        verdict(Verdict(row["verdict"])),
        *_pair(run, "x2", run["eps"]),
        *_pair(run, "hover", run["eps"]),
        *_pair(run, "period", 1.0),
    )


def _pair(run: dict[str, Any], name: str, unit: float) -> tuple[Cell, Cell]:
    """What is predicted and measured of a run, in this unit, where theory predicts it."""
    theory, shown = (run[side][name] for side in ("predicted", "measured"))
    if theory is None or shown is None:
        return predicted(None), measured(None)
    return predicted(theory / unit), measured(shown / unit)


def _small(value: float) -> Cell:
    """A declared product of rates, in LaTeX as a power of ten."""
    return Cell(f"{value:g}", f"${words.power_of_ten(value)}$")
