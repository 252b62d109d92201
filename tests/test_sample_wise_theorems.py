"""Theorems on layers that normalize samples, on weights and on rates: wrong formulas, regimes."""

from dataclasses import replace

import pytest

from derivations.catalogue import theorem
from derivations.networks import RELU, TANH
from derivations.proof import ProofError
from theory import fisher, normalization, weights
from theory.architecture import BatchNorm, LayerNorm, MeanSubtraction, RMSNorm
from theory.errors import OutOfRegime
from theory.meanfield import Backward, OrderParameters

LAYER_NORM = normalization.RULES["layernorm"]


def _without_gap(layer, sigma_w2, above):
    right = LAYER_NORM.pull_back(layer, sigma_w2, above)
    return Backward(right.T, sigma_w2 * layer.derivative_second * above.S)


def _unweighted(activation, scheme, pair, across, setting):
    right = LAYER_NORM.law(activation, scheme, pair, across, setting)
    moments = right.moments
    return right._replace(moments=moments._replace(derivative_second=scheme.gamma**2))


def _without_eps(activation, scheme, pair, across, setting):
    return LAYER_NORM.law(activation, replace(scheme, eps=0), pair, across, setting)


def _root_of_the_ratio(network, m, widths, sigma_w2, sigma_b2, bias_gradients):
    right = FACTORS(network, m, widths, sigma_w2, sigma_b2, bias_gradients)
    scale = sigma_w2 / m.number(network.raw_variance)
    return right._replace(weights=tuple(one / m.sqrt(scale) for one in right.weights))


def _unit_biases(network, m, widths, sigma_w2, sigma_b2, bias_gradients):
    return FACTORS(network, m, widths, sigma_w2, sigma_b2, bias_gradients)._replace(biases=1)


def _keeping_the_mean(self, l, width):
    return BLOCK(replace(self, removed=()), l, width)


FACTORS, BLOCK = weights.gradient_factors, OrderParameters.block
LAYERED = "derivations.fisher.layered"
WRONG = {
    "diagonal forgotten in S": (
        "layernorm-hidden",
        (normalization.RULES, "layernorm", replace(LAYER_NORM, pull_back=_without_gap)),
    ),
    "slopes not divided by the variance": (
        "layernorm-hidden",
        (normalization.RULES, "layernorm", replace(LAYER_NORM, law=_unweighted)),
    ),
    "eps forgotten": (
        "layernorm-hidden",
        (normalization.RULES, "layernorm", replace(LAYER_NORM, law=_without_eps)),
    ),
    "sigma_w / sigma_v for its square": (
        "weight-normalization",
        (LAYERED, "gradient_factors", _root_of_the_ratio),
    ),
    "mean activation not taken off": (
        "weight-standardization",
        (OrderParameters, "block", _keeping_the_mean),
    ),
    "bias gradients of the standard parameterization": (
        "ntk-parameterization",
        (LAYERED, "gradient_factors", _unit_biases),
    ),
    "1 over the eigenvalue": (
        "learning-rate-threshold",
        (fisher, "learning_rate_threshold", lambda eigenvalue: 1 / eigenvalue),
    ),
}


@pytest.mark.parametrize("name", WRONG)
def test_proof_refuses_a_wrong_formula(name, monkeypatch):
    id, (where, attribute, wrong) = WRONG[name]
    theorem(id).prove().verify()
    if where is normalization.RULES:
        monkeypatch.setitem(where, attribute, wrong)
    elif isinstance(where, str):
        monkeypatch.setattr(f"{where}.{attribute}", wrong)
    else:
        monkeypatch.setattr(where, attribute, wrong)
    with pytest.raises(ProofError):
        theorem(id).prove().verify()


NORMALIZED = replace(TANH, layers=(RMSNorm(), LayerNorm()))
BATCHES = replace(TANH, layers=(BatchNorm(), BatchNorm()))
GAINS = replace(TANH, weights="weight-normalization")
STANDARDIZED = replace(RELU, weights="weight-standardization")
NTK = replace(RELU, parameterization="ntk")


@pytest.mark.parametrize(
    ("id", "inside", "outside", "message"),
    [
        ("layernorm-hidden", NORMALIZED, BATCHES, "layer norm, RMS norm or group norm"),
        ("layernorm-hidden", NORMALIZED, replace(NORMALIZED, last=MeanSubtraction()), "linear"),
        ("weight-normalization", GAINS, STANDARDIZED, "needs weights = 'weight-normalization'"),
        ("weight-normalization", GAINS, replace(GAINS, layers=(LayerNorm(),) * 2), "layernorm"),
        ("weight-standardization", STANDARDIZED, RELU, "but the weights are plain"),
        ("ntk-parameterization", NTK, RELU, "needs parameterization = 'ntk'"),
        ("learning-rate-threshold", TANH, replace(TANH, sigma_b2=0, bias_gradients=False), "K_2 >"),
    ],
)
def test_assumption_separates_two_sides(id, inside, outside, message):
    theorem(id).requires(inside, 16)
    with pytest.raises(OutOfRegime, match=message):
        theorem(id).requires(outside, 16)
