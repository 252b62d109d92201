"""Functions that every number system has, in float64 against arbitrary precision."""

import mpmath
import numpy as np

from theory.mathematics import Floats


def test_an_angle_less_its_sine_is_accurate_at_every_size():
    angles = np.concatenate([np.geomspace(1e-90, 0.2, 50), np.linspace(0.2, np.pi, 2000)])
    with mpmath.workdps(300):
        exact = np.array([float(x - mpmath.sin(x)) for x in map(mpmath.mpf, angles)])
    assert np.abs(Floats.angle_minus_sine(angles) / exact - 1).max() < 3e-15
    assert Floats.angle_minus_sine(0.0) == 0
