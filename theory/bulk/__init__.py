r"""The bulk of the spectrum when the number of samples grows in proportion to the width."""

from theory.bulk.density import density
from theory.bulk.edge import Edge, right_edge
from theory.bulk.finite import Top, top
from theory.bulk.largest import InProportion, largest_in_proportion
from theory.bulk.moments import Constants, constants, noise
from theory.bulk.outliers import norm_outliers, uniform_shift

__all__ = [
    "Constants",
    "Edge",
    "InProportion",
    "Top",
    "constants",
    "density",
    "largest_in_proportion",
    "noise",
    "norm_outliers",
    "right_edge",
    "top",
    "uniform_shift",
]
