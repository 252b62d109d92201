"""Kernels of given inputs of one norm: one map of 1 - c against every layer with more digits."""

import numpy as np
import pytest

from theory.architecture import Activation, DescriptionError, LayerNorm, Network, NotCovered
from theory.data_kernel import kernel
from theory.equal_norms import PAIRS, equal_norms
from theory.gaussian import closed_kernel, mean
from theory.mathematics import precise
from theory.pair import Law, Pair

CORRELATIONS = np.array([0.0, 1e-20, 1e-12, 1e-6, 0.01, 0.3, 1.0, 1.7, 2 - 1e-9, 2.0])
PLAIN = {"sigma_w2": 3, "sigma_b2": 0.64}
NETWORKS = {
    "bias far above the inputs": Network("gelu", depth=3, sigma_w2=1e-4, sigma_b2=1),
    "relu": Network("relu", depth=11, sigma_w2=2, sigma_b2=0.1),
    "relu without bias": Network("relu", depth=11, sigma_w2=2),
    "relu, 100 layers": Network("relu", depth=100, sigma_w2=2, sigma_b2=0.1),
    "erf": Network("erf", depth=11, **PLAIN),
    "gelu": Network("gelu", depth=11, **PLAIN),
    "tanh": Network("tanh", depth=4, **PLAIN),
    "ratios": Network("erf", depth=3, ratios=(1, 2, 0.5), **PLAIN),
    "even": Network("abs", depth=6, sigma_w2=1.2),
    "even with bias, NTK": Network("cos", depth=5, parameterization="ntk", **PLAIN),
    "odd with a kink": Network(
        Activation.from_expression("max(x, 0) - max(-x, 0)/2"), depth=4, **PLAIN
    ),
    "layer norm": Network("gelu", depth=4, hidden=LayerNorm(gamma=-1.3, eps=0.2), **PLAIN),
    "shifted layer norm": Network("erf", depth=4, hidden=LayerNorm(gamma=1.3, beta=0.4), **PLAIN),
    "weight standardization": Network("relu", depth=5, weights="weight-standardization", **PLAIN),
    "deep chaos": Network("erf", depth=40, sigma_w2=20),
}


def by_digits(net, first, dl):
    """Both kernels of one pair, layer after layer with 35 digits."""
    m = precise(20)
    one, sw2, sb2 = closed_kernel(net.activation), m.number(net.sigma_w2), m.number(net.sigma_b2)
    a = m.number(first)
    r = a * (1 - m.context.mpf(dl))  # not its shortest decimal
    ntk = net.parameterization == "ntk"
    tangent = m.number(0)
    for l, ratio in enumerate(net.ratios):
        weight = sw2 if ntk else m.number(ratio) / m.number(net.alpha)
        tangent = tangent + weight * r + (sb2 if ntk else 0)
        a, r = sw2 * a + sb2, sw2 * r + sb2
        if l == len(net.ratios) - 1:
            break
        scheme = net.layers[l]
        gamma, beta, deviation = m.number(1), 0, m.number(1)
        if isinstance(scheme, LayerNorm):
            gamma, deviation = m.number(scheme.gamma), a + m.number(scheme.eps)
            beta = m.number(scheme.beta) if scheme.beta else 0
        q, c = gamma**2 * a / deviation, gamma**2 * r / deviation
        pair = Pair.at(q, one_minus_c=(q - c) / q, mean1=beta, mean2=beta)
        tangent = sw2 * gamma**2 * one.derivative_dual(pair) * tangent / deviation
        removed = 0
        if net.weights == "weight-standardization":
            removed = mean(net.activation, Law(beta, q)) ** 2
        a, r = one.second(pair.u) - removed, one.dual(pair) - removed
    return float(r), float(tangent)


@pytest.mark.parametrize("net", NETWORKS.values(), ids=NETWORKS)
def test_one_map_has_the_digits_of_every_layer(net):
    first = 0.8
    # chaos multiplies the rounding of 1 + c, 1e-16
    dl = CORRELATIONS[CORRELATIONS < 1.9] if net == NETWORKS["deep chaos"] else CORRELATIONS
    found = np.array(equal_norms(net, first)(dl))
    expected = np.array([by_digits(net, first, float(one)) for one in dl]).T
    for values, digits in zip(found, expected, strict=True):
        np.testing.assert_allclose(values, digits, rtol=0, atol=1e-12 * abs(digits).max())


