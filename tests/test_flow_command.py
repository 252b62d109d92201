"""``fisherfield flow``: keys, values beside the theory, events, and what it refuses."""

import json
import math

import numpy as np
import pytest

from derivations.flow_problems import PROBLEMS
from theory.sharpness_problems import QuadraticForms, arc_height, arc_slope

KEYS = [
    "problem",
    "parameters",
    "eta",
    "weight_decay",
    "eps",
    "seed",
    "start",
    "steps",
    "regime",
    "events",
    "tau",
    "step",
    "loss",
    "norm2",
    "effective_learning_rate",
    "lambda1",
    "lambda2",
    "lambda1_iterate",
    "x",
    "D",
    "coordinate",
    "flow_coordinate",
    "distance",
    "distance_projected",
    "predicted",
    "measured",
]
ARRAYS = KEYS[KEYS.index("tau") : KEYS.index("predicted")]


@pytest.fixture
def run(run):
    """Runs ``fisherfield flow`` with options that are one text."""
    return lambda text, *more: run("flow", *text.split(), *more)


@pytest.fixture
def result(run):
    """The strict JSON of a run with this exit status."""

    def command(text, status=0):
        found, out, err = run(text + " --json")
        assert found == status, err
        assert bool(err) == bool(status)
        return json.loads(out, parse_constant=pytest.fail)

    return command


def numbers(found, name):
    return np.array([math.nan if one is None else one for one in found[name]])


def test_record_has_its_keys_and_a_point_for_each_time(result):
    found = result("arc --param b=3 s=1 --time 0.5 --points 20")
    assert list(found) == KEYS
    assert {len(found[name]) for name in ARRAYS} == {20}
    assert found["parameters"] == {"b": 3.0, "s": 1.0}
    assert (found["eta"], found["weight_decay"], found["eps"]) == (0.5, 1e-3, 5e-4)
    assert (found["steps"], found["regime"], found["events"]) == (1000, "edge of stability", [])
    assert set(found["predicted"]) == set(found["measured"])
    assert found["step"] == list(range(0, 1000, 50))


def test_arc_is_measured_beside_its_closed_form(result):
    found = result("arc --weight-decay 5e-4 --points 40")
    s = numbers(found, "coordinate")
    assert s == pytest.approx(numbers(found, "flow_coordinate"), abs=2e-4)
    assert numbers(found, "lambda1") == pytest.approx(arc_height(s, 4.0), rel=1e-12)
    assert numbers(found, "D") == pytest.approx(arc_slope(s, 4.0) ** 2, rel=1e-9)
    assert not np.any(numbers(found, "lambda2"))
    rate = 0.5 / ((1 - found["eps"]) * numbers(found, "norm2"))
    assert numbers(found, "effective_learning_rate") == pytest.approx(rate, rel=1e-12)
    signed = numbers(found, "x")
    loss = arc_height(s, 4.0) * np.sin(2 * signed) ** 2 / 8
    assert numbers(found, "loss") == pytest.approx(loss, rel=2e-3)
    assert np.all(numbers(found, "distance_projected") < numbers(found, "distance") / 10)
    for name, error in (("x2", 5e-3), ("period", 1e-2), ("hover", 3e-2), ("growth_rate", 5e-2)):
        ratio = found["measured"][name] / found["predicted"][name]
        assert ratio == pytest.approx(1, abs=error), name
    assert found["predicted"]["time_to_edge"] is None


