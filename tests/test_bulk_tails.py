"""How far the top of the bulk is from networks where few units of large weight decide it."""

from __future__ import annotations

import numpy as np
import pytest

from numerics.eigenvalues import eigenvalues
from theory.architecture import Network
from theory.bulk import top
from theory.bulk.model import model
from theory.prediction import predict


def excess(net: Network, width: int, samples: int, seeds: range) -> tuple[float, float]:
    """Predicted over measured mean, less 1, with its standard error; the trace divided out."""
    trace = model(net, width / samples, width).trace
    tops = []
    for one in eigenvalues(net, width, samples, seeds):
        bulk = one.values[int(net.outputs) :]  # centring leaves a zero of each output
        tops.append(bulk[-1] * trace / bulk.mean())
    values = np.array(tops)
    ratio = top(net, width, samples).value / values.mean()
    return ratio - 1, float(ratio * values.std(ddof=1) / np.sqrt(values.size) / values.mean())


PLAIN = ("6 % too high and 8 % too low", -0.08, 0.06)
WIDE = ("17 % too low with 10 outputs", -0.17, 0.06)
EVEN = ("30 % too high", 0.06, 0.30)
UNEQUAL = {"activation": "relu", "depth": 3, "sigma_w2": 2, "ratios": [1, 2, 0.5]}
CASES = [  # M, N, networks, what predict says of them: least and greatest excess of the value
    ({"activation": "gelu", "depth": 4, "sigma_w2": 2}, 200, 200, 24, PLAIN),
    (UNEQUAL, 256, 128, 40, PLAIN),
    ({"activation": "relu", "depth": 5, "sigma_w2": 2, "outputs": 10}, 100, 100, 8, WIDE),
    ({"activation": "abs", "depth": 3, "sigma_w2": 1}, 200, 200, 30, EVEN),
    pytest.param(UNEQUAL, 512, 256, 30, PLAIN, marks=pytest.mark.slow),
    pytest.param(
        {"activation": "abs", "depth": 3, "sigma_w2": 1, "sigma_b2": 0.3},
        *(400, 800, 24, EVEN),
        marks=pytest.mark.slow,
    ),
]


@pytest.mark.parametrize(("fields", "width", "samples", "seeds", "stated"), CASES)
def test_the_error_that_predict_states(fields, width, samples, seeds, stated) -> None:
    net = Network(**{"sigma_b2": 0.1, "last": "mean-subtraction"} | fields)
    words, least, most = stated
    assert words in predict(net, width, samples, regime="proportional").reason
    found, error = excess(net, width, samples, range(7000, 7000 + seeds))
    assert error < 0.06
    assert least - 2 * error < found < most + 2 * error
