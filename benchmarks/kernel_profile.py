"""Where the time of the kernels of given inputs goes, ReLU, 10 layers, made afresh.

The map through the layers is evaluated for every unordered pair, and made once. The number beside
is the time for one pair, or for one layer of the map. Times are means under a profiler, which slows
what is many small calls, as making the map is.
"""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Iterator
from functools import partial

from benchmarks.kernel import afresh, inputs
from benchmarks.profiles import profiled
from benchmarks.rows import Row, script
from theory.architecture import Network

MADE = "the map through the layers made"
PARTS = {
    ("inputs.py", "warn_if_far"): "the inputs checked",
    ("data_pairs.py", "inputs"): "norms and directions",
    ("data_pairs.py", "one_minus_c"): "1 - c of the pairs",
    ("equal_norms.py", "equal_norms"): MADE,
    ("depth.py", "_series"): "the map at all pairs",
}


def rows(o: Namespace) -> Iterator[Row]:
    network = Network("relu", depth=o.depth, sigma_w2=2.0, sigma_b2=0.1, parameterization="ntk")
    X = inputs(o.samples, o.columns)
    pairs = o.samples * (o.samples + 1) // 2
    for part, seconds in profiled(partial(afresh, network, X), PARTS, o.repeats).items():
        each, of = (o.depth - 1, "layer") if part == MADE else (pairs, "pair")
        yield Row(
            f"{part}, {o.samples} x {o.samples} inputs, L = {o.depth}",
            1e3 * seconds,
            "ms",
            note=f"{seconds / each * 1e9:.0f} ns a {of}",
        )


if __name__ == "__main__":
    script(__doc__, rows, samples=512, columns=64, depth=10, repeats=20)
