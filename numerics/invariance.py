"""Which groups of weights of a network leave its outputs as they are when they are scaled."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from numerics.network import draw_inputs, draw_parameters, forward
from theory.architecture import Network

PARTS: dict[str, int | None] = {"row": 0, "matrix": None, "layer": None}
"""One unit's weights, all weights of a layer, and these with the biases: what is scaled."""

FACTOR = 1.7
WIDTH, SAMPLES, SEED = 12, 8, 2


Error = Callable[[Sequence[np.ndarray], Sequence[np.ndarray]], float]


def squared_error(network: Network) -> tuple[Error, list[np.ndarray], list[np.ndarray]]:
    """The squared error of random targets, of weights and biases, and some of these."""
    rng = np.random.default_rng(SEED)
    parameters = draw_parameters(network, WIDTH, 1, rng)
    inputs = draw_inputs(network, WIDTH, SAMPLES, 1, rng)
    targets = rng.standard_normal((1, int(network.outputs), SAMPLES))

    def error(weights: Sequence[np.ndarray], biases: Sequence[np.ndarray]) -> float:
        chosen = parameters._replace(weights=tuple(weights), biases=tuple(biases))
        return float(((forward(network, chosen, inputs) - targets) ** 2).sum())

    return error, list(parameters.weights), list(parameters.biases)


def changes(network: Network) -> tuple[dict[str, float], ...]:
    """For every layer and part the relative change of a squared error, scaled by a factor.

    Nothing but invariant outputs leaves the error of random targets as it is: rounding is what an
    exact invariance shows.

    >>> found = changes(Network("relu", depth=2, sigma_w2=2, hidden="layernorm"))
    >>> found[0]["matrix"] < 1e-12 < found[1]["matrix"]
    True
    """
    error, weights, biases = squared_error(network)
    usual = error(weights, biases)

    def change(layer: int, part: str) -> float:
        scaled, shifted = list(weights), list(biases)
        scaled[layer] = weights[layer].copy()
        row = PARTS[part]
        scaled[layer][..., slice(None) if row is None else row] *= FACTOR
        if part == "layer":
            shifted[layer] = FACTOR * biases[layer]
        return abs(error(scaled, shifted) / usual - 1)

    return tuple({part: change(layer, part) for part in PARTS} for layer in range(network.depth))
