"""The flow of sharpness reduction: closed solutions against the integrator, and their own ODE."""

import numpy as np
import pytest
import sympy as sp

from theory.errors import DescriptionError, NotConverged, OutOfRegime
from theory.sharpness_flow import (
    Edge,
    cubic_coefficient,
    flow_speed,
    group_velocity,
    integrate,
    log_sharpness_rate,
    multipliers,
    rmsprop_amplitude2,
    rmsprop_speed,
    slow_period,
)
from theory.sharpness_problems import (
    BatchNormRegression,
    QuadraticForms,
    TwoGroups,
    WeightNormRegression,
    arc_clock,
    arc_height,
    arc_slope,
)


def unit(v):
    return v / np.linalg.norm(v)


def regression():
    rng = np.random.default_rng(1)
    problem = BatchNormRegression(rng.standard_normal((6, 9)), rng.standard_normal(6))
    away = rng.standard_normal(9)
    beside = problem.retract(away) - (problem.retract(away) @ problem.minimum) * problem.minimum
    return problem, np.cos(0.5) * problem.minimum + np.sin(0.5) * unit(beside)


ARC = QuadraticForms([[1.0, 4.0]]), np.array([np.cos(1.2), np.sin(1.2), 0.0])
FALLING_ARC = QuadraticForms([[1.0, 0.3]]), np.array([np.cos(0.4), np.sin(0.4), 0.0])
QUADRATIC = QuadraticForms([[1.0, 2.0, 4.0]]), unit(np.array([0.3, 0.5, 0.8, 0.0]))
PROBLEMS = {
    "arc": ARC,
    "falling arc": FALLING_ARC,
    "quadratic": QUADRATIC,
    "batch-normalized regression": regression(),
}
named = pytest.mark.parametrize(("problem", "start"), PROBLEMS.values(), ids=PROBLEMS)
TAU = np.linspace(0, 2, 9)


@named
def test_closed_solution_is_the_integrated_flow(problem, start):
    flow = integrate(problem.retract, problem.top, problem.grad_log, start, 2.0)
    assert flow.crossing is None
    assert np.abs(flow.at(TAU) - problem.solution(start, TAU)).max() < 1e-10


def log_sharpness(problem, z):
    return np.log(np.ravel(problem.sharpness(problem.retract(z)))[0])


@named
def test_gradient_is_the_slope_of_the_log_sharpness_along_the_manifold(problem, start):
    g = problem.grad_log(start, 0)
    assert np.abs(problem.retract(start + 1e-6 * g) - start - 1e-6 * g).max() < 1e-10
    rng = np.random.default_rng(5)
    for _ in range(3):
        ahead = problem.retract(start + 1e-5 * rng.standard_normal(len(start)))
        behind = problem.retract(2 * start - ahead)
        slope = (log_sharpness(problem, ahead) - log_sharpness(problem, behind)) / 2
        assert slope == pytest.approx(g @ (ahead - behind) / 2, rel=1e-6, abs=1e-13)


@named
def test_second_order_is_that_of_the_log_sharpness_along_the_gradient(problem, start):
    edge, h = problem.edge(start), 1e-3
    direction = unit(problem.grad_log(start, 0))
    geodesic = [np.cos(k * h) * start + np.sin(k * h) * direction for k in range(-2, 3)]
    values = np.array([log_sharpness(problem, one) for one in geodesic])
    slope = values @ [1, -8, 0, 8, -1] / (12 * h)
    bend = values @ [-1, 16, -30, 16, -1] / (12 * h**2)
    assert pytest.approx(slope**2, rel=1e-8) == edge.D
    assert pytest.approx(edge.D * bend, rel=1e-6) == edge.Q


def test_arc_clock_runs_at_the_speed_of_the_flow():
    """dF/ds times ds/dtau is -1, in symbols."""
    s, b = sp.symbols("s b", positive=True)
    slope = sp.diff(sp.log(arc_height(s, b)), s)
    assert sp.simplify(slope - arc_slope(s, b)) == 0
    speed = sp.diff(arc_clock(s, b), s) * -slope * flow_speed(slope**2)
    assert sp.simplify(speed + 1) == 0


