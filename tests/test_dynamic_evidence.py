"""``fisherfield check`` of theorems on gradient descent: its rows, and that wrong theory fails."""

import json
from dataclasses import replace

import numpy as np
import pytest

from derivations import exact_checks
from derivations.dynamic_evidence import Case, Ratio, Residual, judge_case, judged_row
from derivations.dynamics import JudgedOrder, Setting, ladder
from derivations.edge_means import growth, means
from derivations.evidence import check
from derivations.flow_groups import Rates, judge_groups
from derivations.flow_problems import PROBLEMS
from derivations.questions import Judged
from derivations.sharpness.cases import CASES
from derivations.sharpness.catalogue import SHARPNESS_THEOREMS
from numerics import losses
from numerics.orders import Order
from theory import scale_invariance, sharpness_flow
from theory.errors import DescriptionError, OutOfRegime
from theory.sharpness_problems import TwoGroups


@pytest.fixture
def run(run):
    """Runs ``fisherfield check``."""
    return lambda *arguments: run("check", *arguments)


def setting(problem, **given):
    return PROBLEMS[problem].setting({name: (one,) for name, one in given.items()}, None)


def case(id, problem, quantity):
    return next(one for one in CASES[id] if one.problem == problem and quantity in one.deltas)


def verdicts(id, problem, quantity):
    return {row.quantity: row.verdict for row in judge_case(id, case(id, problem, quantity))}


# Rows


def test_every_theorem_without_networks_has_cases_and_a_default_one_or_more_by_all():
    assert {one.id for one in SHARPNESS_THEOREMS if not one.rows} == set(CASES)
    assert all(CASES.values())
    for cases in CASES.values():
        for one in cases:
            assert one.problem.partition(",")[0] in {*PROBLEMS, "every placement"}
            assert all(delta is None or 0 < delta <= 0.01 for delta in one.deltas.values())
            assert [name for name, delta in one.deltas.items() if delta is None] in ([], ["order"])


def test_rows_have_the_keys_of_those_on_networks(run):
    status, out, err = run("sharpness-flow", "--json")
    assert status == 0
    assert err == "4 problems of gradient descent\n"
    rows = json.loads(out, parse_constant=pytest.fail)
    assert all(list(row) == list(Judged.__dataclass_fields__) for row in rows)
    assert {row["verdict"] for row in rows} == {"AGREES"}
    order = rows[0]
    assert (order["network"], order["quantity"], order["predicted"]) == ("arc", "order", 1.0)
    assert order["widths"] == ladder(5e-4)
    assert order["seeds"] == [3] * 5
    assert order["measured"] == pytest.approx(1, abs=0.03)
    assert order["standard_error"] < 0.01
    known = {"id", "network", "quantity", "verdict", "measured", "predicted", "standard_error"}
    assert {name for name, one in order.items() if one is not None} == known | {"widths", "seeds"}
    ratios = {(row["network"], row["quantity"]): row for row in rows if row["quantity"] != "order"}
    for problem in ("arc", "quadratic"):
        amplitude, period = ratios[problem, "amplitude"], ratios[problem, "period"]
        assert (amplitude["delta"], period["delta"]) == (0.005, 0.01)
        assert amplitude["widths"] == [2.5e-4]
        assert period["predicted"] == pytest.approx(2 * np.pi / np.sqrt(2e-3))


def test_rows_on_networks_and_on_runs_are_two_tables(run):
    status, out, _ = run("weight-decay-recursion", "zero-residual")
    assert status == 0
    assert "alpha" not in out
    assert out.count("AGREES") == 11
    assert "order, ratio or residual" in out


def test_theorem_on_runs_has_no_network():
    with pytest.raises(DescriptionError, match="on its own problems of gradient descent"):
        check("zero-residual", setting)


def test_default_check_asks_for_runs_too(monkeypatch):
    from derivations import evidence

    monkeypatch.setattr(evidence, "check_networks", lambda *_, **__: [])
    asked = []
    monkeypatch.setattr(evidence, "judge_runs", lambda cases, say: asked.extend(cases) or [])
    check()
    few = len(asked)
    assert {id for id, _ in asked} == {*CASES} - {"sharpness-groups"}
    check(everything=True)
    assert {id for id, _ in asked[few:]} == {*CASES}
    assert len(asked) - few == sum(map(len, CASES.values()))


def test_case_outside_its_regime_says_why():
    def measure():
        raise OutOfRegime("too steep")

    rows = judge_case("sharpness-flow", Case("arc", {"hover": 0.1, "loss": 0.1}, measure))
    assert [str(row.verdict) for row in rows] == ["OUT OF REGIME"] * 2
    assert {row.reason for row in rows} == {"too steep"}


ORDER = JudgedOrder("UNDECIDED", Order(0.8, 0.1, ()), 1.0, (0.1, 0.2), (1.0, 1.0), 1.0, 3)


