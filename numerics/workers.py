"""Where blocks are measured: processes of this machine, or an existing Dask cluster.

Results come in any order. A block's numbers depend on its key alone: every worker has one BLAS
thread, and the block its own stream of random numbers.
"""

from __future__ import annotations

import os
import re
import threading
import time
import warnings
from collections.abc import Generator, Iterable
from concurrent.futures.process import BrokenProcessPool
from itertools import islice
from typing import Any, NamedTuple, Protocol

from numerics.engines import engine
from numerics.environment import Origin, origin
from numerics.store import Cell, Interrupted
from numerics.threads import one_thread
from theory.architecture import DescriptionError

ADDRESS = re.compile(r"([a-z]+://)?[^\s/]+:\d+")

CONNECT_SECONDS = 5
"""How long a cluster may take to answer."""

PATIENCE = 60
"""Seconds that a cluster may be without a worker."""

AHEAD = 3
"""Blocks handed to each worker of a cluster before it has finished the first."""


class Job(NamedTuple):
    """A block of networks, and what to measure of them."""

    cell: Cell
    block: int
    quantities: tuple[str, ...]


class Done(NamedTuple):
    """The quantities of every network of a block, the time they took, and where."""

    job: Job
    values: dict[str, list[float]]
    seconds: float
    origin: Origin


class Workers(Protocol):
    """Something that measures blocks; a context manager."""

    count: int

    def run(self, jobs: Iterable[Job]) -> Generator[Done, None, None]:
        """Measure all; raises ``Interrupted`` if workers are lost."""
        ...

    def __enter__(self) -> Workers: ...

    def __exit__(self, *_: object) -> None: ...


def measure_block(job: Job) -> Done:
    """Measure one block, in a process with one BLAS thread.

    A number must not depend on what else is measured.
    """
    network, samples, width, name_of_engine = job.cell
    drawing = engine(name_of_engine)
    start = time.perf_counter()
    values: dict[str, list[float]] = {}
    for kind in dict.fromkeys(map(drawing.kind, job.quantities)):
        names = [name for name in job.quantities if drawing.kind(name) == kind]
        found = drawing.observe(network, width, samples, job.block, names)
        values |= {name: found[name].tolist() for name in names}
    return Done(job, values, time.perf_counter() - start, origin())


class Local:
    """This many processes of this machine; one measures in the present process."""

    def __init__(self, count: int) -> None:
        self.count = count

    def run(self, jobs: Iterable[Job]) -> Generator[Done, None, None]:
        """Measure all; raises ``Interrupted`` if a process dies."""
        if self.count == 1:
            with one_thread():
                yield from map(measure_block, jobs)
            return
        from joblib import Parallel, delayed, parallel_config

        task, parent = delayed(_measure_for), os.getpid()
        with parallel_config(backend="loky", inner_max_num_threads=1):
            pool = Parallel(
                n_jobs=self.count, return_as="generator_unordered", batch_size=1, max_nbytes=None
            )
            results = pool(task(job, parent) for job in jobs)
        try:
            for done in results:  # noqa: UP028 - closed below, where its warning is silenced
                yield done
        except BrokenProcessPool as problem:
            raise Interrupted(
                f"a worker process died ({_exit_codes(problem)}): killed by hand, or for want of "
                "memory, which fewer --jobs need; what was finished is stored, and the same "
                "command goes on from there"
            ) from None
        finally:
            with warnings.catch_warnings():  # that unfinished blocks are dropped is meant
                warnings.simplefilter("ignore")
                results.close()

    def __enter__(self) -> Local:
        return self

    def __exit__(self, *_: object) -> None:
        pass  # idle processes end after some minutes, or with this one


def _exit_codes(problem: BaseException) -> str:
    """The part of the message of joblib that names the signal or exit status of each worker."""
    _, found, codes = str(problem).partition("{")
    return codes.partition("}")[0] if found else "exit status unknown"


def _measure_for(job: Job, parent: int) -> Done:
    """Measure in a process that ends with its parent, even where the parent is killed."""
    if not any(thread.name == "parent watch" for thread in threading.enumerate()):
        threading.Thread(target=_end_with, args=(parent,), name="parent watch", daemon=True).start()
    return _measure_alone(job)


