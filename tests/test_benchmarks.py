"""The benchmarks: what they write, and what they say where a peer is missing. No time is judged."""

import json
import math
import subprocess
import sys
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pytest

from benchmarks import environments, timing
from benchmarks.__main__ import main
from benchmarks.catalogue import SCRIPTS, Script
from benchmarks.cluster import extrapolated
from benchmarks.gram import operations, products
from benchmarks.memory import growth
from benchmarks.page import Outcome, page
from benchmarks.rows import Need, Result, Row
from benchmarks.scaling import allocated, exponent
from benchmarks.timing import Rounds, Seconds

ROOT = Path(__file__).parents[1]
TOLD = {
    "date": "2026-01-01",
    "machine": "one",
    "cores": 2,
    "load": 0.5,
    "threads": 1,
    "versions": {"python": "3", "blas": ["openblas 0.3"]},
    "dgemm": 50.0,
    "sgemm": 100.0,
    "shim": "a = b",
}


def python(*arguments):
    return subprocess.run(
        [sys.executable, *arguments], cwd=ROOT, capture_output=True, text=True, check=False
    )


def cells(line):
    return [cell.strip() for cell in line.strip("|").split("|")]


def test_a_short_run_writes_the_page(tmp_path):
    out = tmp_path / "page.md"
    done = python("-m", "benchmarks", "--smoke", "--out", out)
    assert done.returncode == 0, done.stdout + done.stderr
    text = out.read_text(encoding="utf-8")
    short = [script.name for script in SCRIPTS if script.smoke is not None]
    assert len(short) >= 6
    for name in short:
        section = text.split(f"\n## {name}\n")[1].partition("\n## ")[0]
        table = [cells(line) for line in section.splitlines() if line.startswith("| ")]
        assert table[0][:4] == ["claim", "ours", "other", "ratio"]
        assert len(table) > 1
        for _, ours, _, ratio, needed, reached, *_ in table[1:]:
            assert math.isfinite(float(ours.split()[0]))
            assert not ratio or 0 < float(ratio) < math.inf
            assert bool(needed) == (reached in ("yes", "**no**"))
        assert any(ratio or needed for *_, ratio, needed, _, _, _ in table[1:]) or name in (
            "kernel_profile",
            "scaling",
            "store",
        )


@pytest.mark.parametrize("module", ["gram_peers", "kernel_peers", "gram_jacobians"])
def test_a_missing_peer_is_named_in_one_line(module):
    hidden = "import sys; sys.modules.update(jax=None, torch=None); "
    hidden += f"import runpy; sys.argv = ['{module}']; "
    done = python("-c", hidden + f"runpy.run_module('benchmarks.{module}', run_name='__main__')")
    assert done.returncode == 1
    assert done.stderr.count("\n") == 1
    assert "this benchmark needs jax" in done.stderr
    assert "make bench" in done.stderr


