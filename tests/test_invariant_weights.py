"""The table of scale-invariant weights against networks whose weights are scaled."""

from dataclasses import replace
from itertools import permutations, product

import pytest

from derivations.catalogue import theorem
from derivations.proof import ProofError
from derivations.sharpness import invariant_weights as record
from numerics.invariance import changes, squared_error
from theory import invariant_weights as rules
from theory.architecture import (
    Activation,
    BatchNorm,
    GroupNorm,
    LayerNorm,
    MeanSubtraction,
    Network,
    NoNormalization,
    RMSNorm,
)
from theory.invariant_weights import invariant_weights

HIDDEN = {
    "none": NoNormalization(),
    "mean subtraction": MeanSubtraction(),
    "batch norm": BatchNorm(gamma=1.3, beta=0.4),
    "layer norm": LayerNorm(beta=0.4),
    "RMS norm": RMSNorm(),
    "group norm": GroupNorm(groups=3),
    "regularized batch norm": BatchNorm(eps=0.1),
}
LAST = {
    "none": NoNormalization(),
    "mean subtraction": MeanSubtraction(),
    "batch norm": BatchNorm(),
    "layer norm": LayerNorm(),
    "regularized": BatchNorm(eps=0.1),
}
WEIGHTS = ("plain", "weight-normalization", "weight-standardization")
CASES = [
    (hidden, last, activation, bias, weights)
    for hidden, last, activation, bias, weights in product(
        HIDDEN, LAST, ("relu", "tanh"), (0.0, 0.5), WEIGHTS
    )
    if weights == "plain" or (hidden, last) in (("none", "none"), ("batch norm", "layer norm"))
]


def measured(network):
    """What the loss does not see, in the form of ``invariant_weights``."""
    found = changes(network)
    sizes = [size for layer in found for size in layer.values()]
    assert not any(1e-12 < one < 1e-6 for one in sizes), found
    return tuple(frozenset(part for part, one in layer.items() if one < 1e-12) for layer in found)


@pytest.mark.parametrize(("hidden", "last", "activation", "bias", "weights"), CASES)
def test_scaled_weights_change_the_loss_where_theory_says_so(
    hidden, last, activation, bias, weights
):
    network = Network(
        activation,
        depth=3,
        sigma_w2=2,
        sigma_b2=bias,
        outputs=5,
        layers=(HIDDEN[hidden], HIDDEN[hidden]),
        last=LAST[last],
        weights=weights,
    )
    assert measured(network) == invariant_weights(network)


@pytest.mark.parametrize("last", LAST)
def test_every_placement_of_two_schemes(last):
    """Each pair of hidden schemes, with and without biases, a homogeneous activation and not."""
    for (below, above), activation, bias in product(
        permutations(HIDDEN, 2), ("relu", "tanh"), (0.0, 0.5)
    ):
        network = Network(
            activation,
            depth=3,
            sigma_w2=2,
            sigma_b2=bias,
            outputs=5,
            layers=(HIDDEN[below], HIDDEN[above]),
            last=LAST[last],
        )
        assert measured(network) == invariant_weights(network), (below, above, activation, bias)


DEGREES = {
    "linear": Activation.named("linear"),
    "relu": Activation.named("relu"),
    "leaky_relu": Activation.named("leaky_relu", slope=0.3),
    "abs": Activation.named("abs"),
    "relu_power": Activation.named("relu_power", n=2),
    "monomial": Activation.named("monomial", n=3),
}
CURVED = ("hard_tanh", "elu", "erf", "gelu", "sin", "gaussian", "sigmoid", "softplus", "silu")


@pytest.mark.parametrize("name", [*DEGREES, *CURVED])
def test_homogeneous_activations_and_no_others_hand_a_factor_on(name):
    assert set(DEGREES) == set(rules.HOMOGENEOUS)
    activation = DEGREES.get(name) or Activation.named(name)
    network = Network(activation, depth=3, sigma_w2=0.7, outputs=5, last=BatchNorm())
    assert measured(network) == invariant_weights(network)
    assert ("matrix" in invariant_weights(network)[0]) == (name in DEGREES)


