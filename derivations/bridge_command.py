r"""``fisherfield bridge``: the spherical sharpness from the kernels beside that of random networks.

Each network is measured as it is drawn, and fitted to random targets: at zero residual the Hessian
is the Fisher matrix, so that there the edge of stability follows from the kernels, up to the spread
of the eigenvalues. At random weights it is an estimate.
"""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any

from theory.errors import DescriptionError

if TYPE_CHECKING:
    import numpy as np

    from numerics.network import Parameters
    from theory.architecture import Network

Pairs = dict[str, tuple[float, float | None]]
"""A predicted and a measured number by name, None where the edge was not reached."""

DEFAULT_SEEDS, DEFAULT_DECAY = 4, 1e-2
BELOW_EDGE = 0.2
"""The default learning rate, in units of the predicted one at the edge."""

WAIT = 3
"""Steps that are run in the hope of the edge, in units of the prediction."""


def add_arguments(sub: argparse.ArgumentParser) -> None:
    """The arguments that ``bridge`` reads."""
    sub.add_argument("network", metavar="NET", help="network file (TOML)")
    sub.add_argument("--width", type=int, required=True, metavar="M")
    sub.add_argument("--samples", type=int, required=True, metavar="N")
    sub.add_argument(
        "--seeds", type=int, default=DEFAULT_SEEDS, metavar="S", help="number of networks: 4"
    )
    sub.add_argument(
        "--eps",
        type=float,
        default=DEFAULT_DECAY,
        metavar="EPS",
        help="learning rate times weight decay: 0.01",
    )
    sub.add_argument(
        "--below",
        type=float,
        default=BELOW_EDGE,
        metavar="X",
        help="learning rate, in units of the predicted one at the edge: 0.2",
    )
    sub.add_argument("--json", action="store_true")


def bridge(options: argparse.Namespace) -> dict[str, Any]:
    """Predicted over measured numbers of random networks, under documented keys.

    ``parts``: all weights (layer null) and each layer, with ``norm2``, the squared norm,
    ``mean``, that of the N - 2 eigenvalues on the sphere, which the theorem ``bridge`` judges, and
    ``largest``, shown only. ``start`` and ``fitted``: ``curvature``, the largest eigenvalue of the
    Hessian at the weights, ``edge_learning_rate`` and ``steps_to_edge`` from them, at random
    weights and at zero residual. Each number is {predicted, measured, ratio, standard_error}: lists
    over the networks, then mean and standard error of measured over predicted. The targets are
    random, scaled to what the last layer can reach.

    Raises ``DescriptionError`` for meaningless input, ``OutOfRegime`` where the weights are not
    scale-invariant, ``NotCovered`` where there is no Hessian.
    """
    from numerics.ensemble import check_size, in_range
    from theory.network_file import read_network
    from theory.scale_invariance import check_decay
    from theory.validation import check_positive, whole

    network = read_network(options.network)
    seeds = whole("--seeds", options.seeds, least=1)
    check_decay(options.eps)
    check_positive("--below", options.below)
    if not options.below < 1:
        raise DescriptionError(
            f"--below must be below 1, {options.below:g} given: a start above the edge grows first"
        )
    check_size(network, options.width, options.samples)
    with in_range(network):
        runs = [_one(network, options, seed) for seed in range(seeds)]
    parts = [{"layer": layer} | _collected([run[0][layer] for run in runs]) for layer in runs[0][0]]
    return {
        "network": network.describe(),
        "width": options.width,
        "samples": options.samples,
        "seeds": seeds,
        "eps": options.eps,
        "parts": parts,
        "start": _collected([run[1] for run in runs]),
        "fitted": _collected([run[2] for run in runs]),
    }


def to_text(found: dict[str, Any]) -> str:
    """The ratios for the terminal."""
    from derivations.terminal import statistics

    shown = {name: found[name] for name in ("width", "samples", "seeds", "eps")}
    for part in found["parts"]:
        name = "all weights" if part["layer"] is None else f"layer {part['layer']}"
        shown |= {f"{name}, {one}": _ratio(part[one]) for one in ("norm2", "mean", "largest")}
    for state in ("start", "fitted"):
        shown |= {f"{state}, {name}": _ratio(one) for name, one in found[state].items()}
    return "measured/predicted\n" + statistics(shown)


def _ratio(one: dict[str, Any]) -> Any:
    if one["ratio"] is None:
        return "not reached"
    return {"mean": one["ratio"], "standard_error": one["standard_error"]}


