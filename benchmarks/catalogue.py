"""The scripts of this package, in the order of the page that they make."""

from __future__ import annotations

from typing import NamedTuple


class Script(NamedTuple):
    """One script, ``benchmarks/NAME.py``.

    ``environment``: where it runs, ``own``, ``a`` or ``b`` of ``benchmarks.environments``.
    ``smoke``: its options where all shall be short, None for a script that cannot be, since it
    needs peers or takes its time.
    """

    name: str
    environment: str = "own"
    smoke: str | None = None


SCRIPTS = (
    Script("gram_peers", "a"),
    Script("gram_jacobians", "b"),
    Script("gram_memory", "a"),
    Script("gram", smoke="--width 32 --samples 8 --repeats 1"),
    Script("gram_profile", smoke="--samples 8 --outputs 2 --widths 1 --repeats 1"),
    Script("largest_eigenvalue", smoke="--width 32 --samples 8 --outputs 2 --repeats 1"),
    Script("batchnorm_product", "b"),
    Script("kernel_peers", "a"),
    Script("kernel", smoke="--samples 16 --unequal 4 --points 4 --repeats 1"),
    Script("kernel_profile", smoke="--samples 16 --repeats 1"),
    Script("prediction", smoke="--points 9 --depth 4 --single 2 --repeats 1"),
    Script("cold"),
    Script("first_answer", smoke="--width 16 --samples 4 --repeats 1 --peers 0"),
    Script("large", smoke="--width 64 --samples 8 --narrow 16 --many 20 --count 2"),
    Script("scaling", smoke="--width 8 --samples 4 --outputs 1 --layers 3"),
    Script("conditional", smoke="--width 512 --samples 2 --repeats 1"),
    Script("bulk", smoke="--width 50 --depth 2 --points 2 --repeats 1"),
    Script("store", smoke="--measurements 20 --repeats 1"),
    Script("parallel", smoke="--sizes 1 --repeats 1"),
    Script("cluster"),
)
