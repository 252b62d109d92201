"""Where the scripts run: this package's own environment, and two with peers (``make bench``)."""

from __future__ import annotations

import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]
PEERS = ROOT / ".bench"


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
