"""The table of scale-invariant weights against networks whose weights are scaled."""

from dataclasses import replace
from itertools import product

import numpy as np
import pytest

from numerics.network import draw_inputs, draw_parameters, forward
from theory.architecture import (
    BatchNorm,
    GroupNorm,
    LayerNorm,
    MeanSubtraction,
    Network,
    NoNormalization,
    RMSNorm,
)
from theory.invariant_weights import invariant_weights

HIDDEN = {
    "none": NoNormalization(),
    "mean subtraction": MeanSubtraction(),
    "batch norm": BatchNorm(gamma=1.3, beta=0.4),
    "layer norm": LayerNorm(beta=0.4),
    "RMS norm": RMSNorm(),
    "group norm": GroupNorm(groups=3),
    "regularized batch norm": BatchNorm(eps=0.1),
}
LAST = {
    "none": NoNormalization(),
    "mean subtraction": MeanSubtraction(),
    "batch norm": BatchNorm(),
    "layer norm": LayerNorm(),
    "regularized": BatchNorm(eps=0.1),
}
WEIGHTS = ("plain", "weight-normalization", "weight-standardization")
CASES = [
    (hidden, last, activation, bias, weights)
    for hidden, last, activation, bias, weights in product(
        HIDDEN, LAST, ("relu", "tanh"), (0.0, 0.5), WEIGHTS
    )
    if weights == "plain" or (hidden, last) in (("none", "none"), ("batch norm", "layer norm"))
]


def change(network, part, layer, row=None):
    """The relative change of the squared error when one group of parameters is scaled by 1.7."""
    rng = np.random.default_rng(2)
    parameters = draw_parameters(network, 12, 1, rng)
    inputs = draw_inputs(network, 12, 8, 1, rng)
    targets = rng.standard_normal((1, int(network.outputs), 8))

    def loss(chosen):
        return float(((forward(network, chosen, inputs) - targets) ** 2).sum())

    weights, biases = [list(one) for one in (parameters.weights, parameters.biases)]
    weights[layer] = weights[layer].copy()
    weights[layer][..., slice(None) if row is None else row] *= 1.7
    if part == "layer":
        biases[layer] = 1.7 * biases[layer]
    scaled = parameters._replace(weights=tuple(weights), biases=tuple(biases))
    return abs(loss(scaled) / loss(parameters) - 1)


@pytest.mark.parametrize(("hidden", "last", "activation", "bias", "weights"), CASES)
def test_scaled_weights_change_the_loss_where_theory_says_so(
    hidden, last, activation, bias, weights
):
    network = Network(
        activation,
        depth=3,
        sigma_w2=2,
        sigma_b2=bias,
        outputs=5,
        layers=(HIDDEN[hidden], HIDDEN[hidden]),
        last=LAST[last],
        weights=weights,
    )
    for layer, claimed in enumerate(invariant_weights(network)):
        for part, row in (("row", 1), ("matrix", None), ("layer", None)):
            found = change(network, part, layer, row)
            assert found < 1e-12 or found > 1e-6, (layer, part, found)
            assert (part in claimed) == (found < 1e-12), (layer, part, found)


def test_scale_passes_plain_layers_up_to_one_that_removes_it():
    network = Network(
        "relu", depth=3, sigma_w2=2, layers=(NoNormalization(), BatchNorm()), last=NoNormalization()
    )
    assert [sorted(one) for one in invariant_weights(network)] == [
        ["layer", "matrix"],
        ["layer", "matrix", "row"],
        [],
    ]
    assert change(network, "matrix", 0) < 1e-12
    curved = replace(network, activation="tanh")
    assert not invariant_weights(curved)[0]
    assert change(curved, "matrix", 0) > 1e-6
