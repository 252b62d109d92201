"""The top of the bulk of networks with normalized hidden layers, M = N = 600."""

from __future__ import annotations

import numpy as np
import pytest

from numerics.fisher import dual_gram, grams_below, grams_of_outputs, total
from numerics.largest_eigenvalue import largest_eigenvalue
from numerics.network import propagate
from numerics.parameters import draw_inputs, draw_parameters
from tests.test_bulk_networks import network
from theory.architecture import MeanSubtraction, Network
from theory.bulk import top
from theory.bulk.model import model

NAMES = ("relu", "tanh", "gelu")
COUPLED = ("batchnorm", "mean-subtraction")


def centred(name: str, depth: int, scheme: str) -> Network:
    return network(name, depth, hidden=scheme, last=MeanSubtraction())


def top_over_mean(net: Network, M: int, N: int, rng: np.random.Generator) -> float:
    """Of one network, the largest of its N - 1 eigenvalues over their mean."""
    parameters, inputs = draw_parameters(net, M, 1, rng), draw_inputs(net, M, N, 1, rng)
    F = dual_gram(net, parameters, inputs)[0] / N
    return float(np.linalg.eigvalsh(F)[-1] / (np.trace(F) / (N - 1)))


def top_over_mean_by_products(
    net: Network, M: int, N: int, rng: np.random.Generator, probes: int = 60
) -> float:
    """The same where samples are coupled in two layers, whose Gram matrix takes 18 s and 4 GB.

    The top is that of Lanczos' iterations, the mean that of 1 in 10 directions: of each network
    1 % off, and right in the mean.
    """
    parameters, inputs = draw_parameters(net, M, 1, rng), draw_inputs(net, M, N, 1, rng)
    largest = largest_eigenvalue(net, parameters, inputs).value
    run = propagate(net, parameters, inputs)
    v = rng.standard_normal((N, probes))
    v = np.linalg.qr(v - v.mean(axis=0))[0].T
    below = grams_below(net, run, split=False, combinations=v[None, None])["weights"][0, 0, :, 0]
    own = total(grams_of_outputs(net, run))[0, 0]
    mean = np.trace(below + v @ own @ v.T) / probes / N
    return float(largest / mean)


def within_three_percent(net: Network, tops: list[float], M: int, N: int) -> None:
    """Of the predicted mean top, plus two standard errors."""
    values = np.array(tops) * model(net, M / N, M).trace
    expected = top(net, M, N).value
    error = values.std(ddof=1) / np.sqrt(len(values))
    assert error < 0.012 * expected
    assert abs(values.mean() - expected) < 0.03 * expected + 2 * error


QUICK = [("relu", 2, "batchnorm"), ("gelu", 2, "mean-subtraction")]
ALL = [
    *((name, 2, scheme) for name in NAMES for scheme in COUPLED),
    *((name, depth, "layernorm") for name in NAMES for depth in (2, 3)),
]


@pytest.mark.parametrize(
    ("name", "depth", "scheme"),
    [one if one in QUICK else pytest.param(*one, marks=pytest.mark.slow) for one in ALL],
)
def test_top_of_normalized_networks(name: str, depth: int, scheme: str) -> None:
    net = centred(name, depth, scheme)
    rng = np.random.default_rng(600)
    tops = [top_over_mean(net, 600, 600, rng) for _ in range(16)]
    within_three_percent(net, tops, 600, 600)


@pytest.mark.slow
@pytest.mark.parametrize("scheme", COUPLED)
@pytest.mark.parametrize("name", NAMES)
def test_samples_coupled_in_two_layers(name: str, scheme: str) -> None:
    net = centred(name, 3, scheme)
    rng = np.random.default_rng(600)
    tops = [top_over_mean_by_products(net, 600, 600, rng) for _ in range(8)]
    within_three_percent(net, tops, 600, 600)


def test_a_top_by_products_is_that_of_the_matrix() -> None:
    """With a probe for every direction the mean is exact."""
    net = centred("tanh", 3, "batchnorm")
    by_matrix = top_over_mean(net, 64, 64, np.random.default_rng(1))
    by_products = top_over_mean_by_products(net, 64, 64, np.random.default_rng(1), probes=63)
    assert by_products == pytest.approx(by_matrix, rel=1e-4)
