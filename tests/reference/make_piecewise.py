"""Reference values for tests/test_families_piecewise.py: quadrature of the definitions, 30 digits.

``python tests/reference/make_piecewise.py`` writes piecewise.json, continuing a table that is not
complete; with the argument ``gmpy2`` in the numbers of that package, ten times faster than in
mpmath's. ``recompute(row)`` gives the pair of one row again.

Nothing here knows a closed form: with x and w independent standard normals, u = m1 + sqrt(a) x and
v = m2 + sqrt(b) (c x + s w), both integrals are Gauss-Legendre sums over panels that end where u
or v meets a kink, and that shrink towards such points as far as the exponentials in phi and the
smoothing by w ask for.
"""

import json
import sys
from itertools import pairwise
from pathlib import Path

import mpmath
from mpmath import mp, mpf

mp.dps = 40
if __name__ == "__main__" and "gmpy2" in sys.argv:
    import gmpy2

    gmpy2.get_context().precision = mp.prec
    number, sqrt, exp, expm1 = gmpy2.mpfr, gmpy2.sqrt, gmpy2.exp, gmpy2.expm1
else:
    number, sqrt, exp, expm1 = mpf, mp.sqrt, mp.exp, mp.expm1
COUNT, REACH, STEP = 20, 14, 2
PATH = Path(__file__).with_name("piecewise.json")


def _nodes():
    rule = []
    for k in range(1, COUNT + 1):
        x = mp.cos(mp.pi * (k - mpf(1) / 4) / (COUNT + mpf(1) / 2))
        for _ in range(8):
            value, before = mp.legendre(COUNT, x), mp.legendre(COUNT - 1, x)
            slope = COUNT * (x * value - before) / (x * x - 1)
            x -= value / slope
        rule.append(((1 + x) / 2, 1 / ((1 - x * x) * slope**2)))
    return [(number(mpmath.nstr(x, 42)), number(mpmath.nstr(w, 42))) for x, w in rule]


RULE = _nodes()
ROOT = sqrt(2 * number(mpmath.nstr(mp.pi, 42)))
# the definition of SELU in theory/activations.py
SCALE, ALPHA = number("1.05070098735548049341933498529"), number("1.67326324235437728481704299167")


_last = [None, None]


def _grown(x):
    """e^x - 1; phi and phi' of several entries ask for it at the same x."""
    if x is not _last[0]:
        _last[:] = x, expm1(x)
    return _last[1]


def _elu(alpha, scale=1):
    return (
        lambda x: scale * (x if x > 0 else alpha * _grown(x)),
        lambda x: scale * (1 if x > 0 else alpha * (1 + _grown(x))),
    )


def _pieces(kinks, slopes, jumps, value):
    """phi and its slope, walked from 0; value is the limit from the right at 0."""
    kinks, slopes, jumps = ([number(t) for t in part] for part in (kinks, slopes, jumps))
    home = sum(t <= 0 for t in kinks)

    def phi(x):
        total, at, here = number(value), number(0), home
        while here < len(kinks) and x > kinks[here]:
            total += slopes[here] * (kinks[here] - at) + jumps[here]
            at, here = kinks[here], here + 1
        while here > 0 and x < kinks[here - 1]:
            total += slopes[here] * (kinks[here - 1] - at) - jumps[here - 1]
            at, here = kinks[here - 1], here - 1
        return total + slopes[here] * (x - at)

    return phi, lambda x: slopes[sum(t < x for t in kinks)]


def _sign(x):
    return number((x > 0) - (x < 0))


THREE = {
    "kinks": ["-1.5", "-0.2", "0.8"],
    "slopes": ["0.3", "-1", "0.5", "0.2"],
    "jumps": ["0.4", "0", "-0.7"],
    "value": "-0.2",
}
BOX = {"kinks": ["-0.5", "2"], "slopes": ["0", "0.7", "0"], "jumps": ["0", "0"], "value": "0.1"}


def _power(n):
    return (
        lambda x: x**n if x > 0 else number(0),
        lambda x: n * x ** (n - 1) if x > 0 else number(0),
    )


