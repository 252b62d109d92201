"""``fisherfield flow``: gradient descent with weight decay beside the sharpness-reduction flow."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from theory.errors import DescriptionError

if TYPE_CHECKING:
    import numpy as np

    from derivations.dynamics import Setting
    from derivations.flow_problems import Parameters, Problem

STARTS = ("prepared", "random", "stable")

STABLE = 0.4
"""A stable start has this part of the edge's effective learning rate."""

OFF = 0.01
"""Angle of a stable start off the manifold."""


def add_arguments(sub: argparse.ArgumentParser) -> None:
    """The arguments that ``flow`` reads."""
    sub.add_argument("problem", metavar="PROBLEM", help="arc, quadratic, batchnorm-mlp, ...")
    sub.add_argument(
        "--param", nargs="+", action="extend", default=[], metavar="NAME=VALUE", help="as in b=3"
    )
    sub.add_argument("--seed", type=int, metavar="S", help="of data and noise")
    sub.add_argument(
        "--seeds",
        type=int,
        metavar="S",
        help="with --judge: verdicts on seeds 0, 1, ...; of matrix-completion: what became of the "
        "hidden entries",
    )
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
        help="weight decay, by default 5e-4 over eta, or less for steep losses; or by group",
    )
    sub.add_argument("--time", type=float, metavar="TAU", help="eta times decay times steps")
    sub.add_argument("--points", type=int, default=200, metavar="K", help="points kept: 200")
    sub.add_argument(
        "--judge",
        action="store_true",
        help="judge the order in which runs at 5 products of rates, 4 times to 1/64, approach it",
    )
    sub.add_argument("--out", metavar="FILE", help="write the JSON there")
    sub.add_argument("--figure", metavar="FILE", help="also draw the run: png, pdf, svg")
    sub.add_argument("--json", action="store_true")


def flow(options: argparse.Namespace) -> tuple[dict[str, Any], str | None]:
    """The record of one run, or verdicts, or a report; and why it left the regime, or None.

    Raises ``DescriptionError`` for what has no meaning.
    """
    asked = _asked(options)
    if options.seeds is not None:
        return _over_seeds(options, asked)
    if options.judge and asked.problem.make is not None:
        return _judged(options, asked)
    if asked.problem.make is None:
        found, why = _two_groups(options, asked)
    else:
        found, why = _recorded(options, asked)
    if options.figure is not None:
        from derivations.figures.descent import draw, of_found
        from derivations.figures.page import rules, save

        with rules():
            figure = draw(of_found(found))
            figure.suptitle(f"{found['problem']}, seed {found['seed']}: {found['regime']}")
            save(figure, options.figure)
    return found, why


class Asked(NamedTuple):
    """What the options say, checked; ``decays`` is None where none is given."""

    problem: Problem
    given: Parameters
    etas: list[float]
    decays: list[float] | None
    time: float | None
    points: int
    seed: int


def _asked(options: argparse.Namespace) -> Asked:
    from derivations.flow_problems import PROBLEMS
    from derivations.output_file import check_writable
    from theory.scale_invariance import check_decay
    from theory.validation import check_positive, look_up, whole

    problem = look_up(options.problem, PROBLEMS, "problem")
    given = _parameters(options.param)
    problem.parameters(given)
    etas, weight_decays = options.eta or [0.5], options.weight_decay or []
    groups = max(len(etas), len(weight_decays))
    if groups > problem.groups:
        raise DescriptionError(
            f"{options.problem} has {problem.groups} group(s) of weights with rates of their own, "
            f"rates for {groups} given"
        )
    etas = etas * groups if len(etas) == 1 else etas
    for eta in etas:
        check_positive("eta", eta)
    decays = None
    if weight_decays:
        weight_decays = weight_decays * groups if len(weight_decays) == 1 else weight_decays
        for weight_decay in weight_decays:
            check_positive("weight-decay", weight_decay)
        decays = [eta * one for eta, one in zip(etas, weight_decays, strict=True)]
        for decay in decays:
            check_decay(decay)
    if not 0 <= options.noise < 1:
        raise DescriptionError(f"noise must be at least 0 and below 1, {options.noise} given")
    if options.time is not None:
        check_positive("time", options.time)
    if options.figure is not None and (options.judge or options.seeds is not None):
        raise DescriptionError("a figure shows one run; leave out --judge and --seeds")
    for path in (options.figure, options.out):
        if path is not None:
            check_writable(path)
    if options.judge and (options.start != "prepared" or options.noise):
        raise DescriptionError("an order is judged from prepared starts, without noise")
    seed = problem.seed if options.seed is None else options.seed
    if seed < 0:
        raise DescriptionError(f"seed must be at least 0, {seed} given")
    return Asked(
        problem, given, etas, decays, options.time, whole("points", options.points, 2), seed
    )


