"""Losses, their minimizers and gradient descent with weight decay, against theory and mpmath."""

from dataclasses import replace

import mpmath
import numpy as np
import pytest

from derivations import flow_groups
from derivations.dynamics import (
    NEARBY,
    Setting,
    directions,
    judge_order,
    start_at_edge,
    starts_near,
)
from derivations.flow_problems import PROBLEMS
from numerics import losses, minimizers
from numerics.orders import judge, order, response
from numerics.weight_decay import check_scale_invariance, descend, scale_defect, walk
from theory import scale_invariance as exact
from theory import sharpness_problems as closed
from theory.errors import DescriptionError, NotConverged
from theory.sharpness_flow import centre, flow_speed, slow_period

RNG = np.random.default_rng(0)
X, Y = RNG.standard_normal((6, 9)), RNG.standard_normal(6)
YC = Y - Y.mean()
FORMS = np.array([[1.0, 2.0, 4.0]])
ENTRIES = np.array([(i, j) for i in range(5) for j in range(4)])[RNG.permutation(20)[:12]]


def network(scheme, widths=(4, 5)):
    length = np.linalg.norm(YC) * (1 if scheme == "batchnorm" else 4)
    return losses.Network(X[:, :3], YC, widths, scheme, float(length))


LOSSES = {
    "arc": losses.QuadraticForms(np.array([[1.0, 4.0]])),
    "quadratic": losses.QuadraticForms(FORMS),
    "two eigenvalues": losses.QuadraticForms(np.array([[1.0, 2.0, 4.0], [3.0, 1.5, 1.0]])),
    "two groups": losses.TwoGroups(3.0, 2.0),
    "batch-normalized regression": losses.BatchNormRegression(X, Y),
    "weight-normalized regression": losses.WeightNormRegression(X, Y, 3.0),
    "batch-normalized network": network("batchnorm"),
    "layer-normalized network": network("layernorm"),
    "weight-normalized network": network("weightnorm"),
    "matrix completion": losses.MatrixCompletion(ENTRIES, RNG.standard_normal(12), (5, 4), 3),
}
named = pytest.mark.parametrize("loss", LOSSES.values(), ids=LOSSES)
PRECISE = ["arc", "two groups", "batch-normalized regression", "weight-normalized regression"]


@pytest.fixture
def w(loss):
    return np.random.default_rng(3).standard_normal(loss.size)


# Losses


@named
def test_loss_is_invariant_in_each_group_and_says_so(loss):
    assert scale_defect(loss, seed=1) < 1e-12
    check_scale_invariance(loss)
    covered = np.concatenate([np.arange(loss.size)[group] for group in loss.groups])
    assert sorted(covered) == list(range(loss.size))


@named
def test_gradient_is_the_slope_of_the_loss(loss, w):
    h = 1e-5 * np.eye(loss.size)
    differences = (losses.value(loss, w + h) - losses.value(loss, w - h)) / 2e-5
    assert loss.gradient(w) == pytest.approx(differences, rel=1e-6, abs=1e-8)
    complex_step = losses.value(loss, w + 1e-40j * np.eye(loss.size)).imag / 1e-40
    assert loss.gradient(w) == pytest.approx(complex_step, rel=1e-12, abs=1e-14)


@named
def test_pull_back_is_the_transposed_jacobian(loss, w):
    rows = loss.residual(w + 1e-40j * np.eye(loss.size)).imag / 1e-40
    assert minimizers.jacobian(loss, w) == pytest.approx(rows.T, rel=1e-11, abs=1e-13)


@named
def test_rows_of_weights_are_treated_each_alone(loss):
    rows = np.random.default_rng(4).standard_normal((2, 3, loss.size))
    for function in (loss.gradient, loss.residual, lambda one: losses.value(loss, one)):
        alone = np.array([[function(one) for one in some] for some in rows])
        assert function(rows) == pytest.approx(alone, rel=1e-12, abs=1e-15)


@named
def test_hessian_product_is_exact(loss, w):
    v = np.random.default_rng(5).standard_normal(loss.size)
    h = 1e-4 * v
    ahead = [loss.gradient(w + k * h) for k in (-2, -1, 1, 2)]
    differences = np.array([1, -8, 8, -1]) @ ahead / 12e-4
    found = losses.hessian_product(loss, w, v)
    assert found == pytest.approx(differences, rel=1e-7, abs=1e-8 * np.abs(found).max())
    assert losses.hessian_product(loss, w, w) == pytest.approx(-loss.gradient(w), abs=1e-13)


