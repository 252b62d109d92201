"""Files that a command writes."""

from __future__ import annotations

import os
from pathlib import Path

from theory.errors import DescriptionError


def check_writable(path: str) -> None:
    """Refuse a directory, and a file in none or in one that is not writable, before anything is
    computed for it."""
    target = Path(path).absolute()
    if target.is_dir() or not target.parent.is_dir():
        raise DescriptionError(f"cannot write {path}: it needs a file in a directory")
    if not os.access(target if target.exists() else target.parent, os.W_OK):
        raise DescriptionError(f"cannot write {path}: permission denied")
