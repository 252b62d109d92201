"""Sums over the layers of a network of three, with symbols for the numbers of every layer."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import sympy as sp

from derivations.proof import LINEAR_OUTPUT, Evaluate, Lemma, Result, Step, Substitute, SumOver
from theory.mathematics import symbols
from theory.meanfield import Kernel, OrderParameters, total
from theory.normalization import Backward, Couple, own
from theory.symbols import (
    S1,
    S2,
    T1,
    T2,
    L,
    Lambda,
    M,
    M_above,
    N,
    S,
    T,
    backward,
    delta,
    g1,
    g2,
    h_mean,
    i,
    l,
    own_slope,
    qh1,
    qh2,
    s_inner,
    sigma_b2,
    sigma_w2,
    t_inner,
)
from theory.weights import gradient_factors

if TYPE_CHECKING:
    from theory.architecture import Network

LAYERS = (1, 2, 3)
ARRAYS = {one: sp.IndexedBase(one) for one in (M, qh1, qh2, h_mean, T1, T2, S1, S2, g1, g2)}
SUMS = (
    (sp.Sum(Lambda[t_inner, t_inner], (t_inner, 1, N)), T),
    (sp.Sum(Lambda[t_inner, s_inner], (s_inner, 1, N), (t_inner, 1, N)), S),
)
BACKWARD_PRODUCT = (
    sp.Sum(backward[i, t_inner] * backward[i, s_inner], (i, 1, M_above)),
    Lambda[t_inner, s_inner],
)


def of_pair(first: sp.Basic, second: sp.Basic) -> sp.Basic:
    """A mean over the units: ``first`` where the inner samples agree, else ``second``."""
    return second + (first - second) * delta(t_inner, s_inner)


def order(*, standardized: bool = False) -> OrderParameters:
    """Every layer's numbers as symbols."""

    def forward(one: sp.Symbol) -> tuple[sp.Basic, ...]:
        return tuple(ARRAYS[one][layer - 1] for layer in LAYERS)

    def above(one: sp.Symbol) -> tuple[sp.Basic, ...]:
        return tuple(ARRAYS[one][layer] for layer in LAYERS)

    def gaps(one: tuple[sp.Basic, ...], two: tuple[sp.Basic, ...]) -> tuple[sp.Basic, ...]:
        return tuple(a - b for a, b in zip(one, two, strict=True))

    none = ()
    return OrderParameters(
        q1=none,
        q2=none,
        q_gap=none,
        qh1=forward(qh1),
        qh2=forward(qh2),
        qh_gap=gaps(forward(qh1), forward(qh2)),
        T1=above(T1),
        T2=above(T2),
        T_gap=gaps(above(T1), above(T2)),
        S1=above(S1),
        S2=above(S2),
        S_gap=gaps(above(S1), above(S2)),
        removed=tuple(mean**2 for mean in forward(h_mean)) if standardized else (),
    )


def groups(network: Network) -> dict[str, Kernel]:
    """The kernels of weights and biases as the prediction adds up three layers."""
    widths = tuple(ARRAYS[M][layer - 1] for layer in LAYERS)
    factors = gradient_factors(
        network, symbols(), widths, sigma_w2, sigma_b2, bias_gradients=network.bias_gradients
    )
    standardized = network.weights == "weight-standardization"
    return order(standardized=standardized).groups(*factors)


def kernel(network: Network) -> Kernel:
    """Weights and biases together."""
    return total(groups(network).values())


def own_kernel() -> Kernel:
    """What a parameter of each hidden unit adds, three layers."""
    return total(_own(layer) for layer in LAYERS[:-1])


def _own(layer: int) -> Kernel:
    couple = Couple(ARRAYS[g1][layer], ARRAYS[g2][layer], ARRAYS[g1][layer] - ARRAYS[g2][layer])
    one, two = (
        own(couple, sigma_w2, Backward(ARRAYS[trace][layer + 1], ARRAYS[entries][layer + 1]))
        for trace, entries in ((T1, S1), (T2, S2))
    )
    return Kernel(one, two, one - two)


def of_layer(
    opening: str, overlap: Callable[[sp.Basic], sp.Basic], reason: str, name: str
) -> Lemma:
    """The part of a layer in the kernel, from the product of the gradients of one unit."""
    first, second = overlap(qh1), overlap(qh2)
    pair = second + sp.factor(first - second) * delta(t_inner, s_inner)
    return Lemma(
        name,
        opening,
        r"K^{(l)}_{t' s'}",
        sp.Sum(backward[i, t_inner] * backward[i, s_inner] * pair, (i, 1, M_above)),
        (
            Step(Evaluate(), Lambda[t_inner, s_inner] * pair, reason),
            Step(
                SumOver(s_inner, N),
                second * sp.Sum(Lambda[t_inner, s_inner], (s_inner, 1, N))
                + (first - second) * Lambda[t_inner, t_inner],
                "Sum over one inner sample.",
            ),
            Step(
                SumOver(t_inner, N),
                second * S + (first - second) * T,
                "Sum over the other.",
                "K^{(l)}",
            ),
        ),
        given=(BACKWARD_PRODUCT, *SUMS),
    )


