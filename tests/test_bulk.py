"""The bulk at N proportional to M: constants, edge and branch against closed forms and tables."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import sympy as sp

from theory.architecture import Network, NotCovered, OutOfRegime
from theory.bulk import constants, noise, right_edge
from theory.bulk.edge import edge_of
from theory.bulk.model import Model, model
from theory.bulk.moments import second_cumulant
from theory.bulk.system import System
from theory.errors import NotConverged
from theory.schemes import BatchNorm

SETTINGS = {"tanh": (3, 0.64), "relu": (2, 0.1), "linear": (1, 0.1), "gelu": (2, 0.1)}


def network(name: str, depth: int, **fields: object) -> Network:
    sigma_w2, sigma_b2 = SETTINGS[name]
    return Network(name, depth=depth, **{"sigma_w2": sigma_w2, "sigma_b2": sigma_b2} | fields)


PLAIN = {  # c1, c2 for L = 2, 3, 4
    "linear": "2.500 5.000 4.667 14.000 7.500 30.000",
    "relu": "0.928 1.569 1.054 2.475 1.304 3.929",
    "tanh": "0.787 1.047 0.741 1.241 0.724 1.458",
}
HIDDEN = {  # c1, c2, edge for L = 2, 3, 4
    "relu batchnorm": "0.435 0.366 2.972 0.425 0.669 4.799 0.362 0.958 6.843",
    "relu mean-subtraction": "0.871 1.465 5.945 0.579 1.243 6.543 0.336 0.828 6.360",
    "relu layernorm": "0.442 0.356 2.960 0.468 0.476 4.005 0.546 0.651 5.350",
    "relu standardized": "0.928 1.570 6.217 0.704 1.539 7.326 0.500 1.277 7.774",
    "tanh batchnorm": "0.808 0.694 3.816 1.240 1.743 6.732 1.638 3.357 10.235",
    "tanh mean-subtraction": "0.935 1.370 5.613 1.113 2.357 8.282 1.315 3.919 11.759",
    "tanh layernorm": "0.674 0.480 3.180 0.727 0.566 3.852 0.748 0.580 4.279",
    "tanh standardized": "0.787 1.047 4.974 0.741 1.241 6.206 0.724 1.460 7.508",
    "gelu batchnorm": "0.461 0.369 2.941 0.473 0.664 4.609 0.427 0.937 6.329",
    "gelu mean-subtraction": "0.890 1.504 6.000 0.625 1.316 6.604 0.399 0.902 6.300",
    "gelu layernorm": "0.471 0.362 2.946 0.553 0.569 4.288 0.684 0.863 5.911",
    "gelu standardized": "0.957 1.629 6.324 0.771 1.675 7.543 0.597 1.453 8.006",
}


@pytest.mark.parametrize("name", PLAIN)
def test_constants_without_normalization(name: str) -> None:
    found = [c for L in (2, 3, 4) for c in constants(network(name, L))]
    assert [f"{c:.3f}" for c in found] == PLAIN[name].split()


@pytest.mark.parametrize("case", HIDDEN)
def test_constants_and_edge_with_hidden_normalization(case: str) -> None:
    name, scheme = case.split()
    standardized = scheme == "standardized"
    fields = {"weights": "weight-standardization"} if standardized else {"hidden": scheme}
    width = 1000 if standardized or scheme == "layernorm" else None
    found = []
    for L in (2, 3, 4):
        net = network(name, L, **fields)
        found += [*constants(net, width), right_edge(model(net, 1.0, 1000)).value]
    assert [f"{c:.3f}" for c in found] == HIDDEN[case].split()


BN, MS, LN, RMS = "batchnorm", "mean-subtraction", "layernorm", "rmsnorm"
SHIFTED = {"expression": "tanh(x + 0.7)"}
PLACEMENTS = [  # activation, sigma_w2, sigma_b2, layers, ratios, rho, M, edge
    ("gelu", 2, 0.1, (BN, BN), (1, 0.7, 1.3), 1.5, 300, 6.140),
    ("relu", 2, 0.1, (BN, BN), (0.5, 1, 2), 0.7, 200, 6.351),
    ("tanh", 3, 0.64, (BN, BN), (1, 1, 1), 2, 400, 9.106),
    ("relu", 2, 0.3, (BN, "none"), (1, 1, 1), 1, 300, 4.525),
    ("relu", 2, 0.3, ("none", BN), (1, 1, 1), 1, 300, 5.146),
    ("gelu", 2, 0.3, (MS, "none"), (1, 1, 1), 1, 300, 8.824),
    ("gelu", 2, 0.3, (LN, BN), (1, 1, 1), 1, 300, 5.006),
    ("relu", 2, 0.3, (BN, LN), (1, 1, 1), 1, 300, 3.481),
    ("tanh", 3, 0.64, ("none", MS), (1, 1, 1), 1, 300, 7.905),
    ("gelu", 1.5, 0.2, (MS, MS), (1, 0.5, 1.5), 2, 300, 6.072),
    (SHIFTED, 1.5, 0.2, (BN, BN), (1, 1, 1), 1, 300, 5.005),
    ("relu", 2, 0.1, (LN, LN), (1, 1, 1), 2, 600, 5.508),
    ("gelu", 2, 0.1, (RMS, RMS), (0.5, 1, 1.5), 0.7, 400, 5.093),
]


@pytest.mark.parametrize(("name", "w2", "b2", "layers", "ratios", "rho", "M", "edge"), PLACEMENTS)
def test_edges_of_mixed_placements(name, w2, b2, layers, ratios, rho, M, edge) -> None:
    net = Network(name, depth=3, sigma_w2=w2, sigma_b2=b2, layers=list(layers), ratios=ratios)
    assert right_edge(model(net, rho, M)).value == pytest.approx(edge, abs=6e-4)


def test_edge_of_standardized_weights_at_unequal_widths() -> None:
    fields = {"weights": "weight-standardization", "ratios": [1, 2, 0.5], "sigma_b2": 0.3}
    assert right_edge(model(network("relu", 3, **fields), 2, 600)).value == pytest.approx(
        12.225, abs=6e-4
    )


def test_worked_example_of_a_normalized_chain() -> None:
    net = network("gelu", 3, hidden="batchnorm", ratios=[1, 0.5, 2])
    chain = model(net, 1.5, 1000)
    assert [chain.x, *(layer.x for layer in chain.hidden)] == pytest.approx(
        [0.2712328205, 0.5424656410, 3], abs=5e-11
    )
    assert chain.r == pytest.approx(0.7849502612, abs=5e-11)
    system = System(chain)
    unknowns = system.far()
    for g, value in ((-0.05, 22.4013467284), (-0.1, 12.5613095392)):
        point = system.at(g, unknowns)
        unknowns = point.unknowns
        assert float(point.value) == pytest.approx(value, abs=5e-11)
    edge = right_edge(chain)
    assert edge.value == pytest.approx(7.9655190981, abs=5e-11)
    assert edge.g == pytest.approx(-0.2268339, abs=5e-8)
    assert constants(net) == pytest.approx((0.9344336463, 1.4207223317), abs=5e-11)
    k1, k2 = chain.trace, second_cumulant(chain)
    assert (k1, k2 + k1**2) == pytest.approx((2.2806151147, 7.3322887992), abs=5e-11)


@pytest.mark.parametrize("variances", [(1.0, 0.0), (2.7, 0.4)])
def test_bulk_of_batch_norm_knows_no_variances(variances: tuple[float, float]) -> None:
    net = Network(
        "gelu",
        depth=3,
        sigma_w2=variances[0],
        sigma_b2=variances[1],
        hidden="batchnorm",
        ratios=[1, 0.5, 1],
    )
    assert right_edge(model(net, 1.3, 500)).value == pytest.approx(5.1424383628, abs=5e-11)


def test_mean_subtraction_equals_weight_standardization_without_biases() -> None:
    fields = {"sigma_w2": 1.7, "ratios": [1, 0.5, 1], "bias_gradients": False}
    centred = network("gelu", 3, hidden="mean-subtraction", sigma_b2=1.3, **fields)
    plain = network("gelu", 3, weights="weight-standardization", sigma_b2=0, **fields)
    one, other = (right_edge(model(net, 1.3, 500)).value for net in (centred, plain))
    assert one == pytest.approx(5.2555412246, abs=5e-11)
    assert other == pytest.approx(one, rel=1e-10)


def test_mean_subtraction_of_an_odd_activation_equals_none_without_biases() -> None:
    centred = network("tanh", 4, hidden="mean-subtraction")
    plain = network("tanh", 4, sigma_b2=0, bias_gradients=False)
    one, other = (right_edge(model(net, 0.7, 500)).value for net in (centred, plain))
    assert other == pytest.approx(one, rel=1e-10)


@pytest.mark.parametrize("ratios", [(1, 1), (1, 1, 1), (1, 1, 1, 1), (0.5, 2, 0.7)])
def test_second_constant_of_linear_networks(ratios: tuple[float, ...]) -> None:
    L = len(ratios)
    net = Network("linear", depth=L, sigma_w2=1, sigma_b2=0.3, ratios=ratios, outputs=3)
    expected = sum(sum(ratios[l:]) ** 2 / ratios[l] for l in range(L))
    assert constants(net).c2 / 3 == pytest.approx(expected, rel=1e-13)


def test_edge_of_the_linear_network_is_a_root_of_a_polynomial() -> None:
    E, z = sp.symbols("E z")
    # N = M = M_0, weights of variance 1: eliminate g and X_0 from the fixed point
    g = E * (1 + E) / (1 - E - E**2)
    value = (2 + E) / (1 + E) * E / g - 1 / g
    roots = sp.Poly(sp.numer(sp.together(sp.diff(value, E))), E).nroots(n=30)
    physical = [root for root in roots if root.is_real and -1 < root < 0]
    expected = min(value.subs(E, root) for root in physical if value.subs(E, root) > 0)
    net = Network("linear", depth=2, sigma_w2=1, bias_gradients=False)
    assert right_edge(model(net, 1.0, 500)).value == pytest.approx(float(expected), rel=1e-12)
    polynomial = sp.resultant(
        sp.numer(sp.together(value - z)), sp.numer(sp.together(sp.diff(value, E))), E
    )
    assert abs(polynomial.subs(z, expected)) < 1e-15 * abs(polynomial.subs(z, 1))


def fan_wang(chain: Model, z: complex) -> complex:
    """The trace of the resolvent of a centred chain, by nested deterministic equivalents."""
    ratios = [chain.ratio, *(layer.ratio for layer in chain.hidden)]
    slopes, rests = [0.0], [chain.variance]
    for layer in chain.hidden:
        n = layer.smooth()[1]
        slopes.append(float(n.b[0] ** 2) * layer.s)
        rests.append(float(n.h2[0] - n.b[0] ** 2 * layer.tau))

    def trace(zs: list[complex], ws: list[complex]) -> complex:
        """1/N tr (zs_0 + sum zs_{l+1} H_l)^{-1} (ws_0 + sum ws_{l+1} H_l)."""
        if len(zs) == 1:
            return ws[0] / zs[0]
        l = len(zs) - 2
        sigma = [rests[l]] + [0.0] * (l - 1) + ([slopes[l]] if l else [])
        s = 1 / zs[-1]
        for _ in range(500):
            below = [a + b / s for a, b in zip(zs[:-1], sigma, strict=True)]
            before, s = s, 1 / zs[-1] + trace(below, sigma) / (chain.rho * ratios[l])
            if abs(s - before) < 1e-15 * abs(s):
                break
        share = ws[-1] / zs[-1]
        rest = [w - share * v for w, v in zip(ws[:-1], zs[:-1], strict=True)]
        return share + trace([a + b / s for a, b in zip(zs[:-1], sigma, strict=True)], rest)

    weights = [chain.x, *(layer.x for layer in chain.hidden)]
    return trace([chain.r - z, *weights], [1.0] + [0.0] * len(weights))


@pytest.mark.parametrize("depth", [2, 3])
@pytest.mark.parametrize("rho", [0.5, 2.0])
def test_centred_networks_follow_nested_deterministic_equivalents(depth: int, rho: float) -> None:
    ratios = [1, 0.5, 2][:depth]
    net = Network("tanh", depth=depth, sigma_w2=3, ratios=ratios, bias_gradients=False)
    chain = model(net, rho, 500)
    edge = right_edge(chain).value
    system = System(chain)
    point = system.at(-0.1 / edge, system.far())
    for z in (complex(point.value), 3 * edge + 2j * edge, 2 * edge + edge * 1j):
        point = system.near(z, point.unknowns, point.g)
        assert complex(point.g) == pytest.approx(fan_wang(chain, z), rel=1e-10)


@pytest.mark.parametrize(
    ("fields", "tolerance"),
    [
        ({"hidden": "batchnorm", "outputs": 3}, 1e-7),
        ({"hidden": BatchNorm(gamma=0.8, beta=-0.3, beta_std=0.5)}, 2e-4),
        ({"outputs": 3}, 1e-4),
        ({"layers": ["none", "none", "batchnorm"]}, 1e-4),
        ({"hidden": "layernorm"}, 1e-4),
    ],
    ids=["batchnorm", "random shifts", "three outputs", "cut", "layernorm"],
)
def test_moments_are_derivatives_of_the_fixed_point(
    fields: dict[str, object], tolerance: float
) -> None:
    r"""lambda(g) = -1/g + k_1 - kappa_2 g + ... near g = 0."""
    chain = model(network("gelu", 4, ratios=[1, 0.5, 2, 0.8], **fields), 0.8, 2000)
    system = System(chain)
    scale = 1e-4 / np.sqrt(second_cumulant(chain))
    values = []
    for g in (-scale, scale):
        values.append(float(system.at(g, system.far()).value) + 1 / g)
    assert sum(values) / 2 == pytest.approx(chain.trace, rel=tolerance)
    slope = (values[0] - values[1]) / (2 * scale)
    assert slope == pytest.approx(second_cumulant(chain), rel=tolerance)


def test_hessian_is_the_derivative_of_the_gradient() -> None:
    chain = model(network("relu", 4, outputs=2), 1.0, 200)
    system = System(chain)
    edge = right_edge(chain)
    point = system.at(edge.g / 2, system.at(edge.g / 4, system.far()).unknowns)
    state = np.append(point.unknowns, point.g)
    _, hessian = system.derivatives(state)
    for at in range(state.size):
        moved = state.astype(complex)
        moved[at] += 1e-30j
        column = system.derivatives(moved)[0].imag / 1e-30
        assert column == pytest.approx(hessian[:, at], rel=1e-10, abs=1e-12)


def test_curvature_at_the_edge_is_that_of_the_branch() -> None:
    system = System(model(network("tanh", 3), 1.0, 400))
    edge = right_edge(system.chain)
    unknowns = system.at(edge.g * 0.9, system.at(edge.g / 2, system.far()).unknowns).unknowns
    h = 1e-3 * edge.g
    low, middle, high = (float(system.at(edge.g * 0.9 + k * h, unknowns).value) for k in (-1, 0, 1))
    point = system.at(edge.g * 0.9, unknowns)
    assert system.bend(np.append(point.unknowns, point.g), -1) == pytest.approx(
        (low - 2 * middle + high) / h**2, rel=1e-4
    )


def test_noise_counts_the_variance_of_the_inputs() -> None:
    """Scaling the inputs by s and the first weights by 1/s changes one layer's weights alone."""
    net = Network("linear", depth=2, sigma_w2=1, bias_gradients=False)
    doubled = replace(net, input_overlaps=(2, 0))
    # K_ts = (1 + 1) x.x / M_0 + x.W^T W x / M_0 of inputs of variance 2: twice the fluctuation
    assert noise(doubled) == pytest.approx(4 * noise(net), rel=1e-12)


