r"""Measured networks against oracles: differences of ``forward``, dense matrices, sums by hand.

The oracle Jacobian perturbs every parameter of a small network and calls nothing but
``numerics.network.forward``; the dense P x P Fisher matrix is formed from it.
"""

import json
import os
import subprocess
import sys
from dataclasses import replace
from itertools import pairwise, product
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import integrate, linalg, special, stats

from numerics import ensemble
from numerics.activations import RULES, evaluate
from numerics.ensemble import (
    block_size,
    block_stream,
    draw_block,
    measure,
    observe,
    over_blocks,
)
from numerics.fisher import dual_gram
from numerics.layers import operation
from numerics.network import (
    Parameters,
    draw_inputs,
    draw_parameters,
    forward,
    propagate,
)
from numerics.observables import OBSERVABLES, mean_chi_square_rule
from numerics.output_kernels import OutputKernels, output_kernels
from numerics.spectrum import alignment, spectral_statistics
from theory.architecture import (
    Activation,
    BatchNorm,
    DescriptionError,
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


# Activations


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
NAMED = [Activation.named(name) for name in ("linear", "relu", "erf", "tanh")]
CUSTOM = {
    name: Activation(f"with {name}", text, parameters=(("a", 0.3),))
    for name, text in (KINKED | SMOOTH).items()
    if name in RULES
}


@pytest.mark.parametrize("activation", [*NAMED, ERF, *CUSTOM.values()], ids=str)
def test_derivative_equals_central_difference(activation):
    x = np.linspace(-3, 3, 41) + 0.01234  # no kink within 8 steps
    value, derivative = evaluate(activation, x)
    h = 1e-3
    at = {k: evaluate(activation, x + k * h)[0] for k in (-3, -2, -1, 1, 2, 3)}
    expected = (45 * (at[1] - at[-1]) - 9 * (at[2] - at[-2]) + (at[3] - at[-3])) / (60 * h)
    assert derivative == pytest.approx(expected, rel=1e-10, abs=1e-10)
    assert value.shape == derivative.shape == x.shape


@pytest.mark.parametrize("name", ["linear", "erf", "tanh"])
def test_derivative_of_an_analytic_activation_equals_the_complex_step(name):
    x = np.linspace(-4, 4, 33)
    activation = Activation.named(name)
    by_step = evaluate(activation, x + 1e-30j)[0].imag / 1e-30
    assert evaluate(activation, x)[1] == pytest.approx(by_step, rel=1e-12, abs=1e-300)


@pytest.mark.parametrize(
    ("name", "phi"),
    [
        ("linear", lambda x: x),
        ("relu", lambda x: x * (x > 0)),
        ("erf", special.erf),
        ("tanh", lambda x: np.expm1(2 * x) / (np.expm1(2 * x) + 2)),
    ],
)
def test_activation_is_the_function_of_its_name(name, phi):
    x = np.linspace(-3, 3, 25)
    assert evaluate(Activation.named(name), x)[0] == pytest.approx(phi(x), rel=1e-13, abs=1e-15)


def test_every_operation_of_the_grammar_occurs_in_the_activations_tested_here():
    for name, activation in CUSTOM.items():
        assert name in {getattr(node, "function", None) for node in _nodes(activation.tree)}
    assert set(CUSTOM) == set(RULES)


def _nodes(tree):
    yield tree
    for argument in getattr(tree, "arguments", ()):
        yield from _nodes(argument)


def test_a_constant_activation_fills_its_array():
    value, derivative = evaluate(Activation("one", "1"), np.zeros((2, 3)))
    assert (value == 1).all()
    assert value.shape == (2, 3)
    assert (derivative == 0).all()


# Normalization operations


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


@over_lasts
def test_operation_equals_its_definition_sample_by_sample(last):
    u = np.random.default_rng(1).standard_normal((2, 3, 5)) * 3 + 1
    applied = operation(last).apply(last, u)
    for index in np.ndindex(2, 3):
        assert applied[index] == pytest.approx(by_hand(last, u[index].tolist()), rel=1e-13, abs=0)


@over_lasts
def test_jacobian_of_an_operation_equals_central_difference(last):
    rng = np.random.default_rng(2)
    u, tangent = rng.standard_normal((2, 7)) * 2, rng.standard_normal((2, 7))
    apply, h = operation(last).apply, 1e-3
    expected = (
        8 * (apply(last, u + h * tangent) - apply(last, u - h * tangent))
        - (apply(last, u + 2 * h * tangent) - apply(last, u - 2 * h * tangent))
    ) / (12 * h)
    assert operation(last).jvp(last, u, tangent) == pytest.approx(expected, rel=1e-9, abs=1e-10)


@over_lasts
def test_vjp_is_the_transpose_of_jvp(last):
    rng = np.random.default_rng(3)
    u, tangent, cotangent = rng.standard_normal((3, 4, 6))
    left = (cotangent * operation(last).jvp(last, u, tangent)).sum(axis=-1)
    right = (operation(last).vjp(last, u, cotangent) * tangent).sum(axis=-1)
    assert left == pytest.approx(right, rel=1e-12, abs=0)


@over_lasts
def test_jvp_broadcasts_one_point_against_many_tangents(last):
    rng = np.random.default_rng(4)
    u, tangents = rng.standard_normal((2, 1, 5)), rng.standard_normal((2, 9, 5))
    many = operation(last).jvp(last, u, tangents)
    for i, j in np.ndindex(2, 9):
        one = operation(last).jvp(last, u[i, 0], tangents[i, j])
        assert many[i, j] == pytest.approx(one, rel=1e-14, abs=0)


@pytest.mark.parametrize("eps", [0, 0.3])
def test_batch_norm_projects_out_the_mean_and_at_eps_zero_the_output_itself(eps):
    scheme = BatchNorm(gamma=1.3, beta=0.5, eps=eps)
    u = np.random.default_rng(5).standard_normal(8)
    J = operation(scheme).jvp(scheme, u, np.eye(8)).T
    assert J @ np.ones(8) == pytest.approx(np.zeros(8), abs=1e-14)
    # along the output the eigenvalue is (1 - tau) gamma/sqrt(sigma^2 + eps)
    variance = u.var()
    along = 1.3 / np.sqrt(variance + eps) * eps / (variance + eps)
    assert J @ (u - u.mean()) == pytest.approx(along * (u - u.mean()), abs=1e-13)
    assert np.linalg.matrix_rank(J, tol=1e-10) == 8 - 1 - (eps == 0)


# Networks


@pytest.mark.parametrize("depth", [2, 4])
@over_lasts
@over_activations
def test_gram_matrix_equals_central_differences_of_forward(activation, last, depth):
    network = small(activation, depth=depth, last=last)
    parameters, inputs, step = away_from_kinks(network)
    J = oracle_jacobian(network, parameters, inputs, step)
    assert J.shape == (3 * 6, network.parameter_count(4))
    close(dual_gram(network, parameters, inputs)[0], J @ J.T, 1e-8)


@over_activations
def test_gram_matrix_of_equal_widths_equals_central_differences(activation):
    # shapes do not tell a layer from the next here, nor a weight from its transpose
    network = small(activation, depth=4, ratios=(1, 1, 1, 1), outputs=4)
    parameters, inputs, step = away_from_kinks(network)
    J = oracle_jacobian(network, parameters, inputs, step)
    close(dual_gram(network, parameters, inputs)[0], J @ J.T, 1e-8)


@pytest.mark.parametrize("last", [NoNormalization(), BatchNorm(gamma=1.3, eps=0.3)], ids=str)
@over_activations
def test_gram_matrix_without_bias_gradients_is_that_of_the_weights_alone(activation, last):
    network = small(activation, last=last, bias_gradients=False)
    parameters, inputs, step = away_from_kinks(network)
    J = oracle_jacobian(network, parameters, inputs, step)
    assert J.shape == (3 * 6, network.parameter_count(4))
    close(dual_gram(network, parameters, inputs)[0], J @ J.T, 1e-8)


@pytest.mark.parametrize("name", [name for name in CUSTOM if name not in KINKED])
def test_gram_matrix_of_any_smooth_activation_of_the_grammar(name):
    network = small(CUSTOM[name], depth=3, sigma_w2=0.5, sigma_b2=0.1, outputs=2)
    parameters, inputs = drawn(network, samples=4)
    J = oracle_jacobian(network, parameters, inputs)
    close(dual_gram(network, parameters, inputs)[0], J @ J.T, 1e-8)


@over_lasts
@pytest.mark.parametrize("activation", ["relu", "tanh"])
def test_dual_and_dense_fisher_share_their_nonzero_eigenvalues(activation, last):
    network = small(activation, last=last, outputs=2)
    parameters, inputs, step = away_from_kinks(network, samples=5)
    J = oracle_jacobian(network, parameters, inputs, step)
    N = 5
    dense = np.sort(linalg.eigvalsh(J.T @ J / N))[::-1]
    dual = np.sort(linalg.eigvalsh(dual_gram(network, parameters, inputs)[0] / N))[::-1]
    assert len(dense) == network.parameter_count(4) > 2 * N
    assert dual == pytest.approx(dense[: 2 * N], abs=1e-8 * dense[0])
    assert dense[2 * N :] == pytest.approx(np.zeros(len(dense) - 2 * N), abs=1e-8 * dense[0])
    removed = {
        "none": 0,
        "mean-subtraction": 2,
        "batchnorm": 2 if last != LASTS["batch norm"] else 4,
    }
    assert (dual < 1e-9 * dual[0]).sum() == removed[last.kind]


@over_lasts
def test_forward_equals_a_loop_over_neurons(last):
    network = small("tanh", last=last)
    parameters, inputs = drawn(network)
    outputs = []
    for t in range(6):
        h = inputs[0, t]
        for l, (W, b) in enumerate(zip(parameters.weights, parameters.biases, strict=True)):
            u = [sum(h[j] * W[0, j, i] for j in range(len(h))) + b[0, i] for i in range(W.shape[2])]
            h = np.tanh(u) if l < 2 else np.array(u)
        outputs.append(h)
    expected = [by_hand(last, [float(f[k]) for f in outputs]) for k in range(3)]
    assert forward(network, parameters, inputs)[0] == pytest.approx(
        np.array(expected), rel=1e-12, abs=0
    )


@over_lasts
def test_networks_of_a_batch_do_not_mix(last):
    network = small("erf", last=last)
    parameters, inputs = drawn(network, count=3)
    together = dual_gram(network, parameters, inputs)
    kernels = output_kernels(network, parameters, inputs)
    for i in range(3):
        one = parameters.of(slice(i, i + 1))
        close(dual_gram(network, one, inputs[i : i + 1])[0], together[i], 1e-13)
        single = output_kernels(network, one, inputs[i : i + 1])
        for name in ("below", "last", "outputs", "output_gram"):
            close(getattr(single, name)[0], getattr(kernels, name)[i], 1e-13)


def test_given_inputs_serve_every_network_of_a_batch():
    network = small("relu")
    parameters, inputs = drawn(network, count=3)
    shared = np.broadcast_to(inputs[:1], inputs.shape)
    for function in (dual_gram, forward):
        found = function(network, parameters, inputs[0])
        close(found, function(network, parameters, shared), 1e-13)
    found, expected = (output_kernels(network, parameters, x) for x in (inputs[0], shared))
    close(found.averaged, expected.averaged, 1e-13)
    for name in ("diagonal", "uniform", "trace_given_outputs", "output_variance"):
        values = [OBSERVABLES[name](kernels, network) for kernels in (found, expected)]
        assert values[0] == pytest.approx(values[1], rel=1e-12, abs=0)


@pytest.mark.parametrize("depth", [2, 3])
@over_lasts
def test_permuting_the_samples_permutes_the_gram_matrix(last, depth):
    network = small("tanh", last=last, depth=depth)
    parameters, inputs = drawn(network)
    order = np.random.default_rng(8).permutation(6)
    K = dual_gram(network, parameters, inputs)[0].reshape(3, 6, 3, 6)
    permuted = dual_gram(network, parameters, inputs[:, order])[0].reshape(3, 6, 3, 6)
    close(permuted, K[:, order][:, :, :, order], 1e-12)


@over_lasts
def test_permuting_the_neurons_of_a_layer_changes_nothing(last):
    network = small("erf", last=last)
    parameters, inputs = drawn(network)
    (W1, W2, W3), (b1, b2, b3) = parameters[:2]
    p, q = (np.random.default_rng(9).permutation(n) for n in (8, 3))
    permuted = Parameters((W1[:, :, p], W2[:, p][:, :, q], W3[:, q]), (b1[:, p], b2[:, q], b3))
    close(forward(network, permuted, inputs), forward(network, parameters, inputs), 1e-13)
    close(dual_gram(network, permuted, inputs), dual_gram(network, parameters, inputs), 1e-12)


def test_permuting_the_outputs_permutes_the_blocks():
    network = small("relu")
    parameters, inputs = drawn(network)
    (*weights, W), (*biases, b) = parameters[:2]
    order = [2, 0, 1]
    permuted = Parameters((*weights, W[:, :, order]), (*biases, b[:, order]))
    K = dual_gram(network, parameters, inputs)[0].reshape(3, 6, 3, 6)
    found = dual_gram(network, permuted, inputs)[0].reshape(3, 6, 3, 6)
    close(found, K[order][:, :, order], 1e-12)


@given(scale=st.floats(0.05, 20))
@settings(deadline=None)
def test_relu_does_not_see_a_scale_moved_to_the_next_layer(scale):
    # f(s W1, s b1, W2/s) = f: outputs stay; gradients of layer 1 divide by s, of W2 multiply
    network = small("relu", depth=2)
    parameters, inputs = drawn(network)
    (W1, W2), (b1, b2) = parameters[:2]
    moved = Parameters((scale * W1, W2 / scale), (scale * b1, b2))
    close(forward(network, moved, inputs), forward(network, parameters, inputs), 1e-12)
    first, second = (dual_gram(network, p, inputs)[0] for p in (parameters, moved))
    run = propagate(network, parameters, inputs)
    h = run.activations[1][0]
    last = np.kron(np.eye(3), h @ h.T)
    constant = np.kron(np.eye(3), np.ones((6, 6)))
    below = first - last - constant
    close(second, below / scale**2 + scale**2 * last + constant, 1e-10)


@given(scale=st.floats(0.05, 20), depth=st.integers(2, 4))
@settings(deadline=None)
def test_the_linear_gram_matrix_is_homogeneous_in_weights_and_inputs(scale, depth):
    network = small("linear", depth=depth, bias_gradients=False, sigma_b2=0)
    parameters, inputs = drawn(network)
    K = dual_gram(network, parameters, inputs)
    scaled = Parameters(tuple(scale * W for W in parameters.weights), parameters.biases)
    close(dual_gram(network, scaled, inputs), scale ** (2 * (depth - 1)) * K, 1e-11)
    close(dual_gram(network, parameters, scale * inputs), scale**2 * K, 1e-11)


@given(factor=st.floats(0.05, 20), shift=st.floats(-5, 5))
@settings(deadline=None)
def test_batch_norm_of_the_outputs_does_not_see_their_scale_and_bias(factor, shift):
    network = small("tanh", last=BatchNorm(gamma=1.3, beta=0.5))
    parameters, inputs = drawn(network)
    (*weights, W), (*biases, b) = parameters[:2]
    moved = Parameters((*weights, factor * W), (*biases, b + shift))
    close(forward(network, moved, inputs), forward(network, parameters, inputs), 1e-9)


# Spectrum


@pytest.mark.parametrize("outputs", [1, 2, 3])
def test_alignment_is_the_angle_between_spaces_of_parameters(outputs):
    network = small("tanh", outputs=outputs, sigma_w2=1, sigma_b2=1)
    N = 8
    parameters, inputs = drawn(network, samples=N, width=8)
    J = oracle_jacobian(network, parameters, inputs)
    _, vectors = linalg.eigh(J.T @ J / N)
    means = J.reshape(outputs, N, -1).mean(axis=1).T
    angle = np.degrees(linalg.subspace_angles(vectors[:, -outputs:], means).max())
    F = dual_gram(network, parameters, inputs)[0] / N
    assert alignment(F, outputs, N) == pytest.approx(angle, rel=1e-6, abs=0)
    assert 1 < angle < 30


def test_alignment_of_a_pure_outlier_is_zero():
    F = np.kron(np.diag([3.0, 2.0]), np.ones((5, 5))) + 0.01 * np.eye(10)
    assert alignment(F, 2, 5) == pytest.approx(0, abs=1e-6)


@over_lasts
def test_spectral_statistics_equal_those_of_the_dense_matrix(last):
    network = small("erf", last=last, outputs=2)
    parameters, inputs = drawn(network, samples=5)
    J = oracle_jacobian(network, parameters, inputs)
    dense = np.sort(linalg.eigvalsh(J.T @ J / 5))
    P = network.parameter_count(4)
    found = spectral_statistics(dual_gram(network, parameters, inputs)[0] / 5, 2, P)
    assert found["mean_eigenvalue"] == pytest.approx(dense.sum() / P, rel=1e-9, abs=0)
    assert found["second_moment"] == pytest.approx((dense**2).sum() / P, rel=1e-9, abs=0)
    assert found["top_mean"] == pytest.approx((dense[-1] + dense[-2]) / 2, rel=1e-9, abs=0)
    assert found["largest_eigenvalue"] == pytest.approx(dense[-1], rel=1e-9, abs=0)


@over_lasts
def test_measured_values_are_those_of_the_gram_matrix_of_the_same_network(last):
    network, width, N = small("relu", last=last), 16, 5
    found = measure(network, width, N, seeds=[2, 0, 300])
    for position, seed in enumerate([2, 0, 300]):
        block, index = divmod(seed, block_size(width))
        parameters, inputs = draw_block(network, width, N, block)
        linear = dual_gram(replace(network, last=NoNormalization()), parameters, inputs)[index]
        blocks = [linear[k * N : k * N + N, k * N : k * N + N] for k in range(3)]
        scale = 16 * 32 + 32 * 12  # alpha M^2
        kappa1 = np.mean([block[t, t] for block in blocks for t in range(N)])
        pairs = [b[t, s] for b in blocks for t in range(N) for s in range(N) if t != s]
        mapped = dual_gram(network, parameters, inputs)[index] / N
        eigenvalues = np.sort(np.linalg.eigvalsh(mapped))
        P = 17 * 32 + 33 * 12 + 13 * 3
        expected = {
            "kappa1": kappa1 / scale * 16,
            "kappa2": np.mean(pairs) / scale * 16,
            "uniform_mode": np.mean([block.sum() for block in blocks]) / N**2,
            "mean_eigenvalue": eigenvalues.sum() / P,
            "second_moment": (eigenvalues**2).sum() / P,
            "top_mean": eigenvalues[-3:].mean(),
            "largest_eigenvalue": eigenvalues[-1],
        }
        for name, value in expected.items():
            assert found[name].values[position] == pytest.approx(value, rel=1e-10, abs=0)
    assert (found["alignment"] is None) == (last.kind != "none")


def test_mean_and_standard_error_are_those_of_the_values():
    found = measure(small("relu"), 16, 5, seeds=7)["kappa1"]
    assert found.mean == pytest.approx(np.mean(found.values))
    assert found.standard_error == pytest.approx(stats.sem(found.values))
    assert measure(small("relu"), 16, 5, seeds=1)["kappa1"].standard_error is None


def test_given_inputs_replace_the_drawn_ones():
    network = small("tanh")
    inputs = np.random.default_rng(3).standard_normal((5, 16))
    found = measure(network, 16, 5, seeds=[1], inputs=inputs)
    parameters, _ = draw_block(network, 16, 5, 0)
    K = dual_gram(network, parameters, inputs)[1]
    trace = np.trace(K) / 15 / (16 * 32 + 32 * 12) * 16
    assert found["kappa1"].values[0] == pytest.approx(trace, rel=1e-12, abs=0)


# Observables


def rescaled(parameters, norms):
    """The same networks with output weights of these norms, one per network and output."""
    *weights, W = parameters.weights
    return Parameters((*weights, W / np.linalg.norm(W, axis=1)[:, None] * norms), parameters.biases)


def average_over_norm(network, parameters, inputs, statistic):
    r"""E statistic(K, f) over |W_k|^2 M/sigma_w^2 of the chi-square law with M degrees of freedom.

    Gauss-Laguerre in |W_k|^2 on whole networks with rescaled output weights: K is linear in it.
    """
    M = parameters.weights[-1].shape[1]
    points, weights = special.roots_genlaguerre(40, M / 2 - 1)
    total = 0
    for x, w in zip(2 * points, weights / weights.sum(), strict=True):
        norm = np.sqrt(float(network.sigma_w2) * x / M)
        scaled = rescaled(parameters, norm)
        K = dual_gram(network, scaled, inputs)
        total = total + w * statistic(K, forward(network, scaled, inputs))
    return total


def block(K, k, N):
    return K[k * N : k * N + N, k * N : k * N + N]


STATISTICS = {
    "diagonal": lambda K, f, N: np.trace(K) / N,
    "off_diagonal": lambda K, f, N: (K.sum() - np.trace(K)) / (N * (N - 1)),
    "uniform": lambda K, f, N: K.sum() / N**2,
    "centred_trace": lambda K, f, N: np.trace(_centring(N) @ K @ _centring(N)) / N,
    "trace_given_outputs": lambda K, f, N: np.trace(_projector(f) @ K @ _projector(f)),
}


def _centring(N):
    return np.eye(N) - 1 / N


def _projector(f):
    g = f - f.mean()
    return _centring(len(f)) - np.outer(g, g) / (g @ g)


@pytest.mark.parametrize("name", STATISTICS)
@pytest.mark.parametrize("bias_gradients", [True, False], ids=["biases", "no biases"])
def test_observable_is_the_average_over_the_norm_of_the_output_weights(name, bias_gradients):
    network = small("relu", bias_gradients=bias_gradients, sigma_b2=0.05)
    parameters, inputs = drawn(network, samples=5, width=12, count=2)
    found = OBSERVABLES[name](output_kernels(network, parameters, inputs), network)
    N = 5

    def statistic(K, f):
        return np.array(
            [
                np.mean([STATISTICS[name](block(K[i], k, N), f[i, k], N) for k in range(3)])
                for i in range(2)
            ]
        )

    assert found.shape == (2,)
    expected = average_over_norm(network, parameters, inputs, statistic)
    assert found == pytest.approx(expected, rel=1e-9, abs=0)


@pytest.mark.parametrize("gamma", [1, 1.3])
def test_trace_given_outputs_is_the_trace_behind_batch_norm_times_its_variance(gamma):
    network = small("tanh", outputs=2)
    mapped = replace(network, last=BatchNorm(gamma=gamma, beta=0.5))
    parameters, inputs = drawn(network, samples=6, width=12)
    traces = []
    for square in (0.5, 1.5):  # K is linear in |W_k|^2, of mean sigma_w^2: two values average it
        scaled = rescaled(parameters, np.sqrt(square * 2.1))
        f, behind = forward(network, scaled, inputs)[0], dual_gram(mapped, scaled, inputs)[0]
        traces += [f[k].var() * np.trace(block(behind, k, 6)) / gamma**2 for k in range(2)]
    found = OBSERVABLES["trace_given_outputs"](output_kernels(network, parameters, inputs), network)
    assert found == pytest.approx([np.mean(traces)], rel=1e-9, abs=0)


@pytest.mark.parametrize(("width", "error"), [(16, 1e-4), (64, 1e-6), (256, 1e-8)])
def test_the_largest_centred_eigenvalue_is_averaged_over_the_norm(width, error):
    network = small("tanh", outputs=1)
    parameters, inputs = drawn(network, samples=4, width=width)
    kernels = output_kernels(network, parameters, inputs)
    M = parameters.weights[-1].shape[1]
    A = _centring(4)
    below, last = (A @ part @ A / 4 for part in (kernels.own[0, 0], kernels.last[0, 0]))

    def largest(x):
        return np.linalg.eigvalsh(x / M * below + last)[-1] * stats.chi2.pdf(x, M)

    law = stats.chi2(M)
    edges = [law.ppf(1e-12), law.ppf(0.01), law.median(), law.ppf(0.99), law.isf(1e-12)]
    expected = sum(integrate.quad(largest, a, b, epsrel=1e-10)[0] for a, b in pairwise(edges))
    found = OBSERVABLES["centred_largest"](kernels, network)
    assert found == pytest.approx([expected], rel=error, abs=0)


@pytest.mark.parametrize("outputs", [1, 2])
@pytest.mark.parametrize("bias_gradients", [True, False], ids=["biases", "no biases"])
def test_the_squared_trace_is_averaged_over_the_norms(outputs, bias_gradients):
    network = small("relu", outputs=outputs, bias_gradients=bias_gradients, sigma_b2=0.05)
    parameters, inputs = drawn(network, samples=5, width=12, count=2)
    found = OBSERVABLES["squared_trace"](output_kernels(network, parameters, inputs), network)
    M = parameters.weights[-1].shape[1]
    points, weights = special.roots_genlaguerre(3, M / 2 - 1)  # of degree 2 in each squared norm
    rule = list(zip(2 * points / M, weights / weights.sum(), strict=True))
    expected = np.zeros(2)
    for chosen in product(rule, repeat=outputs):
        squares, w = np.array(chosen).T
        scaled = rescaled(parameters, np.sqrt(float(network.sigma_w2) * squares))
        F = dual_gram(network, scaled, inputs) / 5
        expected += w.prod() * np.trace(F @ F, axis1=1, axis2=2) / outputs
    assert found == pytest.approx(expected, rel=1e-9, abs=0)


def test_the_split_of_the_kernels_is_that_of_the_gram_matrix():
    network = small("erf")
    parameters, inputs = drawn(network)
    kernels = output_kernels(network, parameters, inputs)
    K = dual_gram(network, parameters, inputs)[0]
    norms = (parameters.weights[-1][0] ** 2).sum(axis=0) / float(network.sigma_w2)
    for k in range(3):
        close(norms[k] * kernels.own[0, k] + kernels.last[0, 0], block(K, k, 6), 1e-12)
    between = np.sqrt(norms[0] * norms[2]) * kernels.below[0, 0, :, 2]
    close(between, K[:6, 12:], 1e-12)
    h = propagate(network, parameters, inputs).activations[-1][0]
    close(kernels.output_gram[0], h @ h.T, 1e-12)
    assert kernels.dimension == 3


def test_the_largest_centred_eigenvalue_needs_one_output():
    network = small("tanh", outputs=2)
    kernels = output_kernels(network, *drawn(network))
    with pytest.raises(DescriptionError, match="one output"):
        OBSERVABLES["centred_largest"](kernels, network)


@pytest.mark.parametrize("bias_gradients", [True, False])
def test_output_variance_is_its_mean_over_the_output_weights(bias_gradients):
    # f_k = W_k . h + b_k: over W_k the variance over samples is sigma_w^2/M |centred H|^2/N
    network = small("relu", bias_gradients=bias_gradients)
    parameters, inputs = drawn(network, samples=5, width=12)
    found = OBSERVABLES["output_variance"](output_kernels(network, parameters, inputs), network)
    h = propagate(network, parameters, inputs).activations[-1][0]
    exact = sum(2.1 / 9 * h[:, i].var() for i in range(9))
    assert found == pytest.approx([exact], rel=1e-12, abs=0)
    W = np.random.default_rng(0).standard_normal((9, 200_000)) * np.sqrt(2.1 / 9)
    sampled = (h @ W).var(axis=0)
    error = sampled.std() / np.sqrt(200_000)
    assert abs(found[0] - sampled.mean()) < stats.norm.isf(FALSE_ALARM / 2) * error


@pytest.mark.parametrize("n", [1, 2, 9, 300])
def test_the_gauss_rule_of_a_mean_square_is_exact_to_degree_nine(n):
    points, weights = mean_chi_square_rule(n)
    assert (points > 0).all()
    assert (weights > 0).all()
    for k in range(10):
        moment = np.prod([(n + 2 * j) / n for j in range(k)])
        assert weights @ points**k == pytest.approx(moment, rel=1e-10, abs=0)


ONE_OUTPUT = ("centred_largest", "square_given_outputs", "largest_given_outputs")


def test_observables_take_kernels_and_give_one_number_per_network():
    for name, observable in OBSERVABLES.items():
        outputs = 1 if name in ONE_OUTPUT else 4
        batch = None if name.startswith(("layer_norm", "softmax")) else 3
        network = small("tanh", outputs=outputs, batch_size=batch, depth=4)
        kernels = output_kernels(network, *drawn(network, count=3))
        assert isinstance(kernels, OutputKernels)
        expected = kernels.outputs.shape if name == "linear_outputs" else (3,)
        assert observable(kernels, network).shape == expected


# Streams


def test_a_block_is_reproducible_and_its_own():
    network = small("tanh")
    values = {}
    for last in LASTS.values():
        parameters, inputs = draw_block(replace(network, last=last), 16, 5, 3)
        values[last] = [inputs, *parameters.weights, *parameters.biases]
    first = values[NoNormalization()]
    for arrays in values.values():  # shared between last-layer maps
        for one, other in zip(first, arrays, strict=True):
            assert np.array_equal(one, other)
    others = {
        "block": block_stream(network, 16, 5, 4),
        "width": block_stream(network, 17, 5, 3),
        "samples": block_stream(network, 16, 6, 3),
        "activation": block_stream(small("erf"), 16, 5, 3),
        "sigma_w2": block_stream(replace(network, sigma_w2=2.2), 16, 5, 3),
        "sigma_b2": block_stream(replace(network, sigma_b2=0.5), 16, 5, 3),
        "ratios": block_stream(replace(network, ratios=(1, 2, 1)), 16, 5, 3),
        "outputs": block_stream(replace(network, outputs=2), 16, 5, 3),
        "overlaps": block_stream(replace(network, input_overlaps=(1, 0.1)), 16, 5, 3),
        "scale": block_stream(small(ERF), 16, 5, 3),
    }
    numbers = {name: rng.standard_normal(20) for name, rng in others.items()}
    numbers["itself"] = block_stream(network, 16, 5, 3).standard_normal(20)
    for a in numbers:
        for b in numbers:
            assert (a == b) == np.array_equal(numbers[a], numbers[b])


def test_blocks_are_independent_of_the_number_of_workers_and_of_the_order(monkeypatch):
    network = small("relu", outputs=2)
    jobs = [(network, width, 5, b, ("diagonal", "uniform")) for width in (16, 24) for b in range(4)]

    def run(jobs):
        return [{k: v for k, v in r.items() if k != "seconds"} for r in over_blocks(observe, jobs)]

    here = run(jobs)
    backwards = run(jobs[::-1])[::-1]
    monkeypatch.setattr(ensemble, "workers", lambda: 1)
    alone = run(jobs)
    monkeypatch.setattr(ensemble, "workers", lambda: 5)
    many = run(jobs)
    for a, b, c, d in zip(here, backwards, alone, many, strict=True):
        for name in a:
            assert np.array_equal(a[name], b[name])
            assert np.array_equal(a[name], c[name])
            assert np.array_equal(a[name], d[name])


def test_results_come_in_the_order_of_the_jobs():
    assert over_blocks(lambda a, b: a * b, [(1, 2), (3, 4), (5, 6)]) == [2, 12, 30]


def test_another_process_draws_the_same_networks():
    network = small("tanh", outputs=1)
    here = measure(network, 16, 5, seeds=[0, 257])["kappa1"].values
    code = (
        "import json; from theory import Network; from numerics import measure; "
        "n = Network('tanh', depth=3, sigma_w2=2.1, sigma_b2=0.4, ratios=(1, 2, 0.75)); "
        "print(json.dumps(measure(n, 16, 5, seeds=[0, 257])['kappa1'].values))"
    )
    environment = dict(os.environ) | {"OPENBLAS_NUM_THREADS": "1", "PYTHONHASHSEED": "5"}
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=True,
        env=environment,
        cwd=Path(__file__).parents[1],
    )
    assert json.loads(done.stdout) == pytest.approx(here, rel=1e-13, abs=0)


