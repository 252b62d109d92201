"""``predict``: what it prints, in which form, and what follows from it."""

import math
from decimal import Decimal

import numpy as np
import pytest

from tests.cases import table
from tests.command_line import LASTS, LINEAR, RELU, TANH, sized
from theory.network_file import read_network

PREDICTED = {
    "network",
    "width",
    "samples",
    "parameters",
    "K",
    "kappa",
    "kappa_leading",
    "uniform_mode",
    "bulk_mode",
    "order_parameters",
    "mean_eigenvalue",
    "second_moment",
    "spectrum",
    "largest_eigenvalue",
    "learning_rate_threshold",
}
IN_PROPORTION = ("standard_deviation", "c1", "c2", "lower_leading", "upper_leading")


def leaves(value):
    if isinstance(value, dict):
        value = list(value.values())
    if isinstance(value, list):
        return [leaf for inner in value for leaf in leaves(inner)]
    return [value]


@pytest.mark.parametrize("regime", ["fixed-samples", "proportional"])
@pytest.mark.parametrize("last", LASTS)
def test_prediction_has_its_documented_keys_with_numbers_as_numbers(result, net, last, regime):
    path = net(outputs=3, ratios=[1, 2, 0.5], last=last)
    said = result(*sized("predict", path, 100, 40), "--regime", regime)
    assert said.keys() >= PREDICTED
    assert said["network"] == read_network(path).describe()
    assert (said["width"], said["samples"], said["parameters"]) == (100, 40, 30403)
    assert {len(said[name]) for name in ("K", "kappa", "kappa_leading")} == {2}
    order = said["order_parameters"]
    assert list(order) == ["q1", "q2", "qh1", "qh2", "T1", "T2", "S1", "S2"]
    assert {len(values) for values in order.values()} == {3}
    assert {tuple(mode) for mode in said["spectrum"]} == {
        ("eigenvalue", "multiplicity", "direction")
    }
    assert sum(mode["multiplicity"] for mode in said["spectrum"]) == 3 * 40
    largest = said["largest_eigenvalue"]
    assert list(largest) == ["value", "lower", "upper", "order", "regime", *IN_PROPORTION]
    numbers = [said[name] for name in PREDICTED - {"network", "spectrum", "largest_eigenvalue"}]
    numbers += [mode["eigenvalue"] for mode in said["spectrum"]]
    numbers += [largest[name] for name in ("value", "lower", "upper", *IN_PROPORTION)]
    assert {type(leaf) for leaf in leaves(numbers)} <= {int, float, type(None)}


@pytest.mark.parametrize("last", LASTS)
def test_kernel_is_that_of_the_linear_outputs(result, net, last):
    linear, mapped = (result(*sized("predict", net(last=which))) for which in ("none", last))
    for name in ("K", "kappa", "kappa_leading", "uniform_mode", "bulk_mode", "order_parameters"):
        assert mapped[name] == linear[name]


def test_modes_and_scales_follow_from_the_kernel(result, net):
    said = result(*sized("predict", net(ratios=[1, 2, 0.5])))
    (K1, K2), N, alpha = said["K"], 10, 3
    assert said["kappa"] == pytest.approx([K1 / (alpha * 100), K2 / (alpha * 100)])
    assert said["uniform_mode"] == pytest.approx((K1 + (N - 1) * K2) / N)
    assert said["bulk_mode"] == pytest.approx((K1 - K2) / N)
    assert said["largest_eigenvalue"]["value"] == said["uniform_mode"]
    assert said["learning_rate_threshold"] == pytest.approx(2 / said["uniform_mode"])


@pytest.mark.parametrize("last", LASTS)
def test_moments_are_those_of_the_spectrum(result, net, last):
    said = result(*sized("predict", net(outputs=2, last=last)))
    eigenvalues = [mode["eigenvalue"] for mode in said["spectrum"]]
    counts = [mode["multiplicity"] for mode in said["spectrum"]]
    P = said["parameters"]
    assert said["mean_eigenvalue"] == pytest.approx(np.dot(counts, eigenvalues) / P)
    if last != "batchnorm":
        assert said["second_moment"] == pytest.approx(np.dot(counts, np.square(eigenvalues)) / P)


@table(
    {
        "relu": (RELU, "1.575", "0.40149422"),
        "tanh": (TANH, "0.95552190", "0.11861537"),
        "erf": (
            {
                "activation": {"name": "erf", "scale": 0.7071067811865476},
                "depth": 3,
                "sigma_w2": 2,
                "sigma_b2": 0.3,
            },
            "0.53688006",
            "0.07478749",
        ),
    },
    "network, kappa1, kappa2",
)
def test_leading_kernel_has_its_known_value_to_all_digits(result, net, network, kappa1, kappa2):
    arguments = sized("predict", net(network))
    for values in (
        result(*arguments)["kappa_leading"],
        result(*arguments, "--digits", 10)["kappa_leading"],
    ):
        for value, known in zip(values, (kappa1, kappa2), strict=True):
            assert round(Decimal(value), -Decimal(known).as_tuple().exponent) == Decimal(known)


