"""Mutants of ``theory/``: how many of them the tests notice.

``python -m tests.mutants [--count 150] [--seed 0] [--jobs 1] [--only theory/fisher.py] [--json]``.
Exit status 1 if less than 95 % of those that are not equivalent are noticed.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from functools import cache
from math import isfinite
from pathlib import Path
from queue import SimpleQueue
from typing import Any

from tests.mutants.generate import Mutant, all_mutants, sample
from tests.mutants.hand import hand_mutants
from tests.mutants.run import Copy, Outcome, battery_of, judged, reach_table

NEEDED = 0.95


def main() -> int:
    options = _options()
    mutants = sample(all_mutants(only=options.only), options.count, options.seed)
    mutants += [
        one for one in hand_mutants() if options.only is None or one.path.startswith(options.only)
    ]
    with tempfile.TemporaryDirectory(prefix="mutants-") as folder:
        outcomes = run(mutants[options.skip :], Path(folder), options)
    counts = Counter(one.verdict for one in outcomes)
    counted = len(outcomes) - counts["equivalent"]
    noticed = counts["killed"] + counts["timeout"]
    if options.json:
        print(json.dumps([_record(one) for one in outcomes], allow_nan=False))
    else:
        print(f"\n{len(outcomes)} mutants: {', '.join(f'{n} {v}' for v, n in counts.items())}")
        print(f"{noticed} of {counted} that are not equivalent are noticed")
    return 0 if noticed >= NEEDED * counted else 1


def run(mutants: list[Mutant], folder: Path, options: argparse.Namespace) -> list[Outcome]:
    """Each mutant in a free copy of the tree; a line on stderr as soon as one is judged."""
    reach = reach_table(folder)
    copies: SimpleQueue[Copy] = SimpleQueue()
    for number in range(options.jobs):
        copies.put(Copy(folder / f"copy-{number}"))

    truth_copy = Copy(folder / "truth")

    @cache
    def truth() -> dict[str, Any]:
        return battery_of(truth_copy)

    def one(mutant: Mutant) -> Outcome:
        copy = copies.get()
        try:
            outcome = judged(mutant, copy, reach, truth, not options.targeted)
        finally:
            copies.put(copy)
        print(_line(outcome), file=sys.stderr, flush=True)
        return outcome

    with ThreadPoolExecutor(options.jobs) as pool:
        return list(pool.map(one, mutants))


def _record(outcome: Outcome) -> dict[str, Any]:
    """For JSON; of a text that differs the relative difference is null."""
    differences = [
        one._asdict() | {"relative": one.relative if isfinite(one.relative) else None}
        for one in outcome.differences
    ]
    return asdict(outcome) | {"mutant": str(outcome.mutant), "differences": differences}


def _line(outcome: Outcome) -> str:
    text = f"{outcome.verdict:10} {outcome.seconds:6.1f} s  {outcome.mutant}"
    if outcome.by:
        text += f"  by {outcome.by}"
    if outcome.differences:
        most = outcome.differences[0]
        text += (
            f"  {len(outcome.differences)} answers differ, {most.name} by {most.relative:.1e}: "
            f"{most.before[:60]} -> {most.after[:60]}"
        )
    return text


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.mutants", description=__doc__)
    parser.add_argument("--count", type=int, default=150, help="mechanical mutants (150)")
    parser.add_argument("--seed", type=int, default=0, help="of their choice (0)")
    parser.add_argument("--jobs", type=int, default=1, help="mutants at a time (1)")
    parser.add_argument("--only", help="mutants of the files whose path begins so")
    parser.add_argument("--skip", type=int, default=0, help="leave out the first ones")
    parser.add_argument("--targeted", action="store_true", help="only tests that enter the place")
    parser.add_argument("--json", action="store_true", help="every outcome as JSON")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
