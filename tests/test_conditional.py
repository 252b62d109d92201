r"""Conditioned networks against explicit ones: matrices rebuilt from draws, and equal laws.

A pair of matrices that has both drawn products exists, and explicit networks made of it give the
same kernels to rounding. Laws are compared by two-sample Kolmogorov-Smirnov tests at narrow widths,
where what conditioning could get wrong is largest: an error is of relative order N/M. A correct
engine fails one such test with probability 1e-6 (``FALSE_ALARM``); with the 2000 networks on each
side of a test it sees laws that differ by 0.085 somewhere, a shift of a fifth of a network's own
deviation. Tests with planted errors show that this suffices.
"""

import tracemalloc
from dataclasses import replace
from itertools import pairwise, permutations, product

import numpy as np
import pytest
from scipy import stats

from numerics import conditional, deferred, ensemble, fisher
from numerics.conditional import draw_runs, rotated_inputs
from numerics.deferred import Deferred, orthonormalized, square_root
from numerics.ensemble import block_size
from numerics.network import Parameters, backpropagate, draw_inputs
from numerics.observables import OBSERVABLES
from numerics.output_kernels import kernels_of, output_kernels
from numerics.probes import OF_ANY_ORDER, averaged_over_orders, draw_probes
from theory.architecture import (
    BatchNorm,
    DescriptionError,
    GroupNorm,
    LayerNorm,
    MeanSubtraction,
    Network,
    Normalized,
    NotCovered,
    RMSNorm,
)

FALSE_ALARM = 1e-6
RANDOM = {"gamma": 1.2, "beta": 0.3, "gamma_std": 0.3, "beta_std": 0.4, "trained": True}
COMMON = {"sigma_w2": 2.1, "sigma_b2": 0.3}
SCHEMES = {
    "tanh": Network("tanh", depth=4, outputs=2, **COMMON),
    "relu, ratios": Network("relu", depth=3, ratios=(1, 1.5, 0.75), **COMMON),
    "relu, overlaps": Network("relu", depth=3, input_overlaps=(1, 0.4), **COMMON),
    "narrow inputs": Network("tanh", depth=3, ratios=(0.2, 1, 1), **COMMON),
    "layer norm": Network("relu", depth=3, hidden=LayerNorm(**RANDOM), **COMMON),
    "RMS and group norm": Network(
        "tanh", depth=3, layers=(RMSNorm(), GroupNorm(groups=2)), **COMMON
    ),
    "batch norm": Network("relu", depth=4, hidden=BatchNorm(), **COMMON),
    "batch norm, random": Network("tanh", depth=3, hidden=BatchNorm(**RANDOM), **COMMON),
    "batch norm, eps": Network("relu", depth=3, hidden=BatchNorm(eps=0.2), **COMMON),
    "batch norm below": Network("relu", depth=3, layers=(BatchNorm(), "none"), **COMMON),
    "mean subtraction": Network("relu", depth=4, hidden=MeanSubtraction(), **COMMON),
    "mean subtraction above": Network(
        "tanh", depth=3, layers=("none", "mean-subtraction"), **COMMON
    ),
    "batches": Network("relu", depth=3, hidden=BatchNorm(), batch_size=3, **COMMON),
    "ntk": Network("relu", depth=3, parameterization="ntk", outputs=2, **COMMON),
}
over_schemes = pytest.mark.parametrize("network", SCHEMES.values(), ids=SCHEMES)


# Matrices rebuilt


