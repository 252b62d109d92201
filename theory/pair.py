r"""Gaussian laws of one sample and of two, in coordinates accurate at every correlation."""

from __future__ import annotations

from fractions import Fraction
from math import pi, sqrt
from typing import Any, NamedTuple

from theory.errors import DescriptionError
from theory.expression import exact
from theory.mathematics import Number, Symbols, of

ROUNDING = Fraction(1, 10**12)
CORRELATIONS = ("c", "one_minus_c", "one_plus_c", "theta", "q12")


class Law(NamedTuple):
    """One Gaussian variable: mean m, variance a."""

    m: Number
    a: Number


class Pair(NamedTuple):
    r"""A Gaussian pair (u, v): variances a and b, covariance r, means m1 and m2.

    The correlation is carried as dl = 1 - c and op = 1 + c, so that nothing is lost as c tends to
    1 or -1; the determinant is :math:`ab - r^2 = ab\,(1 - c)(1 + c)`, the angle is that
    of the point :math:`(c, \sqrt{(1 - c)(1 + c)})`, never the arccosine of a rounded c.
    """

    a: Number
    b: Number
    r: Number
    dl: Number
    op: Number
    m1: Number = 0
    m2: Number = 0

    @classmethod
    def at(
        cls,
        a: Number,
        b: Number | None = None,
        *,
        c: Number | None = None,
        one_minus_c: Number | None = None,
        one_plus_c: Number | None = None,
        theta: Number | None = None,
        q12: Number | None = None,
        mean1: Number = 0,
        mean2: Number = 0,
    ) -> Pair:
        """A pair with its correlation given in exactly one way: c, 1 - c, 1 + c, theta, or q12 = r.

        >>> Pair.at(1.0, one_minus_c=1e-20).dl
        1e-20
        """
        b = a if b is None else b
        given = {"c": c, "one_minus_c": one_minus_c, "one_plus_c": one_plus_c, "theta": theta}
        chosen = [name for name, value in (given | {"q12": q12}).items() if value is not None]
        if len(chosen) != 1:
            raise DescriptionError(
                "the correlation is given in one way: c, one_minus_c, one_plus_c, theta or q12; "
                f"{', '.join(chosen) or 'none'} given"
            )
        m = of(a, b, *given.values(), q12)
        root = m.sqrt(a * b)
        if q12 is not None:
            return cls(a, b, q12, (root - q12) / root, (root + q12) / root, mean1, mean2)
        if theta is not None:
            dl, op = 2 * m.sin(theta / 2) ** 2, 2 * m.cos(theta / 2) ** 2
            c = m.cos(theta)
        elif c is not None:
            dl, op = 1 - c, 1 + c
        elif one_minus_c is not None:
            dl, op, c = one_minus_c, 2 - one_minus_c, 1 - one_minus_c
        else:
            assert one_plus_c is not None
            dl, op, c = 2 - one_plus_c, one_plus_c, one_plus_c - 1
        return cls(a, b, c * root, dl, op, mean1, mean2)

    @classmethod
    def of_samples(cls, q1: Number, q2: Number, gap: Number, mean: Number = 0) -> Pair:
        """The pair of two samples: variance q1 each, covariance q2, gap = q1 - q2, equal means."""
        return cls(q1, q1, q2, gap / q1, (q1 + q2) / q1, mean, mean)

    @property
    def u(self) -> Law:
        return Law(self.m1, self.a)

    @property
    def v(self) -> Law:
        return Law(self.m2, self.b)

    @property
    def c(self) -> Number:
        return self.r / of(self.a, self.b).sqrt(self.a * self.b)

    @property
    def determinant(self) -> Number:
        return self.a * self.b * self.dl * self.op

    @property
    def theta(self) -> Number:
        return self._angle(1)

    @property
    def psi(self) -> Number:
        r""":math:`\pi - \theta`."""
        return self._angle(-1)

    def _angle(self, sign: int) -> Number:
        m = of(*self)
        if isinstance(m, Symbols):
            root = m.sqrt(self.a * self.b)
            return m.angle(m.sqrt(self.determinant), sign * self.r, root)
        return m.angle(m.sqrt(self.dl * self.op), sign * (self.op - self.dl) / 2, 1)

    @property
    def centred(self) -> bool:
        """Whether both means are the exact integer 0."""
        return all(isinstance(mean, int) and mean == 0 for mean in (self.m1, self.m2))

    @property
    def same_u(self) -> Pair:
        """The pair (u, u)."""
        return Pair(self.a, self.a, self.a, 0 * self.dl, 2 + 0 * self.dl, self.m1, self.m1)

    @property
    def same_v(self) -> Pair:
        """The pair (v, v)."""
        return Pair(self.b, self.b, self.b, 0 * self.dl, 2 + 0 * self.dl, self.m2, self.m2)


