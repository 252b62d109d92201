r"""Predictions against reference values, against an independent recursion written here with its own
Gaussian quadrature, and against themselves in three number systems.

The reference values (theory/fisher.md 1.5, printed to 8 digits) were computed by another program
and compared with Jacobians of sampled networks.
"""

import math
from dataclasses import replace
from functools import cache
from itertools import pairwise

import mpmath as mp
import numpy as np
import pytest
import sympy as sp
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import integrate, special, stats

from theory import bulk, fisher
from theory.architecture import (
    Activation,
    BatchNorm,
    DescriptionError,
    MeanSubtraction,
    Network,
    NoNormalization,
    OutOfRegime,
)
from theory.last_layer import chi_square_mean
from theory.mathematics import FLOATS
from theory.meanfield import order_parameters
from theory.normalization import Backward
from theory.prediction import predict, to_json, unmapped

ROOT_HALF = 0.7071067811865476


def network(name, sigma_w2, sigma_b2, **fields):
    activation = Activation.named("erf", scale=ROOT_HALF) if name == "erf" else name
    return Network(activation, **{"depth": 3, "sigma_w2": sigma_w2, "sigma_b2": sigma_b2} | fields)


REFERENCE = {
    "columns": """q1^1 q2^1 qh1^1 qh2^1 qh1^2 qh2^2 qt1^2 qt2^2 qt1^1 qt2^1 kappa1 kappa2 q1^L
        q2^L""",
    ("tanh", 3, 0.64): """3.64 .64 .62060086 .09245388 .55894461 .18095068 .95041948 .60873665
        .76226805 .26571424 .95552190 .11861537 2.31683384 1.18285203""",
    ("relu", 2, 0.1): """2.1 .1 1.05 .35960439 1.1 .57951087 1 .62145394 1 .32015029 1.575
        .40149422 2.3 1.25902174""",
    ("linear", 1, 0.1): "1.1 .1 1.1 .1 1.2 .2 1 1 1 1 1.65 .15 1.3 .3",
    ("erf", 2, 0.3): """2.3 .3 .49093761 .05795454 .37975416 .11668663 .67446043 .56748531
        .36288798 .21986336 .53688006 .07478749 1.05950832 .53337325""",
    ("tanh", 3, 0): """3 0 .58943908 0 .49802860 0 1.10543018 .75592586 .96841365 .38225719
        1.05901300 0 1.4940858 0""",
}
over_references = pytest.mark.parametrize(
    ("case", "column", "printed"),
    [
        pytest.param(case, column, printed, id=f"{case[0]} {case[1:]} {column}")
        for case, line in REFERENCE.items()
        if case != "columns"
        for column, printed in zip(REFERENCE["columns"].split(), line.split(), strict=True)
    ],
)


@over_references
def test_order_parameters_and_kappas_equal_the_reference_table(case, column, printed):
    p = predict(network(*case), 1000, 64)
    o = p.order_parameters
    kind, _, layer = column.partition("^")
    value = {
        "q1": lambda: o.q1[-1 if layer == "L" else int(layer) - 1],
        "q2": lambda: o.q2[-1 if layer == "L" else int(layer) - 1],
        "qh1": lambda: o.qh1[int(layer)],
        "qh2": lambda: o.qh2[int(layer)],
        "qt1": lambda: o.S1[int(layer) - 1],
        "qt2": lambda: o.S2[int(layer) - 1],
        "kappa1": lambda: p.kappa_leading.K1,
        "kappa2": lambda: p.kappa_leading.K2,
    }[kind]()
    assert abs(value - float(printed)) <= 0.5000001e-8


KAPPA_LEADING = {
    ("relu", 2, 0.1): ("1.575", "0.40149422"),
    ("tanh", 3, 0.64): ("0.95552190", "0.11861537"),
    ("erf", 2, 0.3): ("0.53688006", "0.07478749"),
}


@pytest.mark.parametrize(("width", "samples"), [(50, 2), (1000, 100)])
@pytest.mark.parametrize("outputs", [1, 10])
@pytest.mark.parametrize("case", KAPPA_LEADING, ids=lambda case: case[0])
def test_kappa_leading_equals_the_required_numbers_at_any_size(case, outputs, width, samples):
    p = predict(network(*case, outputs=outputs), width, samples)
    for kappa, printed in zip(p.kappa_leading[:2], KAPPA_LEADING[case], strict=True):
        assert f"{kappa:.8f}" == f"{float(printed):.8f}"


# An independent recursion: its own quadrature, its own loop, no gaps carried

Z = np.linspace(-9.8, 9.8, 481)
W = np.exp(-(Z**2) / 2) / np.exp(-(Z**2) / 2).sum()
PHI = {
    "tanh": (np.tanh, lambda x: 1 - np.tanh(x) ** 2),
    "erf": (
        lambda x: special.erf(ROOT_HALF * x),
        lambda x: np.sqrt(2 / np.pi) * np.exp(-x * x / 2),
    ),
    "linear": (lambda x: x, np.ones_like),
}


@cache
def expectation(name, derivative, q1, q2):
    """E f(u) f(v), f = phi or phi': v = +-u in the part that the two samples share, which is
    integrated outside; inside, ReLU's mean is known in closed form."""
    x0, s = np.sqrt(abs(q2)) * Z, np.sqrt(q1 - abs(q2))
    if name != "relu":
        inner = PHI[name][derivative](x0[:, None] + s * Z) @ W
    elif s == 0:
        return 0.5 if derivative else q1 / 2
    else:
        below, density = special.ndtr(x0 / s), np.exp(-((x0 / s) ** 2) / 2) / np.sqrt(2 * np.pi)
        inner = below if derivative else x0 * below + s * density
    return float((inner * (inner if q2 >= 0 else inner[::-1])) @ W)


