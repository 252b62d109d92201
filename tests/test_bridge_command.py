"""The edge of a start from the kernels: exact Hessians, fitted starts, and what is printed."""

import json
from dataclasses import replace

import numpy as np
import pytest
from scipy.sparse.linalg import ArpackNoConvergence

import derivations.bridge_command as command
import theory.bridge
from derivations.cli import main
from derivations.sharpness import bridge as record
from numerics import curvature
from numerics.descent import gradient
from numerics.ensemble import draw_block
from numerics.fisher import group_grams
from numerics.network import forward
from theory.architecture import DescriptionError, NotCovered
from theory.scale_invariance import effective_learning_rate
from theory.scale_invariance import steps_to_edge as predicted_steps

RELU, TANH, LINEAR, LAYERNORM = (replace(one, outputs=1) for one in record.NETWORKS)
N = 6


def drawn(network, M=12):
    parameters, inputs = draw_block(network, M, N, 0)
    targets = np.random.default_rng(0).standard_normal((1, int(network.outputs), N))
    return parameters.of(slice(0, 1)), inputs[:1], command._reachable(network, targets)


@pytest.mark.parametrize("network", [RELU, TANH, LAYERNORM, replace(TANH, outputs=2)])
def test_hessian_product_is_the_slope_of_the_gradient(network):
    parameters, inputs, targets = drawn(network)
    rng = np.random.default_rng(1)
    way = tuple(rng.standard_normal(W.shape) for W in parameters.weights)

    def slope(step):
        weights = tuple(W + step * v for W, v in zip(parameters.weights, way, strict=True))
        there = parameters._replace(weights=weights)
        return gradient(network, there, inputs, forward(network, there, inputs) - targets).weights

    found = curvature.hessian_product(network, parameters, inputs, targets, way)
    for one, ahead, behind in zip(found, slope(1e-6), slope(-1e-6), strict=True):
        assert one == pytest.approx((ahead - behind) / 2e-6, rel=1e-6, abs=1e-8)


@pytest.mark.parametrize("network", [RELU, TANH, LAYERNORM])
def test_at_zero_residual_the_hessian_is_the_fisher_matrix(network):
    parameters, inputs, targets = drawn(network, 32)

    def fisher(at):
        return np.linalg.eigvalsh(group_grams(network, at, inputs)["weights"][0] / N)[-1]

    there = curvature.fitted(network, parameters, inputs, targets)
    assert np.abs(forward(network, there, inputs) - targets).max() < 1e-11
    hessian = curvature.largest_curvature(network, there, inputs, targets)
    assert hessian == pytest.approx(fisher(there), rel=1e-7)
    start = curvature.largest_curvature(network, parameters, inputs, targets)
    assert abs(start / fisher(parameters) - 1) > 0.01


def test_a_fitted_start_reaches_the_edge_at_the_step_of_its_own_curvature():
    parameters, inputs, targets = drawn(RELU, 32)
    there = curvature.fitted(RELU, parameters, inputs, targets)
    top = curvature.largest_curvature(RELU, there, inputs, targets)
    eta, decay = 0.4 / top, 0.01
    found = curvature.steps_to_edge(RELU, there, inputs, targets, eta, decay, 240)
    assert predicted_steps(effective_learning_rate(eta, decay, 1), top, decay) == np.ceil(found)
    assert curvature.steps_to_edge(RELU, there, inputs, targets, eta, decay, 40) is None
    assert curvature.steps_to_edge(RELU, there, inputs, targets, 3 / top, decay, 40) == 0


def test_what_has_no_hessian_and_no_fit_is_refused():
    parameters, inputs, targets = drawn(LAYERNORM)
    smooth = replace(LAYERNORM, activation="gelu")
    with pytest.raises(NotCovered, match="the Hessian with the activation gelu"):
        curvature.largest_curvature(smooth, parameters, inputs, targets)
    with pytest.raises(DescriptionError, match="targets that its last layer can reach"):
        curvature.fitted(RELU, *drawn(RELU)[:2], 2 * drawn(RELU)[2])


