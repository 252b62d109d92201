"""The algebra of matrices over the samples: words of letters that do not commute."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from itertools import pairwise

import sympy as sp

from derivations.proof.operations import Trace
from theory.symbols import identity

Rules = Mapping[sp.Basic, sp.Basic]


def reduced(word: sp.Basic, rules: Rules) -> sp.Basic:
    """A sum of words of letters that do not commute, with neighbours contracted by the rules.

    The identity drops out beside another letter; the trace is that of a column times a row.
    """
    if isinstance(word, Trace):
        return _sum_of_words(reduced(word.args[0], rules), rules, _traced)
    if word.has(Trace):
        word = word.replace(lambda e: isinstance(e, Trace), lambda e: reduced(e, rules))
    return _sum_of_words(word, rules, _contracted)


def _sum_of_words(
    word: sp.Basic,
    rules: Rules,
    value: Callable[[list[sp.Basic], Rules], sp.Basic],
) -> sp.Basic:
    total = sp.S.Zero
    for term in sp.Add.make_args(sp.expand(word)):
        factors, powers = term.args_cnc()
        bases = (power.as_base_exp() for power in powers)
        letters = [base for base, exponent in bases for _ in range(int(exponent))]
        total += sp.Mul(*factors) * value(letters, rules)
    return sp.expand(total)


def _contracted(letters: list[sp.Basic], rules: Rules) -> sp.Basic:
    for at, (left, right) in enumerate(pairwise(letters)):
        if identity in (left, right):
            neighbours = right if left == identity else left
        elif left * right in rules:
            neighbours = rules[left * right]
        else:
            continue
        return reduced(sp.Mul(*letters[:at], neighbours, *letters[at + 2 :]), rules)
    return sp.Mul(*letters)


def _traced(letters: list[sp.Basic], rules: Rules) -> sp.Basic:
    turned = Trace(*letters) if len(letters) == 1 else sp.Mul(*letters[1:], *letters[:1])
    return rules.get(turned, Trace(sp.Mul(*letters)))