def test_numbers_do_not_depend_on_how_sizes_are_written():
    one = small("tanh", sigma_w2=2, outputs=1)
    other = small("tanh", sigma_w2=2.0, outputs=1)
    assert np.array_equal(
        block_stream(one, 16, 5, 0).standard_normal(5),
        block_stream(other, np.int64(16), 5, 0).standard_normal(5),
    )


# Laws of what is drawn: a correct program fails each test with probability 1e-6 at most


def assert_standard(values, tests=1):
    """Means of many independent numbers of mean 0 and variance 1: none beyond its quantile."""
    count = values.shape[0]
    mean = values.mean(axis=0) * np.sqrt(count)
    assert np.abs(mean).max() < stats.norm.isf(FALSE_ALARM / 4 / tests / mean.size)


@pytest.mark.parametrize("overlaps", [(1, 0), (1, 0.3), (1.5, -0.2), (0.7, 0.65)], ids=str)
def test_drawn_inputs_have_the_stated_overlaps(overlaps):
    # x_t . x_s/M_0 over 4000 draws: mean as stated, variance (q1^2 + q2^2)/M_0; it sees 1.5 %
    network = small("linear", input_overlaps=overlaps)
    count, N, M = 4000, 5, 40
    x = draw_inputs(network, M, N, count, np.random.default_rng(11))
    assert x.shape == (count, N, M)
    gram = x @ x.swapaxes(1, 2) / M
    same, different = overlaps
    t, s = np.triu_indices(N, 1)
    off = (gram[:, t, s] - different) / np.sqrt((same**2 + different**2) / M)
    on = (np.einsum("ntt->nt", gram) - same) / np.sqrt(2 * same**2 / M)
    assert_standard(off, tests=3)
    assert_standard(on, tests=3)
    assert_standard(x.reshape(-1, N)[:, :1] / np.sqrt(same), tests=3)


def test_drawn_parameters_have_the_stated_laws():
    # squares of the entries over sigma^2 have mean 1 and variance 2; it sees 1 % of a variance
    network = small("tanh")
    parameters = draw_parameters(network, 40, 500, np.random.default_rng(12))
    widths = (40, 80, 30, 3)
    for l, (W, b) in enumerate(zip(parameters.weights, parameters.biases, strict=True)):
        assert W.shape == (500, widths[l], widths[l + 1])
        assert b.shape == (500, widths[l + 1])
        for values, variance in ((W, 2.1 / widths[l]), (b, 0.4)):
            z = values.reshape(-1, 1) / np.sqrt(variance)
            assert_standard(z, tests=12)
            assert_standard((z**2 - 1) / np.sqrt(2), tests=12)
            assert stats.kstest(z[:2000, 0], "norm").pvalue > FALSE_ALARM / 12


def test_impossible_overlaps_are_refused_when_drawn():
    network = small("linear", input_overlaps=(1, -0.3))
    with pytest.raises(DescriptionError, match="impossible for 6 samples"):
        draw_inputs(network, 8, 6, 1, np.random.default_rng(0))
