"""Sweeps: what a plan may say, and that nothing finished is lost, whatever is killed."""

import csv
import io
import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from derivations.cli import main
from derivations.sweep_plan import parse_plan, read_plan
from numerics import workers
from numerics.ensemble import block_size, observe
from numerics.environment import origin
from numerics.observables import OBSERVABLES
from numerics.store import Interrupted, Store, describe, read
from numerics.sweep import run, summarize
from numerics.workers import Done, Local, check_origin
from theory.architecture import Network
from theory.errors import DescriptionError

NETWORK = '[network]\nactivation = "tanh"\ndepth = 3\nsigma_w2 = 1\n'
SMALL = (
    "widths = [64, 256]\nseeds = 70\nsamples = [2, 3]\n"
    f'quantities = ["uniform", "biases.diagonal"]\n{NETWORK}[grid]\nsigma_b2 = [0, 0.5]\n'
)


def plan_text(**changes):
    fields = {"widths": [64], "seeds": 3, "samples": 2, "quantities": ["diagonal"]} | changes
    return "".join(f"{name} = {json.dumps(value)}\n" for name, value in fields.items()) + NETWORK


@pytest.fixture
def path(tmp_path):
    return tmp_path / "results.sqlite"


def swept(text, path, workers=None):
    with Store(path) as store:
        return run(parse_plan(text), store, workers or Local(1), budget=1e4)


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory):
    return swept(SMALL, tmp_path_factory.mktemp("whole") / "results.sqlite")


def test_a_row_is_what_the_network_shows(undisturbed):
    assert [tuple(row[:6]) for row in undisturbed] == [
        (describe(network), samples, width, seed, "explicit", quantity)
        for network in (Network("tanh", depth=3, sigma_w2=1, sigma_b2=b) for b in (0, 0.5))
        for samples in (2, 3)
        for width in (64, 256)
        for seed in range(70)
        for quantity in ("biases.diagonal", "uniform")
    ]
    network = Network("tanh", depth=3, sigma_w2=1, sigma_b2=0.5)
    for quantity in ("uniform", "biases.diagonal"):
        for width, block, seeds in ((64, 0, range(64)), (256, 4, range(64, 70))):
            expected = observe(network, width, 3, block, [quantity])[quantity]
            assert [
                row.value
                for row in undisturbed
                if (row.network, row.samples, row.width) == (describe(network), 3, width)
                and row.quantity == quantity
                and row.seed in seeds
            ] == expected[: len(seeds)].tolist()


def test_two_workers_give_the_same_bits(undisturbed, path):
    assert swept(SMALL, path, Local(2)) == undisturbed


def test_more_of_everything_adds_to_what_is_stored(undisturbed, path, monkeypatch):
    fewer = SMALL.replace("seeds = 70", "seeds = 5").replace(', "biases.diagonal"', "")
    swept(fewer.replace("[2, 3]", "3"), path)
    jobs = []
    measure = workers.measure_block
    monkeypatch.setattr(workers, "measure_block", lambda job: jobs.append(job) or measure(job))
    assert swept(SMALL, path) == undisturbed
    assert read(path) == undisturbed
    del jobs[:]
    assert swept(SMALL, path) == undisturbed
    assert jobs == []
    assert len(swept(fewer, path)) == 2 * 2 * 2 * 5
    assert jobs == []


def test_the_summary_is_the_mean_over_the_seeds(undisturbed):
    one = summarize(undisturbed)[3]
    values = [row.value for row in undisturbed if row[:3] == one[:3] and row[5] == one[4]]
    assert (one.samples, one.width, one.quantity, one.networks) == (2, 256, "uniform", 70)
    assert one.mean == pytest.approx(np.mean(values), rel=1e-14)
    assert one.standard_error == pytest.approx(np.std(values, ddof=1) / 70**0.5, rel=1e-14)


class Killing(Local):
    """Workers of which one is killed in the middle of the sweep."""

    def run(self, jobs):
        from joblib.externals.loky import reusable_executor

        for count, done in enumerate(super().run(jobs), start=1):
            if count == 5:
                os.kill(min(reusable_executor._executor._processes), signal.SIGKILL)
            yield done