def rebuilt(network, run, width):
    """Parameters and inputs of explicit networks that do what the run did."""
    widths = network.widths(width)
    sensitivities = {one.layer: one.inner for one in backpropagate(run)}
    weights, biases = [], []
    for l, (affine, (into, out)) in enumerate(zip(run.affines, pairwise(widths), strict=True), 1):
        W = affine.W
        if isinstance(W, Deferred):
            h, D = (
                run.activations[l - 1],
                sensitivities[l].reshape(len(run.activations[0]), -1, out),
            )
            U, V = run.hidden[l - 1].u - affine.b[:, None], D @ W.swapaxes(1, 2)
            on_features = np.linalg.pinv(h) @ U
            rest = V - D @ on_features.swapaxes(1, 2)
            W = on_features + (np.linalg.pinv(D, rcond=1e-10) @ rest).swapaxes(1, 2)
        W = np.pad(W, ((0, 0), (0, into - W.shape[1]), (0, 0)))
        scale = affine.rates if network.parameterization == "ntk" else 1
        weights.append(W / scale)
        biases.append(affine.b / affine.bias_rate)
    inputs = run.activations[0]
    inputs = np.pad(inputs, ((0, 0), (0, 0), (0, widths[0] - inputs.shape[-1])))
    hidden = [one for one in run.hidden if isinstance(one.scheme, Normalized)]
    scales = [np.ones_like(one.u[:, 0]) if one.scale is None else one.scale for one in hidden]
    shifts = [np.zeros_like(one.u[:, 0]) if one.shift is None else one.shift for one in hidden]
    return Parameters(tuple(weights), tuple(biases), tuple(scales), tuple(shifts)), inputs


def largest_difference(network, samples, width, count=2):
    """Of the kernels of runs and of the explicit networks rebuilt from them, relative."""
    run = draw_runs(network, width, samples, count, np.random.SeedSequence(5))
    assert any(isinstance(affine.W, Deferred) for affine in run.affines)
    found = kernels_of(network, run)
    expected = output_kernels(network, *rebuilt(network, run, width))
    return max(
        np.abs(a - b).max() / np.abs(b).max()
        for a, b in ((found.gram, expected.gram), (found.outputs, expected.outputs))
    )


@over_schemes
def test_explicit_networks_rebuilt_from_a_draw_have_the_same_kernels(network):
    assert largest_difference(network, samples=6, width=80) < 1e-9


@pytest.mark.parametrize(
    ("network", "samples", "width"),
    [
        (SCHEMES["batch norm, random"], 2, 40),  # two samples: the features are opposite
        (Network("linear", depth=4, hidden="mean-subtraction", **COMMON), 5, 40),
        (replace(SCHEMES["batch norm"], outputs=3), 6, 30),  # more derivatives than units
        (Network("tanh", depth=4, sigma_w2=0.1, input_overlaps=(1, 1 - 1e-9)), 4, 40),
    ],
    ids=["opposite features", "features of sum 0", "more derivatives than units", "nearly equal"],
)
def test_dependent_features_and_derivatives_are_rebuilt_too(network, samples, width):
    assert largest_difference(network, samples, width) < 1e-9


def test_deferred_matrix_gives_the_same_numbers_again_and_no_others():
    h, D = np.random.default_rng(1).standard_normal((2, 1, 3, 20))
    W = Deferred((1, 20, 20), 0.5, np.random.SeedSequence(2))
    with pytest.raises(ValueError, match="before derivatives"):
        D @ W.swapaxes(1, 2)
    h @ W
    first = D @ W.swapaxes(1, 2)
    assert np.array_equal(D @ W.swapaxes(1, 2), first)
    with pytest.raises(ValueError, match="derivatives of one pass"):
        (2 * D) @ W.swapaxes(1, 2)
    with pytest.raises(ValueError, match="once"):
        h @ W
    with pytest.raises(ValueError, match="axes"):
        W.swapaxes(0, 1)


