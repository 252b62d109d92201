"""The next order at the edge of stability: its normal form on a loss, and errors in its proof."""

import numpy as np
import pytest

from derivations.catalogue import theorem
from derivations.proof import ProofError
from numerics import losses
from numerics.minimizers import jets
from theory import sharpness_flow
from theory.scale_invariance import next_direction
from theory.sharpness_flow import cubic_coefficient
from theory.sharpness_problems import BatchNormRegression


def test_an_angle_shrinks_by_the_cubic_coefficient_at_the_edge():
    """At the fixed rate 2/lambda_1 and a minimizer without drift, x' = -(1 + c x^2) x.

    The regression has third derivatives along and beside its top eigenvector.
    """
    rng = np.random.default_rng(1)
    X, y = rng.standard_normal((6, 9)), rng.standard_normal(6)
    problem, loss = BatchNormRegression(X, y), losses.BatchNormRegression(X, y)
    zeta = problem.retract(problem.minimum)
    edge, (_, vectors) = problem.edge(zeta), problem.top(zeta)
    assert pytest.approx(0, abs=1e-12) == edge.D
    found = jets(loss, zeta)
    c = cubic_coefficient(edge.sharpness, *found)
    assert np.abs(found.thirds / edge.sharpness).max() > 1
    theta, sides = np.cos(1e-3) * zeta + np.sin(1e-3) * vectors[0], []
    for _ in range(2000):
        theta = next_direction(theta, 2 / edge.sharpness, loss.gradient(theta))
        sides.append(abs(vectors[0] @ theta))
    x = np.sqrt(np.array(sides[:-1]) * sides[1:])
    inverse = 1 / x**2
    assert (inverse[-1] - inverse[1000]) / (len(inverse) - 1001) == pytest.approx(-2 * c, rel=2e-3)


@pytest.mark.parametrize("brake", [3, 5])
def test_another_brake_breaks_the_proof(brake, monkeypatch):
    monkeypatch.setattr(sharpness_flow, "BRAKE", brake)
    with pytest.raises(ProofError, match="drift of the amplitude"):
        theorem("edge-next-order").prove().verify()
