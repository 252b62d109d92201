"""Mutants by hand: the errors that one makes in these formulas.

Each is a file, a piece of its source that occurs once, what stands there instead, and the error.
"""

from __future__ import annotations

import ast
from pathlib import Path

from tests.mutants.generate import ROOT, Mutant
from tests.mutants.reach import place

HAND = (
    ("theory/fisher.py", "return (K1 + (N - 1) * K2) / N", "return (K1 + N * K2) / N", "N for N-1"),
    ("theory/fisher.py", "return C * K1 / P", "return K1 / P", "C forgotten"),
    ("theory/fisher.py", "return C / P * (K1**2 / N", "return 1 / P * (K1**2 / N", "C forgotten"),
    ("theory/fisher.py", "C / (P * N) * (K1**2 +", "C / (P * N) * (2 * K1**2 +", "factor 2"),
    ("theory/fisher.py", "(N - 3 - 2 * k)", "(N - 1 - 2 * k)", "mean of 1/sigma^2"),
    ("theory/fisher.py", "return v * (N - 1) / N", "return v", "1/(N-1) for 1/N"),
    ("theory/fisher.py", "return C * (N - 1) / N * gap / P", "return C * gap / P", "no projection"),
    (
        "theory/fisher.py",
        "return (N - 2) * gap\n",
        "return (N - 1) * gap\n",
        "one projection of two",
    ),
    ("theory/fisher.py", "return 2 / largest", "return 1 / largest", "factor 2"),
    ("theory/meanfield.py", "sigma_w2 * first + sigma_b2,", "sigma_w2 * first,", "no bias"),
    ("theory/meanfield.py", "sigma_w2 * second + sigma_b2,", "sigma_w2 * second,", "no bias"),
    (
        "theory/meanfield.py",
        "return self._kernel(*(factor * sum(S)",
        "return self._kernel(*(factor * sum(S) / len(S)",
        "mean for sum",
    ),
    ("theory/meanfield.py", "return 0 if layer.mean is None else", "return 0 if True else", "Pi"),
    (
        "theory/meanfield.py",
        "above.gap), own(couple, sigma_w2, above.two)",
        "above.gap), own(couple, 1, above.two)",
        "sigma_w2 forgotten",
    ),
    (
        "theory/normalization/plain.py",
        "sigma_w2 * layer.derivative_first * above.T",
        "sigma_w2 * layer.first * above.T",
        "phi for phi'",
    ),
    (
        "theory/normalization/plain.py",
        "layer.derivative_second * above.S + layer.derivative_gap * above.T",
        "layer.derivative_second * above.S",
        "trace forgotten",
    ),
    ("theory/outliers.py", "np.eye(C) - 1 / C - hat", "np.eye(C) - hat", "no projection"),
    ("theory/outliers.py", "[..., None, :] / C\n", "[..., None, :] / (C - 1)\n", "C - 1 for C"),
    ("theory/outliers.py", "- square) / (N - 1)", "- square) / N", "1/N for 1/(N-1)"),
    ("theory/bulk/neurons.py", "x0 = np.sqrt(common) *", "x0 = common *", "q for sqrt q"),
    ("theory/bulk/neurons.py", "    v = np.sqrt(tau) * v", "    v = tau * v", "q for sqrt q"),
    ("theory/bulk/moments.py", "((C + 2) * A**2", "((C + 1) * A**2", "moment of a Gaussian"),
    ("theory/last_layer.py", "var(axis=1) + eps", "var(axis=1, ddof=1) + eps", "1/(N-1) for 1/N"),
    ("theory/last_layer.py", 'o.C * (o.N - 1), "bulk"', 'o.C * o.N, "bulk"', "N for N-1"),
    ("theory/pair.py", "root = m.sqrt(a * b)\n", "root = a * b\n", "q for sqrt q"),
    (
        "theory/architecture.py",
        "* above for below, above in pairwise",
        "* below for below, above in pairwise",
        "alpha",
    ),
    ("theory/weights.py", "scale = sigma_w2 / m.number", "scale = 1 / m.number", "sigma_w2"),
    ("theory/weights.py", "sigma_b2 * int(", "1 * int(", "no bias"),
    (
        "theory/normalization/samples.py",
        "inverse = 1 / (v * (1 - 3 * setting.share))",
        "inverse = 1 / (v * (1 - setting.share))",
        "mean of 1/sigma^2",
    ),
    (
        "theory/normalization/samples.py",
        "lambda tau, w: m.sqrt(tau)",
        "lambda tau, w: tau",
        "q for sqrt q",
    ),
    (
        "theory/normalization/samples.py",
        "ratio = 1 / (1 - share)",
        "ratio = 1 / (1 + share)",
        "1/(N+1) for 1/(N-1)",
    ),
    ("theory/phase.py", "return 1 / slope, q -", "return 1 / slope, 1 -", "q forgotten"),
    (
        "theory/dual_map.py",
        "return self.second - self.gap(",
        "return self.second + self.gap(",
        "sign",
    ),
    (
        "theory/data_kernel.py",
        "scale**2 * found.derivative",
        "scale * found.derivative",
        "q for sqrt q",
    ),
)


def hand_mutants(root: Path = ROOT) -> list[Mutant]:
    """The list, found in the present source; ``ValueError`` where a piece is not there once."""
    return [_found(root, *entry) for entry in HAND]


def _found(root: Path, path: str, before: str, after: str, kind: str) -> Mutant:
    source = (root / path).read_text(encoding="utf-8")
    if source.count(before) != 1:
        raise ValueError(f"{path} has {before!r} {source.count(before)} times, not once")
    at = source.index(before)
    line = source.count("\n", 0, at) + 1
    start = len(source[:at].encode())
    functions = [
        node
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.FunctionDef) and node.lineno <= line <= (node.end_lineno or 0)
    ]
    inner = max(functions, key=lambda node: node.lineno, default=None)
    return Mutant(
        path,
        line,
        start,
        start + len(before.encode()),
        kind,
        before,
        after,
        None if inner is None else place(path, inner),
    )
