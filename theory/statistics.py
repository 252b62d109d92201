"""Records: what a last-layer map is given, and the statistics that it answers with."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from theory import fisher
from theory.coupled_outputs import Spread
from theory.mathematics import Number
from theory.outliers import Bulk, Outlier


class Outputs(NamedTuple):
    """The linear outputs: their kernel, v = q_1^L - q_2^L, the sizes, q_2^L, and the bulk noise.

    ``v_tot`` is None where the number of samples is fixed as the width grows. With mini-batches B
    is their size and K3 the kernel across them; else both are None. ``given``: realised outputs of
    shape (C, N), for a prediction that is conditional on them. ``moments_only``: the law of the
    outliers over the outputs is not asked for.
    """

    K1: Number
    K2: Number
    gap: Number
    v: Number
    alpha: Number
    M: Number
    N: Number
    C: Number
    P: Number
    q2: Number = 0
    v_tot: Number | None = None
    B: Number | None = None
    K3: Number | None = None
    given: np.ndarray | None = None
    moments_only: bool = False

    @property
    def batch(self) -> Number:
        """How many samples share their statistics."""
        return self.N if self.B is None else self.B

    @property
    def noise(self) -> Number:
        if self.v_tot is None:
            return 0
        return fisher.kernel_noise(self.gap, self.alpha, self.M, self.N, self.v_tot)


class Mode(NamedTuple):
    """One eigenvalue of the dual Fisher matrix, in expectation, and what it belongs to."""

    eigenvalue: Number
    multiplicity: Number
    direction: str


class LargestEigenvalue(NamedTuple):
    """The largest eigenvalue: its value, bounds, order in the width, and the regime they hold in.

    ``order`` is that of the regime's scaling: N fixed, or N proportional to M. With N proportional
    to M ``value`` is a mean over networks and ``standard_deviation`` their spread; the bounds have
    the constants ``c1`` and ``c2``, which ``lower_leading`` and ``upper_leading`` leave out.
    """

    value: Number | None
    lower: Number | None
    upper: Number | None
    order: str
    regime: str
    standard_deviation: Number | None = None
    c1: Number | None = None
    c2: Number | None = None
    lower_leading: Number | None = None
    upper_leading: Number | None = None


class Statistics(NamedTuple):
    """The statistics of the Fisher matrix; ``reason`` says why one of them is None.

    ``outliers`` and ``bulk``: for given outputs, or the law of the outliers over them.
    ``standard_errors``: of the mean eigenvalue and the second moment, where they are averages
    over sampled outputs.
    """

    mean_eigenvalue: Number
    second_moment: Number | None
    spectrum: tuple[Mode, ...]
    largest_eigenvalue: LargestEigenvalue
    reason: str | None = None
    outliers: tuple[Outlier, ...] | tuple[Spread, ...] = ()
    bulk: Bulk | None = None
    standard_errors: tuple[Number, Number | None] | None = None