# name, parameters, (phi, phi' between the kinks), kinks, jumps, whether phi has an exponential
AT_ZERO = [
    ("relu", {}, _power(1), {}),
    ("leaky_relu", {"slope": "-0.3"}, _pieces(["0"], ["-0.3", "1"], ["0"], 0), {}),
    ("abs", {}, (abs, _sign), {}),
    ("step", {}, (lambda x: number(x > 0), lambda x: number(0)), {0: number(1)}),
    ("sign", {}, (_sign, lambda x: number(0)), {0: number(2)}),
    ("relu_power", {"n": "2"}, _power(2), {}),
    ("relu_power", {"n": "3"}, _power(3), {}),
    ("relu_power", {"n": "6"}, _power(6), {}),
]
GROUPS = [
    ([0], False, AT_ZERO),
    (
        [0],
        True,
        [
            ("elu", {"alpha": "1"}, _elu(number(1)), {}),
            ("elu", {"alpha": "1.7"}, _elu(number("1.7")), {}),
            ("selu", {}, _elu(ALPHA, SCALE), {}),
        ],
    ),
    (
        [-1, 1],
        False,
        [("hard_tanh", {}, (lambda x: max(-1, min(1, x)), lambda x: number(abs(x) < 1)), {})],
    ),
    (
        [number(t) for t in THREE["kinks"]],
        False,
        [
            (
                "piecewise_linear",
                THREE,
                _pieces(**THREE),
                {number(t): number(j) for t, j in zip(THREE["kinks"], THREE["jumps"], strict=True)},
            )
        ],
    ),
    ([number(t) for t in BOX["kinks"]], False, [("piecewise_linear", BOX, _pieces(**BOX), {})]),
]
LAWS = [
    ("1e-8", "1e-8", "0", "0"),
    ("1e-3", "1e-3", "0", "0"),
    ("1", "1", "0", "0"),
    ("25", "25", "0", "0"),
    ("1e4", "1e4", "0", "0"),
    ("0.5", "2.7", "0", "0"),
    ("1e4", "1e-3", "0", "0"),
    ("1", "1", "0.6", "0.6"),
    ("0.5", "2.7", "0.4", "-0.3"),
    ("25", "3", "-1.5", "2"),
    ("1e4", "1", "30", "-0.2"),
    ("1e-3", "1e-8", "0.02", "-1e-4"),
]
# c, or 1 - c or 1 + c where c is near 1 or -1
CORRELATIONS = {
    "-1": {"one_plus_c": "0"},
    "-1+1e-12": {"one_plus_c": "1e-12"},
    "-0.7": {"c": "-0.7"},
    "0": {"c": "0"},
    "0.3": {"c": "0.3"},
    "1-1e-6": {"one_minus_c": "1e-6"},
    "1-1e-12": {"one_minus_c": "1e-12"},
    "1": {"one_minus_c": "0"},
}


def _distances(given):
    ((name, text),) = given.items()
    given = number(text)
    if name == "c":
        return given, 1 - given, 1 + given
    if name == "one_minus_c":
        return 1 - given, given, 2 - given
    return given - 1, 2 - given, given


def _density(x):
    return exp(-x * x / 2) / ROOT


def _edges(points, exponential):
    """Panel ends on [-REACH, REACH].

    Around each (point, width, rate): equal panels over the width in which a kink is smoothed, then
    panels that double over the range of an exponential of this rate.
    """
    edges = {number(x) for x in range(-REACH, REACH + 1, STEP)}
    for point, width, rate in points:
        edges.add(point)
        layered = 0 < width < 1
        step = 1 / rate
        if layered:
            edges |= {point + STEP * j * width for j in range(-7, 8)}
            step = max(step, STEP * 7 * width)
        while exponential and step < min(2 * REACH, 90 / rate):
            edges |= {point - step, point + step}
            step *= 2
    return sorted(x for x in edges if -REACH <= x <= REACH)


BASE = {}


def _panel(low, high, keep=False):
    """Nodes and weights times the normal density on one panel."""
    if keep and (low, high) in BASE:
        return BASE[low, high]
    width = high - low
    points = [low + width * x for x, _ in RULE]
    found = [(x, width * w * _density(x)) for x, (_, w) in zip(points, RULE, strict=True)]
    if keep:
        BASE[low, high] = found
    return found


def _measure(points, exponential):
    edges = _edges(points, exponential)
    return [
        node
        for low, high in pairwise(edges)
        for node in _panel(low, high, low % STEP == 0 and high % STEP == 0)
    ]


def _law_points(kinks, a, mean):
    root = sqrt(a)
    return [((t - mean) / root, number(0), root) for t in kinks]


def one_sample(kinks, exponential, entry, a, mean):
    """E phi, E phi', E phi^2, E phi'^2; the point masses of phi' by the density."""
    _, _, (phi, slope), jumps = entry
    root = sqrt(a)
    totals = [number(0)] * 4
    for x, weight in _measure(_law_points(kinks, a, mean), exponential):
        f, g = phi(mean + root * x), slope(mean + root * x)
        for k, value in enumerate((f, g, f * f, g * g)):
            totals[k] += weight * value
    totals[1] += sum(j * _density((t - mean) / root) / root for t, j in jumps.items())
    return [*totals[:3], None if any(jumps.values()) else totals[3]]


