"""Processor seconds of the parts of one call, each a function by its file and name."""

from __future__ import annotations

import cProfile
import pstats
import time
from collections.abc import Callable, Mapping
from pathlib import Path

REST, WHOLE = "all else", "the whole"


def profiled(
    task: Callable[[], object], parts: Mapping[tuple[str, str], str], repeats: int
) -> dict[str, float]:
    """The means over the repeats: every part with what it calls, the rest, the whole.

    No part may call another.
    """
    task()
    profile = cProfile.Profile(time.process_time)
    for _ in range(repeats):
        profile.runcall(task)
    found = pstats.Stats(profile)
    seconds = dict.fromkeys(parts.values(), 0.0)
    for (file, _, function), (*_, cumulative, _) in found.stats.items():  # type: ignore[attr-defined]
        part = parts.get((Path(file).name, function))
        if part is not None:
            seconds[part] += cumulative / repeats
    whole = found.total_tt / repeats  # type: ignore[attr-defined]
    return {**seconds, REST: whole - sum(seconds.values()), WHOLE: whole}
