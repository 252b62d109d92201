"""From the start of a process to its first answer, against the imports of numpy and scipy.special.

Each run is a process of its own, with one thread, and counts its whole CPU time.
"""

from __future__ import annotations

import argparse
import os
import platform
import subprocess
import sys
import tempfile
from pathlib import Path
from resource import RUSAGE_CHILDREN, getrusage
from statistics import median

import numpy as np
import scipy

NETWORK = 'activation = "{}"\ndepth = 3\nsigma_w2 = 2.0\nsigma_b2 = 0.1\n'
ENTRY = "from derivations.cli import main; raise SystemExit(main())"
PREDICT = """from theory import Network, predict
predict(Network("{}", depth=3, sigma_w2=2, sigma_b2=0.1), 1000, 100).largest_eigenvalue
"""
THREADS = ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS")


def seconds(arguments: list[str]) -> float:
    """CPU seconds, user and system, of a Python process with these arguments."""
    before = getrusage(RUSAGE_CHILDREN)
    subprocess.run(
        [sys.executable, *arguments],
        check=True,
        stdout=subprocess.DEVNULL,
        env=os.environ | dict.fromkeys(THREADS, "1"),
    )
    after = getrusage(RUSAGE_CHILDREN)
    return after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime


def tasks(folder: Path, width: int, samples: int) -> dict[str, list[str]]:
    """What is measured, as arguments of Python; the first is what the others are compared with."""
    found = {"import numpy, scipy.special": ["-c", "import numpy, scipy.special"]}
    for name in ("relu", "gelu", "tanh"):
        path = folder / f"{name}.toml"
        path.write_text(NETWORK.format(name), encoding="utf-8")
        sized = [str(path), "--width", "1000", "--samples", "100"]
        found[f"predict from Python, {name}"] = ["-c", PREDICT.format(name)]
        found[f"fisherfield predict, {name}"] = ["-c", ENTRY, "predict", *sized]
    sized = [str(folder / "relu.toml"), "--width", str(width), "--samples", str(samples)]
    found[f"fisherfield measure, M = {width}, N = {samples}"] = [
        *("-c", ENTRY, "measure", *sized, "--seeds", "1")
    ]
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    for name, default in {"width": 512, "samples": 100, "repeats": 9}.items():
        parser.add_argument(f"--{name}", type=int, default=default)
    o = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        named = tasks(Path(folder), o.width, o.samples)
        for arguments in named.values():  # compiled, and in the cache of files
            seconds(arguments)
        runs = [{name: seconds(a) for name, a in named.items()} for _ in range(o.repeats)]
    print(
        f"Python {platform.python_version()}, numpy {np.__version__}, scipy {scipy.__version__}, "
        f"{platform.machine()}, one thread, CPU seconds of a process, medians of {o.repeats} "
        "interleaved runs"
    )
    imports = median(run[next(iter(named))] for run in runs)
    for name in named:
        taken = median(run[name] for run in runs)
        print(f"{name:38}: {taken:.3f} s, {taken / imports:.2f} times the imports")


if __name__ == "__main__":
    main()
