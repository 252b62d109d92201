"""Verdicts on the edge of a bulk whose samples grow with the width, planted errors included."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from derivations.approach import Approach
from derivations.claims import read_claims
from derivations.cli import main
from derivations.evidence import check
from derivations.fisher.bulk_edge import BULK_EDGE, centred, largest_over_mean
from derivations.fisher.bulk_variance import BULK_VARIANCE_THEOREM, relative_variance
from derivations.networks import LINEAR, RELU, TANH
from derivations.questions import Question, violated
from derivations.samples import Proportional
from derivations.theorem import Case, Theorem
from numerics.conditional import draw_runs
from numerics.extrapolation import Corrections
from numerics.observables import OBSERVABLES
from numerics.output_kernels import kernels_of
from numerics.plan import BULK_TOP
from theory import Network, fisher
from theory.architecture import BatchNorm
from theory.bulk import constants, right_edge, top
from theory.bulk.model import model
from theory.errors import DescriptionError

SQUARE = Proportional(1)
TOP, DISTANCE = (row for row in BULK_EDGE.rows)


OF_A_BOUND = Approach(
    lambda depth, samples: Corrections(1.0, (0.5,), ((7 / 6, 12.0), (1.5, 12.0))),
    coarse=BULK_TOP,
    fine=BULK_TOP,
    resolution=0.03,
    one_output=True,
    in_proportion=True,
)
"""The top over a bound that grows like the root of the width: it has the top's own powers 0, 2/3
and 1 of 1/M, each with 1/2 more."""


def planted(errors, network, approaches=()) -> Theorem:
    """The theorem with wrong rows beside the right one, all judged on the same networks."""
    wrong = [
        replace(TOP, quantity=name, value=value, approach=dict(approaches).get(name, TOP.approach))
        for name, value in errors.items()
    ]
    rows = (TOP, *wrong)
    return replace(
        BULK_EDGE, rows=rows, cases=(Case(network, SQUARE, tuple(row.quantity for row in rows)),)
    )


def test_planted_errors_of_the_edge_are_refuted_and_the_truth_agrees():
    net = centred(TANH, 2)
    linear = replace(net, last="none")

    def at_another_rho(t):
        moved = top(linear, round(0.8 * t.N), t.N)
        return moved.value / fisher.bulk_mode(t.K.gap, t.N)

    def bound(t):
        mean = fisher.bulk_mode(t.K.gap, t.N)
        return ((mean**2 + constants(linear).c2) * t.N) ** 0.5 / mean

    errors = {
        "6 % too high": lambda t: 1.06 * largest_over_mean(t),
        "6 % too low": lambda t: 0.94 * largest_over_mean(t),
        "bound by the second moment": bound,
        "edge of another rho": at_another_rho,
    }
    (name,) = (one for one in errors if one.startswith("bound"))
    right, *wrong = check(planted(errors, net, {name: OF_A_BOUND}))
    assert str(right.verdict) == "AGREES"
    assert right.engine == "explicit"
    assert right.to_json()["samples"] == "M"
    assert {row.quantity: str(row.verdict) for row in wrong} == dict.fromkeys(errors, "REFUTED")
    # the limit of the top over a bound of higher order
    assert abs(wrong[2].measured) < 3 * wrong[2].standard_error < 0.02
    assert abs(wrong[0].measured - 1 / 1.06) < 5 * wrong[0].standard_error


def test_errors_of_the_variance_are_refuted():
    (row,) = BULK_VARIANCE_THEOREM.rows
    wrong = replace(row, quantity="4 % too high", value=lambda t: 1.04 * relative_variance(t))
    case = Case(centred(LINEAR, 2), SQUARE, (row.quantity, wrong.quantity))
    rows = check(replace(BULK_VARIANCE_THEOREM, rows=(row, wrong), cases=(case,)))
    assert [str(row.verdict) for row in rows] == ["AGREES", "REFUTED"]


def test_the_cubic_of_the_linear_edge_is_the_edge():
    (root,) = (r.real for r in np.roots([4, -47, 112, -400]) if abs(r.imag) < 1e-9)
    linear = Network("linear", depth=2, sigma_w2=1)
    assert right_edge(model(linear, 1.0)).value == pytest.approx(root, rel=1e-10)


@pytest.mark.slow
def test_an_edge_without_its_shift_is_refuted():
    def unshifted(t):
        return t.top().edge / fisher.bulk_mode(t.K.gap, t.N)

    wrong = replace(DISTANCE, quantity="edge itself", value=unshifted)
    case = Case(centred(LINEAR, 2), SQUARE, (DISTANCE.quantity, wrong.quantity))
    rows = check(replace(BULK_EDGE, rows=(DISTANCE, wrong), cases=(case,)))
    assert [str(row.verdict) for row in rows] == ["AGREES", "REFUTED"]


def test_observables_are_those_of_the_eigenvalues():
    net = Network("tanh", depth=3, sigma_w2=2, outputs=3)
    kernels = kernels_of(net, draw_runs(net, 24, 7, 2, np.random.SeedSequence(5)))
    names = ("largest_over_mean", "relative_variance")
    largest, variance = (OBSERVABLES[name](kernels, net) for name in names)
    A = np.kron(np.eye(3), np.eye(7) - 1 / 7)
    for at, K in enumerate(kernels.gram):
        values = np.linalg.eigvalsh(A @ K @ A)[3:]
        assert largest[at] == pytest.approx(values[-1] / values.mean())
        assert variance[at] == pytest.approx(values.var() / values.mean() ** 2)


@pytest.mark.parametrize(
    ("network", "samples", "reason"),
    [
        (centred(TANH, 2), 16, "N = 16 is fixed; leave out"),
        (replace(centred(TANH, 2), outputs=2), SQUARE, "one output, C = 1"),
        (replace(centred(TANH, 2), last="none"), SQUARE, "needs mean subtraction"),
        (replace(centred(TANH, 2), batch_size=8), SQUARE, "batch_size"),
        (centred(TANH, 2, BatchNorm(trained=True)), SQUARE, "trained scales"),
        (
            Network("abs", depth=3, sigma_w2=1, sigma_b2=0.3, last="mean-subtraction"),
            SQUARE,
            "few units",
        ),
        (
            Network("abs", depth=2, sigma_w2=1, ratios=(0.1, 1), last="mean-subtraction"),
            SQUARE,
            r"lift an eigenvalue of 4\.05",
        ),
        (
            replace(centred(RELU, 3), ratios=(1, 2, 0.5)),
            Proportional(2),
            "moves from 15.9 at M = 256 to 16.97",
        ),
    ],
)
def test_what_the_edge_does_not_cover_is_out_of_regime(network, samples, reason):

    found = violated(Question(BULK_EDGE, TOP, network, samples))
    assert found is not None
    assert re.search(reason, found), found


def test_samples_in_proportion():
    assert [Proportional(2).at(width) for width in (64, 512)] == [32, 256]
    assert [str(Proportional(rho)) for rho in (1, 2, 0.5)] == ["M", "M/2", "M/0.5"]
    for rho in (0, -1, float("inf"), float("nan")):
        with pytest.raises(DescriptionError, match="rho = M/N > 0"):
            Proportional(rho)


def test_fixed_samples_leave_the_regime_on_the_command_line(tmp_path, capsys):
    path = tmp_path / "net.toml"
    path.write_text('activation = "tanh"\ndepth = 2\nsigma_w2 = 3', encoding="utf-8")
    options = ["check", "bulk-edge", "--network", str(path), "--samples", "20", "--json"]
    assert main(options) == 3
    rows = json.loads(capsys.readouterr().out)
    rows = rows["rows"] if isinstance(rows, dict) else rows
    assert {row["verdict"] for row in rows} == {"OUT OF REGIME"}
    assert "leave out the number of samples" in rows[0]["reason"]


@pytest.mark.slow
def test_the_documented_conjecture_on_mini_batches_is_refuted():
    path = Path(__file__).parent.parent / "plans" / "mini_batch_bulk.py"
    (row,) = check(read_claims(str(path)))
    assert str(row.verdict) == "REFUTED"
    assert row.measured < 0.9
