r"""Where the uniform mode leaves the bulk: the rule, and measured networks on both sides of it.

An outlier's eigenvector points along the mean gradient, one inside the bulk in no direction at all:
its squared cosine with the mean gradient is then of order 1/N.
"""

import math

import numpy as np
import pytest

from numerics.ensemble import measure
from theory.architecture import MeanSubtraction, Network
from theory.prediction import predict, to_json

M = N = 120


def network(activation, sigma_b2, **changes):
    options = {"depth": 3, "sigma_w2": 2 if activation == "tanh" else 1, "bias_gradients": False}
    return Network(activation, sigma_b2=sigma_b2, **(options | changes))


@pytest.mark.parametrize(
    ("activation", "sigma_b2", "outlier"),
    [
        ("tanh", 0.002, False),
        ("tanh", 0.01, False),
        ("tanh", 0.1, True),
        ("linear", 0.002, False),
        ("linear", 0.01, False),
        ("linear", 0.1, True),
    ],
)
def test_measured_networks_lie_on_the_predicted_side(activation, sigma_b2, outlier):
    net = network(activation, sigma_b2)
    p = predict(net, M, N, regime="proportional")
    assert (p.separation > 1) == outlier
    assert (p.largest_eigenvalue.order == "M") == outlier
    angles = np.radians(measure(net, M, N, seeds=8)["alignment"].values)
    cosine2 = float(np.mean(np.cos(angles) ** 2))
    assert cosine2 > 0.7 if outlier else cosine2 < 0.2


def test_the_linear_network_has_the_separation_of_its_formula():
    r"""Linear, sigma_w = 1, L = 3 equal widths: qh_2^l = l sigma_b2, all T and S are 1.

    So kappa_2 = (0 + 1 + 2) sigma_b2/2; the noise v_tot is 3.5 (test_prediction).
    """
    found = predict(network("linear", 1e-9), 400, 100, regime="proportional")
    kappa2 = (0 + 1 + 2) * 1e-9 / 2
    assert found.separation == pytest.approx(math.sqrt(100 * 400 / 3.5) * kappa2, rel=1e-6)
    assert to_json(found)["separation"] == found.separation


def test_the_rule_belongs_to_linear_outputs_and_growing_samples():
    net = network("tanh", 0.1)
    assert predict(net, M, N).separation is None
    centred = network("tanh", 0.1, last=MeanSubtraction())
    assert predict(centred, M, N, regime="proportional").separation is None
