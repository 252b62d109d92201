"""Activations and normalization operations against differences and sums by hand."""

import numpy as np
import pytest
from scipy import special

from numerics.activations import RULES, evaluate
from numerics.layers import operation
from tests.small_networks import CUSTOM, ERF, by_hand, over_lasts
from theory.architecture import (
    Activation,
    BatchNorm,
)

NAMED = [Activation.named(name) for name in ("linear", "relu", "erf", "tanh")]


@pytest.mark.parametrize("activation", [*NAMED, ERF, *CUSTOM.values()], ids=str)
def test_derivative_equals_central_difference(activation):
    x = np.linspace(-3, 3, 41) + 0.01234  # no kink within 8 steps
    value, derivative = evaluate(activation, x)
    h = 1e-3
    at = {k: evaluate(activation, x + k * h)[0] for k in (-3, -2, -1, 1, 2, 3)}
    expected = (45 * (at[1] - at[-1]) - 9 * (at[2] - at[-2]) + (at[3] - at[-3])) / (60 * h)
    assert derivative == pytest.approx(expected, rel=1e-10, abs=1e-10)
    assert value.shape == derivative.shape == x.shape


@pytest.mark.parametrize("name", ["linear", "erf", "tanh"])
def test_derivative_of_an_analytic_activation_equals_the_complex_step(name):
    x = np.linspace(-4, 4, 33)
    activation = Activation.named(name)
    by_step = evaluate(activation, x + 1e-30j)[0].imag / 1e-30
    assert evaluate(activation, x)[1] == pytest.approx(by_step, rel=1e-12, abs=1e-300)


@pytest.mark.parametrize(
    ("name", "phi"),
    [
        ("linear", lambda x: x),
        ("relu", lambda x: x * (x > 0)),
        ("erf", special.erf),
        ("tanh", lambda x: np.expm1(2 * x) / (np.expm1(2 * x) + 2)),
    ],
)
def test_activation_is_the_function_of_its_name(name, phi):
    x = np.linspace(-3, 3, 25)
    assert evaluate(Activation.named(name), x)[0] == pytest.approx(phi(x), rel=1e-13, abs=1e-15)


def test_every_operation_of_the_grammar_occurs_in_the_activations_tested_here():
    for name, activation in CUSTOM.items():
        assert name in {getattr(node, "function", None) for node in _nodes(activation.tree)}
    assert set(CUSTOM) == set(RULES)


def _nodes(tree):
    yield tree
    for argument in getattr(tree, "arguments", ()):
        yield from _nodes(argument)


def test_a_constant_activation_fills_its_array():
    value, derivative = evaluate(Activation("one", "1"), np.zeros((2, 3)))
    assert (value == 1).all()
    assert value.shape == (2, 3)
    assert (derivative == 0).all()


# Normalization operations


@over_lasts
def test_operation_equals_its_definition_sample_by_sample(last):
    u = np.random.default_rng(1).standard_normal((2, 3, 5)) * 3 + 1
    applied = operation(last).apply(last, u)
    for index in np.ndindex(2, 3):
        assert applied[index] == pytest.approx(by_hand(last, u[index].tolist()), rel=1e-13, abs=0)


@over_lasts
def test_jacobian_of_an_operation_equals_central_difference(last):
    rng = np.random.default_rng(2)
    u, tangent = rng.standard_normal((2, 7)) * 2, rng.standard_normal((2, 7))
    apply, h = operation(last).apply, 1e-3
    expected = (
        8 * (apply(last, u + h * tangent) - apply(last, u - h * tangent))
        - (apply(last, u + 2 * h * tangent) - apply(last, u - 2 * h * tangent))
    ) / (12 * h)
    assert operation(last).jvp(last, u, tangent) == pytest.approx(expected, rel=1e-9, abs=1e-10)


@over_lasts
def test_vjp_is_the_transpose_of_jvp(last):
    rng = np.random.default_rng(3)
    u, tangent, cotangent = rng.standard_normal((3, 4, 6))
    left = (cotangent * operation(last).jvp(last, u, tangent)).sum(axis=-1)
    right = (operation(last).vjp(last, u, cotangent) * tangent).sum(axis=-1)
    assert left == pytest.approx(right, rel=1e-12, abs=0)


@over_lasts
def test_jvp_broadcasts_one_point_against_many_tangents(last):
    rng = np.random.default_rng(4)
    u, tangents = rng.standard_normal((2, 1, 5)), rng.standard_normal((2, 9, 5))
    many = operation(last).jvp(last, u, tangents)
    for i, j in np.ndindex(2, 9):
        one = operation(last).jvp(last, u[i, 0], tangents[i, j])
        assert many[i, j] == pytest.approx(one, rel=1e-14, abs=0)


@pytest.mark.parametrize("eps", [0, 0.3])
def test_batch_norm_projects_out_the_mean_and_at_eps_zero_the_output_itself(eps):
    scheme = BatchNorm(gamma=1.3, beta=0.5, eps=eps)
    u = np.random.default_rng(5).standard_normal(8)
    J = operation(scheme).jvp(scheme, u, np.eye(8)).T
    assert J @ np.ones(8) == pytest.approx(np.zeros(8), abs=1e-14)
    # along the output the eigenvalue is (1 - tau) gamma/sqrt(sigma^2 + eps)
    variance = u.var()
    along = 1.3 / np.sqrt(variance + eps) * eps / (variance + eps)
    assert J @ (u - u.mean()) == pytest.approx(along * (u - u.mean()), abs=1e-13)
    assert np.linalg.matrix_rank(J, tol=1e-10) == 8 - 1 - (eps == 0)
