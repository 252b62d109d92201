"""Random networks at finite width, measured exactly; names resolve when first used."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from numerics.ensemble import Measurement, measure
    from numerics.fisher import dual_gram

_HOME = {"Measurement": "ensemble", "dual_gram": "fisher", "measure": "ensemble"}
__all__ = ["Measurement", "dual_gram", "measure"]


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'numerics' has no attribute {name!r}")
    return getattr(import_module(f"numerics.{_HOME[name]}"), name)
