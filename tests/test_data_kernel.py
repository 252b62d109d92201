"""Kernels of given inputs, against the recursion by plain two-dimensional quadrature."""

from itertools import pairwise

import numpy as np
import pytest

from theory import predict
from theory.architecture import (
    Activation,
    BatchNorm,
    DescriptionError,
    GroupNorm,
    LayerNorm,
    Network,
    NotCovered,
    RMSNorm,
)
from theory.data_kernel import _of_pairs, kernel
from theory.data_pairs import ALL, Pairs, inputs
from theory.kernels import KERNELS
from theory.mathematics import precise
from theory.pair import Law, Pair

GRID = np.linspace(-9.8, 9.8, 400)
WEIGHTS = np.exp(-(GRID**2) / 2) / np.exp(-(GRID**2) / 2).sum()
FUNCTIONS = {
    "tanh": (np.tanh, lambda u: 1 - np.tanh(u) ** 2),
    "shifted": (lambda u: np.tanh(u + 0.7), lambda u: 1 - np.tanh(u + 0.7) ** 2),
    "sin": (np.sin, np.cos),
}
SHIFTED = Activation.from_expression("tanh(x + 0.7)")


def expectation(f, g, a, b, r):
    """E f(u) g(v) by the trapezoid rule in independent variables."""
    u = np.sqrt(a) * GRID[:, None]
    v = r / np.sqrt(a) * GRID[:, None] + np.sqrt(max(b - r**2 / a, 0)) * GRID
    return WEIGHTS @ (f(u) * g(v)) @ WEIGHTS


def mean(f, a):
    return WEIGHTS @ f(np.sqrt(a) * GRID)


def recursion(name, X, sw2, sb2, ratios, *, scheme=None, ntk=False, raw=None, standardize=False):
    """Both kernels pair by pair, in the words of the definition."""
    phi, psi = FUNCTIONS[name]
    alpha = sum(x * y for x, y in pairwise(ratios))
    if standardize:
        X = X - X.mean(axis=1, keepdims=True)
    nngp, tangent = np.zeros((2, len(X), len(X)))
    for t, x in enumerate(X):
        for s, y in enumerate(X):
            a, b, r = (p @ q / X.shape[1] for p, q in ((x, x), (y, y), (x, y)))
            theta = 0.0
            for l, ratio in enumerate(ratios):
                weight = sw2 if ntk else ratio / alpha
                theta += weight * (1 if raw is None else sw2 / raw) * r + (sb2 if ntk else 0)
                a, b, r = (sw2 * q + sb2 for q in (a, b, r))
                if l == len(ratios) - 1:
                    break
                gamma, beta, norm = 1.0, 0.0, 1.0
                if scheme is not None:
                    gamma, beta, eps = scheme.gamma, scheme.beta, scheme.eps
                    norm = np.sqrt((a + eps) * (b + eps))
                    a, b, r = a / (a + eps), b / (b + eps), r / norm

                def f(u, gamma=gamma, beta=beta):
                    return phi(gamma * u + beta)

                def g(u, gamma=gamma, beta=beta):
                    return gamma * psi(gamma * u + beta)

                theta *= sw2 * expectation(g, g, a, b, r) / norm
                means = (mean(f, a), mean(f, b)) if standardize else (0, 0)
                a, b, r = (
                    expectation(f, f, a, a, a) - means[0] ** 2,
                    expectation(f, f, b, b, b) - means[1] ** 2,
                    expectation(f, f, a, b, r) - means[0] * means[1],
                )
            nngp[t, s], tangent[t, s] = r, theta
    return nngp, tangent


def data(samples=4, width=7):
    rng = np.random.default_rng(3)
    return rng.standard_normal((samples, width)) * np.linspace(0.5, 1.6, samples)[:, None]


