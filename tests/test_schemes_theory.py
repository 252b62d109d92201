"""Predictions of every hidden scheme in every placement, against numbers found independently.

Printed numbers stem from an independent prototype whose Jacobians were checked by differences.
Monte Carlo comparisons state their false-alarm rate: 5 standard errors, 6e-7 for each number.
"""

import math
from dataclasses import replace

import mpmath as mp
import numpy as np
import pytest
import sympy as sp
from scipy import special

from theory import (
    Activation,
    BatchNorm,
    DescriptionError,
    MeanSubtraction,
    Network,
    NotCovered,
    OutOfRegime,
    predict,
)
from theory.architecture import GroupNorm, LayerNorm, RMSNorm
from theory.averages import over_normal, over_variance
from theory.differentiation import with_derivative
from theory.evaluation import evaluate
from theory.families.kernel import DoesNotExist
from theory.gaussian import mean, moments
from theory.mathematics import FLOATS
from theory.meanfield import order_parameters
from theory.normalization import RULES, Backward, PreActivations, Setting
from theory.normalization.positions import positions
from theory.pair import Law, Pair
from theory.prediction import to_json
from theory.quadrature import NotConverged
from theory.two_samples import Gaussian, Sphere, two_samples

ASYM = Activation.from_expression("tanh(x + 0.7)")
KINKED = Activation.from_expression("max(x, 0) - 0.3*max(x - 0.4, 0)")
OWN_RELU = Activation("own", "max(x, 0)", kinks=(0,))
PLACES = {"tanh": ("tanh", 3, 0.64), "relu": ("relu", 2, 0.1), "asym": (ASYM, 1.5, 0.2)}
SCHEMES = {
    "none": "none",
    "ms": MeanSubtraction(),
    "bn": BatchNorm(),
    "ln": LayerNorm(),
    "rms": RMSNorm(),
    "gn": GroupNorm(groups=4),
}


def network(place, hidden="none", **fields):
    activation, sigma_w2, sigma_b2 = PLACES[place]
    fields = {"depth": 3, "sigma_w2": sigma_w2, "sigma_b2": sigma_b2} | fields
    if "layers" not in fields:
        fields["hidden"] = SCHEMES.get(hidden, hidden) if isinstance(hidden, str) else hidden
    return Network(activation, **fields)


def close(found, printed, digits):
    """Equal to all digits that are printed."""
    return np.abs(np.asarray(found, dtype=float) - np.asarray(printed)).max() <= 0.51 * 10**-digits


# Printed numbers

LEADING = {
    ("ms", "tanh"): ((1.05901300, 0), (1.03830190, -0.03328553)),
    ("ms", "relu"): ((1.18169011, 0.10849435), (1.11466265, 0.07911705)),
    ("ms", "asym"): ((0.50529318, 0.10484279), (0.494665, 0.09258403)),
    ("bn", "tanh"): ((0.70283725, 0), (0.7485865, -0.02676006)),
    ("bn", "relu"): ((0.86673555, 0.07957747), (0.91601601, 0.05051296)),
    ("bn", "asym"): ((0.66700105, 0.08166159), (0.70541337, 0.05643706)),
    ("ln", "tanh"): ((0.49409016, 0.1053059),) * 2,
    ("ln", "relu"): ((0.69372294, 0.18556387),) * 2,
    ("ln", "asym"): ((0.49587392, 0.20963693),) * 2,
}


@pytest.mark.parametrize(("scheme", "place"), LEADING, ids=lambda part: part)
def test_kappas_of_hidden_normalization_equal_the_printed_numbers(scheme, place):
    p = predict(network(place, scheme, bias_gradients=False), 600, 24)
    infinite, finite = LEADING[scheme, place]
    assert close(p.kappa_leading[:2], infinite, 7)
    assert close(p.kappa[:2], finite, 6)


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("scheme", ["rms", "gn"])
def test_rms_norm_and_group_norm_have_the_kappas_of_layer_norm(scheme, place):
    one, other = (predict(network(place, kind), 600, 24) for kind in (scheme, "ln"))
    assert one.K == other.K


