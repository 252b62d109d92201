"""Theorems: proved, predicted, measured, judged; names resolve when first used."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from derivations.catalogue import THEOREMS
    from derivations.claims import claim
    from derivations.evidence import check

_HOME = {"THEOREMS": "catalogue", "check": "evidence", "claim": "claims"}
__all__ = ["THEOREMS", "check", "claim"]


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'derivations' has no attribute {name!r}")
    return getattr(import_module(f"derivations.{_HOME[name]}"), name)