def test_flow_of_two_eigenvalues_goes_on_after_the_crossing(result):
    found = result("two-eigenvalues --weight-decay 5e-4 --noise 1e-6 --points 40")
    assert found["regime"] == "two eigenvalues at the edge"
    (event,) = [e for e in found["events"] if e["kind"] == "crossing of the flow"]
    assert event["tau"] == pytest.approx(1.2188, abs=1e-4)
    assert event["step"] == round(event["tau"] / found["eps"])
    tau, flow = numbers(found, "tau"), numbers(found, "flow_coordinate")
    assert np.isfinite(flow).all()
    assert np.all(np.diff(flow) < 0)
    before = tau < 1.1
    assert numbers(found, "distance_projected")[before].max() < 1e-3
    forms = QuadraticForms([[1.0, 2.0, 4.0], [3.0, 1.5, 1.0]])
    start = forms.retract(np.array([0.35, 0.45, 0.8, 0, 0]))
    assert flow[0] == pytest.approx(np.log(forms.sharpness(start).max()), abs=1e-3)


def test_regression_from_a_random_start_finds_the_edge_and_the_minimum_norm(result):
    found = result("batchnorm-regression --start random --time 5 --points 50")
    (edge,) = [e for e in found["events"] if e["kind"] == "edge"]
    assert edge["value"] > 2
    assert found["measured"]["time_to_edge"] == edge["tau"]
    angle = numbers(found, "coordinate")
    assert angle[-1] < 0.05
    flow, before = numbers(found, "flow_coordinate"), numbers(found, "tau") < edge["tau"]
    assert np.all(np.diff(angle[~before]) < 0)
    assert np.ptp(angle[before][-3:]) < 1e-9
    assert np.isnan(flow[before]).all()
    assert np.isfinite(flow[~before]).all()


def test_stable_start_loses_its_oscillation_and_noise_keeps_it(result, run):
    status, _out, err = run("arc --start stable --time 1 --points 20")
    assert status == 3
    assert "--start prepared or --noise" in err
    lost = result("arc --start stable --time 1 --points 20", status=3)
    assert lost["regime"] == "underflow"
    assert {len(lost[name]) for name in ARRAYS} == {20}
    kept = result("arc --start stable --time 1 --points 100 --noise 1e-8")
    assert kept["regime"] == "edge of stability"
    ratio = kept["measured"]["time_to_edge"] / kept["predicted"]["time_to_edge"]
    assert ratio == pytest.approx(1, abs=0.01)


def test_weight_normalized_regression_does_not_drift(result):
    found = result("weightnorm-regression --time 1 --points 10")
    assert numbers(found, "distance_projected").max() < 1e-10
    assert numbers(found, "D").max() < 1e-20
    assert found["measured"]["x2"] / found["eps"] == pytest.approx(0.5, rel=1e-3)


def test_network_follows_its_flow(result):
    found = result("batchnorm-mlp --time 0.2 --points 10")
    assert found["regime"] == "edge of stability"
    assert numbers(found, "lambda1")[0] == pytest.approx(108.9, rel=1e-2)
    assert numbers(found, "distance_projected").max() < 2e-3
    assert found["measured"]["x2"] / found["predicted"]["x2"] == pytest.approx(1, abs=0.05)
    assert found["predicted"]["growth_rate"] is None


def test_rates_too_large_for_the_averages_are_reported(result):
    found = result("batchnorm-mlp --weight-decay 1e-3 --time 0.1 --points 10", status=3)
    assert found["regime"] == "averages"
    assert [e["value"] > 0.2 for e in found["events"] if e["kind"] == "averages"] == [True]


def test_start_of_a_file_and_a_record_in_a_file(run, tmp_path):
    start = tmp_path / "w.npy"
    np.save(start, np.array([0.3, 0.8, 0.2]))
    out = tmp_path / "record.json"
    status, printed, _ = run(f"arc --start {start} --time 0.5 --points 10 --out {out}")
    assert (status, printed) == (0, "")
    found = json.loads(out.read_text())
    assert found["norm2"][0] == pytest.approx(0.77)
    assert found["loss"][0] == pytest.approx((0.09 + 4 * 0.64) * 0.04 / (2 * 0.77**2))