@pytest.mark.parametrize("name", PRECISE)
def test_identities_hold_to_fifty_digits(name):
    loss, factor = LOSSES[name], mpmath.mpf(7) / 3
    with mpmath.workdps(60):
        w = np.array([mpmath.mpf(float(one)) for one in RNG.standard_normal(loss.size)])
        g = loss.gradient(w)
        assert abs(g @ w) < 1e-55
        assert max(abs(loss.gradient(factor * w) * factor - g)) < 1e-55
        assert abs(losses.value(loss, factor * w) - losses.value(loss, w)) < 1e-55


# Gradient descent


@named
@pytest.mark.parametrize(("eta", "decay"), [(0.1, 1e-3), (0.5, 1e-2), (2.0, 0.2)])
def test_step_is_that_of_the_recursion(loss, w, eta, decay):
    """Theory moves direction and norm of each group; descent moves the weights."""
    for _ in range(200):
        after = (1 - decay) * w - eta * loss.gradient(w)
        theta = np.array(w)
        for group in loss.groups:
            theta[group] /= np.linalg.norm(w[group])
        slope = loss.gradient(theta)
        for group in loss.groups:
            norm2, G = w[group] @ w[group], slope[group] @ slope[group]
            rate = exact.effective_learning_rate(eta, decay, norm2)
            expected = after[group] / np.linalg.norm(after[group])
            found = exact.next_direction(theta[group], rate, slope[group])
            assert np.abs(found - expected).max() < 1e-14
            new = exact.next_norm2(norm2, eta, decay, G)
            # g.w = 0 but for the rounding of a BLAS, times eta/|w|^2
            assert abs(new / (after[group] @ after[group]) - 1) < 4e-14
            found_rate = exact.next_effective_learning_rate(rate, decay, G)
            assert abs(found_rate / exact.effective_learning_rate(eta, decay, new) - 1) < 1e-14
        w = after


@pytest.mark.parametrize("name", ["arc", "quadratic"])
def test_whole_run_in_sixty_digits_is_the_recursion(name):
    loss, steps = LOSSES[name], 1000
    with mpmath.workdps(60):
        zeta = np.append(np.arange(1.0, loss.size), 0.1)
        start = np.array([mpmath.mpf(float(one)) for one in zeta]) / 2
        eta, decay = mpmath.mpf(1) / 2, mpmath.mpf(1) / 100
        norm2 = start @ start
        theta = start / norm2**0.5
        for w in walk(loss, start, eta, decay, steps):
            assert max(abs(w / (w @ w) ** 0.5 - theta)) < 1e-50
            assert abs(w @ w / norm2 - 1) < 1e-50
            slope, rate = loss.gradient(theta), exact.effective_learning_rate(eta, decay, norm2)
            theta = exact.next_direction(theta, rate, slope)
            norm2 = exact.next_norm2(norm2, eta, decay, slope @ slope)


def test_run_keeps_pairs_and_every_step(monkeypatch):
    loss, start = LOSSES["arc"], np.array([0.3, 0.8, 0.1])
    monkeypatch.setattr("numerics.weight_decay.CHUNK", 3 * 7)
    run = descend(loss, start, 0.5, 1e-2, 50, every=6)
    weights = np.array(list(walk(loss, start, 0.5, 1e-2, 50)))
    assert run.loss == pytest.approx(losses.value(loss, weights), rel=1e-14)
    assert run.norm2 == pytest.approx((weights**2).sum(axis=1), rel=1e-14)
    assert list(run.kept) == list(range(0, 50, 6))
    assert np.array_equal(run.pairs, np.stack([weights[run.kept], weights[run.kept + 1]], axis=1))
    units = minimizers.unit(weights)
    angles = np.arccos((units[1:] * units[:-1]).sum(axis=1))
    assert 2 * run.amplitude == pytest.approx(angles, rel=1e-6)


def test_scaled_rates_give_the_scaled_run_bit_by_bit():
    loss, start = LOSSES["batch-normalized regression"], RNG.standard_normal(9)
    one = list(walk(loss, start, 0.5, 1e-2, 100))
    other = list(walk(loss, 4 * start, 8.0, 1e-2, 100))
    assert np.array_equal(4 * np.array(one), other)


