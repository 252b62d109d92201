"""The bulk at finite width against random networks and random matrices, and its outliers."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import special

from numerics.ensemble import measure
from numerics.fisher import dual_gram
from numerics.parameters import draw_inputs, draw_parameters
from theory.architecture import MeanSubtraction, Network, NotCovered, OutOfRegime
from theory.bulk import density, norm_outliers, right_edge, top, uniform_shift
from theory.bulk.edge import edge_of, first_point
from theory.bulk.model import Model, model
from theory.bulk.moments import second_cumulant
from theory.bulk.orthogonal import largest_of_orthogonal
from theory.bulk.outliers import secular_equation
from theory.bulk.system import System
from theory.errors import DescriptionError, NotConverged
from theory.prediction import predict
from theory.schemes import BatchNorm

SETTINGS = {"tanh": (3, 0.64), "relu": (2, 0.1), "linear": (1, 0.1), "gelu": (2, 0.1)}
LOGCOSH = {"expression": "log(cosh(x))"}


def network(name: str, depth: int, **fields: object) -> Network:
    sigma_w2, sigma_b2 = SETTINGS[name]
    return Network(name, depth=depth, **{"sigma_w2": sigma_w2, "sigma_b2": sigma_b2} | fields)


def normalized_tops(net: Network, width: int, samples: int, seeds: int) -> np.ndarray:
    """Largest eigenvalues of networks, each over its own trace, times the predicted trace."""
    found = measure(net, width, samples, seeds=seeds)
    traces = np.array(found["mean_eigenvalue"].values)
    expected = predict(net, width, samples).mean_eigenvalue
    return np.array(found["largest_eigenvalue"].values) * expected / traces


def agrees(values: np.ndarray, expected: float, systematic: float) -> None:
    """Within the systematic error plus three standard errors, which must be below 2 %."""
    error = values.std(ddof=1) / np.sqrt(len(values))
    assert error < 0.02 * expected
    assert abs(values.mean() - expected) < systematic * expected + 3 * error


@pytest.mark.parametrize("name", ["tanh", "relu", "linear"])
@pytest.mark.parametrize("depth", [2, 3])
def test_mean_largest_eigenvalue_of_random_networks(name: str, depth: int) -> None:
    net = network(name, depth, last=MeanSubtraction())
    values = normalized_tops(net, 200, 200, 32)
    agrees(values, top(net, 200, 200).value, 0.01)


def test_unequal_widths_and_few_samples() -> None:
    net = network("relu", 3, ratios=[0.5, 2, 1], last=MeanSubtraction())
    agrees(normalized_tops(net, 200, 100, 32), top(net, 200, 100).value, 0.01)


def test_three_outputs_have_a_larger_scale_of_weights() -> None:
    net = network("linear", 3, outputs=3, last=MeanSubtraction())
    found = top(net, 200, 200)
    values = normalized_tops(net, 200, 200, 24)
    agrees(values, found.value, 0.02)
    assert abs(values.mean() / top(net, 200, 200, scale=1.0).value - 1) > 0.05


def test_spread_of_the_largest_eigenvalue() -> None:
    """False alarm 1e-5 where widths of 128 stay within 5 % of the limit, as they were seen to do
    (1 to 5 %, tanh and linear); an error of 13 % is found with 90 %. Either part alone is 30 %
    less.
    """
    net, n = network("linear", 2, last=MeanSubtraction()), 3000
    values = np.array(measure(net, 128, 128, seeds=n)["largest_eigenvalue"].values)
    ratio = values.std(ddof=1) / top(net, 128, 128).standard_deviation
    # 4.42 standard errors of a standard deviation, of an excess kurtosis below 0.2
    assert abs(ratio - 1) < 0.05 + 4.42 * np.sqrt((1 + 0.1) / (2 * n))


@pytest.mark.slow
@pytest.mark.parametrize("samples", [400, 800, 1600])
@pytest.mark.parametrize("name", ["tanh", "relu", "linear"])
@pytest.mark.parametrize("depth", [2, 3])
def test_wide_networks_within_two_percent(name: str, depth: int, samples: int) -> None:
    net = network(name, depth, last=MeanSubtraction())
    values = normalized_tops(net, 800, samples, 24)
    expected = top(net, 800, samples).value
    error = values.std(ddof=1) / np.sqrt(24)
    assert abs(values.mean() / expected - 1) < 0.02 + 2 * error / expected


def distances(F: np.ndarray, chain: Model) -> np.ndarray:
    """Of the distribution of eigenvalues, one zero and the trace divided out, from the law."""
    values = np.linalg.eigvalsh(F)[1:]  # centring leaves one zero
    edge = right_edge(chain).value
    side = np.geomspace(1e-5, 0.02, 40) * edge
    grid = np.concatenate(
        [
            -side[::-1],
            side[:-1],
            np.linspace(0.02, 0.4, 200) * edge,
            np.linspace(0.41, 1.1, 50) * edge,
        ]
    )
    law = density(chain, grid)
    cumulative = np.concatenate([[0], np.cumsum(np.diff(grid) * (law[1:] + law[:-1]) / 2)])
    expected = np.interp(values * chain.trace / values.mean(), grid, cumulative / cumulative[-1])
    steps = np.arange(len(F)) / len(values)
    return np.maximum(steps[1:] - expected, expected - steps[:-1])


@pytest.mark.parametrize(
    ("name", "depth"), [("relu", 2), ("tanh", 2), ("relu", 3), ("tanh", 3), ("linear", 3)]
)
def test_density_of_one_network(name: str, depth: int) -> None:
    """Kolmogorov distance, the realised scale of the output weights and the trace divided out.

    With two hidden layers the realised norms of the samples, which scatter by 8 to 10 % at this
    width, smear the steep lower edge of the law: divided out of rows and columns, so that the
    diagonal is constant, they leave the distance of the other networks.
    """
    M = N = 600
    net = network(name, depth, last=MeanSubtraction())
    rng = np.random.default_rng(5)
    parameters = draw_parameters(net, M, 1, rng)
    F = dual_gram(net, parameters, draw_inputs(net, M, N, 1, rng))[0] / N
    scale = float((parameters.weights[-1] ** 2).sum() / float(net.sigma_w2))
    chain = model(net, M / N, M, scale=scale)
    found = distances(F, chain)
    assert found[N // 2 :].max() < 0.02
    if depth == 2 or name == "linear":
        assert found.max() < 0.035
        return
    assert 0.035 < found.max() < 0.08
    norms = np.sqrt(np.diag(F))
    assert 0.07 < np.std(norms**2) / np.mean(norms**2) < 0.11
    # the zero of centring stays one
    assert distances(F / np.outer(norms, norms), chain).max() < 0.035


SHARP = 1e-8
"""A smoothing that leaves the moments as they are, to 1e-6."""


def lower_edge(chain: Model, edge: float) -> float:
    """Where the density leaves zero, to 1e-6 of the right edge."""
    low, high = 0.0, 0.3 * edge
    for _ in range(3):
        grid = np.linspace(low, high, 60)
        at = int(np.argmax(density(chain, grid, SHARP) * edge > 1e-3))
        low, high = grid[at - 1], grid[at]
    return low


@pytest.mark.parametrize(
    ("chain", "rule"),
    [
        pytest.param(model(network("tanh", 3), 1.5, 400), 6e-5, id="plain"),
        pytest.param(model(network("gelu", 4, hidden="layernorm"), 0.7, 400), 6e-5, id="layernorm"),
        pytest.param(model(network("gelu", 3, outputs=3), 1.0, 400), 6e-5, id="three outputs"),
        pytest.param(model(network("relu", 3, hidden="batchnorm"), 1.0, 400), 2e-6, id="batchnorm"),
    ],
)
def test_moments_of_the_density(chain: Model, rule: float) -> None:
    """By tanh-sinh quadrature between its edges; ``rule`` is the error of the averages over units,
    where they are random: the closed moments do without."""
    upper = right_edge(chain).value
    lower = lower_edge(chain, upper)
    s, step = np.linspace(-3, 3, 60, retstep=True)
    q = np.pi / 2 * np.sinh(s)
    grid = lower + (upper - lower) / (1 + np.exp(-2 * q))
    weights = step * (upper - lower) * np.pi / 4 * np.cosh(s) / np.cosh(q) ** 2
    law = density(chain, grid, SHARP)
    mass, first, second = (weights @ (law * grid**k) for k in (0, 1, 2))
    assert mass == pytest.approx(1, abs=1e-5)
    assert first == pytest.approx(chain.trace, rel=rule)
    assert second == pytest.approx(chain.trace**2 + second_cumulant(chain), rel=rule)
    assert law.min() > 0


def test_density_of_the_linear_network_is_that_of_a_cubic() -> None:
    chain = model(Network("linear", depth=2, sigma_w2=1), 1.0, 500)
    values, eta = np.array([0.3, 2.0, 7.0]), 3e-4 * right_edge(chain).value
    for value, found in zip(values, density(chain, values), strict=True):
        z = complex(value, eta)
        # lambda(E) = (2+E)(1-E-E^2)/(1+E)^2 - (1-E-E^2)/(E(1+E)), see the test of its edge
        left = np.polymul([1, 2, 0], [-1, -1, 1])
        right = np.polymul([1, 1], [-1, -1, 1])
        roots = np.roots(np.polysub(np.polysub(left, right), z * np.array([1, 2, 1, 0])))
        g = [r * (1 + r) / (1 - r - r**2) for r in roots]
        assert min(abs(one.imag / np.pi - found) for one in g) < 1e-9


OUTLIERS = [  # activation, ratios, sigma_w2, sigma_b2, rho, layers, edge, outlier
    ("abs", (0.25, 1), 1, 0, 1, ("none",), 1.70, 2.355),
    ("abs", (0.1, 1), 1, 0, 1, ("none",), 1.56, 4.053),
    (LOGCOSH, (0.1, 1), 4, 0, 1, ("none",), 4.85, 13.32),
    (LOGCOSH, (0.25, 1), 4, 0.2, 0.5, ("none",), 4.38, 6.44),
    ("abs", (0.1, 1), 1, 0, 1, ("batchnorm",), 1.554, 4.052),
    ("abs", (0.25, 1), 1, 0, 1, ("mean-subtraction",), 1.704, 2.354),
    ("abs", (0.1, 1, 1), 1, 0, 1, ("batchnorm", "batchnorm"), 2.729, 5.679),
    ("abs", (0.25, 1, 1), 1, 0, 1, ("batchnorm", "batchnorm"), 3.142, 4.221),
    ("abs", (1, 0.25, 1), 1, 0, 1, ("batchnorm", "batchnorm"), 4.455, 5.935),
    ("abs", (0.1, 1, 1), 1, 0, 1, ("mean-subtraction", "mean-subtraction"), 0.992, 2.063),
    ("abs", (1, 1, 1), 1, 0, 0.5, ("batchnorm", "batchnorm"), 2.935, 3.281),
    ("abs", (0.25, 1, 1), 1, 0, 1, ("batchnorm", "mean-subtraction"), 1.142, 1.534),
    (LOGCOSH, (0.15, 1, 1), 1, 0, 1, ("batchnorm", "batchnorm"), 1.276, 3.911),
]


def test_a_weight_that_is_rounding_holds_no_step():
    """Without a mean of phi' two weights are 0, computed as 1e-32 to 1e-64 of no meaning."""
    net = Network("abs", depth=3, sigma_w2=1, ratios=(0.1, 1, 1), hidden=MeanSubtraction())
    system = System(model(net, 1, 500))
    point = first_point(system, 0.3)
    state, tangent = np.append(point.unknowns, point.g), np.append(point.tangent, 1)
    weights = abs(state[:-1:2])
    assert weights.max() < 1e-20
    assert np.argmax(abs(tangent) / system.sizes(state)) % 2


