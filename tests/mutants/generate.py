"""Mutants of ``theory/``, made mechanically from its syntax trees.

Six kinds: a constant, an index moved by one, a sign, a factor, a root or a square left out, two
names swapped. Left alone: docstrings, annotations, messages, ``__all__``, decorators, and the
budgets of memory and work, whose exact size nothing is meant to depend on.
"""

from __future__ import annotations

import ast
import random
import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import permutations
from pathlib import Path

from tests.mutants.reach import place

ROOT = Path(__file__).parent.parent.parent
KINDS = ("constant", "index", "sign", "factor", "root", "name")
BUDGET = re.compile(r"MAX_|MOST|CHUNK|ROWS|BATCH|LONGEST|SPARE")
GENERIC = ("tuple", "list", "dict", "set", "type")
WORDS = (
    ("first", "second"),
    ("derivative_first", "derivative_second"),
    ("mean", "derivative_mean"),
    ("second", "derivative_second"),
    ("dual", "derivative_dual"),
    ("sigma_w2", "sigma_b2"),
    ("T", "S"),
    ("dl", "op"),
    ("a", "b"),
    ("u", "v"),
    ("N", "B"),
    ("M", "N"),
    ("C", "P"),
    ("lower", "upper"),
    ("gamma", "beta"),
    ("sin", "cos"),
    ("sine", "cosine"),
    ("minimum", "maximum"),
    ("below", "above"),
    ("two", "gap"),
)
"""Pairs of names that are easily taken for each other, beside those that differ in 1 and 2."""


@dataclass(frozen=True)
class Mutant:
    """One change of one file: the bytes from ``start`` to ``end`` become ``after``.

    ``within`` is the place of the innermost function, None for what runs at import.
    """

    path: str
    line: int
    start: int
    end: int
    kind: str
    before: str
    after: str
    within: str | None

    def applied(self, source: str) -> str:
        """The changed source; ``ValueError`` if it is not the one that the mutant was made of."""
        text = source.encode()
        if text[self.start : self.end].decode() != self.before:
            raise ValueError(f"{self} was made of another source")
        return (text[: self.start] + self.after.encode() + text[self.end :]).decode()

    def __str__(self) -> str:
        before, after = (" ".join(text.split()) for text in (self.before, self.after))
        return f"{self.path}:{self.line}: {self.kind}: {before}  ->  {after}"


def all_mutants(root: Path = ROOT, only: str | None = None) -> list[Mutant]:
    """Every mutant of ``theory/``, or of the files whose path begins with ``only``."""
    found = []
    for path in sorted(root.glob("theory/**/*.py")):
        name = path.relative_to(root).as_posix()
        if only is None or name.startswith(only):
            found += mutants_of(name, path.read_text(encoding="utf-8"))
    return found


def sample(mutants: list[Mutant], count: int, seed: int) -> list[Mutant]:
    """So many of them, the kinds in turn; a mutant of another sample size is a prefix of this."""
    chance = random.Random(seed)
    queues = [[one for one in mutants if one.kind == kind] for kind in KINDS]
    for queue in queues:
        chance.shuffle(queue)
    chosen: list[Mutant] = []
    while len(chosen) < count and any(queues):
        chosen += [queue.pop() for queue in queues if queue]
    return chosen[:count]


def mutants_of(path: str, source: str) -> list[Mutant]:
    """Every mutant of one source text that reads differently."""
    tree = ast.parse(source)
    found = {
        (mutant.start, mutant.end, mutant.after): mutant
        for mutant in _Walk(path, source, tree).mutants(tree, None)
        if _read(mutant.before) != _read(mutant.after)
    }
    return list(found.values())


def _read(expression: str) -> str:
    return ast.dump(ast.parse(f"({expression})", mode="eval"))


