r"""Reference values for ``tests/test_families_smooth.py``, by quadrature of the definitions.

``python tests/reference/make_smooth.py`` writes ``smooth.json`` beside this file (a quarter of an
hour); ``--check N`` recomputes N rows, drawn by a fixed seed, and compares. Nothing of the package
is imported and no closed form of a Gaussian integral is used. With x standard normal,

* c = 1, -1: one integral over u = m1 + sqrt(a) x and v = m2 + c sqrt(b) x;
* |c| next to 1: the same with v = m2 + sqrt(b) (c x + sqrt(1 - c^2) z), z by a Gauss-Hermite rule,
  which needs few nodes because sqrt(1 - c^2) is small;
* other c: Mehler's formula, E phi(u) phi(v) = sum over n of c^n alpha_n beta_n with
  alpha_n = E[phi(u) h_n(x)], h_n the orthonormal Hermite polynomials: again integrals over x.

Integrals over x: entire functions by the trapezoid rule, the others by Gauss-Legendre panels of
width 2 in u, where phi turns. With gmpy2 installed it takes half the time.
"""

from __future__ import annotations

import argparse
import json
import random
from functools import cache
from itertools import pairwise
from pathlib import Path

import mpmath
import numpy as np

TABLE = Path(__file__).with_name("smooth.json")
DIGITS = 34
ORDERS = {False: 240, True: 340}  # of entire functions, exp among them, more
context = mpmath.MPContext()
mpf, exp, sqrt = context.mpf, context.exp, context.sqrt

# name: (parameters, phi, phi', entire)
context.dps = 120
PI = +context.pi


def _normal(x):
    return exp(-x * x / 2) / sqrt(2 * PI)


def _cdf(x):
    return context.erfc(-x / sqrt(mpf(2))) / 2


def _sigmoid(x):
    return 1 / (1 + exp(-x))


def _softplus(x):
    return context.log1p(exp(-abs(x))) + max(x, 0)


def _silu_slope(x):
    s = _sigmoid(x)
    return s + x * s * _sigmoid(-x)


def _he5(x):
    return x**5 - 10 * x**3 + 15 * x


def _power(n):
    return (lambda x: x**n), (lambda x: n * x ** (n - 1))


SCALE, TENTH, SEVEN, WAVE, PHASE = (mpf(s) for s in ("0.7", "0.1", "0.7", "1.3", "0.4"))
C0, C1, L, MU = (mpf(s) for s in ("0.3", "1.2", "-0.8", "0.4"))
HALF, THREE = mpf("0.5"), mpf("0.3")

ACTIVATIONS = {
    "erf": (
        {"scale": "0.7"},
        lambda x: context.erf(SCALE * x),
        lambda x: 2 * SCALE / sqrt(PI) * exp(-((SCALE * x) ** 2)),
        False,
    ),
    "probit": (
        {"c0": "0.3", "c1": "1.2", "l": "-0.8", "mu": "0.4"},
        lambda x: C0 + C1 * _cdf(L * x + MU),
        lambda x: C1 * L * _normal(L * x + MU),
        False,
    ),
    "gelu": ({}, lambda x: x * _cdf(x), lambda x: _cdf(x) + x * _normal(x), False),
    "gaussian": (
        {"p": "0.7"},
        lambda x: exp(-SEVEN * x * x / 2),
        lambda x: -SEVEN * x * exp(-SEVEN * x * x / 2),
        False,
    ),
    "tanh": ({}, context.tanh, lambda x: context.sech(x) ** 2, False),
    "sigmoid": ({}, _sigmoid, lambda x: _sigmoid(x) * _sigmoid(-x), False),
    "softplus": ({}, _softplus, _sigmoid, False),
    "silu": ({}, lambda x: x * _sigmoid(x), _silu_slope, False),
    "sin": (
        {"omega": "0.1", "phase": "0"},
        lambda x: context.sin(TENTH * x),
        lambda x: TENTH * context.cos(TENTH * x),
        True,
    ),
    "sin with a phase": (
        {"omega": "1.3", "phase": "0.4"},
        lambda x: context.sin(WAVE * x + PHASE),
        lambda x: WAVE * context.cos(WAVE * x + PHASE),
        True,
    ),
    "cos": (
        {"omega": "0.1"},
        lambda x: context.cos(TENTH * x),
        lambda x: -TENTH * context.sin(TENTH * x),
        True,
    ),
    "exp": ({"t": "-0.1"}, lambda x: exp(-TENTH * x), lambda x: -TENTH * exp(-TENTH * x), True),
    "monomial 3": ({"n": "3"}, *_power(3), True),
    "monomial 4": ({"n": "4"}, *_power(4), True),
    "hermite": ({"n": "5"}, _he5, lambda x: 5 * (x**4 - 6 * x**2 + 3), True),
    "polynomial": (
        {"coefficients": ["0.5", "-1", "0", "0.3"]},
        lambda x: HALF - x + THREE * x**3,
        lambda x: -1 + 3 * THREE * x**2,
        True,
    ),
}