@pytest.mark.parametrize(
    ("scheme", "plain", "variance"),
    [("batchnorm", "mean-subtraction", 1.7), ("layernorm", "none", 2.0), ("rmsnorm", "none", 2.0)],
)
def test_a_regularizer_divides_by_a_larger_variance(scheme, plain, variance) -> None:
    """A normalized first layer is a plain one whose activation sees u/sqrt(variance + eps)."""
    fields = {"depth": 2, "sigma_w2": 1.7, "sigma_b2": 0.3, "ratios": (0.7, 1)}
    for eps in (0, 0.4):
        shrunk = {"expression": f"tanh(x*{(variance + eps) ** -0.5!r} + 0.3)"}
        net = Network("tanh", hidden={"kind": scheme, "eps": eps, "beta": 0.3}, **fields)
        like = Network(shrunk, hidden=plain, **fields)
        found, expected = (right_edge(model(one, 1.3, 200)) for one in (net, like))
        assert found.value == pytest.approx(expected.value, rel=1e-10)
        assert constants(net) == pytest.approx(constants(like), rel=1e-10)


def test_groups_of_units_have_the_law_of_all_units() -> None:
    one, other = (
        Network("gelu", depth=3, sigma_w2=2, sigma_b2=0.1, hidden=scheme)
        for scheme in (
            {"kind": "layernorm", "eps": 0.2},
            {"kind": "groupnorm", "groups": 4, "eps": 0.2},
        )
    )
    assert constants(one) == pytest.approx(constants(other), rel=1e-12)