def test_kernel_component_decays_by_the_decay_alone():
    loss, start = LOSSES["batch-normalized regression"], RNG.standard_normal(9)
    kernel = np.linalg.svd(loss.X)[2][5:]
    run = np.array(list(walk(loss, start, 0.5, 1e-3, 3000)))
    expected = 0.999 ** np.arange(3001)[:, None] * (kernel @ start)
    assert run @ kernel.T == pytest.approx(expected, rel=1e-11, abs=1e-13)


def test_noise_is_seeded_and_relative():
    loss, start = LOSSES["arc"], np.array([0.3, 0.8, 0.0])
    runs = [descend(loss, start, 0.5, 1e-3, 9, noise=1e-6, seed=s).pairs for s in (1, 1, 2)]
    assert np.array_equal(runs[0], runs[1])
    assert not np.array_equal(runs[0], runs[2])
    still = 0.999 * start
    moved = runs[0][0, 1] - still
    assert np.linalg.norm(moved) == pytest.approx(1e-6 * np.linalg.norm(still), rel=1e-9)


# Minimizers


def regression():
    problem = closed.BatchNormRegression(X, Y)
    return problem, losses.BatchNormRegression(X, Y)


def test_manifold_of_the_regression_is_that_of_theory():
    problem, loss = regression()
    zeta = problem.retract(RNG.standard_normal(9) + 2 * problem.minimum)
    found = minimizers.project(loss, zeta)
    assert found == pytest.approx(zeta, abs=1e-12)
    values, vectors = minimizers.spectrum(loss, zeta)
    assert values[:4] == pytest.approx(problem.top(zeta)[0], rel=1e-12)
    assert np.abs(vectors[:4] @ problem.top(zeta)[1].T).max(axis=1) == pytest.approx(1)
    assert not vectors[4:].any()
    slope = minimizers.slope_of_log_sharpness(loss, zeta, 0)
    assert slope == pytest.approx(problem.grad_log(zeta, 0), abs=1e-11)
    measured = Setting(loss, zeta).edge(zeta)
    known = Setting(loss, zeta, problem).edge(zeta)
    assert pytest.approx((known.D, known.Q), rel=1e-6) == (measured.D, measured.Q)
    assert measured.c == pytest.approx(known.c, rel=1e-9)


@pytest.mark.parametrize("scheme", losses.Network.SCHEMES)
def test_sharpness_on_the_manifold_is_that_of_the_whole_hessian(scheme):
    """The Fisher part is the Hessian there, and its slope is that of log lambda along the path."""
    loss, rng = network(scheme, (7,)), np.random.default_rng(1)
    reached = rng.standard_normal(loss.size)
    loss.y = loss.y + loss.residual(reached)
    near = minimizers.unit(reached) + 0.02 * rng.standard_normal(loss.size)
    zeta = minimizers.project(loss, near)
    assert np.abs(loss.residual(zeta)).max() < 1e-12
    assert np.array_equal(minimizers.project(loss, near, damped=True), zeta)
    dense = losses.hessian_product(loss, zeta, np.eye(loss.size))
    values = minimizers.spectrum(loss, zeta).values
    assert np.linalg.eigvalsh(dense)[::-1][:3] == pytest.approx(values[:3], rel=1e-9)
    assert minimizers.iterate_sharpness(loss, zeta, 2) == pytest.approx(values[:2], rel=1e-9)
    g = minimizers.slope_of_log_sharpness(loss, zeta, 0)
    h = 1e-4 / np.linalg.norm(g)
    ahead = [minimizers.project(loss, zeta + k * h * g) for k in (-1, 1)]
    change = np.diff(np.log(minimizers.spectrum(loss, np.array(ahead)).values[:, 0]))[0]
    assert change / (2 * h) == pytest.approx(g @ g, rel=1e-5)


def test_large_hessian_is_not_formed(monkeypatch):
    loss = network("batchnorm")
    theta = minimizers.unit(RNG.standard_normal(loss.size))
    dense = minimizers.iterate_sharpness(loss, theta, 2)
    monkeypatch.setattr(minimizers, "DENSE", 1)
    assert minimizers.iterate_sharpness(loss, theta, 2) == pytest.approx(dense, rel=1e-9)