# q11, q22, mean1, mean2
LAWS = [
    ("1e-8", "1e-8", "0", "0"),
    ("1e-3", "1e-3", "0", "0"),
    ("1", "1", "0", "0"),
    ("25", "25", "0", "0"),
    ("1e4", "1e4", "0", "0"),
    ("0.7", "2.5", "0", "0"),
    ("1e-4", "49", "0", "0"),
    ("1", "1", "0.5", "0.5"),
    ("1e-3", "1e-3", "-0.7", "-0.7"),
    ("1.3", "0.6", "0.5", "-0.8"),
    ("25", "4", "-2", "1"),
]
# label: (1 - c, 1 + c)
CORRELATIONS = {
    "-1": ("2", "0"),
    "-1+1e-12": ("1.999999999999", "1e-12"),
    "-0.7": ("1.7", "0.3"),
    "0": ("1", "1"),
    "0.3": ("0.7", "1.3"),
    "1-1e-6": ("1e-6", "1.999999"),
    "1-1e-12": ("1e-12", "1.999999999999"),
    "1": ("0", "2"),
}


@cache
def _legendre(count: int) -> tuple[list, list]:
    nodes, weights = [], []
    for start in np.polynomial.legendre.leggauss(count)[0]:
        x = mpf(float(start))
        for _ in range(8):
            low, value = mpf(1), x
            for n in range(2, count + 1):
                low, value = value, ((2 * n - 1) * x * value - (n - 1) * low) / n
            slope = count * (x * value - low) / (x * x - 1)
            x -= value / slope
        nodes.append(x)
        weights.append(2 / ((1 - x * x) * slope**2))
    return nodes, weights


@cache
def _hermite_rule(count: int) -> tuple[list, list]:
    """Gauss-Hermite rule of the standard normal law."""
    nodes, weights = [], []
    for start in np.polynomial.hermite_e.hermegauss(count)[0]:
        x = mpf(float(start))
        for _ in range(10):
            h = _orthonormal([x], count)
            last = [column[0] for column in h]
            x -= last[count] / (sqrt(mpf(count)) * last[count - 1])
        h = [column[0] for column in _orthonormal([x], count - 1)]
        nodes.append(x)
        weights.append(1 / context.fsum(value * value for value in h))
    return nodes, weights


def _orthonormal(points: list, order: int):
    """h_0 ... h_order at the points."""
    before, value = [mpf(0)] * len(points), [mpf(1)] * len(points)
    yield value
    for n in range(order):
        low, root = sqrt(mpf(n)), sqrt(mpf(n + 1))
        steps = zip(points, value, before, strict=True)
        before, value = value, [(x * p - low * q) / root for x, p, q in steps]
        yield value


def _plane(entire: bool, laws: tuple, orders: int = 0) -> tuple[list, list]:
    """Nodes x and weights of a rule for E f(x), f a product of phi at these laws."""
    if entire:
        step, count = (mpf("0.08"), 900) if orders else (mpf("0.16"), 310)
        nodes = [step * k for k in range(-count, count + 1)]
        return nodes, [step * _normal(x) for x in nodes]
    edges = {mpf(k) for k in range(-19, 20)}
    for mean, a in laws:
        sigma = sqrt(a)
        if sigma > 2:
            edges |= {(2 * k - mean) / sigma for k in range(-43, 44)}
            edges |= {(mean - 2 * k) / sigma for k in range(-43, 44)}
    panels = sorted(edge for edge in edges if abs(edge) <= 19)
    base, weights = _legendre(50)
    xs, ws = [], []
    for low, high in pairwise(panels):
        half = (high - low) / 2
        if half > mpf(10) ** -12:
            middle = (high + low) / 2
            xs += [middle + half * t for t in base]
            ws += [half * w for w in weights]
    return xs, [w * _normal(x) for x, w in zip(xs, ws, strict=True)]


def _at(f, mean, sigma, points) -> list:
    return [f(mean + sigma * x) for x in points]


def _single(f, mean, a, entire, power) -> mpmath.mpf:
    x, w = _plane(entire, ((mean, a),))
    values = _at(f, mean, sqrt(a), x)
    return context.fdot(w, [v**power for v in values])


def _inner_count(entire: bool, s: mpmath.mpf) -> int:
    """Gauss-Hermite nodes for phi(mean + s z): n! (s/1.5)^(2n) below 1e-38."""
    if entire:
        return 10
    for n in range(4, 70):
        if n * context.log(n) - n + 2 * n * context.log(s / mpf("1.5")) < -88:
            return n
    raise ArithmeticError("the correlation is too far from 1 for the nested rule")