@pytest.mark.parametrize(
    ("net", "problem"),
    [
        (Network("step", depth=2, sigma_w2=1), OutOfRegime),
        (Network("tanh", depth=2, sigma_w2=1, input_overlaps=(1, -0.1)), OutOfRegime),
        (
            Network("tanh", depth=2, sigma_w2=1, hidden={"kind": "batchnorm", "trained": True}),
            NotCovered,
        ),
        (Network("tanh", depth=2, sigma_w2=1, hidden="batchnorm", batch_size=50), OutOfRegime),
        (Network("tanh", depth=2, sigma_w2=1, weights="weight-normalization"), NotCovered),
        (Network("tanh", depth=2, sigma_w2=1, parameterization="ntk"), NotCovered),
        (Network({"expression": "tanh(400*x)"}, depth=2, sigma_w2=1), NotConverged),
    ],
    ids=["jump", "opposite", "trained", "batches", "weight norm", "ntk", "too fast"],
)
def test_what_the_bulk_does_not_cover_is_refused(net: Network, problem: type[Exception]) -> None:
    with pytest.raises(problem):
        constants(net)


def test_bad_sizes_are_refused() -> None:
    net = network("relu", 3)
    with pytest.raises(OutOfRegime, match="rho"):
        model(net, 0.0, 100)
    with pytest.raises(OutOfRegime, match="32 units"):
        right_edge(model(net, 1.0, 20))


def test_a_lost_branch_is_an_error_with_its_residual() -> None:
    system = System(model(network("relu", 3), 1.0, 1500))
    edge, point = edge_of(system)
    with pytest.raises(NotConverged, match=r"last residual .* least determinant"):
        system.at(1.1 * edge.g, point.unknowns)
