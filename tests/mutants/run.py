"""Runs the tests against mutants, in copies of the tree, and judges the survivors by the battery.

A mutant meets first the doctests of its file and the quickest tests that enter the mutated
function, then all others that enter it, then the battery, and, where an answer of it differs, the
rest of the suite.
"""

from __future__ import annotations

import compileall
import hashlib
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from tests.mutants.battery import Difference, differences
from tests.mutants.generate import ROOT, Mutant
from tests.mutants.order import ASKED
from tests.mutants.reach import TABLE, noted

KEPT = ROOT / "build" / "mutants"
LEFT_BEHIND = (
    *(".git", ".venv", "build", "__pycache__", ".*_cache", ".hypothesis", "*.egg-info"),
    "test_mutants.py",  # which would notice that a source is another, and nothing else
)
SOON, SOON_FILES = 80, 3  # tests and test files of the first stage
LIMIT, SLACK = 20.0, 20.0  # processor seconds of a test; of the seconds that it needed before
STAGE = 300.0  # seconds of a stage beside the limits of its tests
KILLED = (pytest.ExitCode.TESTS_FAILED, pytest.ExitCode.INTERRUPTED)
SURVIVED = (pytest.ExitCode.OK, pytest.ExitCode.NO_TESTS_COLLECTED)
FAILURE = re.compile(r"^(?:FAILED|ERROR) (.+?)(?: - .*)?$", re.MULTILINE)


class Broken(RuntimeError):
    """pytest itself did not run."""


@dataclass
class Outcome:
    """What became of a mutant: "killed" (by which test), "timeout", "survived", "equivalent"."""

    mutant: Mutant
    verdict: str
    by: str
    stage: int
    seconds: float
    differences: list[Difference] = field(default_factory=list)


class Reach:
    """The tests that enter a function, and the seconds that each needs."""

    def __init__(self, table: dict[str, Any]) -> None:
        self.seconds = {name: entry["seconds"] for name, entry in table.items()}
        self.places = {name: frozenset(entry["places"]) for name, entry in table.items()}

    def stages(self, mutant: Mutant) -> tuple[list[str], list[str]]:
        """The tests to begin with, and the others that enter the mutated function.

        What runs at import is shown to the tests that enter any function of the file.
        """
        inside = mutant.within or f"{mutant.path}:"
        entering = [
            name
            for name, places in self.places.items()
            if (inside in places if mutant.within else any(p.startswith(inside) for p in places))
        ]
        entering.sort(key=lambda name: (not name.startswith(mutant.path), self.seconds[name]))
        files = Counter(name.partition("::")[0] for name in entering)
        near = {mutant.path, *(name for name, _ in files.most_common(SOON_FILES))}
        soon = [name for name in entering if name.partition("::")[0] in near][:SOON]
        return soon, [name for name in entering if name not in set(soon)]


