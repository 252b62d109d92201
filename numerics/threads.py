"""One BLAS thread: numpy and scipy each bring a BLAS, and one that is not loaded is not limited."""

from __future__ import annotations

from typing import Any

from threadpoolctl import threadpool_info, threadpool_limits


def one_thread() -> threadpool_limits:
    """Limit every BLAS of this process to one thread: for good, or as a context until its end.

    >>> with one_thread():
    ...     {library["num_threads"] for library in blas_libraries()}
    {1}
    """
    _load()
    return threadpool_limits(1)


def blas_libraries() -> list[dict[str, Any]]:
    """What ``threadpoolctl`` knows of every BLAS that this process uses."""
    _load()
    return [library for library in threadpool_info() if library["user_api"] == "blas"]


def _load() -> None:
    import scipy.linalg  # noqa: F401 - else imported when first used, its BLAS with it