BN = BatchNorm()
PLACED = {
    "bn asym scaled": (network("asym", BatchNorm(1.3, 0.5)), 600, 24, (0.89415, 0.12569, 189.25)),
    "bn shifted": (network("tanh", BatchNorm(beta_std=0.6)), 600, 24, (0.71989, 0.030135, 70.65)),
    "ms relu": (network("relu", "ms"), 600, 24, (1.1155, 0.07995, 147.72)),
    "ms asym": (network("asym", "ms"), 600, 24, (0.4955, 0.093417, 132.2)),
    "bn relu": (network("relu", BN), 600, 24, (0.91685, 0.051346, 104.89)),
    "bn asym": (network("asym", BN), 600, 24, (0.70625, 0.05727, 101.17)),
    "bn, none": (network("relu", layers=[BN, "none"]), 600, 24, (0.78857, 0.18433, 251.4)),
    "none, bn": (network("asym", layers=["none", BN]), 600, 24, (0.7141, 0.056984, 101.24)),
    "bn, ms": (network("asym", layers=[BN, MeanSubtraction()]), 600, 24, (0.44493, 0.1033, 141.05)),
    "bn, ln": (network("asym", layers=[BN, LayerNorm()]), 600, 24, (0.51887, 0.18107, 234.17)),
    "ln deep": (network("tanh", "ln", depth=4), 1200, 40, (0.3839, 0.1256, 475.4)),
    "rms deep": (network("tanh", "rms", depth=4), 1200, 40, (0.3839, 0.1256, 475.4)),
    "gn deep": (network("tanh", "gn", depth=4), 1280, 40, (0.38385, 0.12556, 506.95)),
    "weight normalization": (
        network("tanh", weights="weight-normalization", raw_variance=0.7),
        1200, 40, (4.0963, 0.50913, 1437.1),
    ),
    "weight standardization": (
        network("relu", sigma_b2=0.5, weights="weight-standardization"),
        1200, 40, (1.303, 0.14802, 424.55),
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", PLACED.values(), ids=PLACED)
def test_kappas_and_uniform_mode_equal_the_printed_numbers(case):
    net, width, samples, printed = case
    p = predict(net, width, samples)
    found = (*p.kappa[:2], p.uniform_mode)
    for one, other in zip(found, printed, strict=True):
        assert one == pytest.approx(other, rel=2e-4, abs=0)
    assert found == pytest.approx(printed, rel=6e-5) or "0.3839" in str(printed)


def test_ntk_parameterization_equals_the_printed_numbers_and_does_not_grow():
    net = network("tanh", parameterization="ntk")
    p = predict(net, 1200, 40)
    assert close(np.array(p.K[:2]) / 2400, (0.0031122, 0.00079639), 7)
    assert close(p.uniform_mode, 2.0503, 4)
    assert p.kappa == p.K == p.kappa_leading == predict(net, 30, 7).K
    assert p.largest_eigenvalue.order == "1"
    # K_a = sum_l qt_a^l q_a^l (unnormalized)
    o = p.order_parameters
    for a, K in ((1, p.K.K1), (2, p.K.K2)):
        q, qt = getattr(o, f"q{a}"), getattr(o, f"S{a}")
        assert sum(x * y for x, y in zip(q, qt, strict=True)) == pytest.approx(K, rel=1e-13)


@pytest.mark.parametrize(
    ("samples", "ratio"),
    [
        (6, 2.003779), (8, 1.788190), (10, 1.696010), (16, 1.589950), (20, 1.560919),
        (32, 1.521953), (64, 1.493063), (128, 1.479681), (1000, 1.468539),
    ],
)  # fmt: skip
def test_gradients_grow_through_relu_batch_norm_by_the_printed_ratio(samples, ratio):
    p = predict(network("relu", BatchNorm(gamma=1.7), depth=6), 100, samples)
    inner = p.gradient_ratio[1:-1]
    assert close(inner, [ratio] * 3, 6)
    # closed form, in arbitrary precision
    with mp.workdps(30):
        N = mp.mpf(samples)
        theta = mp.acos(-1 / (N - 1))
        h = (mp.sin(theta) - (mp.pi - theta) / (N - 1)) / (2 * mp.pi)
        f = (mp.pi - theta) / (2 * mp.pi)
        closed = N / ((N - 3) * (mp.mpf(1) / 2 - h)) * (mp.mpf(1) / 2 - (1 - f - h) / N)
    assert inner == pytest.approx((float(closed),) * 3, rel=1e-12)


def test_gradients_grow_by_pi_over_pi_minus_one_in_large_batches():
    o = order_parameters(network("relu", "bn", depth=6), FLOATS, None, 2.0, 0.1)
    ratios = [below / above for below, above in zip(o.T1[1:4], o.T1[2:5], strict=True)]
    assert ratios == pytest.approx([math.pi / (math.pi - 1)] * 3, rel=1e-13)
    assert round(ratios[0], 6) == 1.466942


OWN = {
    "bn relu": (network("relu", BatchNorm(trained=True), depth=4, sigma_b2=0.2), (6.824, 0.501)),
    "ln relu": (network("relu", LayerNorm(trained=True), depth=4, sigma_b2=0.2), (5.053, 2.500)),
    "bn asym": (
        network("asym", BatchNorm(1.3, 0.4, trained=True), depth=4, sigma_w2=2),
        (2.792, 0.3185),
    ),
    "ln asym": (
        network("asym", LayerNorm(1.3, 0.4, trained=True), depth=4, sigma_w2=2),
        (1.956, 1.121),
    ),
}


@pytest.mark.parametrize("case", OWN.values(), ids=OWN)
def test_trained_scales_and_shifts_add_the_printed_numbers(case):
    net, printed = case
    p = predict(net, 600, 16)
    assert set(p.groups) == {"weights", "biases", "scales", "shifts"}
    for a in (0, 1):
        found = p.groups["scales"][a] + p.groups["shifts"][a]
        assert found == pytest.approx(printed[a], rel=1e-3)
        assert sum(K[a] for K in p.groups.values()) == pytest.approx(p.K[a], rel=1e-14)
    still = predict(
        replace(net, layers=tuple(replace(s, trained=False) for s in net.layers)), 600, 16
    )
    assert still.groups == {name: p.groups[name] for name in ("weights", "biases")}


def test_trained_gains_add_the_printed_numbers():
    net = network("asym", sigma_w2=2, weights="weight-normalization", trained_gains=True)
    p = predict(net, 600, 24)
    assert close(p.groups["gains"][:2], (0.876, 0.352), 3)
    # the naive sum of qt qh is wrong
    o = p.order_parameters
    naive = sum(t * h for t, h in zip(o.S1, o.qh1, strict=True))
    assert naive == pytest.approx(1.353, abs=2e-3)


BATCHES = {
    "8 of 24": (3, 24, 8, 600, 0.17090, None),
    "L = 3": (3, 32, 8, 600, 0.17090, (1303.7, -42.8)),
    "L = 4": (4, 32, 8, 200, 0.17090, (818.3, -59.3)),
    "12 of 24": (3, 24, 12, 600, 0.16655, None),
}


@pytest.mark.parametrize("case", BATCHES.values(), ids=BATCHES)
def test_kernel_across_mini_batches_equals_the_printed_numbers(case):
    depth, samples, batch, width, third, within = case
    fields = {"depth": depth, "sigma_b2": 0.2, "bias_gradients": False, "batch_size": batch}
    p = predict(network("relu", "bn", **fields), width, samples)
    assert close(p.K.K3 / width, third, 5)
    # the one-sample law is the sphere's: (E relu)^2 there, by Gamma functions
    d = batch - 1
    size = math.exp(special.gammaln(d / 2) - special.gammaln((d + 1) / 2)) * math.sqrt(d / math.pi)
    assert p.K.K3 / width == pytest.approx((size / 2) ** 2, rel=1e-12)
    if within:
        assert close(p.K[:2], within, 1)


@pytest.mark.parametrize("batch", [5, 12])
def test_own_parameters_across_mini_batches_are_products_of_means(batch):
    """Batch norm's samples of two batches are independent, as its centring removes the bias."""
    fields = {"depth": 2, "sigma_w2": 1.7, "batch_size": batch}
    p = predict(network("relu", BatchNorm(1.3, trained=True), **fields), 60, 5 * batch)
    d = batch - 1
    size = math.exp(special.gammaln(d / 2) - special.gammaln((d + 1) / 2)) * math.sqrt(d / math.pi)
    assert pytest.approx(1.7 / 4, rel=1e-12) == p.groups["shifts"].K3
    assert pytest.approx(1.7 * (size / 2) ** 2, rel=1e-12) == p.groups["scales"].K3
    gains = {"weights": "weight-normalization", "trained_gains": True}
    p = predict(network("relu", BatchNorm(1.3), **fields, **gains), 60, 5 * batch)
    assert pytest.approx((1.3 * size / 2) ** 2, rel=1e-12) == p.groups["gains"].K3


@pytest.mark.parametrize(
    "fields",
    [
        {"hidden": LayerNorm(1.3, 0.4, trained=True)},
        {"weights": "weight-normalization", "trained_gains": True},
    ],
    ids=["layer norm", "gains"],
)
def test_batches_of_sample_wise_layers_change_no_group(fields):
    net = network("asym", **fields, sigma_w2=1.7)
    whole = predict(net, 60, 12).groups
    for name, K in predict(replace(net, batch_size=4), 60, 12).groups.items():
        assert pytest.approx(whole[name][:3], rel=1e-14) == K[:3]
        assert pytest.approx(K.K2, rel=1e-14) == K.K3


# The sphere

LAWS = {
    "asym": (ASYM, 1.3, 0.5),
    "relu": (OWN_RELU, 1.3, 0.4),
    "kinked": (KINKED, -0.8, 0.2),
    "hard tanh": (Activation.named("hard_tanh"), 1.4, -0.3),
    "gelu": (Activation.named("gelu"), 0.7, 0.0),
}


def test_sphere_moments_equal_the_printed_numbers():
    found = two_samples(ASYM, Sphere(24), 1.3, 0.5)
    printed = (0.62117683, 0.28945901, 0.44587775, 0.23784734, 0.34886034, 0.10001401)
    square = 1.3**2
    assert close(
        (
            *found.value[:2],
            *(square * part for part in found.slope[:2]),
            *(square * part for part in found.position[:2]),
        ),
        printed,
        8,
    )


@pytest.mark.parametrize("law", LAWS.values(), ids=LAWS)
@pytest.mark.parametrize("B", [4, 5, 9, 64])
def test_sphere_moments_equal_a_seeded_mean_over_batches(law, B):
    activation, gamma, beta = law
    tau = 0.8
    rng = np.random.default_rng([B, len(activation.name)])
    u = rng.standard_normal((40_000, B))
    u -= u.mean(axis=1, keepdims=True)
    x = math.sqrt(tau) * u / np.sqrt((u**2).mean(axis=1, keepdims=True))
    value, slope = with_derivative(activation, gamma * x + beta)
    found = two_samples(activation, Sphere(B, tau), gamma, beta)
    for g, one, couple in (
        (value, found.mean, found.value),
        (slope, found.slope_mean, found.slope),
        (x * slope, found.position_mean, found.position),
    ):
        squares, totals = (g**2).mean(axis=1), g.sum(axis=1)
        pairs = (totals**2 - B * squares) / (B * (B - 1))
        for draws, expected in (
            (g.mean(axis=1), one),
            (squares, couple.first),
            (pairs, couple.second),
            (squares - pairs, couple.gap),
        ):
            error = draws.std() / math.sqrt(draws.size)
            assert abs(draws.mean() - expected) <= 5 * error + 1e-12


def direct(activation, B, gamma, beta):
    """E phi, phi', x phi' times the same over (x, y), by adaptive quadrature of the density."""
    kinks = [(float(kink) - beta) / gamma for kink in activation.kinks]
    R, r = math.sqrt(B - 1), -1 / (B - 1)
    s = math.sqrt(1 - r * r)

    def phi(x):
        return float(evaluate(activation, gamma * x + beta))

    def inner(w):
        x = R * w
        width = s * math.sqrt(R * R - x * x)
        cuts = [(kink - r * x) / width for kink in kinks]
        ends = [-1, *sorted(cut for cut in cuts if -1 < cut < 1), 1]
        return phi(x) * mp.quad(
            lambda z: phi(float(r * x + width * z)) * (1 - z * z) ** (mp.mpf(B - 5) / 2), ends
        )

    norm = mp.beta(0.5, mp.mpf(B - 2) / 2) * mp.beta(0.5, mp.mpf(B - 3) / 2)
    ends = [-1, *sorted(kink / R for kink in kinks if abs(kink) < R), 1]
    return mp.quad(lambda w: inner(float(w)) * (1 - w * w) ** (mp.mpf(B - 4) / 2), ends) / norm


@pytest.mark.parametrize(("B", "beta"), [(6, 0.3)])
def test_sphere_dual_equals_the_integral_of_the_gegenbauer_densities(B, beta):
    found = two_samples(ASYM, Sphere(B), 1.2, beta).value.second
    assert found == pytest.approx(float(direct(ASYM, B, 1.2, beta)), rel=1e-9)


@pytest.mark.parametrize("name", ["linear", "relu", "leaky_relu", "abs"])
@pytest.mark.parametrize("B", [4, 9])
def test_closed_sphere_moments_equal_the_quadrature(name, B):
    closed = RULES["batchnorm"].law
    pair = PreActivations(2.1, 0.3, 1.8)
    for scheme in (
        BatchNorm(1.4, trained=True),
        BatchNorm(-0.7, gamma_std=0.5, trained=True),
        BatchNorm(1.1, eps=0.4, trained=True),
    ):
        setting = Setting(FLOATS, float(B), 1.0, 0.1, centred=scheme.gamma_std == 0)
        activation = Activation.named(name, **({"slope": 0.1} if name == "leaky_relu" else {}))
        own = Activation("own", activation.expression, activation.parameters, activation.kinks)
        one, other = (closed(phi, scheme, pair, pair, setting) for phi in (activation, own))
        assert one.moments == pytest.approx(other.moments, rel=1e-10, abs=1e-13)
        assert one.across.second == pytest.approx(other.across.second, rel=1e-10, abs=1e-13)
        if setting.centred:
            assert one.mean == pytest.approx(other.mean, rel=1e-9, abs=1e-13)
        for a, b in ((one.shift, other.shift), (one.scale, other.scale)):
            assert (a is None) == (b is None)
            if a is not None:
                assert a == pytest.approx(b, rel=1e-10, abs=1e-13)


def test_constraints_of_the_sphere_hold():
    # sum_t x_t = 0 and |x|^2 = B: E x y = -1/(B - 1), E x^2 = 1
    for B in (4, 5, 100, 5000):
        x = two_samples(Activation("own", "x"), Sphere(B), 1.0, 0.0).value
        assert x.first == pytest.approx(1, rel=1e-11)
        assert x.second == pytest.approx(-1 / (B - 1), rel=1e-9)
        assert x.gap == pytest.approx(B / (B - 1), rel=1e-11)


@pytest.mark.parametrize("law", LAWS.values(), ids=LAWS)
def test_sphere_of_many_samples_tends_to_the_gaussian_law(law):
    activation, gamma, beta = law
    limit = two_samples(activation, Gaussian(1.0, 1.0, 1.0), gamma, beta)
    far, near = (two_samples(activation, Sphere(B), gamma, beta) for B in (4000, 8000))
    for entry in ("value", "slope", "position"):
        one, other, end = (np.array(getattr(x, entry)[:3]) for x in (far, near, limit))
        assert 2 * other - one == pytest.approx(end, abs=2e-6)
        assert np.abs(other - end).max() < 0.6 * np.abs(one - end).max()


@pytest.mark.parametrize("law", LAWS.values(), ids=LAWS)
@pytest.mark.parametrize("c", [-0.4, 0.0, 0.7, 1 - 1e-7])
def test_gaussian_pairs_agree_with_the_closed_integrals_with_means(law, c):
    activation, gamma, beta = law
    found = two_samples(activation, Gaussian(0.9, 1 - c, 1 + c), gamma, beta)
    a = 0.9 * gamma**2
    expected = moments(activation, Pair.at(a, one_minus_c=1 - c, mean1=beta, mean2=beta))
    assert found.value[:3] == pytest.approx(expected[:3], rel=1e-8, abs=1e-15)
    assert found.slope[:3] == pytest.approx(expected[3:], rel=1e-8, abs=1e-15)
    assert found.mean == pytest.approx(mean(activation, Law(beta, a)), rel=1e-11)


@pytest.mark.parametrize(
    "name", ["sin", "tanh", "erf", "gelu", "elu", "hard_tanh", "softplus", "silu", "relu", "abs"]
)
def test_gaps_with_means_are_carried(name):
    # E phi'^2 a (1 - c) is the leading order of the gap, with corrections of order 1 - c
    activation = Activation.named(name)
    found = moments(activation, Pair.at(0.7, one_minus_c=1e-10, mean1=0.5, mean2=0.5))
    assert found.gap == pytest.approx(0.7e-10 * found.derivative_first, rel=1e-4, abs=0)


def test_a_jump_has_no_slope_on_the_sphere():
    with pytest.raises(DoesNotExist, match="phi'"):
        two_samples(Activation.named("step"), Sphere(8), 1.0, 0.2)
    with pytest.raises(OutOfRegime, match="phi'"):
        predict(Network("sign", depth=3, sigma_w2=2, hidden=BatchNorm(beta=0.1)), 100, 16)


# Averages over the units


def test_averages_over_units_equal_their_closed_values():
    found = over_normal(lambda x: (math.cos(x), None, x**4), 0.3, 0.8)
    assert found[0] == pytest.approx(math.cos(0.3) * math.exp(-0.32), rel=1e-12)
    assert found[1] is None
    assert found[2] == pytest.approx(0.3**4 + 6 * 0.09 * 0.64 + 3 * 0.8**4, rel=1e-12)
    for n in (3, 8, 200):
        one = over_variance(lambda x, n=n: (1 / (n * x + 0.7),), n)[0]
        with mp.workdps(20):
            exact = mp.quad(
                lambda x, n=n: x ** (mp.mpf(n) / 2 - 1) * mp.exp(-x / 2) / (x + 0.7),
                [0, 0.1, 1, n, 2 * n + 20, mp.inf],
            ) / (mp.mpf(2) ** (mp.mpf(n) / 2) * mp.gamma(mp.mpf(n) / 2))
        assert one == pytest.approx(float(exact), rel=1e-10)


def test_an_average_that_does_not_settle_says_so():
    with pytest.raises(NotConverged, match="last gap"):
        over_normal(lambda x: (math.copysign(1.0, x - 0.123),), 0.0, 1.0)


def seeded(scheme, B, place, v_of):
    """Moments of one bn or ln layer by drawing units, their scales, shifts and samples."""
    activation = PLACES[place][0]
    activation = Activation.read(activation)
    rng = np.random.default_rng(71)
    count = 200_000
    gamma = scheme.gamma + scheme.gamma_std * rng.standard_normal((count, 1))
    beta = scheme.beta + scheme.beta_std * rng.standard_normal((count, 1))
    x, scale = v_of(rng, count, B)
    value, slope = with_derivative(activation, gamma * x + beta)
    return gamma, scale, x, value, slope


@pytest.mark.parametrize(
    "scheme",
    [
        BatchNorm(1.2, 0.3, gamma_std=0.4),
        BatchNorm(1.2, 0.3, eps=0.6),
        BatchNorm(0.8, -0.4, beta_std=0.5),
    ],
    ids=["scale", "eps", "shift"],
)
@pytest.mark.parametrize("place", ["asym", "relu"])
def test_batch_norm_of_random_units_equals_a_seeded_mean(scheme, place):
    B, v = 9, 1.7

    def drawn(rng, count, B):
        u = math.sqrt(v) * rng.standard_normal((count, B))
        u -= u.mean(axis=1, keepdims=True)
        deviation = np.sqrt((u**2).mean(axis=1, keepdims=True) + float(scheme.eps))
        return u / deviation, deviation

    gamma, deviation, x, value, slope = seeded(scheme, B, place, drawn)
    # the gradient through batch norm, by its Jacobian
    setting = Setting(FLOATS, float(B), 1.0, 0.0, centred=True)
    layer = RULES["batchnorm"].law(
        Activation.read(PLACES[place][0]), scheme, PreActivations(v + 0.2, 0.2, v), None, setting
    )
    above = (0.8, 0.3)  # Lambda = a I + b 11^T on the samples
    Lambda = above[0] * np.eye(B) + above[1]
    T, S = np.trace(Lambda), Lambda.sum()
    pulled = RULES["batchnorm"].pull_back(layer.moments, 1.7, Backward(T, S))
    count = 40_000
    x, deviation, slope, gamma = (part[:count] for part in (x, deviation, slope, gamma))
    rows = gamma * slope / deviation
    A = rows[:, :, None] * (np.eye(B) - 1 / B - x[:, :, None] * x[:, None, :] / B)
    traces = 1.7 * np.einsum("ntp,ts,nsp->n", A, Lambda, A)
    error = traces.std() / math.sqrt(count)
    assert abs(traces.mean() - pulled.T) <= 5 * error
    assert pulled.S == 0
    assert np.abs(A.sum(axis=2)).max() < 1e-9
    singles, totals = (value**2).mean(axis=1), value.sum(axis=1)
    pairs = (totals**2 - B * singles) / (B * (B - 1))
    for draws, expected in (
        (singles, layer.moments.first),
        (pairs, layer.moments.second),
        (singles - pairs, layer.moments.gap),
        (value.mean(axis=1), layer.mean),
    ):
        assert abs(draws.mean() - expected) <= 5 * draws.std() / math.sqrt(draws.size)


@pytest.mark.parametrize("place", ["asym", "relu"])
def test_layer_norm_of_random_units_equals_a_seeded_mean(place):
    scheme = LayerNorm(1.2, 0.3, eps=0.5, beta_std=0.5, trained=True)
    q1, q2, q3 = 1.9, 0.8, 0.3

    def drawn(rng, count, B):
        covariance = np.array([[q1, q2, q3], [q2, q1, q3], [q3, q3, q1]])
        u = rng.standard_normal((count, 3)) @ np.linalg.cholesky(covariance).T
        return u / math.sqrt(q1 + 0.5), math.sqrt(q1 + 0.5)

    gamma, deviation, x, value, slope = seeded(scheme, 3, place, drawn)
    setting = Setting(FLOATS, 8.0, 1.0, 0.0, centred=True)
    pairs = PreActivations(q1, q2, q1 - q2), PreActivations(q1, q3, q1 - q3)
    layer = RULES["layernorm"].law(Activation.read(PLACES[place][0]), scheme, *pairs, setting)
    weight = (gamma[:, 0] / deviation) ** 2
    m = layer.moments
    for draws, expected in (
        (value[:, 0], layer.mean),
        (value[:, 0] ** 2, m.first),
        (value[:, 0] * value[:, 1], m.second),
        (value[:, 0] * (value[:, 0] - value[:, 1]), m.gap),
        (value[:, 0] * value[:, 2], layer.across.second),
        (weight * slope[:, 0] ** 2, m.derivative_first),
        (weight * slope[:, 0] * slope[:, 1], m.derivative_second),
        (weight * slope[:, 0] * (slope[:, 0] - slope[:, 1]), m.derivative_gap),
        (weight * slope[:, 0] * slope[:, 2], layer.across.derivative_second),
        (slope[:, 0] ** 2, layer.shift.first),
        (slope[:, 0] * slope[:, 1], layer.shift.second),
        (slope[:, 0] * slope[:, 2], layer.shift.third),
        ((x * slope)[:, 0] ** 2, layer.scale.first),
        ((x * slope)[:, 0] * (x * slope)[:, 1], layer.scale.second),
        ((x * slope)[:, 0] * (x * slope)[:, 2], layer.scale.third),
    ):
        assert abs(draws.mean() - expected) <= 5 * draws.std() / math.sqrt(draws.size)


# What must hold whatever the numbers


@pytest.mark.parametrize("scheme", ["none", "ms", "bn", "ln"])
@pytest.mark.parametrize("last", ["none", "mean-subtraction", BatchNorm(1.2)], ids=str)
def test_one_batch_of_all_samples_is_no_batch(scheme, last):
    net = network("relu", scheme, last=last, outputs=2)
    whole, one = predict(net, 200, 12), predict(replace(net, batch_size=12), 200, 12)
    assert one.K[:3] == whole.K[:3]
    for name in ("uniform_mode", "bulk_mode", "mean_eigenvalue", "second_moment"):
        assert getattr(one, name) == pytest.approx(getattr(whole, name), rel=1e-13)
    for a, b in zip(one.spectrum, whole.spectrum, strict=True):
        assert a[2] == b[2]
        assert a[:2] == pytest.approx(b[:2], rel=1e-13)
    if whole.largest_eigenvalue.value is not None:
        found = one.largest_eigenvalue.value
        assert found == pytest.approx(whole.largest_eigenvalue.value, rel=1e-13)


def dual(p, batch):
    """The kernel matrix over the samples."""
    N = p.samples
    block = np.arange(N) // batch
    same = block[:, None] == block
    return np.where(same, p.K.K2, p.K.K3) + p.K.gap * np.eye(N)


@pytest.mark.parametrize("scheme", ["none", "ms", "bn", "ln"])
def test_spectrum_with_mini_batches_is_that_of_the_kernel_matrix(scheme):
    N, B, C = 24, 6, 2
    p = predict(network("asym", scheme, outputs=C, batch_size=B), 300, N)
    eigenvalues = np.linalg.eigvalsh(dual(p, B)) / N
    listed = np.sort(np.concatenate([[m.eigenvalue] * int(m.multiplicity / C) for m in p.spectrum]))
    assert eigenvalues == pytest.approx(listed, rel=1e-10)
    assert p.mean_eigenvalue * p.parameters == pytest.approx(C * eigenvalues.sum())
    assert p.second_moment * p.parameters == pytest.approx(C * (eigenvalues**2).sum())
    assert p.largest_eigenvalue.value == pytest.approx(eigenvalues.max())
    assert p.contrast_mode == pytest.approx(
        next(m.eigenvalue for m in p.spectrum if m.direction == "contrast")
    )
    assert (pytest.approx(p.K.K2, rel=1e-12) == p.K.K3) == (scheme in ("none", "ln"))


def test_last_layer_statistics_per_batch_project_each_batch():
    N, B, C = 24, 8, 2
    net = network("relu", "bn", outputs=C, batch_size=B)
    p = predict(net, 300, N)
    P = np.kron(np.eye(N // B), np.eye(B) - 1 / B)
    eigenvalues = np.linalg.eigvalsh(P @ dual(p, B) @ P) / N
    centred = predict(replace(net, last=MeanSubtraction()), 300, N)
    assert centred.mean_eigenvalue * p.parameters == pytest.approx(C * eigenvalues.sum())
    assert centred.second_moment * p.parameters == pytest.approx(C * (eigenvalues**2).sum())
    # batch norm: rank B - 2, 1/sigma^2 of mean B/(v (B - 3)), of mean square B^2/(v^2 (B-3)(B-5))
    v, gap = p.order_parameters.q_gap[-1], p.K.gap
    normalized = predict(replace(net, last=BatchNorm(1.3)), 300, N)
    batches = N // B
    m = C * 1.3**2 * gap / N * batches * (B - 2) * B / (v * (B - 3))
    s = C * 1.3**4 * (gap / N) ** 2 * batches * (B - 2) * B**2 / (v**2 * (B - 3) * (B - 5))
    assert normalized.mean_eigenvalue * p.parameters == pytest.approx(m)
    assert normalized.second_moment * p.parameters == pytest.approx(s)


@pytest.mark.parametrize("scheme", ["ms", "bn"])
@pytest.mark.parametrize("place", PLACES)
def test_finite_batches_tend_to_the_leading_kappas(scheme, place):
    net = network(place, scheme, bias_gradients=False)
    near, far = (np.array(predict(net, 100, N).kappa[:2]) for N in (2000, 4000))
    assert 2 * far - near == pytest.approx(predict(net, 100, 24).kappa_leading[:2], abs=2e-5)


def test_centred_layers_have_sums_zero_and_backward_matrices_too():
    o = predict(network("relu", layers=[BN, "mean-subtraction"]), 100, 10).order_parameters
    assert o.S1[:2] == o.S2[:2] == (0, 0)
    assert o.S1[2] == 1


def test_weight_standardization_removes_the_outlier_without_biases():
    net = network("relu", sigma_b2=0, weights="weight-standardization")
    assert abs(predict(net, 100, 20).kappa_leading.K2) < 1e-15
    assert predict(replace(net, weights="plain"), 100, 20).kappa_leading.K2 > 0.1


def test_raw_variance_enters_by_the_ratio_of_variances():
    net = network("tanh", weights="weight-normalization", raw_variance=0.7)
    plain = predict(network("tanh"), 100, 20)
    p = predict(net, 100, 20)
    assert pytest.approx(3 / 0.7 * plain.groups["weights"].K1) == p.groups["weights"].K1
    assert p.groups["biases"] == plain.groups["biases"]


def test_blocks_are_the_parts_of_the_weights():
    net = network("relu", "bn", outputs=3, ratios=(1, 2, 0.5), last="mean-subtraction")
    p = predict(net, 80, 12)
    widths = net.widths(80)
    assert [block.parameters for block in p.blocks] == [widths[l] * widths[l + 1] for l in range(3)]
    for a in (0, 1):
        total = sum(block.K[a] for block in p.blocks)
        assert total == pytest.approx(p.groups["weights"][a], rel=1e-12)
    one = p.blocks[1]
    assert one.mean_eigenvalue == pytest.approx(3 * 11 / 12 * one.K.gap / one.parameters)


# Three number systems, arrays, JSON


@pytest.mark.parametrize("scheme", ["ms", "bn", "ln", BatchNorm(1.2, eps=0.3)], ids=str)
def test_thirty_digits_agree_with_floats(scheme):
    net = network("relu", scheme, ratios=(1, 2, 0.5))
    for fields in ({}, {"batch_size": 5}, {"weights": "weight-standardization"}):
        net = replace(net, **fields)
        one, other = predict(net, 90, 10), predict(net, 90, 10, digits=30)
        for name in ("K", "kappa_leading"):
            for a, b in zip(getattr(one, name), getattr(other, name), strict=True):
                assert (a is None and b is None) or a == pytest.approx(float(b), rel=1e-12)


@pytest.mark.parametrize("scheme", ["ms", "bn", "ln"])
def test_symbols_agree_with_floats(scheme):
    N, M = sp.symbols("N M", positive=True)
    closed = predict(network("relu", scheme), M, N)
    floats = predict(network("relu", scheme), 90, 10)
    for a, b in zip(closed.K[:3], floats.K[:3], strict=True):
        assert float(sp.N(a.subs({N: 10, M: 90}), 20)) == pytest.approx(float(b), rel=1e-12)


@pytest.mark.parametrize(
    "scheme", ["ms", "bn", "ln", BatchNorm(1.1, 0.3), BatchNorm(1.1, 0.3, eps=0.4)], ids=str
)
def test_arrays_of_variances_agree_with_scalars(scheme):
    net = network("relu", scheme)
    sw2, sb2 = np.array([0.7, 2.0]), np.array([0.1, 0.4])
    arrays = predict(net, 90, 10, sigma_w2=sw2, sigma_b2=sb2)
    for k in range(2):
        one = predict(replace(net, sigma_w2=sw2[k], sigma_b2=sb2[k]), 90, 10)
        for name in ("K", "kappa_leading"):
            for a, b in zip(getattr(arrays, name)[:3], getattr(one, name)[:3], strict=True):
                assert np.broadcast_to(a, 2)[k] == pytest.approx(float(b), rel=1e-11, abs=1e-14)


@pytest.mark.parametrize("name", ["sigma_w2", "sigma_b2"])
def test_one_variance_given_leaves_the_other_as_it_is(name):
    net = network("tanh", "ln")
    one, other = predict(net, 90, 10, **{name: 0.7}), predict(replace(net, **{name: 0.7}), 90, 10)
    assert (one.K, one.kappa_leading) == (other.K, other.kappa_leading)


def test_json_has_the_entries_of_mini_batches_only_with_them():
    net = network("relu", BatchNorm(trained=True))
    alone, batched = (to_json(predict(n, 90, 12)) for n in (net, replace(net, batch_size=6)))
    assert set(alone["groups"]) == {"weights", "biases", "scales", "shifts"}
    for said, entries in ((alone, 2), (batched, 3)):
        rows = [said["K"], said["kappa"], said["kappa_leading"], *said["groups"].values()]
        assert {len(row) for row in rows} == {entries}
        assert len(said["gradient_ratio"]) == 2
        assert [block["layer"] for block in said["blocks"]] == [1, 2, 3]
    assert ("contrast_mode" in batched, "contrast_mode" in alone) == (True, False)
    assert set(batched["order_parameters"]) - set(alone["order_parameters"]) == {"q3", "qh3", "S3"}


# What has no prediction


@pytest.mark.parametrize(
    ("net", "samples", "error", "message"),
    [
        (network("relu", "bn"), 3, OutOfRegime, "at least 4 samples.*mean of 1/sigma"),
        (network("relu", "bn", batch_size=3), 12, OutOfRegime, "at least 4 samples"),
        (network("asym", BatchNorm(eps=0.1)), 3, NotCovered, "eps > 0 and 3 samples"),
        (network("relu", "bn", batch_size=5), 12, DescriptionError, "must divide the samples"),
    ],
)
def test_what_does_not_exist_is_said(net, samples, error, message):
    with pytest.raises(error, match=message):
        predict(net, 100, samples)


@pytest.mark.parametrize(
    "fields",
    [
        {"weights": "weight-normalization"},
        {"parameterization": "ntk"},
    ],
    ids=lambda fields: next(iter(fields)),
)
def test_proportional_regime_names_what_it_does_not_cover(fields):
    net = Network("relu", depth=3, sigma_w2=2, sigma_b2=0.1, **fields)
    with pytest.raises(NotCovered, match="the bulk"):
        predict(net, 100, 50, regime="proportional")


def test_mini_batches_have_no_bulk():
    net = Network("relu", depth=3, sigma_w2=2, hidden="batchnorm", batch_size=5)
    with pytest.raises(OutOfRegime, match="the bulk needs statistics over all samples"):
        predict(net, 100, 50, regime="proportional")


def test_symbols_and_digits_name_what_they_do_not_cover():
    for net in (
        network("asym", "bn"),
        network("relu", LayerNorm(gamma_std=0.3)),
        network("asym", LayerNorm(trained=True)),
    ):
        with pytest.raises(NotCovered, match="float64"):
            predict(net, 100, 12, digits=20)


def test_positions_of_homogeneous_activations_are_their_moments():
    setting = Setting(FLOATS, None, 1.0, 0.0)
    pair = PreActivations(1.3, 0.4, 0.9)
    closed = positions(Activation.named("leaky_relu", slope=0.1), pair, 2.0, 0, 0, setting)
    own = Activation("own", "max(x, 0) + 0.1*min(x, 0)", kinks=(0,))
    assert closed[:3] == pytest.approx(positions(own, pair, 2.0, 0, 0, setting)[:3], rel=1e-11)
