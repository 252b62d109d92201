"""The priors of unfitted corrections, checked by long sweeps of every kind of network.

``priors.json`` is the record of such a sweep: for each row the coefficients of the powers of the
width, and what a default verdict's fit leaves of them. ``recheck`` measures it again.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from scipy.stats import chi2, norm
from tabulate import tabulate

from derivations.catalogue import theorem
from derivations.declared import ALPHA, DELTA, POWER, Declared
from derivations.groups import Group
from derivations.networks import LINEAR, RELU, TANH
from derivations.planning import planned
from derivations.questions import Question
from derivations.samples import samples_at
from numerics.engines import ENGINES
from numerics.ensemble import over_blocks
from numerics.priors import coefficients, left
from numerics.promises import CHANCE, Promise
from theory.architecture import (
    Activation,
    BatchNorm,
    LayerNorm,
    MeanSubtraction,
    Network,
    NoNormalization,
    RMSNorm,
)
from theory.errors import DescriptionError

RECORD = Path(__file__).with_suffix(".json")

SECONDS = 30.0
"""Of one core, for each kind of network."""

ROWS = 25
"""Rows of the run whose plan is looked at, as many as the main job has."""

PLANTED = 3.0
"""What the control's fits leave more, in units of tau: corrections beyond their prior."""

KAPPAS = ("kappa_1", "kappa_2", "uniform_mode")
EDGE = ("mean_eigenvalue", "largest_eigenvalue")
GIVEN_SIGMA = ("trace_given_outputs", "output_variance")


def _network(
    activation: str, sigma_w2: float, sigma_b2: float, depth: int = 3, **more: Any
) -> Network:
    return Network(
        Activation.named(activation), depth=depth, sigma_w2=sigma_w2, sigma_b2=sigma_b2, **more
    )


KINDS: tuple[tuple[str, Network, int, tuple[str, ...]], ...] = (
    ("unnormalized", TANH, 16, (*KAPPAS, "second_moment")),
    ("unnormalized", RELU, 16, (*KAPPAS, "second_moment")),
    ("unnormalized", LINEAR, 16, (*KAPPAS, "second_moment")),
    ("unnormalized", _network("gelu", 2, 0.1), 16, KAPPAS),
    ("unnormalized", _network("tanh", 3, 0.64, depth=6), 16, KAPPAS),
    ("mean-subtraction-last", replace(TANH, outputs=1, last=MeanSubtraction()), 4, EDGE),
    ("mean-subtraction-last", replace(RELU, outputs=1, last=MeanSubtraction()), 4, EDGE),
    ("batchnorm-last", replace(RELU, last=BatchNorm()), 10, GIVEN_SIGMA),
    ("batchnorm-hidden", _network("relu", 2, 0.2, hidden=BatchNorm()), 16, KAPPAS),
    ("batchnorm-hidden", _network("tanh", 2, 0.2, hidden=BatchNorm()), 16, KAPPAS),
    ("mean-subtraction-hidden", _network("relu", 2, 0.2, hidden=MeanSubtraction()), 16, KAPPAS),
    ("placements", _network("relu", 2, 0.2, layers=(NoNormalization(), BatchNorm())), 16, KAPPAS),
    ("layernorm-hidden", _network("tanh", 3, 0.64, hidden=LayerNorm()), 16, KAPPAS),
    ("layernorm-hidden", _network("relu", 2, 0.2, hidden=RMSNorm()), 16, KAPPAS),
    ("layernorm-last", replace(TANH, outputs=10, last=LayerNorm()), 16, ("mean_given_outputs",)),
    ("weight-normalization", _network("relu", 2, 0.2, weights="weight-normalization"), 16, KAPPAS),
    (
        "weight-standardization",
        _network("relu", 2, 0.2, weights="weight-standardization"),
        16,
        KAPPAS,
    ),
)
"""Kinds of networks: theorem, network, samples, quantities."""


@dataclass(frozen=True)
class Found:
    """One row: the networks measured at each width, b and its errors for each power of scale/M,
    ``sigma``, the prior's standard deviation of the last of them, and, relative to the limit, what
    a default verdict's fit leaves (``left``, ``left_error``) beside the ``tau`` it allows."""

    theorem: str
    network: str
    samples: int
    quantity: str
    engine: str
    widths: tuple[int, ...]
    networks: tuple[int, ...]
    powers: tuple[float, ...]
    b: tuple[float, ...]
    errors: tuple[float, ...]
    sigma: float
    left: float
    left_error: float
    tau: float

    @property
    def key(self) -> tuple[str, str, int, str]:
        return self.theorem, self.network, self.samples, self.quantity

    @property
    def label(self) -> str:
        return f"{self.theorem}: {self.quantity}, {self.network}"


@cache
def recorded() -> dict[tuple[str, str, int, str], Found]:
    """The shipped record, by theorem, network, samples and quantity."""
    rows = json.loads(RECORD.read_text(encoding="utf-8"))
    return {one.key: one for one in map(_read, rows)}


def _read(row: dict[str, Any]) -> Found:
    values: dict[str, Any] = {k: tuple(v) if isinstance(v, list) else v for k, v in row.items()}
    return Found(**values)


