"""Runs that leave the regime of the theory, two eigenvalues at the edge, matrix completion."""

import json
import math

import numpy as np
import pytest

from derivations.cli import main
from derivations.completion import complete, recovered
from derivations.dynamics import compare, start_at_edge, stride
from derivations.flow_problems import PROBLEMS, completion_data
from derivations.flow_record import Run, _along, _pieces, record
from numerics import minimizers
from numerics.losses import MatrixCompletion
from numerics.weight_decay import descend
from theory import sharpness_flow


@pytest.fixture
def result(capsys):
    """The strict JSON of a run with this exit status, and what it said."""

    def command(text, status=0):
        assert main(["flow", *text.split(), "--json"]) == status
        out, err = capsys.readouterr()
        return json.loads(out, parse_constant=pytest.fail), err

    return command


def kinds(found):
    return {event["kind"]: event for event in found["events"]}


def numbers(found, name):
    return np.array([math.nan if one is None else one for one in found[name]])


# Events


def test_crossing_of_a_network_ends_its_flow_and_keeps_its_run(result):
    found, err = result("layernorm-mlp --points 40 --time 0.3", status=3)
    assert found["regime"] == "crossing"
    assert "from time 0.1635 on: the second eigenvalue reached the first" in err
    event = kinds(found)["crossing of the flow"]
    assert event["value"] == pytest.approx(1 - 1e-3, rel=1e-6)
    assert event["step"] == round(event["tau"] / found["eps"])
    tau, flow = numbers(found, "tau"), numbers(found, "flow_coordinate")
    step = found["eps"] / 2
    assert np.isfinite(flow[tau + step < event["tau"]]).all()
    assert np.isnan(flow[tau + step > event["tau"] + 1e-9]).all()
    assert np.isfinite(numbers(found, "coordinate")).all()
    setting = PROBLEMS["layernorm-mlp"].setting({}, 0)
    end = setting.integrated(0.3)
    assert event["tau"] == end.crossing
    values, _ = setting.top(end.at(end.end))
    assert values[1] / values[0] == pytest.approx(event["value"], rel=1e-9)


def test_averages_and_growth_are_not_predicted_where_they_do_not_hold(result):
    found, err = result("batchnorm-regression --weight-decay 4e-3 --time 1 --points 30", status=3)
    events = kinds(found)
    assert found["regime"] == "averages"
    assert "smaller rates" in err
    setting = PROBLEMS["batchnorm-regression"].setting({}, None)
    bend = abs(setting.edge(setting.zeta).c)
    assert events["averages"]["value"] == pytest.approx(bend * found["eps"], rel=0.02)
    assert events["growth rate"]["value"] == pytest.approx(bend * found["eps"] ** 0.5, rel=0.02)
    for name in ("x2", "hover", "growth_rate", "period"):
        assert found["predicted"][name] is None, name
    assert found["measured"]["x2"] > 0


def test_groups_beyond_the_averages_are_reported(result):
    """The cubic coefficient of an arc is -8: eps of 0.025 is the last."""
    found, err = result("two-groups --weight-decay 0.06 --time 1", status=3)
    assert found["regime"] == "averages"
    assert "from time 0 on" in err
    assert kinds(found)["averages"]["value"] == pytest.approx(8 * 0.03)
    assert found["predicted"]["x2"] is found["predicted"]["period"] is None
    found, _ = result("two-groups --weight-decay 0.04 --time 1")
    assert set(kinds(found)) == {"growth rate"}
    assert found["predicted"]["x2"] > 0
    assert found["predicted"]["period"] is None


def test_growth_and_period_alone_are_not_predicted_at_smaller_rates(result):
    found, err = result("batchnorm-regression --weight-decay 2e-4 --time 1 --points 30")
    assert (err, found["regime"]) == ("", "edge of stability")
    assert set(kinds(found)) == {"growth rate"}
    assert kinds(found)["growth rate"]["value"] > 1
    assert found["predicted"]["growth_rate"] is found["predicted"]["period"] is None
    assert found["measured"]["x2"] / found["predicted"]["x2"] == pytest.approx(1, abs=0.01)
    assert found["measured"]["hover"] / found["predicted"]["hover"] == pytest.approx(1, abs=0.02)
    found, _ = result("batchnorm-regression --weight-decay 5e-5 --time 0.3 --points 30")
    assert found["events"] == []
    assert found["predicted"]["growth_rate"] == pytest.approx(-63.5, rel=0.02)
    assert found["predicted"]["period"] == pytest.approx(2 * np.pi / (8 * found["eps"]) ** 0.5)


