r"""Parts of one layer: blocks and features, by explicit Jacobians, and errors in one layer refuted.

A planted error is one layer's number put in the place of its neighbour's; each must be refuted.
"""

from dataclasses import replace

import numpy as np
import pytest

import theory.parts
from derivations.catalogue import theorem
from derivations.evidence import check
from derivations.fisher import blocks, feature_metric
from derivations.fisher.layer_parts import names
from derivations.networks import RELU
from derivations.proof import ProofError
from numerics.blocks import layer_grams
from numerics.ensemble import draw_block
from numerics.network import forward, propagate
from numerics.observables import observed
from numerics.output_kernels import output_kernels
from numerics.verdict import Verdict
from theory.architecture import BatchNorm, DescriptionError, Network, OutOfRegime
from theory.meanfield import Kernel, OrderParameters
from theory.outliers import layer_norm_metric, softmax_metric
from theory.prediction import predict, to_json

SMALL = Network("tanh", depth=3, sigma_w2=2, sigma_b2=0.3, outputs=2, ratios=(1, 2, 0.5))
NETWORKS = {
    "plain": SMALL,
    "layer norm": replace(SMALL, layers=None, hidden="layernorm"),
    "batch norm": replace(SMALL, layers=None, hidden="batchnorm"),
    "mini-batches": replace(SMALL, layers=None, hidden="mean-subtraction", batch_size=3),
    "ntk": replace(SMALL, parameterization="ntk"),
    "weight normalization": replace(SMALL, weights="weight-normalization", raw_variance=0.7),
    "weight standardization": replace(SMALL, weights="weight-standardization", raw_variance=0.7),
}
M, N = 8, 6


def drawn(network):
    parameters, inputs = draw_block(network, M, N, 0)
    one = slice(0, 1)
    return parameters.of(one), inputs[one]


def jacobian(function, size, step=1e-5):
    """Central differences of the outputs (C N,) in ``size`` numbers."""
    columns = []
    for i in range(size):
        move = np.zeros(size)
        move[i] = step
        columns.append((function(move) - function(-move)).ravel() / (2 * step))
    return np.stack(columns, axis=1)


def moved_weights(network, parameters, inputs, l):
    weights = parameters.weights[l - 1]

    def outputs(move):
        moved = list(parameters.weights)
        moved[l - 1] = weights + move.reshape(weights.shape)
        return forward(network, parameters._replace(weights=tuple(moved)), inputs)

    return outputs, weights.size


def moved_features(network, parameters, inputs, l):
    """A shift of h^l that all samples share, as one of the biases of the layer above."""
    if l == 0:
        return lambda move: forward(network, parameters, inputs + move), inputs.shape[-1]
    affine = propagate(network, parameters, inputs).affines[l]
    rate = np.sqrt(network.sigma_b2) if network.parameterization == "ntk" else 1

    def outputs(move):
        biases = list(parameters.biases)
        biases[l] = biases[l] + move @ affine.W / rate
        return forward(network, parameters._replace(biases=tuple(biases)), inputs)

    return outputs, affine.W.shape[1]


@pytest.mark.parametrize("name", NETWORKS)
def test_grams_of_a_layer_are_those_of_its_jacobian(name):
    network = NETWORKS[name]
    parameters, inputs = drawn(network)
    found = {
        one.name: one.gram[0]
        for one in layer_grams(network, propagate(network, parameters, inputs))
    }
    assert list(found) == [
        "weights.1",
        "weights.2",
        "weights.3",
        "features.2",
        "features.1",
        "features.0",
    ]
    for part, gram in found.items():
        kind, l = part.split(".")
        moved = moved_weights if kind == "weights" else moved_features
        J = jacobian(*moved(network, parameters, inputs, int(l)))
        np.testing.assert_allclose(
            gram, J @ J.T, rtol=1e-6, atol=1e-7 * np.abs(J @ J.T).max() + 1e-12
        )