def _near_one(functions, law_u, law_v, dl, op, entire) -> list:
    (m1, a), (m2, b) = law_u, law_v
    c = 1 - dl if dl < op else op - 1
    s = sqrt(dl * op) * sqrt(b)
    z, p = _hermite_rule(_inner_count(entire, s)) if s else ([mpf(0)], [mpf(1)])
    mirrored = (m2, b) if c > 0 else (-m2, b)
    x, w = _plane(entire, (law_u, mirrored))
    centre = [m2 + c * sqrt(b) * t for t in x]
    out = []
    for f in functions:
        inner = [context.fdot(p, [f(v + s * t) for t in z]) for v in centre]
        left = _at(f, m1, sqrt(a), x)
        out.append(context.fsum(i * g * q for i, g, q in zip(inner, left, w, strict=True)))
    return out


def _coefficients(functions, law, entire) -> list[list]:
    mean, a = law
    x, w = _plane(entire, (law,), ORDERS[entire])
    weighted = [
        [v * q for v, q in zip(_at(f, mean, sqrt(a), x), w, strict=True)] for f in functions
    ]
    columns = _orthonormal(x, ORDERS[entire])
    return [
        list(row)
        for row in zip(*([context.fdot(h, v) for v in weighted] for h in columns), strict=True)
    ]


def rows(names: list[str], law: tuple[str, str, str, str]) -> list[dict]:
    """The rows of some activations, all entire or none, at one pair of laws."""
    entire = ACTIVATIONS[names[0]][3]
    context.dps = 120 if entire else 55
    a, b, m1, m2 = (mpf(s) for s in law)
    law_u, law_v = (m1, a), (m2, b)
    functions = [f for name in names for f in ACTIVATIONS[name][1:3]]
    left = _coefficients(functions, law_u, entire)
    right = left if law_u == law_v else _coefficients(functions, law_v, entire)
    pairs: dict[str, list] = {}
    for label, (dl, op) in CORRELATIONS.items():
        dl, op = mpf(dl), mpf(op)
        if min(dl, op) < mpf("1e-5"):
            pairs[label] = _near_one(functions, law_u, law_v, dl, op, entire)
        else:
            powers = [(1 - dl) ** n for n in range(ORDERS[entire] + 1)]
            pairs[label] = [
                context.fsum(p * x * y for p, x, y in zip(powers, f, g, strict=True))
                for f, g in zip(left, right, strict=True)
            ]
    found = []
    for k, name in enumerate(names):
        ones = [
            _single(f, m1, a, entire, power) for power in (1, 2) for f in ACTIVATIONS[name][1:3]
        ]
        found.append(
            {
                "activation": name.split()[0],
                "parameters": ACTIVATIONS[name][0],
                "law": law,
                **{
                    key: _text(value)
                    for key, value in zip(
                        ("mean", "derivative_mean", "second", "derivative_second"),
                        ones,
                        strict=True,
                    )
                },
                "dual": {label: _text(values[2 * k]) for label, values in pairs.items()},
                "derivative_dual": {
                    label: _text(values[2 * k + 1]) for label, values in pairs.items()
                },
            }
        )
    return found


def _text(value: mpmath.mpf) -> str:
    if abs(value) < mpf(10) ** -45:
        return "0" if abs(value) < mpf(10) ** -100 or context.dps < 100 else _nstr(value)
    return _nstr(value)


def _nstr(value: mpmath.mpf) -> str:
    return str(context.nstr(value, DIGITS, strip_zeros=True))


def _numbers(row: dict) -> list[str]:
    ones = [row[key] for key in ("mean", "derivative_mean", "second", "derivative_second")]
    return ones + list(row["dual"].values()) + list(row["derivative_dual"].values())


def difference(row: dict) -> float:
    """The largest difference of a row of the table from its recomputation, in the row's scale."""
    name = next(
        key
        for key, (parameters, *_) in ACTIVATIONS.items()
        if key.split()[0] == row["activation"] and parameters == row["parameters"]
    )
    (new,) = rows([name], tuple(row["law"]))
    size = max(abs(mpf(text)) for text in _numbers(row))
    return max(
        float(abs(mpf(x) - mpf(y)) / size)
        for x, y in zip(_numbers(row), _numbers(new), strict=True)
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--check", type=int, metavar="N", help="recompute N rows of the table")
    arguments = parser.parse_args()
    if arguments.check:
        table = json.loads(TABLE.read_text())
        for row in random.Random(3).sample(table, arguments.check):
            print(row["activation"], row["law"], f"{difference(row):.1e}", flush=True)
        return
    table: list[dict] = []
    for law in LAWS:
        for entire in (False, True):
            names = [name for name, entry in ACTIVATIONS.items() if entry[3] is entire]
            if law[0] == "1e4":  # nothing but rounding is left of sin(1.3 u + 0.4)
                names = [name for name in names if name != "sin with a phase"]
            table += rows(names, law)
            print(law, "entire" if entire else "", flush=True)
    lines = ",\n".join(json.dumps(row) for row in table)
    TABLE.write_text(f"[\n{lines}\n]\n")


if __name__ == "__main__":
    main()