def test_second_oscillation_that_underflows_is_an_event(result):
    found, err = result("two-eigenvalues --points 40", status=3)
    assert found["regime"] == "underflow"
    assert "--noise 1e-8" in err
    events = kinds(found)
    assert events["underflow"]["tau"] >= events["crossing of the flow"]["tau"]
    after = numbers(found, "tau") > events["underflow"]["tau"] + 0.1
    assert numbers(found, "distance_projected")[after].min() > 0.02
    second = numbers(found, "effective_learning_rate") * numbers(found, "lambda1")
    assert second[after].max() > 2.3


def test_oscillation_that_is_small_but_not_lost_comes_back(result, tmp_path):
    """The loss underflows before its residual does."""
    path, rate = tmp_path / "w.npy", 1.98 / 4.0
    np.save(path, np.array([1e-9, 1.0, 1e-170]) * (0.5 / (1 - 5e-4) / rate) ** 0.5)
    found, err = result(f"arc --start {path} --time 1 --points 100")
    assert err == ""
    assert found["loss"][0] == 0
    assert found["loss"][-1] > 0
    assert set(kinds(found)) == {"edge"}


def test_loss_that_is_not_invariant_is_refused_before_a_run(monkeypatch, capsys):
    from numerics import losses

    right = losses.WeightNormRegression.residual
    monkeypatch.setattr(
        losses.WeightNormRegression, "residual", lambda self, w: right(self, w) + 1e-3 * w[..., :1]
    )
    assert main(["flow", "weightnorm-regression"]) == 2
    _, err = capsys.readouterr()
    assert "not scale-invariant: weights times 1.7 change it by a factor 1 +- " in err
    assert len(err.splitlines()) == 1


# Two eigenvalues at the edge

DECAY = 6.25e-5


@pytest.fixture(scope="module")
def noisy():
    """The toy with two eigenvalues, a run of it with noise, and the weights' squared angles."""
    setting = PROBLEMS["two-eigenvalues"].setting({}, None)
    steps, noise = int(2.5 / DECAY), 1e-2 * DECAY
    run = descend(
        setting.loss,
        start_at_edge(setting, 0.5, DECAY),
        0.5,
        DECAY,
        steps,
        every=stride(DECAY),
        noise=noise,
    )
    return setting, run


def off(setting, run):
    """The largest distance from the flow, before the crossing and after it."""

    def flow(tau):
        return _along(_pieces(setting, setting.zeta, 2.5), tau, 0.0, 5)

    found = compare(setting, run, DECAY, flow)
    before, after = found.tau < 1.2, (found.tau > 1.3) & np.isfinite(found.projected)
    return found.projected[before].max(), found.projected[after].max()


def test_noisy_run_follows_the_flow_of_two_multipliers(noisy):
    before, after = off(*noisy)
    assert before < 5e-4
    assert after < 0.02


@pytest.mark.parametrize("constant", [3, 5])
def test_noisy_run_does_not_follow_another_flow(noisy, monkeypatch, constant):
    monkeypatch.setattr(
        sharpness_flow,
        "multipliers",
        lambda g: np.linalg.solve(constant + g @ g.T, np.full(len(g), 2.0)),
    )
    before, after = off(*noisy)
    assert before > 0.05
    assert after > 0.05