@pytest.mark.parametrize("name", NETWORKS)
def test_blocks_add_up_to_the_weights(name):
    network = NETWORKS[name]
    kernels = output_kernels(network, *drawn(network), split=True)
    whole = observed("weights.diagonal", kernels, network)
    parts = sum(observed(f"weights.{l}.diagonal", kernels, network) for l in (1, 2, 3))
    np.testing.assert_allclose(parts, whole, rtol=1e-12)
    p = predict(network, 100, 6)
    for a, sum_of in enumerate(p.groups["weights"][:2]):
        assert sum(one.K[a] for one in p.blocks) == pytest.approx(sum_of, rel=1e-12)


def test_a_part_that_is_not_there_is_refused():
    kernels = output_kernels(SMALL, *drawn(SMALL), split=True)
    with pytest.raises(DescriptionError, match=r"no parameters 'weights\.4', it has weights\.1"):
        observed("weights.4.diagonal", kernels, SMALL)
    with pytest.raises(DescriptionError, match=r"no part 'features\.3'; it has .*features\.0"):
        predict(SMALL, 100, 6).part("features.3")


def test_the_feature_metric_of_a_linear_network_is_a_product_of_weights():
    r"""f = W^3 W^2 W^1 x: the gradient by h^l is the product of the weights above, for all x.

    E|W^L .. W^{l+1}|^2 = sigma_w^(2 (L - l)) for each output.
    """
    network = Network("linear", depth=3, sigma_w2=1.5, outputs=3, ratios=(1, 2, 0.5))
    found = predict(network, 100, 7).feature_metric
    assert [one.layer for one in found] == [0, 1, 2]
    assert [one.parameters for one in found] == [100, 200, 50]
    for one, power in zip(found, (3, 2, 1), strict=True):
        assert one.K[:2] == pytest.approx((1.5**power, 1.5**power), rel=1e-14)
        assert one.mean_eigenvalue == pytest.approx(3 * 1.5**power / one.parameters)
        assert one.second_moment == pytest.approx(3 * 1.5 ** (2 * power) / one.parameters)
        assert one.largest_eigenvalue == pytest.approx(1.5**power)


def test_parts_are_in_the_json():
    found = to_json(predict(RELU, 100, 8))["feature_metric"]
    assert [list(one) for one in found] == 3 * [
        ["layer", "parameters", "K", "mean_eigenvalue", "second_moment", "largest_eigenvalue"]
    ]
    assert found[2]["K"] == [2.0, 2.0]


@pytest.mark.parametrize("scheme", ["batchnorm", "mean-subtraction"])
def test_statistics_over_the_samples_take_a_common_shift_off(scheme):
    network = replace(SMALL, layers=None, hidden=scheme)
    for one in predict(network, 100, 8).feature_metric[:2]:
        assert one.K[:2] == (0, 0)
    with pytest.raises(OutOfRegime, match="feature-metric needs hidden layers that act on each"):
        feature_metric.requires(network, 8)


def test_regime_of_the_blocks():
    for network, samples, reason in (
        (replace(SMALL, last="mean-subtraction"), 8, "linear outputs"),
        (replace(SMALL, depth=2, ratios=(1, 2), layers=None), 8, "depth 3, but depth = 2"),
        (NETWORKS["mini-batches"], 6, "batch_size"),
        (NETWORKS["batch norm"], 5, "N > 5 samples"),
    ):
        with pytest.raises(OutOfRegime, match=reason):
            blocks.requires(network, samples)
    blocks.requires(replace(SMALL, layers=None, hidden=BatchNorm()), 6)


# Errors in one layer


def shifted(name, by):
    """One array of the order parameters, moved by so many layers in one layer's block."""

    def block(order, l, width):
        values = getattr(order, name)
        moved = replace(order, **{name: tuple(np.roll(np.array(values, dtype=object), -by))})
        return RIGHT(moved if l == 1 else order, l, width)

    return block