def textbook(net, widths):
    """K_1, K_2 = sum of M_{l-1} qt^l qh^{l-1} + qt^l, layer by layer, for linear outputs."""
    name, sw2, sb2 = net.activation.name, float(net.sigma_w2), float(net.sigma_b2)
    L, overlaps = net.depth, [float(overlap) for overlap in net.input_overlaps]
    kernels = []
    for a in (0, 1):
        qh, q = [overlaps[a]], []
        own = [overlaps[0]]
        for _ in range(1, L):
            q1, q2 = sw2 * own[-1] + sb2, sw2 * qh[-1] + sb2
            q.append((q1, q2))
            own.append(expectation(name, 0, q1, q1))
            qh.append(expectation(name, 0, q1, q2))
        qt = [1.0]
        for q1, q2 in reversed(q):
            qt.insert(0, sw2 * expectation(name, 1, q1, q2) * qt[0])
        bias = float(net.bias_gradients)
        kernels.append(sum(M * h * t + bias * t for M, h, t in zip(widths, qh, qt, strict=False)))
    return kernels


ODD_SHAPES = {
    "unequal ratios": {"ratios": (0.5, 1, 3, 0.7), "depth": 4, "outputs": 3},
    "correlated inputs": {"input_overlaps": (1.3, 0.4), "ratios": (2, 1, 1)},
    "opposed inputs": {"input_overlaps": (1, -0.02)},
    "no bias gradients": {"bias_gradients": False, "ratios": (1, 0.25, 2)},
    "two layers": {"depth": 2, "ratios": (3, 1)},
    "six layers": {"depth": 6},
}
over_shapes = pytest.mark.parametrize("fields", ODD_SHAPES.values(), ids=ODD_SHAPES)
PLACES = [("tanh", 1.7, 0.3), ("relu", 1.8, 0.2), ("linear", 0.9, 0.1), ("erf", 2.2, 0.15)]
over_places = pytest.mark.parametrize("place", PLACES, ids=lambda place: place[0])


@over_shapes
@over_places
def test_kernel_equals_the_textbook_sum_at_general_widths(place, fields):
    net = network(*place, **fields)
    M, N = 96, 20
    p = predict(net, M, N)
    K1, K2 = textbook(net, net.widths(M))
    alpha = sum(a * b for a, b in pairwise(net.ratios))
    leading = textbook(replace(net, bias_gradients=False), net.ratios)
    for found, (one, two), unit in (
        (p.K, (K1, K2), 1),
        (p.kappa, (K1, K2), alpha * M),
        (p.kappa_leading, leading, alpha),
    ):
        expected = np.array([one, two, one - two]) / unit
        assert list(found[:3]) == pytest.approx(expected, rel=1e-10, abs=1e-12 * expected[0])
    assert p.uniform_mode == pytest.approx((K1 + (N - 1) * K2) / N, rel=1e-10, abs=0)
    assert p.bulk_mode == pytest.approx((K1 - K2) / N, rel=1e-10, abs=0)


@over_places
def test_traces_start_at_one_sample_and_sums_at_all(place):
    o = predict(network(*place, depth=4), 64, 16).order_parameters
    assert (o.T1[-1], o.T2[-1], o.S1[-1], o.S2[-1]) == (1, 0, 1, 1)
    assert o.T2 == (0, 0, 0, 0)
    assert list(o.S1) == pytest.approx(o.T1, rel=1e-14, abs=0)
    for first, second, gap in (
        (o.q1, o.q2, o.q_gap),
        (o.qh1, o.qh2, o.qh_gap),
        (o.S1, o.S2, o.S_gap),
    ):
        for one, two, between in zip(first, second, gap, strict=True):
            assert one - two == pytest.approx(between, rel=1e-12, abs=1e-14)


@pytest.mark.parametrize("N", [2, 7, 100])
@over_places
def test_mean_subtraction_folded_into_the_start_removes_the_uniform_mode_only(place, N):
    # fisher.md 1.2: start (T1, S1; T2, S2) = (1-1/N, 0; -1/N, 0) instead of (1, 1; 0, 1)
    net = network(*place, depth=4, ratios=(1, 2, 0.5, 1.5), input_overlaps=(1, 0.2))
    arguments = (net, FLOATS, N, float(net.sigma_w2), float(net.sigma_b2))
    folded = order_parameters(*arguments, start=(Backward(1 - 1 / N, 0), Backward(-1 / N, 0)))
    linear = order_parameters(*arguments)
    widths = net.widths(200)
    folded_kernel, kernel = folded.kernel(widths, True), linear.kernel(widths, True)
    K1, K2, gap = folded_kernel[:3]
    assert abs(K1 + (N - 1) * K2) < 1e-12 * kernel.K1
    assert gap == pytest.approx(kernel.gap, rel=1e-14, abs=0)
    p = predict(replace(net, last=MeanSubtraction(), outputs=1), 200, N)
    assert p.mean_eigenvalue * p.parameters == pytest.approx(K1, rel=1e-12, abs=0)
    s = fisher.second_moment(K1, K2, N, 1, p.parameters)
    assert p.second_moment == pytest.approx(s, rel=1e-12, abs=0)


def test_mean_subtraction_and_batch_norm_do_not_change_what_is_said_of_the_linear_network():
    plain = network("relu", 2, 0.1, outputs=3)
    for last in (MeanSubtraction(), BatchNorm(gamma=1.3, beta=0.5), BatchNorm(eps=0.3)):
        one, other = predict(replace(plain, last=last), 100, 12), predict(plain, 100, 12)
        for name in ("K", "kappa", "kappa_leading", "uniform_mode", "bulk_mode", "parameters"):
            assert getattr(one, name) == getattr(other, name)
    assert unmapped(replace(plain, last=MeanSubtraction())) == plain


# Moments and spectrum


def kernel_matrix(p, N):
    return p.K.gap * np.eye(N) + p.K.K2


@pytest.mark.parametrize("bias_gradients", [True, False])
@pytest.mark.parametrize("last", ["none", "mean-subtraction"])
@over_places
def test_moments_and_spectrum_are_those_of_the_kernel_matrix(place, last, bias_gradients):
    N, C, M = 12, 3, 50
    net = network(*place, outputs=C, ratios=(2, 1, 0.5), last=last, bias_gradients=bias_gradients)
    p = predict(net, M, N)
    P = sum(out * (into + bias_gradients) for into, out in ((100, 50), (50, 25), (25, 3)))
    assert p.parameters == P
    A = np.eye(N) - (last == "mean-subtraction") / N
    eigenvalues = np.repeat(np.linalg.eigvalsh(A @ kernel_matrix(p, N) @ A / N), C)
    listed = sorted(v for mode in p.spectrum for v in [mode.eigenvalue] * int(mode.multiplicity))
    assert listed == pytest.approx(eigenvalues, rel=1e-10, abs=1e-10 * eigenvalues[-1])
    assert p.mean_eigenvalue == pytest.approx(eigenvalues.sum() / P, rel=1e-12, abs=0)
    assert p.second_moment == pytest.approx((eigenvalues**2).sum() / P, rel=1e-12, abs=0)
    assert p.largest_eigenvalue.value == pytest.approx(eigenvalues[-1], rel=1e-12, abs=0)
    assert p.learning_rate_threshold == pytest.approx(2 / eigenvalues[-1], rel=1e-12, abs=0)


