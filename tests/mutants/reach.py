"""Which test enters which function of ``theory/``, and how long it takes.

In a copy of the tree every function first notes its own place; a run of the fast suite there gives
the table. A mutant inside a function is then shown to the tests that enter it, quickest first.
Functions entered in a child process, or answered from a cache that an earlier test filled, are not
noted: the rest of the suite is there for them.
"""

from __future__ import annotations

import ast
import builtins
import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

TABLE = "reach.json"
SAVED_EVERY = 100  # tests

NOTES = "import builtins\n__reached__ = vars(builtins).setdefault('__reached__', set())"

Function = ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda


def place(path: str, function: Function) -> str:
    """The name of a function: its file, and line and column where its ``def`` begins."""
    return f"{path}:{function.lineno}:{function.col_offset}"


class _Noted(ast.NodeTransformer):
    """Every function begins with a note of its place."""

    def __init__(self, path: str) -> None:
        self.path = path

    def _note(self, function: Function) -> ast.expr:
        source = f"__reached__.add({place(self.path, function)!r})"
        return ast.parse(source, mode="eval").body

    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.AST:
        self.generic_visit(node)
        at = 0 if ast.get_docstring(node) is None else 1
        node.body.insert(at, ast.Expr(self._note(node)))
        return node

    def visit_Lambda(self, node: ast.Lambda) -> ast.AST:
        self.generic_visit(node)
        both = ast.Tuple([self._note(node), node.body], ast.Load())
        node.body = ast.Subscript(both, ast.Constant(1), ast.Load())
        return node


def noted(path: str, source: str) -> str:
    """The source whose functions note their places in the built-in set ``__reached__``."""
    tree = _Noted(path).visit(ast.parse(source))
    futures = [
        at
        for at, node in enumerate(tree.body)
        if isinstance(node, ast.ImportFrom) and node.module == "__future__"
    ]
    begin = max(futures, default=0)
    tree.body[begin + 1 : begin + 1] = ast.parse(NOTES).body
    return ast.unparse(ast.fix_missing_locations(tree)) + "\n"


REACHED: set[str] = vars(builtins).setdefault("__reached__", set())
FOUND: dict[str, Any] = {}


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Iterator[None]:
    REACHED.clear()
    start = time.process_time()
    yield
    seconds = time.process_time() - start
    FOUND[item.nodeid] = {"seconds": round(seconds, 3), "places": sorted(REACHED)}
    if len(FOUND) % SAVED_EVERY == 0:
        _save()


def pytest_sessionfinish() -> None:
    _save()


def _save() -> None:
    Path(TABLE).write_text(json.dumps(FOUND))