RIGHT = OrderParameters.block
WRONG_BLOCKS = {
    "S of the layer above": shifted("S_gap", 1),
    "S of the layer below": shifted("S_gap", -1),
    "qh of the layer above": shifted("qh2", 1),
    "S of two samples of the layer above": shifted("S2", 1),
    "width of the layer's units": lambda order, l, width: RIGHT(
        order, l, width / 2 if l == 1 else width
    ),
}


JUDGED = replace(RELU, outputs=2)


def wrong_features(order, l, sigma_w2):
    return RIGHT_FEATURES(order, min(l + 1, len(order.S2) - 1), sigma_w2)


RIGHT_FEATURES = theory.parts.feature_kernel


@pytest.mark.parametrize("name", WRONG_BLOCKS)
def test_error_in_one_block_is_refuted_there_alone(name, monkeypatch):
    monkeypatch.setattr(OrderParameters, "block", WRONG_BLOCKS[name])
    one = theorem("blocks")
    rows = tuple(row for row in one.rows if row.quantity.endswith("uniform_mode"))
    found = check(replace(one, rows=rows), JUDGED, samples=6, precision=0.1)
    verdicts = {row.quantity: row.verdict for row in found}
    assert verdicts.pop("weights.2.uniform_mode") == Verdict.REFUTED
    assert set(verdicts.values()) == {Verdict.AGREES}


@pytest.mark.parametrize("name", WRONG_BLOCKS)
def test_error_in_one_block_breaks_the_proof(name, monkeypatch):
    monkeypatch.setattr(OrderParameters, "block", WRONG_BLOCKS[name])
    with pytest.raises(ProofError, match=r"weights\.2"):
        theorem("blocks").prove().verify()


WRONG_FEATURES = {
    "the layer above": wrong_features,
    "sigma_w for its square": lambda order, l, sigma_w2: RIGHT_FEATURES(order, l, sigma_w2**0.5),
    "weights forgotten": lambda order, l, sigma_w2: RIGHT_FEATURES(order, l, 1),
    "K_1 for the gap": lambda order, l, sigma_w2: Kernel(
        *(sigma_w2 * number for number in (order.S1[l], order.S1[l], order.S_gap[l]))
    ),
}


@pytest.mark.parametrize("name", WRONG_FEATURES)
def test_wrong_metric_is_refuted_and_breaks_the_proof(name, monkeypatch):
    monkeypatch.setattr(theory.parts, "feature_kernel", WRONG_FEATURES[name])
    one = theorem("feature-metric")
    with pytest.raises(ProofError, match="features"):
        one.prove().verify()
    (row,) = names(("features.1",))[2:]
    (found,) = check(replace(one, rows=(one.row(row),)), JUDGED, samples=6, precision=0.1)
    assert found.verdict == Verdict.REFUTED


# Behind maps that couple the outputs


@pytest.mark.parametrize("mapped", [{"last": "layernorm"}, {"loss": "cross-entropy"}])
def test_last_features_behind_a_coupled_map(mapped):
    """K_1 = K_2 there: no bulk, and the outliers are the eigenvalues of the dual matrix itself."""
    network = Network("tanh", depth=3, sigma_w2=1.3, sigma_b2=0.2, outputs=4, **mapped)
    F = np.random.default_rng(3).standard_normal((4, 6))
    last = predict(network, 100, 6, outputs=F).feature_metric[-1]
    metric = layer_norm_metric if "last" in mapped else softmax_metric
    mean = metric(F).mean(axis=0)
    assert last.largest_eigenvalue == pytest.approx(1.3 * np.linalg.eigvalsh(mean)[-1], rel=1e-12)
    assert last.mean_eigenvalue == pytest.approx(1.3 * np.trace(mean) / 100, rel=1e-12)
    assert last.second_moment == pytest.approx(1.3**2 * (mean**2).sum() / 100, rel=1e-12)


def test_a_metric_that_vanishes_has_no_eigenvalue_behind_a_coupled_map():
    network = Network("tanh", depth=3, sigma_w2=1, outputs=4, hidden="batchnorm", last="layernorm")
    first = predict(network, 100, 8, outputs_seed=1).feature_metric[0]
    assert first[3:] == (0, 0, None)
