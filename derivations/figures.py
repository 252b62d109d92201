"""Figures: everything in them is computed; matplotlib is an optional extra."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from theory.errors import DescriptionError, OutOfRegime
from theory.phase import derivative_second_moment, second_moment

if TYPE_CHECKING:
    from theory.activations import Activation

COLUMNS, ROWS = 361, 241
VARIANCES, VARIANCES_BY_QUADRATURE = 1600, 160
TINY_Q, SHOWN_Q = 1e-6, 4.0
LARGEST_Q = (1e4, 300.0, 10.0, 1.0)  # as far as phi has moments
BLUE, RED, GREY, PALE = "#9ec5e8", "#f2b8a0", "#c9c9c9", "#e6e0d4"
UNBOUNDED, RESTLESS, ORDERED, CHAOTIC = range(4)
LABELS = {
    UNBOUNDED: (GREY, "unbounded\n" + r"no $q^*$"),
    RESTLESS: (PALE, "no stable\n" + r"$q^*$"),
    ORDERED: (BLUE, "ordered\n" + r"$\chi_1 < 1$"),
    CHAOTIC: (RED, "chaotic\n" + r"$\chi_1 > 1$"),
}


class Table(NamedTuple):
    """V, V' and W over a grid of variances."""

    q: np.ndarray
    V: np.ndarray
    slope: np.ndarray
    W: np.ndarray


def phase_diagram(
    activation: Activation, path: str | Path, point: tuple[float, float] | None = None
) -> None:
    r"""Draw the plane of :math:`\sigma_w^2` and :math:`\sigma_b^2` with the edge of chaos.

    The regions are coloured by :math:`\chi_1 = \sigma_w^2 W(q^*)` at the largest stable
    :math:`q^*`; the edge is its parametric form, which shares nothing with the colours but V and
    W. ``point`` marks one network. The format is that of the file's name: png, pdf, svg.

    Raises ``DescriptionError`` without matplotlib and for a file that cannot be written,
    ``OutOfRegime`` for a discontinuous activation, which has no edge.
    """
    Figure = _figure_class()
    table = _table(activation)
    edge = _edge(table)
    right, top = _limits(edge, point)
    w, b = np.linspace(0, right, COLUMNS), np.linspace(0, top, ROWS)
    regions = _regions(table, w, b)
    figure = Figure(figsize=(5.6, 4.2), layout="constrained")
    axes = figure.add_subplot()
    colours = np.array([[int(c[k : k + 2], 16) for k in (1, 3, 5)] for c, _ in LABELS.values()])
    extent = (0, right, 0, top)
    picture = colours.astype(np.uint8)[regions]
    axes.imshow(picture, origin="lower", extent=extent, aspect="auto", interpolation="bilinear")
    _draw_edge(axes, edge)
    for region in np.unique(regions):
        _label(axes, regions == region, LABELS[int(region)][1], w, b, point)
    if point is not None:
        style = {"color": "black", "markeredgecolor": "white", "markersize": 8, "clip_on": False}
        axes.plot(*point, "o", linestyle="none", label="the network", zorder=6, **style)
    axes.set(
        xlim=(0, right),
        ylim=(0, top),
        xlabel=r"weight variance $\sigma_w^2$",
        ylabel=r"bias variance $\sigma_b^2$",
        title=f"Phases of a deep network: {activation}",
    )
    if axes.get_legend_handles_labels()[0]:
        figure.legend(loc="outside lower center", ncols=3, frameon=False, fontsize="small")
    _save(figure, path)


def spectrum_figure(found: dict[str, Any], title: str, path: str | Path) -> None:
    """Draw what ``fisherfield spectrum`` found: the law over the histogram, the edge, outliers.

    Raises ``DescriptionError`` without matplotlib and for a file that cannot be written.
    """
    figure = _figure_class()(figsize=(5.6, 3.6), layout="constrained")
    axes = figure.add_subplot()
    measured, law = found["histogram"], found["density"]
    label = f"{found['seeds']} networks, M = {found['width']}, N = {found['samples']}"
    axes.stairs(measured["density"], measured["edges"], fill=True, color=BLUE, label=label)
    axes.plot(law["lambda"], law["value"], color="black", linewidth=1.2, label="theory")
    axes.axvline(found["edge"], color="grey", linestyle=":", label="edge")
    if found["outliers"]:
        places = found["outliers"], [0] * len(found["outliers"])
        axes.plot(*places, "v", color="black", clip_on=False, zorder=6, label="outlier")
    right = 1.1 * max(found["edge"], found["histogram"]["edges"][-1], *found["outliers"])
    axes.set(
        xlim=(0, right),
        ylim=(0, 1.15 * max(measured["density"])),
        xlabel=r"eigenvalue $\lambda$",
        ylabel="density",
        title=title,
    )
    axes.legend(frameon=False, fontsize="small")
    _save(figure, path)


def _save(figure: Any, path: str | Path) -> None:
    try:
        figure.savefig(path, dpi=160)
    except (OSError, ValueError) as problem:
        reason = str(problem).partition("\n")[0]
        raise DescriptionError(f"cannot write a figure to {path}: {reason}") from None