@pytest.mark.parametrize(("problem", "start"), [ARC, FALLING_ARC])
def test_arc_clock_and_the_solution_of_the_quadratic_form_agree(problem, start):
    rows, b = problem.solution(start, TAU), problem.forms[0, 1]
    angles = np.arctan2(rows[:, 1], rows[:, 0])
    assert arc_clock(angles, b) == pytest.approx(arc_clock(angles[0], b) - TAU, abs=1e-12)


def test_regression_ends_at_the_minimum_norm_solution():
    problem, start = PROBLEMS["batch-normalized regression"]
    assert problem.solution(start, 40.0) == pytest.approx(problem.minimum, abs=1e-15)
    fit = problem.Xc @ problem.minimum
    assert fit / np.linalg.norm(fit) == pytest.approx(problem.yc / np.linalg.norm(problem.yc))


def weight_norm():
    rng = np.random.default_rng(11)
    X, y = rng.standard_normal((4, 7)), rng.standard_normal(4)
    return WeightNormRegression(X, y, 1.5 * np.linalg.norm(np.linalg.pinv(X) @ y)), rng


def test_weight_normalized_regression_has_one_sharpness():
    problem, rng = weight_norm()
    for _ in range(4):
        zeta = problem.retract(rng.standard_normal(7))
        assert problem.X @ zeta * problem.length == pytest.approx(problem.y, abs=1e-13)
        tangent = np.eye(7) - np.outer(zeta, zeta)
        hessian = problem.length**2 / 4 * tangent @ problem.X.T @ problem.X @ tangent
        values, vectors = problem.top(zeta)
        assert values == pytest.approx(np.linalg.eigvalsh(hessian)[:2:-1], rel=1e-10)
        assert np.abs(hessian @ vectors[0] - values[0] * vectors[0]).max() < 1e-12
        assert problem.edge(zeta).D == 0
        assert problem.solution(zeta, [0.0, 5.0]) == pytest.approx(np.array([zeta, zeta]))
    assert values[0] == pytest.approx(8.2664493, abs=5e-8)


def test_fit_that_no_weights_reach_is_refused():
    problem, _ = weight_norm()
    with pytest.raises(OutOfRegime, match="length above"):
        WeightNormRegression(problem.X, problem.y, 0.9 * np.linalg.norm(problem.minimum))


# Several eigenvalues and groups

FORMS = QuadraticForms([[1.0, 2.0, 4.0], [3.0, 1.5, 1.0]])
APART = unit(np.array([0.35, 0.45, 0.8, 0.0, 0.0]))


def by_size(zeta):
    values, vectors = FORMS.top(zeta)
    order = np.argsort(values)[::-1]
    return values[order], vectors[order]


def test_flow_stops_where_the_second_eigenvalue_comes_near():
    def gradient(zeta, i):
        return FORMS.grad_log(zeta, int(np.argsort(FORMS.sharpness(zeta))[1 - i]))

    flow = integrate(FORMS.retract, by_size, gradient, APART, 3.0)
    assert flow.ratio == pytest.approx(1 - 1e-3, rel=1e-9)
    exactly = integrate(FORMS.retract, FORMS.top, FORMS.grad_log, APART, 3.0, gap=0.0)
    assert flow.crossing < exactly.crossing == pytest.approx(1.2188, abs=5e-5)
    with pytest.raises(DescriptionError, match="known for times"):
        flow.at(1.3)


def test_two_eigenvalues_stay_at_the_edge_together():
    one = integrate(FORMS.retract, FORMS.top, FORMS.grad_log, APART, 3.0, gap=0.0)
    both = integrate(FORMS.retract, FORMS.top, FORMS.grad_log, one.at(one.end), 1.0, active=2)
    values = FORMS.sharpness(both.at([0.0, 0.5, 1.0]))
    assert values[:, 0] == pytest.approx(values[:, 1], rel=1e-9)
    assert np.all(np.diff(values[:, 0]) < 0)
    later = both.at(2.5 - one.end - 0.3)
    X = multipliers(np.array([FORMS.grad_log(later, i) for i in (0, 1)]))
    assert X.min() > 0.2


def test_start_at_a_crossing_is_refused():
    one = integrate(FORMS.retract, FORMS.top, FORMS.grad_log, APART, 3.0, gap=0.0)
    with pytest.raises(OutOfRegime, match="at the start already"):
        integrate(FORMS.retract, by_size, FORMS.grad_log, one.at(one.end), 1.0)


