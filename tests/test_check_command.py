"""``check``, ``list`` and ``table``: verdicts, their exit status, and what is said of them."""

import pytest

from derivations.catalogue import theorem
from derivations.evidence import Judged
from numerics.ensemble import SEED_BASE
from numerics.verdict import Verdict
from tests.cases import table
from tests.command_line import LINEAR, strict
from theory.network_file import read_network

JUDGED = {
    "id": str,
    "network": str,
    "quantity": str,
    "samples": int,
    "verdict": str,
    "z": float,
    "p": float,
    "alpha": float,
    "power": float,
    "look": int,
    "alpha_row": float,
    "chi2_dof": float,
    "measured": float,
    "standard_error": float,
    "tau": float,
    "nu": float,
    "predicted": float,
    "detectable": float,
    "delta": float,
    "powers": list,
    "widths": list,
    "seeds": list,
    "seed_base": int,
}


def judged(verdict, **fields):
    known = theorem("unnormalized")
    return Judged(known.id, known.cases[0].network, known.rows[0].quantity, 16, verdict, **fields)


DECIDED = {
    "z": -0.5,
    "p": 0.6,
    "alpha": 1e-3,
    "power": 0.9,
    "look": 1,
    "alpha_row": 1e-4,
    "chi2_dof": 0.9,
    "measured": 1.001,
    "standard_error": 0.002,
    "tau": 0.001,
    "nu": 90.0,
    "predicted": 1.575,
    "unit": 1.575,
    "detectable": 0.015,
    "delta": 0.02,
    "powers": (1, 2, 3),
    "widths": (64, 128),
    "seeds": (640, 320),
}
AGREES, REFUTED, UNDECIDED, OUT = (
    judged(Verdict.AGREES, **DECIDED),
    judged(Verdict.REFUTED, **DECIDED),
    judged(Verdict.UNDECIDED, **DECIDED),
    judged(Verdict.OUT_OF_REGIME, alpha=1e-3, power=0.9, reason="kappa_1 = kappa_2"),
)


@table(
    {
        "all agree": ([AGREES, AGREES], 0),
        "one refuted": ([AGREES, REFUTED], 1),
        "one undecided": ([UNDECIDED, AGREES], 1),
        "one out of regime": ([AGREES, OUT], 3),
        "refuted and out of regime": ([OUT, REFUTED], 1),
        "undecided and out of regime": ([UNDECIDED, OUT], 1),
    },
    "rows, expected",
)
@pytest.mark.parametrize("more", [(), ("--json",)], ids=["terminal", "json"])
def test_exit_status_of_check_follows_its_verdicts(run, monkeypatch, rows, expected, more):
    monkeypatch.setattr("derivations.evidence.check", lambda *_, **__: rows)
    status, out, err = run("check", *more)
    assert status == expected
    assert ("kappa_1 = kappa_2" in err) == (OUT in rows)
    for verdict in {row.verdict for row in rows}:
        assert str(verdict) in out
    if more:
        assert [said["verdict"] for said in strict(out)] == [str(row.verdict) for row in rows]


def test_row_without_a_verdict_has_nulls_and_a_reason(run, monkeypatch):
    monkeypatch.setattr("derivations.evidence.check", lambda *_, **__: [OUT])
    [said] = strict(run("check", "--json")[1])
    assert said.keys() >= JUDGED.keys()
    assert said["reason"] == "kappa_1 = kappa_2"
    assert said["measured"] is None


def test_terminal_shows_measured_values_with_their_error(run, monkeypatch):
    monkeypatch.setattr("derivations.evidence.check", lambda *_, **__: [AGREES])
    out = run("check")[1]
    assert "1.0010(20)" in out
    for text in ("level", "1.0e-04", "detectable", "0.0150", "delta", "0.02", "look"):
        assert text in out
    assert "alpha = 0.001 for the whole run, power = 0.9 at delta" in out


def test_options_of_check_arrive(run, net, monkeypatch):
    asked = []

    def check(ids, network, **options):
        asked.append((ids, network, options))
        return [AGREES]

    monkeypatch.setattr("derivations.evidence.check", check)
    path = net()
    run("check")
    run("check", "unnormalized", "--all", "--precision", 0.01)
    run("check", "--alpha", 1e-4, "--power", 0.95)
    run("check", "batchnorm-last", "--network", path, "--samples", 8)
    run("check", "--engine", "conditional")
    for _, _, options in asked:
        options.pop("say")
    usual = {"everything": False}
    assert asked == [
        (None, None, usual),
        (["unnormalized"], None, usual | {"everything": True, "precision": 0.01}),
        (None, None, usual | {"alpha": 1e-4, "power": 0.95}),
        (["batchnorm-last"], read_network(path), usual | {"samples": 8}),
        (None, None, usual | {"engine": "conditional"}),
    ]


def test_check_judges_a_given_network_row_by_row(run, net):
    path = net(LINEAR, depth=2)
    status, out, err = run("check", "unnormalized", "--network", path, "--samples", 4, "--json")
    rows = strict(out)
    assert status == 0
    assert "estimated time" in err
    assert len(rows) >= 3
    for said in rows:
        assert said["id"] == "unnormalized"
        assert said["samples"] == 4
        assert said["verdict"] == "AGREES"
        assert said["seed_base"] == SEED_BASE
        assert {name: type(said[name]) for name in JUDGED} == JUDGED
        assert len(said["widths"]) == len(said["seeds"]) > 2
        assert {type(count) for count in said["widths"] + said["seeds"]} == {int}
        assert abs(said["measured"] - 1) < said["delta"] == 0.02
    assert len({said["quantity"] for said in rows}) == len(rows)


@table(
    {
        "too few samples": ("batchnorm", 3, "1/sigma^2"),
        "regularized batch norm": ({"kind": "batchnorm", "eps": 0.3}, 10, "eps"),
    },
    "last, samples, part",
)
def test_check_outside_the_assumptions_of_a_theorem_is_out_of_regime(run, net, last, samples, part):
    path = net(LINEAR, depth=2, last=last)
    given = ("--network", path, "--samples", samples, "--json")
    status, out, err = run("check", "batchnorm-last", *given)
    rows = strict(out)
    assert {said["verdict"] for said in rows} == {"OUT OF REGIME"}
    assert status == 3
    for said in rows:
        assert part in said["reason"]
        assert said["reason"] in err


def test_theorems_are_listed_with_what_they_say(run, result):
    theorems = result("list")
    assert [set(said) >= {"id", "says"} for said in theorems] == [True] * len(theorems)
    ids = [said["id"] for said in theorems]
    assert {"unnormalized", "mean-subtraction-last", "batchnorm-last"} <= set(ids)
    assert len(set(ids)) == len(ids)
    status, out, err = run("list")
    assert (status, err) == (0, "")
    assert [line.split(maxsplit=1) for line in out.splitlines()] == [
        [said["id"], said["says"]] for said in theorems
    ]


@pytest.mark.parametrize(("rows", "expected"), [([AGREES], 0), ([AGREES, REFUTED], 1)])
def test_table_is_printed_or_written_whatever_the_verdict(
    run, monkeypatch, tmp_path, rows, expected
):
    monkeypatch.setattr("derivations.evidence.check_networks", lambda *_, **__: rows)
    status, out, err = run("table", "normalization")
    assert (status, err) == (expected, "")
    assert r"\begin{tabular}" in out
    path = tmp_path / "table.tex"
    assert run("table", "normalization", "--out", path) == (expected, "", "")
    assert path.read_text(encoding="utf-8") == out
