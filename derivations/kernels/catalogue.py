"""The theorems on kernels, one line each."""

from __future__ import annotations

from derivations.kernels.elu import ELU_KERNELS
from derivations.kernels.error_function import ERROR_FUNCTION_KERNELS
from derivations.kernels.exponential import EXPONENTIAL_KERNELS
from derivations.kernels.gelu import GELU_KERNELS
from derivations.kernels.kinks import KINK_KERNELS
from derivations.kernels.logistic import KOLMOGOROV_MIXTURE, LOGISTIC_KERNELS
from derivations.kernels.piecewise_linear import PIECEWISE_LINEAR_KERNELS
from derivations.kernels.polynomial import POLYNOMIAL_KERNELS
from derivations.kernels.price import PRICE_THEOREM
from derivations.kernels.relu_power import RELU_POWER_KERNELS
from derivations.theorem import Theorem

KERNEL_THEOREMS: tuple[Theorem, ...] = (
    PRICE_THEOREM,
    PIECEWISE_LINEAR_KERNELS,
    KINK_KERNELS,
    RELU_POWER_KERNELS,
    ERROR_FUNCTION_KERNELS,
    GELU_KERNELS,
    EXPONENTIAL_KERNELS,
    POLYNOMIAL_KERNELS,
    ELU_KERNELS,
    KOLMOGOROV_MIXTURE,
    LOGISTIC_KERNELS,
)


def show(id: str) -> None:
    """Verify the proof of a theorem on kernels and print it in LaTeX."""
    proof = next(one for one in KERNEL_THEOREMS if one.id == id).prove()
    proof.verify()
    print(proof.to_latex())
