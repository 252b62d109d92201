"""Gradient descent: its gradient by differences, its growth near a point of zero residual."""

from dataclasses import replace

import numpy as np
import pytest

from numerics.descent import descend, final_losses, gradient, growth
from numerics.network import draw_inputs, draw_parameters, forward
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


@named
@pytest.mark.parametrize("factor", [0.97, 1.05, 1.2, 1.4])
def test_loss_grows_by_the_top_mode_near_zero_residual(network, factor):
    found = growth(network, 64, 8, factor, seed=3)
    assert found == pytest.approx((1 - 2 * factor) ** 2, abs=1e-3)


def test_predicted_threshold_separates_descent_from_growth():
    network = replace(TANH, outputs=1)
    threshold = predict(network, 256, 8).learning_rate_threshold
    below, above = (
        descend(network, 256, 8, factor * threshold, 12, range(2)) for factor in (0.5, 3)
    )
    assert (below[:, -1] < 0.5 * below[:, 0]).all()
    assert (above.max(axis=1) > 3 * above[:, 0]).all()


def test_final_losses_have_a_row_for_each_width_and_a_column_for_each_rate():
    network = replace(TANH, last=MeanSubtraction())
    found = final_losses(network, (32, 64), 8, (0.01, 0.02, 0.03), 2, (0, 1))
    assert found.shape == (2, 3)
    again = descend(network, 64, 8, 0.02, 2, (0, 1))
    assert found[1, 1] == again[:, -1].mean()


def test_loss_beyond_float64_is_infinite():
    network = replace(TANH, activation="linear", sigma_w2=1)
    found = descend(network, 32, 8, 1e30, 20, (0,))
    assert np.isinf(found[0, -1])
    assert np.isfinite(found[0, 0])
    assert not np.isnan(found).any()


def test_bad_input_is_refused():
    with pytest.raises(DescriptionError, match="0 < eta"):
        descend(TANH, 32, 8, 0, 3, (0,))
    with pytest.raises(NotCovered, match="normalized weights"):
        descend(replace(TANH, weights="weight-normalization"), 32, 8, 0.1, 3, (0,))
