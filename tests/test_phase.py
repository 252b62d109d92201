"""Phase analysis against reference values, closed slopes, iteration, and another quadrature."""

import argparse
import sys
from math import exp, log, pi, sqrt

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import special

from derivations.activation_arguments import add_activation, read_activation
from derivations.figures.phase import phase_diagram
from derivations.phase_command import add_arguments
from derivations.phase_command import phase as phase_command
from theory import phase as module
from theory.activations import Activation
from theory.errors import DescriptionError, OutOfRegime
from theory.gaussian import closed_kernel
from theory.hermite import hermite_coefficients
from theory.mathematics import precise
from theory.pair import Law, Pair
from theory.phase import (
    FixedPoint,
    derivative_second_moment,
    edge_of_chaos,
    gap_ratio,
    phase,
    second_moment,
    variance_slope,
)
from theory.quadrature import NotConverged

NAMED = Activation.named
RELU, TANH, ERF, LINEAR = (NAMED(name) for name in ("relu", "tanh", "erf", "linear"))

# The edge of chaos, (sigma_w2, sigma_b2) at a variance, to the digits given
EDGE = [
    ("erf", 0.25, 1.11072073454, 0.00969901682751),
    ("erf", 1, 1.75620368276, 0.184139677807),
    ("erf", 4, 3.23827958585, 1.7427768045),
    ("gelu", 0.25, 2.81147534299, 0.0152229050811),
    ("gelu", 1, 2.19369990353, 0.0671916747056),
    ("gelu", 4, 1.97610976545, 0.186374896156),
    ("silu", 0.25, 3.32991478637, 0.00941657299122),
    ("silu", 1, 2.63516865988, 0.0624715002252),
    ("silu", 4, 2.14396715962, 0.231141855605),
    ("elu", 0.25, 1.31306263674, 0.00401002835109),
    ("elu", 1, 1.49677743544, 0.0346602520092),
    ("elu", 4, 1.68233865701, 0.200931675938),
    ("hard_tanh", 0.25, 1.04766922627, 0.00889544784107),
    ("hard_tanh", 1, 1.46479477349, 0.244080131736),
    ("hard_tanh", 4, 2.61147797157, 2.06616541002),
    ("sin", 0.25, 1.2449186624, 0.00508133759629),
    ("sin", 1, 1.76159415596, 0.238405844044),
    ("sin", 4, 1.99932929974, 3.00067070026),
    ("tanh", 0.1, 1.177569096164601, 0.0008322804246863155),
    ("tanh", 1, 2.15330264890279, 0.1509646293785529),
    ("tanh", 3, 3.424456632493677, 0.9814914177078663),
    ("gaussian", 4, None, 1.75),
    ("gaussian", 1, None, -2.0),
    ("relu", 3, 2.0, 0.0),
]
# q*, chi_1, c*, xi_c, xi_q
NETWORKS = {
    "tanh (3, 0.64)": (
        (TANH, 3, 0.64),
        (2.265534617754048, 0.9930251125840703, 1, 142.870906522, 0.68071314),
        "ordered",
    ),
    "erf (3, 0.64)": (
        (ERF, 3, 0.64),
        (2.52646937425644, 1.146185563237283, 0.8469103580181199, 8.77545391072, 0.60092385),
        "chaotic",
    ),
    "hard-tanh (3, 0.64)": (
        (NAMED("hard_tanh"), 3, 0.64),
        (2.70409359661941, 1.370675926123966, 0.7483930405086634, 5.41902318945, 0.54713395),
        "chaotic",
    ),
    "erf (1.2, 0.3)": (
        (ERF, 1.2, 0.3),
        (0.8089506110461473, 0.7423753044182443, 1, 3.35682706566, 0.79347868),
        "ordered",
    ),
}
DEAD_ZONE = NAMED("piecewise_linear", kinks=(-1.2, -1, 1, 1.2), slopes=(0, 5, 0, 5, 0))


def dead_zone(x):
    return np.clip(5 * (np.maximum(x - 1, 0) + np.minimum(x + 1, 0)), -1, 1)


def by_trapezoid(phi, q):
    """E phi(sqrt(q) z)^2, for every q, by a rule that shares nothing with the package."""
    z = np.linspace(-9, 9, 6001)
    weight = np.exp(-(z**2) / 2) / sqrt(2 * pi) * (z[1] - z[0])
    return (phi(np.sqrt(q)[:, None] * z) ** 2) @ weight


