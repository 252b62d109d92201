"""Maps that couple the outputs: against the dense dual matrix, and over the law of the outputs.

Seeds are fixed: nothing here fails by chance. Bands of 4 or 5 standard errors, 6e-5 or 6e-7 for a
true formula under fresh seeds, miss errors below them.
"""

import math

import numpy as np
import pytest
from scipy import integrate

from theory import predict
from theory.architecture import (
    BatchNorm,
    DescriptionError,
    LayerNorm,
    Network,
    NotCovered,
    OutOfRegime,
)
from theory.coupled_outputs import (
    CoupledMap,
    Law,
    draw_outputs,
    layer_norm_cross,
    layer_norm_square,
    layer_norm_trace,
    mean,
    sampled,
)
from theory.outliers import (
    SEPARATED,
    bulk,
    layer_norm_metric,
    outliers,
    realised,
    softmax_metric,
)

METRICS = {"layer norm": (layer_norm_metric, 2), "softmax": (softmax_metric, 1)}
LAW = Law(q2=1.18, gap=1.13, N=40, C=10)


def derivative(metric, f):
    """A square root of every B_t, from the definition of the map."""
    if metric is softmax_metric:
        g = np.exp(f) / np.exp(f).sum()
        root = np.diag(np.sqrt(g))
        return root - np.outer(np.sqrt(g), g)  # A^T A = diag(g) - g g^T
    C, step = len(f), 1e-6

    def normalize(u):
        return (u - u.mean()) / u.std()

    columns = [(normalize(f + step * e) - normalize(f - step * e)) / (2 * step) for e in np.eye(C)]
    return np.array(columns).T


def dense(metric, f, K1, K2):
    """The CN x CN dual matrix, block by block."""
    C, N = f.shape
    A = [derivative(metric, f[:, t]) for t in range(N)]
    F = np.zeros((N, C, N, C))
    for t in range(N):
        for s in range(N):
            F[t, :, s, :] = A[t] @ A[s].T * (K1 if t == s else K2) / N
    return F.reshape(N * C, N * C)


def outputs(seed, C, N, shared):
    rng = np.random.default_rng(seed)
    return shared * rng.standard_normal((C, 1)) + rng.standard_normal((C, N))


SETTINGS = {
    "strong": (0, 6, 12, 5.0, 2.0, 1.0),
    "weak": (1, 4, 10, 5.0, 0.3, 0.4),
    "many outputs": (2, 9, 20, 3.0, 0.8, 0.7),
    "at the bulk": (3, 5, 6, 3.0, 0.05, 0.2),
}


@pytest.mark.parametrize("name", METRICS)
@pytest.mark.parametrize("setting", SETTINGS.values(), ids=SETTINGS)
def test_outliers_are_the_eigenvalues_of_the_dual_matrix_above_its_bulk(name, setting):
    seed, C, N, K1, K2, shared = setting
    metric, _ = METRICS[name]
    f = outputs(seed, C, N, shared)
    F, B = dense(metric, f, K1, K2), metric(f)
    eigenvalues = np.linalg.eigvalsh(F)[::-1]
    top = (K1 - K2) / N * np.linalg.eigvalsh(B).max()
    found = [one.value for one in outliers(B, K2, K1 - K2, C - 1)]
    above = [value for value in eigenvalues[: C - 1] if value > top * (1 + 1e-6)]
    assert [value for value in found if value is not None] == pytest.approx(above, rel=1e-7)
    assert found[len(above) :] == [None] * (C - 1 - len(above))


@pytest.mark.parametrize("name", METRICS)
def test_moments_for_given_outputs_are_traces_of_the_dual_matrix(name):
    metric, _ = METRICS[name]
    f, K1, K2 = outputs(5, 6, 9, 0.8), 5.0, 2.0
    F, r = dense(metric, f, K1, K2), realised(metric(f))
    assert np.trace(F) == pytest.approx(K1 * r.trace, rel=1e-7)
    square = K1**2 / 9 * r.square + 8 / 9 * K2**2 * r.cross
    assert (F**2).sum() == pytest.approx(square, rel=1e-7)


