"""The closed Gaussian integrals, one line for each activation that has them.

**A new closed form goes here**: a ``Kernel`` from a file of ``theory.families``. An activation
without a line is integrated by quadrature.
"""

from __future__ import annotations

from theory.families.elu import ELU, SELU
from theory.families.error_function import ERF, GELU, PROBIT
from theory.families.exponential import COS, EXP, GAUSSIAN, HERMITE, MONOMIAL, POLYNOMIAL, SIN
from theory.families.kernel import Kernel
from theory.families.logistic import SIGMOID, SILU, SOFTPLUS, TANH
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

KERNELS: dict[str, Kernel] = {
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
    "erf": ERF,
    "probit": PROBIT,
    "gelu": GELU,
    "sin": SIN,
    "cos": COS,
    "exp": EXP,
    "gaussian": GAUSSIAN,
    "monomial": MONOMIAL,
    "hermite": HERMITE,
    "polynomial": POLYNOMIAL,
    "sigmoid": SIGMOID,
    "tanh": TANH,
    "softplus": SOFTPLUS,
    "silu": SILU,
}

SYMBOLIC = ("linear", "relu", "erf", "tanh")
"""The activations whose integrals are also written in symbols (those of tanh under names)."""
