"""The dual Gram matrix of the peers that hold Jacobians, at a size that they can do, and ours."""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Iterator

from benchmarks.cases import relu
from benchmarks.gram_peers import against
from benchmarks.rows import Row, script


def rows(o: Namespace) -> Iterator[Row]:
    case = relu(o.width, 3, o.samples, o.outputs)
    for name in ("jax.jacrev", "torch.func", "nngeometry"):
        yield against(name, case, o.repeats, None)


if __name__ == "__main__":
    script(__doc__, rows, width=256, samples=32, outputs=10, repeats=5)
