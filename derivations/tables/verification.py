"""Whether the numbers of a table's file are those that predictions and measurements give."""

from __future__ import annotations

import re

from uncertainties import ufloat_fromstr

from derivations.tables import header
from derivations.tables.formats import Format
from derivations.tables.header import Header
from derivations.tables.record import MISSING, Kind, Table
from numerics.ensemble import SEED_BASE

EXPONENT = re.compile(r"(e[+-]?\d+)$")


def differences(
    body: str, found: Header, form: Format, table: Table, label: str | None, loose: bool
) -> list[str]:
    """What differs between a file and the table made anew, by row and column; none if all agrees.

    Predictions and words are compared as printed. So are measurements, or, where ``loose``, they
    may differ by one unit of the last digit.
    """
    said = [] if header.digest(body) == found.digest else ["the SHA-256 of the body"]
    if found.seed_base != SEED_BASE:
        said.append(f"the seed base, {SEED_BASE} expected")
    if not loose and found.key != table.key:
        said.append(f"the store key, {table.key} expected")
    fresh = form.render(table, label)
    if form.skeleton(body) != form.skeleton(fresh):
        said.append("the text around the rows")
    here, there = form.cells(body), form.cells(fresh)
    if len(here) != len(there):
        return [*said, f"the number of rows: {len(here)}, {len(there)} expected"]
    for number, (row, expected) in enumerate(zip(here, there, strict=True), start=1):
        if len(row) != len(expected):
            said.append(f"the number of cells in row {number}")
            continue
        for column, one, other in zip(table.columns, row, expected, strict=True):
            close = loose and column.kind is Kind.MEASURED
            if not (within_a_digit(one, other) if close else one == other):
                said.append(f"row {number}, {column.name}: {one or 'nothing'}, {other} expected")
    return said


def within_a_digit(one: str, other: str) -> bool:
    """Whether printed measurements, and their errors, differ by one unit of the last digit at most.

    The unit is that of the coarser one.

    >>> within_a_digit("1.234(12)", "1.235(11)"), within_a_digit("1.234(12)", "1.236(12)")
    (True, False)
    """
    if one == other:
        return True
    if MISSING in one or MISSING in other:
        return False
    try:
        (value, error), (again, error_again) = _parsed(one), _parsed(other)
    except ValueError:
        return False
    if (error is None) != (error_again is None):
        return False
    unit = max(_unit(one), _unit(other)) * (1 + 1e-9)
    return abs(value - again) <= unit and abs((error or 0) - (error_again or 0)) <= unit


def _parsed(text: str) -> tuple[float, float | None]:
    """Value and error of a printed measurement."""
    if "(" not in text:
        return float(text), None
    number = ufloat_fromstr(text)
    return float(number.nominal_value), float(number.std_dev)


def _unit(text: str) -> float:
    """One unit of the last printed digit.

    >>> _unit("1.234(12)"), _unit("2.50e-05"), _unit("23.4(4.2)")
    (0.001, 1e-07, 0.1)
    """
    power = EXPONENT.search(text)
    decimals = len(text.partition("(")[0].partition("e")[0].partition(".")[2])
    return float(f"1e{(int(power[0][1:]) if power else 0) - decimals}")
