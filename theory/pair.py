r"""Gaussian laws of one sample and of two, in coordinates accurate at every correlation."""

from __future__ import annotations

from typing import NamedTuple

from theory.errors import DescriptionError
from theory.mathematics import Number, Symbols, of


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
    def of_samples(cls, q1: Number, q2: Number, gap: Number) -> Pair:
        """The centred pair of two samples: variance q1 each, covariance q2, gap = q1 - q2."""
        return cls(q1, q1, q2, gap / q1, (q1 + q2) / q1)

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
