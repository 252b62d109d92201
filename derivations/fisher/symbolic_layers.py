"""A network of three layers of weights in symbols: what the sums over layers end in."""

from __future__ import annotations

import sympy as sp

from theory.mathematics import Number
from theory.meanfield import OrderParameters
from theory.symbols import S1, S2, S3, T1, T2, qh1, qh2, qh3


def at(symbol: sp.Symbol, layer: Number) -> sp.Indexed:
    """The symbol's value at a layer."""
    return sp.IndexedBase(symbol)[layer]


def three_layers(batches: bool = False) -> OrderParameters:
    """Order parameters of which only qh, T and S are known; with those of two ``batches``."""

    def values(symbol: sp.Symbol, first: int) -> tuple[sp.Basic, ...]:
        return tuple(at(symbol, layer) for layer in range(first, first + 3))

    def gaps(one: sp.Symbol, two: sp.Symbol, first: int) -> tuple[sp.Basic, ...]:
        return tuple(at(one, layer) - at(two, layer) for layer in range(first, first + 3))

    return OrderParameters(
        q1=(),
        q2=(),
        q_gap=(),
        qh1=values(qh1, 0),
        qh2=values(qh2, 0),
        qh_gap=gaps(qh1, qh2, 0),
        T1=values(T1, 1),
        T2=values(T2, 1),
        T_gap=gaps(T1, T2, 1),
        S1=values(S1, 1),
        S2=values(S2, 1),
        S_gap=gaps(S1, S2, 1),
        qh3=values(qh3, 0) if batches else (),
        S3=values(S3, 1) if batches else (),
    )