@pytest.mark.parametrize("name", METRICS)
def test_without_a_common_part_nothing_leaves_the_bulk(name):
    metric, lost = METRICS[name]
    f, K1 = outputs(7, 6, 9, 0.8), 5.0
    B = metric(f)
    for K2 in (0.0, -0.4):
        regimes = {(one.value, one.first_order, one.regime) for one in outliers(B, K2, K1, 5)}
        assert regimes == {(None, None, "bulk")}
    values = np.sort(np.linalg.eigvalsh(dense(metric, f, K1, 0.0)))[lost * 9 :]
    found = bulk(B, K1, 6 - lost)
    assert (found.lower, found.upper) == pytest.approx((values[0], values[-1]), rel=1e-6)
    assert found.mean == pytest.approx(values.mean(), rel=1e-6)


def test_the_first_order_form_is_second_order_accurate_and_given_far_above_the_bulk():
    f = outputs(11, 5, 60, 1.0)
    B, K2 = softmax_metric(f), 1.0
    errors = []
    for gap in (0.4, 0.2, 0.1):
        (one, *_) = outliers(B, K2, gap, 4)
        errors.append(abs(one.first_order - one.value))
        assert abs(one.large_samples - one.value) > 2 * errors[-1]
    assert errors[0] / errors[1] == pytest.approx(4, rel=0.2)
    assert errors[1] / errors[2] == pytest.approx(4, rel=0.2)
    near = outliers(B, 0.05, 1.0, 4)
    top = np.linalg.eigvalsh(B).max() / 60
    for one in (*outliers(B, 1.0, 1.0, 4), *near):
        if one.first_order is not None:
            assert one.first_order > SEPARATED * top
    assert any(one.first_order is None for one in near)


@pytest.mark.parametrize("q2", [0.7, 0.0, -0.02])
def test_outputs_are_drawn_from_their_covariance(q2):
    law = Law(q2=q2, gap=1.5, N=6, C=3)
    f = draw_outputs(law, 40000, seed=1).reshape(-1, 6)
    covariance = f.T @ f / len(f)
    expected = 1.5 * np.eye(6) + q2  # 5 standard errors: 5 sqrt(2) 2.2/sqrt(120000) = 0.045
    assert covariance == pytest.approx(expected, abs=0.045)


def test_means_of_layer_norm_over_the_outputs_are_those_of_sampled_outputs():
    q1 = LAW.q2 + LAW.gap
    r = realised(layer_norm_metric(draw_outputs(LAW, 4000, seed=2)))
    for values, expected in (
        (r.trace, layer_norm_trace(q1, 10)),
        (r.square, layer_norm_square(q1, 10)),
        (r.cross, layer_norm_cross(q1, LAW.correlation, 10)),
    ):
        found = mean(values)
        assert found.standard_error < 0.015 * expected
        assert abs(found.value - expected) < 4 * found.standard_error


def test_cross_mean_of_layer_norm_has_its_limits():
    assert layer_norm_cross(2.0, 1 - 1e-4, 10) == pytest.approx(
        layer_norm_square(2.0, 10), rel=1e-3
    )
    # independent samples: projectors of rank C - 2 meet in C - 3 + 1/(C - 1) dimensions
    independent = (7 + 1 / 9) * (layer_norm_trace(2.0, 10) / 8) ** 2
    assert layer_norm_cross(2.0, 0.0, 10) == pytest.approx(independent, rel=1e-12)
    with pytest.raises(OutOfRegime, match="the same"):
        layer_norm_cross(2.0, 1 - 1e-7, 10)


def softmax_collision(q1, C):
    r"""E sum_k g_k^2 by :math:`1/S^2 = \int_0^\infty x e^{-xS} dx`: no sampling."""
    z, w = np.polynomial.hermite_e.hermegauss(80)
    u, w = np.sqrt(q1) * z, w / w.sum()

    def integrand(log_x):
        x = math.exp(log_x)
        one = w @ np.exp(-x * np.exp(u))
        return x**2 * (w @ np.exp(2 * u - x * np.exp(u))) * one ** (C - 1)

    return C * integrate.quad(integrand, -25, 12, epsabs=1e-12, limit=200)[0]


