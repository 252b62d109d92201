"""Drawing series: theory as lines, measurements as points with error bars, histograms as steps."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

from derivations.figures.page import DARK, LIGHT, STYLES
from derivations.figures.series import HISTOGRAM, MEASURED, Series


def draw_series(axes: Any, data: Iterable[Series]) -> None:
    """Every name in a style of its own, its theory and its measurements in the same one."""
    names: dict[str, int] = {}
    for one in data:
        if one.kind == HISTOGRAM:
            axes.stairs(one.y[:-1], one.x, fill=True, color=LIGHT, edgecolor=DARK, label=one.name)
            continue
        style = dict(STYLES[names.setdefault(one.name, len(names)) % len(STYLES)])
        if one.kind == MEASURED:
            style |= {"linestyle": "none", "markerfacecolor": "none"}
            error = None if np.isnan(one.error).all() else one.error
            axes.errorbar(one.x, one.y, error, **style, label=one.name, zorder=3)
        else:
            style.pop("marker")
            axes.plot(one.x, one.y, **style, label=f"{one.name}, theory")


def one_entry_a_name(axes: Any, outside: bool = False, **options: Any) -> None:
    """A legend in which line and points of one name share an entry."""
    handles, labels = axes.get_legend_handles_labels()
    entries: dict[str, list[Any]] = {}
    for handle, label in zip(handles, labels, strict=True):
        entries.setdefault(label.removesuffix(", theory"), []).append(handle)
    together = [tuple(entry) for entry in entries.values()]
    if outside:
        axes.figure.legend(together, list(entries), loc="outside lower center", **options)
    else:
        axes.legend(together, list(entries), **options)