def only_stable(points):
    (point,) = [point for point in points if point.stable]
    return point


@pytest.mark.parametrize(("name", "q", "w", "b"), EDGE)
def test_edge_of_chaos_has_its_reference_value(name, q, w, b):
    sigma_w2, sigma_b2 = edge_of_chaos(NAMED(name), float(q))
    assert sigma_b2 == pytest.approx(b, rel=2e-11, abs=1e-15)
    assert w is None or sigma_w2 == pytest.approx(w, rel=1e-11)


def test_edge_of_chaos_is_elementwise_and_works_in_any_precision():
    q = np.array([0.25, 1.0, 4.0])
    for name in ("erf", "tanh", "hard_tanh"):
        together = np.array(edge_of_chaos(NAMED(name), q))
        alone = np.array([edge_of_chaos(NAMED(name), float(x)) for x in q]).T
        np.testing.assert_allclose(together, alone, rtol=1e-14)
    m = precise(30)
    w, _ = edge_of_chaos(ERF, m.number(1))
    assert abs(w - m.pi * m.sqrt(m.number(5)) / 4) < 1e-35


@pytest.mark.parametrize("q", [0.3, 1.0, 2.5])
@pytest.mark.parametrize("name", ["tanh", "erf", "hard_tanh", "elu"])
def test_network_on_the_edge_is_on_the_edge(name, q):
    found = phase(NAMED(name), *edge_of_chaos(NAMED(name), q))
    assert found.phase == "edge"
    assert found.chi_1 == pytest.approx(1, abs=1e-12)
    assert found.q_star == pytest.approx(q, rel=1e-11)
    assert found.c_fixed_points == (FixedPoint(1.0, found.chi_1, True),)
    assert found.xi_c is None
    assert "xi_c is infinite" in found.reason


@pytest.mark.parametrize("case", NETWORKS)
def test_network_has_its_reference_values(case):
    network, (q, chi_1, c, xi_c, xi_q), name = NETWORKS[case]
    found = phase(*network)
    assert found.phase == name
    assert found.reason is None
    assert only_stable(found.q_fixed_points).value == pytest.approx(q, rel=2e-15)
    assert found.chi_1 == pytest.approx(chi_1, rel=1e-15)
    assert only_stable(found.c_fixed_points).value == pytest.approx(c, rel=1e-14)
    assert found.xi_c == pytest.approx(xi_c, rel=2e-12)
    assert found.xi_q == pytest.approx(xi_q, rel=1e-8)


def test_small_networks_have_their_closed_values():
    found = phase(RELU, 1.5, 0.1)
    assert found.q_star == pytest.approx(0.4, rel=1e-14)
    assert found.xi_q == pytest.approx(-1 / log(0.75), rel=1e-12)
    assert found.xi_c == pytest.approx(-1 / log(0.75), rel=1e-12)
    found = phase(LINEAR, 0.5, 0.2)
    assert found.q_star == pytest.approx(0.4, rel=1e-14)
    assert found.c_star == 1
    found = phase(NAMED("sign"), 2, 0.5)
    assert found.q_star == pytest.approx(2.5, rel=1e-15)
    assert found.xi_q == 0
    assert found.chi_1 is None
    assert "chi_1 is infinite" in found.reason
    assert found.phase == "chaotic"
    c = found.c_star
    assert (2 * (2 / pi) * np.arcsin(c) + 0.5) / 2.5 == pytest.approx(c, rel=1e-14)
    assert found.c_fixed_points[-1] == FixedPoint(1.0, None, False)


@pytest.mark.parametrize(("activation", "w"), [(RELU, 2), (NAMED("leaky_relu", slope=0.5), 1.6)])
def test_every_variance_is_fixed_for_a_homogeneous_activation_on_its_edge(activation, w):
    found = phase(activation, w, 0)
    assert found.q_fixed_points is None
    assert "every q is a fixed point" in found.reason
    assert (found.phase, found.xi_q, found.xi_c) == ("edge", None, None)
    assert found.chi_1 == pytest.approx(1, abs=1e-15)
    assert [point.value for point in found.c_fixed_points] == [1.0]


