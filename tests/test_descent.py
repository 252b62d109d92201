"""Gradient descent: its gradient by differences, its growth near a point of zero residual."""

import csv
import json
from dataclasses import replace

import numpy as np
import pytest

from derivations.cli import main
from numerics.descent import descend, gradient, growth
from numerics.fisher import dual_gram
from numerics.network import Parameters, draw_inputs, draw_parameters, forward
from theory.architecture import BatchNorm, DescriptionError, LayerNorm, MeanSubtraction, Network
from theory.errors import NotCovered
from theory.prediction import predict

TANH = Network("tanh", depth=3, sigma_w2=3, sigma_b2=0.64, outputs=2)
NETWORKS = {
    "plain": TANH,
    "ratios": replace(TANH, ratios=(2, 1, 0.5)),
    "no bias gradients": replace(TANH, bias_gradients=False),
    "ntk": replace(TANH, parameterization="ntk"),
    "hidden batch norm": replace(TANH, layers=(BatchNorm(), LayerNorm())),
    "trained": replace(TANH, layers=(BatchNorm(trained=True), LayerNorm(gamma=1.3, trained=True))),
    "last mean subtraction": replace(TANH, last=MeanSubtraction()),
    "last batch norm": replace(TANH, last=BatchNorm(gamma=0.7, beta=0.2)),
}


named = pytest.mark.parametrize("network", NETWORKS.values(), ids=NETWORKS)


@named
def test_gradient_is_the_slope_of_the_loss(network):
    rng = np.random.default_rng(7)
    parameters = draw_parameters(network, 12, 1, rng)
    inputs = draw_inputs(network, 12, 8, 1, rng)
    targets = rng.standard_normal((1, 2, 8))

    def loss(changed):
        return float(((forward(network, changed, inputs) - targets) ** 2).sum()) / 16

    slope = gradient(network, parameters, inputs, forward(network, parameters, inputs) - targets)
    for part, (arrays, slopes) in enumerate(zip(parameters, slope, strict=True)):
        for at, array in enumerate(arrays):
            direction = rng.standard_normal(array.shape)
            sides = []
            for step in (1e-5, -1e-5):
                moved = (*arrays[:at], array + step * direction, *arrays[at + 1 :])
                sides.append(loss(parameters._replace(**{parameters._fields[part]: moved})))
            expected = (sides[0] - sides[1]) / 2e-5
            fixed = part == 1 and not network.bias_gradients
            if part > 1 and not any(getattr(s, "trained", False) for s in network.layers):
                fixed = True
            found = float((slopes[at] * direction).sum())
            assert found == (0 if fixed else pytest.approx(expected, rel=1e-6, abs=1e-8))


def test_gradients_of_several_networks_are_those_of_each():
    network, rng = NETWORKS["trained"], np.random.default_rng(8)
    parameters = draw_parameters(network, 12, 3, rng)
    inputs = draw_inputs(network, 12, 8, 3, rng)
    residual = rng.standard_normal((3, 2, 8))
    together = gradient(network, parameters, inputs, residual)
    for n in range(3):
        one = parameters.of(slice(n, n + 1))
        alone = gradient(network, one, inputs[n : n + 1], residual[n : n + 1])
        for part, single in zip(together, alone, strict=True):
            for array, expected in zip(part, single, strict=True):
                assert array[n] == pytest.approx(expected[0], rel=1e-12, abs=1e-15)


def drawn(network, width, samples, seed):
    rng = np.random.default_rng(seed)
    parameters = draw_parameters(network, width, 1, rng)
    return parameters, draw_inputs(network, width, samples, 1, rng), rng


def top(network, parameters, inputs):
    return np.linalg.eigvalsh(dual_gram(network, parameters, inputs)[0] / inputs.shape[-2])[-1]


@named
def test_loss_grows_by_the_top_mode_near_zero_residual(network):
    largest = top(network, *drawn(network, 64, 8, seed=3)[:2])
    factors = np.array([0.2, 0.97, 1.05, 1.2, 1.4])
    found = growth(network, 64, 8, 2 * factors / largest, (3,))
    assert found.largest == pytest.approx(largest, rel=1e-9)
    assert found.factor[:, 0] == pytest.approx((1 - 2 * factors) ** 2, rel=1e-5)


def test_predicted_threshold_separates_descent_from_growth():
    network = replace(TANH, outputs=1)
    rates = np.array([0.5, 3]) * predict(network, 256, 8).learning_rate_threshold
    near = growth(network, 256, 8, rates, range(2)).factor
    assert (near[0] < 1).all()
    assert (near[1] > 9).all()
    below, above = descend(network, 256, 8, rates, 12, range(2)).losses
    assert (below[:, -1] < 0.5 * below[:, 0]).all()
    assert (above.max(axis=1) > 3 * above[:, 0]).all()