def long_sweep(seconds: float = SECONDS, say: Callable[[str], None] | None = None) -> list[Found]:
    """Measure every kind of network for so many seconds of one core.

    By conditioning where that covers the row: the networks have the same law, and many more of them
    fit into the time. ``DescriptionError`` unless the time is positive and finite.
    """
    if not 0 < seconds < np.inf:
        raise DescriptionError(f"seconds must be positive and finite, {seconds!r} given")
    groups: dict[tuple[Any, ...], Group] = {}
    for id, network, samples, quantities in KINDS:
        for quantity in quantities:
            question = Question(theorem(id), theorem(id).row(quantity), network, samples)
            linear, _, coarse, _ = question.key
            design = coarse.scaled(network.depth)
            key = linear, samples, design, _engine(question)
            groups.setdefault(key, Group(linear, samples, design, key[-1])).questions.append(
                question
            )
    jobs = [job for group in groups.values() for job in group.jobs(_counts(group, seconds))]
    if say is not None:
        say(f"{len(groups)} kinds of networks, {seconds:g} s of one core each")
    over_blocks(Group.measure, jobs, "long sweep", progress=say is not None and sys.stderr.isatty())
    for group in groups.values():
        group.settle()
    return [_found(group, question) for group in groups.values() for question in group.questions]


def _engine(question: Question) -> str:
    covered = ENGINES["conditional"].refusal(question.network, [question.observable]) is None
    return "conditional" if covered else "explicit"


def _counts(group: Group, seconds: float) -> list[int]:
    """Networks in the shares of the design."""
    samples = samples_at(group.samples, group.design.widths[0])
    cost = ENGINES[group.engine].seconds(group.network, samples, group.observables)
    whole = np.dot(group.design.shares, cost(np.array(group.design.widths, float)))
    return [max(2, round(share * seconds / whole)) for share in group.design.shares]


def _found(group: Group, question: Question) -> Found:
    c = group.c[question]
    rows = group.ratios(question)
    widths = group.design.widths
    squares = [row.var(ddof=1) / len(row) for row in rows]
    means = [row.mean() for row in rows]
    corrections = question.corrections
    declared = Declared(ALPHA, DELTA, POWER)
    plan = planned(question, c, [question.observable], declared, ROWS)
    b = coefficients(widths, squares, means, corrections)
    remains = left(widths, plan.counts, squares, means, c, corrections)
    return Found(
        question.theorem.id,
        str(question.network),
        samples_at(question.samples, widths[0]),
        question.row.quantity,
        group.engine,
        widths,
        tuple(len(row) for row in rows),
        b.powers,
        tuple(b.b.tolist()),
        tuple(b.errors.tolist()),
        corrections.prior[0][1],
        remains.value,
        remains.error,
        remains.tau,
    )


def promises(rows: list[Found]) -> list[Promise]:
    """No row leaves more than its prior explains, nor all rows of a quantity together, and none is
    far from the record. Each is red with probability ``CHANCE`` over all rows if the priors are
    right."""
    bound = float(norm.isf(CHANCE / 2 / len(rows)))
    kept = []
    by_quantity: dict[str, list[float]] = {}
    for row in rows:
        z = abs(row.left) / float(np.hypot(row.left_error, row.tau))
        kept.append(Promise(row.label, "left by the fit / tau and error", z, bound, z <= bound))
        by_quantity.setdefault(row.quantity, []).append(z)
        if (known := recorded().get(row.key)) is not None:
            apart = abs(row.b[-1] - known.b[-1])
            moved = apart / float(np.hypot(row.errors[-1], known.errors[-1]))
            kept.append(
                Promise(row.label, "distance from the record", moved, bound, moved <= bound)
            )
    for quantity, found in by_quantity.items():
        square = float(np.square(found).sum())
        most = float(chi2.isf(CHANCE / len(by_quantity), len(found)))
        what = f"squares over {len(found)} kinds"
        kept.append(Promise(f"{quantity}, all kinds", what, square, most, square <= most))
    return kept


def planted(rows: list[Found]) -> list[Found]:
    """The control: corrections that the prior does not cover. A sweep too short to see them is no
    check of the priors."""
    return [replace(row, left=row.left + PLANTED * row.tau) for row in rows]


@dataclass(frozen=True)
class Recheck:
    """The rows of a long sweep, all promises, and those that the control broke."""

    rows: tuple[Found, ...]
    promises: tuple[Promise, ...]
    broken_by_control: tuple[Promise, ...]

    @property
    def kept(self) -> bool:
        return all(promise.kept for promise in self.promises) and bool(self.broken_by_control)

    def to_json(self) -> dict[str, Any]:
        return asdict(self) | {"kept": self.kept}


def to_record(rows: Iterable[Found]) -> str:
    """The rows as the text of ``priors.json``."""
    return "[\n" + ",\n".join(json.dumps(asdict(row)) for row in rows) + "\n]\n"


def recheck(seconds: float = SECONDS, say: Callable[[str], None] | None = None) -> Recheck:
    """A long sweep now, beside the priors and the record."""
    rows = long_sweep(seconds, say)
    broken = [promise for promise in promises(planted(rows)) if not promise.kept]
    return Recheck(tuple(rows), tuple(promises(rows)), tuple(broken))


def to_text(found: Recheck) -> str:
    """A line for each row, then the promises that are broken."""
    lines = [
        (
            row.label,
            sum(row.networks),
            f"{row.b[0]:.2f}({row.errors[0]:.2f})",
            f"{row.b[-1] / row.sigma:.2f}({row.errors[-1] / row.sigma:.2f})",
            f"{100 * row.left:.3f}({100 * row.left_error:.3f})",
            f"{100 * row.tau:.3f}",
        )
        for row in found.rows
    ]
    headers = ("row", "networks", "b, first", "b, last / sigma", "left, %", "tau, %")
    kept = sum(promise.kept for promise in found.promises)
    caught = "caught" if found.broken_by_control else "NOT CAUGHT"
    red = [
        f"BROKEN: {one.row}, {one.what}: {one.found:.3g}, bound {one.bound:.3g}"
        for one in found.promises
        if not one.kept
    ]
    summary = f"{kept} of {len(found.promises)} promises kept; the control was {caught}"
    return "\n".join([tabulate(lines, headers=headers), "", *red, summary])
