"""Claims of users: theorems in a file of their own, judged like those of the catalogue.

A file of claims is a Python program. Every :class:`~derivations.theorem.Theorem` that it binds to a
name, alone or in a list, is a claim; :func:`claim` builds one from a prediction. The file is run
only when it is named. Where it raises, the user sees the traceback of the file, without ours.
"""

from __future__ import annotations

import runpy
import traceback
from collections.abc import Callable, Iterable
from dataclasses import replace
from functools import wraps
from pathlib import Path
from typing import Any, NoReturn

from derivations.approach import Approach
from derivations.catalogue import ALL, THEOREMS
from derivations.samples import Samples
from derivations.theorem import Case, Row, Terms, Theorem
from numerics.observables import OBSERVABLES
from theory.architecture import Network
from theory.errors import DescriptionError, NotCovered, OutOfRegime
from theory.mathematics import Number

OURS = Path(__file__).parent.parent
PACKAGES = tuple(str(OURS / name) for name in ("theory", "numerics", "derivations"))
LOADERS = (runpy.__file__, "<frozen runpy>")


def claim(
    id: str,
    network: Network,
    observable: str,
    prediction: Callable[[Terms], Number],
    *,
    samples: Samples = 16,
    regime: Callable[[Network, int], bool] | None = None,
    unit: Callable[[Terms], Number] | None = None,
    approach: Approach | None = None,
    says: str = "",
) -> Theorem:
    r"""A conjecture: as :math:`M \to \infty` the observable tends to its prediction.

    ``samples``: a number, or ``Proportional(rho)`` for N = M/rho, with an ``approach`` for them.
    ``observable`` is a name of ``numerics.observables``, ``prediction`` a function of
    :class:`~derivations.theorem.Terms`: the kernel K at finite M, the gap v, N, B and all order
    parameters. ``regime(network, samples)`` is true where the claim is meant; elsewhere it is OUT
    OF REGIME. ``unit`` is the scale of an error where the prediction may vanish. ``approach``: the
    powers of the width, by default those of the catalogue's first row on this observable.

    Raises ``DescriptionError`` for an unknown observable, and for one on which the catalogue has no
    row if no ``approach`` is given.

    >>> from theory import Network
    >>> net = Network("relu", depth=3, sigma_w2=2)
    >>> claim("naive", net, "uniform", lambda t: t.K.K1 / t.N).cases[0].quantities
    ('uniform',)
    """
    if observable not in OBSERVABLES:
        raise DescriptionError(
            f"{id}: unknown observable {observable!r}; known: {', '.join(sorted(OBSERVABLES))}"
        )
    row = Row(observable, observable, observable, prediction, unit, approach or _usual(observable))

    def requires(network: Network, samples: int) -> None:
        if regime is not None and not regime(network, samples):
            raise OutOfRegime(f"{id} is not claimed for {network} with {samples} samples")

    def prove() -> NoReturn:
        raise NotCovered(f"the proof of a claim; {id} is measured alone")

    return Theorem(
        id=id,
        says=says or f"{observable} tends to its prediction",
        statement=says,
        assumptions=(),
        limit="M -> oo, N fixed",
        source="",
        rows=(row,),
        cases=(Case(network, samples, (observable,)),),
        requires=requires,
        prove=prove,
    )


def _usual(observable: str) -> Approach:
    for one in THEOREMS:
        for row in one.rows:
            if row.observable == observable:
                return row.approach
    raise DescriptionError(
        f"no theorem judges {observable!r}: say how it tends to its limit by approach, for example "
        "derivations.approach.MEAN"
    )


def read_claims(path: str, ids: Iterable[str] = ()) -> list[Theorem]:
    """The claims of a file, all or those named.

    Raises ``DescriptionError``: with the file's own traceback if it raises, or if it has no claims,
    not the one named, or one that lacks what it needs.
    """
    if not Path(path).is_file():
        raise DescriptionError(f"cannot read {path}: it needs a Python file with claims")
    try:
        names = runpy.run_path(path, run_name="claims")
    except (Exception, SystemExit) as problem:
        raise _of_the_user(path, problem) from None
    known: dict[str, Theorem] = {}
    for one in _theorems(names.values()):
        _validate(path, one)
        if known.setdefault(one.id, one) is not one:
            raise DescriptionError(f"{path}: two claims are called {one.id!r}")
    if not known:
        raise DescriptionError(
            f"{path} defines no claims: bind one to a name, NAME = claim(id, network, observable, "
            "prediction) with claim from derivations"
        )
    wanted = list(ids) or list(known)
    for id in wanted:
        if id not in known:
            raise DescriptionError(f"{path} has no claim {id!r}; it has {', '.join(known)}")
    return [_told_by_the_user(path, known[id]) for id in wanted]


def _theorems(values: Iterable[Any]) -> list[Theorem]:
    found: dict[int, Theorem] = {}
    for value in values:
        for one in value if isinstance(value, list | tuple) else (value,):
            if isinstance(one, Theorem) and not any(one is ours for ours in ALL):
                found[id(one)] = one
    return list(found.values())


def _validate(path: str, one: Theorem) -> None:
    """Refuse a theorem whose parts do not fit together."""
    where = f"{path}: claim {one.id!r}"
    quantities = [row.quantity for row in one.rows]
    for name in ("id", "rows", "cases"):
        if not getattr(one, name):
            raise DescriptionError(f"{where} lacks {name}")
    for row in one.rows:
        if row.observable not in OBSERVABLES:
            raise DescriptionError(
                f"{where} has a row with the unknown observable {row.observable!r}; "
                f"known: {', '.join(sorted(OBSERVABLES))}"
            )
    for part, needed in ((one.requires, "requires"), *((row.value, "value") for row in one.rows)):
        if not callable(part):
            raise DescriptionError(f"{where}: {needed} must be a function, {part!r} given")
    for case in one.cases:
        if not isinstance(case.network, Network):
            raise DescriptionError(f"{where}: a case needs a Network, {case.network!r} given")
        for quantity in case.quantities:
            if quantity not in quantities:
                raise DescriptionError(
                    f"{where} has a case for {quantity!r} but no row of that quantity; "
                    f"rows: {', '.join(quantities)}"
                )


def _told_by_the_user(path: str, one: Theorem) -> Theorem:
    """The same theorem, whose functions show the user's own traceback where they raise."""

    def guard(function: Callable[..., Any] | None) -> Any:
        if function is None:
            return None

        @wraps(function)
        def guarded(*arguments: Any) -> Any:
            try:
                return function(*arguments)
            except (OutOfRegime, DescriptionError):
                raise
            except Exception as problem:
                raise _of_the_user(path, problem) from None

        return guarded

    rows = tuple(
        replace(
            row,
            value=guard(row.value),
            unit=guard(row.unit),
            given_outputs=guard(row.given_outputs),
        )
        for row in one.rows
    )
    return replace(one, rows=rows, requires=guard(one.requires))


def _of_the_user(path: str, problem: BaseException) -> DescriptionError:
    told = traceback.TracebackException.from_exception(problem)
    part: traceback.TracebackException | None = told
    while part is not None:
        part.stack = traceback.StackSummary.from_list(
            [frame for frame in part.stack if not _is_ours(frame.filename)]
        )
        part = part.__cause__ or part.__context__
    return DescriptionError(f"{path} raises\n{''.join(told.format()).rstrip()}")


def _is_ours(filename: str) -> bool:
    return filename in LOADERS or filename.startswith(PACKAGES)
