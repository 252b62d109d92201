"""Independent jobs of plain Python on every processor."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from typing import Any, TypeVar

from tqdm import tqdm

from numerics.ensemble import workers
from numerics.threads import one_thread

T = TypeVar("T")


def in_parallel(task: Callable[..., T], jobs: Sequence[tuple[Any, ...]], progress: bool) -> list[T]:
    """``[task(*job) for job in jobs]`` in processes, one BLAS thread in each; order is kept."""
    count = min(workers(), len(jobs))
    with ProcessPoolExecutor(count, get_context("spawn"), one_thread) as pool:
        results = pool.map(task, *zip(*jobs, strict=True))
        return list(tqdm(results, total=len(jobs), desc="seeds", leave=False, disable=not progress))