def test_jets_of_an_arc_are_those_of_its_angles():
    """L = height sin^2(2p)/8 in the angle p off the arc: fourth derivative -16, third 0."""
    zeta = np.array([np.cos(1.2), np.sin(1.2), 0.0])
    fourth, thirds, curvatures = minimizers.jets(LOSSES["arc"], zeta)
    height = np.cos(1.2) ** 2 + 4 * np.sin(1.2) ** 2
    assert fourth == pytest.approx(-16 * height, rel=1e-11)
    assert thirds == pytest.approx([0], abs=1e-11)
    assert curvatures == pytest.approx([height], rel=1e-14)


def test_jets_are_derivatives_of_the_loss():
    """Against differences of the loss on the sphere, along a circle and one step beside it."""
    problem, loss = regression()
    zeta = problem.retract(problem.minimum + 0.5 * RNG.standard_normal(9))
    fourth, thirds, curvatures = minimizers.jets(loss, zeta)
    vectors = minimizers.spectrum(loss, zeta).vectors

    def along(s, h=0.0, a=0):
        step = s * vectors[0] + h * vectors[a]
        size = np.linalg.norm(step)
        return float(losses.value(loss, np.cos(size) * zeta + np.sinc(size / np.pi) * step))

    s = 0.01
    ring = np.array([along(k * s) for k in range(-3, 4)])
    assert ring @ [-1, 12, -39, 56, -39, 12, -1] / (6 * s**4) == pytest.approx(fourth, rel=1e-2)
    for a in range(1, len(curvatures)):
        rows = [along(k * s, h * s, a) * h / (2 * s) for h in (-1, 1) for k in (-1, 0, 1)]
        mixed = np.array(rows) @ [1, -2, 1, 1, -2, 1] / s**2
        assert mixed == pytest.approx(thirds[a], rel=2e-2, abs=2e-2 * np.abs(thirds).max())


@pytest.fixture(scope="module")
def steep():
    """A minimizer whose loss has a singularity within a complex angle of 0.02: c is -1e5.

    Its first digits are given: a search from afar may end elsewhere by another BLAS's rounding.
    """
    setting = PROBLEMS["batchnorm-mlp"].setting({}, 0)
    near = """-0.0051 -0.0765 -0.4263 -0.1534 0.1264 0.2662 -0.176 0.2382
              -0.1564 -0.1524 0.0273 0.6281 -0.0928 -0.2042 0.2272 0.2635"""
    zeta = minimizers.reach(setting.loss, np.array(near.split(), dtype=float))
    return replace(setting, zeta=zeta)


def test_jets_at_a_steep_minimizer_are_those_of_real_slopes(steep):
    """Against the polynomial through slopes along the circle, at real angles."""
    fourth, thirds, _ = minimizers.jets(steep.loss, steep.zeta)
    vectors = minimizers.spectrum(steep.loss, steep.zeta).vectors[: len(thirds)]
    s = 1e-3 * np.linspace(-1, 1, 13)[:, None]
    way = np.cos(s) * steep.zeta + np.sin(s) * vectors[0]
    slopes = steep.loss.gradient(way)
    along = (slopes * (np.cos(s) * vectors[0] - np.sin(s) * steep.zeta)).sum(axis=-1)
    powers = np.linalg.inv(np.vander(s[:, 0] / 1e-3, increasing=True))
    assert 6 * (powers @ along)[3] / 1e-9 == pytest.approx(fourth, rel=1e-4)
    expected = 2 * (powers @ slopes @ vectors.T)[2] / 1e-6
    expected[0] = 2 * (powers @ along)[2] / 1e-6
    assert thirds == pytest.approx(expected, rel=1e-4, abs=1e-4 * np.abs(expected).max())
    assert steep.edge(steep.zeta).c < -1e5


def test_prepared_start_at_a_steep_minimizer_does_not_oscillate(steep):
    decay = 5e-7
    start, period = start_at_edge(steep, 0.5, decay), round(slow_period(decay))
    run = descend(steep.loss, start, 0.5, decay, period, every=period)
    x2 = steep.edge(steep.zeta).amplitude2(decay)
    assert run.amplitude**2 / x2 == pytest.approx(np.ones(period), abs=5e-3)