def test_parameters_count_without_bias_gradients():
    net = network("tanh", 3, 0.64, outputs=3, ratios=(2, 1, 0.5))
    assert net.parameter_count(50) == 101 * 50 + 51 * 25 + 26 * 3
    assert replace(net, bias_gradients=False).parameter_count(50) == 100 * 50 + 50 * 25 + 25 * 3


def chi_square_quad(f, n):
    """E f(x) by adaptive quadrature over scipy's density, its peak and its tails apart."""
    law = stats.chi2(n)
    edges = [0, law.ppf(1e-8), law.ppf(1e-3), law.median(), law.isf(1e-3), law.isf(1e-8), n + 2000]
    return sum(
        integrate.quad(lambda x: f(x) * law.pdf(x), a, b, epsabs=0, epsrel=1e-11, limit=200)[0]
        for a, b in pairwise(edges)
    )


def normalized_kernel_moments(p, net, N, power):
    r"""E tr((A K A/N)^power) of one output, sigma^2 = v chi2_{N-1}/N, from its eigenvalues.

    A has the eigenvalue 0 along 1, 1 - tau along the output and 1 on the other N - 2 directions,
    times gamma/sqrt(sigma^2 + eps); K is (K_1 - K_2) times the identity there.
    """
    gamma, eps = float(net.last.gamma), float(net.last.eps)
    v = float(p.order_parameters.q_gap[-1])

    def traced(x):
        variance = v * x / N
        scale, rest = gamma**2 / (variance + eps), (eps / (variance + eps)) ** 2
        eigenvalues = p.K.gap / N * scale * np.array([1, rest])
        return eigenvalues**power @ [N - 2, 1]

    return chi_square_quad(traced, N - 1)


SIZES = (4, 5, 6, 7, 8, 10, 16, 40)


@pytest.mark.parametrize("N", [*SIZES, 128, 300, 1000, 10_000])
@pytest.mark.parametrize("eps", [0, 1e-3, 0.3])
def test_batch_norm_moments_equal_an_integral_over_the_output_variance(eps, N):
    net = network("relu", 1.9, 0.2, outputs=2, last=BatchNorm(gamma=1.3, beta=0.5, eps=eps))
    p = predict(net, 64, N)
    if eps or N >= 5:  # at N = 4 the integrand of eps = 0 is singular at 0: next test
        expected = 2 * normalized_kernel_moments(p, net, N, 1) / p.parameters
        assert p.mean_eigenvalue == pytest.approx(expected, rel=1e-8, abs=0)
    if eps or N >= 7:
        expected = 2 * normalized_kernel_moments(p, net, N, 2) / p.parameters
        assert p.second_moment == pytest.approx(expected, rel=1e-8, abs=0)


def test_batch_norm_moments_exist_by_the_number_of_samples():
    net = network("tanh", 3, 0.64, outputs=2, last=BatchNorm(gamma=1.3))
    for N in (2, 3):
        with pytest.raises(OutOfRegime, match=rf"N = {N} given.*1/sigma\^2 does not exist"):
            predict(net, 100, N)
    for N in (4, 5):
        p = predict(net, 100, N)
        # E 1/chi2_n = 1/(n - 2)
        v, gap = p.order_parameters.q_gap[-1], p.K.gap
        expected = 2 * 1.3**2 * gap * (N - 2) / (v * (N - 3)) / p.parameters
        assert p.mean_eigenvalue == pytest.approx(expected, rel=1e-12, abs=0)
        assert p.second_moment is None
        assert f"1/sigma^4 does not exist for N = {N}" in p.reason
    p = predict(net, 100, 6)
    expected = 2 * 1.3**4 * (gap / v) ** 2 * 4 / (3 * 1) / p.parameters
    assert p.second_moment == pytest.approx(
        expected, rel=0.2, abs=0
    )  # gap and v hardly depend on N
    assert p.second_moment is not None
    regular = predict(replace(net, last=BatchNorm(eps=0.3)), 100, 2)
    assert regular.second_moment > 0


@pytest.mark.parametrize("eps", [0, 0.3])
@pytest.mark.parametrize("N", [6, 10, 40])
def test_batch_norm_spectrum_has_the_mean_eigenvalue(N, eps):
    net = network("erf", 2, 0.3, outputs=3, last=BatchNorm(gamma=-1.3, eps=eps))
    p = predict(net, 64, N)
    listed = {mode.direction: mode for mode in p.spectrum}
    assert [listed[name].multiplicity for name in ("bulk", "output", "uniform")] == [
        3 * (N - 2),
        3,
        3,
    ]
    assert listed["uniform"].eigenvalue == 0
    assert (listed["output"].eigenvalue == 0) == (eps == 0)
    total = sum(mode.multiplicity * mode.eigenvalue for mode in p.spectrum)
    assert total == pytest.approx(p.parameters * p.mean_eigenvalue, rel=1e-12, abs=0)
    if eps == 0:  # E lambda^2 is (N-3)/(N-5) times (E lambda)^2: the inverse chi-square law
        total = sum(mode.multiplicity * mode.eigenvalue**2 for mode in p.spectrum)
        expected = total * (N - 3) / (N - 5)
        assert p.second_moment * p.parameters == pytest.approx(expected, rel=1e-12, abs=0)


def test_batch_norm_without_eps_is_the_limit_of_a_small_one():
    for N in (8, 20):
        exact, near = (
            predict(network("tanh", 3, 0.64, last=BatchNorm(gamma=1.3, eps=eps)), 64, N)
            for eps in (0, 1e-9)
        )
        assert near.mean_eigenvalue == pytest.approx(exact.mean_eigenvalue, rel=1e-7, abs=0)