def test_eigenvalue_that_leaves_the_edge_is_named():
    with pytest.raises(OutOfRegime, match="eigenvalue 2 leaves"):
        multipliers(np.array([[1.0, 0.0], [9.0, 0.0]]))


def test_integrator_that_stops_says_so():
    def undefined_below_one_half(z, i):
        return z if z[0] > 0.5 else z * np.nan

    with pytest.raises(NotConverged, match="the flow stopped at time"):
        integrate(
            lambda z: z,
            lambda z: (np.ones(1), np.eye(1)),
            undefined_below_one_half,
            np.ones(1),
            9.0,
        )


def test_equal_groups_follow_the_flow_of_one():
    """The group form in weights over root eta, its norm included, against the flow on the sphere.

    Along the edge the squared norm is the spherical sharpness over 2.
    """
    problem, zeta = QUADRATIC
    q, g, eps = problem.edge(zeta).sharpness, problem.grad_log(zeta, 0), 1e-3
    radius = np.sqrt(q / 2)
    gradient = 2 * (g - 2 * zeta) / radius  # of q(zeta)/|Z|^2, equal to 2
    velocity, X = group_velocity(radius * zeta, np.full(4, eps), gradient)
    D = g @ g
    assert pytest.approx(eps * flow_speed(D) * radius**2, rel=1e-12) == X
    tangent = velocity / radius - (velocity @ zeta) / radius * zeta
    assert tangent == pytest.approx(-eps * flow_speed(D) * g, rel=1e-12, abs=1e-18)
    assert velocity @ zeta / radius == pytest.approx(eps * log_sharpness_rate(D) / 2, rel=1e-12)


def test_two_groups_keep_the_edge_and_obey_the_group_form():
    """The product of sharpness and rate of group A stays 2 where its rate obeys the balance."""
    problem = TwoGroups(3.0, 2.0)
    tau = np.linspace(0, 1, 401)
    rows = problem.solution(np.array([1.2, 1.1, 0.3]), tau, decay_ratio=0.4)
    X = np.array([problem.amplitude2(row, 1.0) for row in rows])
    weights = np.full(len(tau), 1 / 400)
    weights[[0, -1]] /= 2
    log_rate = (2 - 4 * X) @ weights
    change = np.log(problem.sharpness(rows[-1]) / problem.sharpness(rows[0]))
    assert change + log_rate == pytest.approx(0, abs=1e-6)
    assert rows[-1, 2] - 0.3 == pytest.approx(2 * (0.4 - 1) + 4 * X @ weights, abs=1e-6)


# The edge


def test_hover_and_growth_on_an_edge_without_drift():
    flat = Edge(3.0, 0.0, 0.0, -8.0)
    assert flat.hover(1e-3) == pytest.approx(4e-3)
    assert flat.growth_rate == pytest.approx(-2)
    assert flat.loss(1e-3) == pytest.approx(3 * 1e-3 / 4)
    assert flat.norm2(0.5) == pytest.approx(0.75)


def test_edge_is_stationary_in_its_own_normal_form():
    """Two laws, d log x = u + c X and du = 2 (2 eps - (4 + D) X), D moving along the flow."""
    problem, zeta = ARC
    edge, eps = problem.edge(zeta), 1e-4
    X, u, h = edge.amplitude2(eps), edge.hover(eps), 1e-4
    assert 2 * (2 * eps - (4 + edge.D) * X) == pytest.approx(0, abs=1e-18)
    ahead, behind = (problem.edge(problem.solution(zeta, t)).amplitude2(eps) for t in (2 * h, 0.0))
    now = problem.edge(problem.solution(zeta, h))
    per_step = eps * (np.log(ahead) - np.log(behind)) / (2 * h) / 2
    assert now.hover(eps) + now.c * now.amplitude2(eps) == pytest.approx(per_step, rel=1e-6)
    assert u > 0


def test_cubic_coefficient_counts_every_bend():
    assert cubic_coefficient(2.0, 6.0, [1.0, 3.0], [2.0, 0.5]) == pytest.approx(
        -(8 / 3 - 1 + 1 / 4 + 9)
    )


def test_unknown_cubic_coefficient_gives_no_growth_rate():
    unknown = Edge(3.0, 1.0, 1.0, None)
    assert (unknown.hover(1e-3), unknown.growth_rate) == (0, None)
    unknown.check(0.5)


