"""The records of a proof: steps, lemmas, and the expressions in them by their places."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields, is_dataclass, replace
from typing import Any

import sympy as sp

from derivations.proof.operations import Known, Operation, Result
from derivations.theorem import Terms
from theory.meanfield import Kernel
from theory.symbols import K1, K2, K3, B, N, v

LINEAR_OUTPUT = Terms(Kernel(K1, K2, K1 - K2, K3), v, N, B)
Path = tuple[str | int, ...]
Rules = tuple[tuple[sp.Basic, Known], ...]


class ProofError(Exception):
    """A step that does not follow: which one, with both sides."""


@dataclass(frozen=True)
class Step:
    """An operation on the previous object, what it is stated to give, and why.

    ``symbol`` (LaTeX) names the outcome; without it the outcome is written by its operation.
    """

    operation: Operation
    states: sp.Basic
    reason: str
    symbol: str | None = None


@dataclass(frozen=True)
class Lemma:
    """A chain of steps from a definition.

    ``given`` are the rules of the objects in it, as left and right sides: a function's formula, a
    sum's value, the product of two letters. ``row``: the row of the theorem in whose prediction,
    evaluated at ``terms``, the chain ends.
    """

    name: str
    opening: str
    symbol: str | None
    definition: Known
    steps: tuple[Step, ...]
    given: Rules = ()
    row: str | None = None
    terms: Terms = LINEAR_OUTPUT


def leaves(node: Any, path: Path) -> Iterator[tuple[Path, Known]]:
    """Every expression in a record, with the path that leads to it."""
    if isinstance(node, sp.Basic | Result):
        yield path, node
    elif isinstance(node, Terms):
        return
    elif isinstance(node, tuple):
        for index, child in enumerate(node):
            yield from leaves(child, (*path, index))
    elif is_dataclass(node):
        for field in fields(node):
            yield from leaves(getattr(node, field.name), (*path, field.name))


def with_leaf(node: Any, path: Path, value: Known) -> Any:
    """The record with another expression at this path."""
    if not path:
        return value
    head, rest = path[0], path[1:]
    if isinstance(head, str):
        return replace(node, **{head: with_leaf(getattr(node, head), rest, value)})
    return (*node[:head], with_leaf(node[head], rest, value), *node[head + 1 :])


def resolved(lemma: Lemma, results: Mapping[str, sp.Basic]) -> Lemma:
    """The lemma with the results of the earlier ones put in."""
    for path, leaf in list(leaves(lemma, ())):
        if isinstance(leaf, Result):
            if leaf.name not in results:
                raise ProofError(f"lemma {lemma.name!r} uses {leaf.name!r}, not proved before it")
            lemma = with_leaf(lemma, path, results[leaf.name])
    return lemma