NETWORKS = {
    "plain": ({"ratios": (1, 2, 0.5)}, {}),
    "layernorm": (
        {"hidden": LayerNorm(gamma=1.3, beta=0.4, eps=0.2)},
        {"scheme": LayerNorm(gamma=1.3, beta=0.4, eps=0.2)},
    ),
    "rmsnorm": ({"hidden": RMSNorm()}, {"scheme": RMSNorm()}),
    "groupnorm": (
        {"hidden": GroupNorm(groups=2, gamma=-0.8)},
        {"scheme": GroupNorm(groups=2, gamma=-0.8)},
    ),
    "ntk": ({"parameterization": "ntk"}, {"ntk": True}),
    "weight normalization": (
        {"weights": "weight-normalization", "raw_variance": 0.7},
        {"raw": 0.7},
    ),
    "weight standardization": ({"weights": "weight-standardization"}, {"standardize": True}),
}


def of_one_norm(X):
    X = X - X.mean(axis=1, keepdims=True)
    X[1] = -X[0]
    return X / np.linalg.norm(X, axis=1, keepdims=True)


@pytest.mark.parametrize("X", [data(), of_one_norm(data())], ids=["any norms", "one norm"])
@pytest.mark.parametrize("name", FUNCTIONS)
@pytest.mark.parametrize("case", NETWORKS.values(), ids=NETWORKS)
def test_kernels_are_those_of_the_recursion_by_quadrature(case, name, X):
    fields, options = case
    activation = SHIFTED if name == "shifted" else name
    net = Network(activation, depth=3, sigma_w2=1.7, sigma_b2=0.3, **fields)
    found = kernel(net, X)
    nngp, ntk = recursion(name, X, 1.7, 0.3, net.ratios, **options)
    assert found.nngp == pytest.approx(nngp, rel=1e-9)
    assert found.ntk == pytest.approx(ntk, rel=1e-9)


@pytest.mark.parametrize("name", ["relu", "erf", "gelu", "tanh"])
@pytest.mark.parametrize("c", [0, 0.3])
def test_inputs_of_constant_overlaps_have_the_order_parameters(name, c):
    net = Network(
        name, depth=4, sigma_w2=2, sigma_b2=0.1, ratios=(1, 2, 0.5, 1), input_overlaps=(1, c)
    )
    X = np.linalg.cholesky((1 - c) * np.eye(3) + c) @ np.eye(3, 5) * np.sqrt(5)
    nngp, ntk = kernel(net, X)
    p = predict(net, 1000, 3)
    for matrix, one, two in (
        (ntk, p.kappa_leading.K1, p.kappa_leading.K2),
        (nngp, p.order_parameters.q1[-1], p.order_parameters.q2[-1]),
    ):
        assert matrix == pytest.approx((one - two) * np.eye(3) + two, rel=1e-9)


@pytest.mark.filterwarnings("ignore::theory.inputs.InputsWarning")
@pytest.mark.parametrize("hidden", ["none", "layernorm"])
def test_two_sets_of_inputs_are_a_block_of_their_union(hidden):
    net = Network("relu", depth=3, sigma_w2=2, sigma_b2=0.1, hidden=hidden)
    X = data(6)
    whole, block = kernel(net, X), kernel(net, X[:4], X[2:])
    assert block.nngp == pytest.approx(whole.nngp[:4, 2:], rel=1e-12)
    assert block.ntk == pytest.approx(whole.ntk[:4, 2:], rel=1e-9)


def test_equal_and_nearly_equal_inputs_keep_their_derivatives():
    net = Network("relu", depth=3, sigma_w2=2, sigma_b2=0.1)
    x = data(1)[0]
    step = np.zeros_like(x)
    step[0] = 1e-6
    ntk = kernel(net, np.array([x, x, x + step])).ntk
    assert ntk[0, 1] == pytest.approx(ntk[0, 0], rel=1e-12)
    # E psi psi falls by theta/(2 pi), theta about 1e-6
    assert 1e-8 < 1 - ntk[0, 2] / np.sqrt(ntk[0, 0] * ntk[2, 2]) < 1e-5


