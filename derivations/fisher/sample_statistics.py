"""What the theorems on statistics over samples share: rows, one backward step, sums over layers."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from derivations.theorem import Row, Terms
from theory import fisher
from theory.architecture import Network, NoNormalization
from theory.errors import OutOfRegime

if TYPE_CHECKING:
    import sympy as sp

    from derivations.proof import Known, Lemma, Step
    from theory.normalization import Backward

    Rules = tuple[tuple[sp.Basic, Known], ...]


def unit_of_two(t: Terms) -> float:
    """The unit of an error of K_2, which may vanish."""
    return abs(t.K.K2) + t.K.K1 / t.N


def of_group(group: str, latex: str) -> tuple[Row, ...]:
    """The rows of one group of parameters."""
    return (
        Row(f"{group}_1", rf"K_1^{{{latex}}}", "diagonal", lambda t: t.K.K1, group=group),
        Row(
            f"{group}_2",
            rf"K_2^{{{latex}}}",
            "off_diagonal",
            lambda t: t.K.K2,
            unit=unit_of_two,
            group=group,
        ),
    )


KERNEL_ROWS = (
    Row("kappa_1", r"\kappa_1", "diagonal", lambda t: t.K.K1),
    Row("kappa_2", r"\kappa_2", "off_diagonal", lambda t: t.K.K2, unit=unit_of_two),
    Row(
        "uniform_mode",
        r"\lambda_U",
        "uniform",
        lambda t: fisher.uniform_mode(t.K.K1, t.K.K2, t.N),
    ),
)
KERNEL = tuple(row.quantity for row in KERNEL_ROWS)


def require_layers(id: str, kind: str, network: Network, samples: int) -> None:
    """Linear outputs, a hidden layer of this kind, and statistics over all samples."""
    if not isinstance(network.last, NoNormalization) or network.loss != "mse":
        raise OutOfRegime(f"{id} needs linear outputs and the squared error.")
    kinds = [scheme.kind for scheme in network.layers or ()]
    if kind not in kinds:
        raise OutOfRegime(
            f"{id} needs {kind} in a hidden layer, but these have {', '.join(kinds)}.\n"
            "Use the theorem of their normalization."
        )
    if network.batch(samples) != samples:
        raise OutOfRegime(
            f"{id} needs statistics over all N = {samples} samples, but batch_size = "
            f"{network.batch_size}.\nUse the theorem mini-batches."
        )


def without_rows(lemmas: Sequence[Lemma], *names: str) -> tuple[Lemma, ...]:
    """The lemmas of these names, all by default, as means to another end."""
    from dataclasses import replace

    return tuple(replace(lemma, row=None) for lemma in lemmas if not names or lemma.name in names)


def unit_products(
    name: str, opening: str, weight: sp.Basic, given: Rules, entry: sp.Basic
) -> Lemma:
    r"""Sum over the units of :math:`w_i \psi\psi \bar\zeta\bar\zeta`, stated to be ``entry``.

    :math:`\bar\zeta` are the derivatives above the activation, under gradient independence.
    """
    import sympy as sp

    from derivations.proof import Evaluate, Lemma, Step
    from theory.symbols import (
        Lambda,
        M,
        M_above,
        backward,
        delta,
        i,
        j,
        k,
        psi,
        s_inner,
        sigma_w2,
        t_inner,
    )

    above = sp.Sum(backward[j, t_inner] * backward[j, s_inner], (j, 1, M_above))
    return Lemma(
        name,
        opening,
        "X_{t' s'}",
        sp.Sum(
            sigma_w2
            / M
            * delta(j, k, M_above)
            * weight
            * psi[i, t_inner]
            * psi[i, s_inner]
            * backward[j, t_inner]
            * backward[k, s_inner],
            (k, 1, M_above),
            (j, 1, M_above),
            (i, 1, M),
        ),
        (
            Step(
                Evaluate(),
                sigma_w2 * entry * Lambda[t_inner, s_inner],
                "Sum over the units; the law of large numbers turns sums into means.",
            ),
        ),
        given=(*given, (above, Lambda[t_inner, s_inner])),
    )


def summed(name: str, of: str, opening: str, size: sp.Basic, inner: sp.Basic, *last: Step) -> Lemma:
    r"""The sum of the lemma ``of`` over both inner samples; ``last`` are the steps after one sum.

    The sums over :math:`\Lambda` are T and S.
    """
    import sympy as sp

    from derivations.proof import Lemma, Result, Step, SumOver
    from theory.symbols import Lambda, S, T, s_inner, t_inner

    diagonal = sp.Sum(Lambda[t_inner, t_inner], (t_inner, 1, size))
    both = sp.Sum(Lambda[t_inner, s_inner], (s_inner, 1, size), (t_inner, 1, size))
    return Lemma(
        name,
        opening,
        "X_{t' s'}",
        Result(of),
        (Step(SumOver(s_inner, size), inner, "Sum over one inner sample."), *last),
        given=((diagonal, T), (both, S)),
    )


def own_parameters(size: sp.Basic) -> tuple[Lemma, ...]:
    """The kernels of shifts and scales: in a layer, and added up over two hidden layers."""
    import sympy as sp

    from theory.symbols import M, f1, f2, i, p1, p2, psi, s_inner, t_inner, uh

    def average(weight: sp.Basic) -> sp.Basic:
        return sp.Sum(weight * psi[i, t_inner] * psi[i, s_inner], (i, 1, M))

    position = uh[i, t_inner] * uh[i, s_inner]
    return (
        unit_products(
            "shifts of a layer",
            r"The derivative by the shift $\beta_i$ of a unit is $\sum_{t'} \psi_{i t'} \sum_j "
            r"W_{ji} \zeta^{l+1}_{j t'}$, with independent weights, $E\,W_{ji} W_{ki} = "
            r"\frac{\sigma_w^2}{M} \delta_{jk}$. The product of two such gradients sums over $t'$ "
            "and $s'$:",
            sp.S.One,
            ((average(sp.S.One), M * two_samples(f1, f2, size)),),
            two_samples(f1, f2, size),
        ),
        *_own("shifts", f1, f2, size),
        unit_products(
            "scales of a layer",
            r"By the scale $\gamma_i$ each term carries the normalized pre-activation $\hat u$ "
            "as well.",
            position,
            ((average(position), M * two_samples(p1, p2, size)),),
            two_samples(p1, p2, size),
        ),
        *_own("scales", p1, p2, size),
    )


def _own(group: str, first: sp.Symbol, second: sp.Symbol, size: sp.Basic) -> tuple[Lemma, ...]:
    import sympy as sp

    from derivations.fisher.symbolic_layers import at
    from derivations.proof import LINEAR_OUTPUT, Lemma, Result, Step, Substitute, SumOver
    from theory.meanfield import Kernel, total
    from theory.normalization import Backward, own
    from theory.symbols import S1, S2, T1, T2, L, Lambda, S, T, l, s_inner, sigma_w2, t_inner
    from theory.two_samples import Couple

    row_sum = sp.Sum(Lambda[t_inner, s_inner], (s_inner, 1, size))
    of_layer = own(Couple(first, second, first - second), sigma_w2, Backward(T, S))

    def entry(number: int, layer: sp.Basic) -> sp.Basic:
        above = Backward(at((T1, T2)[number - 1], layer + 1), at((S1, S2)[number - 1], layer + 1))
        one, two = at(first, layer), at(second, layer)
        return own(Couple(one, two, one - two), sigma_w2, above)

    entries = [[entry(number, sp.Integer(layer)) for layer in (1, 2)] for number in (1, 2)]
    kernel = total(Kernel(K1, K2, K1 - K2) for K1, K2 in zip(*entries, strict=True))

    def over_layers(number: int, ends_in: sp.Basic) -> Lemma:
        T_a, S_a = ((T1, S1), (T2, S2))[number - 1]
        in_layer = (
            *((symbol, at(symbol, l)) for symbol in (first, second)),
            (T, at(T_a, l + 1)),
            (S, at(S_a, l + 1)),
        )
        return Lemma(
            f"{group} of {('one sample', 'two samples')[number - 1]}",
            f"Each of the $L - 1$ hidden layers has its {group}.",
            rf"K_{number}^{{(l)}}",
            Result(f"{group}, summed"),
            (
                Step(
                    Substitute(in_layer), entry(number, l), "In layer $l$.", rf"K_{number}^{{(l)}}"
                ),
                Step(
                    SumOver(l, L - 1),
                    sp.Sum(entry(number, l), (l, 1, L - 1)),
                    "Add up the layers.",
                    rf"K_{number}",
                ),
                Step(
                    Substitute(((L, sp.Integer(3)),)),
                    ends_in,
                    "As the prediction adds them up, here for three layers of weights.",
                ),
            ),
            row=f"{group}_{number}",
            terms=LINEAR_OUTPUT._replace(K=kernel),
        )

    return (
        summed(
            f"{group}, summed",
            f"{group} of a layer",
            f"The {group} of a layer add to the kernel:",
            size,
            sigma_w2 * (second * row_sum + (first - second) * Lambda[t_inner, t_inner]),
            Step(SumOver(t_inner, size), of_layer, "Sum over the other.", "K^{(l)}"),
        ),
        over_layers(1, kernel.K1),
        over_layers(2, kernel.K2),
    )


def biases(size: sp.Basic) -> tuple[Lemma, ...]:
    """The kernel of the biases: in a layer, and added up over three."""
    import sympy as sp

    from derivations.fisher.symbolic_layers import at, three_layers
    from derivations.proof import (
        LINEAR_OUTPUT,
        Evaluate,
        Lemma,
        Result,
        Step,
        Substitute,
        SumOver,
    )
    from theory.symbols import S1, S2, L, Lambda, M, M_above, S, backward, i, l, s_inner, t_inner

    groups = three_layers().groups(tuple(at(M, layer) for layer in range(3)), 1)
    kernel = groups["biases"]
    inner = ((s_inner, 1, size), (t_inner, 1, size))

    def over_layers(number: int, ends_in: sp.Basic) -> Lemma:
        of_layer = at((S1, S2)[number - 1], l)
        return Lemma(
            f"biases of {('one sample', 'two samples')[number - 1]}",
            "Every layer has biases.",
            rf"K_{number}^{{(l)}}",
            Result("biases of a layer"),
            (
                Step(Substitute(((S, of_layer),)), of_layer, "In layer $l$."),
                Step(
                    SumOver(l, L), sp.Sum(of_layer, (l, 1, L)), "Add up the layers.", rf"K_{number}"
                ),
                Step(
                    Substitute(((L, sp.Integer(3)),)),
                    ends_in,
                    "As the prediction adds them up, here for three layers.",
                ),
            ),
            row=f"biases_{number}",
            terms=LINEAR_OUTPUT._replace(K=kernel),
        )

    return (
        Lemma(
            "biases of a layer",
            r"The derivative by a bias is $\sum_{t'} \zeta_{i t'}$. The product of two such "
            "gradients sums over $t'$ and $s'$:",
            None,
            sp.Sum(backward[i, t_inner] * backward[i, s_inner], (i, 1, M_above)),
            (
                Step(Evaluate(), Lambda[t_inner, s_inner], "Sum over the units."),
                Step(
                    SumOver(s_inner, size),
                    sp.Sum(Lambda[t_inner, s_inner], inner[0]),
                    "Sum over one inner sample.",
                    "X_{t'}",
                ),
                Step(SumOver(t_inner, size), S, "Sum over the other.", "K^{(l)}"),
            ),
            given=(
                (
                    sp.Sum(backward[i, t_inner] * backward[i, s_inner], (i, 1, M_above)),
                    Lambda[t_inner, s_inner],
                ),
                (sp.Sum(Lambda[t_inner, s_inner], *inner), S),
            ),
        ),
        over_layers(1, kernel.K1),
        over_layers(2, kernel.K2),
    )


def two_samples(first: sp.Basic, second: sp.Basic, size: sp.Basic) -> sp.Basic:
    """``first`` for one sample, ``second`` for two."""
    from theory.symbols import delta, s_inner, t_inner

    return second + (first - second) * delta(t_inner, s_inner, size)


def uniform_mode(step: Callable[[Backward], Backward], value: sp.Basic) -> tuple[Lemma, ...]:
    """The uniform mode: the part of the output layer, and the last hidden layer's, exactly.

    ``step`` goes down through the last hidden layer; ``value`` is what it makes of the outputs'
    uniform mode (1, N).
    """
    import sympy as sp

    from derivations.fisher.symbolic_layers import at, three_layers
    from derivations.proof import (
        Apply,
        Coefficient,
        Evaluate,
        Lemma,
        Result,
        Step,
    )
    from theory.meanfield import LINEAR_OUTPUT
    from theory.normalization import Backward
    from theory.symbols import S1, S2, T1, T2, M, N, identity, ones, ones_row, qh1, qh2, x

    (one, two), top = LINEAR_OUTPUT, three_layers()
    known = {at(T1, 3): one.T, at(S1, 3): one.S, at(T2, 3): two.T, at(S2, 3): two.S}
    known |= {at(qh1, 2): qh1, at(qh2, 2): qh2}
    block = [sp.sympify(part).subs(known) for part in top.block(2, M)[:2]]
    below = step(one).T + (N - 1) * step(two).T
    return (
        Lemma(
            "output layer",
            "The dual Fisher matrix of the output weights alone, at "
            r"$T_1^L = S_1^L = S_2^L = 1$ and $T_2^L = 0$.",
            r"F^*_{(L)}",
            M * ((qh1 - qh2) * identity + qh2 * ones * ones_row) / N,
            (
                Step(
                    Apply(ones + x),
                    M * (qh2 + (qh1 - qh2) / N) * ones + M * (qh1 - qh2) / N * x,
                    r"The kernel $K$ less this block is a Gram matrix: it only adds to the "
                    "eigenvalues.",
                ),
                Step(
                    Coefficient(ones),
                    fisher.uniform_mode(block[0], block[1], N),
                    r"The paper's lower bound on $\lambda_{\max}$, with the moments at finite $N$: "
                    r"of order $M$ for every $N$ unless $\hat q_2$ vanishes.",
                    r"\lambda_{\max} \ge",
                ),
            ),
            given=((ones_row * ones, Result("ones")), (ones_row * x, sp.S.Zero)),
        ),
        Lemma(
            "uniform mode through the last hidden layer",
            "What the layer below the outputs adds, in one sample and the $N - 1$ others.",
            r"T_1^{L-1} + (N - 1) T_2^{L-1}",
            below,
            (
                Step(
                    Evaluate(),
                    value,
                    "The first term alone is the part of $K_1$; the others belong to the $N - 1$ "
                    "other samples, each of order $1/N$: they count as much.",
                ),
                Step(
                    Evaluate(),
                    step(Backward(one.T + (N - 1) * two.T, one.S + (N - 1) * two.S)).T,
                    "As the prediction goes down.",
                ),
            ),
        ),
    )