def test_groups_that_are_invariant_alone_are_so_together():
    for last, bias, hidden in (
        (BatchNorm(), 0.0, NoNormalization()),
        (LayerNorm(), 0.0, LayerNorm()),
        (BatchNorm(), 0.5, BatchNorm()),
    ):
        network = Network(
            "relu", depth=3, sigma_w2=2, sigma_b2=bias, outputs=5, hidden=hidden, last=last
        )
        assert all("matrix" in one for one in invariant_weights(network))
        loss, weights, biases = squared_error(network)
        scaled = [factor * W for factor, W in zip((1.7, 0.3, 5.0), weights, strict=True)]
        assert loss(scaled, biases) == pytest.approx(loss(weights, biases), rel=1e-12)


def test_biases_take_a_power_for_each_layer_below():
    network = Network("relu", depth=3, sigma_w2=2, sigma_b2=0.5, outputs=5, last=LayerNorm())
    loss, weights, biases = squared_error(network)
    scaled = [1.7 * W for W in weights]
    powers = [1.7**l * b for l, b in enumerate(biases, start=1)]
    alike = [1.7 * b for b in biases]
    assert loss(scaled, powers) == pytest.approx(loss(weights, biases), rel=1e-12)
    assert abs(loss(scaled, alike) / loss(weights, biases) - 1) > 1e-3


# Wrong entries

WRONG = {
    "mean subtraction removes a scale": ("PER_UNIT", ("batchnorm", "mean-subtraction")),
    "batch norm does not": ("PER_UNIT", ()),
    "layer norm acts on each unit": ("PER_UNIT", ("batchnorm", "layernorm")),
    "RMS norm does not": ("PER_SAMPLE", ("layernorm", "groupnorm")),
    "a bias passes batch norm": ("WITHOUT_BIAS", ("mean-subtraction",)),
    "a bias is lost over the units": ("WITHOUT_BIAS", ("batchnorm", "layernorm")),
    "tanh is homogeneous": ("HOMOGENEOUS", ("relu", "tanh")),
    "relu is not": ("HOMOGENEOUS", ("linear",)),
}


@pytest.mark.parametrize("name", WRONG)
def test_a_wrong_entry_is_seen(name, monkeypatch):
    where, entries = WRONG[name]
    monkeypatch.setattr(rules, where, entries)
    last = NoNormalization() if where == "PER_UNIT" else BatchNorm()
    networks = (
        Network(
            activation,
            depth=3,
            sigma_w2=2,
            sigma_b2=bias,
            outputs=5,
            layers=(HIDDEN[one],) * 2,
            last=last,
        )
        for one, activation, bias in product(HIDDEN, ("relu", "tanh"), (0.0, 0.5))
    )
    assert any(measured(network) != invariant_weights(network) for network in networks)


def test_a_scheme_that_removes_no_scale_breaks_the_proof(monkeypatch):
    monkeypatch.setattr(record, "PER_UNIT", ("mean-subtraction",))
    with pytest.raises(ProofError, match="mean-subtraction"):
        theorem("invariant-weights").prove().verify()


def test_scale_passes_plain_layers_up_to_one_that_removes_it():
    network = Network(
        "relu", depth=3, sigma_w2=2, layers=(NoNormalization(), BatchNorm()), last=NoNormalization()
    )
    assert [sorted(one) for one in invariant_weights(network)] == [
        ["layer", "matrix"],
        ["layer", "matrix", "row"],
        [],
    ]
    assert changes(network)[0]["matrix"] < 1e-12
    curved = replace(network, activation="tanh")
    assert not invariant_weights(curved)[0]
    assert changes(curved)[0]["matrix"] > 1e-6