@pytest.mark.parametrize(
    "rates",
    ["", " --eta 0.5 --eta 1.5 --weight-decay 5e-4 --weight-decay 6.7e-5 --param log_rho=0.3"],
)
def test_two_groups_follow_their_flow(result, rates):
    found = result("two-groups --points 100" + rates)
    assert list(found) == KEYS
    assert {len(found[name]) for name in ARRAYS} == {100}
    assert numbers(found, "distance_projected").max() < 2e-3
    assert numbers(found, "coordinate") == pytest.approx(
        numbers(found, "flow_coordinate"), abs=2e-3
    )
    assert found["measured"]["x2"] / found["predicted"]["x2"] == pytest.approx(1, abs=0.02)
    assert abs(found["measured"]["hover"]) < 0.02
    near = numbers(found, "lambda1_iterate") / numbers(found, "lambda1")
    assert near == pytest.approx(np.ones(100), abs=20 * numbers(found, "x").max() ** 2)


def test_order_is_judged_from_three_starts(result, run):
    found = result("arc --judge --time 0.4")
    row = found["row"]
    assert (row["verdict"], row["quantity"], row["seeds"]) == ("AGREES", "order", [3] * 5)
    assert row["measured"] == pytest.approx(1, abs=0.03)
    assert row["widths"] == [found["eps"] * 4.0 ** (1 - k) for k in range(5)]
    assert len(found["distances"]) == 5
    assert np.all(np.diff(found["distances"]) < 0)
    status, out, _ = run("arc --judge --time 0.4")
    assert status == 0
    assert "AGREES" in out


def test_order_that_is_not_that_of_the_flow_fails(run, monkeypatch):
    """A solution that is too fast by a factor of 2 is refuted."""
    right = QuadraticForms.solution
    monkeypatch.setattr(QuadraticForms, "solution", lambda s, k, tau: right(s, k, 2 * tau))
    status, out, _ = run("arc --judge --time 0.4")
    assert status == 1
    assert "REFUTED" in out


def test_order_is_not_judged_across_a_crossing(run):
    status, out, err = run("layernorm-mlp --judge")
    assert status == 3
    assert "OUT OF REGIME" in out
    assert "reaches the first at time 0.163" in err
    assert "judge over a shorter time" in err


def test_flow_that_stands_still_has_no_order(run):
    """Of the control, and of the arc so near to its end that it hardly moves."""
    for problem in ("weightnorm-regression", "arc --param s=1e-10"):
        status, out, err = run(problem + " --judge --time 0.1")
        assert status == 3
        assert "OUT OF REGIME" in out
        assert "the flow stands still" in err
        assert "there is no order" in err


def test_seeds_are_listed_with_their_verdicts(result):
    found = result("layernorm-mlp --judge --seeds 2 --time 0.2 --weight-decay 4e-3", status=3)
    assert found["verdict"] == "OUT OF REGIME"
    first, second = found["rows"]
    assert (first["seed"], first["verdict"]) == (0, "OUT OF REGIME")
    assert "at time 0.163" in first["row"]["reason"]
    assert (second["seed"], second["verdict"]) == (1, "AGREES")
    assert second["orders"][-1] == second["row"]["measured"]


def test_order_of_two_groups_is_judged(result):
    rates = " --eta 0.5 --eta 1.5 --weight-decay 1e-2 --weight-decay 2e-3"
    found = result("two-groups --judge --time 0.5" + rates)
    assert (found["verdict"], found["row"]["id"]) == ("AGREES", "sharpness-groups")
    assert found["row"]["seeds"] == [3] * 5


def test_summary_leaves_out_the_arrays(run):
    status, out, _ = run("arc --time 0.5 --points 10")
    assert status == 0
    assert "measured.x2" in out
    assert len(out.splitlines()) < 30


def test_default_parameters_of_every_problem_have_a_meaning():
    for name, problem in PROBLEMS.items():
        if name not in ("matrix-completion", "two-groups"):
            setting = problem.setting({}, None)
            assert np.abs(setting.loss.residual(setting.zeta)).max() < 1e-9, name