def test_a_worker_that_dies_is_named_and_nothing_is_lost(
    undisturbed, path, monkeypatch, capsys, tmp_path
):
    monkeypatch.setattr(workers, "Local", Killing)
    (tmp_path / "plan.toml").write_text(SMALL)
    arguments = ["sweep", str(tmp_path / "plan.toml"), "--store", str(path), "--jobs", "2"]
    assert main(arguments) == 4
    assert "a worker process died (SIGKILL(-9)" in capsys.readouterr().err
    stored = read(path)
    assert 0 < len(stored) < len(undisturbed)
    assert set(stored) <= set(undisturbed)
    assert swept(SMALL, path) == undisturbed


@pytest.mark.parametrize("count", [1, 2])
def test_a_disk_that_fills_up_stops_the_workers(undisturbed, path, count):
    with Store(path) as store:
        store._connection.execute("PRAGMA max_page_count = 30")
        with pytest.raises(Interrupted, match="disk is full"):
            run(parse_plan(SMALL), store, Local(count))
    assert 0 < len(read(path)) < len(undisturbed)
    assert swept(SMALL, path) == undisturbed


def started(plan, path, jobs):
    return subprocess.Popen(
        [sys.executable, "-m", "derivations.cli", "sweep", plan, "--store", path, "--jobs", jobs],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
    )


def stored(path):
    """How many rows a store has that another process may be making."""
    try:
        return len(read(path))
    except DescriptionError:
        return 0


def test_a_killed_sweep_goes_on_where_it_was(undisturbed, path, tmp_path):
    plan = tmp_path / "plan.toml"
    plan.write_text(SMALL)
    for jobs, rows in (("1", 1), ("2", 300), ("1", 600)):
        with started(plan, path, jobs) as process:
            while process.poll() is None and stored(path) < rows:
                time.sleep(0.002)
            process.kill()
        assert process.returncode == -signal.SIGKILL
        assert set(read(path)) <= set(undisturbed)
    assert swept(SMALL, path) == undisturbed


@pytest.mark.slow
def test_twenty_kills_at_random_lose_nothing(tmp_path):
    text = SMALL.replace("seeds = 70", "seeds = 4000")
    whole = swept(text, tmp_path / "whole.sqlite", Local(2))
    plan, path = tmp_path / "plan.toml", tmp_path / "killed.sqlite"
    plan.write_text(text)
    delays, kills = random.Random(20), 0
    while kills < 20:
        before = stored(path)
        with started(plan, path, str(1 + kills % 2)) as process:
            began = time.monotonic()
            while process.poll() is None and stored(path) == before and kills % 3:
                time.sleep(0.01)
            time.sleep(delays.uniform(0, 0.5 if kills % 3 else 3))
            process.kill()
        assert process.returncode == -signal.SIGKILL, process.returncode
        kills += 1
        found = read(path) if path.exists() else []
        assert before <= len(found) < len(whole)
        print(f"kill {kills} after {time.monotonic() - began:.2f} s: {len(found)} rows")
        assert set(found) <= set(whole)
    assert swept(text, path, Local(2)) == whole


def test_a_sweep_beyond_its_budget_is_refused_and_says_how_long(path):
    for changes in ({"seeds": 10**12}, {"widths": [64, 4096], "seeds": 10**6}):
        with Store(path) as store:
            with pytest.raises(DescriptionError, match=r"takes about [\d.]+ h .* give --budget \d"):
                run(parse_plan(plan_text(**changes)), store, Local(1), budget=2)
            assert all(row.seed < 4 * 64 for row in store.rows())


class Clockwork:
    """Two workers that take a second for a block of width 64, and M/64 seconds for others."""

    count = 2

    def run(self, jobs):
        for job in jobs:
            values = {name: [1.0] * block_size(job.cell.width) for name in job.quantities}
            yield Done(job, values, job.cell.width / 64, origin())


