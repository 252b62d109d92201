"""The matrix-free largest eigenvalue against the Gram matrix, and its honest failure."""

import tracemalloc

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings

from numerics.blocks import layer_grams
from numerics.dual_product import DualProduct
from numerics.fisher import dual_gram
from numerics.lanczos import lanczos
from numerics.largest_eigenvalue import largest_eigenvalue, top_eigenvalues
from numerics.network import (
    Parameters,
    backpropagate,
    draw_inputs,
    draw_parameters,
    propagate,
)
from tests.test_schemes_numeric import as_table, built, networks, plain_forward, posed
from theory.architecture import DescriptionError, Network, NotConverged

START = np.random.default_rng(0).standard_normal(2000)  # of the iterations without a network


@given(networks())
@settings(deadline=None, max_examples=150, suppress_health_check=[HealthCheck.filter_too_much])
def test_product_is_that_of_the_dual_fisher_matrix_of_any_network(case):
    network, phi, parameters, inputs = built(case)
    posed(plain_forward, network, phi, as_table(parameters), inputs[0])
    F = dual_gram(network, parameters, inputs)[0] / 6
    product = DualProduct.at(network, parameters, inputs)
    found = np.array([product(e) for e in np.eye(product.size)])
    assert np.abs(found - F).max() <= 1e-11 * max(1, np.abs(F).max())


def drawn(hidden, width, samples, *, outputs=2, activation="relu"):
    network = Network(activation, depth=3, sigma_w2=2, sigma_b2=0.1, hidden=hidden, outputs=outputs)
    rng = np.random.default_rng(4)
    parameters = draw_parameters(network, width, 1, rng)
    return network, parameters, draw_inputs(network, width, samples, 1, rng)


@pytest.mark.parametrize("residual", [1e-2, 1e-4, 1e-8])
@pytest.mark.parametrize("hidden", ["none", "batchnorm", "layernorm"])
def test_largest_eigenvalue_lies_within_its_residual(hidden, residual):
    network, parameters, inputs = drawn(hidden, 64, 24)
    exact = np.linalg.eigvalsh(dual_gram(network, parameters, inputs)[0] / 24)
    found = largest_eigenvalue(network, parameters, inputs, residual=residual)
    assert found.residual <= residual
    assert np.abs(exact - found.value).min() <= residual * found.value
    assert found.value == pytest.approx(exact[-1], rel=max(residual, 1e-10))


@pytest.mark.parametrize("hidden", ["none", "batchnorm", "layernorm"])
@pytest.mark.parametrize("activation", ["tanh", "relu"])
def test_largest_eigenvalue_need_not_be_that_of_the_output_layer(activation, hidden):
    network = Network(
        activation, depth=3, sigma_w2=2, sigma_b2=0.1, hidden=hidden, ratios=(20, 1, 0.25)
    )
    rng = np.random.default_rng(2)
    parameters = draw_parameters(network, 64, 1, rng)
    inputs = draw_inputs(network, 64, 24, 1, rng)
    exact = np.linalg.eigvalsh(dual_gram(network, parameters, inputs)[0] / 24)[-1]
    product = DualProduct.at(network, parameters, inputs)
    own = np.array([product.of_layers_from(3, e) for e in np.eye(24)])
    h = propagate(network, parameters, inputs).activations[-1][0]
    assert own == pytest.approx((h @ h.T + 1) / 24, rel=1e-12)
    assert np.linalg.eigvalsh(own)[-1] < exact / 2
    found = largest_eigenvalue(network, parameters, inputs, residual=1e-4)
    assert found.value == pytest.approx(exact, rel=1e-4)
    assert np.linalg.norm(product(found.vector) - found.value * found.vector) == pytest.approx(
        found.residual * found.value, rel=1e-6
    )


@pytest.mark.parametrize("hidden", ["none", "batchnorm", "layernorm"])
@pytest.mark.parametrize(
    ("activation", "depth", "last"),
    [
        ("relu", 2, "none"),
        ("tanh", 3, "none"),
        ("relu", 4, "none"),
        ("tanh", 3, "mean-subtraction"),
    ],
)
def test_top_eigenvalues_are_those_of_the_matrix(activation, depth, last, hidden):
    network = Network(
        activation, depth=depth, sigma_w2=2, sigma_b2=0.1, hidden=hidden, last=last, outputs=3
    )
    rng = np.random.default_rng(8)
    parameters = draw_parameters(network, 64, 1, rng)
    inputs = draw_inputs(network, 64, 20, 1, rng)
    F = dual_gram(network, parameters, inputs)[0] / 20
    exact = np.linalg.eigvalsh(F)[::-1]
    found = top_eigenvalues(network, parameters, inputs, 4, residual=1e-8)
    for one, value in zip(found, exact, strict=False):
        assert one.value == pytest.approx(value, rel=1e-9)
        length = np.linalg.norm(F @ one.vector - one.value * one.vector)
        assert length <= 1.01e-8 * exact[0]
    vectors = np.array([one.vector for one in found])
    assert vectors @ vectors.T == pytest.approx(np.eye(4), abs=1e-12)


