"""A theorem: a record that the proof, the evidence, the tables and the command line read."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from derivations.approach import MEAN, Approach
from derivations.samples import Samples
from theory.architecture import Network
from theory.bulk.finite import Top
from theory.mathematics import Number
from theory.meanfield import Kernel, OrderParameters

if TYPE_CHECKING:
    from derivations.proof import Proof


class Terms(NamedTuple):
    r"""What the prediction of a row may depend on, in numbers or symbols.

    The kernel K of one linear output, or the part of the row's group of parameters; the gap
    :math:`v = q_1^L - q_2^L` of the last layer; the number N of samples, and B of those that
    share their batch statistics; with a network at hand, ``order``, all its order parameters,, and
    of the bulk at this width, found when they are asked for, ``top()`` and ``cumulants()``, the
    mean and the variance of its eigenvalues.
    """

    K: Kernel
    v: Number
    N: Number
    B: Number
    order: OrderParameters | None = None
    top: Callable[[], Top] | None = None
    cumulants: Callable[[], tuple[Number, Number]] | None = None


@dataclass(frozen=True)
class Row:
    r"""A quantity that a theorem predicts and a network shows.

    ``value`` is the prediction. ``group``: the kind of parameters whose kernel it is about, all
    by default. ``observable`` names the measurement in ``numerics.observables``.
    ``unit`` is the scale of an error where the value itself may vanish. ``approach`` is the way
    the measured value tends to its limit. ``given_outputs``: the prediction for the realised
    outputs (C, N) of each network, in place of ``value``, None where there is none for them; its
    lemma then ends in the equation that it solves.
    """

    quantity: str
    latex: str
    observable: str
    value: Callable[[Terms], Number]
    unit: Callable[[Terms], Number] | None = None
    approach: Approach = MEAN
    group: str = ""
    given_outputs: Callable[[Terms, np.ndarray], float | None] | None = None


@dataclass(frozen=True)
class Case:
    """A network, its samples, fixed or in proportion, and the quantities that are judged there.

    ``default``: part of the main job; the others join with ``--all``.
    """

    network: Network
    samples: Samples
    quantities: tuple[str, ...]
    default: bool = True


@dataclass(frozen=True)
class Theorem:
    """What is claimed, under which assumptions, how it is proved, and where it is judged.

    ``requires(network, samples)`` raises ``OutOfRegime`` where an assumption fails. ``statement``
    and the assumptions are LaTeX; ``prove`` builds the proof: each row has a lemma that ends in
    its prediction.
    """

    id: str
    says: str
    statement: str
    assumptions: tuple[str, ...]
    limit: str
    source: str
    rows: tuple[Row, ...]
    cases: tuple[Case, ...]
    requires: Callable[[Network, int], None]
    prove: Callable[[], Proof]

    def __repr__(self) -> str:
        return f"<Theorem {self.id}>"

    def __str__(self) -> str:
        from derivations.proof.statement import statement_in_text

        return statement_in_text(self)

    def _repr_markdown_(self) -> str:
        """Statement, assumptions and source, as a notebook shows them."""
        from derivations.proof.statement import statement_in_markdown

        return statement_in_markdown(self)

    def _repr_latex_(self) -> str:
        """The same in LaTeX."""
        from derivations.proof.statement import source_in_latex, statement_in_latex

        return statement_in_latex(self, source_in_latex(self))

    def row(self, quantity: str) -> Row:
        return next(row for row in self.rows if row.quantity == quantity)
