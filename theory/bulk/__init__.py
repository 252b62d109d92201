r"""The bulk of the spectrum when the number of samples grows in proportion to the width."""

from theory.bulk.density import density
from theory.bulk.edge import Edge, right_edge
from theory.bulk.moments import Constants, constants, noise

__all__ = ["Constants", "Edge", "constants", "density", "noise", "right_edge"]
