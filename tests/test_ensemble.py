"""The ensemble's stream: what is drawn, from which law, how often, and in which order it comes."""

import json
import os
import subprocess
import sys
from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from scipy import stats

from numerics import ensemble
from numerics.eigenvalues import eigenvalues, largest_eigenvalues
from numerics.ensemble import (
    block_size,
    block_stream,
    draw_block,
    measure,
    observe,
    over_blocks,
    over_networks,
)
from numerics.network import (
    draw_inputs,
    draw_parameters,
)
from tests.small_networks import (
    ERF,
    FALSE_ALARM,
    LASTS,
    small,
)
from theory.architecture import (
    DescriptionError,
    Network,
    NoNormalization,
)

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