def _figure_class() -> Any:
    try:
        from matplotlib.figure import Figure
    except ImportError:
        raise DescriptionError(
            "a figure needs matplotlib: pip install fisherfield[figures]"
        ) from None
    return Figure


def _table(activation: Activation) -> Table:
    from theory.gaussian import closed_kernel

    closed = closed_kernel(activation) is not None
    count = VARIANCES if closed else VARIANCES_BY_QUADRATURE
    for top in LARGEST_Q:
        q = np.geomspace(TINY_Q, top, count)
        try:
            V, W = second_moment(activation, q), derivative_second_moment(activation, q)
            break
        except OutOfRegime:
            if top == LARGEST_Q[-1]:
                raise
    if not closed:  # V and W are smooth in log q
        from scipy.interpolate import CubicSpline

        fine = np.geomspace(TINY_Q, top, VARIANCES)
        V, W = (CubicSpline(np.log(q), y)(np.log(fine)) for y in (V, W))
        q = fine
    return Table(q, V, np.gradient(V, np.log(q), edge_order=2) / q, W)


def _edge(table: Table) -> np.ndarray:
    """Rows sigma_w2, sigma_b2, q and whether q is stable; nan where sigma_b2 < 0."""
    w, b = 1 / table.W, table.q - table.V / table.W
    stable = np.abs(w * table.slope) < 1 + 1e-3
    b = np.where(np.abs(b) <= 1e-12 * table.q, 0.0, b)
    edge = np.stack([w, b, table.q, stable])
    edge[:, (b < 0) | ~np.isfinite(w)] = np.nan
    return edge


def _limits(edge: np.ndarray, point: tuple[float, float] | None) -> tuple[float, float]:
    shown = edge[:, (edge[2] <= SHOWN_Q) & (edge[3] == 1)]
    shown = shown if shown.size else edge[:, edge[2] <= SHOWN_Q]
    right, top = (1.3 * shown[0].max(), shown[1].max()) if shown.size else (4.0, 1.0)
    top = top if top > 1e-3 else right / 4
    if point is not None:
        right, top = max(right, 1.25 * point[0]), max(top, 1.25 * point[1])
    return float(right), float(top)


def _regions(table: Table, w: np.ndarray, b: np.ndarray) -> np.ndarray:
    r"""The phase at every (w, b), from the largest stable root of :math:`q - w V(q) = b`."""
    found = np.empty((len(b), len(w)), dtype=int)
    for column, sigma_w2 in enumerate(w):
        fixed = table.q - sigma_w2 * table.V
        slope = sigma_w2 * table.slope
        chi_1 = sigma_w2 * table.W
        upward = (fixed[None, :-1] <= b[:, None]) & (fixed[None, 1:] > b[:, None])
        stable = upward & (slope[:-1] > -1)
        last = upward.shape[1] - 1 - np.argmax(stable[:, ::-1], axis=1)
        phase = np.where(chi_1[last] > 1, CHAOTIC, ORDERED)
        phase = np.where(stable.any(axis=1), phase, np.where(upward.any(axis=1), RESTLESS, -1))
        below = np.where((b < fixed[0]) & (slope[0] < 1), ORDERED, UNBOUNDED)
        found[:, column] = np.where(phase < 0, below, phase)
    return found


def _draw_edge(axes: Any, edge: np.ndarray) -> None:
    name = r"edge of chaos, $\chi_1 = 1$"
    w, b, _, stable = edge
    if np.all(np.isnan(w)):
        return
    if np.nanmax(w) - np.nanmin(w) < 1e-9 and np.nanmax(b) - np.nanmin(b) < 1e-9:
        point = np.nanmean(w), np.nanmean(b)
        axes.plot(*point, "kD", clip_on=False, zorder=5, label=name, linestyle="none")
        return
    for value, style, label in ((1, "-", name), (0, ":", r"at an unstable $q^*$")):
        if np.any(stable == value):
            axes.plot(
                np.where(stable == value, w, np.nan),
                np.where(stable == value, b, np.nan),
                color="black",
                linewidth=2,
                linestyle=style,
                label=label,
            )


def _label(
    axes: Any,
    inside: np.ndarray,
    text: str,
    w: np.ndarray,
    b: np.ndarray,
    point: tuple[float, float] | None,
) -> None:
    """Write where the region is widest, seen on the page and off the point; not in a sliver."""
    from scipy.ndimage import distance_transform_edt

    page = np.pad(inside, 1)
    if point is not None:
        page[1 + np.abs(b - point[1]).argmin(), 1 + np.abs(w - point[0]).argmin()] = False
    distance = distance_transform_edt(page, sampling=(3 / ROWS, 4 / COLUMNS))[1:-1, 1:-1]
    row, column = np.unravel_index(np.argmax(distance), distance.shape)
    if distance[row, column] > 0.2:
        axes.text(w[column], b[row], text, ha="center", va="center", fontsize=12)