def test_mean_trace_of_the_softmax_is_that_of_an_integral_without_sampling():
    law = Law(q2=0.6, gap=0.9, N=20, C=5)
    drawn, _ = sampled(CoupledMap(softmax_metric, 1), law)
    found = mean(drawn.trace)
    assert found.standard_error < 0.01
    expected = 1 - softmax_collision(1.5, 5)
    assert abs(found.value - expected) < 4 * found.standard_error


# Predictions


def network(**fields):
    usual = {"activation": "tanh", "depth": 3, "sigma_w2": 3, "sigma_b2": 0.64, "outputs": 10}
    return Network(**(usual | fields))


MAPPED = {"layer norm": {"last": LayerNorm()}, "softmax": {"loss": "cross-entropy"}}


@pytest.mark.parametrize("name", MAPPED)
def test_prediction_for_given_outputs_is_that_of_the_dual_matrix(name):
    net, metric = network(**MAPPED[name], outputs=6), METRICS[name][0]
    f = outputs(13, 6, 12, 1.1)
    p = predict(net, 500, 12, outputs=f)
    F = dense(metric, f, p.K.K1, p.K.K2)
    eigenvalues = np.linalg.eigvalsh(F)
    P = net.parameter_count(500)
    assert p.mean_eigenvalue == pytest.approx(np.trace(F) / P, rel=1e-6)
    assert p.second_moment == pytest.approx((F**2).sum() / P, rel=1e-6)
    largest = p.largest_eigenvalue
    assert (largest.regime, largest.order) == ("given-outputs", "M")
    assert largest.value == pytest.approx(eigenvalues[-1], rel=1e-6)
    assert largest.lower <= largest.value <= largest.upper
    assert p.learning_rate_threshold == pytest.approx(2 / largest.value, rel=1e-12)
    assert sum(mode.multiplicity for mode in p.spectrum) == 6 * 12
    assert p.outliers[0].value == largest.value


def test_an_odd_network_without_bias_has_no_outlier_behind_the_softmax():
    net = network(loss="cross-entropy", sigma_b2=0, bias_gradients=False, outputs=4)
    p = predict(net, 500, 10, outputs_seed=0)
    assert (p.largest_eigenvalue.value, p.largest_eigenvalue.regime) == (None, "bulk")
    assert p.learning_rate_threshold is None
    assert "secular" in p.reason
    assert p.bulk.upper > 0


def test_outputs_are_reproduced_from_their_seed():
    net = network(loss="cross-entropy")
    one, two, other = (predict(net, 500, 10, outputs_seed=seed) for seed in (1, 1, 2))
    assert one.outliers == two.outliers != other.outliers


def test_a_prediction_over_the_law_of_the_outputs_states_its_error():
    p = predict(network(loss="cross-entropy"), 1000, 20)
    m_error, s_error = p.standard_errors
    assert 0 < m_error < 0.01 * p.mean_eigenvalue
    assert 0 < s_error < 0.05 * p.second_moment
    assert (p.largest_eigenvalue.value, p.largest_eigenvalue.regime) == (None, "random")
    means = [
        predict(network(loss="cross-entropy"), 1000, 20, outputs_seed=seed).mean_eigenvalue
        for seed in range(40)
    ]
    # 40 sets of outputs: 5 standard errors detect 4 %
    assert abs(np.mean(means) - p.mean_eigenvalue) < 5 * np.std(means, ddof=1) / math.sqrt(40)
    top = p.outliers[0]
    assert top.above_bulk == 1
    assert top.quantiles[0] < top.mean < top.quantiles[2]


