"""At every legal input an integral is a finite number, or refused with a reason."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from theory import Activation, OutOfRegime
from theory.activations import ACTIVATIONS
from theory.gaussian import closed_kernel
from theory.integrals import gaussian_integrals
from theory.kernels import KERNELS
from theory.mathematics import precise
from theory.pair import Pair
from theory.quantity import QUANTITIES

REALS = st.floats(-100, 100).map(lambda x: round(x, 9))
PARAMETERS = {
    "slope": REALS,
    "alpha": REALS,
    "n": st.integers(1, 57),
    "scale": REALS,
    "c0": REALS,
    "c1": REALS,
    "l": REALS,
    "mu": REALS,
    "omega": REALS,
    "phase": REALS,
    "t": REALS,
    "p": st.floats(1e-6, 1e6),
    "coefficients": st.lists(REALS, min_size=1, max_size=8).map(tuple),
}
VARIANCES = st.floats(-8, 4).map(lambda e: 10.0**e)
MEANS = st.sampled_from([0.0, 100.0, -100.0]) | REALS
CORRELATIONS = st.one_of(
    st.sampled_from([{"c": 1.0}, {"c": -1.0}, {"c": 0.0}]),
    st.floats(-1, 1).map(lambda c: {"c": round(c, 9)}),
    st.floats(-16, 0).map(lambda e: {"one_minus_c": 10.0**e}),
    st.floats(-16, 0).map(lambda e: {"one_plus_c": 10.0**e}),
)


@st.composite
def activations(draw, name):
    if name == "piecewise_linear":
        kinks = sorted(draw(st.sets(REALS, max_size=4)))
        return Activation.named(
            name,
            kinks=tuple(kinks),
            slopes=tuple(draw(REALS) for _ in range(len(kinks) + 1)),
            jumps=tuple(draw(REALS) for _ in kinks),
            value=draw(REALS),
        )
    template = ACTIVATIONS[name]
    names = [key for key, _ in (*template.parameters, *template.needs)]
    return Activation.named(name, **{key: draw(PARAMETERS[key]) for key in names})


@pytest.mark.parametrize("name", KERNELS)
@given(data=st.data())
def test_no_integral_is_infinite_or_undefined(name, data):
    activation = data.draw(activations(name))
    pair = Pair.at(data.draw(VARIANCES), data.draw(VARIANCES), **data.draw(CORRELATIONS))
    if data.draw(st.booleans()):
        pair = pair._replace(m1=data.draw(MEANS), m2=data.draw(MEANS))
    kernel = closed_kernel(activation)
    asked = {
        integral: pair if integral.endswith("dual") else pair.u for integral in QUANTITIES.values()
    }
    equal = Pair(pair.a, pair.a, pair.a * pair.c, pair.dl, pair.op, pair.m1, pair.m1)
    asked |= {gap: equal for gap in ("gap", "derivative_gap") if getattr(kernel, gap)}
    for integral, law in asked.items():
        try:
            value = getattr(kernel, integral)(law)
        except OutOfRegime:
            continue
        assert math.isfinite(value), integral


@pytest.mark.parametrize("mean", [0, 30.0])
def test_overflow_of_a_power_is_refused_and_given_with_digits(mean):
    activation = Activation.named("relu_power", n=64)
    found = gaussian_integrals(activation, Pair.at(1e4, c=0.5, mean1=mean, mean2=mean))
    for name in ("second_moment", "dual", "derivative_dual"):
        assert found[name].value is None
        assert "overflows float64" in found[name].reason
    assert np.isfinite(found["mean"].value)
    m = precise(20)
    pair = Pair.at(m.number(1e4), c=m.number(0), mean1=m.number(mean), mean2=m.number(mean))
    exact = gaussian_integrals(activation, pair, 20)
    assert exact["dual"].value > m.number(10) ** 308
    square = exact["mean"].value ** 2  # independent samples
    assert abs(exact["dual"].value / square - 1) < 1e-19