def _one(
    network: Network, options: argparse.Namespace, seed: int
) -> tuple[dict[int | None, Pairs], Pairs, Pairs]:
    """One network: its parts as drawn, then what follows from all of them there and fitted."""
    import numpy as np

    from numerics.curvature import fitted
    from numerics.network import draw_inputs, draw_parameters
    from theory.bridge import require_sphere

    require_sphere(network, options.samples)
    rng = np.random.default_rng(seed)
    parameters = draw_parameters(network, options.width, 1, rng)
    inputs = draw_inputs(network, options.width, options.samples, 1, rng)
    targets = _reachable(network, rng.standard_normal((1, int(network.outputs), options.samples)))
    parts = _parts(network, options, parameters, inputs)
    start = _edge(network, options, parameters, inputs, targets)
    there = fitted(network, parameters, inputs, targets)
    return parts, start, _edge(network, options, there, inputs, targets)


def _reachable(network: Network, targets: np.ndarray) -> np.ndarray:
    """Targets with the mean and the deviation of normalized outputs."""
    from theory.architecture import BatchNorm

    assert isinstance(network.last, BatchNorm)
    centred = targets - targets.mean(axis=-1, keepdims=True)
    deviation = centred.std(axis=-1, keepdims=True)
    return float(network.last.gamma) * centred / deviation + float(network.last.beta)


def _parts(
    network: Network, options: argparse.Namespace, parameters: Parameters, inputs: np.ndarray
) -> dict[int | None, Pairs]:
    import numpy as np

    from numerics.blocks import layer_grams
    from numerics.network import propagate
    from numerics.outputs import through_last_layer
    from theory.bridge import bridge

    N, C = options.samples, int(network.outputs)
    run = propagate(network, parameters, inputs)
    norms = [float((W**2).sum()) for W in parameters.weights]
    grams = [
        through_last_layer(network, run.linear_outputs, one.gram)[0] / N
        for one in layer_grams(network, run)
        if one.name.startswith("weights")
    ]
    found: dict[int | None, Pairs] = {}
    for sphere in bridge(network, options.width, N, run.linear_outputs[0]):
        l = sphere.layer
        norm2 = sum(norms) if l is None else norms[l - 1]
        gram = sum(grams) if l is None else grams[l - 1]
        eigenvalues = norm2 * np.linalg.eigvalsh(gram)
        predicted = np.array(sphere.eigenvalues) * norm2 / sphere.norm2
        found[l] = {
            "norm2": (sphere.norm2, norm2),
            "mean": (float(predicted.mean()), float(eigenvalues.sum()) / ((N - 2) * C)),
            "largest": (float(predicted.max()), float(eigenvalues[-1])),
        }
    return found


def _edge(
    network: Network,
    options: argparse.Namespace,
    parameters: Parameters,
    inputs: np.ndarray,
    targets: np.ndarray,
) -> Pairs:
    """The edge of stability of these weights, from the kernels and from the Hessian."""
    from numerics.curvature import largest_curvature, steps_to_edge
    from numerics.network import propagate
    from theory import scale_invariance as exact
    from theory.bridge import bridge

    outputs = propagate(network, parameters, inputs).linear_outputs[0]
    predicted = bridge(network, options.width, options.samples, outputs)[0].curvature
    measured = largest_curvature(network, parameters, inputs, targets)
    eta = options.below * exact.edge_learning_rate(predicted, 0.0)
    rate = exact.effective_learning_rate(eta, options.eps, 1)
    steps = exact.steps_to_edge(rate, predicted, options.eps)
    taken = steps_to_edge(network, parameters, inputs, targets, eta, options.eps, WAIT * steps)
    weight_decay = options.eps / eta
    return {
        "curvature": (predicted, measured),
        "edge_learning_rate": (
            exact.edge_learning_rate(predicted, weight_decay),
            exact.edge_learning_rate(measured, weight_decay),
        ),
        "steps_to_edge": (steps, taken),
    }


def _collected(runs: list[Pairs]) -> dict[str, Any]:
    """Each number over the networks, and the mean of measured over predicted."""
    import numpy as np

    found: dict[str, Any] = {}
    for name in runs[0]:
        predicted, measured = ([run[name][at] for run in runs] for at in (0, 1))
        ratio = error = None
        if None not in measured:
            ratios = np.array(measured, float) / np.array(predicted, float)
            ratio = float(ratios.mean())
            error = float(ratios.std(ddof=1) / len(runs) ** 0.5) if len(runs) > 1 else None
        found[name] = {
            "predicted": predicted,
            "measured": measured,
            "ratio": ratio,
            "standard_error": error,
        }
    return found
