"""Questions: rows of theorems on networks, and what is said of each when a run has judged it.

A row is a quantity of one theorem on one network with N samples, in units of its prediction at the
finite N and M used, so that the claim is always "tends to 1".
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from derivations.approach import Approach
from derivations.samples import Proportional, Samples, samples_at
from derivations.theorem import Case, Row, Terms, Theorem
from numerics.engines import engine as engine_of
from numerics.ensemble import SEED_BASE
from numerics.extrapolation import Corrections
from numerics.plan import Design
from numerics.verdict import Verdict
from theory.architecture import DescriptionError, GroupNorm, Network, OutOfRegime
from theory.bulk import top
from theory.bulk.model import model
from theory.bulk.moments import cumulants
from theory.meanfield import Kernel
from theory.prediction import Prediction, predict, unmapped


@dataclass(frozen=True)
class Judged:
    """One row of a run, with everything that its verdict rests on.

    ``measured`` is the extrapolated ratio to the prediction (an error of kappa_2 in units of
    abs(kappa_2) + kappa_1/N), ``predicted`` the limit itself: K in units of alpha M, the mean
    eigenvalue in units of C alpha M/P. ``seeds`` are the networks at each of ``widths``, drawn by
    ``engine``, ``means`` and ``errors`` their means in units of the prediction there, and the
    standard errors of these.
    ``alpha`` (of the run), ``power`` and ``delta`` are what was declared; ``look`` is the one, 1 or
    2, at which the row got its verdict by a test at level ``alpha_row``. ``excess_kurtosis`` is
    that of one network in the pilot; ``note`` warns where it is large.
    """

    id: str
    network: Network
    quantity: str
    samples: Samples
    verdict: Verdict
    alpha: float | None = None
    power: float | None = None
    look: int | None = None
    z: float | None = None
    p: float | None = None
    alpha_row: float | None = None
    chi2_dof: float | None = None
    measured: float | None = None
    standard_error: float | None = None
    tau: float | None = None
    nu: float | None = None
    predicted: float | None = None
    unit: float | None = None
    detectable: float | None = None
    delta: float | None = None
    powers: tuple[float, ...] = ()
    widths: tuple[int, ...] = ()
    seeds: tuple[int, ...] = ()
    means: tuple[float, ...] = ()
    errors: tuple[float, ...] = ()
    seed_base: int = SEED_BASE
    engine: str = "explicit"
    excess_kurtosis: float | None = None
    reason: str | None = None
    note: str | None = None

    def to_json(self) -> dict[str, Any]:
        plain = {name: getattr(self, name) for name in self.__dataclass_fields__}
        texts = {"network": str(self.network), "verdict": str(self.verdict)}
        if isinstance(self.samples, Proportional):
            texts["samples"] = str(self.samples)
        return plain | texts


@dataclass(frozen=True)
class Question:
    """A row to be judged: theorem, quantity, network, samples, and the engine that draws it."""

    theorem: Theorem
    row: Row
    network: Network
    samples: Samples
    engine: str = "explicit"

    def ratio(self, width: int, values: np.ndarray, outputs: np.ndarray | None) -> np.ndarray:
        """Measured values at this width in units of the prediction there.

        ``outputs`` (n, C, N): those of each network, for a prediction that is conditional on them.
        """
        prediction = self._predict(width)
        if self.row.given_outputs is not None and outputs is not None:
            return self._given_outputs(prediction, values, outputs)
        predicted, unit = self.value(prediction, prediction.K)
        return 1 + (values - predicted) / unit

    def _given_outputs(
        self, prediction: Prediction, values: np.ndarray, outputs: np.ndarray
    ) -> np.ndarray:
        assert self.row.given_outputs is not None
        terms = self._terms(prediction, prediction.K)
        predicted = [self.row.given_outputs(terms, one) for one in outputs]
        if None in predicted:
            raise OutOfRegime(
                f"{predicted.count(None)} of {len(predicted)} networks have no eigenvalue above "
                "the bulk for their outputs"
            )
        return values / np.array(predicted, dtype=float)

    def limit(self, width: int) -> tuple[float, float]:
        """The leading order of the prediction, and the unit of its error; any width will do.

        Where samples grow with the width there is no limit to state apart: those at this width.
        """
        prediction = self._predict(width)
        growing = isinstance(self.samples, Proportional)
        return self.value(prediction, prediction.K if growing else prediction.kappa_leading)

    def value(self, prediction: Prediction, kernel: Kernel) -> tuple[float, float]:
        """The row's value by this prediction with this kernel, and the unit of its error."""
        terms = self._terms(prediction, kernel)
        if self.row.given_outputs is not None:
            return 1.0, 1.0
        predicted = self._number("prediction", self.row.value(terms))
        if self.row.unit is None:
            return predicted, self._number("prediction", predicted, nonzero=True)
        return predicted, self._number("unit", self.row.unit(terms), nonzero=True)

    def _number(self, what: str, value: Any, nonzero: bool = False) -> float:
        """A finite number out of a claim, or ``DescriptionError``."""
        try:
            number = float(value)
        except (TypeError, ValueError):
            number = math.nan
        if not math.isfinite(number) or (nonzero and number == 0):
            needed = "a finite number other than 0" if nonzero else "a finite number"
            raise DescriptionError(
                f"the {what} of {self.theorem.id}, {self.row.quantity}, must be {needed}, "
                f"{value!r} found for {self.network}"
                + ("; give the row a unit that does not vanish" if number == 0 else "")
            )
        return number

    def _terms(self, prediction: Prediction, kernel: Kernel) -> Terms:
        order = prediction.order_parameters
        K = prediction.part(self.row.group) if self.row.group else kernel
        width, samples = int(prediction.width), int(prediction.samples)
        linear = prediction.network
        return Terms(
            K,
            order.q_gap[-1],
            samples,
            self.network.batch(samples),
            order,
            lambda: top(linear, width, samples),
            lambda: cumulants(model(linear, width / samples, width)),
        )

    def _predict(self, width: int) -> Prediction:
        return predict(unmapped(self.network), width, samples_at(self.samples, width))

    @property
    def observable(self) -> str:
        """The name under which the row's measurement is taken and kept."""
        return f"{self.row.group}.{self.row.observable}" if self.row.group else self.row.observable

    @property
    def approach(self) -> Approach:
        """The row's approach to its limit, on this network."""
        layers = self.network.layers or ()
        groups = [scheme.groups for scheme in layers if isinstance(scheme, GroupNorm)]
        return self.row.approach.by(self.engine).in_groups(max(groups, default=1))

    @property
    def key(self) -> tuple[Network, Samples, Design, str]:
        """Questions with equal keys share their networks."""
        return unmapped(self.network), self.samples, self.approach.coarse, self.engine

    @property
    def corrections(self) -> Corrections:
        return self.approach.corrections(self.network.depth, self.fewest)

    @property
    def fewest(self) -> int:
        """The number of samples, at the narrowest width if it grows."""
        return samples_at(self.samples, self.approach.coarse.widths[0])