@pytest.mark.parametrize(
    ("found", "delta", "verdict"),
    [
        (Ratio(1.0099, 3.0, 1e-3), 0.01, "AGREES"),
        (Ratio(1.0101, 3.0, 1e-3), 0.01, "REFUTED"),
        (Ratio(0.9899, 3.0, 1e-3), 0.01, "REFUTED"),
        (Residual(1e-15), 1e-14, "AGREES"),
        (Residual(2e-14), 1e-14, "REFUTED"),
        (Residual(float("nan")), 1e-14, "REFUTED"),
        (ORDER, None, "UNDECIDED"),
    ],
)
def test_verdict_on_a_finding(found, delta, verdict):
    row = judged_row("id", "arc", "loss", found, delta)
    assert row.verdict == verdict
    assert row.delta == delta


def test_number_without_a_tolerance_is_refused():
    with pytest.raises(DescriptionError, match="needs a tolerance"):
        judged_row("id", "arc", "loss", Residual(0.0), None)


# Wrong theory is refuted


@pytest.mark.parametrize("constant", [3, 5])
def test_wrong_constant_in_the_flow_is_refuted(monkeypatch, constant):
    """The amplitude of 2 eps/(4 + D), its loss and its hover; the norm knows none of them."""
    monkeypatch.setattr(sharpness_flow, "flow_speed", lambda D: 2 / (constant + D))
    found = verdicts("sharpness-flow", "arc", "amplitude")
    assert found == {
        "amplitude": "REFUTED",
        "hover": "REFUTED",
        "loss": "REFUTED",
        "norm": "AGREES",
        "period": "AGREES",
    }


@pytest.mark.parametrize(
    ("name", "wrong"),
    [
        ("factor", lambda c, D, Q: 2 * (2 * c + 8 + 3 * D - 2 * Q / (4 + D)) / (4 + D)),
        ("drift", lambda c, D, Q: (2 * c + 8 + 2 * D - 2 * Q / (4 + D)) / (4 + D)),
        ("sign", lambda c, D, Q: (2 * c + 8 + 3 * D + 2 * Q / (4 + D)) / (4 + D)),
        ("bend", lambda c, D, Q: (1.99 * c + 8 + 3 * D - 2 * Q / (4 + D)) / (4 + D)),
    ],
)
def test_wrong_growth_is_refuted(monkeypatch, name, wrong):
    assert verdicts("edge-next-order", "arc", "growth") == {"growth": "AGREES"}
    growth_rate = property(lambda self: wrong(self.c, self.D, self.Q))
    monkeypatch.setattr(sharpness_flow.Edge, "growth_rate", growth_rate)
    assert verdicts("edge-next-order", "arc", "growth") == {"growth": "REFUTED"}


@pytest.mark.parametrize(
    ("name", "quantity"), [("amplitude2", "amplitude"), ("hover", "hover"), ("loss", "loss")]
)
def test_factor_of_two_in_a_mean_is_refuted(monkeypatch, name, quantity):
    right = getattr(sharpness_flow.Edge, name)
    monkeypatch.setattr(sharpness_flow.Edge, name, lambda self, decay: 2 * right(self, decay))
    assert verdicts("sharpness-flow", "quadratic", "amplitude")[quantity] == "REFUTED"


def test_factor_of_two_in_the_norm_or_the_period_is_refuted(monkeypatch):
    monkeypatch.setattr(sharpness_flow.Edge, "norm2", lambda self, eta: eta * self.sharpness)
    monkeypatch.setattr(
        "derivations.edge_means.slow_period", lambda decay: 2 * np.pi / np.sqrt(4 * decay)
    )
    found = verdicts("sharpness-flow", "arc", "amplitude")
    assert (found["norm"], found["period"]) == ("REFUTED", "REFUTED")
    assert found["amplitude"] == "AGREES"


@pytest.mark.parametrize(
    ("name", "wrong"),
    [
        ("next_norm2", lambda n, eta, decay, G: (1 - decay) * n + eta**2 * G / n),
        ("next_direction", lambda theta, rate, g: theta),
        ("memory", lambda decay: (1 - decay) ** 2),
        ("effective_learning_rate", lambda eta, decay, n: eta / n),
    ],
)
def test_wrong_recursion_is_refuted(monkeypatch, name, wrong):
    monkeypatch.setattr(scale_invariance, name, wrong)
    for problem in ("quadratic", "batchnorm-mlp"):
        found = verdicts("weight-decay-recursion", problem, "recursion")
        assert found == {"recursion": "REFUTED"}


def test_wrong_angle_of_the_cycle_is_refuted(monkeypatch):
    monkeypatch.setattr(scale_invariance, "two_cycle_angle", lambda decay: np.sqrt(2 * decay))
    found = verdicts("two-cycle", "batchnorm-regression", "angle")
    assert found == {"angle": "REFUTED"}


