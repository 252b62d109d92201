"""Where the scripts run: this package's own environment, and two with peers (``make bench``)."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path

ROOT = Path(__file__).parents[1]
PEERS = ROOT / ".bench"

ONE_THREAD = dict.fromkeys(("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS"), "1")
CHOSEN = ("OPENBLAS_CORETYPE", "OPENBLAS_L2_SIZE")
"""What makes OpenBLAS take other kernels than its own choice for the processor.

The peers' compilers take the processor as it is.
"""


def variables(given: Mapping[str, str]) -> dict[str, str]:
    """The variables of a script's process: one thread, and the kernels of the processor."""
    return {name: value for name, value in given.items() if name not in CHOSEN} | ONE_THREAD


def interpreter(name: str) -> Path:
    """Python of the environment ``own``, ``a`` or ``b``; ends the script where there is none."""
    if name == "own":
        return Path(sys.executable)
    found = PEERS / name / "bin" / "python"
    if not found.exists():
        raise SystemExit(
            f"the peers of benchmarks/peers-{name}.txt are not installed (no {PEERS.name}/{name}): "
            "`make bench` installs them"
        )
    return found