def two_samples(kinks, exponential, entries, a, b, m1, m2, given):
    """For each entry E phi(u) phi(v) and E phi'(u) phi'(v)."""
    c, dl, op = _distances(given)
    alpha, beta, s = sqrt(a), sqrt(b), sqrt(dl * op)
    points = _law_points(kinks, a, m1)
    rate = beta * abs(c)
    if c != 0:
        points += [((t - m2) / (beta * c), s / abs(c), rate) for t in kinks]
    totals = [[number(0), number(0)] for _ in entries]
    for x, weight in _measure(points, exponential):
        u = m1 + alpha * x
        left = [(phi(u), slope(u)) for _, _, (phi, slope), _ in entries]
        if all(f == 0 and g == 0 for f, g in left):
            continue
        inner = _inner(kinks, exponential, entries, m2 + beta * c * x, beta * s)
        for total, (f, g), (F, G) in zip(totals, left, inner, strict=True):
            total[0] += weight * f * F
            total[1] += weight * g * G
    for total, entry in zip(totals, entries, strict=True):
        if any(entry[3].values()):
            total[1] = _with_point_masses(total[1], entry, kinks, a, b, m1, m2, c, s)
    return totals


def _inner(kinks, exponential, entries, middle, width):
    """E phi(v) and E phi'(v) for v = middle + width w."""
    if width == 0:
        return [(phi(middle), slope(middle)) for _, _, (phi, slope), _ in entries]
    totals = [[number(0), number(0)] for _ in entries]
    points = [((t - middle) / width, number(0), width) for t in kinks]
    for w, weight in _measure(points, exponential):
        v = middle + width * w
        for total, (_, _, (phi, slope), _) in zip(totals, entries, strict=True):
            total[0] += weight * phi(v)
            total[1] += weight * slope(v)
    return totals


def _with_point_masses(smooth, entry, kinks, a, b, m1, m2, c, s):
    """E phi'(u) phi'(v) with the point masses of phi', each given the sample that it fixes."""
    if s == 0:
        return None
    jumps = entry[3]
    total = smooth
    for (p, q), (m, n) in (((a, b), (m1, m2)), ((b, a), (m2, m1))):
        for t, j in jumps.items():
            x = (t - m) / sqrt(p)
            middle, width = n + sqrt(q) * c * x, sqrt(q) * s
            ((_, slope),) = _inner(kinks, False, [entry], middle, width)
            total += j * _density(x) / sqrt(p) * slope
    for t, j in jumps.items():
        x = (t - m1) / sqrt(a)
        middle, width = m2 + sqrt(b) * c * x, sqrt(b) * s
        for other, leap in jumps.items():
            joint = _density(x) / sqrt(a) * _density((other - middle) / width) / width
            total += j * leap * joint
    return total


def _text(value):
    if value is None:
        return None
    return mpmath.nstr(mpf(value if isinstance(value, mpf) else f"{value:.42e}"), 30)


def rows(law):
    """One row for each entry: its integrals of u, of v, and of the pair at each correlation."""
    a, b, m1, m2 = (number(text) for text in law)
    for kinks, exponential, entries in GROUPS:
        pairs = [
            two_samples(kinks, exponential, entries, a, b, m1, m2, given)
            for given in CORRELATIONS.values()
        ]
        for index, entry in enumerate(entries):
            single = [one_sample(kinks, exponential, entry, *one) for one in ((a, m1), (b, m2))]
            found = [[_text(x) for x in pair[index]] for pair in pairs]
            yield {
                "name": entry[0],
                "parameters": entry[1],
                "law": law,
                "u": [_text(x) for x in single[0]],
                "v": [_text(x) for x in single[1]],
                "dual": dict(zip(CORRELATIONS, (x for x, _ in found), strict=True)),
                "derivative_dual": dict(zip(CORRELATIONS, (y for _, y in found), strict=True)),
            }


def recompute(row, correlation):
    """The dual and the derivative's dual of a row, at one of its correlations, again."""
    a, b, m1, m2 = (number(text) for text in row["law"])
    given = CORRELATIONS[correlation]
    for kinks, exponential, entries in GROUPS:
        for entry in entries:
            if list(entry[:2]) == [row["name"], row["parameters"]]:
                (found,) = two_samples(kinks, exponential, [entry], a, b, m1, m2, given)
                return [_text(x) for x in found]
    raise KeyError(row["name"])


if __name__ == "__main__":
    table = json.loads(PATH.read_text()) if PATH.exists() else []
    finished = {tuple(row["law"]) for row in table}
    for law in LAWS:
        if law not in finished:
            table += rows(law)
            PATH.write_text("[\n" + ",\n".join(json.dumps(row) for row in table) + "\n]\n")
            print(law, len(table), file=sys.stderr)