def questions(
    theorems: Sequence[Theorem],
    network: Network | None,
    samples: int | None,
    everything: bool,
    engine: str,
) -> list[Question]:
    """The rows of these theorems, on their own networks or on the one given.

    Rows that the engine does not cover are asked of explicit networks. Raises
    ``DescriptionError`` for what cannot be measured, before anything is.
    """
    for one in theorems:
        if not one.rows:
            raise DescriptionError(
                f"{one.id} is a theorem on integrals: it is proved (derive {one.id}), not measured"
            )
    found = [
        _question(one, one.row(quantity), case, engine)
        for one in theorems
        for case in _cases(one, network, samples, everything)
        for quantity in case.quantities
    ]
    for question in found:
        _validate(question)
    return found


def _question(one: Theorem, row: Row, case: Case, engine: str) -> Question:
    found = Question(one, row, case.network, case.samples, engine)
    # as many samples as units leave nothing to gain by conditioning
    growing = isinstance(case.samples, Proportional)
    refused = growing or engine_of(engine).refusal(case.network, [found.observable])
    return replace(found, engine="explicit") if refused else found


def violated(question: Question) -> str | None:
    """Why the theorem does not apply here, or None."""
    if question.approach.in_proportion and not isinstance(question.samples, Proportional):
        return (
            f"the {question.row.quantity} is judged with samples in proportion to the width, "
            f"N = M/rho, but N = {question.samples} is fixed; leave out the number of samples"
        )
    if question.approach.one_output and question.network.outputs > 1:
        return f"the {question.row.quantity} is judged for one output, C = 1"
    try:
        question.theorem.requires(question.network, question.fewest)
    except OutOfRegime as problem:
        return str(problem)
    return None


def _cases(
    one: Theorem, network: Network | None, samples: int | None, everything: bool
) -> list[Case]:
    if network is None:
        return [case for case in one.cases if case.default or everything]
    own = one.cases[0].network
    mapped = network if network.last.kind == own.last.kind else replace(network, last=own.last)
    if own.loss != mapped.loss:
        mapped = replace(mapped, loss=own.loss)
    usual = {quantity: case.samples for case in reversed(one.cases) for quantity in case.quantities}
    return [
        Case(
            mapped,
            usual.get(row.quantity, one.cases[0].samples) if samples is None else samples,
            (row.quantity,),
        )
        for row in one.rows
    ]


def _validate(question: Question) -> None:
    """Refuse a meaningless question before anything is measured."""
    width = question.approach.coarse.scaled(question.network.depth).widths[-1]
    samples = samples_at(question.samples, width)
    engine_of(question.engine).check_size(question.network, width, samples)
    predict(unmapped(question.network), width, samples)
    if violated(question) is None:
        question.limit(width)