def test_batch_norm_in_the_limit_of_many_samples_divides_by_the_variance_of_the_outputs():
    net = network("relu", 2, 0.1, last=BatchNorm(gamma=2))
    p = predict(net, 100, 10**6)
    v = 2.3 - 1.25902174
    assert p.mean_eigenvalue == pytest.approx(4 * p.K.gap / v / p.parameters, rel=1e-5, abs=0)


@pytest.mark.parametrize(
    ("n", "digits"),
    [*((n, 15) for n in (1, 3, 9, 39, 200, 1000, 30_000)), *((n, 30) for n in (1, 9, 39, 300))],
)
def test_chi_square_means_equal_closed_forms(n, digits):
    context = mp.MPContext()
    context.dps = digits + 15
    one = 1.0 if digits == 15 else context.mpf(1)
    with mp.workdps(50):  # 1/(1+y) = int e^{-s(1+y)} ds, and E e^{-s x/n} = (1 + 2s/n)^{-n/2}
        inverse = mp.quad(
            lambda s: mp.exp(-s) * (1 + 2 * s / mp.mpf(n)) ** (-mp.mpf(n) / 2),
            [0, 1, 4, 16, 60, 130],
        )
    for f, exact in (
        (lambda x: one + 0 * x, 1),
        (lambda x: one * x / n, 1),
        (lambda x: one / (1 + x / n), inverse),
    ):
        value = chi_square_mean(f, n * one, one)
        assert float(abs(value - exact)) < (2e-14 if digits == 15 else 1e-30)


# Regimes


def test_the_largest_eigenvalue_at_fixed_samples_is_the_uniform_mode_where_k2_is_positive():
    p = predict(network("relu", 2, 0.1), 100, 16)
    assert p.K.K2 > 0
    assert p.largest_eigenvalue[:5] == (p.uniform_mode, None, None, "M", "fixed-samples")
    opposed = network("linear", 1, 0, input_overlaps=(1, -0.05), bias_gradients=False)
    p = predict(opposed, 100, 16)
    assert p.K.K2 < 0
    assert p.largest_eigenvalue[:5] == (p.bulk_mode, None, None, "M", "fixed-samples")
    assert p.learning_rate_threshold == pytest.approx(2 / p.bulk_mode)
    centred = predict(network("tanh", 3, 0, bias_gradients=False), 100, 16)
    assert abs(centred.K.K2) < 1e-14
    assert centred.largest_eigenvalue.value == pytest.approx(centred.K.K1 / 16)


@pytest.mark.parametrize(
    ("sigma_b2", "width", "outlier"), [(0.1, 400, True), (0.001, 400, False), (0.02, 100_000, True)]
)
def test_the_uniform_mode_leaves_the_bulk_where_it_beats_the_noise(sigma_b2, width, outlier):
    # fisher.md 2.3: N kappa_2 > sqrt(v_tot N/M), then lambda_U + alpha v_tot/(N kappa_2)
    samples = 40
    net = network("tanh", 3, sigma_b2)
    p = predict(net, width, samples, regime="proportional")
    v_tot = independent_noise(net)
    assert (samples * p.kappa.K2 > math.sqrt(v_tot * samples / width)) == outlier
    largest = p.largest_eigenvalue
    assert p.learning_rate_threshold == pytest.approx(2 / largest.value)
    if outlier:
        shifted = p.uniform_mode + float(net.alpha) * v_tot / (samples * p.kappa.K2)
        assert largest.value == pytest.approx(shifted, rel=1e-6)
        assert largest[1:] == (None, None, "M", "proportional", *[None] * 5)
        assert "uniform" in p.reason
    else:
        assert largest.value == bulk.top(net, width, samples).value
        assert largest.order == "1"


def test_a_uniform_mode_below_the_edge_leaves_the_bulk_the_largest():
    # fisher.md 2.3, tanh, sigma_b2 = .02, M = 400, N = 40: measured 32.7
    net = network("tanh", 3, 0.02)
    p = predict(net, 400, 40, regime="proportional")
    assert p.uniform_mode < p.largest_eigenvalue.value
    assert p.largest_eigenvalue.value == pytest.approx(32.7, rel=0.02)


UNIFORM_MODES = {  # bulk_hidden.md 6, M = N = 600, L = 2, 3
    ("relu", "batchnorm"): (97.11, 97.42),
    ("gelu", "batchnorm"): (49.26, 49.54),
    ("relu", "mean-subtraction"): (193.2, 132.7),
    ("gelu", "mean-subtraction"): (129.6, 82.2),
}


@pytest.mark.parametrize(("name", "scheme"), UNIFORM_MODES)
def test_the_uniform_mode_above_hidden_normalization_is_shifted_by_the_bulk(name, scheme):
    for depth, expected in zip((2, 3), UNIFORM_MODES[name, scheme], strict=True):
        net = network(name, 2, 0.1, depth=depth, hidden=scheme)
        found = predict(net, 600, 600, regime="proportional").largest_eigenvalue
        assert found.value == pytest.approx(expected, rel=7e-4)
        assert found.order == "M"


def test_an_odd_activation_below_linear_outputs_has_the_bulk_alone():
    net = network("tanh", 3, 0.64, hidden="batchnorm")
    linear, centred = (
        predict(replace(net, last=last), 300, 300, regime="proportional").largest_eigenvalue
        for last in (NoNormalization(), MeanSubtraction())
    )
    assert linear.value == centred.value


