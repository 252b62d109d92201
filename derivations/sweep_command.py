"""The command ``fisherfield sweep``: many networks, measured once and kept in a store."""

from __future__ import annotations

import argparse
import csv
import json
import math
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from theory.errors import DescriptionError

if TYPE_CHECKING:
    from numerics.store import Row
    from numerics.sweep import Summary
    from numerics.workers import Workers

INTERRUPTED = 4
"""Exit status where a sweep breaks off and the same command goes on from there."""

COLUMNS = (
    "network",
    "samples",
    "width",
    "engine",
    "quantity",
    "networks",
    "mean",
    "standard_error",
    "version",
    "seed_base",
    "environment",
)


def add_arguments(sub: argparse.ArgumentParser) -> None:
    """The arguments that ``sweep`` reads."""
    sub.add_argument("plan", nargs="?", metavar="PLAN", help="what to measure (TOML)")
    sub.add_argument("--store", metavar="FILE", help="where the measurements are kept (SQLite)")
    sub.add_argument("--jobs", type=int, metavar="N", help="processes; all cores by default")
    sub.add_argument("--cluster", metavar="ADDRESS", help="of a Dask scheduler, tcp://host:8786")
    sub.add_argument("--budget", type=float, metavar="SECONDS", help="refuse a longer sweep: 600")
    sub.add_argument("--show", metavar="FILE", help="only show what a store holds")
    sub.add_argument("--json", action="store_true")
    sub.add_argument("--csv", action="store_true")


def sweep(options: argparse.Namespace) -> int:
    """Measure what the store lacks of a plan, and print the means by width.

    Exit status 4 if it breaks off (a worker died, the disk is full, Ctrl-C), with one line; what
    was finished is stored. Raises ``DescriptionError`` for what has no meaning.
    """
    from numerics.store import Interrupted

    _check(options)
    try:
        rows = _show(options) if options.show is not None else _sweep(options)
    except Interrupted as problem:
        _say(str(problem))
        return INTERRUPTED
    except KeyboardInterrupt:
        _say("interrupted; what was finished is stored, and the same command goes on from there")
        return INTERRUPTED
    _print(rows, options)
    return 0


def _check(options: argparse.Namespace) -> None:
    given = vars(options)
    if options.json and options.csv:
        raise DescriptionError("--json and --csv are both given; choose one")
    if options.show is not None:
        for name in ("plan", "store", "jobs", "cluster", "budget"):
            if given[name] is not None:
                raise DescriptionError(f"--show measures nothing; leave out {name}")
        return
    for name in ("plan", "store"):
        if given[name] is None:
            raise DescriptionError(
                f"{name} is missing: fisherfield sweep plan.toml --store results.sqlite"
            )
    if options.jobs is not None and options.cluster is not None:
        raise DescriptionError("--jobs are processes of this machine; leave it out with --cluster")
    if options.jobs is not None and options.jobs < 1:
        raise DescriptionError(f"jobs must be at least 1, {options.jobs} given")
    if options.budget is not None and not 0 < options.budget < math.inf:
        raise DescriptionError(
            f"budget must be a positive number of seconds, {options.budget} given"
        )


def _sweep(options: argparse.Namespace) -> list[Row]:
    from derivations.sweep_plan import read_plan
    from numerics.store import Store
    from numerics.sweep import BUDGET, run

    plan = read_plan(options.plan)
    with _workers(options) as workers, Store(options.store) as store:
        return run(
            plan,
            store,
            workers,
            budget=BUDGET if options.budget is None else options.budget,
            say=_say,
            progress=sys.stderr.isatty(),
        )


def _workers(options: argparse.Namespace) -> Workers:
    from numerics.workers import Cluster, Local

    if options.cluster is not None:
        return Cluster(options.cluster)
    from joblib import cpu_count

    return Local(cpu_count() if options.jobs is None else options.jobs)


def _show(options: argparse.Namespace) -> list[Row]:
    from collections import Counter

    from numerics.store import read

    rows = read(options.show)
    counts = Counter(row.origin for row in rows)
    for number, origin in enumerate(sorted(counts), start=1):
        _say(
            f"origin {number}: {counts[origin]} measurements by fisherfield {origin.version}, "
            f"seed {origin.seed_base}, {origin.environment}"
        )
    return rows


def _print(rows: Sequence[Row], options: argparse.Namespace) -> None:
    from numerics.sweep import summarize

    summaries = summarize(rows)
    if options.json:
        print(json.dumps([_record(summary) for summary in summaries], indent=2, allow_nan=False))
    elif options.csv:
        writer = csv.DictWriter(sys.stdout, COLUMNS, extrasaction="ignore", lineterminator="\n")
        writer.writeheader()
        for summary in summaries:
            writer.writerow(summary._asdict() | summary.origin._asdict())
    else:
        print(_table(summaries))


def _record(summary: Summary) -> dict[str, Any]:
    record = summary._asdict()
    origin = record.pop("origin")
    parsed = {"network": json.loads(summary.network)}
    return (
        record
        | parsed
        | {
            "version": origin.version,
            "seed_base": origin.seed_base,
            "environment": json.loads(origin.environment),
        }
    )


def _table(summaries: Sequence[Summary]) -> str:
    from tabulate import tabulate

    from derivations.terminal import shorthand
    from theory.architecture import Network

    origins = sorted({summary.origin for summary in summaries})
    networks: dict[str, str] = {}
    for text in {summary.network for summary in summaries}:
        fields = json.loads(text)
        networks[text] = str(Network(fields.pop("activation"), **fields))
    return tabulate(
        [
            (
                networks[summary.network],
                summary.samples,
                summary.width,
                summary.engine,
                summary.quantity,
                summary.networks,
                f"{summary.mean:.6g}"
                if summary.standard_error is None
                else shorthand(summary.mean, summary.standard_error),
                origins.index(summary.origin) + 1,
            )
            for summary in summaries
        ],
        headers=("network", "N", "width", "engine", "quantity", "networks", "mean", "origin"),
        disable_numparse=[6],
    )


def _say(text: str) -> None:
    print(f"fisherfield: {text}", file=sys.stderr)
