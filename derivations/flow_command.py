"""``fisherfield flow``: gradient descent with weight decay beside the sharpness-reduction flow."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from theory.errors import DescriptionError

if TYPE_CHECKING:
    import numpy as np

    from derivations.dynamics import Setting

STARTS = ("prepared", "random", "stable")

STARTS_JUDGED = 3

STABLE = 0.4
"""A stable start has this part of the edge's effective learning rate."""

OFF = 0.01
"""Angle of a stable start off the manifold."""

REASONS = {
    "underflow": "the oscillation underflowed to exactly 0 on its way to the edge, so nothing can "
    "grow there; use --start prepared or --noise 1e-8",
    "crossing": "the second eigenvalue reached the first; the flow of one eigenvalue ends there",
    "averages": "|c| eps is above 0.2, so the averages at the edge do not hold; use smaller rates",
}


def add_arguments(sub: argparse.ArgumentParser) -> None:
    """The arguments that ``flow`` reads."""
    sub.add_argument("problem", metavar="PROBLEM", help="arc, quadratic, batchnorm-mlp, ...")
    sub.add_argument(
        "--param", nargs="+", action="extend", default=[], metavar="NAME=VALUE", help="as in b=3"
    )
    sub.add_argument("--seed", type=int, metavar="S", help="of data and noise")
    sub.add_argument("--start", default="prepared", metavar="START", help=", ".join(STARTS))
    sub.add_argument("--noise", type=float, default=0.0, metavar="R", help="relative noise: 0")
    sub.add_argument(
        "--eta", type=float, action="append", metavar="ETA", help="learning rate: 0.5; or by group"
    )
    sub.add_argument(
        "--weight-decay",
        type=float,
        action="append",
        metavar="LAMBDA",
        help="weight decay, by default a small one; or by group",
    )
    sub.add_argument("--time", type=float, metavar="TAU", help="eta times decay times steps")
    sub.add_argument("--points", type=int, default=200, metavar="K", help="points kept: 200")
    sub.add_argument(
        "--judge",
        action="store_true",
        help="judge the order in which runs at 5 products of rates, 16 times to 1/16, approach it",
    )
    sub.add_argument("--out", metavar="FILE", help="write the JSON there")
    sub.add_argument("--json", action="store_true")


def flow(options: argparse.Namespace) -> tuple[dict[str, Any], str | None]:
    """The record of one run, and why it left the regime of the theory, or None.

    Raises ``DescriptionError`` for what has no meaning.
    """
    from derivations.flow_problems import PROBLEMS, two_groups
    from derivations.flow_record import Run, record
    from numerics.weight_decay import check_scale_invariance
    from theory.scale_invariance import check_decay
    from theory.validation import check_positive, look_up, whole

    problem = look_up(options.problem, PROBLEMS, "problem")
    given = _parameters(options.param)
    etas = options.eta or [0.5]
    weight_decays = options.weight_decay or [problem.weight_decay]
    groups = max(len(etas), len(weight_decays))
    if groups > problem.groups:
        raise DescriptionError(
            f"{options.problem} has {problem.groups} group(s) of weights with rates of their own, "
            f"rates for {groups} given"
        )
    etas, weight_decays = (one * groups if len(one) == 1 else one for one in (etas, weight_decays))
    for eta, weight_decay in zip(etas, weight_decays, strict=True):
        check_positive("eta", eta)
        check_positive("weight-decay", weight_decay)
        check_decay(eta * weight_decay)
    if not 0 <= options.noise < 1:
        raise DescriptionError(f"noise must be at least 0 and below 1, {options.noise} given")
    decays = [eta * one for eta, one in zip(etas, weight_decays, strict=True)]
    time = problem.time if options.time is None else options.time
    check_positive("time", time)
    points = whole("points", options.points, 2)
    seed = problem.seed if options.seed is None else options.seed
    values = {name: list(one) for name, one in problem.parameters(given).items()}
    described = {
        "problem": options.problem,
        "parameters": {name: v[0] if len(v) == 1 else v for name, v in values.items()},
        "eta": _one_or_all(etas),
        "weight_decay": _one_or_all(weight_decays),
        "eps": _one_or_all(decays),
        "seed": seed,
        "start": options.start,
    }
    if problem.make is None:
        if options.start != "prepared" or options.noise or options.judge:
            raise DescriptionError(
                f"{options.problem} starts prepared, without noise, and has no judge of its order"
            )
        return described | two_groups(problem.parameters(given), etas, decays, time, points), None
    setting = problem.setting(given, seed)
    check_scale_invariance(setting.loss, seed)
    if options.judge:
        return described | _judged(options, setting, etas[0], decays[0], time, seed), None
    start = _start(options.start, setting, etas[0], decays[0], seed)
    run = Run(etas[0], decays[0], time, points, options.noise, seed, options.start == "prepared")
    found = described | record(setting, start, run, problem.coordinate)
    return found, REASONS.get(found["regime"])