class Given(NamedTuple):
    """A pair as it was asked for: exact numbers, the correlation in one way, no system yet."""

    a: Fraction
    b: Fraction
    name: str
    value: Fraction
    m1: Fraction = Fraction(0)
    m2: Fraction = Fraction(0)

    @classmethod
    def at(
        cls, a: Any, b: Any = None, *, mean1: Any = 0, mean2: Any = 0, **correlation: Any
    ) -> Given:
        """The arguments of ``Pair.at``: rational numbers, decimals as text, floats.

        A float stands for its shortest decimal. Raises ``DescriptionError`` for a negative variance
        and a correlation beyond the ends by more than rounding.

        >>> Given.at(1.3, c="0.7").value
        Fraction(7, 10)
        """
        a = _rational("q11", a)
        b = a if b is None else _rational("q22", b)
        for name, variance in (("q11", a), ("q22", b)):
            if variance < 0:
                raise DescriptionError(
                    f"{name} is a variance, at least 0, {float(variance):g} given"
                )
        given = {name: value for name, value in correlation.items() if value is not None}
        if len(given) != 1 or not set(given) <= set(CORRELATIONS):
            raise DescriptionError(
                "the correlation is given in one way: c, one_minus_c, one_plus_c, theta or q12; "
                f"{', '.join(given) or 'none'} given"
            )
        ((name, value),) = given.items()
        name, value = _within_range(name, _rational(name, value), a, b)
        return cls(a, b, name, value, _rational("mean1", mean1), _rational("mean2", mean2))

    def pair(self, m: Any) -> Pair:
        """The pair in the number system m."""
        means = {"mean1": m.number(self.m1), "mean2": m.number(self.m2)}
        a = m.number(self.a)
        b = a if self.b == self.a else m.number(self.b)
        if self.m1 == self.m2 == 0:
            means = {}
        elif self.m1 == self.m2:
            means["mean2"] = means["mean1"]
        return Pair.at(a, b, **{self.name: m.number(self.value)}, **means)


def _rational(name: str, value: Any) -> Fraction:
    try:
        return Fraction(value) if isinstance(value, str) else exact(value)
    except (TypeError, ValueError, ZeroDivisionError):
        raise DescriptionError(f"{name} must be a number, {value!r} given") from None


def _within_range(name: str, value: Fraction, a: Fraction, b: Fraction) -> tuple[str, Fraction]:
    """Refuse what no pair has; a rounding error beyond the end is the end."""
    if a * b == 0 and name == "q12" and value == 0:
        return "c", value
    root = Fraction(sqrt(a * b))
    low, high = {
        "c": (Fraction(-1), Fraction(1)),
        "one_minus_c": (Fraction(0), Fraction(2)),
        "one_plus_c": (Fraction(0), Fraction(2)),
        "theta": (Fraction(0), Fraction(pi)),
        "q12": (-root, root),
    }[name]
    slack = ROUNDING * max(Fraction(1), high)
    if not low - slack <= value <= high + slack:
        raise DescriptionError(
            f"{name.replace('_', '-')} must lie between {float(low):.15g} and {float(high):.15g} "
            f"for a covariance matrix, {float(value):.15g} given"
        )
    if name == "q12":  # the float root is not the root
        return ("c", Fraction(value > 0) * 2 - 1) if value**2 >= a * b else (name, value)
    return name, min(max(value, low), high)