def test_a_singular_system_has_not_converged(monkeypatch):
    system = System(model(network("relu", 3), 1, 100))
    size = system.linear.size
    monkeypatch.setattr(system, "derivatives", lambda state: (np.ones(size), np.ones((size,) * 2)))
    for solve in (system.hold, system.along):
        with pytest.raises(NotConverged, match="last residual inf"):
            solve(np.full(size, -1.0), 0)


@pytest.mark.parametrize(("name", "ratios", "w2", "b2", "rho", "layers", "edge", "value"), OUTLIERS)
def test_outliers_of_the_table(name, ratios, w2, b2, rho, layers, edge, value) -> None:
    net = Network(
        name, depth=len(ratios), sigma_w2=w2, sigma_b2=b2, ratios=ratios, layers=list(layers)
    )
    chain = model(net, rho, 500)
    # the table's own averages over a kinked activation hold to 5e-4
    assert right_edge(chain).value == pytest.approx(
        edge, abs=5.5e-4 if "none" not in layers else 6e-3
    )
    (found,) = norm_outliers(chain)
    assert found == pytest.approx(value, rel=5e-4)


@pytest.mark.parametrize("depth", [2, 3, 4])
@pytest.mark.parametrize("scheme", ["batchnorm", "mean-subtraction"])
@pytest.mark.parametrize("name", ["relu", "tanh", "gelu"])
def test_common_activations_have_no_outliers(name: str, scheme: str, depth: int) -> None:
    ratios = [0.25] + [1] * (depth - 1)
    net = Network(name, depth=depth, sigma_w2=2, hidden=scheme, ratios=ratios)
    assert norm_outliers(model(net, 1.0, 1000)) == ()


