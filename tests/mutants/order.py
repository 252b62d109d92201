"""A pytest plugin: the tests that a file names, in its order, or all others; each with a limit.

A test that needs more processor time than its limit ends the process, by the signal of a timer.
"""

from __future__ import annotations

import json
import os
import resource
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

ASKED = "MUTANT_TESTS"
MEMORY = 8 << 30

QUESTION = json.loads(Path(os.environ[ASKED]).read_text()) if ASKED in os.environ else None


def pytest_configure() -> None:
    if QUESTION:
        resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if not QUESTION:
        return
    position = {name: at for at, name in enumerate(QUESTION["tests"])}
    if QUESTION["others"]:
        chosen = [item for item in items if item.nodeid not in position]
    else:
        chosen = [item for item in items if item.nodeid in position]
        chosen.sort(key=lambda item: position[item.nodeid])
    kept = {item.nodeid for item in chosen}
    config.hook.pytest_deselected(items=[item for item in items if item.nodeid not in kept])
    items[:] = chosen


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Iterator[None]:
    if QUESTION:
        limit = QUESTION["limits"].get(item.nodeid, QUESTION["limit"])
        signal.setitimer(signal.ITIMER_PROF, limit)
    yield
    signal.setitimer(signal.ITIMER_PROF, 0)