@pytest.mark.parametrize("regime", ["fixed-samples", "proportional"])
@pytest.mark.parametrize("outputs", [1, 3])
def test_mean_subtraction_carries_the_bounds_of_the_paper(regime, outputs):
    M, N = 600, 60
    net = network("relu", 2, 0.1, outputs=outputs, ratios=(1, 2, 0.5), last=MeanSubtraction())
    p = predict(net, M, N, regime=regime)
    rho, alpha, difference = M / N, 1 * 2 + 2 * 0.5, p.kappa.K1 - p.kappa.K2
    largest = p.largest_eigenvalue
    lower = rho * alpha * difference
    upper = math.sqrt(outputs * alpha**2 * rho * difference**2 * M)
    if regime == "fixed-samples":
        assert largest[:3] == pytest.approx((p.bulk_mode, lower, upper), rel=1e-12)
        assert largest[3:] == ("M", regime, *[None] * 5)
        assert p.learning_rate_threshold == pytest.approx(2 / p.bulk_mode)
        return
    assert largest.lower_leading == pytest.approx(lower, rel=1e-12)
    assert largest.upper_leading == pytest.approx(upper, rel=1e-12)
    difference = p.kappa_leading.K1 - p.kappa_leading.K2
    c2 = outputs * alpha**2 * independent_noise(net)
    c1 = c2 / (outputs * alpha * difference)
    assert (largest.c1, largest.c2) == pytest.approx((c1, c2), rel=1e-6)
    assert largest.lower == pytest.approx(rho * alpha * difference + c1, rel=1e-6)
    square = outputs * alpha**2 * rho * difference**2 + c2
    assert largest.upper == pytest.approx(math.sqrt(square * M), rel=1e-6)
    assert largest.lower < largest.value < largest.upper
    assert largest.value == bulk.top(net, M, N).value
    assert (largest.order, largest.regime) == ("1", regime)
    assert p.learning_rate_threshold == pytest.approx(2 / largest.value)
    assert "unverified" in p.reason


@pytest.mark.parametrize("outputs", [1, 2])
def test_the_second_moment_after_mean_subtraction_gains_the_bulk_noise_in_proportion(outputs):
    # fisher.md 2.2: s = C(N-1)/(P N^2) [(K1-K2)^2 + (alpha M)^2 v_tot (N-1)/M]
    M = N = 200
    net = network("linear", 1, 0.1, outputs=outputs, last=MeanSubtraction())
    fixed, growing = (predict(net, M, N, regime=r) for r in ("fixed-samples", "proportional"))
    assert fixed.mean_eigenvalue == growing.mean_eigenvalue
    excess = growing.second_moment - fixed.second_moment
    expected = outputs * (N - 1) ** 2 / (growing.parameters * N**2) * (2 * M) ** 2 * 3.5 / M
    assert excess == pytest.approx(expected, rel=1e-9, abs=0)
    # 2.2 calls it +160 % for the linear net at N = M
    assert excess / fixed.second_moment == pytest.approx(1.55, abs=0.05)


def test_the_second_moment_of_the_prototype_in_proportion_is_met():
    # fisher.md 2.3: linear, rho = 4, M = 1600: s = .01557 with the noise, .01122 without
    net = network("linear", 1, 0.1, last=MeanSubtraction())
    growing = predict(net, 1600, 400, regime="proportional")
    fixed = predict(net, 1600, 400)
    assert fixed.second_moment == pytest.approx(0.01122, abs=1.5e-5)
    assert growing.second_moment == pytest.approx(0.01557, abs=1.5e-5)


def test_batch_norm_makes_the_largest_eigenvalue_random():
    p = predict(network("relu", 2, 0.1, last=BatchNorm(gamma=2)), 100, 16)
    assert p.largest_eigenvalue[:5] == (None, None, None, "M", "random")
    assert p.learning_rate_threshold is None
    assert "random" in p.reason


def test_batch_norm_in_proportion_divides_the_bulk_by_the_variance_of_the_outputs():
    # bulk.md F: relu, L = 3, gamma = 1, M = N = 900: 8.664 by the variance of the outputs
    net = network("relu", 2, 0.1, last=BatchNorm(gamma=2))
    p = predict(net, 900, 900, regime="proportional")
    variance = p.order_parameters.q_gap[-1]
    expected = 4 * bulk.top(net, 900, 900).value / variance
    assert p.largest_eigenvalue.value == pytest.approx(expected, rel=1e-9)
    assert p.largest_eigenvalue.value / 4 == pytest.approx(8.664, rel=0.002)
    assert p.largest_eigenvalue[3:6] == ("1", "random", None)


def test_an_unknown_regime_or_impossible_samples_are_refused():
    with pytest.raises(DescriptionError, match="unknown regime 'edge'; known: fixed-samples"):
        predict(network("relu", 2, 0.1), 100, 16, regime="edge")
    for samples in (1, 0, 2.5, True):
        with pytest.raises(DescriptionError, match="whole number of at least 2"):
            predict(network("relu", 2, 0.1), 100, samples)
    with pytest.raises(DescriptionError, match=r"impossible for 30 samples.*at least -0\.03448"):
        predict(network("relu", 2, 0.1, input_overlaps=(1, -0.2)), 100, 30)


# Bulk noise

V_TOT = {  # fisher.md 1.5: v and v', v_tot = v + (C - 1) v'
    ("tanh", 3, 0.64): (0.310164, 0.000252),
    ("relu", 2, 0.1): (0.618677, 0.005116),
    ("linear", 1, 0.1): (3.5, 0),
    ("erf", 2, 0.3): (0.189116, 0.00001),
    ("tanh", 3, 0): (0.589314, 0),
}


@pytest.mark.parametrize("outputs", [1, 2, 4])
@pytest.mark.parametrize("case", V_TOT, ids=str)
def test_bulk_noise_equals_the_reference_table(case, outputs):
    v, between = V_TOT[case]
    rounding = 0.5000001e-6 * outputs
    assert bulk.noise(network(*case, outputs=outputs)) == pytest.approx(
        v + (outputs - 1) * between, abs=rounding
    )


@pytest.mark.parametrize(
    ("name", "depth", "c2"),
    [
        *(("linear", 2, 5), ("linear", 3, 14), ("linear", 4, 30)),
        *(("relu", 2, 1.569), ("relu", 3, 2.475), ("relu", 4, 3.929)),
        *(("tanh", 2, 1.047), ("tanh", 3, 1.241), ("tanh", 4, 1.458)),
    ],
)
def test_bulk_noise_equals_the_constant_c2_of_the_paper(name, depth, c2):
    place = {"linear": (1, 0.1), "relu": (2, 0.1), "tanh": (3, 0.64)}[name]
    found = (depth - 1) ** 2 * bulk.noise(network(name, *place, depth=depth))
    assert found == pytest.approx(c2, abs=1e-9 if name == "linear" else 5.1e-4)


