r"""Judging through either engine: verdicts, designs, and what is measured explicitly after all.

Seeds are fixed, so each verdict is the same in every run. Planted errors of 2 % are found with
probability 90 % at least.
"""

import json
from dataclasses import replace

import numpy as np
import pytest

from derivations.approach import EDGE, MEAN
from derivations.catalogue import theorem
from derivations.cli import main
from derivations.evidence import check
from numerics.ensemble import block_size
from numerics.extrapolation import Corrections, uncertainty, weights
from numerics.plan import (
    CONDITIONAL,
    CONDITIONAL_EDGE,
    Design,
    conditional_seconds,
    explicit_seconds,
    plan,
)
from theory.architecture import Network

TANH = Network("tanh", depth=3, sigma_w2=2, sigma_b2=0.5, ratios=(1, 0.5, 1))
RELU_BN = Network("relu", depth=3, sigma_w2=2, sigma_b2=0.2, hidden="batchnorm")


def claiming(id, quantity, factor):
    """The theorem with one row, its prediction times this factor."""
    one = theorem(id)
    row = one.row(quantity)
    return replace(one, rows=(replace(row, value=lambda t: factor * row.value(t)),))


CLAIMS = {
    "kappa_1": ("unnormalized", "kappa_1", TANH, 8),
    "kappa_2": ("unnormalized", "kappa_2", TANH, 8),
    "uniform mode behind batch norm": ("batchnorm-hidden", "uniform_mode", RELU_BN, 12),
    "kappa_1 behind batch norm": ("batchnorm-hidden", "kappa_1", RELU_BN, 12),
}
over_claims = pytest.mark.parametrize("claim", CLAIMS.values(), ids=CLAIMS)


def judged(claim, factor):
    id, quantity, network, samples = claim
    (row,) = check(claiming(id, quantity, factor), network, samples=samples, engine="conditional")
    assert row.engine == "conditional"
    return row


@over_claims
def test_a_true_row_agrees_by_conditioning(claim):
    row = judged(claim, 1)
    assert row.verdict == "AGREES"
    assert row.widths == CONDITIONAL.widths
    assert row.detectable < 0.02


@over_claims
@pytest.mark.parametrize("factor", [0.98, 1.02])
def test_two_percent_are_refuted_by_conditioning(claim, factor):
    assert judged(claim, factor).verdict == "REFUTED"


def test_rows_that_conditioning_does_not_cover_are_measured_explicitly():
    said = []
    network = Network("tanh", depth=3, sigma_w2=1, weights="weight-normalization")
    one = theorem("weight-normalization")
    one = replace(one, rows=(one.row("kappa_1"),))
    rows = check(one, network, samples=8, precision=0.1, engine="conditional", say=said.append)
    assert [row.engine for row in rows] == ["explicit"]
    assert said[0] == "1 of 1 rows with explicit weights, the others by conditioning"
    assert rows[0].to_json()["engine"] == "explicit"


def test_report_names_the_engine_of_each_row(capsys):
    case = ("check", "batchnorm-last", "--engine", "conditional", "--precision", "0.2", "--json")
    main(case)
    rows = json.loads(capsys.readouterr().out)
    assert rows
    assert {row["engine"] for row in rows} == {"conditional"}


def test_approach_takes_the_networks_of_its_engine():
    assert MEAN.by("explicit") is MEAN
    for delta in (0.005, 0.02):
        assert MEAN.by("conditional").design(delta) is CONDITIONAL
        assert EDGE.by("conditional").design(delta) is CONDITIONAL_EDGE
    assert EDGE.by("conditional").attainable(0.005) == 0.02


# Designs


def test_design_of_conditioned_networks_has_the_error_that_was_planned():
    # 0.126 % and 0.01 % in the design study, for c = 1 and r = 4.5
    corrections = Corrections.mean(depth=3)
    widths, counts = np.array(CONDITIONAL.widths), np.array(CONDITIONAL.shares)
    g = weights(widths, counts, 1.0, corrections)
    error = uncertainty(g, widths, counts, 1 / widths, corrections)
    assert np.sqrt(error.standard_error**2 - error.tau**2) == pytest.approx(1.26e-3, rel=0.01)
    assert error.tau == pytest.approx(1e-4, rel=0.5)


def planned_edge(design):
    return plan(
        1.3,
        delta=0.02,
        alpha=2.8e-5,
        corrections=Corrections.edge(samples=4),
        design=design,
        pilot=2,
        block=block_size,
        seconds=lambda widths: conditional_seconds(widths, samples=4, columns=4),
    ).seconds


def test_edge_design_is_near_the_cheapest_with_its_widths():
    own = planned_edge(CONDITIONAL_EDGE)
    for i in range(4):
        for factor in (0.5, 2):
            shares = list(CONDITIONAL_EDGE.shares)
            shares[i] *= factor
            assert own < 1.25 * planned_edge(Design(CONDITIONAL_EDGE.widths, tuple(shares)))


def test_time_of_a_conditioned_network_grows_with_the_width_alone():
    widths = np.array([1024, 4096])
    conditional = conditional_seconds(widths, samples=16, columns=16)
    assert conditional[1] < 4 * conditional[0]
    assert conditional_seconds(1024, 16, 16, depth=5) == pytest.approx(2 * conditional[0])
    assert explicit_seconds(1024) / conditional[0] > 20


@pytest.fixture
def nothing_measured(monkeypatch):
    def measure(groups, *_):
        return {question: "not measured" for group in groups for question in group.questions}

    monkeypatch.setattr("derivations.evidence._measure", measure)


@pytest.mark.parametrize(
    ("options", "engine"),
    [
        ({}, "explicit"),
        ({"precision": 0.015}, "conditional"),
        ({"everything": True}, "conditional"),
        ({"engine": "fastest"}, "conditional"),
        ({"precision": 0.015, "engine": "explicit"}, "explicit"),
    ],
    ids=str,
)
@pytest.mark.usefixtures("nothing_measured")
def test_engine_unless_one_is_asked_for(options, engine):
    rows = check("unnormalized", TANH, samples=8, **options)
    assert {row.engine for row in rows if row.quantity == "kappa_1"} == {engine}


@pytest.mark.usefixtures("nothing_measured")
def test_the_fastest_engine_for_many_coupled_derivatives_is_explicit():
    one = theorem("cross-entropy")
    one = replace(one, rows=(one.row("mean_given_outputs"),))
    for hidden, engine in (("layernorm", "conditional"), ("batchnorm", "explicit")):
        network = Network(
            "tanh", depth=3, sigma_w2=2, outputs=10, loss="cross-entropy", hidden=hidden
        )
        (row,) = check(one, network, samples=16, engine="fastest")
        assert row.engine == engine
