"""The checker's own errors: a right one keeps its promises, planted wrong ones break them.

Counts are red with probability 0.3 % at exactly the declared rate, and a right checker keeps well
below it; Kolmogorov-Smirnov tests are red with probability 1e-5. Seeds are fixed.
"""

import json
from collections import Counter
from dataclasses import replace

import numpy as np
import pytest

from derivations import calibrate as calibration
from derivations.cli import main
from numerics.calibration import (
    Moments,
    Rates,
    Simulated,
    gaussian,
    resampled,
    simulate,
)
from numerics.ensemble import block_size
from numerics.extrapolation import Corrections, _least_squares, extrapolate, uncertainty
from numerics.plan import EXPLICIT, Design, plan
from numerics.promises import Promise, most, under_an_error, under_the_truth

RATES = Rates(alpha=1e-3, power=0.9)
SWEEPS = 20_000
WIDTHS = (64, 128, 256, 512)
MEAN = Corrections.mean(depth=3)

USUAL = Simulated("usual", gaussian(WIDTHS, 1.0), EXPLICIT, MEAN, 0.02, 32, block_size)
SIX = Simulated(
    "six networks a width",
    gaussian(WIDTHS, 1.0),
    Design(WIDTHS, (1, 1, 1, 1)),
    MEAN,
    5.0,
    6,
    lambda width: 1,
)
SKEW = [
    (np.random.default_rng((9, width)).standard_exponential(4096) - 1) / np.sqrt(width)
    for width in WIDTHS
]
RESAMPLED = replace(USUAL, label="skew pools", draw=resampled(SKEW))
NARROW = Simulated(
    "tau dominates",
    gaussian((16, 32, 48, 64), 0.02),
    Design((16, 32, 48, 64), (900, 900, 900, 900)),
    MEAN,
    0.3,
    32,
    lambda width: 1,
)


def broken(promises):
    return {promise.what for promise in promises if not promise.kept}


# The simulation itself


def test_moments_of_two_parts_are_those_of_all_networks():
    values = np.random.default_rng(0).standard_normal((5, 12)) + 3
    parts = [
        Moments(
            np.array([part.shape[1]]),
            part.mean(axis=1)[:, None],
            (part.var(axis=1) * part.shape[1])[:, None],
        )
        for part in (values[:, :4], values[:, 4:])
    ]
    together = parts[0].with_(parts[1])
    assert together.counts.tolist() == [12]
    assert together.means[:, 0] == pytest.approx(values.mean(axis=1))
    assert together.variances[:, 0] == pytest.approx(values.var(axis=1, ddof=1))


@pytest.mark.parametrize(
    ("draw", "variances"),
    [
        (gaussian(WIDTHS, 1.5), [1.5**2 / width for width in WIDTHS]),
        (resampled(SKEW), [pool.var() for pool in SKEW]),
    ],
    ids=["gauss", "pool"],
)
def test_drawn_moments_have_the_law_of_networks(draw, variances):
    counts = np.array([0, 7, 20, 3])
    found = draw(np.random.default_rng(1), counts, 40_000)
    assert not np.any(found.squares[:, 0])
    for column in (1, 2, 3):
        mean, variance = found.means[:, column], found.variances[:, column]
        of_mean = variances[column] / counts[column]
        assert variance.mean() == pytest.approx(variances[column], rel=0.03)
        assert mean.var() == pytest.approx(of_mean, rel=0.03)
        assert abs(mean.mean()) < 5 * np.sqrt(of_mean / len(mean))


def test_a_simulated_sweep_is_planned_and_judged_like_a_measured_one():
    """Every fit is made with the networks that the plan asks for at that c, or twice as many."""
    seen = []

    def fit(*sweep):
        seen.append(sweep)
        return extrapolate(*sweep)

    found = simulate(USUAL, 300, np.random.default_rng(3), RATES, bias=0.01, fit=fit)
    assert found.p.shape == found.refuted.shape == (300, 1)
    looks = Counter()
    for widths, counts, means, variances, c, corrections in seen:
        planned = plan(
            c,
            delta=0.02,
            alpha=0.7 * 1e-3 / 4,
            power=0.9,
            corrections=MEAN,
            design=EXPLICIT,
            pilot=32,
            block=block_size,
        )
        (factor,) = set(np.array(counts) / planned.counts)
        looks[factor] += len(means)
        assert (widths, corrections) == (EXPLICIT.widths, MEAN)
        assert means.shape == variances.shape == (len(means), 4)
    assert looks == {1: 300, 2: found.extended.sum()}
    assert found.extended.sum() >= 5


def test_a_curve_from_outside_is_that_of_every_sweep():
    x = 1 / np.array(WIDTHS)
    row = replace(RESAMPLED, own=1 + 2 * x - 15 * x**2)
    assert np.array_equal(row.curve(np.random.default_rng(0), 3, 0.5)[2], row.own + 0.5)
    promises = list(under_the_truth(row, 3000, (8,), RATES))
    assert [promise.what for promise in promises] == ["runs that refute"]
    assert broken(promises) == set()


def test_the_count_that_a_rate_explains():
    assert most(1e-3, 20_000) == 33
    assert most(0.05, 20_000) == 1086


# Promises that a right checker keeps