@pytest.mark.parametrize(
    ("text", "match"),
    [
        ("circle", "unknown problem 'circle'; known: arc"),
        ("arc --param c=3", "unknown parameter 'c'; known: b, s"),
        ("arc --param b", "NAME=VALUE"),
        ("arc --param b=x", "NAME=VALUE"),
        ("arc --param b=nan", "finite numbers"),
        ("arc --param b=-3", "positive diagonals"),
        ("arc --param b=1,2", "one number, 2 given"),
        ("arc --param s=2", "between 0 and pi/2"),
        ("quadratic --param form=1,2", "same number of entries"),
        ("batchnorm-regression --param samples=2.5", "whole number, 3 at least"),
        ("batchnorm-regression --param features=3", "reach the targets"),
        ("matrix-completion --param entries=500", "500 of 400 entries"),
        ("layernorm-mlp --param widths=5", "a last width above the number of samples"),
        ("arc --eta 1 --eta 2", "1 group(s) of weights with rates of their own, rates for 2"),
        ("two-groups --param s_A=3", "between 0 and pi/2"),
        ("two-groups --start random", "starts prepared"),
        ("arc --judge --start random", "judged from prepared starts"),
        ("arc --judge --weight-decay 1", "between 0 and 1"),
        ("two-groups --judge --weight-decay 1", "between 0 and 1"),
        ("arc --seeds 3", "seeds are listed with --judge"),
        ("arc --judge --seeds 0", "seeds must be at least 1"),
        ("arc --seed -1", "seed must be at least 0"),
        ("arc --eta -1", "eta must be positive"),
        ("arc --eta nan", "eta must be a finite number"),
        ("arc --noise nan", "noise must be"),
        ("arc --time inf", "time must be"),
        ("arc --weight-decay 0", "weight-decay must be positive"),
        ("arc --eta 1 --weight-decay 1", "between 0 and 1"),
        ("arc --time 0", "time must be positive"),
        ("arc --points 1", "points must be at least 2"),
        ("arc --noise -1", "noise must be"),
        ("arc --start somewhere", "unknown start 'somewhere'; known: prepared"),
        ("arc --start nothing.npy", "cannot read an array"),
        ("arc --time 0.1 --out /nonexistent/file", "cannot write"),
    ],
)
def test_question_without_a_meaning_is_refused_in_one_line(run, text, match):
    status, out, err = run(text)
    assert (status, out) == (2, "")
    assert match in err
    assert len(err.splitlines()) == 1


def test_start_that_its_own_flow_does_not_reach_is_out_of_regime(run):
    status, out, err = run("weightnorm-mlp --seed 5")
    assert (status, out) == (3, "")
    assert "the second eigenvalue reaches the first at time 0." in err
    assert "another seed or a shorter time before" in err


def test_start_of_zero_weights_is_refused(run, tmp_path):
    np.save(tmp_path / "w.npy", np.zeros(3))
    status, _, err = run(f"arc --start {tmp_path}/w.npy")
    assert status == 2
    assert "no direction" in err


@pytest.mark.parametrize(
    ("start", "match"),
    [
        (np.ones((2, 3)), "a start has 3 real weights, float64 of shape (2, 3) given"),
        (np.ones(4), "shape (4,) given"),
        (np.ones(3) * 1j, "complex128 of shape (3,) given"),
        (np.array(["a", "b", "c"]), "a start has 3 real weights"),
        (np.array([1.0, np.nan, 1.0]), "3 finite weights, shape (3,) with 1 infinite or NaN"),
    ],
)
def test_start_that_is_no_weights_is_refused(run, tmp_path, start, match):
    np.save(tmp_path / "w.npy", start)
    status, out, err = run(f"arc --start {tmp_path}/w.npy")
    assert (status, out) == (2, "")
    assert match in err
    assert len(err.splitlines()) == 1


def test_fit_that_no_weights_reach_is_out_of_regime(run):
    status, _, err = run("weightnorm-regression --param length=0.5")
    assert status == 3
    assert "length above" in err