def own_parameter() -> Lemma:
    """A parameter that each unit of a hidden layer has for itself."""
    moment = of_pair(g1, g2)
    expected = own(Couple(g1, g2, g1 - g2), sigma_w2, Backward(T, S))
    return Lemma(
        "parameter of each unit",
        r"A parameter of unit $i$ moves its activation alone, at the rate $\dot h_{i t'}$. The "
        r"gradient is $\sum_{t'} \dot h_{i t'} \sum_j W_{ji} \zeta^{l+1}_{j t'}$; with the "
        r"weights averaged alone, $E W_{ji} W_{ki} = \frac{\sigma_w^2}M \delta_{jk}$, two have "
        "the product:",
        r"K^{(l)}_{t' s'}",
        sp.Sum(
            sigma_w2 / M * own_slope[i, t_inner] * own_slope[i, s_inner] * Lambda[t_inner, s_inner],
            (i, 1, M),
        ),
        (
            Step(
                Evaluate(),
                sigma_w2 * moment * Lambda[t_inner, s_inner],
                "The law of large numbers turns the sum over the units into a mean.",
            ),
            Step(
                SumOver(s_inner, N),
                sigma_w2
                * (
                    g2 * sp.Sum(Lambda[t_inner, s_inner], (s_inner, 1, N))
                    + (g1 - g2) * Lambda[t_inner, t_inner]
                ),
                "Sum over one inner sample.",
            ),
            Step(
                SumOver(t_inner, N),
                expected,
                "Sum over the other: no width multiplies it.",
                "K^{(l)}",
            ),
        ),
        given=(
            (sp.Sum(own_slope[i, t_inner] * own_slope[i, s_inner], (i, 1, M)), M * moment),
            *SUMS,
        ),
    )


def own_over_layers(name: str, row: str, number: int) -> Lemma:
    """The kernel of these parameters as the prediction adds them up."""
    array = ((T1, S1), (T2, S2))[number - 1]
    in_layer = (
        (g1, ARRAYS[g1][l]),
        (g2, ARRAYS[g2][l]),
        (T, ARRAYS[array[0]][l + 1]),
        (S, ARRAYS[array[1]][l + 1]),
    )
    summand = own(Couple(g1, g2, g1 - g2), sigma_w2, Backward(T, S)).subs(
        in_layer, simultaneous=True
    )
    return _over(
        name, row, number, "parameter of each unit", in_layer, summand, L - 1, own_kernel()
    )


def over_layers(
    name: str, row: str | None, number: int, layer: str, summand: sp.Basic, ends: Kernel
) -> Lemma:
    """K_a as the prediction adds up its layers, from the lemma on one ``layer``."""
    array = ((T1, S1), (T2, S2))[number - 1]
    in_layer = (
        *((one, ARRAYS[one][l - 1]) for one in (M, qh1, qh2, h_mean) if summand.has(one)),
        *((one, ARRAYS[of][l]) for one, of in zip((T, S), array, strict=True) if summand.has(one)),
    )
    return _over(
        name, row, number, layer, in_layer, summand.subs(in_layer, simultaneous=True), L, ends
    )


def _over(
    name: str,
    row: str | None,
    number: int,
    layer: str,
    in_layer: tuple[tuple[sp.Basic, sp.Basic], ...],
    summand: sp.Basic,
    last: sp.Basic,
    ends: Kernel,
) -> Lemma:
    return Lemma(
        name,
        f"The kernel $K_{number}$ adds up the layers.",
        rf"K_{number}^{{(l)}}",
        Result(layer),
        (
            Step(Substitute(in_layer), summand, "In layer $l$.", rf"K_{number}^{{(l)}}"),
            Step(
                SumOver(l, last),
                sp.Sum(summand, (l, 1, last)),
                "Each parameter belongs to one layer.",
                rf"K_{number}",
            ),
            Step(
                Substitute(((L, sp.Integer(3)),)),
                ends[number - 1],
                "As the prediction adds them up, here for three layers.",
            ),
        ),
        row=row,
        terms=LINEAR_OUTPUT._replace(K=ends),
    )