def test_every_correlation_is_fixed_for_a_linear_network():
    found = phase(LINEAR, 1, 0)
    assert found.q_fixed_points is None
    assert found.c_fixed_points is None
    assert found.phase == "edge"
    assert "every c is a fixed point" in found.reason


@pytest.mark.parametrize(
    "network", [(RELU, 2, 0.1), (RELU, 2.5, 0), (LINEAR, 1, 1), (NAMED("exp"), 1, 0.1)]
)
def test_unbounded_network_says_so(network):
    found = phase(*network)
    assert found.phase == "unbounded"
    assert not [point for point in found.q_fixed_points if point.value > 0]
    assert (found.chi_1, found.xi_q, found.xi_c, found.c_fixed_points) == (None,) * 4
    assert "no stable q*" in found.reason


def test_zero_is_a_fixed_point_where_it_is_one(monkeypatch):
    found = phase(TANH, 0.5, 0)
    assert found.q_fixed_points == (FixedPoint(0.0, 0.5, True),)
    assert (found.phase, found.chi_1) == ("ordered", 0.5)
    assert found.xi_q == pytest.approx(1 / log(2), rel=1e-15)
    assert "no signal is left" in found.reason
    unstable = phase(TANH, 2, 0)
    assert unstable.q_fixed_points[0] == FixedPoint(0.0, 2.0, False)
    marginal = phase(TANH, 1, 0)
    assert marginal.q_fixed_points == (FixedPoint(0.0, 1.0, True),)
    assert marginal.phase == "edge"
    for activation, w, b in ((TANH, 0.5, 0.1), (NAMED("cos"), 1, 0), (NAMED("step"), 1, 0)):
        assert all(point.value > 0 for point in phase(activation, w, b).q_fixed_points)
    assert phase(NAMED("selu"), 0.1, 0).q_fixed_points[0].slope == pytest.approx(
        0.1 * 1.0507009873554805**2 * (1 + 1.6732632423543772**2) / 2, rel=1e-15
    )

    def fails(activation, q):
        raise NotConverged("last gap 1")

    monkeypatch.setattr(module, "gap_ratio", fails)
    root = phase(Activation.from_expression("sqrt(abs(x))"), 1, 0)
    assert root.q_fixed_points[0] == FixedPoint(0.0, None, False)
    assert root.q_star == pytest.approx(2 / pi, rel=1e-13)
    assert root.c_fixed_points is None
    assert "no map of correlations: last gap 1" in root.reason


def test_odd_activation_without_biases_fixes_three_correlations():
    found = phase(TANH, 2, 0)
    low, middle, high = found.c_fixed_points
    assert [low.value, middle.value, high.value] == [-1.0, 0.0, 1.0]
    assert [low.stable, middle.stable, high.stable] == [False, True, False]
    assert low.slope == pytest.approx(high.slope, rel=1e-13)
    q = found.q_star
    slope = closed_kernel(TANH).derivative_mean(Law(0, q)) ** 2 * 2
    assert middle.slope == pytest.approx(float(slope), rel=1e-13)


def test_all_fixed_points_are_found_where_there_are_three():
    w, b = 5, 0.03
    grid = np.geomspace(0.01, 100, 3001)
    change = w * by_trapezoid(dead_zone, grid) + b - grid
    crossings = grid[:-1][np.sign(change[:-1]) != np.sign(change[1:])]
    found = phase(DEAD_ZONE, w, b)
    assert len(crossings) == 3
    values = [point.value for point in found.q_fixed_points]
    np.testing.assert_allclose(values, crossings, rtol=5e-3)
    assert [point.stable for point in found.q_fixed_points] == [True, False, True]
    assert found.q_star == max(values)
    assert "stable q* are" in found.reason
    without = phase(DEAD_ZONE, w, 0)
    assert without.q_fixed_points[0] == FixedPoint(0.0, 0.0, True)
    assert len(without.q_fixed_points) == 3


@pytest.mark.parametrize("below", [1e-2, 1e-5, 1e-8])
def test_two_fixed_points_between_grid_points_are_both_found(below):
    """q - w exp(2 q) is largest at q = -log(2 w)/2."""
    w = 0.1
    top = -log(2 * w) / 2
    b = top - w * exp(2 * top) - below
    low, high = phase(NAMED("exp"), w, b).q_fixed_points
    assert low.value < top < high.value
    for point in (low, high):
        assert w * exp(2 * point.value) + b == pytest.approx(point.value, abs=1e-13)
        assert point.slope == pytest.approx(2 * w * exp(2 * point.value), rel=1e-11)
    assert (low.stable, high.stable) == (True, False)
    assert phase(NAMED("exp"), w, b + 2 * below).phase == "unbounded"


