r"""Two looks at one run, both declared before anything is measured.

Look 1 judges every row by Holm's test at :math:`\alpha/4`. The rows that it leaves undecided, and
no others, get as many networks again, and look 2 judges them, on all their networks, by Holm's
test at :math:`3\alpha/4` over these rows. A row that look 1 decides is never judged again.

Look 2 counts the extended rows alone, though it is their limits that extended them. That is paid
for as long as look 1 leaves few true rows open, as a plan sees to: in simulated runs of 25 true
rows 0.06 % refute one where 0.1 % is declared. It is 0.3 % where networks fluctuate 1.3 times as
much as their pilot said. To count all rows of the run at look 2 would hold alpha whatever they do.
"""

import numpy as np
from numpy.typing import ArrayLike

from numerics.verdict import TAIL, holm

SHARES = (0.25, 0.75)
"""Parts of alpha that the looks spend. The plan is made for the first: a quarter of alpha in place
of all of it asks for an error about 5 % smaller, 11 % more networks."""

EXTENSION = 2
"""Networks at look 2 for each at look 1. With the plan's reserve that decides a true row whose
networks fluctuate 1.5 times as much as the pilot said."""


def levels(p_values: ArrayLike, alpha: float, look: int) -> np.ndarray:
    r"""Level of each row judged at this look, 1 or 2: Holm's, for the look's part of alpha.

    Shape (m,) in and out. ValueError as for :func:`numerics.verdict.holm`, and for another look.

    >>> levels([0.5, 0.6], alpha=1e-3, look=1)
    array([8.75e-05, 8.75e-05])
    >>> levels([0.5], alpha=1e-3, look=2)
    array([0.000525])
    """
    if look not in (1, 2):
        raise ValueError(f"A run has looks 1 and 2, got {look}.")
    return holm(p_values, SHARES[look - 1] * alpha)


def planned_level(alpha: float, rows: int) -> float:
    r"""Level of the strictest test of a run, the first of Holm's at look 1.

    .. math:: 0.7 \cdot \frac{\alpha}{4 m}

    for m rows. A plan for it keeps its power over both looks, since look 2 only adds to what look 1
    finds.

    >>> round(planned_level(alpha=1e-3, rows=25), 12)
    7e-06
    """
    return TAIL * SHARES[0] * alpha / rows
