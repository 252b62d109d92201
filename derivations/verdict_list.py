"""The verdicts of a run, as a list that shows itself as a table."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from derivations.dynamic_evidence import JudgedRun
    from derivations.questions import Judged

HEADER = ("theorem", "network", "N", "quantity", "predicted", "measured/predicted", "verdict")


class Verdicts(list["Judged | JudgedRun"]):
    """The rows of a run in the order of the questions; equal to the list of them.

    >>> print(Verdicts())
    no verdicts
    """

    def __repr__(self) -> str:
        return str(self)

    def __str__(self) -> str:
        from derivations.terminal import verdicts

        return verdicts(self) if self else "no verdicts"

    def _repr_html_(self) -> str:
        """A table, as a notebook shows it."""
        from theory.display import html_table

        return html_table(_title(self), HEADER, [_cells(row, html=True) for row in self])

    def _repr_latex_(self) -> str:
        """The same table in LaTeX."""
        from theory.display import latex_array, words

        rows = [_cells(row, html=False) for row in self]
        return latex_array([words(name) for name in HEADER], rows)


def _title(rows: Verdicts) -> str:
    from derivations.questions import Judged

    for row in rows:
        if isinstance(row, Judged):
            return f"alpha = {row.alpha} for the whole run, power = {row.power} at delta"
    return "runs of gradient descent, each with its own tolerance" if rows else "no verdicts"


def _cells(row: Judged | JudgedRun, html: bool) -> list[str]:
    """Theorem, network, samples, quantity, prediction, measurement, verdict."""
    from derivations.terminal import shorthand
    from theory.display import words

    def text(value: str) -> str:
        return value if html else words(value)

    return [
        text(row.id),
        text(str(row.network)),
        str(getattr(row, "samples", "-")),
        text(row.quantity),
        "-" if row.predicted is None else f"{row.predicted:.5g}",
        shorthand(row.measured, row.standard_error),
        text(str(row.verdict)),
    ]