def test_loss_without_a_taylor_series_is_refused():
    class NotAnalytic(losses.QuadraticForms):
        def gradient(self, w):
            return super().gradient(w) + np.conj(w)

    with pytest.raises(NotConverged, match="no Taylor series"):
        minimizers.jets(NotAnalytic(FORMS[:, :2]), minimizers.unit(np.array([0.3, 0.8, 0.0])))


def test_start_beside_a_steep_minimizer_is_reached_by_damped_steps():
    setting = PROBLEMS["batchnorm-mlp"].setting({}, 6)
    rng = np.random.default_rng(6)
    beside = setting.zeta + NEARBY * rng.standard_normal((2, setting.loss.size))
    with pytest.raises(DescriptionError, match="no minimizer of zero residual"):
        minimizers.project(setting.loss, beside)
    starts = starts_near(setting, 3, seed=6)
    assert starts[0] is setting
    for one in starts:
        assert np.abs(one.loss.residual(one.zeta)).max() < 1e-12
        assert np.linalg.norm(one.zeta) == pytest.approx(1)


def test_minimizer_that_does_not_exist_is_refused():
    crowded = losses.Network(
        RNG.standard_normal((30, 2)), RNG.standard_normal(30), (2,), "weightnorm", 1.0
    )
    with pytest.raises(DescriptionError, match="no minimizer of zero residual"):
        minimizers.project(crowded, RNG.standard_normal(crowded.size))


# The flow, judged


def unit(v):
    return np.asarray(v) / np.linalg.norm(v)


def settings(forms, starts):
    problem, loss = closed.QuadraticForms(forms), losses.QuadraticForms(np.array(forms))
    return [Setting(loss, np.append(unit(one), 0), problem) for one in starts]


ARCS = settings([[1.0, 4.0]], [(np.cos(s), np.sin(s)) for s in (1.2, 0.9, 1.3)])
QUADRATICS = settings([[1.0, 2.0, 4.0]], [(0.3, 0.5, 0.8), (0.5, 0.5, 0.6), (0.1, 0.8, 0.6)])
DECAYS = [1e-2 / 4**k for k in range(5)]


@pytest.mark.parametrize("starts", [ARCS, QUADRATICS], ids=["arc", "quadratic"])
def test_prepared_runs_approach_the_flow_with_order_one(starts):
    judged = judge_order(starts, DECAYS, 1.0)
    assert judged.verdict == "AGREES"
    assert judged.found.p == pytest.approx(1, abs=0.03)


def test_unprepared_runs_approach_the_flow_with_order_one_half():
    judged = judge_order(ARCS[:1], DECAYS, 1.0, predicted=0.5, stretch=0.3)
    assert judged.verdict == "AGREES"
    assert judged.found.p == pytest.approx(0.5, abs=0.05)


def wrong_flow(constant, factor):
    """The flow of the arc with another constant for 4, or another speed, on its own."""
    from scipy.integrate import solve_ivp

    def flow(start, tau):
        def speed(_, s):
            slope = 3 * np.sin(2 * s) / (np.cos(s) ** 2 + 4 * np.sin(s) ** 2)
            return -2 * factor * slope / (constant + slope**2)

        s0 = [np.arctan2(start[1], start[0])]
        found = solve_ivp(speed, (0, 2), s0, rtol=1e-10, atol=1e-12, dense_output=True)
        s = found.sol(np.asarray(tau))[0]
        return np.stack([np.cos(s), np.sin(s), 0 * s], axis=-1)

    return flow


@pytest.mark.parametrize(
    ("constant", "factor", "verdict"),
    [
        (4, 1, "AGREES"),
        (3, 1, "REFUTED"),
        (5, 1, "REFUTED"),
        (4, 2, "REFUTED"),
        (4, 0.5, "REFUTED"),
    ],
)
def test_wrong_flow_is_refuted(constant, factor, verdict):
    judged = judge_order(ARCS[:1], DECAYS, 1.0, flow=wrong_flow(constant, factor))
    assert judged.verdict == verdict


def test_iterate_flips_around_the_centre_of_theory():
    """Where third derivatives do not vanish, the middle of two steps lies off the manifold."""
    problem, loss = regression()
    zeta = problem.retract(problem.minimum + 0.4 * problem.retract(RNG.standard_normal(9)))
    setting, decay = Setting(loss, zeta, problem), 1e-6
    run = descend(loss, start_at_edge(setting, 0.5, decay), 0.5, decay, 4000)
    middle = minimizers.unit(run.pairs[-500:]).mean(axis=(0, 1))
    on = setting.retract(middle)
    _, thirds, curvatures = minimizers.jets(loss, on)
    expected = centre(np.mean(run.amplitude[-500:] ** 2), thirds, curvatures)
    found = minimizers.spectrum(loss, on).vectors[: len(thirds)] @ (middle - on)
    assert np.abs(expected).max() > 1e-7
    assert found == pytest.approx(expected, abs=0.02 * np.abs(expected).max())


