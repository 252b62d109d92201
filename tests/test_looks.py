"""Two looks: levels by hand, who is extended and by how many networks, and what a row says."""

from dataclasses import replace

import numpy as np
import pytest

from derivations import evidence, planning
from derivations.catalogue import theorem
from derivations.evidence import check
from derivations.groups import Group
from numerics.ensemble import block_size
from numerics.looks import levels, planned_level
from numerics.plan import excess_kurtosis
from theory.architecture import DescriptionError, Network

SMALL = Network("tanh", depth=3, sigma_w2=2, sigma_b2=0.5)
UNNORMALIZED = theorem("unnormalized")
ROWS = ("kappa_1", "kappa_2")
TWO = replace(UNNORMALIZED, rows=tuple(UNNORMALIZED.row(name) for name in ROWS))


def judge(**options):
    return check(TWO, SMALL, samples=4, **{"precision": 0.05, "engine": "explicit"} | options)


def test_levels_are_those_of_holm_at_a_quarter_and_at_three_quarters():
    p = [0.5, 1e-9, 0.2]
    assert levels(p, alpha=0.01, look=1) == pytest.approx(
        [0.7 * 0.0025 / 2, 0.7 * 0.0025 / 3, 0.7 * 0.0025 / 2]
    )
    assert levels(p, alpha=0.01, look=2) == pytest.approx(
        [0.7 * 0.0075 / 2, 0.7 * 0.0075 / 3, 0.7 * 0.0075 / 2]
    )
    with pytest.raises(ValueError, match="looks 1 and 2, got 3"):
        levels(p, alpha=0.01, look=3)


@pytest.mark.parametrize("rows", [1, 25])
def test_the_plan_is_made_for_the_strictest_level_of_look_1(rows):
    alone = levels(np.full(rows, 1e-12), alpha=1e-3, look=1)
    assert planned_level(1e-3, rows) == pytest.approx(alone.min())


class Careless:
    """Plans made for ``factor`` times the resolution asked: too few networks for a verdict."""

    def __init__(self, factor):
        self.genuine, self.factor = planning.plan, factor

    def __call__(self, c, *, delta, **options):
        return self.genuine(c, delta=self.factor * delta, **options)


def test_rows_decided_at_look_1_keep_their_verdict_and_ask_for_nothing():
    for row in judge():
        assert (row.look, row.verdict) == (1, "AGREES")


def test_undecided_rows_get_as_many_networks_again_and_nobody_else_does(monkeypatch):
    monkeypatch.setattr(planning, "plan", Careless(3))
    said = []
    careless = judge(precision=0.02, say=said.append)
    monkeypatch.setattr(evidence, "_extend", lambda groups, undecided, say: None)
    before = judge(precision=0.02)
    assert [row.verdict for row in before] == ["AGREES", "UNDECIDED"]
    kept, extended = careless
    assert kept == before[0]
    assert kept.look == 1
    assert extended.look == 2
    assert extended.seeds == tuple(2 * count for count in before[1].seeds)
    assert extended.standard_error < 0.85 * before[1].standard_error
    assert extended.alpha_row == pytest.approx(0.7 * 0.75 * 1e-3)  # one row is left at look 2
    assert before[0].alpha_row == pytest.approx(0.7 * 0.25 * 1e-3 / 2)
    assert any("second look at undecided rows: 1" in text for text in said)


def test_the_second_look_pools_its_networks_with_those_of_the_first(monkeypatch):
    measured = []
    genuine = Group.measure

    def counted(group, width, block):
        measured.append((width, block))
        genuine(group, width, block)

    monkeypatch.setattr(Group, "measure", counted)
    monkeypatch.setattr(planning, "plan", Careless(8))
    row = judge(precision=0.01)[1]
    assert row.look == 2
    assert len(set(measured)) == len(measured)
    for width, count in zip(row.widths, row.seeds, strict=True):
        blocks = sorted(block for at, block in measured if at == width)
        assert blocks == list(range(len(blocks)))
        assert count == len(blocks) * block_size(width)


def test_a_run_looks_twice_at_most(monkeypatch):
    asked = []
    genuine = evidence._look

    def look(number, groups, questions, declared):
        asked.append((number, len(questions)))
        return genuine(number, groups, questions, declared)

    monkeypatch.setattr(evidence, "_look", look)
    monkeypatch.setattr(planning, "plan", Careless(50))
    rows = judge(precision=0.004)
    assert {row.verdict for row in rows} == {"UNDECIDED"}
    assert asked == [(1, 2), (2, 2)]


def test_a_larger_alpha_and_a_larger_power_are_declared_and_paid_for():
    rates = ({}, {"power": 0.999}, {"alpha": 0.05})
    usual, sure, lax = (judge(precision=0.015, **one) for one in rates)
    assert {(row.alpha, row.power) for row in sure} == {(1e-3, 0.999)}
    assert {(row.alpha, row.power) for row in lax} == {(0.05, 0.9)}
    assert sum(sure[1].seeds) > 1.2 * sum(usual[1].seeds) > 1.2 * sum(lax[1].seeds)
    assert lax[0].alpha_row == pytest.approx(0.7 * 0.25 * 0.05 / 2)
    assert all(row.detectable < 0.015 for row in (*usual, *sure, *lax))


@pytest.mark.parametrize(
    "wrong", [{"alpha": 0}, {"alpha": 1}, {"power": 0}, {"power": 1}, {"alpha": float("nan")}]
)
def test_meaningless_rates_are_refused(wrong):
    (name,) = wrong
    with pytest.raises(DescriptionError, match=f"{name} must lie between 0 and 1"):
        judge(**wrong)


# Heavy tails


def test_excess_kurtosis_of_known_laws():
    rng = np.random.default_rng(1)
    laws = {0: rng.standard_normal, -1.2: rng.random, 6: rng.standard_exponential}
    for expected, draw in laws.items():
        pools = [scale * draw(size) + scale for scale, size in ((1, 200_000), (3, 100_000))]
        assert excess_kurtosis(pools) == pytest.approx(expected, abs=0.2)
    with pytest.raises(ValueError, match="differ"):
        excess_kurtosis([np.ones(3), np.arange(3.0)])


def test_a_row_over_heavy_tails_says_so(monkeypatch):
    genuine = evidence.Question.ratio

    def heavy(question, width, values, outputs):
        ratio = genuine(question, width, values, outputs)
        if question.row.quantity == "kappa_2":
            ratio[::50] += 20 * np.std(ratio)
        return ratio

    assert [row.note for row in judge()] == [None, None]
    monkeypatch.setattr(evidence.Question, "ratio", heavy)
    light, tailed = judge(precision=0.3)
    assert light.note is None
    assert abs(light.excess_kurtosis) < 10 < tailed.excess_kurtosis
    assert tailed.note == (
        f"heavy tails: excess kurtosis {tailed.excess_kurtosis:.0f} in the pilot; "
        "judge it given the outputs"
    )
    assert tailed.to_json()["note"] == tailed.note
