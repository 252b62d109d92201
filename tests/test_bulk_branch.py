"""The physical branch of the bulk: an edge next to a fold, and the density along any path."""

from __future__ import annotations

import numpy as np
import pytest

from theory.architecture import Network
from theory.bulk import density, right_edge
from theory.bulk.edge import edge_of
from theory.bulk.model import Model, model
from theory.bulk.orthogonal import largest_of_orthogonal
from theory.bulk.system import System


def deep(name: str, width: int) -> Model:
    """Five layers, ten outputs and twenty samples per unit: few units of large weight matter."""
    sigma_w2 = 2 if name == "relu" else 1
    net = Network(name, depth=5, sigma_w2=sigma_w2, sigma_b2=0.1, outputs=10)
    scale = 1 + largest_of_orthogonal(10).mean / width**0.5
    return model(net, 0.05, width, scale=scale)


@pytest.mark.parametrize(
    ("name", "width"), [("relu", 300), ("relu", 1000), ("abs", 100), ("abs", 600)]
)
def test_an_edge_next_to_a_fold(name: str, width: int) -> None:
    chain = deep(name, width)
    system = System(chain)
    edge, point = edge_of(system)
    # the unknowns change more than a hundred times as fast as g
    assert np.max(np.abs(point.tangent * point.g / point.unknowns)) > 100
    assert abs(point.slope) * point.g**2 < 1e-5
    inside, outside = density(chain, np.array([0.999, 1.001]) * edge.value, 1e-8)
    assert inside > 1e3 * outside


def test_the_edge_moves_smoothly_with_the_width() -> None:
    widths = np.array([100, 200, 300, 400, 600, 1000])
    for name in ("relu", "abs"):
        edges = np.array([right_edge(deep(name, int(M))).value for M in widths])
        # in 1/sqrt(M), as the scale of the output weights
        smooth = np.polyval(np.polyfit(widths**-0.5, edges, 2), widths**-0.5)
        assert np.all(np.diff(edges) < 0)
        assert np.max(np.abs(edges / smooth - 1)) < 2e-3


@pytest.mark.parametrize("smoothing", [1e-5, 3e-4])
@pytest.mark.parametrize(
    "chain",
    [
        pytest.param(
            model(Network("relu", depth=4, sigma_w2=2, sigma_b2=0.1), 1.0, 100), id="relu"
        ),
        pytest.param(
            model(Network("tanh", depth=4, sigma_w2=3, sigma_b2=0.64), 1.0, 400), id="tanh"
        ),
    ],
)
def test_density_does_not_depend_on_the_other_values(chain: Model, smoothing: float) -> None:
    """Few values are far apart, many lead from one to the next."""
    edge = right_edge(chain).value
    path = edge * np.linspace(1.02, 0.02, 121)
    few = density(chain, path[[12, 30, 90]], smoothing)
    assert few == pytest.approx(density(chain, path, smoothing)[[12, 30, 90]], rel=1e-8)
    assert few.min() > 1e-4