def test_all_eigenvalues_can_be_asked_for_and_no_more():
    network, parameters, inputs = drawn("none", 16, 3)
    exact = np.linalg.eigvalsh(dual_gram(network, parameters, inputs)[0] / 3)[::-1]
    found = top_eigenvalues(network, parameters, inputs, 6, residual=1e-10)
    assert [one.value for one in found] == pytest.approx(exact, rel=1e-9, abs=1e-9)
    with pytest.raises(DescriptionError, match="from 1 to 6, 7 given"):
        top_eigenvalues(network, parameters, inputs, 7)
    with pytest.raises(DescriptionError, match=r"from 1 to 6, 1\.5 given"):
        top_eigenvalues(network, parameters, inputs, 1.5)


@pytest.mark.parametrize("scale", [1e-30, 1e-6, 1e30])
def test_numbers_that_float32_cannot_hold_are_left_to_float64(scale):
    network, parameters, inputs = drawn("none", 32, 8)
    *below, last = parameters.weights
    scaled = parameters._replace(weights=(*below, scale * last))
    exact = np.linalg.eigvalsh(dual_gram(network, scaled, inputs)[0] / 8)[-1]
    found = largest_eigenvalue(network, scaled, inputs, residual=1e-8)
    assert found.value == pytest.approx(exact, rel=1e-11)


def test_float64_has_products_left_where_float32_never_converges(monkeypatch):
    network, parameters, inputs = drawn("batchnorm", 32, 24)
    monkeypatch.setattr("numerics.largest_eigenvalue.ROUGH", 1e-14)
    exact = np.linalg.eigvalsh(dual_gram(network, parameters, inputs)[0] / 24)[-1]
    found = largest_eigenvalue(network, parameters, inputs, residual=1e-9, most=40)
    assert found.value == pytest.approx(exact, rel=1e-11)
    assert found.products <= 40


def test_what_the_layers_on_top_do_not_see_is_found():
    """The largest eigenvalue comes from the first layer alone, and from one sample."""
    network = Network("relu", depth=3, sigma_w2=2, sigma_b2=0.1)
    rng = np.random.default_rng(6)
    parameters = draw_parameters(network, 64, 1, rng)
    inputs = draw_inputs(network, 64, 24, 1, rng)
    first, *others = parameters.weights
    inputs[0, 0] *= 100
    scaled = parameters._replace(weights=(first / 100, *others))
    F = dual_gram(network, scaled, inputs)[0] / 24
    on_top = DualProduct.at(network, scaled, inputs)
    part = np.array([on_top.of_layers_from(2, e) for e in np.eye(24)])
    assert np.linalg.eigvalsh(part)[-1] < 0.1 * np.linalg.eigvalsh(F)[-1]
    found = largest_eigenvalue(network, scaled, inputs)
    assert found.value == pytest.approx(np.linalg.eigvalsh(F)[-1], rel=1e-5)


def test_the_layers_on_top_contribute_their_own_part():
    network, parameters, inputs = drawn("layernorm", 16, 6)
    product = DualProduct.at(network, parameters, inputs)
    run = propagate(network, parameters, inputs)
    whole = np.array([product(e) for e in np.eye(12)])
    from_second = np.array([product.of_layers_from(2, e) for e in np.eye(12)])
    first = next(one for one in layer_grams(network, run) if one.name == "weights.1")
    biases = np.zeros((12, 12))
    for sensitivity in backpropagate(run):
        if sensitivity.layer == 1:
            D = sensitivity.inner.reshape(12, -1)
            biases = D @ D.T
    assert whole - from_second == pytest.approx((first.gram[0] + biases) / 6, abs=1e-12)


def test_a_network_without_gradients_has_the_eigenvalue_zero():
    network = Network("relu", depth=2, sigma_w2=1, sigma_b2=1, bias_gradients=False)
    weights = np.zeros((1, 3, 2)), np.ones((1, 2, 1))
    dead = Parameters(weights, (-np.ones((1, 2)), np.zeros((1, 1))))
    assert largest_eigenvalue(network, dead, np.eye(3)).value == 0


def test_a_product_beyond_float64_is_refused():
    with pytest.raises(OverflowError, match="range of float64"):
        lanczos(lambda v: np.inf * v, START[:5], residual=1e-6, most=5)


def test_a_spectrum_without_a_gap_is_not_reported_as_converged():
    eigenvalues = np.linspace(0.9, 1, 2000)
    with pytest.raises(NotConverged, match=r"after 5 products, 1\.0e-06 was asked for"):
        lanczos(lambda v: eigenvalues * v, START, residual=1e-6, most=5)


def test_a_product_that_is_not_symmetric_is_found_out():
    rng = np.random.default_rng(1)
    matrix = np.eye(30) + 0.3 * rng.standard_normal((30, 30))
    with pytest.raises(NotConverged):
        lanczos(lambda v: matrix @ v, START[:30], residual=1e-6, most=100)


def test_a_matrix_of_rank_one_and_a_zero_one_are_exhausted_at_once():
    u = np.arange(1.0, 6)
    found = lanczos(lambda v: u * (u @ v), START[:5], residual=1e-10, most=10)
    assert found.value == pytest.approx(55)
    assert lanczos(lambda v: 0 * v, START[:5], residual=1e-10, most=10).value == 0


def test_memory_is_that_of_the_weights_and_not_of_the_derivatives():
    network, parameters, inputs = drawn("batchnorm", 256, 128, outputs=10)
    tracemalloc.start()
    largest_eigenvalue(network, parameters, inputs)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 8 * (30 * 128 * 256 + 10 * 128**2 + 30 * 1280)  # D alone has 42 million numbers