def test_fixed_point_where_the_map_only_touches_is_found():
    w = 0.1
    top = -log(2 * w) / 2
    (point,) = phase(NAMED("exp"), w, top - w * exp(2 * top)).q_fixed_points
    assert point.value == pytest.approx(top, rel=1e-5)
    assert not point.stable


@given(
    st.sampled_from(["erf", "tanh", "hard_tanh", "sin", "relu", "gelu", "softplus", "cos"]),
    st.floats(0.1, 4),
    st.floats(1e-3, 2),
)
def test_fixed_points_are_fixed(name, w, b):
    activation = NAMED(name)
    found = phase(activation, w, b)
    for point in found.q_fixed_points:
        q = point.value
        assert w * second_moment(activation, q) + b == pytest.approx(q, rel=1e-12)
        if point.stable and q == found.q_star:
            kernel = closed_kernel(activation)
            for c in found.c_fixed_points:
                image = (w * kernel.dual(Pair.at(q, c=c.value)) + b) / q
                assert image == pytest.approx(c.value, abs=1e-11)
            assert found.c_fixed_points[-1].value == 1
            assert any(c.stable for c in found.c_fixed_points)


@pytest.mark.parametrize(
    ("name", "w", "b"),
    [
        ("tanh", 2.5, 0.1),
        ("erf", 3, 0.64),
        ("gelu", 1.5, 0.1),
        ("cos", 2.5, 0.2),
        ("elu", 1.2, 0.3),
    ],
)
def test_iteration_tends_to_the_stable_fixed_points_at_the_stated_rate(name, w, b):
    activation = NAMED(name)
    kernel, found = closed_kernel(activation), phase(activation, w, b)
    q, c = 1.0, 0.3
    distances = []
    for _ in range(400):
        distances.append(abs(q - found.q_star))
        q = w * float(kernel.second(Law(0, q))) + b
    assert q == pytest.approx(found.q_star, rel=1e-12)
    kept = [d for d in distances if 1e-9 < d < 1e-4]
    rate = (kept[-1] / kept[0]) ** (1 / (len(kept) - 1))
    assert -1 / log(rate) == pytest.approx(found.xi_q, rel=2e-3)
    distances = []
    for _ in range(400):
        distances.append(abs(c - found.c_star))
        c = (w * float(kernel.dual(Pair.at(q, c=c))) + b) / q
    kept = [d for d in distances if 1e-9 < d < 1e-4]
    rate = (kept[-1] / kept[0]) ** (1 / (len(kept) - 1))
    assert -1 / log(rate) == pytest.approx(found.xi_c, rel=2e-3)


@pytest.mark.parametrize("q", [1e-6, 1e-2, 0.7, 30.0, 1e4])
def test_slope_of_the_second_moment_is_the_closed_one(q):
    slope = 4 / pi / ((1 + 2 * q) * sqrt(1 + 4 * q))
    assert variance_slope(ERF, q) == pytest.approx(slope, rel=2e-12)
    assert variance_slope(NAMED("monomial", n=3), q) == pytest.approx(45 * q**2, rel=1e-12)
    assert variance_slope(RELU, q) == pytest.approx(0.5, rel=1e-13)


def test_slope_of_the_second_moment_is_that_of_the_definition():
    z = np.linspace(-9, 9, 4001)
    weight = np.exp(-(z**2) / 2) / sqrt(2 * pi) * (z[1] - z[0])
    for q in (0.2, 1.0, 5.0):
        t = np.tanh(sqrt(q) * z)
        first, second = 1 - t**2, -2 * t * (1 - t**2)
        assert variance_slope(TANH, q) == pytest.approx(
            float(weight @ (first**2 + t * second)), rel=1e-12
        )


def test_chaos_next_to_the_edge_is_seen():
    """The stable correlation is closer to 1 than a grid in c could be fine."""
    w, b = edge_of_chaos(ERF, 1.0)
    found = phase(ERF, w * (1 + 1e-7), b)
    below, at_one = found.c_fixed_points
    assert found.phase == "chaotic"
    assert (below.stable, at_one.stable) == (True, False)
    assert 1e-8 < 1 - below.value < 1e-5
    assert below.slope < 1 < at_one.slope


