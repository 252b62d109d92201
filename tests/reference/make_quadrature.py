r"""Reference values for ``tests/test_quadrature.py``, by quadrature of the definitions.

``python tests/reference/make_quadrature.py`` writes ``quadrature.json`` beside this file, going on
with a table that is not complete; ``--check N`` recomputes N rows, drawn by a fixed seed, and
compares. Nothing of the package is imported. Every phi and phi' is written down in
``quadrature_activations.py``, and phi' is checked against phi by parts.

Every activation has the laws of ``LAWS``, but for exp(x^2/8) where its square diverges, and for
waves at variance 1e4, of which nothing but rounding is left. With kinks, |c| next to 1 takes the
longest and is there at variances about 1 alone; c = 0.9 is there without kinks at variance 1.

With x and z independent standard normals,

* c = 1, -1: one integral over u = m1 + sqrt(a) x and v = m2 + c sqrt(b) x; null for phi' of an
  expression with jumps or an unbounded slope, which may meet;
* |c| next to 1: the same with v = m2 + sqrt(b) (c x + s z), s^2 = 1 - c^2. Where no kink is within
  reach of z, z has a Gauss-Hermite rule, which needs few nodes because s is small;
* other c: Mehler's formula, E phi(u) phi(v) = sum over n of c^n alpha_n beta_n with
  alpha_n = E[phi(u) h_n(x)], h_n the orthonormal Hermite polynomials: again integrals over x. The
  rest of the sum is at most c^N sqrt(E phi(u)^2 E phi(v)^2).

The integrals over x and z are tanh-sinh sums on panels that end at the kinks of phi and double in
width away from where phi bends: a singularity at the end of a panel does no harm.
"""

from __future__ import annotations

import argparse
import json
import random
import sys
from functools import cache
from itertools import pairwise
from pathlib import Path

import mpmath
import numpy as np
from quadrature_activations import ACTIVATIONS, DPS, EXP, PI, SQRT, number, numbers

TABLE = Path(__file__).with_name("quadrature.json")
DIGITS = 34
BOUNDED = 14  # how far the integrals over z reach, in standard deviations
FINE, COARSE = 22, 11  # tanh-sinh nodes to a unit of their variable: over x alone, over x and z
HERMITE = 12
TINY = number("1e-65")
ROOT = SQRT(2 * PI)
# q11, q22, mean1, mean2
LAWS = [
    ("1", "1", "0", "0"),
    ("100", "100", "0", "0"),
    ("1e-8", "1e-8", "0", "0"),
    ("1.3", "0.6", "0.5", "-0.8"),
    ("1e4", "1e4", "0", "0"),
]
KINKS_NEXT_TO_ONE = (LAWS[0], LAWS[3])  # the nested rule takes long where there are kinks
# label: 1 - c, 1 + c, terms of Mehler's sum (none: the nested rule)
CORRELATIONS = {
    "-1": ("2", "0", 0),
    "-1+1e-12": ("1.999999999999", "1e-12", 0),
    "-0.5": ("1.5", "0.5", 120),
    "0": ("1", "1", 1),
    "0.5": ("0.5", "1.5", 120),
    "0.9": ("0.1", "1.9", 700),
    "1-1e-12": ("1e-12", "1.999999999999", 0),
    "1": ("0", "2", 0),
}


def cases():
    """The rows of the table: an expression and a law."""
    for law in LAWS:
        for expression, entry in ACTIVATIONS.items():
            if expression == "exp(x**2/8)" and float(law[0]) >= 2:
                continue  # its second moment diverges
            if entry.turn is None or law[0] != "1e4":  # nothing but rounding is left of a wave
                yield expression, law


def _density(x):
    return EXP(-x * x / 2) / ROOT


@cache
def _tanh_sinh(fineness):
    """Nodes and weights on [0, 1], the nodes by their distance from the nearer end."""
    sinh, cosh, exp = (getattr(numbers, name) for name in ("sinh", "cosh", "exp"))
    low, weights = [], []
    for k in range(5 * fineness):
        t = number(k) / fineness
        e = exp(-PI * sinh(t))
        if e < number(10) ** (9 - DPS):
            break
        low.append(e / (1 + e))
        weights.append(PI * cosh(t) * e / (1 + e) ** 2 / fineness)
    return np.array(low), np.array(weights)


def _nodes(edges, fineness):
    """Nodes and weights of the panels between the edges."""
    low, weights = _tanh_sinh(fineness)
    xs, ws = [], []
    for a, b in pairwise(edges):
        xs += [a + (b - a) * low[::-1], b - (b - a) * low[1:]]
        ws += [(b - a) * weights[::-1], (b - a) * weights[1:]]
    return np.concatenate(xs), np.concatenate(ws)