@pytest.mark.parametrize("outputs", [1, 3])
@pytest.mark.parametrize("ratios", [(0.5, 1, 3, 0.7), (2, 1), (1, 1, 2, 2, 0.4)], ids=str)
def test_bulk_noise_of_a_linear_network_is_a_sum_over_its_layers(ratios, outputs):
    # alpha^2 v_tot = sum_l (sum_{j >= l} alpha_j)^2/alpha_l at sigma_w^2 = 1
    net = network("linear", 1, 0.3, depth=len(ratios), ratios=ratios, outputs=outputs)
    expected = sum(sum(ratios[l:]) ** 2 / ratios[l] for l in range(len(ratios)))
    assert bulk.noise(net) * net.alpha**2 == pytest.approx(expected, rel=1e-12, abs=0)


def independent_noise(net):
    """v_tot by propagating independent noise sources of every layer (fisher.md 2.3).

    Not the closed form of theory/bulk.py: each source a^0, a^l, b^l, b'^l is carried through the
    recursions of y and z to the kernel; d E phi'phi'/dq2 is a difference quotient.
    """
    name, sw2, C = net.activation.name, float(net.sigma_w2), net.outputs
    alpha, L = [float(r) for r in net.ratios], net.depth
    o = predict(net, 1000, 2).order_parameters
    f2 = [None] + [o.S2[l - 1] / (sw2 * o.S2[l]) * sw2 for l in range(1, L)]  # sw2 included

    def conditional(l):
        q1, q2 = float(o.q1[l - 1]), float(o.q2[l - 1])
        x0, s = np.sqrt(q2) * Z, np.sqrt(q1 - q2)
        if name == "relu":
            a = x0 / s
            below, density = special.ndtr(a), np.exp(-a * a / 2) / np.sqrt(2 * np.pi)
            first = x0 * below + s * density
            return first, (x0**2 + s**2) * below + x0 * s * density, below, below, first
        phi, slope = (f(x0[:, None] + s * Z) for f in PHI[name])
        return tuple(f @ W for f in (phi, phi**2, slope, slope**2, phi * slope))

    def hessian(l):
        q1, q2 = float(o.q1[l - 1]), float(o.q2[l - 1])
        if name == "relu":
            return 1 / (2 * np.pi * np.sqrt(q1**2 - q2**2))
        h = 1e-3 * (q1 - q2)
        at = [expectation(name, 1, q1, q2 + k * h) for k in (-2, -1, 1, 2)]
        return (at[0] - 8 * at[1] + 8 * at[2] - at[3]) / (12 * h)

    # coefficients of every source in y^l, z^l; a source is ("a", l) or ("b", l)
    y = [{("a", 0): 1.0}]
    for l in range(1, L):
        y.append({key: f2[l] * value for key, value in y[-1].items()} | {("a", l): 1.0})
    z = {L: {}}
    for l in range(L - 1, 0, -1):
        z[l] = {key: f2[l] * value for key, value in z[l + 1].items()}
        slope = sw2 * o.S2[l] * hessian(l) * sw2
        for key, value in y[l - 1].items():
            z[l][key] = z[l].get(key, 0) + slope * value
        z[l]["b", l] = z[l].get(("b", l), 0) + 1.0
    total = {}
    for l in range(1, L + 1):
        for part, weight in ((y[l - 1], o.S2[l - 1]), (z[l], o.qh2[l - 1])):
            for key, value in part.items():
                total[key] = total.get(key, 0) + alpha[l - 1] * weight * value
    variance = total["a", 0] ** 2 / alpha[0]
    between = 0
    for l in range(1, L):
        m1, m2, s1, s2, cross = conditional(l)
        g1, g2 = sw2 * o.S1[l], sw2 * o.S2[l]
        r, d = s2 - s1**2, g1 - g2
        a = (m2 - m1**2) ** 2 @ W
        b = (s2**2 * d**2 + 2 * s2 * r * d * g2 + 3 * r**2 * g2**2) @ W
        b_between = (s2**2 * d**2 + 2 * s2 * r * d * g2 + r**2 * g2**2) @ W
        ab = g2 * ((cross - m1 * s1) ** 2 @ W)
        A, B = total["a", l], total["b", l]
        variance += (A**2 * a + 2 * A * B * ab + B**2 * b) / alpha[l]
        between += B**2 * b_between / alpha[l]
    return float(variance + (C - 1) * between) / float(net.alpha) ** 2


@pytest.mark.parametrize("outputs", [1, 3])
@pytest.mark.parametrize("place", PLACES, ids=lambda place: place[0])
def test_bulk_noise_equals_the_variance_of_independent_sources(place, outputs):
    net = network(*place, depth=4, ratios=(0.6, 1, 2, 0.8), outputs=outputs)
    assert bulk.noise(net) == pytest.approx(independent_noise(net), rel=1e-6, abs=0)


def test_bulk_noise_needs_positive_covariances():
    with pytest.raises(OutOfRegime, match="non-negative covariance"):
        bulk.noise(network("tanh", 3, 0, input_overlaps=(1, -0.01)))


# Three number systems


LASTS = {
    "none": None,
    "mean-subtraction": MeanSubtraction(),
    "batchnorm": BatchNorm(gamma=1.3),
    "batchnorm eps": BatchNorm(gamma=1.3, eps=0.3),
}


@pytest.mark.parametrize(
    ("place", "last"),
    [
        pytest.param(place, last, id=f"{place[0]} {name}")
        for place in PLACES
        for name, last in LASTS.items()
        if place[0] != "tanh" or last is None  # slow, and the last layer does not see it
    ],
)
def test_thirty_digits_agree_with_floats(place, last):
    net = network(*place, ratios=(0.5, 1, 3), outputs=3, input_overlaps=(1.1, 0.3))
    net = net if last is None else replace(net, last=last)
    floats, digits = predict(net, 100, 12), predict(net, 100, 12, digits=30)
    for name in ("K", "kappa", "kappa_leading", "uniform_mode", "bulk_mode"):
        one, other = (np.ravel(getattr(p, name))[:3] for p in (floats, digits))
        assert one == pytest.approx(np.array(other, dtype=float), rel=1e-13, abs=0)
    for name in ("mean_eigenvalue", "second_moment"):
        assert getattr(floats, name) == pytest.approx(
            float(getattr(digits, name)), rel=1e-13, abs=0
        )
    for one, other in zip(floats.spectrum, digits.spectrum, strict=True):
        assert one.eigenvalue == pytest.approx(float(other.eigenvalue), rel=1e-13, abs=0)
    for name in ("q1", "q2", "qh1", "qh2", "T1", "T2", "S1", "S2", "q_gap", "S_gap"):
        one, other = (getattr(p.order_parameters, name) for p in (floats, digits))
        assert list(one) == pytest.approx([float(x) for x in other], rel=1e-13, abs=1e-15)


