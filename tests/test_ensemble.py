"""Networks of the ensemble's stream: which are drawn, how often, and in which order they come."""

from collections import Counter

import numpy as np
import pytest

from numerics import ensemble
from numerics.eigenvalues import eigenvalues, largest_eigenvalues
from numerics.ensemble import block_size, draw_block, measure, over_networks
from theory.architecture import DescriptionError, Network

NETWORK = Network("tanh", depth=2, sigma_w2=1.5, sigma_b2=0.2)
WIDTH, SAMPLES = 512, 3
SIZE = block_size(WIDTH)


def fingerprint(parameters, inputs):
    return *(W.sum() for W in parameters.weights), *(b.sum() for b in parameters.biases), *inputs


@pytest.mark.parametrize("workers", [1, 2, 3, 40])
@pytest.mark.parametrize("indices", [[5], [SIZE, 0, 2 * SIZE + 1, SIZE - 1], [3, 1, 3], range(20)])
def test_a_network_is_that_of_its_place_whoever_measures_it(workers, indices, monkeypatch):
    monkeypatch.setattr(ensemble, "workers", lambda: workers)
    found = over_networks(fingerprint, NETWORK, WIDTH, SAMPLES, indices)
    for index, got in zip(indices, found, strict=True):
        parameters, inputs = draw_block(NETWORK, WIDTH, SAMPLES, index // SIZE)
        one = slice(index % SIZE, index % SIZE + 1)
        expected = fingerprint(parameters.of(one), inputs[one])
        assert all(map(np.array_equal, got, expected))


@pytest.mark.parametrize(
    ("workers", "count", "times"),
    [(1, 3 * SIZE, [1, 1, 1]), (2, SIZE, [2]), (2, 2 * SIZE, [1, 1]), (3, 2, [2])],
)
def test_a_block_is_drawn_once_for_each_worker_that_shares_it(workers, count, times, monkeypatch):
    drawn = []

    def counted(network, width, samples, block):
        drawn.append(block)
        return draw_block(network, width, samples, block)

    monkeypatch.setattr(ensemble, "workers", lambda: workers)
    monkeypatch.setattr(ensemble, "draw_block", counted)
    over_networks(fingerprint, NETWORK, WIDTH, SAMPLES, range(count))
    assert Counter(drawn) == dict(enumerate(times))


@pytest.mark.parametrize("seeds", [[], 0, -1, [2, -1]])
def test_seeds_that_name_no_network_are_refused(seeds):
    tasks = (
        lambda: measure(NETWORK, 16, SAMPLES, seeds),
        lambda: eigenvalues(NETWORK, 16, SAMPLES, seeds),
        lambda: largest_eigenvalues(NETWORK, 16, SAMPLES, seeds, 1),
    )
    for task in tasks:
        with pytest.raises(DescriptionError, match="seeds must be a positive number of networks"):
            task()


def test_a_number_of_seeds_stands_for_the_first():
    first = [one.values for one in eigenvalues(NETWORK, 16, SAMPLES, 3)]
    listed = [one.values for one in eigenvalues(NETWORK, 16, SAMPLES, [0, 1, 2])]
    assert np.array_equal(first, listed)
