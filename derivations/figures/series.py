"""The data of a figure: named series of numbers, in a CSV file that draws the figure again."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from theory.errors import DescriptionError

COLUMNS = ("panel", "series", "kind", "x", "y", "error")

THEORY, MEASURED, HISTOGRAM = "theory", "measured", "histogram"


class Series(NamedTuple):
    """Points (x, y) of one panel under one name.

    ``kind``: where the numbers come from, "theory" or "measured"; in a "histogram" x are the left
    edges of the bins, and the last x, with y 0, closes it. ``error`` (n,): standard errors of y,
    NaN where there is none.
    """

    panel: str
    name: str
    kind: str
    x: np.ndarray
    y: np.ndarray
    error: np.ndarray


def series(
    panel: str, name: str, kind: str, x: ArrayLike, y: ArrayLike, error: ArrayLike = np.nan
) -> Series:
    """A series from anything like arrays; one error stands for all points.

    >>> series("", "edge", THEORY, [1.0, 2.0], [3.0, 4.0]).error
    array([nan, nan])
    """
    x, y = np.asarray(x, float), np.asarray(y, float)
    return Series(panel, name, kind, x, y, np.broadcast_to(np.asarray(error, float), x.shape))


def panels(data: Iterable[Series]) -> dict[str, list[Series]]:
    """The series of each panel, in the order of their first appearance."""
    found: dict[str, list[Series]] = {}
    for one in data:
        found.setdefault(one.panel, []).append(one)
    return found


def to_csv(data: Iterable[Series], origin: Sequence[str]) -> str:
    """A line for each point, 17 digits, after comment lines with the origin of the numbers."""
    text = io.StringIO()
    text.writelines(f"# {line}\n" for line in origin)
    rows = csv.writer(text, lineterminator="\n")
    rows.writerow(COLUMNS)
    for one in data:
        for x, y, error in zip(one.x.tolist(), one.y.tolist(), one.error.tolist(), strict=True):
            empty_or = "" if np.isnan(error) else repr(error)
            rows.writerow((one.panel, one.name, one.kind, repr(x), repr(y), empty_or))
    return text.getvalue()


def origin_of(path: str | Path) -> list[str]:
    """The comment lines of a file that ``to_csv`` wrote."""
    lines = Path(path).read_text(encoding="utf-8").splitlines()
    return [line.removeprefix("# ") for line in lines if line.startswith("# ")]


def read_csv(path: str | Path) -> list[Series]:
    """The series of a file that ``to_csv`` wrote; ``DescriptionError`` for any other file."""
    try:
        lines = Path(path).read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as problem:
        raise DescriptionError(f"cannot read the data of a figure from {path}: {problem}") from None
    rows = csv.reader(line for line in lines if not line.startswith("#"))
    if tuple(next(rows, ())) != COLUMNS:
        raise DescriptionError(
            f"{path} is not the data of a figure: it needs the columns {','.join(COLUMNS)}"
        )
    points: dict[tuple[str, str, str], list[tuple[float, float, float]]] = {}
    for number, row in enumerate(rows, start=1):
        try:
            panel, name, kind, x, y, error = row
            point = float(x), float(y), float(error) if error else np.nan
        except ValueError:
            raise DescriptionError(
                f"{path}: row {number} is not a point: {','.join(row)}"
            ) from None
        points.setdefault((panel, name, kind), []).append(point)
    return [Series(*key, *np.array(found).T) for key, found in points.items()]