@pytest.mark.parametrize("scale", [1, 1e-9, 1e9])
def test_factors_multiply_to_dependent_rows_of_any_length(scale):
    rows = np.random.default_rng(3).standard_normal((2, 4, 30))
    rows[0, 3] = rows[0, 0] - 2 * rows[0, 1]
    rows[1, 1] = 0
    rows[:, 2] *= scale
    lengths = np.linalg.norm(rows, axis=2)
    lengths[1, 1] = 1
    basis, factor = orthonormalized(rows), square_root(rows)
    unit = rows / lengths[..., None]
    assert basis.combined(basis.factor) / lengths[..., None] == pytest.approx(unit, abs=1e-13)
    units = factor / lengths[..., None]
    assert units @ units.mT == pytest.approx(unit @ unit.mT, abs=1e-13)
    E = basis.combined(np.eye(4)[None].repeat(2, axis=0))
    assert np.sort(np.linalg.norm(E, axis=2)) == pytest.approx(np.array([[0, 1, 1, 1]] * 2))
    assert E @ E.mT == pytest.approx(np.round(E @ E.mT), abs=1e-12)


# Equal laws


def products(seed, count, explicit):
    """What a matrix 5 x 6 does to two features, and to derivatives that depend on that."""
    own, seed = np.random.SeedSequence(seed).spawn(2)
    rng = np.random.default_rng(own)
    h, readout = rng.standard_normal((count, 2, 5)), rng.standard_normal((count, 3, 6))
    W = rng.standard_normal((count, 5, 6)) / 2 if explicit else Deferred((count, 5, 6), 0.5, seed)
    u = h @ W
    D = np.maximum(u, 0)[:, [0, 1, 0]] * readout
    v = D @ W.swapaxes(1, 2)
    return {
        "length forward": (u**2).sum((1, 2)),
        "length backward": (v**2).sum((1, 2)),
        "along features": (v @ h.mT)[:, 2, 0],
        "between derivatives": (v[:, 0] * v[:, 2]).sum(1),
    }


def worst(found, expected):
    """The smallest p-value of two-sample tests of all quantities."""
    return min(stats.ks_2samp(found[name], expected[name]).pvalue for name in found)


def products_agree(count=20_000):
    found, expected = (products(seed, count, seed == 7) for seed in (6, 7))
    return worst(found, expected) > FALSE_ALARM


def test_products_of_a_deferred_matrix_have_the_law_of_an_explicit_one():
    assert products_agree()


def forgotten_projection(self, D):
    n, M, _ = self.shape
    factor = square_root(D)
    return factor @ self._normal(self._backward, (n, factor.shape[2], M))


def forgotten_part(self, D):
    """Without what the independent matrix does on the span of the features."""
    Y = forgotten_projection(self, D)
    return Y + self._basis.combined(D @ self._action.swapaxes(1, 2))


PLANTED = {
    "projection forgotten": (Deferred, "pulled", forgotten_projection),
    "part of the projection forgotten": (Deferred, "pulled", forgotten_part),
    "factor 1.1": (deferred, "square_root", lambda D: 1.1 * square_root(D)),
}


@pytest.mark.parametrize(("where", "name", "wrong"), PLANTED.values(), ids=PLANTED)
def test_planted_error_in_the_products_is_seen(where, name, wrong, monkeypatch):
    monkeypatch.setattr(where, name, wrong)
    assert not products_agree()


def input_statistics(draw, network, samples, width, seed, count=10_000):
    inputs = draw(network, width, samples, count, np.random.default_rng(seed))
    gram = inputs @ inputs.mT
    eigenvalues = np.linalg.eigvalsh(gram)
    return {
        "smallest": eigenvalues[:, 0],
        "largest": eigenvalues[:, -1],
        "first": gram[:, 0, 0],
        "last": gram[:, -1, -1],
        "between": gram[:, 0, -1],
    }


def inputs_agree(network, samples, width):
    return (
        worst(
            input_statistics(rotated_inputs, network, samples, width, 8),
            input_statistics(draw_inputs, network, samples, width, 9),
        )
        > FALSE_ALARM
    )


@pytest.mark.parametrize("width", [3, 4, 9])  # inputs narrower than samples, and not
@pytest.mark.parametrize("overlaps", [(1, 0), (2, 0.7)])
def test_gram_matrix_of_rotated_inputs_has_the_law_of_drawn_ones(overlaps, width):
    network = Network("relu", depth=2, sigma_w2=1, input_overlaps=overlaps)
    assert rotated_inputs(network, width, 4, 1, np.random.default_rng(0)).shape[-1] == min(4, width)
    assert inputs_agree(network, 4, width)