# The command

FILE = """activation = "relu"
depth = 3
sigma_w2 = 2
last = {kind = "batchnorm", gamma = 1.3, beta = 0.4}
"""


@pytest.fixture
def net(tmp_path):
    path = tmp_path / "net.toml"
    path.write_text(FILE)
    return str(path)


def run(net, capsys, *options):
    sizes = ["--width", "100", "--samples", "4", "--seeds", "6", "--eps", "0.02", "--below", "0.4"]
    status = main(["bridge", net, *sizes, *options])
    return status, capsys.readouterr()


def test_the_edge_of_a_fitted_start_follows_from_the_kernels(net, capsys):
    """Judged from fitted starts alone, within 4 standard errors and 5 % for the finite width."""
    status, printed = run(net, capsys, "--json")
    found = json.loads(printed.out)
    assert status == 0
    assert [part["layer"] for part in found["parts"]] == [None, 1, 2, 3]
    for part in found["parts"]:
        assert part["norm2"]["ratio"] == pytest.approx(1, abs=4 * part["norm2"]["standard_error"])
        mean = part["mean"]
        assert mean["ratio"] == pytest.approx(1, abs=0.05 + 4 * mean["standard_error"])
        assert part["mean"]["ratio"] < part["largest"]["ratio"]
    for one in found["fitted"].values():
        assert one["standard_error"] < 0.06
        assert one["ratio"] == pytest.approx(1, abs=0.05 + 4 * one["standard_error"])
        measured = np.array(one["measured"]) / one["predicted"]
        assert measured.mean() == pytest.approx(one["ratio"])
        assert measured.std(ddof=1) / 6**0.5 == pytest.approx(one["standard_error"])
    assert len(found["start"]["steps_to_edge"]["measured"]) == 6


def test_a_wrong_curvature_is_seen_from_fitted_starts(net, capsys, monkeypatch):
    right = theory.bridge.spherical_eigenvalue
    monkeypatch.setattr(
        theory.bridge, "spherical_eigenvalue", lambda *sizes, **more: 2 * right(*sizes, **more)
    )
    _, printed = run(net, capsys, "--json", "--seeds", "2")
    ratios = {name: one["ratio"] for name, one in json.loads(printed.out)["fitted"].items()}
    assert ratios["curvature"] < 0.6
    assert ratios["edge_learning_rate"] > 1.6
    assert ratios["steps_to_edge"] > 1.6


def test_the_terminal_shows_every_ratio(net, capsys):
    status, printed = run(net, capsys, "--seeds", "1")
    assert status == 0
    lines = printed.out.splitlines()
    assert lines[0] == "measured/predicted"
    assert any(line.startswith("all weights, mean") for line in lines)
    assert any(line.startswith("fitted, steps_to_edge") for line in lines)


@pytest.mark.parametrize(
    ("options", "text", "status", "message"),
    [
        (("--below", "1.5"), FILE, 2, "--below must be below 1"),
        (("--eps", "1"), FILE, 2, "must lie between 0 and 1"),
        (("--seeds", "0"), FILE, 2, "--seeds"),
        ((), FILE.replace("relu", "tanh"), 3, "it sees that of layer 1"),
        ((), FILE.replace("last", "hidden"), 3, "batch norm with eps = 0 in the last layer"),
    ],
)
def test_bad_input_is_refused_in_one_line(options, text, status, message, tmp_path, capsys):
    path = tmp_path / "net.toml"
    path.write_text(text)
    found, printed = run(str(path), capsys, *options)
    assert found == status
    assert message in printed.err


def test_iterations_that_do_not_settle_are_no_traceback(net, capsys, monkeypatch):
    def stopped(*_, **__):
        raise ArpackNoConvergence("No convergence", np.empty(0), np.empty((0, 0)))

    monkeypatch.setattr(curvature, "eigsh", stopped)
    status, printed = run(net, capsys)
    assert status == 3
    assert "not converged: the largest eigenvalue of the Hessian" in printed.err
