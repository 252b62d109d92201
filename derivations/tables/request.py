"""What a table is asked with."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from derivations.tables.stored import Stored
from theory.architecture import Network


@dataclass(frozen=True)
class Request:
    """Measurements from a store, or afresh where it is None; a network; who hears of progress."""

    stored: Stored | None = None
    network: Network | None = None
    say: Callable[[str], None] | None = None