def _judged(
    options: argparse.Namespace, setting: Setting, eta: float, decay: float, time: float, seed: int
) -> dict[str, Any]:
    """The row of a verdict, with the distances that it rests on."""
    from derivations.dynamics import judge_order, starts_near
    from numerics.orders import RATIO
    from theory.scale_invariance import check_decay

    if options.start != "prepared" or options.noise:
        raise DescriptionError("an order is judged from prepared starts, without noise")
    decays = [decay * RATIO ** (2.0 - k) for k in range(5)]
    check_decay(decays[0])
    judged = judge_order(starts_near(setting, STARTS_JUDGED, seed), decays, time, eta=eta)
    row = judged.to_json("sharpness-flow", options.problem)
    return {
        "verdict": row["verdict"],
        "row": row,
        "distances": list(judged.distances),
        "orders": list(judged.found.orders),
        "path": judged.path,
    }


def _one_or_all(values: list[float]) -> float | list[float]:
    return values[0] if len(values) == 1 else values


def summary(found: dict[str, Any]) -> dict[str, Any]:
    """The record without its arrays over the points, for the terminal."""
    if "row" in found:
        return {name: one for name, one in found.items() if name != "row"}
    arrays = {"tau", "step", "loss", "norm2", "effective_learning_rate", "x", "D", "coordinate"}
    arrays |= {"lambda1", "lambda2", "lambda1_iterate", "flow_coordinate", "distance"}
    kept = {name: one for name, one in found.items() if name not in arrays | {"events"}}
    distances = [one for one in kept.pop("distance_projected") if one is not None]
    events = {f"event {e['kind']}": f"tau {e['tau']:.6g}" for e in found["events"]}
    return kept | events | {"largest distance": max(distances, default=None)}


def write(found: dict[str, Any], path: str) -> None:
    """The record as a JSON file; ``DescriptionError`` where it cannot be written."""
    try:
        Path(path).write_text(json.dumps(found, allow_nan=False) + "\n", encoding="utf-8")
    except OSError as problem:
        raise DescriptionError(f"cannot write {path}: {problem.strerror}") from None


def _parameters(texts: list[str]) -> dict[str, tuple[float, ...]]:
    found = {}
    for text in texts:
        name, equals, values = text.partition("=")
        try:
            found[name] = tuple(float(one) for one in values.split(",")) if equals else ()
        except ValueError:
            found[name] = ()
        if not found[name]:
            raise DescriptionError(
                f"a parameter is NAME=VALUE or NAME=VALUE,VALUE,..., {text!r} given"
            )
    return found


def _start(name: str, setting: Setting, eta: float, decay: float, seed: int) -> np.ndarray:
    import numpy as np

    from derivations.dynamics import start_at_edge
    from theory.scale_invariance import norm2_at

    if name == "prepared":
        return start_at_edge(setting, eta, decay)
    if name == "random":
        return np.random.default_rng(seed).standard_normal(setting.loss.size)
    if name == "stable":
        values, vectors = setting.top(setting.zeta)
        theta = np.cos(OFF) * setting.zeta + np.sin(OFF) * vectors[0]
        return theta * norm2_at(eta, decay, STABLE * 2 / values[0]) ** 0.5
    if not name.endswith(".npy"):
        raise DescriptionError(f"unknown start {name!r}; known: {', '.join(STARTS)}, FILE.npy")
    try:
        return np.load(name, allow_pickle=False)
    except (OSError, ValueError, EOFError) as problem:
        reason = str(problem).partition("\n")[0]
        raise DescriptionError(f"cannot read an array from {name}: {reason}") from None
