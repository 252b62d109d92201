"""Where the theorems on scale-invariant losses are judged: problems, quantities, tolerances."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial

import numpy as np

from derivations import exact_checks
from derivations.dynamic_evidence import Case, Found, Ratio, Residual
from derivations.dynamics import (
    USUAL,
    Setting,
    judge_order,
    ladder,
    start_at_edge,
    starts_near,
    usual_decay,
)
from derivations.edge_means import growth, means
from derivations.flow_groups import Rates, judge_groups
from derivations.flow_problems import PROBLEMS
from derivations.sharpness.placements import invariance
from numerics import losses
from theory.sharpness_problems import BatchNormRegression, TwoGroups

ETA = 0.5
STARTS = 3
"""Starts from which an order is judged."""


def _setting(problem: str, **given: float) -> Setting:
    return PROBLEMS[problem].setting({name: (value,) for name, value in given.items()}, None)


def _unrelaxed(problem: str) -> Setting:
    """At the first minimizer, without the flow that leads to a calmer one."""
    found = "before" in PROBLEMS[problem].defaults
    return _setting(problem, before=0.0) if found else _setting(problem)


def _residual(problem: str, quantity: str, delta: float, value: Callable[[], float]) -> Case:
    return Case(problem, {quantity: delta}, lambda: {quantity: Residual(value())})


def _identities(problem: str) -> float:
    return exact_checks.identities(_unrelaxed(problem).loss, seed=0)


def _recursion(problem: str) -> float:
    loss, rates = _unrelaxed(problem).loss, ((0.1, 1e-3), (0.5, 1e-2), (2.0, 0.2))
    return max(exact_checks.recursion(loss, 0, eta, decay, 500) for eta, decay in rates)


def _angle() -> float:
    """At the minimum-norm solution nothing drifts."""
    setting = _setting("batchnorm-regression")
    assert isinstance(setting.closed, BatchNormRegression)
    return exact_checks.cycle_angle(replace(setting, zeta=setting.closed.minimum), ETA, 1e-3, 3000)


def _kernel() -> float:
    setting = _setting("batchnorm-regression")
    assert isinstance(setting.loss, losses.BatchNormRegression)
    start = start_at_edge(setting, ETA, 1e-3)
    return exact_checks.kernel_decay(setting.loss, start, ETA, 1e-3, 3000)


def _solution(problem: str) -> float:
    return exact_checks.solution(_setting(problem), 2.0)


def _drift(problem: str) -> float:
    return exact_checks.off_the_flow(_setting(problem), ETA, USUAL, 1.0)


def _hessian(problem: str) -> float:
    setting = _unrelaxed(problem)
    return exact_checks.hessian_is_fisher(setting.loss, setting.zeta)


def _parts(problem: str) -> float:
    return exact_checks.hessian_parts(_unrelaxed(problem).loss, seed=0)


def _order(
    problem: str, time: float, *, predicted: float = 1.0, stretch: float = 1.0, default: bool = True
) -> Case:
    def measure() -> Mapping[str, Found]:
        setting = _setting(problem)
        starts, decays = starts_near(setting, STARTS, seed=0), ladder(usual_decay(setting))
        return {"order": judge_order(starts, decays, time, predicted=predicted, stretch=stretch)}

    name = problem if stretch == 1 else f"{problem}, unprepared"
    return Case(name, {"order": None}, measure, default)


def _means(
    problem: str, decay: float, time: float, deltas: Mapping[str, float], default: bool = True
) -> Case:
    def measure() -> Mapping[str, Found]:
        found = means(_setting(problem), ETA, decay, time)
        return {name: Ratio(found.ratio[name], found.predicted[name], decay) for name in deltas}

    return Case(problem, deltas, measure, default)


def _growth(problem: str, decay: float, time: float, bend: float, default: bool = True) -> Case:
    r"""Within :math:`|c|\,\varepsilon`, the next order; ``bend`` is :math:`|c|` at the start.

    Where the arc ends, a step turns the small oscillation by a matrix of determinant
    :math:`2(1-\varepsilon)^2 - 1`: its growth :math:`-2\varepsilon - 3\varepsilon^2` is off by a
    part :math:`\tfrac{3}{16}|c|\,\varepsilon`.
    """

    def measure() -> Mapping[str, Found]:
        found = growth(_setting(problem), ETA, decay, time)
        return {"growth": Ratio(found.ratio["growth"], found.predicted["growth"], decay)}

    return Case(problem, {"growth": bend * decay}, measure, default)


def _groups(name: str, etas: Sequence[float], decay_ratio: float, log_rho: float) -> Case:
    def measure() -> Mapping[str, Found]:
        states = [np.array([*s, log_rho]) for s in ((1.2, 1.1), (1.0, 1.2), (1.3, 0.9))]
        rates = [
            Rates(np.array(etas), decay * np.array([1.0, decay_ratio]))
            for decay in ladder(4 * USUAL)
        ]
        return {"order": judge_groups(TwoGroups(3.0, 2.0), states, rates, 1.0)}

    return Case(name, {"order": None}, measure, default=False)


PLACEMENTS = "every placement"
MEANS = {"amplitude": 0.005, "hover": 0.01, "loss": 0.01, "norm": 0.01}
CLOSE = MEANS | {"period": 0.01}
NETWORKS = ("batchnorm-mlp", "layernorm-mlp", "weightnorm-mlp")
NORMALIZED = ("batchnorm-regression", *NETWORKS)
SOLVED = ("arc", "quadratic", "batchnorm-regression")

CASES: Mapping[str, tuple[Case, ...]] = {
    "scale-invariance": tuple(
        _residual(one, "identities", 1e-13, partial(_identities, one))
        for one in (*NORMALIZED, "matrix-completion")
    ),
    "weight-decay-recursion": (
        *(
            _residual(one, "recursion", 1e-14, partial(_recursion, one))
            for one in ("quadratic", *NORMALIZED)
        ),
    ),
    "two-cycle": (_residual("batchnorm-regression", "angle", 1e-12, _angle),),
    "sharpness-flow": (
        _order("arc", 0.5),
        _order("quadratic", 0.5),
        _means("arc", 2.5e-4, 2.0, CLOSE),
        _means("quadratic", 2.5e-4, 2.0, CLOSE),
        _order("arc", 0.5, predicted=0.5, stretch=0.3, default=False),
        _order("batchnorm-regression", 0.5, default=False),
        _order("batchnorm-mlp", 0.25, default=False),
        _means("batchnorm-regression", 2.5e-5, 0.25, CLOSE, default=False),
        _means("batchnorm-mlp", 4e-6, 0.25, MEANS, default=False),
    ),
    "sharpness-solutions": (
        *(_residual(one, "solution", 1e-10, partial(_solution, one)) for one in SOLVED),
        _residual(
            "weightnorm-regression", "drift", 1e-12, partial(_drift, "weightnorm-regression")
        ),
    ),
    "edge-next-order": (
        *(
            _means(one, 2.5e-4, 2.0, {"hover": 0.01, "period": 0.01})
            for one in ("arc", "quadratic")
        ),
        *(_growth(one, 2.5e-4, 2.0, bend=8.0) for one in ("arc", "quadratic")),
        _growth("batchnorm-regression", 2.5e-5, 0.25, bend=170.0, default=False),
    ),
    "regression-minimum-norm": (_residual("batchnorm-regression", "kernel", 1e-11, _kernel),),
    "invariant-weights": (_residual(PLACEMENTS, "scaled weights", 1e-12, invariance),),
    "sharpness-groups": (
        _groups("two-groups", (0.5, 0.5), 1.0, 0.0),
        _groups("two-groups, own rates", (0.5, 1.5), 0.4, 0.3),
    ),
    "zero-residual": (
        *(_residual(one, "hessian", 1e-12, partial(_hessian, one)) for one in NETWORKS),
        *(_residual(one, "parts", 1e-12, partial(_parts, one)) for one in NETWORKS),
    ),
}
"""By theorem. "drift" is how far weights leave a flow that stands still; the slow oscillation of a
network is not compared over its whole run, along which its growth changes too much."""