def _end_with(parent: int) -> None:
    while os.getppid() == parent:
        time.sleep(1)
    os._exit(1)


def _measure_alone(job: Job) -> Done:
    one_thread()  # for good: threads that restored it would fight over the number
    return measure_block(job)


class Cluster:
    """The workers of an existing Dask cluster.

    Raises ``DescriptionError`` if the client is not installed, the address does not answer, there
    is no worker, or a worker would give other bits than this process.
    """

    def __init__(self, address: str) -> None:
        try:
            from distributed import Client
        except ImportError:
            raise DescriptionError(
                "a cluster needs the package distributed: pip install 'fisherfield[cluster]'"
            ) from None
        if not ADDRESS.fullmatch(address):
            raise DescriptionError(
                f"the address of a cluster looks like tcp://host:8786, {address!r} given"
            )
        self.address = address
        try:
            self._client = Client(address, timeout=CONNECT_SECONDS, set_as_default=False)
        except (OSError, ValueError, ImportError) as problem:
            reason = str(problem).partition("\n")[0]
            raise DescriptionError(
                f"no Dask scheduler answers at {address!r} ({reason}); give the address that it "
                "prints when it starts, such as tcp://host:8786"
            ) from None
        try:
            self.count = self._check_workers()
        except BaseException:
            self._client.close()
            raise

    def _threads(self) -> int:
        return sum(self._client.nthreads().values())

    def _check_workers(self) -> int:
        threads = self._threads()
        if not threads:
            raise DescriptionError(f"the cluster at {self.address} has no workers; start some")
        try:
            found = self._client.run(origin)
        except ImportError as problem:
            raise DescriptionError(
                f"the workers of {self.address} cannot import fisherfield ({problem}); install the "
                "same packages there as here"
            ) from None
        for worker, theirs in found.items():
            check_origin(theirs, origin(), f"the worker {worker}")
        return threads

    def run(self, jobs: Iterable[Job]) -> Generator[Done, None, None]:
        """Measure all; raises ``Interrupted`` if the scheduler or all workers are lost."""
        from distributed import wait
        from distributed.scheduler import KilledWorker

        queue = iter(jobs)
        pending: set[Any] = set()
        alone_since = None
        while True:
            for job in islice(queue, max(0, AHEAD * self.count - len(pending))):
                pending.add(self._client.submit(_measure_alone, job, pure=False))
            if not pending:
                return
            try:
                with self._client.as_current():
                    finished = wait(pending, timeout=1, return_when="FIRST_COMPLETED").done
            except TimeoutError:
                finished = set()
            except Exception as problem:  # what a lost scheduler raises varies
                raise self._lost(str(problem)) from None
            for future in finished:
                pending.discard(future)
                if future.status in ("cancelled", "lost"):
                    raise self._lost("the scheduler is gone")
                try:
                    yield future.result()
                except KilledWorker as problem:
                    raise self._lost(str(problem)) from None
            if self._client.status != "running":
                raise self._lost("the scheduler is gone")
            if finished or self._threads():
                alone_since = None
            elif alone_since is None:
                alone_since = time.monotonic()
            elif time.monotonic() - alone_since > PATIENCE:
                raise self._lost(f"no worker for {PATIENCE} s")

    def _lost(self, reason: str) -> Interrupted:
        first = reason.partition("\n")[0]
        return Interrupted(
            f"the cluster at {self.address} was lost ({first}); what was finished is stored, and "
            "the same command goes on from there"
        )

    def __enter__(self) -> Cluster:
        return self

    def __exit__(self, *_: object) -> None:
        self._client.close()


def check_origin(theirs: Origin, ours: Origin, who: str) -> None:
    """Refuse a worker that would give other bits than this process."""
    if tuple(theirs) != tuple(ours):
        raise DescriptionError(
            f"{who} computes with {', '.join(map(str, theirs))}; this process with "
            f"{', '.join(map(str, ours))}: equal bits need one machine type and package set"
        )