def _described(options: argparse.Namespace, asked: Asked, decays: list[float]) -> dict[str, Any]:
    """What was asked for; without a product of rates where a start was not even prepared."""
    values = {name: list(one) for name, one in asked.problem.parameters(asked.given).items()}
    return {
        "problem": options.problem,
        "parameters": {name: v[0] if len(v) == 1 else v for name, v in values.items()},
        "eta": _one_or_all(asked.etas),
        "weight_decay": _one_or_all([d / eta for d, eta in zip(decays, asked.etas, strict=False)]),
        "eps": _one_or_all(decays),
        "seed": asked.seed,
        "start": options.start,
    }


def _recorded(options: argparse.Namespace, asked: Asked) -> tuple[dict[str, Any], str | None]:
    from derivations.dynamics import usual_decay
    from derivations.flow_events import reason
    from derivations.flow_record import Run, record
    from numerics.weight_decay import check_scale_invariance

    setting = asked.problem.setting(asked.given, asked.seed)
    check_scale_invariance(setting.loss, asked.seed)
    (eta,), decays = asked.etas, asked.decays or [usual_decay(setting)]
    start = _start(options.start, setting, eta, decays[0], asked.seed)
    time = asked.problem.time if asked.time is None else asked.time
    prepared = options.start == "prepared"
    run = Run(eta, decays[0], time, asked.points, options.noise, asked.seed, prepared)
    found = _described(options, asked, decays) | record(
        setting, start, run, asked.problem.coordinate
    )
    return found, reason(found)


def _two_groups(options: argparse.Namespace, asked: Asked) -> tuple[dict[str, Any], str | None]:
    import numpy as np

    from derivations.dynamics import USUAL
    from derivations.flow_events import reason
    from derivations.flow_groups import Rates, record
    from derivations.flow_judge import judge_two_groups
    from derivations.flow_problems import groups_of

    if options.start != "prepared" or options.noise:
        raise DescriptionError(f"{options.problem} starts prepared, without noise")
    decays = asked.decays or [USUAL] * len(asked.etas)
    time = asked.problem.time if asked.time is None else asked.time
    described = _described(options, asked, decays)
    etas, both = (np.broadcast_to(one, 2).astype(float) for one in (asked.etas, decays))
    if options.judge:
        return described | judge_two_groups(asked.given, asked.seed, etas, both, time), None
    problem, state = groups_of(asked.problem.parameters(asked.given))
    found = described | record(problem, state, Rates(etas, both), time, asked.points)
    return found, reason(found)


def _judged(options: argparse.Namespace, asked: Asked) -> tuple[dict[str, Any], str | None]:
    from derivations.flow_judge import judge_seed

    (eta,), time = asked.etas, asked.problem.time if asked.time is None else asked.time
    decay = None if asked.decays is None else asked.decays[0]
    found = judge_seed(options.problem, asked.given, asked.seed, eta, decay, time)
    decays = asked.decays or found["row"]["widths"][1:2]
    return _described(options, asked, decays) | found, found["row"]["reason"]


