"""The ways in which a measured row tends to its limit of infinite width."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from numerics.extrapolation import Corrections
from numerics.plan import (
    BULK_SHIFT,
    BULK_TOP,
    CONDITIONAL,
    CONDITIONAL_EDGE,
    EDGE_DESIGN,
    EXPLICIT,
    EXPLICIT_FINE,
    Design,
)

FINE_BELOW = 0.0075
"""Resolution below which wider networks reach a verdict on a mean at less cost."""


@dataclass(frozen=True)
class Approach:
    """The corrections at finite width, the networks that resolve them, and to which error.

    ``corrections(depth, samples)``: the powers of the width. A verdict excludes a relative error
    of ``resolution`` at best, whatever is asked. ``one_output``: measured for C = 1 alone.
    ``in_proportion``: measured with samples in proportion to the width alone.
    ``usual`` is the fluctuation c of most networks, for a first guess of the time. ``conditional``
    are the networks and the resolution of the conditional engine.
    """

    corrections: Callable[[int, int], Corrections]
    coarse: Design = EXPLICIT
    fine: Design = EXPLICIT_FINE
    resolution: float = 0
    one_output: bool = False
    in_proportion: bool = False
    usual: float = 1
    conditional: tuple[Design, float] = (CONDITIONAL, 0)

    def by(self, engine: str) -> Approach:
        """The same with the networks of this engine."""
        if engine == "explicit":
            return self
        design, resolution = self.conditional
        return replace(self, coarse=design, fine=design, resolution=resolution)

    def design(self, delta: float) -> Design:
        """The widths for this relative error."""
        return self.coarse if delta > FINE_BELOW else self.fine

    def in_groups(self, groups: int) -> Approach:
        """The same where units are normalized in groups: powers of groups/M, from wider networks.

        The edge of a bulk keeps its powers of N/M.
        """
        if groups == 1 or self.corrections(3, 2).scale != 1:
            return self

        def corrections(depth: int, samples: int) -> Corrections:
            return replace(self.corrections(depth, samples), scale=float(groups))

        return replace(self, corrections=corrections, coarse=self.fine)

    def attainable(self, delta: float) -> float:
        """The relative error that a verdict excludes where delta is asked."""
        return max(delta, self.resolution)


MEAN = Approach(lambda depth, samples: Corrections.mean(depth))
"""Means over networks and outlier eigenvalues: powers of 1/M."""

MEAN_SQUARE = Approach(
    lambda depth, samples: Corrections.mean(depth, factor=3),
    resolution=0.02,
    usual=2,
)
"""The mean of the squared entries of the kernel: powers of 1/M with larger coefficients."""


SPLIT_OUTLIER = Approach(
    lambda depth, samples: Corrections.edge(samples),
    coarse=EDGE_DESIGN,
    fine=EDGE_DESIGN,
    resolution=0.1,
    usual=1.5,
    conditional=(CONDITIONAL_EDGE, 0.02),
)
"""The largest of several outliers that fluctuations of the kernel push apart."""

EDGE = Approach(
    lambda depth, samples: Corrections.edge(samples),
    coarse=EDGE_DESIGN,
    fine=EDGE_DESIGN,
    resolution=0.1,
    one_output=True,
    usual=1.5,
    conditional=(CONDITIONAL_EDGE, 0.02),
)
"""The largest eigenvalue of a bulk of N samples: powers of sqrt(N/M)."""

BULK = Approach(
    lambda depth, samples: Corrections.bulk(),
    coarse=BULK_TOP,
    fine=BULK_TOP,
    resolution=0.03,
    one_output=True,
    in_proportion=True,
    usual=0.6,
)
"""The top of a bulk whose samples grow with the width: powers 1 and 4/3 of 1/M.

A power 2/3 was not seen beside the predicted one in tanh, ReLU and linear networks of two and
three layers at widths 48 to 512; b_1 is between -5 and 5 there, b_2 between -5 and 15.
Behind hidden batch norm and mean subtraction b_1 was -4.5(1.1) to 0.3(1.1), b_2 3(6) to 11(5).
"""

BULK_DISTANCE = Approach(
    lambda depth, samples: Corrections.shift(),
    coarse=BULK_SHIFT,
    fine=BULK_SHIFT,
    resolution=0.9,
    one_output=True,
    in_proportion=True,
    usual=18,
)
"""Its distance from the edge: powers 1/3 and 2/3. It resolves whether there is one."""

BULK_VARIANCE = Approach(
    lambda depth, samples: Corrections.mean(depth, factor=6),
    coarse=BULK_TOP,
    fine=BULK_TOP,
    resolution=0.03,
    one_output=True,
    in_proportion=True,
    usual=0.8,
)
"""The variance of a bulk whose samples grow with the width: powers of 1/M, b_1 of 20 for ReLU."""
