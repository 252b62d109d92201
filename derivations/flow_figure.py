"""The figure of ``fisherfield flow``: a run beside its flow, its edge, its oscillation, loss."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from derivations.figures import BLUE, RED, figure_class, save
from theory.sharpness_flow import Edge

RUN: dict[str, Any] = {"color": BLUE, "linewidth": 2.5}
THEORY: dict[str, Any] = {"color": "black", "linewidth": 1, "linestyle": "--"}


def flow_figure(found: dict[str, Any], path: str | Path) -> None:
    r"""Draw a record: the coordinate and the sharpness against theory, the oscillation, the loss.

    The sharpness is drawn beside :math:`2/\tilde\eta`, which it follows at the edge; the angle x
    beside :math:`\sqrt{2\varepsilon/(4 + D)}`. Grey lines are events.

    Raises ``DescriptionError`` without matplotlib and for a file that cannot be written.
    """
    figure = figure_class()(figsize=(8.4, 5.6), layout="constrained")
    (trajectory, edge), (oscillation, fall) = figure.subplots(2, 2, sharex=True)
    tau = _numbers(found, "tau")
    trajectory.plot(tau, _numbers(found, "coordinate"), label="run", **RUN)
    trajectory.plot(tau, _numbers(found, "flow_coordinate"), label="flow", **THEORY)
    trajectory.set(ylabel="coordinate on the manifold")
    edge.plot(tau, _numbers(found, "lambda1"), label=r"$\lambda_1$", **RUN)
    second = _numbers(found, "lambda2")
    if np.nanmax(second, initial=0.0) > 0:
        edge.plot(tau, second, color=RED, linewidth=1.5, label=r"$\lambda_2$")
    edge.plot(
        tau, 2 / _numbers(found, "effective_learning_rate"), label=r"$2/\tilde\eta$", **THEORY
    )
    edge.set(ylabel="spherical sharpness")
    oscillation.plot(tau, np.abs(_numbers(found, "x")), label="run", **RUN)
    if not {event["kind"] for event in found["events"]} & {"averages", "underflow"}:
        oscillation.plot(tau, _amplitude(found), label=r"$\sqrt{2\varepsilon/(4+D)}$", **THEORY)
    oscillation.set(ylabel=r"angle $|x|$ off the manifold", xlabel=r"time $\tau$", ylim=(0, None))
    loss = _numbers(found, "loss")
    fall.plot(tau, np.where(loss > 0, loss, np.nan), label="loss", **RUN)
    fall.plot(tau, _numbers(found, "lambda1"), color=RED, linewidth=1.5, label=r"$\lambda_1$")
    fall.set(yscale="log", xlabel=r"time $\tau$", ylabel="loss, sharpness")
    for axes in (trajectory, edge, oscillation, fall):
        for event in found["events"]:
            axes.axvline(event["tau"], color="grey", linewidth=0.8, linestyle=":")
        axes.legend(frameon=False, fontsize="small")
    figure.suptitle(_title(found), fontsize="medium")
    save(figure, path)


def _numbers(found: dict[str, Any], name: str) -> np.ndarray:
    return np.array([np.nan if one is None else one for one in found[name]], dtype=float)


def _amplitude(found: dict[str, Any]) -> np.ndarray:
    """Of one eigenvalue: on the flow, before a crossing."""
    eps = found["eps"] if isinstance(found["eps"], float) else found["eps"][0]
    crossings = (event["tau"] for event in found["events"] if "crossing" in event["kind"])
    edges = (event["tau"] for event in found["events"] if event["kind"] == "edge")
    tau, D = _numbers(found, "tau"), _numbers(found, "D")
    shown = (tau >= max(edges, default=0.0)) & (tau <= min(crossings, default=np.inf))
    return np.sqrt(Edge(1.0, np.where(shown, D, np.nan), 0.0, None).amplitude2(eps))


def _title(found: dict[str, Any]) -> str:
    eps = found["eps"] if isinstance(found["eps"], list) else [found["eps"]]
    sizes = ", ".join(f"{one:.3g}" for one in eps)
    events = sorted({event["kind"] for event in found["events"]})
    what = f"{found['problem']}, seed {found['seed']}, $\\varepsilon$ = {sizes}: {found['regime']}"
    return f"{what}\nevents: {', '.join(events)}" if events else what
