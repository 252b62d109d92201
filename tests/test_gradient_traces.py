"""Squared gradients by pre-activations against central differences of a forward pass of its own."""

import numpy as np
import pytest

from numerics.network import draw_inputs, draw_parameters
from numerics.observables import gradient_ratio
from numerics.output_kernels import output_kernels
from theory.architecture import BatchNorm, DescriptionError, Network

STEP = 1e-6
NETWORKS = {
    "plain": Network("tanh", depth=4, sigma_w2=1.5, sigma_b2=0.3, outputs=2),
    "batch norm": Network(
        "tanh",
        depth=4,
        sigma_w2=1.5,
        sigma_b2=0.3,
        outputs=2,
        ratios=(1, 0.5, 1, 1.5),
        hidden=BatchNorm(gamma=1.3, beta=0.4),
    ),
}


def outputs(network, weights, biases, x, layer, moved):
    """The outputs (C, N) with the pre-activations of one layer moved."""
    h = x
    for l, (W, b, scheme) in enumerate(zip(weights, biases, network.layers, strict=False), 1):
        u = h @ W + b
        if l == layer:
            u = u + moved
        if scheme.kind == "batchnorm":
            u = 1.3 * (u - u.mean(axis=0)) / u.std(axis=0) + 0.4
        h = np.tanh(u)
    return (h @ weights[-1] + biases[-1]).T


@pytest.mark.parametrize("name", NETWORKS)
def test_traces_equal_central_differences(name):
    network, width, N, n = NETWORKS[name], 6, 5, 2
    rng = np.random.default_rng(5)
    parameters = draw_parameters(network, width, n, rng)
    inputs = draw_inputs(network, width, N, n, rng)
    kernels = output_kernels(network, parameters, inputs)
    assert kernels.traces.shape == (n, 3)
    for index in range(n):
        weights = [W[index] for W in parameters.weights]
        biases = [b[index] for b in parameters.biases]
        norms = (weights[-1] ** 2).sum(axis=0) / float(network.sigma_w2)
        for layer in (1, 2, 3):
            total = 0.0
            for place in np.ndindex(N, weights[layer - 1].shape[1]):
                moved = np.zeros((N, weights[layer - 1].shape[1]))
                moved[place] = STEP
                ends = (
                    outputs(network, weights, biases, inputs[index], layer, sign * moved)
                    for sign in (1, -1)
                )
                above, below = ends
                slope = (above - below) / (2 * STEP)
                total += (slope**2 / norms[:, None]).sum() / (network.outputs * N)
            assert kernels.traces[index, layer - 1] == pytest.approx(total, rel=1e-7)
    ratio = kernels.traces[:, 1] / kernels.traces[:, 2]
    np.testing.assert_array_equal(gradient_ratio(kernels, network), ratio)


def test_ratio_needs_three_hidden_layers():
    network = Network("tanh", depth=3, sigma_w2=1)
    rng = np.random.default_rng(1)
    parameters, inputs = draw_parameters(network, 4, 1, rng), draw_inputs(network, 4, 3, 1, rng)
    with pytest.raises(DescriptionError, match="needs depth 4, 3 given"):
        gradient_ratio(output_kernels(network, parameters, inputs), network)
