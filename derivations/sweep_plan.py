"""The plan of a sweep, read from a TOML file and checked as a whole before anything runs."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product
from math import prod
from pathlib import Path
from typing import Any

from numerics.engines import ENGINES
from numerics.ensemble import check_observables, check_size
from numerics.store import Cell, describe
from numerics.sweep_plan import SweepPlan
from theory.architecture import Network
from theory.errors import DescriptionError
from theory.last_layer import check_samples
from theory.network_file import FIELDS, REQUIRED, read_table
from theory.validation import check_key, look_up, whole

MOST_NETWORKS = 10_000
"""Networks that a grid may have."""

KEYS = ("widths", "seeds", "samples", "quantities", "engine", "network", "grid")
NEEDED = ("widths", "seeds", "samples", "quantities", "network")


def read_plan(path: str | Path) -> tuple[SweepPlan, ...]:
    """Read the parts of a plan: one, or those in ``[[part]]``, which lack what stands above them.

    Raises ``DescriptionError`` for a file that cannot be read, is not TOML, has an unknown or a
    missing key, or asks for something meaningless, for any of its networks.
    """
    try:
        text = Path(path).read_text(encoding="utf-8-sig")
    except (OSError, ValueError) as problem:
        raise DescriptionError(f"cannot read {path}: {problem}") from None
    return parse_parts(text, str(path))


def parse_parts(text: str, source: str = "plan") -> tuple[SweepPlan, ...]:
    """The parts of a plan, each a plan with the keys of the file for those that it lacks.

    Several parts are given back cell by cell, each cell once.

    >>> parts = parse_parts('''
    ... seeds = 100
    ... samples = 4
    ... quantities = ["diagonal"]
    ... network = {activation = "tanh", depth = 3, sigma_w2 = 1}
    ... [[part]]
    ... widths = [64]
    ... [[part]]
    ... widths = [128]
    ... seeds = 50
    ... ''')
    >>> [(part.widths, part.seeds) for part in parts]
    [((64,), 100), ((128,), 50)]
    """
    table = read_table(text, source, (*KEYS, "part"), ())
    parts = table.pop("part", [{}])
    if not (isinstance(parts, list) and parts and all(isinstance(one, dict) for one in parts)):
        raise DescriptionError(f"{source}: part must be a list of tables, [[part]]")
    numbered = len(parts) > 1
    plans = tuple(
        _plan(table | part, f"{source}, part {number}" if numbered else source)
        for number, part in enumerate(parts, start=1)
    )
    return plans if len(plans) == 1 else _united(plans)


def _united(plans: Sequence[SweepPlan]) -> tuple[SweepPlan, ...]:
    """A plan for each cell: what several parts ask of it, and the most networks of theirs."""
    quantities: dict[Cell, set[str]] = {}
    seeds: dict[Cell, int] = {}
    for plan in plans:
        for cell in plan.cells():
            quantities.setdefault(cell, set()).update(plan.quantities)
            seeds[cell] = max(plan.seeds, seeds.get(cell, 0))
    return tuple(
        SweepPlan(
            (cell.network,),
            (cell.samples,),
            (cell.width,),
            seeds[cell],
            cell.engine,
            tuple(sorted(names)),
        )
        for cell, names in quantities.items()
    )


def parse_plan(text: str, source: str = "plan") -> SweepPlan:
    """The plan of a TOML text; ``source`` names it in messages.

    >>> plan = parse_plan('''
    ... widths = [64, 128]
    ... seeds = 100
    ... samples = 4
    ... quantities = ["diagonal", "biases.diagonal"]
    ... [network]
    ... activation = "tanh"
    ... depth = 3
    ... [grid]
    ... sigma_w2 = [1, 2]
    ... ''')
    >>> [(str(cell.network), cell.width) for cell in plan.cells()][1:3]
    [('tanh (1, 0), L=3', 128), ('tanh (2, 0), L=3', 64)]
    """
    return _plan(read_table(text, source, KEYS, ()), source)


def _plan(table: dict[str, Any], source: str) -> SweepPlan:
    for key in table:
        check_key(key, KEYS, source)
    missing = [key for key in NEEDED if key not in table]
    if missing:
        raise DescriptionError(f"{source}: missing {', '.join(missing)}")
    engine = table.get("engine", "explicit")
    look_up(engine, ENGINES, "engine")
    samples = table["samples"]
    plan = SweepPlan(
        networks=_networks(table["network"], table.get("grid", {}), source),
        samples=_numbers("samples", samples if isinstance(samples, list) else [samples], least=2),
        widths=_numbers("widths", table["widths"], least=1),
        seeds=whole("seeds", table["seeds"], least=1),
        engine=engine,
        quantities=_names("quantities", table["quantities"]),
    )
    _check(plan)
    return plan


def _check(plan: SweepPlan) -> None:
    for network, samples in product(plan.networks, plan.samples):
        check_samples(network.last, samples)
        for width in plan.widths:
            check_size(network, width, samples)
        check_observables(network, min(plan.widths), samples, plan.quantities)


def _networks(fixed: Any, grid: Any, source: str) -> tuple[Network, ...]:
    for name, fields in (("network", fixed), ("grid", grid)):
        if not isinstance(fields, dict):
            raise DescriptionError(f"{name} must be a table, [{name}], {fields!r} given")
        for key in fields:
            check_key(key, FIELDS, f"{source}, [{name}]")
    for key in grid:
        _distinct(f"grid.{key}", grid[key])
        if key in fixed:
            raise DescriptionError(
                f"{key} is given in [network] and in [grid]; give one value, or a list in [grid]"
            )
    if {"hidden", "layers"} <= {*fixed, *grid}:
        raise DescriptionError(
            "hidden and layers are both given in [network] and [grid]: hidden is one scheme for "
            "all hidden layers, layers one for each; give one of them"
        )
    missing = [key for key in REQUIRED if key not in fixed and key not in grid]
    if missing:
        raise DescriptionError(f"{source}: [network] or [grid] needs {', '.join(missing)}")
    count = prod(len(values) for values in grid.values())
    if count > MOST_NETWORKS:
        raise DescriptionError(
            f"grid has {count} networks, at most {MOST_NETWORKS} are allowed; use shorter lists"
        )
    found: dict[str, Network] = {}
    for values in product(*grid.values()):
        point = dict(zip(grid, values, strict=True))
        network = _network(fixed | point, point)
        if found.setdefault(describe(network), network) is not network:
            raise DescriptionError(f"grid gives the network {network} twice; leave one out")
    return tuple(found[key] for key in sorted(found))


def _network(fields: dict[str, Any], point: dict[str, Any]) -> Network:
    fields = dict(fields)
    try:
        return Network(fields.pop("activation"), **fields)
    except DescriptionError as problem:
        where = ", ".join(f"{key} = {value!r}" for key, value in point.items())
        raise DescriptionError(f"[network]{f' at {where}' if where else ''}: {problem}") from None


def _numbers(name: str, values: Any, least: int) -> tuple[int, ...]:
    return tuple(sorted(whole(name, value, least) for value in _distinct(name, values)))


def _names(name: str, values: Any) -> tuple[str, ...]:
    for value in _distinct(name, values):
        if not isinstance(value, str):
            raise DescriptionError(f"{name} must be names, {value!r} given")
    return tuple(sorted(values))


def _distinct(name: str, values: Any) -> Sequence[Any]:
    """The values of a list; refuses none, and the same one twice."""
    if not isinstance(values, list) or not values:
        raise DescriptionError(f"{name} must be a list of at least one value, {values!r} given")
    for index, value in enumerate(values):
        if value in values[:index]:
            raise DescriptionError(f"{name} has {value!r} twice; leave one out")
    return values