def test_a_missing_environment_is_named_on_the_page(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(environments, "PEERS", tmp_path / ".bench")
    monkeypatch.setattr("benchmarks.__main__.PEERS", tmp_path / ".bench")
    out = tmp_path / "page.md"
    assert main(["gram_peers", "--out", str(out)]) == 1
    for text in (out.read_text(encoding="utf-8"), capsys.readouterr().out):
        assert "not measured: the peers of benchmarks/peers-a.txt are not installed" in text


def test_a_script_that_breaks_off_keeps_its_rows(tmp_path, monkeypatch, capsys):
    folder = tmp_path / ".bench"
    monkeypatch.setattr("benchmarks.__main__.PEERS", folder)
    monkeypatch.setattr("benchmarks.__main__.SCRIPTS", (Script("store"), Script("gram")))
    (folder / "results").mkdir(parents=True)
    for ending, text in (("txt", ""), ("rows", stored())):
        (folder / "results" / f"gram.{ending}").write_text(text, encoding="utf-8")
    out = tmp_path / "page.md"
    monkeypatch.setattr("benchmarks.__main__.interpreter", lambda name: Path("false"))
    assert main(["store", "--out", str(out)]) == 1
    text = out.read_text(encoding="utf-8")
    assert "not measured: exit status 1" in text
    assert "| fast | 1 s (2) | peer 4 s (5) | 0.25 | at most 0.5 | yes | float32 | 1 |" in text


def stored():
    return "\n".join(map(json.dumps, (TOLD, asdict(ROW)))) + "\n"


ROW = Row(
    "fast", 1.0, "s", 4.0, "peer", 0.25, Need(0.5), "float32", wall=(2.0, 5.0), note="so it is"
)


def test_rows_are_read_as_they_were_written(tmp_path):
    path = tmp_path / "rows"
    path.write_text(stored(), encoding="utf-8")
    assert Result.read(path) == Result(TOLD, [ROW])


@pytest.mark.parametrize(
    ("needed", "ratio", "reached"),
    [
        (Need(0.5), 0.4, True),
        (Need(0.5), 0.6, False),
        (Need(0.9, least=True), 0.95, True),
        (Need(0.9, least=True), 0.85, False),
    ],
)
def test_a_need_bounds_the_ratio_from_its_side(needed, ratio, reached):
    row = Row("claim", 1.0, other=1.0, against="peer", ratio=ratio, needed=needed)
    assert row.reached is reached
    text = page([Outcome(SCRIPTS[0], Result(TOLD, [row]))])
    assert f"## What is claimed: {int(reached)} of 1 reached" in text
    assert f"| {needed} | {'yes' if reached else '**no**'} |" in text


def test_a_need_without_ratio_bounds_the_number():
    assert Row("claim", 0.4, needed=Need(0.5)).reached is True
    assert Row("claim", 0.6, needed=Need(0.5)).reached is False
    assert Row("told", 0.6).reached is None


def test_the_page_says_how_it_came_about():
    text = page([Outcome(SCRIPTS[0], Result(TOLD, [ROW]))])
    assert "This page is generated" in text.splitlines()[2]
    for said in ("50.0 Gflop/s in float64", "openblas 0.3", "Shim: a = b", "so it is"):
        assert said in text


class Clock:
    """Stands for the module ``time``: what is left in the background is done while one sleeps."""

    def __init__(self):
        self.now = self.used = self.left = 0.0

    def perf_counter(self):
        return self.now

    def process_time(self):
        return self.used

    def sleep(self, seconds):
        done = min(seconds, self.left)
        self.left, self.used, self.now = self.left - done, self.used + done, self.now + seconds

    def work(self, seconds, later=0.0):
        self.now, self.used, self.left = self.now + seconds, self.used + seconds, later


def test_a_call_is_charged_with_what_its_threads_do_later(monkeypatch):
    clock = Clock()
    monkeypatch.setattr(timing, "time", clock)
    tasks = {"peer": lambda: clock.work(0.5, later=0.035), "ours": lambda: clock.work(0.25)}
    found = timing.interleaved(tasks, 3)
    assert found.cpu("peer") == pytest.approx(0.535)
    assert found.cpu("ours") == pytest.approx(0.25)
    assert found.wall("peer") == pytest.approx(0.5)


def test_a_thread_that_never_rests_holds_up_nothing(monkeypatch):
    clock = Clock()
    monkeypatch.setattr(timing, "time", clock)
    found = timing.timed(lambda: clock.work(0.5, later=math.inf))
    assert found.cpu == pytest.approx(0.5 + timing.MOST * timing.PAUSE)


def test_a_ratio_is_taken_within_a_round():
    rounds = [(1.0, 2.0), (10.0, 5.0), (3.0, 30.0)]  # ours, theirs
    found = Rounds(tuple({"a": Seconds(a, 0.3), "b": Seconds(b, 0.7)} for a, b in rounds))
    assert found.ratio("a", "b") == 0.5
    assert (found.cpu("a"), found.cpu("b")) == (3.0, 5.0)
    row = Row.of("claim", found, "a", "b", needed=Need(0.6))
    assert (row.ours, row.other, row.against, row.ratio) == (3.0, 5.0, "b", 0.5)
    assert row.wall == (0.3, 0.7)


def test_operations_are_those_of_the_products(monkeypatch):
    """Every product that is timed as the limit, counted by its shape; half of one with itself."""
    counted = []

    class Counting(np.ndarray):
        def __matmul__(self, other):
            itself = np.shares_memory(self, other)
            counted.append((1 if itself else 2) * math.prod(self.shape) * other.shape[1])
            return np.asarray(self) @ np.asarray(other)

    draw = np.random.default_rng

    class Generator:
        def __init__(self, seed):
            self.rng = draw(seed)

        def standard_normal(self, shape):
            return self.rng.standard_normal(shape).view(Counting)

    monkeypatch.setattr(np.random, "default_rng", Generator)
    M, L, N, C = 7, 4, 3, 2
    products(M, L, N, C)()
    assert sum(counted) == operations(M, L, N, C)


def test_an_exponent_is_that_of_a_power():
    assert exponent([1, 2, 4, 8], [5.0 * n**1.5 for n in (1, 2, 4, 8)]) == 1.5


@pytest.mark.parametrize(
    ("block", "parent", "workers", "hours", "bound"),
    [(7.2, 0.0036, 2000, 0.5, "workers"), (7.2, 0.0144, 500, 1.0, "parent")],
)
def test_a_thousand_cores_are_bound_by_workers_or_parent(block, parent, workers, hours, bound):
    busy, shortest, total = extrapolated(block, parent, networks=4)
    assert busy.ours == pytest.approx(workers)
    assert shortest.ours == pytest.approx(1000 * parent)
    assert total.ours == pytest.approx(hours)
    assert total.note == f"500 core hours of work; bound by the {bound}"


def touching(megabytes):
    return lambda: np.ones(megabytes * 2**17)


@pytest.mark.skipif(not Path("/proc/self/clear_refs").exists(), reason="memory is read from /proc")
def test_memory_is_what_a_task_touches():
    assert growth(touching, 128).megabytes == pytest.approx(128, abs=8)


def test_memory_counts_what_is_allocated():
    assert allocated(touching(16)) == pytest.approx(2**24, rel=0.01)


def test_scripts_run_on_one_thread_with_the_kernels_of_the_processor():
    given = {"OPENBLAS_NUM_THREADS": "8", "OPENBLAS_CORETYPE": "Haswell", "HOME": "/"}
    found = environments.variables(given)
    assert (found["OPENBLAS_NUM_THREADS"], found["HOME"]) == ("1", "/")
    assert "OPENBLAS_CORETYPE" not in found


def test_an_unknown_script_is_refused(capsys):
    with pytest.raises(SystemExit, match="2"):
        main(["grams"])
    assert "unknown script 'grams'" in capsys.readouterr().err


def test_every_script_is_in_the_catalogue():
    files = {
        path.stem
        for path in (ROOT / "benchmarks").glob("*.py")
        if "__main__" in (text := path.read_text(encoding="utf-8")) and "def rows(" in text
    }
    assert files == {script.name for script in SCRIPTS}
