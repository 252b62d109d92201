"""The page that figures are made for: two columns, 8 point type, readable in grey."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from theory.errors import DescriptionError

COLUMN, PAGE = 3.25, 6.75
"""Inches of one column and of both."""

STYLES: tuple[dict[str, Any], ...] = (
    {"color": "#000000", "linestyle": "-", "marker": "o"},
    {"color": "#0072b2", "linestyle": "--", "marker": "s"},
    {"color": "#d55e00", "linestyle": "-.", "marker": "^"},
    {"color": "#009e73", "linestyle": ":", "marker": "D"},
    {"color": "#cc79a7", "linestyle": (0, (5, 1, 1, 1, 1, 1)), "marker": "v"},
    {"color": "#8a6d00", "linestyle": (0, (1, 1)), "marker": "P"},
    {"color": "#56b4e9", "linestyle": (0, (7, 2)), "marker": "X"},
)
"""Of the series of a panel: colours that colour-blind readers tell apart, with dashes and markers
for paper without colours."""

LIGHT, DARK = "#bcd3e6", "#31526b"
"""Areas, and what stands before them."""

RULES: dict[Any, Any] = {
    "font.family": "serif",
    "font.serif": ["STIXGeneral", "DejaVu Serif"],
    "mathtext.fontset": "stix",
    "font.size": 8,
    "axes.titlesize": 8,
    "axes.linewidth": 0.6,
    "legend.fontsize": 7,
    "legend.frameon": False,
    "lines.linewidth": 1.0,
    "lines.markersize": 3.5,
    "errorbar.capsize": 1.5,
    "pdf.fonttype": 42,
    "svg.hashsalt": "fisherfield",
}
DOTS = 300


@contextmanager
def rules() -> Iterator[None]:
    """Matplotlib with the fonts and sizes of the page; ``DescriptionError`` without matplotlib."""
    try:
        import matplotlib as mpl
    except ImportError:
        raise DescriptionError(
            "a figure needs matplotlib: pip install fisherfield[figures]"
        ) from None
    with mpl.rc_context(RULES):
        yield


def blank(width: float = COLUMN, height: float = 2.4) -> Any:
    """An empty figure of so many inches."""
    try:
        from matplotlib.figure import Figure
    except ImportError:
        raise DescriptionError(
            "a figure needs matplotlib: pip install fisherfield[figures]"
        ) from None
    return Figure(figsize=(width, height), layout="constrained")


def row_of_panels(count: int, height: float = 2.4, **options: Any) -> tuple[Any, list[Any]]:
    """A figure with so many panels beside each other: one in a column, more over the page."""
    figure = blank(COLUMN if count == 1 else PAGE, height)
    return figure, list(figure.subplots(1, count, squeeze=False, **options)[0])


def save(figure: Any, path: str | Path) -> None:
    """Write the figure; the format is that of the name. ``DescriptionError`` where it cannot be."""
    dated = {".pdf": {"CreationDate": None}, ".svg": {"Date": None}}
    try:
        metadata = dated.get(Path(path).suffix.lower())
        figure.savefig(path, dpi=DOTS, metadata=metadata)
    except (OSError, ValueError) as problem:
        reason = str(problem).partition("\n")[0]
        raise DescriptionError(f"cannot write a figure to {path}: {reason}") from None