def test_more_digits_confirm_the_promised_ones():
    net = network("erf", 2, 0.3, last=BatchNorm(gamma=1.3, eps=0.3))
    few, many = (predict(net, 100, 12, digits=digits) for digits in (30, 60))
    for name in ("mean_eigenvalue", "second_moment", "bulk_mode"):
        one, other = getattr(few, name), getattr(many, name)
        assert abs(one / other - 1) < mp.mpf("1e-30")
    texts = to_json(few, 30)
    assert texts["K"][0] == mp.MPContext().nstr(many.K.K1, 30, strip_zeros=False)
    assert len(texts["kappa"][1].replace("0.", "").lstrip("0")) == 30


def test_decimal_parameters_are_exact_in_many_digits():
    p = predict(network("linear", 0.1, 0.3, bias_gradients=False), 10, 2, digits=40)
    # kappa_1 of L = 3: qh = 1, .4, .34; qt = .01, .1, 1
    exact = (mp.mpf("0.01") * 10 + mp.mpf("0.1") * 4 + mp.mpf("3.4")) / 20
    with mp.workdps(50):
        exact = (mp.mpf(1) / 100 * 10 + mp.mpf(1) / 10 * 4 + mp.mpf(34) / 10) / 20
        assert abs(p.kappa.K1 - exact) < mp.mpf("1e-45")


SYMBOLS = {
    name: sp.Symbol(name, positive=True) for name in ("sw2", "sb2", "M", "N", "C", "a0", "a1", "a2")
}
POINT = {"sw2": 1.7, "sb2": 0.3, "M": 90, "N": 12, "C": 3, "a0": 0.5, "a1": 1, "a2": 3}


@pytest.mark.parametrize("last", [None, MeanSubtraction(), BatchNorm(gamma=1.3)], ids=str)
@pytest.mark.parametrize("name", ["linear", "relu", "erf"])
def test_symbols_agree_with_floats_after_substitution(name, last):
    s = SYMBOLS
    fields = {} if last is None else {"last": last}
    activation = Activation.named("erf", scale=0.7) if name == "erf" else name
    shape = {"depth": 3, "input_overlaps": (1.1, 0.3), **fields}
    symbolic = Network(
        activation,
        sigma_w2=s["sw2"],
        sigma_b2=s["sb2"],
        outputs=s["C"],
        ratios=(s["a0"], s["a1"], s["a2"]),
        **shape,
    )
    closed = predict(symbolic, s["M"], s["N"])
    numeric = predict(
        Network(activation, sigma_w2=1.7, sigma_b2=0.3, outputs=3, ratios=(0.5, 1, 3), **shape),
        90,
        12,
    )
    values = {s[key]: sp.Rational(str(value)) for key, value in POINT.items()}

    def number(expression):
        return float(sp.N(sp.sympify(expression).subs(values), 20))

    for key in ("K", "kappa", "kappa_leading"):
        found = [number(part) for part in getattr(closed, key)[:3]]
        assert found == pytest.approx(list(getattr(numeric, key)[:3]), rel=1e-12, abs=0)
    for key in ("uniform_mode", "bulk_mode", "mean_eigenvalue", "second_moment", "parameters"):
        found = number(getattr(closed, key))
        assert found == pytest.approx(float(getattr(numeric, key)), rel=1e-12, abs=0)
    for one, other in zip(closed.spectrum, numeric.spectrum, strict=True):
        assert number(one.eigenvalue) == pytest.approx(float(other.eigenvalue), rel=1e-12, abs=0)
        assert number(one.multiplicity) == other.multiplicity
    if numeric.largest_eigenvalue.value is not None:
        found = number(closed.largest_eigenvalue.value)
        assert found == pytest.approx(float(numeric.largest_eigenvalue.value), rel=1e-12, abs=0)
    for bound in ("lower", "upper"):
        expected = getattr(numeric.largest_eigenvalue, bound)
        if expected is not None:
            found = number(getattr(closed.largest_eigenvalue, bound))
            assert found == pytest.approx(float(expected), rel=1e-12, abs=0)


def test_a_symbolic_tanh_prediction_names_its_integrals():
    net = Network("tanh", depth=3, sigma_w2=SYMBOLS["sw2"], sigma_b2=SYMBOLS["sb2"])
    kappa = predict(net, SYMBOLS["M"], SYMBOLS["N"]).kappa_leading
    for part in kappa[:3]:
        names = {function.func.__name__ for function in part.atoms(sp.Function)}
        assert names == {"I_tanh", "I_dtanh"}


def test_batch_norm_with_eps_is_a_symbolic_integral_over_the_output_variance():
    s = SYMBOLS
    net = Network(
        "linear", depth=2, sigma_w2=s["sw2"], sigma_b2=s["sb2"], last=BatchNorm(gamma=1.3, eps=0.3)
    )
    closed = predict(net, s["M"], 8).mean_eigenvalue
    values = {s[key]: sp.Rational(str(POINT[key])) for key in ("sw2", "sb2", "M")}
    numeric = predict(replace(net, sigma_w2=1.7, sigma_b2=0.3), 90, 8).mean_eigenvalue
    assert float(closed.subs(values).evalf(12)) == pytest.approx(float(numeric), rel=1e-9, abs=0)