DECAY = 2.5e-4


def test_averages_at_the_edge_are_those_of_theory():
    """Amplitude over whole slow periods, hover and loss, along an arc."""
    setting = ARCS[0]
    start = start_at_edge(setting, 0.5, DECAY, stretch=1.1)
    run = descend(setting.loss, start, 0.5, DECAY, 6000)
    steps = slice(600, 600 + int(38 * slow_period(DECAY)))
    tau = DECAY * (np.arange(6000) + 0.5)
    edges = [setting.edge(one) for one in setting.closed.solution(setting.zeta, tau[steps][::20])]
    expected = np.mean([one.amplitude2(DECAY) for one in edges])
    assert np.mean(run.amplitude[steps] ** 2) / expected == pytest.approx(1, abs=5e-3)
    expected = np.mean([one.loss(DECAY) for one in edges])
    assert np.mean(run.loss[steps]) / expected == pytest.approx(1, abs=1e-2)
    on = setting.retract(directions(run.pairs[steps]))
    rates = exact.effective_learning_rate(0.5, DECAY, run.norm2)
    rate = np.sqrt(rates[1:] * rates[:-1])[steps]
    u = rate * setting.closed.sharpness(on)[:, 0] - 2
    expected = np.mean([one.hover(DECAY) for one in edges])
    assert np.mean(u) / expected == pytest.approx(1, abs=2e-2)


@pytest.mark.parametrize(("forms", "s"), [([[1.0, 4.0]], 1.2), ([[1.0, 16.0]], 0.75)])
def test_slow_oscillation_has_the_period_and_the_growth_of_theory(forms, s):
    """The second arc is so steep that the oscillation grows."""
    (setting,) = settings(forms, [(np.cos(s), np.sin(s))])
    steps = int(0.48 / DECAY)
    runs = [
        descend(setting.loss, start_at_edge(setting, 0.5, DECAY, k), 0.5, DECAY, steps, every=99)
        for k in (1.0, 1.001)
    ]
    period, growth, _ = response(runs[0].amplitude, runs[1].amplitude)
    assert period / slow_period(DECAY) == pytest.approx(1, abs=0.01)
    tau = np.linspace(0, 0.48, 200)
    rates = [setting.edge(one).growth_rate for one in setting.closed.solution(setting.zeta, tau)]
    assert np.sign(growth) == np.sign(np.mean(rates))
    assert growth / DECAY == pytest.approx(np.mean(rates), rel=0.04)


def test_slow_period_from_a_start_ten_percent_off():
    setting = ARCS[0]
    runs = [
        descend(setting.loss, start_at_edge(setting, 0.5, DECAY, k), 0.5, DECAY, 4000, every=99)
        for k in (1.0, 1.1)
    ]
    period, *_ = response(runs[0].amplitude, runs[1].amplitude)
    assert period / slow_period(DECAY) == pytest.approx(1, abs=0.01)


def test_angle_of_the_stationary_cycle():
    """At the bottom of the arc the start is exact, so the run turns by its angle at each step."""
    loss, decay = LOSSES["arc"], 1e-2
    p = np.arcsin(np.sqrt(decay / 2))
    start = np.sqrt(0.5 * (1 - decay) / 2) * np.array([np.cos(p), 0.0, np.sin(p)])
    run = descend(loss, start, 0.5, decay, 1000)
    assert 2 * run.amplitude == pytest.approx(np.full(1000, exact.two_cycle_angle(decay)), rel=1e-9)
    assert run.loss == pytest.approx(np.full(1001, decay * (2 - decay) / 8), rel=1e-9)


