"""How much memory a task takes at its height, above what its process held before; and its time."""

from __future__ import annotations

import re
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import NamedTuple

from benchmarks.timing import Seconds, one_core, timed

PROCESS = Path("/proc/self")


class Taken(NamedTuple):
    """What a task took."""

    megabytes: float
    seconds: Seconds


def growth(prepare: Callable[..., Callable[[], object]], *arguments: object) -> Taken:
    """How a fresh process grows in the task that ``prepare(*arguments)`` gives it.

    What preparing takes, modules, inputs and compiled code, does not count.
    """
    if not (PROCESS / "clear_refs").exists():
        raise SystemExit("memory is measured through /proc/self, which only Linux has")
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as process:
        return process.submit(_growth, prepare, *arguments).result()


def _growth(prepare: Callable[..., Callable[[], object]], *arguments: object) -> Taken:
    one_core()
    task = prepare(*arguments)
    (PROCESS / "clear_refs").write_text("5", encoding="ascii")  # the height starts anew from here
    before = _status("VmRSS")
    seconds = timed(task)
    return Taken((_status("VmHWM") - before) / 1024, seconds)


def _status(name: str) -> int:
    """Kilobytes."""
    found = re.search(rf"^{name}:\s+(\d+) kB$", (PROCESS / "status").read_text(), re.MULTILINE)
    assert found is not None
    return int(found[1])
