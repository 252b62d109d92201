r"""Matrix completion by gradient descent with weight decay: what becomes of the hidden entries.

At the first point of zero residual, found by Gauss-Newton steps from random factors, and after
:math:`8/\varepsilon` steps of gradient descent from the edge of stability over it. The flow of one
eigenvalue is compared up to its crossing with the second. Exact recovery is not promised.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from derivations.dynamics import (
    Setting,
    compare,
    directions,
    start_at_edge,
    stride,
    usual_decay,
)
from derivations.flow_problems import PROBLEMS, Parameters, completion_data
from derivations.parallel import in_parallel
from numerics.losses import MatrixCompletion, value
from numerics.minimizers import unit
from numerics.weight_decay import Trajectory, descend

TIME = 8.0


def recovered(loss: MatrixCompletion, w: np.ndarray, target: np.ndarray) -> dict[str, Any]:
    r"""How near the hidden entries are, and the singular values of U V.

    ``test_error``: the root of the sum of squared errors over that of the hidden entries, predicted
    with the mean and the deviation of those seen. ``effective_rank`` is
    :math:`(\sum s)^2/\sum s^2`; the singular values are in units of the largest.
    """
    hidden = np.ones(target.shape, bool)
    hidden[loss.entries[:, 0], loss.entries[:, 1]] = False
    missed = (loss.completed(w) - target)[hidden]
    U, V = loss.factors(w)
    s = np.linalg.svd(U @ V, compute_uv=False)
    return {
        "test_error": float(np.linalg.norm(missed) / np.linalg.norm(target[hidden])),
        "effective_rank": float(s.sum() ** 2 / (s @ s)),
        "singular_values": (s / s[0]).tolist(),
    }


def complete(
    given: Parameters, seed: int, eta: float, decay: float | None, time: float = TIME
) -> dict[str, Any]:
    """The report on one seed: both points, and the distance from the flow up to the crossing."""
    problem = PROBLEMS["matrix-completion"]
    target, _, _ = completion_data(problem.parameters(given), seed)
    setting = problem.setting(given, seed)
    loss = setting.loss
    assert isinstance(loss, MatrixCompletion)
    decay = usual_decay(setting) if decay is None else decay
    start, steps = start_at_edge(setting, eta, decay), int(time / decay)
    run = descend(loss, start, eta, decay, steps, every=stride(decay))
    last = directions(run.pairs[-1:])[0]
    return {
        "seed": seed,
        "eps": decay,
        "steps": steps,
        "first": recovered(loss, setting.zeta, target),
        "last": recovered(loss, last, target),
        "loss": float(value(loss, last)),
    } | _beside_the_flow(setting, run, decay, time)


def _beside_the_flow(
    setting: Setting, run: Trajectory, decay: float, time: float
) -> dict[str, Any]:
    """The crossing, and the largest distance of the run, back on the manifold, before it."""
    flow = setting.integrated(time)
    kept = run.kept[decay * (run.kept + 0.5) < flow.end]
    before = Trajectory(run.loss, run.norm2, run.amplitude, kept, run.pairs[: len(kept)])
    found = compare(setting, before, decay, flow.at)
    return {
        "crossing": flow.crossing,
        "distance": float(found.projected.max()),
        "path": float(found.path),
        "moved": float(np.linalg.norm(unit(run.pairs[-1, 0]) - setting.zeta)),
    }


def over_seeds(
    given: Parameters, seeds: int, eta: float, decay: float | None, time: float, progress: bool
) -> list[dict[str, Any]]:
    """The reports on the seeds 0, 1, ..., on every processor."""
    jobs = [(given, seed, eta, decay, time) for seed in range(seeds)]
    return in_parallel(complete, jobs, progress)
