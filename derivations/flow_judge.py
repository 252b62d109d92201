"""Verdicts on the order in which runs approach their flow, for one seed of a problem or several."""

from __future__ import annotations

from typing import Any

import numpy as np

from derivations.dynamic_evidence import JudgedRun, judged_row
from derivations.dynamics import (
    NEARBY,
    JudgedOrder,
    judge_order,
    ladder,
    starts_near,
    usual_decay,
)
from derivations.flow_groups import Rates, judge_groups
from derivations.flow_problems import PROBLEMS, Parameters, groups_of
from derivations.parallel import in_parallel
from numerics.verdict import Verdict
from numerics.weight_decay import check_scale_invariance
from theory.errors import OutOfRegime
from theory.scale_invariance import check_decay

STARTS = 3
"""Starts from which an order is judged."""

THEOREM = "sharpness-flow"


def judge_seed(
    name: str, given: Parameters, seed: int, eta: float, decay: float | None, time: float
) -> dict[str, Any]:
    """The row of one seed, with the distances that it rests on.

    ``decay`` is the product of rates next to the largest, by default the usual one. A flow that
    does not exist over the whole time is out of regime.
    """
    try:
        setting = PROBLEMS[name].setting(given, seed)
        check_scale_invariance(setting.loss, seed)
        decays = ladder(usual_decay(setting) if decay is None else decay)
        check_decay(decays[0])
        judged = judge_order(starts_near(setting, STARTS, seed), decays, time, eta=eta)
    except OutOfRegime as problem:
        row = JudgedRun(THEOREM, name, "order", Verdict.OUT_OF_REGIME, reason=str(problem))
        return {"verdict": str(row.verdict), "row": row.to_json()}
    return _found(judged, THEOREM, name)


def judge_two_groups(
    given: Parameters, seed: int, etas: np.ndarray, decays: np.ndarray, time: float
) -> dict[str, Any]:
    """The row of two groups with rates of their own, (2,) each."""
    problem, state = groups_of(PROBLEMS["two-groups"].parameters(given))
    rng = np.random.default_rng(seed)
    moved = NEARBY * rng.standard_normal((STARTS - 1, 2))
    states = [state, *(state + np.append(one, 0.0) for one in moved)]
    ratio = decays / decays[0]
    steps = ladder(float(decays[0]))
    check_decay(steps[0] * float(ratio.max()))
    rates = [Rates(etas, decay * ratio) for decay in steps]
    return _found(judge_groups(problem, states, rates, time), "sharpness-groups", "two-groups")


def judge_seeds(
    name: str,
    given: Parameters,
    seeds: int,
    eta: float,
    decay: float | None,
    time: float,
    progress: bool,
) -> dict[str, Any]:
    """The rows of the seeds 0, 1, ..., on every processor, and the worst of their verdicts."""
    jobs = [(name, given, seed, eta, decay, time) for seed in range(seeds)]
    results = in_parallel(judge_seed, jobs, progress)
    rows = [{"seed": seed} | found for seed, found in enumerate(results)]
    found = {row["verdict"] for row in rows}
    order = (Verdict.REFUTED, Verdict.UNDECIDED, Verdict.OUT_OF_REGIME, Verdict.AGREES)
    return {"verdict": next(str(one) for one in order if one in found), "rows": rows}


def _found(judged: JudgedOrder, id: str, name: str) -> dict[str, Any]:
    return {
        "verdict": str(judged.verdict),
        "row": judged_row(id, name, "order", judged, None).to_json(),
        "distances": list(judged.distances),
        "orders": list(judged.found.orders),
        "path": judged.path,
    }
