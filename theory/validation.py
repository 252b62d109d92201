"""What fields of records have in common: how they are checked, compared and written down."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from difflib import get_close_matches
from math import isfinite
from numbers import Real
from typing import Any

from theory.errors import DescriptionError
from theory.expression import exact

Number = Any  # int, float, Fraction, or a sympy expression


def look_up(name: Any, table: Mapping[str, Any], what: str) -> Any:
    """The entry of this name; refuses an unknown one, with those that are known."""
    if not isinstance(name, str) or name not in table:
        raise DescriptionError(f"unknown {what} {name!r}; known: {', '.join(table)}")
    return table[name]


def check_key(key: Any, known: Any, where: str) -> None:
    """Refuse a key that is not known, with the nearest one that is."""
    if key not in known:
        near = get_close_matches(str(key), known, n=1)
        hint = f"; did you mean {near[0]!r}?" if near else f"; known: {', '.join(known) or 'none'}"
        raise DescriptionError(f"{where}: unknown key {key!r}{hint}")


def symbolic(value: Any) -> bool:
    """Whether the value is a sympy expression that is not a number."""
    return hasattr(value, "is_positive") and not getattr(value, "is_number", True)


def check_real(name: str, value: Any) -> None:
    """Refuse what is neither a finite real number nor symbolic."""
    if symbolic(value):
        return
    try:
        real = isinstance(value, Real) or getattr(value, "is_real", False) is True
        finite = real and not isinstance(value, bool) and isfinite(value)
    except (TypeError, OverflowError):
        finite = False
    if not finite:
        raise DescriptionError(f"{name} must be a finite number, {value!r} given")


def check_positive(name: str, value: Any) -> None:
    check_real(name, value)
    if not (value.is_positive if symbolic(value) else value > 0):
        raise DescriptionError(f"{name} must be positive, {value!r} given")


def at_least_zero(value: Any) -> bool:
    return bool(value.is_nonnegative if symbolic(value) else value >= 0)


def whole(name: str, value: Any, least: int) -> int:
    """The value as an int; refuses what is no whole number, or less than the least."""
    if isinstance(value, bool) or not hasattr(value, "__index__"):
        raise DescriptionError(f"{name} must be a whole number, {value!r} given")
    if value < least:
        raise DescriptionError(f"{name} must be at least {least}, {value} given")
    return int(value)


def listed(value: Any) -> bool:
    """Whether the value is a list of values, not a text."""
    return isinstance(value, Sequence) and not isinstance(value, str | bytes)


def plain(value: Any) -> Any:
    """A number as JSON knows it: whole numbers as such, so that 2 and 2.0 read the same."""
    if isinstance(value, tuple):
        return [plain(item) for item in value]
    if symbolic(value):
        return str(value)
    rational = exact(value)
    same_whole_number = rational.denominator == 1 and rational == value
    return rational.numerator if same_whole_number else float(value)


def short(value: Any) -> str:
    """A number to four digits, for a line of text."""
    if isinstance(value, tuple):
        return f"[{', '.join(map(short, value))}]"
    return str(value) if symbolic(value) else f"{float(value):.4g}"