class Copy:
    """A copy of the tree, in which one file at a time is another."""

    def __init__(self, at: Path) -> None:
        self.at = at
        shutil.copytree(ROOT, at, ignore=shutil.ignore_patterns(*LEFT_BEHIND))
        compileall.compile_dir(at, quiet=1)

    @contextmanager
    def changed(self, mutant: Mutant) -> Iterator[None]:
        """The tree with the mutant in place. Its bytecode is never kept."""
        path = self.at / mutant.path
        source = path.read_text(encoding="utf-8")
        compiled = path.parent / "__pycache__"
        for old in compiled.glob(f"{path.stem}.*.pyc"):
            old.unlink()
        path.write_text(mutant.applied(source), encoding="utf-8")
        try:
            yield
        finally:
            path.write_text(source, encoding="utf-8")

    def python(self, *arguments: str, seconds: float | None = None, **more: str) -> Any:
        """A child on this tree, with one BLAS thread: exit status and output; None if too slow."""
        one = dict.fromkeys(("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS"), "1")
        paths = {"PYTHONPATH": str(self.at), "PYTHONDONTWRITEBYTECODE": "1"}
        child = subprocess.Popen(
            [sys.executable, *arguments],
            cwd=self.at,
            env=os.environ | one | paths | more | {"PYTEST_ADDOPTS": ""},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )
        try:
            output, _ = child.communicate(timeout=seconds)
        except subprocess.TimeoutExpired:
            os.killpg(child.pid, signal.SIGKILL)
            child.communicate()
            return None, ""
        return child.returncode, output

    def pytest(self, reach: Reach, tests: list[str], others: bool) -> tuple[str, str]:
        """The verdict of these tests, or of all others, and the first one that fails."""
        asked = set(tests)
        run = [name for name in reach.seconds if name not in asked] if others else tests
        limits = {name: LIMIT + SLACK * reach.seconds[name] for name in run}
        question = {"tests": tests, "others": others, "limits": limits, "limit": 2 * LIMIT}
        file = self.at / "asked.json"
        file.write_text(json.dumps(question))
        files = [] if others else list(dict.fromkeys(name.partition("::")[0] for name in tests))
        status, output = self.python(
            *("-m", "pytest", "-q", "-x", "--tb=no", "-rfE", "-p", "no:xdist"),
            *("-p", "no:cacheprovider", "-p", "tests.mutants.order"),
            *files,
            seconds=STAGE + SLACK * sum(reach.seconds[name] for name in run),
            **{ASKED: str(file)},
        )
        if status in SURVIVED:
            return "survived", ""
        if status is None or status == -signal.SIGPROF:
            return "timeout", ""
        if status in KILLED or status < 0:
            found = FAILURE.search(output)
            return "killed", found.group(1) if found else f"exit status {status}"
        raise Broken(output[-2000:])


def reach_table(jobs_at: Path) -> Reach:
    """The table of an earlier run if it is of this ``theory/``, else that of a run now."""
    digest = hashlib.sha256()
    for path in sorted(ROOT.glob("theory/**/*.py")):
        digest.update(path.read_bytes())
    kept = KEPT / f"{digest.hexdigest()[:16]}.json"
    if not kept.exists():
        copy = Copy(jobs_at / "reach")
        for path in copy.at.glob("theory/**/*.py"):
            name = path.relative_to(copy.at).as_posix()
            path.write_text(noted(name, path.read_text(encoding="utf-8")), encoding="utf-8")
        _, output = copy.python(
            *("-m", "pytest", "-q", "-p", "no:xdist", "-p", "no:cacheprovider"),
            *("-p", "tests.mutants.reach"),
        )
        if not (copy.at / TABLE).exists():
            raise Broken(output[-2000:])
        KEPT.mkdir(parents=True, exist_ok=True)
        shutil.copy(copy.at / TABLE, kept)
    return Reach(json.loads(kept.read_text()))


def judged(
    mutant: Mutant, copy: Copy, reach: Reach, truth: Callable[[], Any], whole: bool
) -> Outcome:
    """Run the stages up to the first failure; ``whole``: the rest of the suite as well.

    The rest is long: it is run only where an answer of the battery differs.
    """
    start = time.monotonic()
    soon, later = reach.stages(mutant)
    with copy.changed(mutant):

        def noticed(stage: int, tests: list[str], others: bool = False) -> Outcome | None:
            verdict, by = copy.pytest(reach, tests, others)
            seconds = time.monotonic() - start
            return None if verdict == "survived" else Outcome(mutant, verdict, by, stage, seconds)

        for stage, tests in ((1, soon), (2, later)):
            if tests and (found := noticed(stage, tests)):
                return found
        different = differences(truth(), battery_of(copy))
        if not different:
            return Outcome(mutant, "equivalent", "", 2, time.monotonic() - start)
        if whole and (found := noticed(3, [*soon, *later], others=True)):
            return found
    stage = 3 if whole else 2
    return Outcome(mutant, "survived", "", stage, time.monotonic() - start, different)


def battery_of(copy: Copy) -> dict[str, Any]:
    """The battery's answers in this tree; none where it does not end."""
    answers = copy.at / "answers.json"
    answers.unlink(missing_ok=True)
    copy.python("-m", "tests.mutants.battery", str(answers), seconds=STAGE)
    return json.loads(answers.read_text()) if answers.exists() else {}