@over_places
@pytest.mark.parametrize(
    "last", [None, BatchNorm(gamma=1.3, eps=0.3)], ids=["none", "batchnorm eps"]
)
def test_arrays_of_variances_agree_with_scalars(place, last):
    net = network(*place, ratios=(0.5, 1, 3), outputs=3)
    net = net if last is None else replace(net, last=last)
    sw2, sb2 = np.meshgrid([0.4, 1.0, 2.5], [0.0, 0.3])
    arrays = predict(net, 100, 12, sigma_w2=sw2, sigma_b2=sb2)
    for index in np.ndindex(sw2.shape):
        one = replace(net, sigma_w2=float(sw2[index]), sigma_b2=float(sb2[index]))
        scalars = predict(one, 100, 12)
        for name in ("mean_eigenvalue", "second_moment", "uniform_mode", "bulk_mode"):
            array = np.broadcast_to(getattr(arrays, name), sw2.shape)
            assert array[index] == pytest.approx(float(getattr(scalars, name)), rel=1e-13, abs=0)
        for part, scalar in zip(arrays.kappa_leading[:3], scalars.kappa_leading[:3], strict=True):
            assert np.broadcast_to(part, sw2.shape)[index] == pytest.approx(
                float(scalar), rel=1e-13, abs=1e-15
            )
        if last is None:
            largest = np.broadcast_to(arrays.largest_eigenvalue.value, sw2.shape)[index]
            assert largest == pytest.approx(
                float(scalars.largest_eigenvalue.value), rel=1e-13, abs=0
            )


# Deep networks: what is carried


@pytest.mark.parametrize(
    "place", [("erf", 1.1, 0.3), ("relu", 1.2, 0.4), ("linear", 0.7, 0.1)], ids=str
)
def test_the_gap_of_fifty_ordered_layers_keeps_its_relative_accuracy(place):
    net = network(*place, depth=50)
    floats, digits = predict(net, 100, 12), predict(net, 100, 12, digits=40)
    assert float(floats.K.gap) == pytest.approx(float(digits.K.gap), rel=1e-12, abs=0)
    for name in ("q_gap", "qh_gap", "S_gap", "T_gap"):
        one, other = (getattr(p.order_parameters, name) for p in (floats, digits))
        assert list(one) == pytest.approx([float(x) for x in other], rel=1e-11, abs=0)
    # so small that K1 - K2 in floats would have lost it: the test would notice
    o = floats.order_parameters
    assert o.q_gap[-1] < 1e-4 * o.q1[-1]


def test_the_gap_of_fifty_ordered_tanh_layers_shrinks_by_chi_per_layer():
    # the slope of the correlation map at 1, by this file's quadrature, to the digits that the
    # decay leaves: a subtraction would leave noise of 1e-16/gap
    sw2, sb2 = 0.9, 0.4
    o = predict(network("tanh", sw2, sb2, depth=50), 100, 12).order_parameters
    q = float(o.q1[-1])
    chi = sw2 * expectation("tanh", 1, q, q)
    assert o.q1[-1] == pytest.approx(sw2 * expectation("tanh", 0, q, q) + sb2, rel=1e-12, abs=0)
    assert 0 < o.q_gap[-1] < 1e-12
    assert o.q_gap[-1] / o.q_gap[-2] == pytest.approx(chi, rel=1e-11, abs=0)
    assert o.qh_gap[-1] / o.qh_gap[-2] == pytest.approx(chi, rel=1e-11, abs=0)


# Pure formulas

positive = st.floats(0.1, 100)


@given(K1=positive, K2=st.floats(-1, 100), N=st.integers(2, 60), C=st.integers(1, 5), P=positive)
@settings(deadline=None)
def test_formulas_are_those_of_a_matrix_with_two_numbers(K1, K2, N, C, P):
    matrix = (K1 - K2) * np.eye(N) + K2
    A = np.eye(N) - 1 / N
    centred = A @ matrix @ A
    scale = abs(K1) + N * abs(K2)
    assert fisher.uniform_mode(K1, K2, N) == pytest.approx(matrix.sum() / N**2, abs=1e-12 * scale)
    assert fisher.mean_eigenvalue(K1, C, P) == pytest.approx(C * np.trace(matrix) / N / P)
    s = C * (matrix**2).sum() / N**2 / P
    assert fisher.second_moment(K1, K2, N, C, P) == pytest.approx(s)
    gap = K1 - K2
    m = C * np.trace(centred) / N / P
    assert fisher.centred_mean_eigenvalue(gap, N, C, P) == pytest.approx(m, abs=1e-11 * scale)
    s = C * (centred**2).sum() / N**2 / P
    assert fisher.centred_second_moment(gap, N, C, P) == pytest.approx(s, abs=1e-10 * scale**2 / P)
    f = np.linspace(-1, 2, N) ** 3
    f = A @ f / np.linalg.norm(A @ f)
    projected = (A - np.outer(f, f)) @ matrix
    assert fisher.conditional_trace(gap, N) == pytest.approx(np.trace(projected), abs=1e-9 * scale)


@pytest.mark.parametrize("N", [6, 9, 25])
def test_inverse_powers_of_the_output_variance_equal_an_integral(N):
    v = 0.7
    for power in (1, 2):
        if power < (N - 3) / 2:
            expected = chi_square_quad(lambda x, k=power: (v * x / N) ** -k, N - 1)
            assert fisher.inverse_variance(v, N, power) == pytest.approx(expected, rel=1e-8, abs=0)
    expected = chi_square_quad(lambda x: v * x / N, N - 1)
    assert fisher.output_variance(v, N) == pytest.approx(expected, rel=1e-9, abs=0)


@pytest.mark.parametrize("eigenvalues", [(7.0, 0, 0, 0), (3.0, 3.0, 0, 0), (5.0, 2.0, 1.0, 0.1)])
def test_bounds_of_the_largest_eigenvalue_hold_and_are_sharp_for_one_eigenvalue(eigenvalues):
    P, m = len(eigenvalues), np.mean(eigenvalues)
    s = np.mean(np.square(eigenvalues))
    lower, upper = fisher.moments_bound(m, s), fisher.trace_bound(s, P)
    assert lower <= max(eigenvalues) * (1 + 1e-15)
    assert upper == pytest.approx(np.linalg.norm(eigenvalues), rel=1e-14)
    if np.count_nonzero(eigenvalues) == 1:
        assert (lower, upper) == pytest.approx((7.0, 7.0), rel=1e-14)
