r"""The bridge from kernels to the spherical sharpness: explicit derivatives, errors, the edge."""

from dataclasses import replace

import numpy as np
import pytest

from derivations.catalogue import theorem
from derivations.evidence import check
from derivations.proof import ProofError
from derivations.sharpness import bridge as record
from numerics.ensemble import draw_block
from numerics.network import forward, propagate
from numerics.observables import observed
from numerics.output_kernels import output_kernels
from numerics.verdict import Verdict
from theory.architecture import BatchNorm, Network
from theory.bridge import bridge, time_to_edge_at
from theory.errors import DescriptionError, OutOfRegime
from theory.prediction import unmapped
from theory.scale_invariance import effective_learning_rate, steps_to_edge

BRIDGE = theorem("bridge")
RELU, TANH, LINEAR, LAYERNORM = record.NETWORKS
SMALL = replace(RELU, outputs=2)
M, N = 8, 6


def on_the_sphere(network, parts):
    """Traces of J^T J/N at unit weights, one by one and jointly, by central differences."""
    parameters, inputs = draw_block(network, M, N, 0)
    parameters, inputs = parameters.of(slice(0, 1)), inputs[:1]
    found = {}
    for part in parts:
        layers = range(network.depth) if part == "weights" else [int(part[-1]) - 1]
        norm = np.sqrt(sum((parameters.weights[l] ** 2).sum() for l in layers))
        weights = [W / norm if l in layers else W for l, W in enumerate(parameters.weights)]
        trace, step = 0.0, 1e-6
        for l in layers:
            for at in np.ndindex(weights[l].shape):
                ends = []
                for sign in (1, -1):
                    moved = weights[l].copy()
                    moved[at] += sign * step * np.abs(weights[l]).max()
                    chosen = tuple(moved if l == k else W for k, W in enumerate(weights))
                    ends.append(forward(network, parameters._replace(weights=chosen), inputs))
                slope = (ends[0] - ends[1]) / (2 * step * np.abs(weights[l]).max())
                trace += float((slope**2).sum()) / N
        found[part] = trace, norm**2
    return found, parameters, inputs


@pytest.mark.parametrize("network", [SMALL, replace(TANH, ratios=(1, 2, 0.5)), LAYERNORM])
def test_the_observable_is_the_mean_eigenvalue_at_unit_weights(network):
    r"""Divided by the realised |w|^2 and gamma^2/sigma^2 of all outputs."""
    found, parameters, inputs = on_the_sphere(network, record.ROWS)
    variances = propagate(network, parameters, inputs).linear_outputs[0].var(axis=-1)
    kernels = output_kernels(unmapped(network), parameters, inputs, split=True)
    for part, (trace, norm2) in found.items():
        unit = norm2 * (network.last.gamma**2 / variances).sum()
        measured = observed(f"{part}.spherical_mean", kernels, unmapped(network))
        assert measured[0] == pytest.approx(trace / (N - 2) / unit, rel=1e-6)


# Errors

WRONG = {
    "a factor 2": lambda t: 2 * t.K.gap / t.N,
    "mean over N eigenvalues": lambda t: t.K.gap * (t.N - 2) / t.N**2,
    "mean over N - 1 eigenvalues": lambda t: t.K.gap * (t.N - 2) / (t.N * (t.N - 1)),
    "variance forgotten": lambda t: t.K.gap * t.v / t.N,
    "variance of infinitely many samples": lambda t: t.K.gap / t.N * t.N / (t.N - 3),
    "K_1 for the gap": lambda t: t.K.K1 / t.N,
}


@pytest.mark.parametrize("name", WRONG)
def test_a_wrong_bridge_is_refuted_and_breaks_the_proof(name):
    row = replace(BRIDGE.row("weights"), value=WRONG[name])
    network = replace(RELU, ratios=(1, 1, 1), sigma_w2=1.5)
    (found,) = check(replace(BRIDGE, rows=(row,)), network, samples=10, precision=0.05)
    assert found.verdict == Verdict.REFUTED
    with pytest.raises(ProofError, match="weights"):
        replace(BRIDGE.prove(), theorem=replace(BRIDGE, rows=(row,))).verify()