def _edges(entry, laws, width):
    """Ends of panels in standard coordinates: at most so wide, and fine where phi bends.

    ``laws`` are (mean, deviation), with a negative deviation for a mirrored sample.
    """
    reach = entry.reach
    found = {-reach + width * k for k in range(int(2 * reach / width) + 1)}
    for mean, sigma in laws:
        for place, size in entry.bends.items():
            middle, step = (number(place) - mean) / sigma, abs(number(size) / sigma)
            found.add(middle)
            while step < width:
                found |= {middle - step, middle + step}
                step *= 2
        if entry.turn is not None and abs(sigma) * width > number(entry.turn):
            count = int(2 * reach * abs(sigma) / number(entry.turn)) + 1
            found |= {-reach + 2 * reach * number(k) / count for k in range(count + 1)}
    kinks = {(number(place) - mean) / sigma for mean, sigma in laws for place in entry.kinks}
    return _apart(found, kinks, reach)


def _apart(edges, kinks, reach, gap="1e-20"):
    """The kinks within reach, and the edges that are not next to another."""
    kept = []
    for x in sorted(x for x in {*edges, *kinks} if -reach <= x <= reach):
        if not kept or x - kept[-1] > number(gap):
            kept.append(x)
        elif x in kinks:
            kept[-1] = x
    return kept


def one_sample(entry, mean, sigma):
    """E phi, E phi', E phi^2, E phi'^2; the point masses of phi' by the density."""
    x, w = _nodes(_edges(entry, [(mean, sigma)], 2), FINE)
    phi, slope = entry.both(mean + sigma * x)
    w = w * _density(x)
    masses = sum(jump * _density(t) / sigma for t, jump in _jumps(entry, mean, sigma))
    square = None if entry.jumps or not entry.squares else (slope * slope) @ w
    return {
        "mean": phi @ w,
        "derivative_mean": slope @ w + masses,
        "second": (phi * phi) @ w,
        "derivative_second": square,
    }


def _jumps(entry, mean, sigma):
    return [((number(t) - mean) / sigma, jump) for t, jump in entry.jumps.items()]


def _orthonormal(x, count):
    """h_0, h_1, ... at the points."""
    before, value = 0 * x, 1 + 0 * x
    for n in range(count):
        yield value
        low, root = SQRT(number(n)), SQRT(number(n + 1))
        before, value = value, (x * value - low * before) / root


def _coefficients(entry, mean, sigma, count):
    """E phi(u) h_n(x) and E phi'(u) h_n(x); by parts sigma times the latter is a former."""
    x, w = _nodes(_edges(entry, [(mean, sigma)], 2 if count < 200 else 1), FINE)
    masses = _jumps(entry, mean, sigma)
    xs = np.concatenate([x, [t for t, _ in masses]])
    w = w * _density(x)
    phi, slope = entry.both(mean + sigma * x)
    sides = [np.concatenate([phi * w, [0 * t for t, _ in masses]])]
    sides += [np.concatenate([slope * w, [jump * _density(t) / sigma for t, jump in masses]])]
    found = [[h @ side for side in sides] for h in _orthonormal(xs, count)]
    size = max(abs(slope) for _, slope in found) * sigma
    for n in range(count - 1):
        gap = sigma * found[n][1] - SQRT(number(n + 1)) * found[n + 1][0]
        if abs(gap) > size * number(10) ** -29:
            raise ArithmeticError(f"phi' or the nodes are wrong: order {n} is off by {gap:.1e}")
    return np.array(found)


def _by_mehler(entry, laws, dl, count):
    one, other = (_coefficients(entry, *law, count) for law in laws)
    powers = np.array([(1 - dl) ** n for n in range(count)])
    return [powers @ (one[:, k] * other[:, k]) for k in (0, 1)]


@cache
def _hermite_rule():
    """Gauss-Hermite rule of the standard normal law."""
    nodes, weights = [], []
    for start in np.polynomial.hermite_e.hermegauss(HERMITE)[0]:
        x = number(float(start))
        for _ in range(8):
            *_, before, last = _orthonormal(np.array([x]), HERMITE + 1)
            x -= (last / before)[0] / SQRT(number(HERMITE))
        nodes.append(x)
        weights.append(1 / sum(h[0] ** 2 for h in _orthonormal(np.array([x]), HERMITE)))
    return np.array(nodes), np.array(weights)


def _inner(entry, middle, width):
    """E phi(v) and E phi'(v) without point masses, for v = middle + width z at many middles."""
    if width == 0:
        return entry.both(middle)
    places = [number(t) for t in entry.kinks]
    near = np.array([any(abs(t - x) < BOUNDED * width for t in places) for x in middle])
    z, w = _hermite_rule()
    out = 0 * np.array([middle, middle])
    far = np.flatnonzero(~near)
    for index, part in enumerate(entry.both(middle[far][:, None] + width * z)):
        out[index, far] = part @ w
    for k in np.flatnonzero(near):
        kinks = {(t - middle[k]) / width for t in places}
        edges = _apart(map(number, range(-BOUNDED, BOUNDED + 1, 4)), kinks, BOUNDED, "0.1")
        z_k, w_k = _nodes(edges, COARSE)
        w_k = w_k * _density(z_k)
        out[:, k] = [part @ w_k for part in entry.both(middle[k] + width * z_k)]
    return out


