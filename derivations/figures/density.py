"""The law of a bulk over the histogram of measured eigenvalues."""

from __future__ import annotations

from typing import Any

from derivations.figures.page import DARK, LIGHT, blank
from derivations.figures.series import HISTOGRAM, THEORY, Series, series

DENSITY, EDGE, OUTLIERS = "density", "edge", "outliers"
ROOM = 1.15


def of_found(panel: str, found: dict[str, Any]) -> list[Series]:
    """The series of what ``fisherfield spectrum`` found."""
    law, measured = found["density"], found["histogram"]
    shown = [
        series(panel, "networks", HISTOGRAM, measured["edges"], [*measured["density"], 0.0]),
        series(panel, DENSITY, THEORY, law["lambda"], law["value"]),
        series(panel, EDGE, THEORY, [found["edge"]], [0.0]),
    ]
    if found["outliers"]:
        places = found["outliers"]
        shown.append(series(panel, OUTLIERS, THEORY, places, [0.0] * len(places)))
    return shown


def draw_bulk(axes: Any, found: list[Series]) -> None:
    """One network's law over its histogram, with edge and outliers."""
    right, top = 0.0, 0.0
    for one in found:
        right = max(right, float(one.x.max()))
        if one.kind == HISTOGRAM:
            top = float(one.y.max())
            axes.stairs(one.y[:-1], one.x, fill=True, color=LIGHT, edgecolor=DARK, label=one.name)
        elif one.name == EDGE:
            axes.axvline(one.x[0], color="black", linestyle=":", linewidth=0.8, label="edge")
        elif one.name == OUTLIERS:
            axes.plot(one.x, one.y, "kv", clip_on=False, zorder=6, label="outlier, theory")
        else:
            axes.plot(one.x, one.y, color="black", label="theory")
    axes.set(xlim=(0, right), ylim=(0, ROOM * top))


def alone(found: dict[str, Any], title: str) -> Any:
    """The figure of one network, for ``fisherfield spectrum --figure``."""
    figure = blank(height=2.4)
    axes = figure.add_subplot()
    draw_bulk(axes, of_found("", found))
    axes.set(title=title, xlabel=r"eigenvalue $\lambda$", ylabel="density")
    axes.legend()
    return figure