@named
def test_steps_are_those_of_the_gradient_and_land_where_they_lead(network):
    parameters, inputs, rng = drawn(network, 24, 8, seed=5)
    targets, eta = rng.standard_normal((1, 2, 8)), 0.02
    losses = []
    for _ in range(3):
        residual = forward(network, parameters, inputs) - targets
        losses.append((residual**2).sum() / 16)
        last = parameters
        slope = gradient(network, parameters, inputs, residual)
        parameters = Parameters(
            *(
                tuple(a - eta * b for a, b in zip(*parts, strict=True))
                for parts in zip(parameters, slope, strict=True)
            )
        )
    found = descend(network, 24, 8, (eta,), 2, (5,))
    assert found.losses[0, 0] == pytest.approx(losses, rel=1e-10)
    assert found.landing[0, 0] == pytest.approx(top(network, last, inputs), rel=1e-9)


def test_a_rate_is_run_the_same_alone_and_with_others(monkeypatch):
    rates = (0.01, 1e30, 0.02, 0.5)
    together = descend(TANH, 32, 8, rates, 6, (0, 1))
    assert together.losses.shape == (4, 2, 7)
    monkeypatch.setattr("numerics.descent.TOGETHER", 1)
    for found, alone in zip(together, descend(TANH, 32, 8, rates, 6, (0, 1)), strict=True):
        assert found == pytest.approx(alone, rel=1e-9)


def test_above_the_threshold_the_loss_rises_and_lands_in_a_flatter_place():
    network = replace(TANH, outputs=1)
    start = growth(network, 256, 32, (1e-3,), (0,)).largest[0]
    eta = 3.5 / start
    found = descend(network, 256, 32, (eta,), 60, (0,))
    losses = found.losses[0, 0]
    assert losses.max() > 10 * losses[0]
    assert losses[-1] < 0.05 * losses[0]
    assert found.landing[0, 0] < 2 / eta < start


def test_loss_beyond_float64_is_infinite():
    network = replace(TANH, activation="linear", sigma_w2=1)
    found = descend(network, 32, 8, (1e30,), 20, (0,))
    assert np.isinf(found.losses[0, 0, -1])
    assert np.isinf(found.landing[0, 0])
    assert np.isfinite(found.losses[0, 0, 0])
    assert not np.isnan(found.losses).any()


def test_descent_ends_where_a_normalization_would_divide_by_zero():
    trained = BatchNorm(trained=True)  # a step far down kills all units of a layer
    network = Network("relu", depth=3, sigma_w2=2, sigma_b2=0.1, layers=(trained, trained))
    found = descend(network, 4, 8, (0.01, 30), 12, (1,))
    losses = found.losses[:, 0]
    assert np.isfinite(losses[0]).all()
    assert np.isinf(losses[1, -1])
    assert losses[1][np.isfinite(losses[1])].max() < 1e100
    assert np.isinf(found.landing[1, 0])


def test_a_largest_eigenvalue_beyond_float64_is_infinite():
    network = Network("relu", depth=3, sigma_w2=2, sigma_b2=0.1, last=MeanSubtraction())
    found = descend(network, 1, 4, (1e158,), 1, (0,))  # dead, above activations of 1e158
    assert np.isfinite(found.losses).all()
    assert np.isinf(found.landing[0, 0])


def test_bad_input_is_refused():
    with pytest.raises(DescriptionError, match="0 < eta"):
        descend(TANH, 32, 8, (0.1, 0), 3, (0,))
    with pytest.raises(DescriptionError, match="0 seeds"):
        growth(TANH, 32, 8, (0.1,), ())
    with pytest.raises(NotCovered, match="normalized weights"):
        descend(replace(TANH, weights="weight-normalization"), 32, 8, (0.1,), 3, (0,))
    with pytest.raises(DescriptionError, match="leaves the range of float64"):
        growth(replace(TANH, activation="exp", sigma_w2=1e6), 32, 8, (0.1,), (0,))


# The command

FILE = """
activation = "relu"
depth = 3
sigma_w2 = 2
sigma_b2 = 0.1
"""
GRID = ("--widths", "32,64", "--samples", "10", "--rates", "0.01,0.08", "--steps", "4")


@pytest.fixture
def command(tmp_path, capsys):
    """Runs ``fisherfield descent`` on a network: its exit status, and what it wrote."""
    path = tmp_path / "net.toml"
    path.write_text(FILE, encoding="utf-8")

    def run(*arguments):
        try:
            status = main(["descent", str(path), *arguments])
        except SystemExit as ended:
            status = ended.code
        return status, *capsys.readouterr()

    return run