def test_an_outlier_of_random_networks() -> None:
    net = Network("abs", depth=2, sigma_w2=1, ratios=[0.1, 1], last=MeanSubtraction())
    (expected,) = norm_outliers(model(net, 1.0, 500))
    agrees(normalized_tops(net, 500, 500, 32), expected, 0.02)


def test_outliers_that_are_not_derived_are_refused() -> None:
    for net in (network("relu", 3), network("relu", 3, layers=["batchnorm", "none"])):
        with pytest.raises(NotCovered, match="outliers"):
            norm_outliers(model(net, 1.0, 200))
    shifted = network("relu", 2, hidden=BatchNorm(beta_std=0.3))
    with pytest.raises(NotCovered, match="random"):
        norm_outliers(model(shifted, 1.0, 200))
    with pytest.raises(NotCovered, match="shift"):
        uniform_shift(model(network("relu", 2), 1.0))


SHIFTS = {  # L = 2, 3
    ("relu", "batchnorm"): (0.420, 0.596),
    ("relu", "mean-subtraction"): (0.841, 0.812),
    ("gelu", "batchnorm"): (0.435, 0.674),
    ("gelu", "mean-subtraction"): (0.899, 0.948),
}


@pytest.mark.parametrize(("name", "scheme"), SHIFTS)
def test_shift_of_the_uniform_mode(name: str, scheme: str) -> None:
    found = [uniform_shift(model(network(name, L, hidden=scheme), 1.0)) for L in (2, 3)]
    assert [round(shift, 3) for shift in found] == list(SHIFTS[name, scheme])


