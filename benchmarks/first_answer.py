"""From the start of a process to an answer: ours and the peers, each a fresh process, interleaved.

Counted is all that the process took of the processor: interpreter, imports, compiling, computing.
Every process gets the same network from a file, and must give the same number. Beside the need on
batch norm stands the least that a program in numpy can take: a process that imports it and ends.
"""

from __future__ import annotations

import tempfile
from argparse import Namespace
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from statistics import median

import numpy as np

from benchmarks import peers
from benchmarks.cases import relu
from benchmarks.environments import ROOT, interpreter
from benchmarks.rows import Need, Row, script
from benchmarks.timing import Seconds, of_process

GRAMS = {"neural-tangents": "a", "jax.jacrev": "b", "torch.func": "b", "nngeometry": "b"}
"""The environment of each peer."""

CLOSE = 1e-9


def rows(o: Namespace) -> Iterator[Row]:
    with tempfile.TemporaryDirectory() as folder:
        plain, normalized = Path(folder, "plain.npz"), Path(folder, "batchnorm.npz")
        save(plain, o.width, o.samples, 1)
        save(normalized, o.wide, o.many, o.outputs)
        size = f"M = {o.width}, L = 3, N = {o.samples}, C = 1"
        ways = {"ours": "own"} | (GRAMS if o.peers else {})
        found = measured(ways, plain, o.repeats)
        claim = f"first largest eigenvalue, from process start, {size}"
        yield Row(claim, cpu(found["ours"]), needed=Need(0.5))
        for name in list(ways)[1:]:
            yield compared(claim, found["ours"], found[name], name, None)
        if o.peers:
            ways = {"ours-batchnorm": "own", "jax-batchnorm": "b"}
            ours, theirs = measured(ways, normalized, o.repeats).values()
            size = f"M = {o.wide}, L = 3, N = {o.many}, C = {o.outputs}"
            claim = f"first product with the dual of hidden batch norm, from process start, {size}"
            yield compared(claim, ours, theirs, "jitted JAX", Need(1 / 15))
            least = [imported() for _ in theirs]
            yield compared(
                f"import numpy alone, beside the {claim}", least, theirs, "jitted JAX", None
            )


def save(file: Path, M: int, N: int, C: int) -> None:
    """Write a network and its inputs."""
    case = relu(M, 3, N, C)
    layers = peers.of(case.parameters)
    arrays = {f"W{l}": W for l, (W, _) in enumerate(layers, 1)}
    arrays |= {f"b{l}": b for l, (_, b) in enumerate(layers, 1)}
    np.savez(file, x=case.inputs, **arrays)


def measured(ways: dict[str, str], file: Path, repeats: int) -> dict[str, list[Seconds]]:
    """The seconds of every way, after one process each that fills the disk's cache."""
    tasks = {way: partial(process, way, interpreter(place), file) for way, place in ways.items()}
    answers = {way: task()[0] for way, task in tasks.items()}
    first = next(iter(answers.values()))
    for way, answer in answers.items():
        if not abs(answer / first - 1) <= CLOSE:
            raise SystemExit(f"{way} answers {answer!r}, {next(iter(ways))} {first!r}")
    found: dict[str, list[Seconds]] = {way: [] for way in ways}
    for _ in range(repeats):
        for way, task in tasks.items():
            found[way].append(task()[1])
    return found


def process(way: str, python: Path, file: Path) -> tuple[float, Seconds]:
    """The answer of a fresh process, and its seconds."""
    printed, taken = of_process([python, "-m", "benchmarks.one_answer", way, file], cwd=ROOT)
    return float(printed), taken


def imported() -> Seconds:
    """Those of a process that imports numpy and does nothing."""
    return of_process([interpreter("own"), "-c", "import numpy"])[1]


def cpu(found: list[Seconds]) -> float:
    return median(one.cpu for one in found)


def compared(
    claim: str, ours: list[Seconds], theirs: list[Seconds], name: str, needed: Need | None
) -> Row:
    pairs = list(zip(ours, theirs, strict=True))
    return Row(
        claim,
        cpu(ours),
        "s",
        cpu(theirs),
        name,
        median(a.cpu / b.cpu for a, b in pairs),
        needed,
        wall=(median(a.wall for a, _ in pairs), median(b.wall for _, b in pairs)),
    )


if __name__ == "__main__":
    defaults = {"width": 512, "samples": 100, "wide": 1024, "many": 256, "outputs": 10}
    script(__doc__, rows, **defaults, repeats=3, peers=1)
