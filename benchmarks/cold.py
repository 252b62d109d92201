"""From the start of a process to its first answer, against the imports of numpy and scipy.special.

Each run is a process of its own, with one thread, and counts its whole CPU time.
"""

from __future__ import annotations

import os
import sys
import tempfile
from argparse import Namespace
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

from benchmarks.environments import variables
from benchmarks.rows import Need, Row, script
from benchmarks.timing import Rounds, Seconds, of_process

NETWORK = 'activation = "{}"\ndepth = 3\nsigma_w2 = 2.0\nsigma_b2 = 0.1\n'
ENTRY = "from derivations.cli import main; raise SystemExit(main())"
PREDICT = """from theory import Network, predict
predict(Network("{}", depth=3, sigma_w2=2, sigma_b2=0.1), 1000, 100).largest_eigenvalue
"""
IMPORTS = "import numpy, scipy.special"


def rows(o: Namespace) -> Iterator[Row]:
    with tempfile.TemporaryDirectory() as folder:
        predictions, measured = tasks(Path(folder), o.width, o.samples)
        processes = {
            name: partial(seconds, arguments)
            for name, arguments in {IMPORTS: ["-c", IMPORTS], **predictions, **measured}.items()
        }
        for process in processes.values():  # compiled, and in the cache of files
            process()
        found = rounds(processes, o.repeats)
    for name in predictions:
        yield Row.of(name, found, name, IMPORTS, needed=Need(1.5))
    for name in measured:
        yield Row.of(name, found, name, IMPORTS)


def tasks(
    folder: Path, width: int, samples: int
) -> tuple[dict[str, list[str]], dict[str, list[str]]]:
    """The predictions and the measurement, as arguments of Python."""
    predictions = {}
    for name in ("relu", "gelu", "tanh"):
        path = folder / f"{name}.toml"
        path.write_text(NETWORK.format(name), encoding="utf-8")
        sized = [str(path), "--width", "1000", "--samples", "100"]
        predictions[f"predict from Python, {name}"] = ["-c", PREDICT.format(name)]
        predictions[f"fisherfield predict, {name}"] = ["-c", ENTRY, "predict", *sized]
    sized = [str(folder / "relu.toml"), "--width", str(width), "--samples", str(samples)]
    command = ["-c", ENTRY, "measure", *sized, "--seeds", "1"]
    return predictions, {f"fisherfield measure, M = {width}, N = {samples}": command}


def seconds(arguments: list[str]) -> Seconds:
    """Those of a Python process with these arguments."""
    return of_process([sys.executable, *arguments], env=variables(os.environ))[1]


def rounds(processes: dict[str, Callable[[], Seconds]], repeats: int) -> Rounds:
    """Each process once in every round."""
    return Rounds(
        tuple({name: process() for name, process in processes.items()} for _ in range(repeats))
    )


if __name__ == "__main__":
    script(__doc__, rows, width=512, samples=100, repeats=9)