@pytest.mark.parametrize(
    ("C", "mean", "deviation"),
    [(1, 0, np.sqrt(2)), (2, np.sqrt(np.pi / 2), np.sqrt(3 - np.pi / 2))],
)
def test_largest_of_the_orthogonal_ensemble_in_closed_form(C, mean, deviation) -> None:
    assert largest_of_orthogonal(C) == pytest.approx((mean, deviation), abs=1e-6)


@pytest.mark.parametrize("C", [3, 10])
def test_largest_of_the_orthogonal_ensemble_by_sampling(C: int) -> None:
    a = np.random.default_rng(C).standard_normal((20000, C, C))
    tops = np.linalg.eigvalsh((a + a.swapaxes(1, 2)) / np.sqrt(2))[:, -1]
    found = largest_of_orthogonal(C)
    assert abs(tops.mean() - found.mean) < 4 * tops.std() / np.sqrt(20000)
    error = found.deviation / np.sqrt(2 * len(tops))  # of a nearly normal law
    assert abs(tops.std() - found.deviation) < 4 * error


def test_bad_questions_are_refused() -> None:
    with pytest.raises(OutOfRegime, match="C = 32, 33 given"):
        largest_of_orthogonal(33)
    chain = model(network("relu", 2), 1.0, 100)
    for smoothing in (0.0, 1.0, float("nan")):
        with pytest.raises(DescriptionError, match="smoothing"):
            density(chain, np.ones(1), smoothing)
    with pytest.raises(DescriptionError, match="finite"):
        density(chain, np.array([np.inf]))
    with pytest.raises(OutOfRegime, match="32 samples"):
        top(network("relu", 2), 100, 20)