def test_regime():
    for network, samples, reason in (
        (replace(RELU, last="none"), 10, "batch norm with eps = 0 in the last layer"),
        (replace(RELU, last=BatchNorm(eps=0.1)), 10, "eps = 0"),
        (replace(RELU, sigma_b2=0.1), 10, "layer 1"),
        (replace(RELU, activation="tanh"), 10, "layer 1"),
        (replace(RELU, batch_size=5), 10, "batch_size"),
        (RELU, 3, "N > 3"),
        (TANH, 5, "N > 5"),
        (replace(RELU, depth=2, ratios=(1, 1), layers=None), 10, "depth 3, but depth = 2"),
    ):
        with pytest.raises(OutOfRegime, match=reason):
            BRIDGE.requires(network, samples)
    BRIDGE.requires(replace(TANH, layers=None, hidden="layernorm", sigma_b2=0), 4)


def test_regime_of_the_last_layer():
    one = theorem("bridge-last-layer")
    for network, samples, reason in (
        (replace(RELU, last="none"), 10, "batch norm with eps = 0 in the last layer"),
        (replace(RELU, depth=4, ratios=(1,) * 4, layers=None), 10, "depth 3, but depth = 4"),
        (RELU, 3, "N > 3"),
    ):
        with pytest.raises(OutOfRegime, match=reason):
            one.requires(network, samples)
    one.requires(replace(RELU, sigma_b2=0.1, activation="tanh"), 4)


# Numbers of one network


@pytest.mark.parametrize("gamma", [1.0, 1.7])
def test_relu_without_biases_has_the_coefficient_of_its_angles(gamma):
    r"""(L - 1) sum_l (1 - t_l c_l)/(1 - c_L) gamma^2 M^2/N at sigma^2 = q_1 - q_2, by angles.

    Leading order: the mean |w|^2 without the weights of the outputs.
    """
    width, samples = 10**6, 8
    for L, known in ((2, 2.46694), (3, 9.14254), (4, 22.31632), (5, 44.75347)):
        c = [0.0]
        for _ in range(L - 1):
            angle = np.arccos(c[-1])
            c.append((np.sin(angle) + (np.pi - angle) * np.cos(angle)) / np.pi)
        t = [1.0]
        for one in reversed(c[:-1]):
            t.insert(0, t[0] * (np.pi - np.arccos(one)) / np.pi)
        own = (L - 1) * sum(1 - a * b for a, b in zip(t, c, strict=True)) / (1 - c[-1])
        assert own == pytest.approx(known, abs=1e-5)
        network = Network("relu", depth=L, sigma_w2=2, last=BatchNorm(gamma=gamma))
        f = np.random.default_rng(L).standard_normal((1, samples))
        f *= np.sqrt(2 * (1 - c[-1]) / f.var())
        whole, *_ = bridge(network, width, samples, f)
        assert whole.eigenvalues[0] == pytest.approx(own * gamma**2 * width**2 / samples, rel=1e-5)


def test_bridge_adds_up_and_takes_any_parameterization():
    f = np.random.default_rng(0).standard_normal((2, 7))
    plain = bridge(SMALL, 20, 7, f)
    assert [one.layer for one in plain] == [None, 1, 2, 3]
    assert plain[0].norm2 == pytest.approx(sum(one.norm2 for one in plain[1:]))
    assert plain[0].norm2 == 2 * (40 + 10 + 2)
    gaps = [np.array(one.eigenvalues) / one.norm2 for one in plain]
    assert gaps[0] == pytest.approx(sum(gaps[1:]))
    assert plain[0].curvature == gaps[0].max()
    ntk = bridge(replace(SMALL, parameterization="ntk"), 20, 7, f)
    assert ntk[0].norm2 == 20 * 40 + 40 * 10 + 10 * 2
    assert [one.norm2 * one.curvature for one in ntk[1:]] == pytest.approx(
        [one.norm2 * one.curvature for one in plain[1:]]
    )
    with pytest.raises(DescriptionError, match=r"outputs of shape \(2, 7\)"):
        bridge(SMALL, 20, 7, f[:1])
    with pytest.raises(DescriptionError, match="vary over the samples"):
        bridge(SMALL, 20, 7, np.ones((2, 7)))


def test_time_to_the_edge_is_that_of_the_steps():
    eta, decay, curvature = 0.01, 1e-4, 3.0
    rate = effective_learning_rate(eta, decay, 5.0)
    steps = steps_to_edge(rate, 5.0 * curvature, decay)
    assert time_to_edge_at(curvature, eta, decay) == pytest.approx(steps * decay, abs=2 * decay)