def test_loss_that_is_not_invariant_breaks_the_identities():
    class Shifted(losses.WeightNormRegression):
        def gradient(self, w):
            return super().gradient(w) + 1e-6 * w

    one = setting("weightnorm-regression").loss
    shifted = Shifted(one.X, one.y, one.length)
    assert exact_checks.identities(one, seed=0) < 1e-14
    assert exact_checks.identities(shifted, seed=0) > 1e-7


def test_solution_of_another_flow_is_refuted(monkeypatch):
    from theory.sharpness_problems import BatchNormRegression

    right = BatchNormRegression.solution
    monkeypatch.setattr(
        BatchNormRegression, "solution", lambda self, start, tau: right(self, start, 1.001 * tau)
    )
    found = verdicts("sharpness-solutions", "batchnorm-regression", "solution")
    assert found == {"solution": "REFUTED"}


def test_hessian_is_not_the_fisher_matrix_off_zero_residual():
    one = setting("batchnorm-mlp", before=0.0)
    off = np.random.default_rng(0).standard_normal(one.loss.size)
    assert exact_checks.hessian_is_fisher(one.loss, one.zeta) < 1e-12
    assert exact_checks.hessian_is_fisher(one.loss, off) > 1e-2


# Several groups

RATES = [Rates(np.array([0.5, 1.5]), decay * np.array([1.0, 0.4])) for decay in ladder(4e-3)]
STATES = [np.array([s, 1.1, 0.3]) for s in (1.2, 1.0, 1.3)]


def test_groups_with_rates_of_their_own_follow_their_flow_with_order_one():
    judged = judge_groups(TwoGroups(3.0, 2.0), STATES, RATES, 0.5)
    assert judged.verdict == "AGREES"
    assert judged.starts == 3
    assert judged.found.p == pytest.approx(1, abs=0.03)


@pytest.mark.parametrize("wrong", ["3", "5", "one rate"])
def test_wrong_flow_of_groups_is_refuted(monkeypatch, wrong):
    right = TwoGroups.solution
    if wrong == "one rate":
        monkeypatch.setattr(TwoGroups, "solution", lambda s, k, t, ratio: right(s, k, t, 1.0))
    else:
        monkeypatch.setattr("theory.sharpness_problems.flow_speed", lambda D: 2 / (int(wrong) + D))
    judged = judge_groups(TwoGroups(3.0, 2.0), STATES[:1], RATES, 0.5)
    assert judged.verdict == "REFUTED"


# Means over the slow oscillation


def test_means_need_a_slow_period_and_their_regime():
    one = setting("arc")
    with pytest.raises(OutOfRegime, match="slow period of 140 steps, 100 asked"):
        means(one, 0.5, 2.5e-4, 0.025)
    with pytest.raises(OutOfRegime, match="smaller product"):
        means(setting("batchnorm-regression"), 0.5, 2e-3, 1.0)


@pytest.mark.parametrize("problem", ["arc", "quadratic", "batchnorm-regression"])
def test_tolerance_of_the_growth_is_its_next_order(problem):
    one, at = case("edge-next-order", problem, "growth"), setting(problem)
    (ratio,) = one.measure().values()
    assert one.deltas["growth"] == pytest.approx(-at.edge(at.zeta).c * ratio.decay, rel=0.01)
    assert abs(ratio.value - 1) < one.deltas["growth"]


def test_growth_where_the_arc_ends_is_that_of_the_determinant():
    """A step from the cycle turns a small oscillation by a matrix of determinant cos 4p."""
    decay, end = 4e-3, replace(setting("arc"), zeta=np.array([1.0, 0.0, 0.0]))
    found = growth(end, 0.5, decay, 4.0)
    assert found.predicted["growth"] == pytest.approx(-2)
    exact = np.log(2 * (1 - decay) ** 2 - 1) / 2 / decay
    assert found.ratio["growth"] == pytest.approx(exact / -2, abs=1.5e-3)
    assert exact / -2 - 1 == pytest.approx(3 / 16 * 8 * decay, rel=0.02)


def test_growth_outside_its_regime_is_refused():
    with pytest.raises(OutOfRegime, match=r"needs \|c\| sqrt\(eps\) <= 1"):
        growth(setting("batchnorm-regression"), 0.5, 1e-4, 0.25)
    with pytest.raises(OutOfRegime, match="not resolved"):
        growth(setting("arc"), 0.5, 2.5e-4, 0.02)


def test_rows_without_a_closed_form_agree_as_well():
    """The regression, from the derivatives of its loss alone."""
    known = setting("batchnorm-regression")
    found = means(Setting(known.loss, known.zeta), 0.5, 1e-4, 0.25)
    ratios = {name: one for name, one in found.ratio.items() if name != "period"}
    assert list(ratios.values()) == pytest.approx(np.ones(4), abs=0.01)
    closed = means(known, 0.5, 1e-4, 0.25)
    assert found.predicted == pytest.approx(closed.predicted, rel=1e-6)