@table(
    {
        "relu": (RELU, 30, 45),
        "relu behind mean subtraction": (RELU | {"last": "mean-subtraction"}, 30, 45),
        "relu behind batch norm": (RELU | {"last": "batchnorm"}, 30, 45),
        "relu behind regularized batch norm": (
            RELU | {"last": {"kind": "batchnorm", "eps": 0.3}},
            20,
            25,
        ),
        "linear": (LINEAR, 100, 110),
        "tanh": (TANH, 10, 13),
    },
    "network, digits, more",
)
def test_numbers_with_digits_are_strings_with_that_many_digits(result, net, network, digits, more):
    arguments = sized("predict", net(network))
    floats, short, long = (
        result(*arguments, *options) for options in ((), ("--digits", digits), ("--digits", more))
    )
    for name in PREDICTED - {"network", "width", "samples", "parameters"}:
        said = zip(leaves(floats[name]), leaves(short[name]), leaves(long[name]), strict=True)
        for number, rounded, longer in said:
            if not isinstance(number, float):
                assert number == rounded == longer
                continue
            assert (type(rounded), type(longer)) == (str, str)
            assert float(rounded) == pytest.approx(number, rel=1e-9, abs=1e-12)
            error = abs(Decimal(rounded) - Decimal(longer))
            assert error <= abs(Decimal(longer)) * Decimal(10) ** (1 - digits)
            assert number == 0 or len(Decimal(rounded).as_tuple().digits) == digits


@table(
    {
        "the uniform mode": (RELU, "none", 10, "fixed-samples", "M", "uniform"),
        "the bulk of opposite samples": (
            LINEAR | {"input_overlaps": [1, -0.4], "bias_gradients": False},
            "none",
            3,
            "fixed-samples",
            "M",
            "bulk",
        ),
        "the bulk of centred outputs": (RELU, "mean-subtraction", 10, "fixed-samples", "M", "bulk"),
    },
    "base, last, samples, regime, order, mode",
)
def test_largest_eigenvalue_is_a_mode(result, net, base, last, samples, regime, order, mode):
    path = net(base, last=last)
    said = result(*sized("predict", path, 1000, samples), "--regime", regime)
    largest = said["largest_eigenvalue"]
    assert (largest["order"], largest["regime"]) == (order, regime)
    assert largest["value"] == said[f"{mode}_mode"]
    assert said["learning_rate_threshold"] == pytest.approx(2 / largest["value"])


@table(
    {
        "the uniform mode": (RELU, "none", "M", "proportional", False),
        "the uniform mode in the bulk": (
            LINEAR | {"sigma_b2": 0},
            "none",
            "1",
            "proportional",
            True,
        ),
        "the edge of centred outputs": (RELU, "mean-subtraction", "1", "proportional", True),
        "normalized outputs": (RELU, "batchnorm", "1", "random", False),
    },
    "base, last, order, regime, spread",
)
def test_largest_eigenvalue_in_proportion(result, net, base, last, order, regime, spread):
    arguments = sized("predict", net(base, last=last), 1000, 500)
    said = result(*arguments, "--regime", "proportional")
    largest = said["largest_eigenvalue"]
    assert (largest["order"], largest["regime"]) == (order, regime)
    assert said["learning_rate_threshold"] == pytest.approx(2 / largest["value"])
    assert (largest["standard_deviation"] is not None) == spread
    if not spread:
        assert "not derived" in said["reason"]


def test_unknown_largest_eigenvalue_is_null_with_its_reason(result, net):
    said = result(*sized("predict", net(RELU, last="batchnorm"), 1000, 500))
    assert said["largest_eigenvalue"]["value"] is None
    assert said["largest_eigenvalue"]["regime"] == "random"
    assert said["learning_rate_threshold"] is None
    assert len(said["reason"]) > 20


@pytest.mark.parametrize("regime", ["fixed-samples", "proportional"])
def test_bounds_of_centred_outputs_are_those_of_the_paper(result, net, regime):
    path = net(outputs=4, last="mean-subtraction", ratios=[1, 2, 0.5])
    said = result(*sized("predict", path, 1000, 250), "--regime", regime)
    rho, alpha, gap = 4, 3, said["kappa"][0] - said["kappa"][1]
    largest, suffix = said["largest_eigenvalue"], "" if regime == "fixed-samples" else "_leading"
    assert largest["lower" + suffix] == pytest.approx(rho * alpha * gap)
    upper = math.sqrt(4 * alpha**2 * rho * gap**2 * 1000)
    assert largest["upper" + suffix] == pytest.approx(upper)
    if suffix:
        assert largest["lower_leading"] < largest["lower"] < largest["value"] < largest["upper"]


@pytest.mark.parametrize("samples", [4, 5, 6])
def test_second_moment_behind_batch_norm_is_null_with_a_reason_up_to_five_samples(
    result, net, samples
):
    said = result(*sized("predict", net(last="batchnorm"), 1000, samples))
    assert said["mean_eigenvalue"] > 0
    if samples <= 5:
        assert said["second_moment"] is None
        assert "1/sigma^4" in said["reason"]
        assert f"N = {samples} " in said["reason"]
    else:
        assert said["second_moment"] > 0
        assert "1/sigma^4" not in said["reason"]


def test_few_samples_behind_regularized_batch_norm_have_every_moment(result, net):
    path = net(last={"kind": "batchnorm", "eps": 0.3})
    said = result(*sized("predict", path, 1000, 2))
    assert said["mean_eigenvalue"] > 0
    assert said["second_moment"] > 0