@pytest.mark.parametrize("name", ["erf", "hard_tanh", "tanh", "sign", "gelu"])
def test_quadrature_finds_what_the_closed_forms_find(name, monkeypatch):
    closed = phase(NAMED(name), 2.0, 0.3) if name != "gelu" else phase(NAMED(name), 1.9, 0.1)
    monkeypatch.setattr(module, "closed_kernel", lambda activation: None)
    found = phase(NAMED(name), 2.0, 0.3) if name != "gelu" else phase(NAMED(name), 1.9, 0.1)
    assert found.phase == closed.phase
    for field in ("q_fixed_points", "c_fixed_points"):
        ours, theirs = getattr(found, field), getattr(closed, field)
        assert [point.stable for point in ours] == [point.stable for point in theirs]
        for one, other in zip(ours, theirs, strict=True):
            assert one.value == pytest.approx(other.value, rel=1e-7)
            if one.slope is not None or other.slope is not None:
                assert one.slope == pytest.approx(other.slope, rel=1e-7, abs=1e-12)
    assert found.xi_q == pytest.approx(closed.xi_q, rel=1e-9)


def test_own_activation_has_its_phase():
    found = phase(Activation.from_expression("tanh(x + 0.7)"), 3, 0.1)
    q = found.q_star
    shifted = by_trapezoid(lambda x: np.tanh(x + 0.7), np.array([q]))[0]
    assert 3 * shifted + 0.1 == pytest.approx(q, rel=1e-12)
    assert found.phase == "ordered"


@pytest.mark.parametrize("name", ["erf", "hard_tanh", "elu", "sin"])
def test_gap_ratio_is_the_mehler_series(name):
    q = 1.3
    activation = NAMED(name)
    a = hermite_coefficients(activation, range(400), q, normalized=True).value
    for theta in (0.7, 1.5, 2.5):
        c = np.cos(theta)
        series = np.sum(a**2 * (1 - c ** np.arange(400))) / (q * (1 - c))
        assert gap_ratio(activation, q)(np.array([theta]))[0] == pytest.approx(series, rel=1e-4)
    ratio = gap_ratio(activation, q)(np.array([1e-9]))[0]
    assert ratio == pytest.approx(float(derivative_second_moment(activation, q)), rel=1e-8)


@pytest.mark.parametrize(
    ("w", "b", "message"),
    [
        (0, 1, "sigma_w2 must be positive"),
        (-1, 1, "sigma_w2 must be positive"),
        (1, -0.1, "sigma_b2 must be at least 0"),
        (float("nan"), 0, "sigma_w2 must be a finite number"),
        (1, float("inf"), "sigma_b2 must be a finite number"),
        ("1", 0, "sigma_w2 must be a finite number"),
    ],
)
def test_meaningless_network_is_refused(w, b, message):
    with pytest.raises(DescriptionError, match=message):
        phase(TANH, w, b)


def test_edge_that_does_not_exist_is_refused():
    with pytest.raises(OutOfRegime, match="diverges"):
        edge_of_chaos(NAMED("step"), 1.0)
    with pytest.raises(DescriptionError, match="must be positive"):
        edge_of_chaos(TANH, 0.0)


# The command and its figure


def parsed(*arguments):
    parser = argparse.ArgumentParser()
    add_arguments(parser)
    return parser.parse_args([*arguments, "--sigma-w2", "3", "--sigma-b2", "0.64"])


def test_command_gives_the_fields_of_the_phase():
    answer = phase_command(parsed("tanh"))
    assert answer["activation"] == {"name": "tanh"}
    assert (answer["sigma_w2"], answer["sigma_b2"]) == (3.0, 0.64)
    (point,) = answer["q_fixed_points"]
    assert set(point) == {"value", "slope", "stable"}
    assert list(answer)[3:] == [
        *("q_fixed_points", "c_fixed_points", "chi_1", "xi_q", "xi_c", "phase", "reason"),
    ]


def read(*arguments):
    parser = argparse.ArgumentParser()
    add_activation(parser)
    return read_activation(parser.parse_args(arguments))


