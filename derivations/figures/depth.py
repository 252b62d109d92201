r"""Order parameters over the layers, and the part of each layer's weights in the kernel."""

from __future__ import annotations

from typing import Any

import numpy as np

from derivations.figures.lines import draw_series, one_entry_a_name
from derivations.figures.page import row_of_panels
from derivations.figures.record import Picture, Request
from derivations.figures.series import MEASURED, THEORY, Series, panels, series
from theory.architecture import Activation, Network
from theory.prediction import predict

FORWARD, KERNEL = "activations", "kernel of a layer's weights"


def data(asked: Request) -> list[Series]:
    r"""Forward :math:`\hat q_1^l, \hat q_2^l`, and :math:`K_1^l, K_2^l` of the weights of layer l.

    Measured on blocks of networks, means and standard errors.
    """
    assert asked.network is not None
    assert asked.widths is not None
    assert asked.samples is not None
    assert asked.seeds is not None
    network, M, N = asked.network, asked.widths[0], asked.samples
    found = predict(network, M, N)
    order = found.order_parameters
    layers = np.arange(network.depth)
    moments = _moments(network, M, N, asked.seeds)
    blocks = _blocks(network, M, N, asked.seeds)
    theory = [(part.K.K1, part.K.K2) for part in found.blocks]
    shown = []
    for a, predicted in enumerate((order.qh1, order.qh2)):
        name = rf"$\hat q_{a + 1}^l$"
        shown.append(series(FORWARD, name, THEORY, layers, [float(one) for one in predicted]))
        shown.append(series(FORWARD, name, MEASURED, layers, *_mean(moments[a])))
    for a in range(2):
        name = rf"$K_{a + 1}^l$"
        values = [float(K[a]) for K in theory]
        shown.append(series(KERNEL, name, THEORY, layers + 1, values))
        shown.append(series(KERNEL, name, MEASURED, layers + 1, *_mean(blocks[a])))
    return shown


def _mean(values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    return values.mean(axis=0), values.std(axis=0, ddof=1) / len(values) ** 0.5


def _moments(network: Network, width: int, samples: int, seeds: int) -> np.ndarray:
    """Means of squares and of products of two samples' activations, shape (2, networks, L)."""
    from numerics.ensemble import block_size, draw_block, over_blocks
    from numerics.network import propagate

    def block(number: int) -> np.ndarray:
        parameters, inputs = draw_block(network, width, samples, number)
        rows = []
        for h in propagate(network, parameters, inputs).activations:
            square = (h**2).mean(axis=(1, 2))
            together = (h.sum(axis=1) ** 2).mean(axis=-1) / samples
            rows.append((square, (together - square) / (samples - 1)))
        return np.array(rows).transpose(1, 2, 0)

    blocks = over_blocks(block, [(number,) for number in range(-(-seeds // block_size(width)))])
    return np.concatenate(blocks, axis=1)[:, :seeds]


def _blocks(network: Network, width: int, samples: int, seeds: int) -> np.ndarray:
    """K_1 and K_2 of every layer's weights, shape (2, networks, L)."""
    from numerics.engines import engine
    from numerics.ensemble import block_size, over_blocks

    names = [
        f"weights.{l}.{entry}"
        for entry in ("diagonal", "off_diagonal")
        for l in range(1, network.depth + 1)
    ]

    def block(number: int) -> np.ndarray:
        found = engine("explicit").observe(network, width, samples, number, names)
        return np.array([found[name] for name in names])

    blocks = over_blocks(block, [(number,) for number in range(-(-seeds // block_size(width)))])
    values = np.concatenate(blocks, axis=1)[:, :seeds]
    return values.reshape(2, network.depth, -1).swapaxes(1, 2)


def draw(shown: list[Series]) -> Any:
    """The activations on the left, the kernel, logarithmic, on the right."""
    grouped = panels(shown)
    figure, all_axes = row_of_panels(len(grouped), 2.2)
    for axes, (name, found) in zip(all_axes, grouped.items(), strict=True):
        draw_series(axes, found)
        axes.set(title=name, xlabel="layer $l$")
        if name == KERNEL:
            axes.set_yscale("symlog", linthresh=1)  # K_2 of the first layer may be 0
            axes.set_ylim(0, None)
        axes.xaxis.get_major_locator().set_params(integer=True)
        one_entry_a_name(axes)
    return figure


DEPTH = Picture(
    "depth",
    r"Order parameters of every layer: second moments $\hat q_1^l$ and $\hat q_2^l$ of the "
    r"activations of one sample and of two, and the part $K_a^l$ of layer $l$'s weights in the "
    "kernel. Lines: theory. Points: means over random networks with standard errors.",
    Request(
        Network(Activation.named("tanh"), depth=8, sigma_w2=2, sigma_b2=0.1),
        widths=(512,),
        samples=16,
        seeds=32,
    ),
    data,
    draw,
)
