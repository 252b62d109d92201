"""``scipy.special``, imported when one of its functions is first used.

>>> from theory import special
>>> round(float(special.erf(0.5)), 12)
0.520499877813
"""

from __future__ import annotations

from typing import Any


def __getattr__(name: str) -> Any:
    from scipy import special

    found = globals()[name] = getattr(special, name)
    return found
