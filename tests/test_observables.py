"""Observables against averages over the output weights and the Gram matrix."""

from dataclasses import replace
from itertools import pairwise, product

import numpy as np
import pytest
from scipy import integrate, special, stats

from numerics.fisher import dual_gram
from numerics.network import (
    Parameters,
    forward,
    propagate,
)
from numerics.observables import OBSERVABLES, mean_chi_square_rule
from numerics.output_kernels import OutputKernels, output_kernels
from tests.small_networks import FALSE_ALARM, close, drawn, small
from theory.architecture import (
    BatchNorm,
    DescriptionError,
)


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
