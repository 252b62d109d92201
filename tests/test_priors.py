"""Long sweeps against declared priors: what they must find, and what they must not.

Statistical tests are red for a right program with probability 1e-5 or less; seeds are fixed.
"""

import json
from dataclasses import replace

import numpy as np
import pytest
from scipy.stats import kstest

from derivations import calibrate, priors
from derivations.cli import main
from numerics.extrapolation import Corrections, extrapolate
from numerics.priors import coefficients, curve, left

WIDTHS = np.array([64, 128, 256, 512])
COUNTS = np.array([6100, 940, 750, 243])
MEAN = Corrections.mean(depth=3)


def swept(b3, rng, error=1e-4):
    """Means of sweeps with b1 = 2, b2 = -10 and these b3, and the squares of their errors."""
    x = 1 / WIDTHS
    true = 1 + 2 * x - 10 * x**2 + np.multiply.outer(b3, x**3)
    return true + error * rng.standard_normal(true.shape), np.full(4, error**2)


def test_coefficients_scatter_about_the_truth_by_their_errors():
    rng = np.random.default_rng(1)
    means, squares = swept(MEAN.prior[1][1] * rng.standard_normal(2000), rng)
    found = [coefficients(WIDTHS, squares, one, MEAN) for one in means]
    assert found[0].powers == (1, 2)
    for column, truth in enumerate((2, -10)):
        z = [(one.b[column] - truth) / one.errors[column] for one in found]
        assert kstest(z, "norm").pvalue > 1e-5  # a tenth more in the errors: p about 1e-7


def test_a_curve_is_what_its_coefficients_say():
    means, _ = swept(0.0, np.random.default_rng(0), error=0.0)
    assert curve(WIDTHS, (2, -10), MEAN) == pytest.approx(means, abs=1e-15)
    edge = Corrections.edge(samples=4)
    assert curve([16], (2, -10, 3), edge)[0] == pytest.approx(1 + 2 / 2 - 10 / 4 + 3 / 8)


def test_what_is_left_is_the_shift_of_the_limit_that_a_verdict_uses():
    means, squares = swept(300.0, np.random.default_rng(2))
    found = left(WIDTHS, COUNTS, squares, means, 1.3, MEAN)
    fit = extrapolate(WIDTHS, COUNTS, means, squares * COUNTS, 1.3, MEAN)
    assert found.value == pytest.approx(float(fit.theta) - 1, abs=1e-14)
    assert np.hypot(found.error, found.tau) == pytest.approx(float(fit.standard_error), rel=1e-12)
    assert found.tau == pytest.approx(float(fit.tau), rel=1e-12)


def test_what_the_prior_draws_leaves_a_standard_normal_z():
    rng = np.random.default_rng(3)
    x = 1 / WIDTHS
    (_, two), (_, three) = MEAN.prior
    b2, b3 = two * rng.standard_normal(4000), three * rng.standard_normal(4000)
    means = 1 + 2 * x + np.multiply.outer(b2, x**2) + np.multiply.outer(b3, x**3)
    means += 1e-4 * rng.standard_normal(means.shape)
    z = [left(WIDTHS, COUNTS, np.full(4, 1e-8), one, 1.0, MEAN).z for one in means]
    assert kstest(z, "norm").pvalue > 1e-5


# The record


RECORDED = tuple(priors.recorded().values())


def test_the_record_holds_every_kind_and_keeps_every_promise():
    kinds = {
        (id, str(network), samples, quantity)
        for id, network, samples, quantities in priors.KINDS
        for quantity in quantities
    }
    assert set(priors.recorded()) == kinds
    assert [one for one in priors.promises(list(RECORDED)) if not one.kept] == []


def test_the_record_is_long_enough_to_tell():
    """Its errors are below the error that a verdict allows, for most rows by far."""
    ratios = [row.left_error / row.tau for row in RECORDED]
    assert np.median(ratios) < 0.6
    assert any(not one.kept for one in priors.promises(priors.planted(list(RECORDED))))


def test_every_row_calibrated_with_its_own_bias_is_on_record():
    for id, network, samples, quantities in calibrate.RESAMPLED:
        for quantity in quantities:
            assert (id, str(network), samples, quantity) in priors.recorded()


def broken(rows):
    return {one.what.split(" over")[0] for one in priors.promises(rows) if not one.kept}


def test_a_correction_far_outside_its_prior_is_found():
    row = next(row for row in RECORDED if row.quantity == "kappa_1")
    assert "left by the fit / tau and error" in broken([replace(row, left=6 * row.tau)])


def test_many_corrections_somewhat_outside_are_found_together():
    rows = [replace(row, left=2 * row.tau) for row in RECORDED if row.quantity == "kappa_1"]
    assert broken(rows) == {"squares"}


def test_a_row_that_moved_from_the_record_is_found():
    row = RECORDED[0]
    moved = replace(row, b=(*row.b[:-1], row.b[-1] + 8 * row.errors[-1]))
    assert broken([moved]) == {"distance from the record"}


# The command


@pytest.fixture
def quick(monkeypatch):
    monkeypatch.setattr(priors, "KINDS", priors.KINDS[8:9])


def test_command_measures_and_writes_a_record_that_reads_back(quick, monkeypatch, tmp_path, capsys):
    file = tmp_path / "record.json"
    arguments = ["calibrate", "--priors", "--seconds", "0.1", "--record", str(file), "--json"]
    status = main(arguments)
    said = json.loads(capsys.readouterr().out)
    assert status == 1 - said["kept"]
    assert {row["quantity"] for row in said["rows"]} == set(priors.KAPPAS)
    priors.recorded.cache_clear()
    monkeypatch.setattr(priors, "RECORD", file)
    assert [json.loads(json.dumps(one.__dict__)) for one in priors.recorded().values()] == said[
        "rows"
    ]
    priors.recorded.cache_clear()


def test_text_names_the_broken_promises(monkeypatch):
    row = replace(RECORDED[0], left=1.0)
    found = priors.Recheck((row,), tuple(priors.promises([row])), ())
    text = priors.to_text(found)
    assert "BROKEN: unnormalized: kappa_1" in text
    assert "NOT CAUGHT" in text


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--priors", "--seconds", "0"], "seconds must be positive and finite, 0.0 given"),
        (["--priors", "--seconds", "nan"], "seconds must be positive and finite"),
        (["--priors", "--sweeps", "2000"], "--priors measures networks for --seconds"),
        (["--seconds", "3"], "belong to --priors"),
        (["--priors", "--record", "/nowhere/at/all.json"], "it needs a file in a directory"),
    ],
)
def test_meaningless_input_is_refused(arguments, says, capsys):
    assert main(["calibrate", *arguments]) == 2
    assert says in capsys.readouterr().err