def test_activation_is_read_from_the_command_line():
    assert read("leaky_relu", "--param", "slope=-0.3") == NAMED("leaky_relu", slope=-0.3)
    given = ["--param=kinks=-1,2", "--param=slopes=0,1,0.5", "--param=value=-1/3"]
    pieces = read("piecewise_linear", *given)
    assert pieces.describe() == {
        "name": "piecewise_linear",
        "kinks": [-1, 2],
        "slopes": [0, 1, 0.5],
        "jumps": [0, 0],
        "value": -1 / 3,
    }
    one = read("piecewise_linear", "--param", "kinks=1", "--param", "slopes=0,1")
    assert one.kinks == (1,)
    assert read("polynomial", "--param", "coefficients=2").parameters == (("coefficients", (2,)),)
    assert read("--expression", "tanh(x + 0.7)").name == "tanh(x + 0.7)"
    own = read("--expression", "max(tanh(x), 0)", "--kinks", "0")
    assert own.kinks == (0,)
    assert read("--expression", "tanh(x)", "--kinks", "").kinks == ()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "by NAME or by --expression, neither given"),
        (["tanh", "--expression", "x"], "both given"),
        (["tahn"], "unknown activation 'tahn'"),
        (["leaky_relu"], "needs slope"),
        (["leaky_relu", "--param", "slope"], "needs KEY=VALUE, 'slope' given"),
        (["leaky_relu", "--param", "slope=steep"], "slope must be a number, 'steep' given"),
        (["leaky_relu", "--param", "slope=nan"], "slope must be a number"),
        (["leaky_relu", "--param", "slope=1/0"], "slope must be a number"),
        (["leaky_relu", "--param", "slope=1e999999999"], "slope must be a number"),
        (["leaky_relu", "--param", "slope=1,2"], "slope must be a finite number"),
        (["leaky_relu", "--param", "slope=1", "--param", "slope=2"], "given twice"),
        (["leaky_relu", "--param", "slop=1"], "did you mean 'slope'"),
        (["tanh", "--kinks", "0"], "--kinks belongs to --expression"),
        (["--expression", "x", "--param", "a=1"], "--param belongs to NAME"),
        (["--expression", "max(tanh(x), 0)", "--kinks", "zero"], "--kinks must be a number"),
    ],
)
def test_meaningless_activation_is_refused_in_one_line(arguments, message):
    with pytest.raises(DescriptionError, match=message) as problem:
        read(*arguments)
    assert "\n" not in str(problem.value)


def test_figure_is_drawn(tmp_path):
    pytest.importorskip("matplotlib")
    for name, activation in (("a.png", TANH), ("b.svg", RELU), ("c.pdf", NAMED("exp"))):
        phase_diagram(activation, tmp_path / name, point=(1.0, 0.1))
        assert (tmp_path / name).stat().st_size > 1000
    with pytest.raises(DescriptionError, match="cannot write a figure"):
        phase_diagram(TANH, tmp_path / "no directory" / "a.png")
    with pytest.raises(DescriptionError, match="cannot write a figure"):
        phase_diagram(TANH, tmp_path / "a.unknown")
    with pytest.raises(OutOfRegime, match="diverges"):
        phase_diagram(NAMED("sign"), tmp_path / "d.png")


def test_figure_colours_agree_with_the_phase_of_single_networks():
    from derivations.figures import phase as figures

    codes = {"ordered": figures.ORDERED, "chaotic": figures.CHAOTIC, "unbounded": figures.UNBOUNDED}
    for name in ("tanh", "gelu", "relu"):
        table = figures._table(NAMED(name))
        w, b = np.array([0.7, 1.9, 2.05, 3.0]), np.array([0.02, 0.3, 1.0])
        regions = figures._regions(table, w, b)
        for i, bias in enumerate(b):
            for j, weight in enumerate(w):
                assert regions[i, j] == codes[phase(NAMED(name), weight, bias).phase]


def test_figure_without_matplotlib_says_what_to_install(monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(DescriptionError, match=r"pip install fisherfield\[figures\]"):
        phase_diagram(TANH, tmp_path / "a.png")


def test_reference_of_erf_is_its_arcsine():
    q = np.array([0.5, 2.0])
    np.testing.assert_allclose(
        second_moment(ERF, q), by_trapezoid(special.erf, q), rtol=1e-13, atol=0
    )