def test_both_amplitudes_are_those_of_the_multipliers(noisy):
    setting, run = noisy
    late = run.kept * DECAY > 1.6
    angles = minimizers.unit(run.pairs[late, 0])[:, 3:]
    flow = _along(_pieces(setting, setting.zeta, 2.5), run.kept[late][::100] * DECAY, 0.0, 5)
    expected = [
        sharpness_flow.multipliers(np.array([setting.closed.grad_log(one, i) for i in (0, 1)]))
        for one in flow
    ]
    assert (angles**2).mean(axis=0) / DECAY == pytest.approx(np.mean(expected, axis=0), rel=0.03)
    rate = 0.5 / run.norm2[run.kept[late]]
    on = setting.retract(minimizers.unit(run.pairs[late]).sum(axis=1))
    assert rate[:, None] * setting.closed.sharpness(on) == pytest.approx(2, abs=0.1)


def test_record_of_two_eigenvalues_is_that_of_the_pieces(noisy):
    setting, _ = noisy
    start = start_at_edge(setting, 0.5, 1e-3)
    found = record(setting, start, Run(0.5, 1e-3, 2.0, 20, 1e-5, 0, True), None)
    tau = 1e-3 * (np.array(found["step"]) + 0.5)
    pieces = _pieces(setting, setting.zeta, 2.0)
    expected = np.log(setting.top(_along(pieces, tau, 0.0, 5))[0][:, 0])
    assert found["flow_coordinate"] == pytest.approx(expected, rel=1e-9)


# Matrix completion

SMALL = {"rows": (8.0,), "rank": (1.0,), "entries": (40.0,), "inner": (4.0,)}


def test_hidden_entries_are_completed_by_mean_and_deviation_of_those_seen():
    target, seen, _ = completion_data({**PROBLEMS["matrix-completion"].defaults, **SMALL}, 3)
    values = target[seen[:, 0], seen[:, 1]]
    loss = MatrixCompletion(seen, values, target.shape, 8)
    right = np.concatenate([3.0 * np.eye(8).ravel(), 0.2 * target.ravel()])
    assert loss.completed(right) == pytest.approx(target, abs=1e-12)
    found = recovered(loss, right, target)
    assert found["test_error"] < 1e-12
    assert found["effective_rank"] == pytest.approx(1)
    assert found["singular_values"] == pytest.approx([1.0] + 7 * [0.0], abs=1e-12)
    away = np.concatenate([np.eye(8).ravel(), np.diag([1.0, -1, 0, 0, 0, 0, 0, 0]).ravel()])
    found = recovered(loss, away, target)
    assert found["effective_rank"] == pytest.approx(2)
    hidden = np.ones((8, 8), bool)
    hidden[seen[:, 0], seen[:, 1]] = False
    p = np.diag([1.0, -1, 0, 0, 0, 0, 0, 0])
    at = p[seen[:, 0], seen[:, 1]]
    guess = values.mean() + (p - at.mean()) * values.std() / at.std()
    error = np.linalg.norm((guess - target)[hidden]) / np.linalg.norm(target[hidden])
    assert found["test_error"] == pytest.approx(error)


def test_report_on_matrix_completion(result, monkeypatch):
    monkeypatch.setattr(
        "derivations.completion.in_parallel", lambda task, jobs, _: [task(*one) for one in jobs]
    )
    found, err = result(
        "matrix-completion --seeds 2 --time 0.3 --param rows=8 rank=1 entries=40 inner=8"
    )
    assert err == ""
    assert (found["problem"], found["seeds"]) == ("matrix-completion", 2)
    for seed, row in enumerate(found["rows"]):
        assert row["seed"] == seed
        assert row["steps"] == int(0.3 / row["eps"])
        assert row["distance"] < 0.05 * row["path"]
        for at in ("first", "last"):
            s = np.array(row[at]["singular_values"])
            assert len(s) == 8
            assert row[at]["effective_rank"] == pytest.approx(s.sum() ** 2 / (s @ s))
        assert row["last"]["effective_rank"] < row["first"]["effective_rank"]
        assert row["crossing"] is None or 0 < row["crossing"] <= 0.3


@pytest.mark.slow
def test_sharpness_reduction_lowers_the_rank_of_a_completion():
    """The full problem, one seed: descent itself, after 8 units of time."""
    found = complete({}, 0, 0.5, None)
    assert found["last"]["effective_rank"] < 0.6 * found["first"]["effective_rank"]
    assert found["last"]["test_error"] < 0.8 * found["first"]["test_error"]
    assert found["distance"] < 0.02 * found["path"]