def test_secular_determinant_is_that_of_the_quadratic_form() -> None:
    """Of an activation without symmetry, where every coupling is present."""
    net = network("gelu", 4, hidden="batchnorm", ratios=[0.5, 0.7, 1, 2])
    chain = model(net, 1.3, 400)
    system = System(chain)
    _, point = edge_of(system)
    g, X, E = float(point.g), [*point.unknowns[::2], chain.hidden[-1].x], point.unknowns[1::2]
    x, weights = np.polynomial.hermite_e.hermegauss(120)
    weights = weights / weights.sum()
    phi = x * special.ndtr(x)
    slope = special.ndtr(x) + x * np.exp(-(x**2) / 2) / np.sqrt(2 * np.pi)
    h = phi - phi @ weights
    V, b, be = h**2 @ weights, slope @ weights, 2 * (h * slope) @ weights
    third, fourth = h**3 @ weights, h**4 @ weights - V**2
    curve, growth = (slope * x) @ weights, (h**2 * (x**2 - 1)) @ weights / 2

    def form(Q: np.ndarray, f: np.ndarray) -> float:
        total = f @ Q + 2 * g / (1.3 * 0.5) * f[0] ** 2 / 2
        ratios = [0.5, 0.7, 1, 2]
        for l in (1, 2, 3):
            s = chain.hidden[l - 1].s
            pS, pI = s * ratios[l - 1] / ratios[l] * E[l - 1], g / (1.3 * ratios[l])
            P = b**2 * pS + (V - b**2) * pI
            K, kappa = X[l] / (1 + P * X[l]), s * curve / 2
            if l == 3:
                return total - K * kappa**2 * Q[2] ** 2 / 2
            he = b * be * pS + (third - b * be) * pI
            ee = be**2 * pS + (fourth - be**2) * pI
            total += ee * f[l] ** 2 / 2 - s * growth * f[l] * Q[l - 1]
            total -= K * (kappa * Q[l - 1] - he * f[l]) ** 2 / 2
        raise AssertionError

    unit = np.eye(6)
    values = [[form(*np.split(u + v, 2)) for v in unit] for u in unit]
    alone = np.array([form(*np.split(u, 2)) for u in unit])
    hessian = np.array(values) - alone[:, None] - alone[None, :]
    assert secular_equation(chain)(point) == pytest.approx(np.linalg.det(hessian), rel=1e-8)