def test_averages_outside_their_regime_are_refused():
    with pytest.raises(OutOfRegime, match="smaller product"):
        Edge(3.0, 0.0, 0.0, -136.0).check(2e-3)


def test_slow_period_does_not_know_the_problem():
    assert slow_period(2.5e-4) == pytest.approx(140.496, abs=1e-3)


# What has no meaning


@pytest.mark.parametrize("forms", [[[1.0]], [[1.0, -2.0]], [[1.0, np.nan]], [[0.0, 1.0]]])
def test_forms_that_are_not_positive_are_refused(forms):
    with pytest.raises(DescriptionError, match="positive diagonals"):
        QuadraticForms(forms)


def test_several_forms_have_no_closed_solution():
    with pytest.raises(DescriptionError, match="integrate the flow"):
        FORMS.solution(APART, 1.0)


def test_targets_that_are_equal_or_out_of_reach_are_refused():
    rng = np.random.default_rng(0)
    with pytest.raises(DescriptionError, match="not equal"):
        BatchNormRegression(rng.standard_normal((4, 6)), np.ones(4))
    with pytest.raises(DescriptionError, match="reach the targets"):
        BatchNormRegression(rng.standard_normal((6, 3)), rng.standard_normal(6))


@pytest.mark.parametrize("b", [0.0, -1.0, np.inf])
def test_group_without_a_positive_form_is_refused(b):
    with pytest.raises(DescriptionError, match="a, b > 0"):
        TwoGroups(2.0, b)


@pytest.mark.parametrize("time", [0.0, -1.0, np.inf])
def test_flow_over_no_time_is_refused(time):
    problem, start = ARC
    with pytest.raises(DescriptionError, match="time must be"):
        integrate(problem.retract, problem.top, problem.grad_log, start, time)


# Quasi-RMSprop

HEIGHT, BEGIN, LENGTH = 4.0, 1.2, 1.5


def arc_by_rmsprop(cost, rate2, speed=rmsprop_speed):
    """The largest distance of a run on the arc from its flow, for a prepared start.

    The loss is :math:`(w_1^2 + b w_2^2) w_3^2/2` on the unit sphere, of the angles s and x.
    """
    s, D = BEGIN, float(arc_slope(BEGIN, HEIGHT)) ** 2
    x = rmsprop_amplitude2(D, cost, rate2) ** 0.5
    sharpness = float(arc_height(s, HEIGHT))
    theta = np.array([np.cos(x) * np.cos(s), np.cos(x) * np.sin(s), np.sin(x)])
    v, steps = rate2 * (sharpness / 2) ** 2, int(LENGTH / rate2)
    exact, worst, previous = s, 0.0, theta
    for _ in range(steps):
        w1, w2, w3 = theta
        q = w1**2 + HEIGHT * w2**2
        pull = 2 * q * w3**2
        slope = np.array([w1 * w3**2, HEIGHT * w2 * w3**2, q * w3]) - pull * theta
        theta = unit(theta - (rate2 / v) ** 0.5 * slope)
        v += cost * rate2 * (slope @ slope - v)
        between = previous + theta
        previous = theta
        worst = max(worst, abs(np.arctan2(between[1], between[0]) - exact))
        l = float(arc_slope(exact, HEIGHT))
        middle = float(arc_slope(exact - rate2 * speed(l**2, cost) * l / 2, HEIGHT))
        exact -= rate2 * speed(middle**2, cost) * middle
    return worst


@pytest.mark.parametrize("cost", [1.0, 2.0, 5.0])
def test_rmsprop_approaches_its_flow_with_order_1(cost):
    coarse, fine = (arc_by_rmsprop(cost, rate2) for rate2 in (4e-3, 1e-3))
    assert coarse < 0.01
    assert np.log(coarse / fine) / np.log(4) == pytest.approx(1, abs=0.25)


@pytest.mark.parametrize(
    "wrong",
    [
        lambda D, cost: 2 * rmsprop_speed(D, cost),
        lambda D, cost: rmsprop_speed(D, 2.0),
        lambda D, cost: cost / (2 * (cost + D)),
    ],
)
def test_another_flow_of_rmsprop_is_left(wrong):
    coarse, fine = (arc_by_rmsprop(5.0, rate2, wrong) for rate2 in (4e-3, 1e-3))
    assert fine > 0.02
    assert np.log(coarse / fine) / np.log(4) < 0.3