def test_gain_of_layer_norm_scales_every_moment():
    plain, scaled = (predict(network(last=LayerNorm(gamma=g)), 500, 10) for g in (1, 1.3))
    assert scaled.mean_eigenvalue == pytest.approx(1.3**2 * plain.mean_eigenvalue, rel=1e-12)
    assert scaled.second_moment == pytest.approx(1.3**4 * plain.second_moment, rel=1e-12)
    assert scaled.outliers[0].mean == pytest.approx(1.3**2 * plain.outliers[0].mean, rel=1e-9)
    assert plain.standard_errors == (0, 0)


@pytest.mark.parametrize("outputs", [4, 5])
def test_few_outputs_have_a_mean_but_no_second_moment(outputs):
    p = predict(network(last=LayerNorm(), outputs=outputs), 500, 10)
    assert p.mean_eigenvalue > 0
    assert p.second_moment is None
    assert f"C = {outputs}" in p.reason


@pytest.mark.parametrize(("outputs", "why"), [(2, "vanishes"), (3, "does not exist")])
def test_two_and_three_outputs_are_out_of_regime(outputs, why):
    with pytest.raises(OutOfRegime, match=why):
        predict(network(last=LayerNorm(), outputs=outputs), 500, 10)


@pytest.mark.parametrize(("gamma", "eps"), [(1, 0), (1.3, 0.4)])
def test_batch_norm_given_the_outputs_has_their_variances(gamma, eps):
    net = network(last=BatchNorm(gamma=gamma, eps=eps), outputs=3)
    f, N = outputs(17, 3, 12, 1.0), 12
    p = predict(net, 500, N, outputs=f)
    variance = f.var(axis=1)
    blocks = []
    for k in range(3):
        hat = (f[k] - f[k].mean()) / np.sqrt(variance[k] + eps)
        A = gamma / np.sqrt(variance[k] + eps) * (np.eye(N) - 1 / N - np.outer(hat, hat) / N)
        K = p.K.gap * np.eye(N) + p.K.K2
        blocks.append(A @ K @ A.T / N)
    P = net.parameter_count(500)
    assert p.mean_eigenvalue == pytest.approx(sum(map(np.trace, blocks)) / P, rel=1e-10)
    assert p.second_moment == pytest.approx(sum((F**2).sum() for F in blocks) / P, rel=1e-10)
    largest = max(np.linalg.eigvalsh(F)[-1] for F in blocks)
    assert p.largest_eigenvalue.value == pytest.approx(largest, rel=1e-10)
    assert p.bulk.upper == p.largest_eigenvalue.value
    assert p.outliers == ()


REFUSED = {
    "shape": ({"outputs": np.zeros((10, 9))}, "(10, 10)", "(10, 9)"),
    "nan": ({"outputs": np.full((10, 10), np.nan)}, "finite"),
    "text": ({"outputs": np.full((10, 10), "a")}, "<U1"),
    "both": ({"outputs": np.ones((10, 10)), "outputs_seed": 1}, "both", "one of them"),
    "digits": ({"outputs": np.ones((10, 10)), "digits": 20}, "float64"),
    "seed": ({"outputs_seed": -1}, "outputs_seed", "at least 0"),
    "half a seed": ({"outputs_seed": 0.5}, "outputs_seed", "whole number"),
}


@pytest.mark.parametrize("case", REFUSED.values(), ids=REFUSED)
def test_meaningless_outputs_are_refused(case):
    options, *parts = case
    with pytest.raises(DescriptionError) as problem:
        predict(network(), 500, 10, **options)
    assert all(part in str(problem.value) for part in parts)


def test_equal_outputs_cannot_be_normalized():
    with pytest.raises(OutOfRegime, match="all equal"):
        predict(network(last=LayerNorm()), 500, 10, outputs=np.ones((10, 10)))


@pytest.mark.parametrize("options", [{"digits": 20}, {"regime": "proportional"}], ids=str)
@pytest.mark.parametrize("name", MAPPED)
def test_what_no_rule_covers_is_refused(name, options):
    with pytest.raises(NotCovered):
        predict(network(**MAPPED[name]), 500, 10, **options)