class OneDegreeLess:
    """Random numbers whose chi-square has one degree of freedom too few."""

    def __init__(self, rng):
        self.standard_normal = rng.standard_normal
        self.chisquare = lambda degrees, size: rng.chisquare(np.maximum(degrees - 1, 1), size)


def test_degree_of_freedom_forgotten_is_seen(monkeypatch):
    genuine = rotated_inputs

    def wrong(*arguments):
        return genuine(*arguments[:-1], OneDegreeLess(arguments[-1]))

    monkeypatch.setitem(globals(), "rotated_inputs", wrong)
    network = Network("relu", depth=2, sigma_w2=1)
    assert not inputs_agree(network, 4, 9)


OBSERVED = ("diagonal", "off_diagonal", "uniform", "squared_trace", "output_variance")
WIDTH, SAMPLES = 16, 6


def observed_numbers(engine, network, count):
    blocks = [
        engine.observe(network, WIDTH, SAMPLES, block, OBSERVED)
        for block in range(count // block_size(WIDTH))
    ]
    return {name: np.concatenate([one[name] for one in blocks]) for name in OBSERVED}


def engines_agree(network, count=2048):
    found, expected = (
        observed_numbers(engine, network, count) for engine in (conditional, ensemble)
    )
    return worst(found, expected) > FALSE_ALARM


@over_schemes
def test_conditioned_networks_have_the_law_of_explicit_ones(network):
    assert engines_agree(network)


@pytest.mark.slow
@over_schemes
def test_laws_of_many_networks_are_equal(network):
    # laws that differ by 0.02 somewhere are seen, a shift of a twentieth of the deviation
    assert engines_agree(network, count=40_960)


def too_wide(monkeypatch):
    """Weights of variance sigma_w^2, where sigma_w^2/M is meant."""
    genuine = conditional.Deferred
    monkeypatch.setattr(
        conditional,
        "Deferred",
        lambda shape, deviation, seed: genuine(shape, deviation * np.sqrt(shape[1]), seed),
    )


def no_projection(monkeypatch):
    monkeypatch.setattr(Deferred, "pulled", forgotten_projection)


def same_streams(monkeypatch):
    """The same random numbers in every layer."""
    genuine = conditional.Deferred
    monkeypatch.setattr(
        conditional,
        "Deferred",
        lambda shape, deviation, seed: genuine(shape, deviation, np.random.SeedSequence(1)),
    )


@pytest.mark.parametrize(
    ("plant", "network"),
    [(too_wide, "tanh"), (same_streams, "tanh"), (no_projection, "batch norm")],
)
def test_planted_error_in_the_networks_is_seen(plant, network, monkeypatch):
    plant(monkeypatch)
    assert not engines_agree(SCHEMES[network])


@over_schemes
def test_forgotten_projection_is_seen_by_rebuilding(network, monkeypatch):
    no_projection(monkeypatch)
    assert largest_difference(network, samples=6, width=80) > 1e-4


# Probes

COUPLED = {
    "batch norm": replace(SCHEMES["batch norm, random"], outputs=2),
    "batches": SCHEMES["batches"],
    "above": SCHEMES["mean subtraction above"],
    "below": SCHEMES["batch norm below"],
}


@pytest.mark.parametrize("network", COUPLED.values(), ids=COUPLED)
def test_combinations_have_the_products_of_the_whole_kernel(network):
    run = draw_runs(replace(network, sigma_b2=0.5), 24, 6, 2, np.random.SeedSequence(9))
    again = draw_runs(replace(network, sigma_b2=0.5), 24, 6, 2, np.random.SeedSequence(9))
    N, B, C = 6, network.batch(6), network.outputs
    combinations = np.random.default_rng(1).standard_normal((2, N // B, 3, B))
    whole = fisher.grams_below(network, explicit(run), split=True)
    found = fisher.grams_below(network, explicit(again), split=True, combinations=combinations)
    P = np.zeros((2, N // B, 3, N // B, B))
    P[:, np.arange(N // B), :, np.arange(N // B)] = combinations.swapaxes(0, 1)
    P = P.reshape(2, N // B * 3, N)
    assert set(found) == set(whole)
    largest = max(np.abs(K).max() for K in whole.values())
    for group, K in whole.items():
        expected = np.einsum("nat,nctds,nbs->ncadb", P, K, P)
        assert found[group].shape == (2, C, N // B * 3, C, N // B * 3)
        assert found[group] == pytest.approx(expected, abs=1e-10 * largest)


def explicit(run):
    """The run with explicit matrices in place of deferred ones: another network above layer 1."""
    rng = np.random.default_rng(4)
    affines = [
        replace(one, W=rng.standard_normal(one.W.shape) / 5) if isinstance(one.W, Deferred) else one
        for one in run.affines
    ]
    return replace(run, affines=tuple(affines))


def over_orders(K, B):
    """The mean of K (C, N, C, N) over all orders of the samples of each batch."""
    N = K.shape[1]
    orders = [
        np.concatenate([B * b + np.array(order) for b, order in enumerate(orders)])
        for orders in product(permutations(range(B)), repeat=N // B)
    ]
    return sum(K[:, order][..., order] for order in orders) / len(orders)


def random_kernel(C, N):
    J = np.random.default_rng(2).standard_normal((C * N, 5)) + 0.5
    return (J @ J.T).reshape(C, N, C, N)


@pytest.mark.parametrize("B", [3, 6])
def test_probes_estimate_the_kernel_averaged_over_orders(B):
    K, count, blocks = random_kernel(2, 6), 4_000, 6 // B
    probes = draw_probes(count, blocks, B, np.random.default_rng(3))
    P = np.zeros((count, blocks, 3, blocks, B))
    P[:, np.arange(blocks), :, np.arange(blocks)] = probes.swapaxes(0, 1)
    P = P.reshape(count, blocks * 3, 6)
    products = np.einsum("nat,ctds,nbs->ncadb", P, K, P, optimize=True)
    found, expected = averaged_over_orders(products, probes), over_orders(K, B)
    error = found.std(axis=0) / np.sqrt(count)
    z = (found.mean(axis=0) - expected) / np.maximum(error, 1e-12)
    assert np.abs(z).max() < stats.norm.isf(FALSE_ALARM / 2 / z.size)
    one = np.kron(np.eye(blocks), np.ones(B))
    assert np.einsum("bt,nctds,es->ncbde", one, found, one) == pytest.approx(
        np.broadcast_to(np.einsum("bt,ctds,es->cbde", one, K, one), (count, 2, blocks, 2, blocks)),
        rel=1e-10,
    )


@pytest.mark.parametrize("name", sorted(set(OBSERVABLES) - {"gradient_ratio"}))
def test_observables_of_any_order_are_those_that_averaging_leaves_alone(name):
    outputs = 4 if name.startswith(("layer_norm", "softmax")) else 1
    batch = 3 if outputs == 1 else None  # these maps know no batches
    network = replace(SCHEMES["batch norm"], batch_size=batch, outputs=outputs)
    kernels = kernels_of(network, draw_runs(network, 12, 6, 1, np.random.SeedSequence(3)))
    below = kernels.below + random_kernel(outputs, 6)  # any kernel, not those of networks alone
    averaged = over_orders(below[0], network.batch(6))[None]
    found, expected = (
        OBSERVABLES[name](replace(kernels, below=K), network) for K in (averaged, below)
    )
    same = np.allclose(found, expected, rtol=1e-12)
    assert same == (name in OF_ANY_ORDER)


@pytest.mark.parametrize("network", COUPLED.values(), ids=COUPLED)
def test_probed_networks_have_the_mean_and_the_uniform_mode_of_explicit_ones(network):
    names, N = ("diagonal", "off_diagonal", "uniform"), 8
    network = replace(network, batch_size=4 if network.batch_size else None)
    assert conditional.uses_probes(network, N, names)
    found, expected = (
        {
            name: np.concatenate(
                [engine.observe(network, WIDTH, N, block, names)[name] for block in range(8)]
            )
            for name in names
        }
        for engine in (conditional, ensemble)
    )
    assert stats.ks_2samp(found["uniform"], expected["uniform"]).pvalue > FALSE_ALARM
    for name in names:
        assert stats.ttest_ind(found[name], expected[name], equal_var=False).pvalue > FALSE_ALARM


# The engine


def test_streams_of_the_engines_and_of_parts_differ(monkeypatch):
    network = SCHEMES["batch norm"]
    names = ("diagonal", "linear_outputs")
    whole = conditional.observe(network, 64, 6, 0, names)
    explicit = ensemble.observe(network, 64, 6, 0, names)
    other = conditional.observe(network, 64, 6, 1, names)
    full = conditional.observe(network, 64, 6, 0, (*names, "squared_trace"))
    monkeypatch.setattr(conditional, "LARGEST_ARRAY", 10_000)
    parts = conditional.observe(network, 64, 6, 0, names)
    outputs = [one["linear_outputs"].ravel() for one in (whole, explicit, other, full, parts)]
    distinct = np.unique(np.concatenate(outputs[:4]))
    assert distinct.size == 4 * outputs[0].size
    assert len({one.size for one in outputs}) == 1
    assert np.unique(outputs[4]).size == outputs[4].size


def test_observations_are_the_same_again_whatever_the_last_layer():
    network, names = SCHEMES["ntk"], ("diagonal", "weights.off_diagonal")
    first = conditional.observe(network, 64, 6, 2, names)
    again = conditional.observe(replace(network, last=MeanSubtraction()), 64, 6, 2, names)
    assert all(np.array_equal(first[name], again[name]) for name in names)


def test_gradients_of_layers_are_those_of_the_networks_rebuilt():
    network = SCHEMES["batch norm"]
    run = draw_runs(network, 80, 6, 2, np.random.SeedSequence(5))
    expected = output_kernels(network, *rebuilt(network, run, 80)).traces
    assert kernels_of(network, run).traces == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize("weights", ["weight-normalization", "weight-standardization"])
def test_normalized_weights_are_refused(weights):
    network = Network("relu", depth=3, sigma_w2=2, weights=weights)
    for ask in (
        lambda: conditional.observe(network, 64, 6, 0, ("diagonal",)),
        lambda: conditional.check_size(network, 64, 6),
    ):
        with pytest.raises(NotCovered, match=f"needs Gaussian weights, {weights} given"):
            ask()


def test_size_is_checked_before_anything_is_drawn():
    network = SCHEMES["batch norm"]
    conditional.check_size(network, 16_384, 16)
    with pytest.raises(DescriptionError, match=r"need about .* GiB, the budget is 16.0 GiB"):
        conditional.check_size(network, 10**8, 16)
    with pytest.raises(DescriptionError, match="samples must be a whole number"):
        conditional.check_size(network, 64, 1)


@pytest.mark.parametrize(
    ("network", "width", "samples"),
    [(SCHEMES["batch norm"], 512, 12), (replace(SCHEMES["tanh"], outputs=4), 1024, 24)],
    ids=["batch norm", "tanh"],
)
def test_memory_stays_below_what_check_size_says(network, width, samples, monkeypatch):
    monkeypatch.setattr(conditional, "workers", lambda: 1)
    tracemalloc.start()
    conditional.observe(network, width, samples, 0, ("squared_trace",))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    conditional.check_size(network, width, samples, budget=4 * peak)
    with pytest.raises(DescriptionError):
        conditional.check_size(network, width, samples, budget=peak)