def test_the_estimate_is_the_time_of_the_first_blocks_times_their_number(tmp_path):
    plan, said = parse_plan(plan_text(widths=[64, 128, 4096], seeds=640)), []
    blocks = {64: 10, 128: 20, 4096: 640}
    for budget, timed in ((1e4, {64, 128, 4096}), (1e3, {64, 128})):
        rest = sum((count - 2 * (width in timed)) * width for width, count in blocks.items())
        hours = rest / 64 / 2 / 3600
        with Store(tmp_path / f"{budget:g}.sqlite") as store:
            with pytest.raises(DescriptionError, match=f"about {hours:.1f} h with 2 workers"):
                run(plan, store, Clockwork(), budget=budget)
            assert {row.width for row in store.rows()} == timed
    with Store(tmp_path / "10000.sqlite") as store:
        run(plan, store, Clockwork(), budget=3e4, say=said.append)
    assert said == ["664 blocks of networks to measure, estimated time 5.7 h"]


def test_a_worker_of_another_kind_is_refused():
    check_origin(origin(), origin(), "it")
    with pytest.raises(DescriptionError, match=r"it computes with 0\.0.*equal bits need one"):
        check_origin(origin()._replace(version="0.0"), origin(), "it")


GRID = NETWORK + "[grid]\n"
BAD = {
    "unknown key": ("width = [3]\n" + plan_text(), "unknown key 'width'; did you mean 'widths'"),
    "unknown field": (plan_text() + "sigma_w = 2\n", "unknown key 'sigma_w'; did you mean"),
    "unknown grid": (plan_text() + "[grid]\nsigmaw = [2]\n", r"\[grid\]: unknown key 'sigmaw'"),
    "missing": (NETWORK, "missing widths, seeds, samples, quantities"),
    "missing field": (plan_text().replace("depth = 3", ""), "needs depth"),
    "no seeds": (plan_text(seeds=0), "seeds must be at least 1, 0 given"),
    "half a seed": (plan_text(seeds=1.5), "seeds must be a whole number, 1.5 given"),
    "true seeds": (plan_text(seeds=True), "seeds must be a whole number, True given"),
    "one sample": (plan_text(samples=[1]), "samples must be at least 2, 1 given"),
    "a width": (plan_text(widths=64), "widths must be a list of at least one value, 64 given"),
    "no width": (plan_text(widths=[]), "widths must be a list of at least one value"),
    "width 0": (plan_text(widths=[64, 0]), "widths must be at least 1, 0 given"),
    "width twice": (plan_text(widths=[64, 64]), "widths has 64 twice"),
    "no name": (plan_text(quantities=[1]), "quantities must be names, 1 given"),
    "name twice": (plan_text(quantities=["uniform"] * 2), "quantities has 'uniform' twice"),
    "unknown name": (plan_text(quantities=["diagnal"]), "did you mean 'diagonal'"),
    "unknown group": (plan_text(quantities=["gains.diagonal"]), "no parameters 'gains'"),
    "many numbers": (plan_text(quantities=["linear_outputs"]), "is not one number of a network"),
    "depth": (plan_text(quantities=["gradient_ratio"]), "gradient_ratio of .*needs depth 4"),
    "engine": (plan_text(engine="magic"), "unknown engine 'magic'; known: explicit"),
    "engine 1": (plan_text(engine=1), "unknown engine 1"),
    "too wide": (plan_text(widths=[64, 10**6]), "width 1000000.* GiB, the budget is"),
    "no table": (plan_text().replace(NETWORK, "network = 3"), "network must be a table"),
    "grid scalar": (plan_text() + "[grid]\nsigma_b2 = 3\n", "grid.sigma_b2 must be a list"),
    "grid empty": (plan_text() + "[grid]\nsigma_b2 = []\n", "grid.sigma_b2 must be a list"),
    "grid twice": (plan_text() + "[grid]\nsigma_b2 = [1, 1.0]\n", "grid.sigma_b2 has 1.0 twice"),
    "same network": (
        plan_text() + '[grid]\nlast = ["none", {kind = "none"}]\n',
        r"grid gives the network tanh \(1, 0\), L=3 twice",
    ),
    "both": (plan_text() + "[grid]\ndepth = [3]\n", r"depth is given in \[network\] and in \[grid"),
    "layers": (
        plan_text() + 'hidden = "none"\n[grid]\nlayers = [["none", "none"]]\n',
        "hidden and layers are both given",
    ),
    "bad value": (plan_text() + "[grid]\nsigma_b2 = [0, -1]\n", "at sigma_b2 = -1: sigma_b2 must"),
    "too many": (
        plan_text() + f"[grid]\nsigma_b2 = {list(range(101))}\noutputs = {list(range(1, 101))}\n",
        "grid has 10100 networks, at most 10000",
    ),
    "no TOML": ("widths = [64,\nseeds", "at line 2"),
    "batches": (plan_text(samples=3) + "batch_size = 2\n", "must divide the samples"),
}