class _Walk:
    def __init__(self, path: str, source: str, tree: ast.Module) -> None:
        self.path, self.text = path, source.encode()
        lines = self.text.splitlines(keepends=True)
        self.starts = [sum(map(len, lines[:k])) for k in range(len(lines))]
        nodes = list(ast.walk(tree))
        self.attributes = {node.attr for node in nodes if isinstance(node, ast.Attribute)}
        self.names: set[str] = set()

    def mutants(self, node: ast.AST, within: ast.AST | None) -> Iterator[Mutant]:
        """Those of a node and of what it holds, but for what is left alone."""
        if _left_alone(node):
            return
        if isinstance(node, ast.FunctionDef | ast.Lambda):
            within = node
            outer, self.names = self.names, _bound(node)
            yield from self._children(node, within)
            self.names = outer
            return
        for kind, part, after in self._changes(node):
            yield self._mutant(kind, part, after, within)
        yield from self._children(node, within)

    def _children(self, node: ast.AST, within: ast.AST | None) -> Iterator[Mutant]:
        for field, value in ast.iter_fields(node):
            if field in ("annotation", "returns", "decorator_list"):
                continue
            for child in value if isinstance(value, list) else [value]:
                if isinstance(child, ast.AST):
                    yield from self.mutants(child, within)

    def _mutant(self, kind: str, node: ast.expr, after: str, within: ast.AST | None) -> Mutant:
        start, end = self._span(node)
        before = self.text[start:end].decode()
        inside = None if within is None else place(self.path, within)  # type: ignore[arg-type]
        return Mutant(self.path, node.lineno, start, end, kind, before, after, inside)

    def _span(self, node: ast.expr) -> tuple[int, int]:
        assert node.end_lineno is not None
        assert node.end_col_offset is not None
        start = self.starts[node.lineno - 1] + node.col_offset
        return start, self.starts[node.end_lineno - 1] + node.end_col_offset

    def _source(self, node: ast.expr) -> str:
        start, end = self._span(node)
        return f"({self.text[start:end].decode()})"

    def _changes(self, node: ast.AST) -> Iterator[tuple[str, ast.expr, str]]:
        """The kind, the expression and its replacement."""
        if isinstance(node, ast.Subscript):
            for part in _indices(node):
                yield "index", part, f"{self._source(part)} + 1"
                yield "index", part, f"{self._source(part)} - 1"
        elif isinstance(node, ast.Constant) and type(node.value) in (int, float):
            yield from self._constants(node)
        elif isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
            yield "sign", node, self._source(node.operand)
        elif isinstance(node, ast.BinOp):
            yield from self._operations(node)
        elif isinstance(node, ast.Return) and isinstance(node.value, ast.BinOp):
            if isinstance(node.value.op, ast.Mult | ast.Div | ast.Add | ast.Sub):
                yield "factor", node.value, f"2 * {self._source(node.value)}"
        elif isinstance(node, ast.Call):
            yield from self._calls(node)
        elif isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Load):
            for other in sorted(_alike(node.attr) & self.attributes):
                yield "name", node, f"{self._source(node.value)}.{other}"
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load):
            for other in sorted(_alike(node.id) & self.names):
                yield "name", node, other

    def _constants(self, node: ast.Constant) -> Iterator[tuple[str, ast.expr, str]]:
        value = node.value
        if isinstance(value, int):
            yield "constant", node, str(value + 1)
            yield "constant", node, f"({value - 1})"
        else:
            yield "constant", node, repr(2 * value if value else 1.0)
            yield "constant", node, repr(value / 2 if value else -1.0)

    def _operations(self, node: ast.BinOp) -> Iterator[tuple[str, ast.expr, str]]:
        left, right = self._source(node.left), self._source(node.right)
        if isinstance(node.op, ast.Add):
            yield "sign", node, f"({left} - {right})"
        elif isinstance(node.op, ast.Sub):
            yield "sign", node, f"({left} + {right})"
        elif isinstance(node.op, ast.Mult):
            yield "factor", node, f"({left} / {right})"
            yield "factor", node, left
            yield "factor", node, right
        elif isinstance(node.op, ast.Div):
            yield "factor", node, f"({left} * {right})"
            yield "factor", node, left
        elif isinstance(node.op, ast.Pow):
            yield "root", node, left

    def _calls(self, node: ast.Call) -> Iterator[tuple[str, ast.expr, str]]:
        called = node.func.attr if isinstance(node.func, ast.Attribute) else ""
        called = node.func.id if isinstance(node.func, ast.Name) else called
        if called == "sqrt" and len(node.args) == 1:
            yield "root", node, self._source(node.args[0])
        arguments = [part for part in node.args if isinstance(part, ast.Name) and part.id != "m"]
        for one, other in list(permutations(arguments, 2))[: len(arguments) - 1]:
            start, end = self._span(node)
            (a, b), (c, d) = sorted((self._span(one), self._span(other)))
            text = self.text
            swapped = text[start:a] + text[c:d] + text[b:c] + text[a:b] + text[d:end]
            yield "name", node, swapped.decode()


def _left_alone(node: ast.AST) -> bool:
    if isinstance(node, ast.Raise | ast.JoinedStr | ast.Import | ast.ImportFrom | ast.pattern):
        return True
    if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
        return True
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.LShift):
        return True
    if isinstance(node, ast.keyword):
        return node.arg == "maxsize"
    if isinstance(node, ast.Assign):
        return any(_is_budget(target) for target in node.targets)
    return isinstance(node, ast.AnnAssign) and _is_budget(node.target)


def _is_budget(target: ast.expr) -> bool:
    text = ast.unparse(target)
    return text == "__all__" or BUDGET.search(text) is not None


def _indices(node: ast.Subscript) -> list[ast.expr]:
    """The parts of an index that count, of an array and not of a type."""
    name = ast.unparse(node.value)
    if name in GENERIC or name.rpartition(".")[2][:1].isupper():
        return []
    parts = node.slice.elts if isinstance(node.slice, ast.Tuple) else [node.slice]
    found: list[ast.expr] = []
    for part in parts:
        bounds = [part.lower, part.upper] if isinstance(part, ast.Slice) else [part]
        found += [bound for bound in bounds if bound is not None and _counts(bound)]
    return found


def _counts(node: ast.expr) -> bool:
    if isinstance(node, ast.UnaryOp):
        return isinstance(node.op, ast.USub) and _counts(node.operand)
    if isinstance(node, ast.Constant):
        return type(node.value) is int
    return isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add | ast.Sub)


def _bound(function: ast.FunctionDef | ast.Lambda) -> set[str]:
    """The names that are arguments of a function or assigned in it."""
    arguments = {node.arg for node in ast.walk(function.args) if isinstance(node, ast.arg)}
    nodes = [node for node in ast.walk(function) if isinstance(node, ast.Name)]
    return arguments | {node.id for node in nodes if isinstance(node.ctx, ast.Store)}


def _alike(name: str) -> set[str]:
    """What is easily taken for a name: the other of a pair, 1 for 2."""
    found = {b if name == a else a for a, b in WORDS if name in (a, b)}
    for digit, other in (("1", "2"), ("2", "1"), ("2", "3")):
        at = name.find(digit)
        if at > 0 and name.count(digit) == 1:
            found.add(name[:at] + other + name[at + 1 :])
    return found