def test_an_expression_without_a_closed_form_is_integrated_pair_by_pair():
    net = Network(
        Activation.from_expression("x*tanh(softplus(x))"), depth=2, sigma_w2=1, sigma_b2=0.1
    )
    named = Network("mish", depth=2, sigma_w2=1, sigma_b2=0.1)
    found, expected = kernel(net, data(2)), kernel(named, data(2))
    assert found.nngp == pytest.approx(expected.nngp, rel=1e-9)
    assert found.ntk == pytest.approx(expected.ntk, rel=1e-9)


@pytest.mark.parametrize("name", ["tanh", "sigmoid", "softplus", "silu"])
def test_pairs_of_unequal_norms_have_the_digits_of_their_mixture(name):
    """All pairs against 15 digits by mpmath, at correlations up to 1 and -1 and equal norms too."""
    m = precise(15)
    variances = np.array([0.02, 0.7, 3.0, 3.0, 40.0])
    dl = np.array(
        [
            [0.0, 1e-12, 0.3, 1.0, 2.0],
            [1e-12, 0.0, 1e-6, 1.9, 1.2],
            [0.3, 1e-6, 0.0, 1e-12, 0.01],
            [1.0, 1.9, 1e-12, 0.0, 2 - 1e-12],
            [2.0, 1.2, 0.01, 2 - 1e-12, 0.0],
        ]
    )
    r = np.sqrt(np.outer(variances, variances)) * (1 - dl)
    law = Pairs(variances, variances, r, dl)
    both = [_of_pairs(KERNELS[name], True, law, 1.0, 0.0, same) for same in (True, False)]
    for index, integral, one in (
        (0, KERNELS[name].dual, KERNELS[name].second),
        (1, KERNELS[name].derivative_dual, KERNELS[name].derivative_second),
    ):
        sizes = [float(one(Law(0, a))) for a in variances]
        for t, s in zip(*np.tril_indices(5), strict=True):
            a, b = m.number(float(variances[t])), m.number(float(variances[s]))
            true = float(integral(Pair.at(a, b, one_minus_c=m.number(float(dl[t, s])))))
            for found in (matrices[index] for matrices in both):
                for value in (found[t, s], found[s, t]):
                    assert abs(value - true) < 1e-13 * np.sqrt(sizes[t] * sizes[s]), (t, s)


REFUSED = {
    "vector": (np.ones(3), None, "(samples, M_0)"),
    "nan": (np.array([[np.nan, 1.0]]), None, "finite"),
    "text": (np.array([["a"]]), None, "numbers"),
    "zero row": (np.array([[1.0, 0.0], [0.0, 0.0]]), None, "row 1 of X1"),
    "columns": (np.ones((2, 3)), np.ones((2, 4)), "3 and 4"),
    "empty": (np.ones((0, 3)), None, "(0, 3)"),
}


@pytest.mark.parametrize("case", REFUSED.values(), ids=REFUSED)
def test_meaningless_inputs_are_refused(case):
    X1, X2, part = case
    with pytest.raises(DescriptionError) as problem:
        kernel(Network("relu", depth=2, sigma_w2=2), X1, X2)
    assert part in str(problem.value)


@pytest.mark.parametrize(
    "fields",
    [
        {"hidden": "batchnorm"},
        {"hidden": "mean-subtraction"},
        {"hidden": LayerNorm(beta_std=0.1)},
        {"last": BatchNorm()},
        {"loss": "cross-entropy", "outputs": 3},
    ],
    ids=str,
)
def test_what_is_not_of_each_sample_alone_is_not_covered(fields):
    with pytest.raises(NotCovered):
        kernel(Network("relu", depth=2, sigma_w2=2, **fields), data())


def test_a_part_of_the_pairs_is_that_of_all_and_each_input_is_exactly_at_itself():
    X = np.random.default_rng(4).standard_normal((7, 3))
    hat = inputs(X, None)
    whole = hat.one_minus_c()
    assert (whole == 0).sum() == len(X)
    for rows, columns in ((slice(2, 6), slice(1, 5)), (slice(3), slice(4, 7)), (slice(1), ALL)):
        part = hat.one_minus_c(rows, columns)
        np.testing.assert_allclose(part, whole[rows, columns], rtol=1e-13)
        np.testing.assert_array_equal(part == 0, whole[rows, columns] == 0)
