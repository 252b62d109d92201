"""The phase diagram: the plane of the variances, and the edge of chaos through it."""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from derivations.figures.page import blank, rules, save
from derivations.figures.record import Picture, Request
from derivations.figures.series import THEORY, Series, series
from theory.architecture import Activation, Network
from theory.errors import OutOfRegime
from theory.phase import derivative_second_moment, second_moment

COLUMNS, ROWS = 361, 241
VARIANCES, VARIANCES_BY_QUADRATURE = 1600, 160
TINY_Q, SHOWN_Q = 1e-6, 4.0
LARGEST_Q = (1e4, 300.0, 10.0, 1.0)  # as far as phi has moments
UNBOUNDED, RESTLESS, ORDERED, CHAOTIC = range(4)
REGIONS = ("unbounded", "no stable q", "ordered", "chaotic")
LABELS = {
    "unbounded": ("#c9c9c9", "unbounded\n" + r"no $q^*$"),
    "no stable q": ("#efe9dc", "no stable\n" + r"$q^*$"),
    "ordered": ("#9ec5e8", "ordered\n" + r"$\chi_1 < 1$"),
    "chaotic": ("#f2b8a0", "chaotic\n" + r"$\chi_1 > 1$"),
}
STABLE, UNSTABLE, POINT, CORNER = "edge of chaos", "edge at unstable q", "network", "corner"


class Table(NamedTuple):
    """V, V' and W over a grid of variances."""

    q: np.ndarray
    V: np.ndarray
    slope: np.ndarray
    W: np.ndarray


def phase_diagram(
    activation: Activation, path: str | Path, point: tuple[float, float] | None = None
) -> None:
    """Write the diagram of ``plane``; the format is that of the file's name: png, pdf, svg.

    Raises ``DescriptionError`` without matplotlib and for a file that cannot be written,
    ``OutOfRegime`` for a discontinuous activation, which has no edge.
    """
    with rules():
        save(draw(plane(activation, point)), path)


def plane(activation: Activation, point: tuple[float, float] | None = None) -> list[Series]:
    r"""The plane of :math:`\sigma_w^2` and :math:`\sigma_b^2` with the edge of chaos.

    The regions are told apart by :math:`\chi_1 = \sigma_w^2 W(q^*)` at the largest stable
    :math:`q^*`; the edge is its parametric form, which shares nothing with them but V and W.
    A region's points are where it begins in each row of the plane, from the left. ``point`` marks
    one network, "corner" is the last point of the plane.
    """
    table = _table(activation)
    edge = _edge(table)
    right, top = _limits(edge, point)
    w, b = np.linspace(0, right, COLUMNS), np.linspace(0, top, ROWS)
    codes = _regions(table, w, b)
    begins = np.diff(codes, axis=1, prepend=-1) != 0
    panel = str(activation)
    found = []
    for code, name in enumerate(REGIONS):
        rows, columns = np.nonzero(begins & (codes == code))
        if len(rows):
            found.append(series(panel, name, THEORY, w[columns], b[rows]))
    for value, name in ((1, STABLE), (0, UNSTABLE)):
        here = (edge[3] == value) & np.isfinite(edge[1])
        (inside,) = np.nonzero(here & (edge[0] <= 2 * right) & (edge[1] <= 2 * top))
        arcs = np.split(inside, np.flatnonzero(np.diff(inside) > 1) + 1) if len(inside) else []
        for number, arc in enumerate(arcs):
            label = name if number == 0 else f"{name}, arc {number + 1}"
            found.append(series(panel, label, THEORY, edge[0][arc], edge[1][arc]))
    if point is not None:
        found.append(series(panel, POINT, THEORY, [point[0]], [point[1]]))
    return [*found, series(panel, CORNER, THEORY, [right], [top])]


def data(asked: Request) -> list[Series]:
    """The diagram of the network's activation, with the network in it."""
    assert asked.network is not None
    network = asked.network
    return plane(network.activation, (float(network.sigma_w2), float(network.sigma_b2)))


def draw(shown: list[Series]) -> Any:
    """Regions in colours, with their names where they are widest, the edge over them."""
    named = {one.name: one for one in shown}
    right, top = float(named[CORNER].x[0]), float(named[CORNER].y[0])
    w, b = np.linspace(0, right, COLUMNS), np.linspace(0, top, ROWS)
    codes = _filled([named.get(name) for name in REGIONS], right, top)
    point = None if POINT not in named else (float(named[POINT].x[0]), float(named[POINT].y[0]))
    figure = blank(height=2.8)
    axes = figure.add_subplot()
    colours = np.array([[int(c[k : k + 2], 16) for k in (1, 3, 5)] for c, _ in LABELS.values()])
    picture = colours.astype(np.uint8)[codes]
    extent = (0, right, 0, top)
    axes.imshow(picture, origin="lower", extent=extent, aspect="auto", interpolation="bilinear")
    _draw_edge(axes, shown)
    for code in np.unique(codes):
        _label(axes, codes == code, LABELS[REGIONS[code]][1], w, b, point)
    if point is not None:
        style = {"color": "black", "markeredgecolor": "white", "markersize": 6, "clip_on": False}
        axes.plot(*point, "o", linestyle="none", label="the network", zorder=6, **style)
    axes.set(
        xlim=(0, right),
        ylim=(0, top),
        xlabel=r"weight variance $\sigma_w^2$",
        ylabel=r"bias variance $\sigma_b^2$",
        title=shown[0].panel,
    )
    if axes.get_legend_handles_labels()[0]:
        figure.legend(loc="outside lower center", ncols=3)
    return figure


def _filled(regions: list[Series | None], right: float, top: float) -> np.ndarray:
    """The region at every point of the plane, from where each begins."""
    codes = np.full((ROWS, COLUMNS), -1)
    for code, one in enumerate(regions):
        if one is not None:
            rows = np.rint(one.y / top * (ROWS - 1)).astype(int)
            columns = np.rint(one.x / right * (COLUMNS - 1)).astype(int)
            codes[rows, columns] = code
    last = np.maximum.accumulate(np.where(codes >= 0, np.arange(COLUMNS), 0), axis=1)
    return np.take_along_axis(codes, last, axis=1)


def _draw_edge(axes: Any, shown: list[Series]) -> None:
    label = r"edge of chaos, $\chi_1 = 1$"
    for name, style, text in ((STABLE, "-", label), (UNSTABLE, ":", r"at an unstable $q^*$")):
        for one in shown:
            if not one.name.startswith(name):
                continue
            entry = text if one.name == name else None
            if np.ptp(one.x) < 1e-9 and np.ptp(one.y) < 1e-9:
                at = one.x[0], one.y[0]
                axes.plot(*at, "kD", clip_on=False, zorder=5, label=entry, linestyle="none")
            else:
                axes.plot(one.x, one.y, "k", linewidth=1.4, linestyle=style, label=entry)


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
        axes.text(w[column], b[row], text, ha="center", va="center", fontsize=8)


PHASE = Picture(
    "phase",
    r"Phases of a deep network over the variances of its weights and biases: colour by $\chi_1$ at "
    r"the stable variance $q^*$; line: the edge of chaos in parametric form.",
    Request(Network(Activation.named("tanh"), depth=8, sigma_w2=2, sigma_b2=0.1)),
    data,
    draw,
)
