r"""Piecewise linear activations, powers of ReLU, ELU and SELU against quadrature of their definitions.

``reference/piecewise.json`` holds 30 digits, made by ``reference/make_piecewise.py`` from the
definitions alone. The properties below hold for every law.
"""

import json
from functools import cache
from math import erfc, sqrt
from pathlib import Path

import numpy as np
import pytest
import sympy as sp
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from theory.errors import DescriptionError
from theory.families import elu, normal, piecewise_linear, relu_power
from theory.families.elu import ELU, SELU
from theory.families.kernel import DoesNotExist, Kernel
from theory.families.piecewise_linear import (
    ABSOLUTE,
    HARD_TANH,
    LEAKY_RELU,
    LINEAR,
    PIECEWISE_LINEAR,
    RELU,
    SIGN,
    STEP,
)
from theory.families.relu_power import RELU_POWER
from theory.mathematics import FLOATS, precise
from theory.pair import Law, Pair

KERNELS = {
    "linear": LINEAR,
    "relu": RELU,
    "leaky_relu": LEAKY_RELU,
    "abs": ABSOLUTE,
    "step": STEP,
    "sign": SIGN,
    "relu_power": RELU_POWER,
    "hard_tanh": HARD_TANH,
    "piecewise_linear": PIECEWISE_LINEAR,
    "elu": ELU,
    "selu": SELU,
}
ONE = ("mean", "derivative_mean", "second", "derivative_second")
TWO = ("dual", "derivative_dual")
GAPS = ("gap", "derivative_gap")
POSITIVE = ("relu_power", "abs")  # the centred dual has no interior zero: relatively accurate
TABLE = Path(__file__).parent / "reference" / "piecewise.json"


@cache
def _rows():
    rows = {}
    for row in json.loads(TABLE.read_text()):
        rows.setdefault(_label(row), []).append(row)
    return rows


def _label(row):
    parameters = row["parameters"]
    short = [str(x) for x in parameters.values() if not isinstance(x, list)]
    return "-".join([row["name"], *short])


def _number(m, text):
    if isinstance(text, list):
        return tuple(_number(m, x) for x in text)
    return float(text) if m is FLOATS else m.context.mpf(text)


def _parameters(m, row):
    if row["name"] == "relu_power":
        return {"n": int(row["parameters"]["n"])}
    return {key: _number(m, text) for key, text in row["parameters"].items()}


def _mean(m, text):
    return 0 if text == "0" else _number(m, text)


def _pair(m, row):
    a, b, m1, m2 = row["law"]
    correlation = {key: _number(m, text) for key, text in row["correlation"].items()}
    return Pair.at(
        _number(m, a), _number(m, b), **correlation, mean1=_mean(m, m1), mean2=_mean(m, m2)
    )


def _value(kernel, name, law, parameters):
    try:
        return getattr(kernel, name)(law, **parameters)
    except DoesNotExist:
        return None


def _compare(m, row, kernel):
    """(integral, error in units of its scale, relative error) for each of the integrals."""
    pair, parameters = _pair(m, row), _parameters(m, row)
    exact = [[None if x is None else m.number(_number(m, x)) for x in row[key]] for key in "uv"]
    size = [m.sqrt(x[2]) for x in exact]
    steep = [m.sqrt(x[3]) if x[3] is not None else abs(x[1]) for x in exact]
    cases = [("dual", pair, row["pair"][0], size[0] * size[1])]
    cases.append(("derivative_dual", pair, row["pair"][1], steep[0] * steep[1]))
    for law, s, t, one in zip((pair.u, pair.v), size, steep, exact, strict=True):
        scales = (s, t, s**2, t**2)
        cases += [(*case, scale) for case, scale in zip(_single(law, one), scales, strict=True)]
    for name, law, reference, scale in cases:
        value = _value(kernel, name, law, parameters)
        if reference is None or value is None:
            assert value is None
            assert reference is None
            continue
        if isinstance(reference, str):
            reference = _number(m, reference)
        if name == "derivative_dual" and row["name"] in ("step", "sign", "piecewise_linear"):
            scale = max(scale, abs(reference))
        error = abs(value - reference)
        relative = error / abs(reference) if reference else error
        yield name, float(error / scale) if scale else float(error), float(relative)


def _single(law, values):
    return [(name, law, value) for name, value in zip(ONE, values, strict=True)]


LABELS = list(_rows())
over_entries = pytest.mark.parametrize("label", LABELS)


# Against the definition


def test_reference_table_covers_every_variance_correlation_and_entry():
    for rows in _rows().values():
        laws = {tuple(row["law"]) for row in rows}
        correlations = {tuple(row["correlation"].items()) for row in rows}
        assert len(rows) == len(laws) * len(correlations) == 12 * 8
        assert {"1e-8", "1e-3", "1", "25", "1e4"} <= {a for a, b, *_ in laws if a == b}
    assert {row[0]["name"] for row in _rows().values()} == set(KERNELS) - {"linear"}


@over_entries
def test_floats_equal_gaussian_integrals(label):
    for row in _rows()[label]:
        centred = row["law"][2:] == ["0", "0"]
        for name, error, relative in _compare(FLOATS, row, KERNELS[row["name"]]):
            assert error < 2e-14, (name, row)
            if name == "dual" and row["name"] in POSITIVE and centred:
                assert relative < 2e-14 or row["correlation"] == {"one_plus_c": "0"}, row


@over_entries
def test_many_digits_equal_gaussian_integrals(label):
    step = 31 if label.startswith(("elu", "selu", "piecewise")) else 13
    m = precise(30)
    for row in _rows()[label][::step]:
        for name, error, _ in _compare(m, row, KERNELS[row["name"]]):
            assert error < 1e-29, (name, row)


@pytest.mark.slow
@over_entries
def test_a_sample_of_the_reference_table_is_what_its_script_computes(label):
    from tests.reference.make_piecewise import recompute

    for row in _rows()[label][3::40]:
        assert recompute(row) == row["pair"]


LIMIT = {"dual": 1e-13, "derivative_dual": 1e-13, "mean": 1e-13}


def _worst(label, kernel):
    rows = _rows()[label]
    return max(error for row in rows for _, error, _ in _compare(FLOATS, row, kernel))


# A wrong reading of each formula, and the entry that must notice
PLANTED = {
    "the covariance term is forgotten": ("relu", normal, "log_density", lambda m, h, k, p: -1e9),
    "h and k of opposite sign": ("hard_tanh", piecewise_linear, "log_density", "reflected"),
    "1 - c formed from a rounded c": ("relu-power", piecewise_linear, "sector", "rounded"),
}