def _over_seeds(options: argparse.Namespace, asked: Asked) -> tuple[dict[str, Any], str | None]:
    """Seeds 0, 1, ...: their verdicts, or what became of the hidden entries."""
    from derivations import completion
    from derivations.flow_judge import judge_seeds
    from theory.validation import whole

    seeds = whole("seeds", options.seeds, 1)
    decay, shown = None if asked.decays is None else asked.decays[0], sys.stderr.isatty()
    common = {"problem": options.problem, "eta": asked.etas[0], "seeds": seeds}
    if options.judge and asked.problem.make is not None:
        time = asked.problem.time if asked.time is None else asked.time
        found = judge_seeds(options.problem, asked.given, seeds, asked.etas[0], decay, time, shown)
        left = sum(row["verdict"] == "OUT OF REGIME" for row in found["rows"])
        out = found["verdict"] == "OUT OF REGIME"
        return common | {"time": time} | found, f"{left} of {seeds} seeds" if out else None
    if options.problem != "matrix-completion" or options.judge:
        raise DescriptionError(
            "seeds are listed with --judge, or of matrix-completion without it; give --seed for "
            "one run"
        )
    time = completion.TIME if asked.time is None else asked.time
    rows = completion.over_seeds(asked.given, seeds, asked.etas[0], decay, time, shown)
    return common | {"time": time, "rows": rows}, None


def _one_or_all(values: list[float]) -> float | list[float] | None:
    return (values[0] if len(values) == 1 else values) if values else None


def summary(found: dict[str, Any]) -> dict[str, Any]:
    """The record without its arrays over the points, for the terminal."""
    if "rows" in found:
        plain = {name: one for name, one in found.items() if name != "rows"}
        return plain | {f"seed {row['seed']}": _line(row) for row in found["rows"]}
    if "row" in found:
        return {name: one for name, one in found.items() if name != "row"}
    arrays = {"tau", "step", "loss", "norm2", "effective_learning_rate", "x", "D", "coordinate"}
    arrays |= {"lambda1", "lambda2", "lambda1_iterate", "flow_coordinate", "distance"}
    kept = {name: one for name, one in found.items() if name not in arrays | {"events"}}
    distances = [one for one in kept.pop("distance_projected") if one is not None]
    events = {f"event {e['kind']}": f"tau {e['tau']:.6g}" for e in found["events"]}
    return kept | events | {"largest distance": max(distances, default=None)}


def _line(row: dict[str, Any]) -> str:
    """A verdict, or a report on matrix completion, in one line."""
    if "row" not in row:
        first, last = row["first"], row["last"]
        crossing = "none" if row["crossing"] is None else f"{row['crossing']:.3g}"
        return (
            f"test error {first['test_error']:.3f} to {last['test_error']:.3f}, effective rank "
            f"{first['effective_rank']:.2f} to {last['effective_rank']:.2f}, crossing {crossing}, "
            f"{row['distance']:.2g} from the flow before it"
        )
    judged = row["row"]
    if judged["reason"] is not None:
        return f"{row['verdict']}: {judged['reason']}"
    eps = judged["widths"]
    return (
        f"{row['verdict']}, order {judged['measured']:.4f} +- {judged['standard_error']:.4f}, "
        f"eps {eps[0]:.3g} to {eps[-1]:.3g}"
    )


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
        found = np.load(name, allow_pickle=False)
    except (OSError, ValueError, EOFError) as problem:
        reason = str(problem).partition("\n")[0]
        raise DescriptionError(f"cannot read an array from {name}: {reason}") from None
    if found.shape != (setting.loss.size,) or found.dtype.kind not in "fiu":
        raise DescriptionError(
            f"a start has {setting.loss.size} real weights, {found.dtype} of shape {found.shape} "
            f"given in {name}"
        )
    return found
