"""Networks in float32: every array keeps the precision, and errors are those of its rounding."""

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings

from numerics.activations import evaluate
from numerics.dual_product import DualProduct
from numerics.fisher import dual_gram
from numerics.network import draw_inputs, draw_parameters
from numerics.parameters import Parameters
from tests.test_schemes_numeric import as_table, built, networks, plain_forward, posed
from theory.architecture import Activation, Network

SINGLE = np.float32

NAMES = ["relu", "tanh", "gelu", "erf", "silu", "softplus", "sin", "hard_tanh", "linear", "mish"]


@given(networks())
@settings(deadline=None, max_examples=60, suppress_health_check=[HealthCheck.filter_too_much])
def test_every_network_stays_in_the_precision_of_its_parameters(case):
    network, phi, parameters, inputs = built(case)
    posed(plain_forward, network, phi, as_table(parameters), inputs[0])
    single, seen = parameters.astype(SINGLE), inputs.astype(SINGLE)
    assert dual_gram(network, single, seen).dtype == SINGLE
    product = DualProduct.at(network, single, seen)
    assert product(product.random()).dtype == SINGLE


@pytest.mark.parametrize("name", NAMES)
def test_activations_are_rounded_once(name):
    x = np.linspace(-4, 4, 1001, dtype=SINGLE)
    for found, exact in zip(
        evaluate(Activation.named(name), x),
        evaluate(Activation.named(name), x.astype(float)),
        strict=True,
    ):
        assert found.dtype == SINGLE
        assert np.abs(found - exact).max() <= 8 * np.finfo(SINGLE).eps * np.abs(exact).max()


@pytest.mark.parametrize("activation", ["relu", "tanh"])
@pytest.mark.parametrize("hidden", ["none", "mean-subtraction", "batchnorm", "layernorm"])
@pytest.mark.parametrize(("last", "error"), [("none", 3e-7), ("batchnorm", 1e-6)])
def test_the_error_of_the_gram_matrix_is_the_stated_one(hidden, activation, last, error):
    network = Network(activation, depth=3, sigma_w2=2, sigma_b2=0.1, hidden=hidden, outputs=2)
    rng = np.random.default_rng(0)
    parameters = draw_parameters(network, 128, 1, rng).astype(SINGLE)
    inputs = draw_inputs(network, 128, 24, 1, rng).astype(SINGLE)
    single = dual_gram(network, parameters, inputs)
    exact = dual_gram(network, parameters.astype(float), inputs.astype(float))
    assert np.linalg.norm(single - exact) <= error * np.linalg.norm(exact)


def test_parameters_of_another_precision_are_the_same_numbers_rounded():
    network = Network("relu", depth=3, sigma_w2=2, hidden="batchnorm")
    parameters = draw_parameters(network, 8, 2, np.random.default_rng(0))
    single = parameters.astype(SINGLE)
    assert isinstance(single, Parameters)
    for part, rounded in zip(parameters, single, strict=True):
        for array, other in zip(part, rounded, strict=True):
            assert other.dtype == SINGLE
            assert (other == array.astype(SINGLE)).all()
