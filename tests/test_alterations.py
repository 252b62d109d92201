"""Every proof verifies, and every alteration of a place in it is noticed."""

import random

import pytest
import sympy as sp

from derivations.catalogue import ALL
from derivations.proof import ProofError, Result
from theory.symbols import GLOSSARY

PROOFS = {one.id: one.prove() for one in ALL}
EVERY = pytest.mark.parametrize("id", PROOFS)
SAMPLE = 8


@EVERY
def test_proof_verifies(id):
    PROOFS[id].verify()


def another(symbol):
    """A symbol of the same kind under another name."""
    if symbol.is_commutative:
        return sp.Symbol(f"another_{symbol}", **symbol.assumptions0)
    return sp.Symbol(f"another_{symbol}", commutative=False)


def components(expression, alter):
    """The expression altered; a pair once for each component."""
    if not isinstance(expression, sp.Tuple):
        return [alter(expression)]
    return [
        sp.Tuple(*expression[:at], alter(part), *expression[at + 1 :])
        for at, part in enumerate(expression)
    ]


def equal(one, other):
    if one == other or isinstance(one, sp.Tuple):
        return one == other
    return sp.expand(one - other) == 0


def other_lemmas(proof, path, result):
    """The earlier lemmas that end in another expression, pairs excepted."""
    ends = {lemma.name: lemma.steps[-1].states for lemma in proof.lemmas[: path[0]]}
    return [
        Result(name)
        for name, end in ends.items()
        if end != ends[result.name] and not isinstance(end, sp.Tuple)
    ]


def alterations(proof, path, expression):
    """Other expressions for this place: twice, one more, another symbol, another lemma.

    A definition keeps its symbols (P(u > 0) is 1/2 whatever the variance is called), and so does
    an index that is summed over; one that is shown to be 0 is 0 twice as well.
    """
    if isinstance(expression, Result):
        return other_lemmas(proof, path, expression)
    altered = components(expression, lambda e: e + 1)
    if path[1] != "definition" or proof.lemmas[path[0]].steps[0].states != 0:
        altered += components(expression, lambda e: 2 * e)
    if path[1] != "definition" and path[-1] != "index":
        symbols = sorted(expression.free_symbols & set(GLOSSARY), key=str)
        altered += [expression.xreplace({symbol: another(symbol)}) for symbol in symbols]
    return [other for other in altered if not equal(other, expression)]


def survivors(proof, places):
    """Alterations after which the proof still verifies."""
    found = []
    for path, expression in places:
        for other in alterations(proof, path, expression):
            try:
                proof.altered(path, other).verify()
            except ProofError:
                continue
            found.append((proof.lemmas[path[0]].name, path[1:], expression, other))
    return found


@EVERY
def test_altered_step_is_refused(id):
    places = list(PROOFS[id].places())
    chosen = random.Random(20190).sample(places, min(SAMPLE, len(places)))
    assert survivors(PROOFS[id], chosen) == []


@pytest.mark.slow
@EVERY
def test_every_altered_step_is_refused(id):
    assert survivors(PROOFS[id], PROOFS[id].places()) == []


@EVERY
def test_places_cover_every_definition_and_every_stated_side(id):
    lemmas = PROOFS[id].lemmas
    places = {path for path, _ in PROOFS[id].places()}
    expected = {(at, "definition") for at in range(len(lemmas))}
    for at, lemma in enumerate(lemmas):
        expected |= {(at, "steps", step, "states") for step in range(len(lemma.steps))}
    assert expected <= places


@EVERY
def test_every_symbol_of_a_proof_is_in_the_glossary(id):
    used = set()
    for _, expression in PROOFS[id].places():
        if not isinstance(expression, Result):
            used |= {one for one in expression.free_symbols if isinstance(one, sp.Symbol)}
    assert used <= set(GLOSSARY)