@pytest.mark.parametrize(("etas", "share", "log_rho"), [((0.5, 0.5), 1, 0), ((0.5, 1.5), 0.4, 0.3)])
def test_two_groups_approach_their_flow(etas, share, log_rho):
    """Equal rates, then rates of their own."""
    problem, loss = closed.TwoGroups(3.0, 2.0), LOSSES["two groups"]
    state, errors = np.array([1.2, 1.1, log_rho]), []
    for decay in (4e-3, 2.5e-4):
        rates = flow_groups.Rates(np.array(etas), np.array([decay, share * decay]))
        start = flow_groups.start(problem, state, rates)
        eta, decays = np.repeat(rates.eta, [3, 2]), np.repeat(rates.decay, [3, 2])
        run = descend(loss, start, eta, decays, int(1 / decay), every=7)
        expected = problem.solution(state, decay * (run.kept + 0.5), share)
        errors.append(np.abs(flow_groups.states(run.pairs, rates) - expected).max())
    assert errors[1] < errors[0] / 4
    assert errors[1] < 1e-3


# The verdict


@pytest.mark.parametrize(
    ("p", "error", "predicted", "distances", "verdict"),
    [
        (1.02, 0.01, 1, (3, 1e-3), "AGREES"),
        (1.02, 0.01, 1, (3, 0.03), "UNDECIDED"),
        (0.95, 0.06, 1, (3, 1e-3), "UNDECIDED"),
        (0.52, 0.01, 0.5, (3, 1), "AGREES"),
        (0.52, 0.01, 0.5, (3, 4), "UNDECIDED"),
        (0.2, 0.05, 1, (3, 1), "REFUTED"),
        (0.2, 0.11, 1, (3, 1), "UNDECIDED"),
    ],
)
def test_verdict_on_an_order(p, error, predicted, distances, verdict):
    from numerics.orders import Order

    assert judge(Order(p, error, ()), predicted, distances, path=1.0) == verdict


def test_order_without_its_ratio_or_its_points_is_refused():
    with pytest.raises(ValueError, match="5 products"):
        order([4.0**-k for k in range(4)], [1.0] * 4)
    with pytest.raises(ValueError, match="ratio 4"):
        order([2.0**-k for k in range(5)], [1.0] * 5)
    with pytest.raises(ValueError, match="positive"):
        order([4.0**-k for k in range(5)], [1.0, 1.0, 0.0, 1.0, 1.0])


def test_flow_speed_at_the_end_point_is_half():
    assert flow_speed(0) == 0.5


# What has no meaning


class Regularized(losses.BatchNormRegression):
    """A regularizer in the deviation."""

    def residual(self, w):
        u = w @ self.X.T
        return self.length * u / ((u * u).sum(axis=-1, keepdims=True) + 0.01) ** 0.5 - self.y


def test_loss_that_is_not_scale_invariant_is_refused_with_its_change():
    with pytest.raises(DescriptionError, match=r"not scale-invariant: .* factor 1 \+- \d"):
        check_scale_invariance(Regularized(X, Y))


@pytest.mark.parametrize(
    ("start", "eta", "decay", "steps", "match"),
    [
        ([0.0, 0.0, 0.0], 0.5, 0.1, 9, "no direction"),
        ([1.0, np.nan, 0.0], 0.5, 0.1, 9, "finite weights"),
        ([1.0, 1.0], 0.5, 0.1, 9, "3 finite weights"),
        ([1.0, 1.0, 1.0], -0.5, 0.1, 9, "must be positive"),
        ([1.0, 1.0, 1.0], 0.5, 1.0, 9, "below 1"),
        ([1.0, 1.0, 1.0], 0.5, -0.1, 9, "at least 0"),
        ([1.0, 1.0, 1.0], 0.5, 0.1, 0, "1 step at least"),
    ],
)
def test_run_without_a_meaning_is_refused(start, eta, decay, steps, match):
    with pytest.raises(DescriptionError, match=match):
        descend(LOSSES["arc"], np.array(start), eta, decay, steps)


def test_pairs_kept_at_no_step_are_refused():
    with pytest.raises(DescriptionError, match="every 1 step"):
        descend(LOSSES["arc"], np.ones(3), 0.5, 0.1, 9, every=0)


def test_network_without_a_scheme_or_a_width_is_refused():
    with pytest.raises(DescriptionError, match="unknown scheme 'dropout'"):
        network("dropout")
    with pytest.raises(DescriptionError, match="hidden widths of 3"):
        network("layernorm", (2,))
    with pytest.raises(DescriptionError, match="hidden widths of 1"):
        network("batchnorm", ())
