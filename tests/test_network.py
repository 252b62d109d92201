r"""Measured networks against oracles: differences of ``forward``, dense matrices, sums by hand.

The oracle Jacobian perturbs every parameter of a small network and calls nothing but
``numerics.network.forward``; the dense P x P Fisher matrix is formed from it.
"""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import linalg, stats

from numerics.ensemble import (
    block_size,
    draw_block,
    measure,
)
from numerics.fisher import dual_gram
from numerics.network import (
    Parameters,
    forward,
    propagate,
)
from numerics.observables import OBSERVABLES
from numerics.output_kernels import output_kernels
from numerics.spectrum import alignment, spectral_statistics
from tests.small_networks import (
    CUSTOM,
    KINKED,
    LASTS,
    away_from_kinks,
    by_hand,
    close,
    drawn,
    oracle_jacobian,
    over_activations,
    over_lasts,
    small,
)
from theory.architecture import (
    BatchNorm,
    NoNormalization,
)


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