def _nested(entry, laws, dl, op):
    (m1, sigma), (m2, tau) = laws
    c = 1 - dl if dl < op else op - 1
    s = SQRT(dl * op)
    edges = _edges(entry, [(m1, sigma), (m2, tau * c)], 2)
    if s:
        steps = [s * k for k in (*range(-14, 15, 4), -30, 30, -60, 60)]
        while steps[-1] < 1:
            steps += [2 * steps[-2], 2 * steps[-1]]
        places = [(number(t) - m2) / (tau * c) for t in entry.kinks]
        edges = _apart(
            [*edges, *(t + step for t in places for step in steps)], set(places), entry.reach
        )
    x, w = _nodes(edges, COARSE if s else FINE)
    w = w * _density(x)
    left = entry.both(m1 + sigma * x)
    right = _inner(entry, m2 + tau * c * x, tau * s)
    dual, derivative = ((f * g) @ w for f, g in zip(left, right, strict=True))
    if s == 0:
        divergent = entry.jumps or not entry.squares
        return [dual, None if divergent else derivative]
    return [dual, derivative + _point_masses(entry, laws, c, s)]


def _point_masses(entry, laws, c, s):
    """Of phi'(u) phi'(v), each given the sample that it fixes."""
    total = number(0)
    for (mean, sigma), (other, tau) in (laws, laws[::-1]):
        for t, jump in _jumps(entry, mean, sigma):
            middle = np.array([other + tau * c * t])
            total += jump * _density(t) / sigma * _inner(entry, middle, tau * s)[1][0]
    for t, jump in _jumps(entry, *laws[0]):
        for other, leap in _jumps(entry, *laws[1]):
            joint = _density(t) * _density((other - c * t) / s) / s
            total += jump * leap * joint / (laws[0][1] * laws[1][1])
    return total


def row(expression, law):
    """One row of the table."""
    entry = ACTIVATIONS[expression]
    a, b, m1, m2 = (number(text) for text in law)
    laws = (m1, SQRT(a)), (m2, SQRT(b))
    pairs = {}
    for label, (dl, op, terms) in CORRELATIONS.items():
        if label == "0.9" and (entry.kinks or law != LAWS[0]):
            continue
        if min(dl, op, key=float) == "1e-12" and entry.kinks and law not in KINKS_NEXT_TO_ONE:
            continue
        if terms:
            pairs[label] = _by_mehler(entry, laws, number(dl), terms)
        else:
            pairs[label] = _nested(entry, laws, number(dl), number(op))
    singles = [one_sample(entry, *one) for one in laws]
    return {
        "expression": expression,
        "law": law,
        **{
            which: {name: _text(value) for name, value in single.items()}
            for which, single in zip("uv", singles, strict=True)
        },
        "dual": {label: _text(value) for label, (value, _) in pairs.items()},
        "derivative_dual": {label: _text(value) for label, (_, value) in pairs.items()},
    }


def _text(value):
    if value is None:
        return None
    if not abs(value) < number(10) ** 130:
        raise ArithmeticError(f"{value} is no value of an integral")
    known = value if isinstance(value, mpmath.mpf) else mpmath.mpf(f"{value:.60e}")
    return mpmath.nstr(known, DIGITS) if abs(value) > TINY else "0"


def difference(old, new):
    """The largest difference of two rows, in units of the second moments."""
    gaps = []
    for name in ("", "derivative_"):
        scale = [old[which][f"{name}second"] for which in "uv"]
        for part, key in (("u", f"{name}mean"), ("u", f"{name}second"), (f"{name}dual", None)):
            for label in old[part] if key is None else [key]:
                x, y = old[part][label], new[part][label]
                assert (x is None) == (y is None)
                if x is not None:
                    x, y = mpmath.mpf(x), mpmath.mpf(y)
                    size = abs(x) if None in scale else max(map(mpmath.mpf, scale))
                    gaps.append(abs(x - y) / size if size else abs(x - y))
    return float(max(gaps))


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--check", type=int, metavar="N", help="recompute N rows of the table")
    arguments = parser.parse_args()
    table = json.loads(TABLE.read_text()) if TABLE.exists() else []
    if arguments.check:
        for old in random.Random(3).sample(table, arguments.check):
            new = row(old["expression"], tuple(old["law"]))
            print(old["expression"], old["law"], f"{difference(old, new):.1e}", flush=True)
        return
    finished = {(old["expression"], tuple(old["law"])) for old in table}
    for case in cases():
        if case not in finished:
            table.append(row(*case))
            lines = ",\n".join(json.dumps(one) for one in table)
            TABLE.write_text(f"[\n{lines}\n]\n")
            print(*case, file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