@pytest.mark.parametrize("net", NETWORKS.values(), ids=NETWORKS)
def test_only_chaos_needs_more_than_one_map(net):
    found = equal_norms(net, 0.8).composed
    assert (found.pieces > 1) == (net == NETWORKS["deep chaos"])
    assert found.error < 1e-12


def test_all_pairs_of_a_set_and_of_two_sets_are_those_of_the_map():
    net = NETWORKS["gelu"]
    X = np.random.default_rng(2).standard_normal((70, 9))
    X *= 3 / np.linalg.norm(X, axis=1, keepdims=True)
    X[5], X[66] = X[40], -X[3]
    dl = 1 - X @ X.T / 9
    np.fill_diagonal(dl, 0)
    dl[5, 40] = dl[40, 5] = 0
    expected = equal_norms(net, 1.0)(np.clip(dl, 0, 2))
    whole, block = kernel(net, X), kernel(net, X[:40], X[10:])
    for one, part, values in zip(whole, block, expected, strict=True):
        np.testing.assert_allclose(one, values, rtol=1e-13)
        np.testing.assert_array_equal(one, one.T)
        np.testing.assert_allclose(part, one[:40, 10:], rtol=1e-13)


def test_pairs_are_those_of_the_map_also_where_they_take_several_blocks():
    net, count = NETWORKS["gelu"], 300
    X = np.random.default_rng(3).standard_normal((count, 20))
    X *= np.sqrt(20) / np.linalg.norm(X, axis=1, keepdims=True)
    dl = np.clip(1 - X @ X.T / 20, 0, 2)
    np.fill_diagonal(dl, 0)
    assert count * 60 > PAIRS
    expected = equal_norms(net, 1.0)(dl)
    for one, part, values in zip(kernel(net, X), kernel(net, X, X[:60]), expected, strict=True):
        np.testing.assert_allclose(one, values, rtol=1e-13)
        np.testing.assert_allclose(part, values[:, :60], rtol=1e-13)


@pytest.mark.parametrize("angle", [1e-7, 1e-3])
def test_nearly_equal_inputs_have_the_angle_between_them(angle):
    r"""E phi'phi' of ReLU falls by angle/(2 pi); 1 - c = angle^2/2 alone would be rounding."""
    net = Network("relu", depth=2, sigma_w2=2)
    X = 1.7 * np.array([[1.0, 0.0], [np.cos(angle), np.sin(angle)]])
    for found in (kernel(net, X).ntk, kernel(net, X, X[::-1]).ntk[:, ::-1]):
        fall = 1 - found[0, 1] / found[0, 0]
        assert fall == pytest.approx(angle / (2 * np.pi), rel=max(4 * angle, 1e-6))


@pytest.mark.parametrize("name", ["relu", "tanh"])
def test_equal_norms_agree_with_nearly_equal_ones(name):
    """A norm that differs in the tenth digit sends every pair through every layer."""
    net = Network(name, depth=4, **PLAIN)
    X = np.random.default_rng(4).standard_normal((6, 8))
    X /= np.linalg.norm(X, axis=1, keepdims=True)
    one = kernel(net, X)
    X[0] *= 1 + 1e-10
    for equal, unequal in zip(one, kernel(net, X), strict=True):
        assert not np.array_equal(equal, unequal)
        np.testing.assert_allclose(equal, unequal, rtol=1e-9)


@pytest.mark.parametrize("scale", [1e-170, 1e160])
def test_squares_beyond_float64_are_refused(scale):
    with pytest.raises(DescriptionError, match="row 1 leave the range of float64"):
        kernel(NETWORKS["relu"], np.array([[1.0, 2.0], [scale, 1e-3 * scale]]))


def test_symbols_are_not_covered():
    from sympy import Symbol

    net = Network("relu", depth=2, sigma_w2=Symbol("s", positive=True))
    with pytest.raises(NotCovered, match="give numbers"):
        kernel(net, np.eye(2))