def test_command_joins_prediction_and_measurement(command, tmp_path):
    out = tmp_path / "map.csv"
    lasts = ("--last", "none,mean-subtraction")
    status, text, err = command(*GRID, "--seeds", "2", *lasts, "--out", str(out), "--json")
    assert (status, err) == (0, "")
    said = json.loads(text)
    assert [(one["last"], one["width"]) for one in said["widths"]] == [
        (last, width) for last in ("none", "mean-subtraction") for width in (32, 64)
    ]
    network = Network("relu", depth=3, sigma_w2=2, sigma_b2=0.1)
    for one in said["widths"]:
        mapped = replace(network, last=one["last"])
        threshold = predict(mapped, one["width"], 10).learning_rate_threshold
        near = growth(mapped, one["width"], 10, (0.01, 0.08), (0, 1))
        ran = descend(mapped, one["width"], 10, (0.01, 0.08), 4, (0, 1))
        assert one["predicted_threshold"] == pytest.approx(threshold)
        assert one["predicted_largest_eigenvalue"] == pytest.approx(2 / threshold)
        assert one["largest_eigenvalues"] == pytest.approx(list(near.largest))
        assert one["measured_threshold"] == pytest.approx(2 / near.largest.mean())
        for r, cell in enumerate(one["rates"]):
            losses = ran.losses[r]
            assert cell["growth"] == pytest.approx(cell["expected_growth"], rel=1e-5)
            assert cell["growth"] == pytest.approx(near.factor[r].mean())
            assert cell["above"] == cell["grows"] == (near.factor[r] > 1).sum()
            assert cell["initial_loss"] == pytest.approx(losses[:, 0].mean())
            assert cell["peak_loss"] == pytest.approx(losses.max(axis=1).mean())
            assert cell["final_loss"] == pytest.approx(losses[:, -1].mean())
            assert cell["landing_largest_eigenvalue"] == pytest.approx(ran.landing[r].mean())
            assert cell["diverged"] == 0
    assert {cell["grows"] for one in said["widths"] for cell in one["rates"]} == {0, 1, 2}
    rows = list(csv.DictReader(out.read_text(encoding="utf-8").splitlines()))
    cells = [(one, cell) for one in said["widths"] for cell in one["rates"]]
    assert len(rows) == len(cells) == 8
    for row, (one, cell) in zip(rows, cells, strict=True):
        for name, value in row.items():
            assert value == str(cell[name] if name in cell else one[name])


def test_command_shows_what_diverged_and_what_has_no_prediction(command):
    arguments = ("--widths", "32", "--samples", "10", "--rates", "0.01,1e200", "--steps", "4")
    status, out, err = command(*arguments, "--seeds", "1", "--last", "none,batchnorm")
    assert (status, err) == (0, "")
    assert "diverged" in out
    assert "2/lambda_max is - predicted" in out
    assert "no prediction: the largest eigenvalue is random" in out
    status, out, err = command(*arguments, "--seeds", "1", "--json")
    cell = json.loads(out, parse_constant=pytest.fail)["widths"][0]["rates"][1]
    assert (cell["final_loss"], cell["diverged"], cell["grows"]) == (None, 1, 1)


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ((*GRID, "--seeds", "0"), "--seeds must be at least 1"),
        ((*GRID[:-1], "0", "--seeds", "1"), "--steps must be at least 1"),
        ((*GRID, "--seeds", "1", "--widths", "64,x"), "--widths needs whole numbers"),
        ((*GRID, "--seeds", "1", "--widths", "0"), "width must be at least 1"),
        ((*GRID, "--seeds", "1", "--widths", "9999999"), "the budget is"),
        ((*GRID, "--seeds", "1", "--rates", "0.1,-1"), "--rates needs finite numbers above 0"),
        ((*GRID, "--seeds", "1", "--rates", "inf"), "'inf' given"),
        ((*GRID, "--seeds", "1", "--samples", "1"), "samples must be a whole number"),
        ((*GRID, "--seeds", "1", "--last", "foo"), "unknown scheme 'foo'"),
        ((*GRID, "--seeds", "1", "--last", "rmsnorm"), "not covered yet: rmsnorm"),
        ((*GRID, "--seeds", "1", "--regime", "x"), "unknown regime"),
        ((*GRID, "--seeds", "1", "--out", "/no/such/place.csv"), "cannot write"),
        ((*GRID, "--seeds", "1", "--rates-from", "1", "2", "3"), "not allowed with"),
        ((*GRID[:4], *GRID[6:], "--seeds", "1", "--rates-from", "2", "1", "3"), "LOW < HIGH"),
        ((*GRID[:4], *GRID[6:], "--seeds", "1"), "--rates --rates-from is required"),
    ],
)
def test_command_refuses_bad_input_in_one_line(command, arguments, expected):
    status, out, err = command(*arguments)
    assert (status, out) == (2, "")
    assert len(err.splitlines()) == 1
    assert expected in err


def test_command_spaces_rates_in_equal_ratios(command):
    arguments = ("--widths", "32", "--samples", "10", "--steps", "1", "--seeds", "1", "--json")
    said = json.loads(command(*arguments, "--rates-from", "0.01", "0.16", "3")[1])
    rates = [cell["rate"] for cell in said["widths"][0]["rates"]]
    assert rates == pytest.approx([0.01, 0.04, 0.16])
