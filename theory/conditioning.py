"""Sums of closed forms that cancel: more digits where the sum is small next to its terms."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields
from functools import reduce
from typing import Any

import numpy as np

from theory.errors import OutOfRegime
from theory.families.kernel import DoesNotExist, Integral, Kernel
from theory.mathematics import FLOATS, Number, Symbols, of, precise
from theory.pair import Law, Pair

MODERATE = 1e-2
EXTRA_DIGITS = (20, 50, 110, 230, 470)
Size = Callable[[Law], Number]


def conditioned(kernel: Kernel, size: Size, derivative_size: Size | None) -> Kernel:
    r"""The kernel, accurate relative to :math:`\sqrt{E\varphi(u)^2\,E\varphi(v)^2}`.

    ``size`` is an upper bound of :math:`(\sum_i \sqrt{E t_i(u)^2})^2` for :math:`\varphi = \sum_i
    t_i`, ``derivative_size`` the same for the derivative, None if that has a single term. Where the
    second moment is far below it, in u or in v, the integral is computed again with as many digits
    more as cancel. Raises ``OutOfRegime`` where that are more than 470.
    """

    def integral(name: str) -> Integral | None:
        plain = getattr(kernel, name)
        bound = derivative_size if name.startswith("derivative") else size
        if plain is None or bound is None:
            return plain
        second = kernel.derivative_second if name.startswith("derivative") else kernel.second

        def cancels(law: Any, least: Number) -> Any:
            laws = (law.u, law.v) if isinstance(law, Pair) else (law,)
            try:
                return reduce(np.logical_or, [second(one) < least * bound(one) for one in laws])
            except DoesNotExist:
                return False  # and there is no scale
            except OutOfRegime:
                return True  # unless in mpmath, which has no largest number

        def value(law: Any) -> Number:
            m = of(*law)
            if isinstance(m, Symbols):
                return plain(law)
            if m is not FLOATS:
                return _again(m, plain, cancels, law) if cancels(law, MODERATE) else plain(law)
            found = plain(law)
            where = np.broadcast_to(cancels(law, MODERATE), np.shape(found))
            if not where.any():
                return found
            out = np.array(found)
            columns = [np.broadcast_to(part, np.shape(found))[where] for part in law]
            exact = [type(law)(*row) for row in zip(*columns, strict=True)]
            out[where] = [float(_again(m, plain, cancels, _kept(law, one))) for one in exact]
            return out[()]

        return value

    integrals: dict[str, Any] = {field.name: integral(field.name) for field in fields(Kernel)}
    return Kernel(**integrals)


def _kept(law: Any, one: Any) -> Any:
    """One element of the arrays of a law, its exact zeros kept: they say that it is centred."""
    return type(law)(
        *(0 if isinstance(part, int) and part == 0 else x for part, x in zip(law, one, strict=True))
    )


def _again(m: Any, plain: Integral, cancels: Callable[..., Any], law: Any) -> Number:
    digits = m.digits if m is FLOATS else m.digits - 15
    for extra in EXTRA_DIGITS:
        wide = precise(digits + extra)
        same = type(law)(
            *(part if isinstance(part, int) and part == 0 else wide.number(part) for part in law)
        )
        if not cancels(same, wide.number(10) ** -extra):
            return m.number(plain(same))
    raise OutOfRegime(f"the terms of the activation cancel to {EXTRA_DIGITS[-1]} digits at {law}")