@pytest.mark.parametrize(("text", "message"), BAD.values(), ids=BAD)
def test_a_bad_plan_is_refused_in_one_line_before_anything_runs(
    tmp_path, path, capsys, text, message
):
    plan = tmp_path / "plan.toml"
    plan.write_text(text)
    assert main(["sweep", str(plan), "--store", str(path)]) == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    with pytest.raises(DescriptionError, match=message):
        raise DescriptionError(error)
    assert not path.exists()


OPTIONS = {
    "no store": (["PLAN"], "store is missing"),
    "no plan": (["--store", "STORE"], "plan is missing"),
    "no jobs": (["PLAN", "--store", "STORE", "--jobs", "0"], "jobs must be at least 1, 0 given"),
    "budget": (["PLAN", "--store", "STORE", "--budget", "nan"], "budget must be a positive"),
    "both": (["PLAN", "--store", "STORE", "--jobs", "1", "--cluster", "tcp://h:1"], "leave it out"),
    "formats": (["PLAN", "--store", "STORE", "--json", "--csv"], "choose one"),
    "show": (["PLAN", "--show", "STORE"], "measures nothing; leave out plan"),
    "nothing": (["--show", "STORE"], "no such file"),
    "no file": (["missing.toml", "--store", "STORE"], "cannot read missing.toml"),
}


@pytest.mark.parametrize(("arguments", "message"), OPTIONS.values(), ids=OPTIONS)
def test_options_without_meaning_are_refused(tmp_path, path, capsys, arguments, message):
    plan = tmp_path / "plan.toml"
    plan.write_text(plan_text())
    names = {"PLAN": str(plan), "STORE": str(path)}
    assert main(["sweep", *(names.get(word, word) for word in arguments)]) == 2
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1


def test_the_example_is_a_plan():
    (plan,) = read_plan(Path(__file__).parent.parent / "plans" / "example.toml")
    assert len(list(plan.cells())) == 4 * 3
    assert {quantity.rpartition(".")[2] for quantity in plan.quantities} <= set(OBSERVABLES)


def test_the_command_prints_what_the_store_holds(tmp_path, path, capsys):
    plan = tmp_path / "plan.toml"
    plan.write_text(plan_text(seeds=64))
    arguments = ["sweep", str(plan), "--store", str(path), "--jobs", "1"]
    assert main([*arguments, "--json"]) == 0
    (found,) = json.loads(capsys.readouterr().out)
    values = observe(Network("tanh", depth=3, sigma_w2=1), 64, 2, 0, ["diagonal"])["diagonal"]
    assert found["network"] == Network("tanh", depth=3, sigma_w2=1).describe()
    assert found["mean"] == np.mean(values)
    assert found["standard_error"] == pytest.approx(np.std(values, ddof=1) / 8, rel=1e-14)
    assert found["version"] == origin().version
    assert main([*arguments, "--csv"]) == 0
    (row,) = csv.DictReader(io.StringIO(capsys.readouterr().out))
    assert float(row["mean"]) == found["mean"]
    assert json.loads(row["network"]) == found["network"]
    assert main(["sweep", "--show", str(path)]) == 0
    shown = capsys.readouterr()
    assert "origin 1: 64 measurements by fisherfield" in shown.err
    assert "tanh (1, 0), L=3" in shown.out
