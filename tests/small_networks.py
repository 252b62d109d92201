r"""Small networks, and their Jacobians by differences of ``forward`` alone.

The oracle perturbs every parameter and calls nothing but ``numerics.network.forward``.
"""

import numpy as np
import pytest

from numerics.activations import RULES
from numerics.network import (
    Parameters,
    draw_inputs,
    draw_parameters,
    forward,
)
from theory.architecture import (
    Activation,
    BatchNorm,
    MeanSubtraction,
    Network,
    NoNormalization,
)

FALSE_ALARM = 1e-6
ERF = Activation.named("erf", scale=0.7)
OVER = {"linear": "linear", "relu": "relu", "erf": ERF, "tanh": "tanh"}
LASTS = {
    "none": NoNormalization(),
    "mean subtraction": MeanSubtraction(),
    "batch norm": BatchNorm(gamma=1.3, beta=0.5),
    "batch norm eps": BatchNorm(gamma=-1.3, beta=0.5, eps=0.3),
}
KINKED = {
    "abs": "abs(x) - abs(x - 0.5)",
    "max": "max(x, a*x) + max(0, x - 1)",
    "min": "min(x, 1) + min(a*x, x)",
    "sign": "x*sign(x - 1)",
    "step": "x*step(x - 1)",
}
SMOOTH = {
    "+": "3 + x",
    "-": "2 - (-x) - x/4",
    "*": "3*x*x*a",
    "/": "(x - 1)/(2 + x*x)",
    "**": "x**3 - 2*x**2 + x**1 + x**0 + (2 + x*x)**0.5 + (1 + x**2)**(-1.5)",
    "exp": "exp(-x**2/2)",
    "expm1": "expm1(-x**2/3)",
    "log": "log(3 + x**2)",
    "log1p": "log1p(2 + a*x)",
    "sqrt": "sqrt(1 + x**2)",
    "sin": "sin(2*x + 1)",
    "cos": "cos(a*x)*x",
    "cosh": "1/cosh(a*x)",
    "tanh": "tanh(a*x + 0.7)",
    "sigmoid": "x*sigmoid(2*x)",
    "softplus": "softplus(x - 1)",
    "erf": "x*(1 + erf(x/2**0.5))/2",
    "Phi": "x*Phi(x)",
}
CUSTOM = {
    name: Activation(f"with {name}", text, parameters=(("a", 0.3),))
    for name, text in (KINKED | SMOOTH).items()
    if name in RULES
}
over_activations = pytest.mark.parametrize("activation", OVER.values(), ids=OVER)
over_lasts = pytest.mark.parametrize("last", LASTS.values(), ids=LASTS)


def small(activation, *, depth=3, last=None, outputs=3, **fields):
    ratios = {2: (1, 2), 3: (1, 2, 0.75), 4: (1, 2, 0.75, 1.5)}[depth]
    chosen = {"sigma_w2": 2.1, "sigma_b2": 0.4, "ratios": ratios} | fields
    return Network(
        activation, depth=depth, outputs=outputs, last=last or NoNormalization(), **chosen
    )


def drawn(network, samples=6, width=4, count=1, seed=7):
    rng = np.random.default_rng(seed)
    parameters = draw_parameters(network, width, count, rng)
    return parameters, draw_inputs(network, width, samples, count, rng)


def flat(parameters):
    """The parameters of the first network as one vector, layer by layer, and the way back."""
    shapes = [
        array.shape[1:]
        for pair in zip(parameters.weights, parameters.biases, strict=True)
        for array in pair
    ]
    sizes = [int(np.prod(shape)) for shape in shapes]

    def back(vectors):
        arrays = [
            part.reshape(-1, *shape)
            for part, shape in zip(
                np.split(vectors, np.cumsum(sizes)[:-1], axis=-1), shapes, strict=True
            )
        ]
        return Parameters(tuple(arrays[::2]), tuple(arrays[1::2]))

    vector = np.concatenate(
        [
            array[0].ravel()
            for pair in zip(parameters.weights, parameters.biases, strict=True)
            for array in pair
        ]
    )
    is_bias = np.concatenate([np.full(size, i % 2 == 1) for i, size in enumerate(sizes)])
    return vector, back, is_bias


def oracle_jacobian(network, parameters, inputs, step=2e-3):
    """d f_k(t)/d theta_p, rows (k, t), by eight-point differences of ``forward`` alone."""
    vector, back, is_bias = flat(parameters)
    coefficients = {1: 4 / 5, 2: -1 / 5, 3: 4 / 105, 4: -1 / 280}
    columns = 0
    for k, coefficient in coefficients.items():
        for sign in (1, -1):
            shifted = vector + sign * k * step * np.eye(len(vector))
            outputs = forward(network, back(shifted), inputs[0])
            columns = columns + sign * coefficient * outputs.reshape(len(vector), -1)
    jacobian = columns.T / step
    return jacobian if network.bias_gradients else jacobian[:, ~is_bias]


def margin(network, parameters, inputs):
    """Distance of the nearest pre-activation to a kink, for steps that must not cross it."""
    if network.activation.name != "relu":
        return np.inf
    h, nearest = inputs, np.inf
    for W, b in list(zip(parameters.weights, parameters.biases, strict=True))[:-1]:
        u = h @ W + b[:, None, :]
        nearest, h = min(nearest, np.abs(u).min()), np.maximum(u, 0)
    return nearest


def away_from_kinks(network, **size):
    """The first seed whose network is far enough from its kinks, and a step that stays there."""
    for seed in range(1000):
        parameters, inputs = drawn(network, seed=seed, **size)
        distance = margin(network, parameters, inputs)
        if distance > 4e-3:
            return parameters, inputs, min(2e-3, distance / 60)
    raise AssertionError("no seed lies far enough from the kinks")


def close(found, expected, tolerance):
    assert np.shape(found) == np.shape(expected)
    assert np.abs(found - expected).max() <= tolerance * np.abs(expected).max()


def by_hand(scheme, u):
    """The normalization as its definition says, sample by sample, in plain Python."""
    N = len(u)
    if scheme.kind == "none":
        return list(u)
    mean = sum(u) / N
    if scheme.kind == "mean-subtraction":
        return [x - mean for x in u]
    variance = sum((x - mean) ** 2 for x in u) / N
    return [scheme.gamma * (x - mean) / (variance + scheme.eps) ** 0.5 + scheme.beta for x in u]