@pytest.mark.parametrize(
    "row",
    [
        USUAL,
        replace(USUAL, label="prior idle", prior=False),
        replace(USUAL, label="no prior", corrections=Corrections(1, (1,), ())),
        SIX,
        NARROW,
        RESAMPLED,
    ],
    ids=lambda row: row.label,
)
def test_a_right_checker_keeps_its_promises_under_the_truth(row):
    sweeps = 5000 if row is RESAMPLED else SWEEPS
    assert broken(under_the_truth(row, sweeps, (4,), RATES)) == set()


@pytest.mark.parametrize("row", [USUAL, RESAMPLED], ids=lambda row: row.label)
def test_a_right_checker_finds_an_error_of_delta(row):
    power, passed = under_an_error(row, 4000, (5,), RATES)
    assert power.found >= 0.93  # the plan's reserve
    assert passed.found <= 0.04 * 4000
    assert (power.kept, passed.kept) == (True, True)


def test_a_run_of_many_true_rows_keeps_alpha_over_both_looks():
    assert broken(under_the_truth(USUAL, 4000, (6,), RATES, rows=25)) == set()


# Planted wrong checkers


def normal(*sweep):
    """z in place of t."""
    return replace(extrapolate(*sweep), nu=np.full(len(sweep[2]), 1e9))


def weights_from_the_data(widths, counts, means, variances, c, corrections):
    """Weights by each sweep's own variances instead of the pilot's."""
    widths = np.array(widths, float)
    fit = extrapolate(widths, counts, means, variances, c, corrections)
    g, _ = _least_squares(variances / counts, widths, corrections)
    own = [uncertainty(g[i], widths, counts, variances[i], corrections) for i in range(len(means))]
    return replace(
        fit,
        theta=np.einsum("sw,sw->s", g, means),
        standard_error=np.array([one.standard_error for one in own]),
        nu=np.array([one.nu for one in own]),
    )


def without_tau(*sweep):
    """Errors that leave out what the fit leaves out."""
    fit = extrapolate(*sweep)
    return replace(fit, standard_error=np.sqrt(fit.standard_error**2 - fit.tau**2))


def variances_halved(widths, counts, means, variances, c, corrections):
    return extrapolate(widths, counts, means, variances / 2, c, corrections)


@pytest.mark.parametrize(
    ("wrong", "row"),
    [
        (normal, SIX),
        (weights_from_the_data, SIX),
        (without_tau, NARROW),
        (calibration.understated, USUAL),
        (calibration.understated, RESAMPLED),
        (variances_halved, USUAL),
    ],
    ids=lambda value: getattr(value, "label", getattr(value, "__name__", "")),
)
def test_a_wrong_checker_breaks_its_promises(wrong, row):
    sweeps = 5000 if row is RESAMPLED else SWEEPS
    found = broken(under_the_truth(row, sweeps, (4,), RATES, fit=wrong))
    assert {"p below 0.7 alpha", "p uniform"} <= found


def test_a_plan_for_too_large_an_error_breaks_the_promise_of_power(monkeypatch):
    def careless(c, *, delta, **options):
        return plan(c, delta=2 * delta, **options)

    monkeypatch.setattr("numerics.calibration.plan", careless)
    assert "power at delta" in broken(under_an_error(USUAL, 2000, (7,), RATES))


def test_errors_too_small_let_a_wrong_theory_pass():
    def far_too_small(*sweep):
        fit = extrapolate(*sweep)
        return replace(fit, standard_error=fit.standard_error / 50, theta=fit.theta * 0 + 1)

    assert "agree when wrong by delta" in broken(
        under_an_error(USUAL, 2000, (7,), RATES, fit=far_too_small)
    )


# The command


@pytest.fixture
def quick(monkeypatch):
    monkeypatch.setattr(calibration, "POOLS", (4096, 1024, 256, 256))
    monkeypatch.setattr(calibration, "RESAMPLED", calibration.RESAMPLED[2:3])
    monkeypatch.setattr(calibration, "ROWS", 3)


def test_command_prints_every_promise_and_its_status(quick, capsys):
    assert main(["calibrate", "--sweeps", "1000", "--json"]) == 0
    said = json.loads(capsys.readouterr().out)
    assert said["kept"] is True
    assert said["sweeps"] == 1000
    assert len(said["promises"]) == 5 * 6 + 3 + 3
    assert all(promise["kept"] for promise in said["promises"])
    assert {promise["row"].split(",")[0] for promise in said["promises"]} >= {
        "mean",
        "edge",
        "output_variance",
        "run of 3 rows",
    }
    assert said["broken_by_control"]


@pytest.mark.parametrize("fault", ["a promise is broken", "the control is missed"])
def test_a_broken_promise_or_a_missed_control_ends_with_status_1(monkeypatch, capsys, fault):
    good, bad = Promise("row", "what", 1, 2, True), Promise("row", "what", 3, 2, False)
    found = {
        "a promise is broken": calibration.Calibration(1000, (good, bad), (bad,)),
        "the control is missed": calibration.Calibration(1000, (good,), ()),
    }[fault]
    monkeypatch.setattr(calibration, "calibrate", lambda *_, **__: found)
    assert main(["calibrate"]) == 1
    out = capsys.readouterr().out
    assert ("BROKEN" in out) == (fault == "a promise is broken")
    assert ("NOT CAUGHT" in out) == (fault == "the control is missed")


@pytest.mark.parametrize("sweeps", ["0", "-5", "999"])
def test_too_few_sweeps_are_refused(sweeps, capsys):
    assert main(["calibrate", "--sweeps", sweeps]) == 2
    assert f"at least 1000, {sweeps} given" in capsys.readouterr().err
