r"""The fourth number system: exact rational numbers, and balls that contain the true number.

A number is rational as long as only rational operations have been applied to it, so that equality
and order are decided exactly; the first root or transcendental function makes it a ball of
python-flint, a midpoint with a radius that bounds every rounding. A comparison of balls that
overlap has no answer: it raises ``Undecided`` where one is needed, and a choice between two
formulas becomes the hull of both.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from fractions import Fraction
from functools import cache
from math import isqrt
from types import ModuleType
from typing import Any

from theory.errors import DescriptionError
from theory.expression import exact

GUARD = 64
MOST_VALUES = 40_000


class Undecided(ArithmeticError):
    """Two balls overlap, so that neither is known to be the larger."""


class NotCertified(ArithmeticError):
    """No enclosure: says why."""


class Unclear:
    """The truth of a comparison of overlapping balls."""

    def __bool__(self) -> bool:
        raise Undecided("two numbers cannot be told apart at the working precision")

    def __and__(self, other: Any) -> Any:
        return self if other is UNCLEAR or other else False

    def __or__(self, other: Any) -> Any:
        return self if other is UNCLEAR or not other else True

    __rand__, __ror__ = __and__, __or__


UNCLEAR = Unclear()


def likely(condition: Any) -> Any:
    """A condition that chooses between two forms of the same number: either form will do."""
    return False if condition is UNCLEAR else condition


@cache
def flint() -> ModuleType:
    """python-flint, or a ``DescriptionError`` that says how to get it."""
    try:
        import flint as found
    except ImportError:
        raise DescriptionError(
            "certified enclosures need python-flint: pip install 'fisherfield[certified]'"
        ) from None
    return found


class Ball:
    """A rational number, a real ball or a complex ball, with Python's operators.

    >>> m = balls(50)
    >>> m.number(0.1) * 3 == m.number("0.3"), m.sqrt(m.number("2.25")).exact
    (True, Fraction(3, 2))
    """

    __slots__ = ("system", "x")
    __hash__ = None  # type: ignore[assignment]

    def __init__(self, x: Any, system: Balls) -> None:
        self.x, self.system = x, system

    @property
    def exact(self) -> Fraction | None:
        """The number itself while it is rational."""
        if isinstance(self.x, self.system.fmpq):
            return Fraction(int(self.x.p), int(self.x.q))
        return None

    @property
    def real(self) -> Ball:
        return Ball(self.x.real, self.system) if self._complex else self

    @property
    def imag(self) -> Ball:
        return Ball(self.x.imag if self._complex else self.system.zero, self.system)

    def conjugate(self) -> Ball:
        return Ball(self.x.conjugate(), self.system) if self._complex else self

    @property
    def _complex(self) -> bool:
        return isinstance(self.x, self.system.acb)

    def __add__(self, other: Any) -> Ball:
        return Ball(self.x + self.system.raw(other), self.system)

    def __sub__(self, other: Any) -> Ball:
        return Ball(self.x - self.system.raw(other), self.system)

    def __rsub__(self, other: Any) -> Ball:
        return Ball(self.system.raw(other) - self.x, self.system)

    def __mul__(self, other: Any) -> Ball:
        return Ball(self.system.product(self.x, self.system.raw(other)), self.system)

    def __truediv__(self, other: Any) -> Ball:
        return Ball(self.x / self.system.raw(other), self.system)

    def __rtruediv__(self, other: Any) -> Ball:
        return Ball(self.system.raw(other) / self.x, self.system)

    __radd__, __rmul__ = __add__, __mul__

    def __neg__(self) -> Ball:
        return Ball(-self.x, self.system)

    def __abs__(self) -> Ball:
        return self.system.absolute(self)

    def __pow__(self, exponent: Any) -> Ball:
        return self.system.power(self, exponent)

    def __eq__(self, other: Any) -> Any:
        return self.system.equal(self.x, self.system.raw(other))

    def __ne__(self, other: Any) -> Any:
        equal = self.system.equal(self.x, self.system.raw(other))
        return equal if equal is UNCLEAR else not equal

    def __lt__(self, other: Any) -> Any:
        return self.system.less(self.x, self.system.raw(other))

    def __gt__(self, other: Any) -> Any:
        return self.system.less(self.system.raw(other), self.x)

    def __le__(self, other: Any) -> Any:
        more = self > other
        return more if more is UNCLEAR else not more

    def __ge__(self, other: Any) -> Any:
        less = self < other
        return less if less is UNCLEAR else not less

    def __float__(self) -> float:
        return float(self.x.p) / float(self.x.q) if self.exact is not None else float(self.x)

    def __str__(self) -> str:
        return f"{float(self):.15g}"


class Balls:
    """Balls that aim at a relative accuracy of so many bits."""

    encloses = True
    digits = 0

    def __init__(self, bits: int) -> None:
        library = flint()
        self.bits, self.context = bits, library.ctx
        self.fmpq, self.arb, self.acb = library.fmpq, library.arb, library.acb
        self.zero = self.fmpq(0)
        self.analytic = False
        self.functions: dict[str, Callable[..., Ball]] = {
            **{
                name: self._function(name)
                for name in ("exp", "expm1", "log1p", "sin", "cos", "tanh", "cosh", "erf")
            },
            "erfc": self._erfc,
            "sigmoid": self._sigmoid,
            "softplus": lambda a: self.log1p(self.exp(a)),
        }
        self.exp, self.expm1, self.log1p, self.sin, self.cos, self.tanh, self.cosh = (
            self.functions[name] for name in ("exp", "expm1", "log1p", "sin", "cos", "tanh", "cosh")
        )
        self.erf, self.erfc = self.functions["erf"], self.functions["erfc"]
        self.arctan, self.log = self._function("atan"), self._function("log")
        self.arcsin = self._function("asin")

    @contextmanager
    def working(self) -> Iterator[None]:
        """The precision at which these balls are computed, a reserve above their aim."""
        with self.context.workprec(self.bits + GUARD):
            yield

    @property
    def sliver(self) -> Ball:
        """An interval so short that what is in it does not count."""
        return Ball(self.fmpq(1, 1 << self.bits + GUARD // 4), self)

    @property
    def pi(self) -> Ball:
        return Ball(self.arb.pi(), self)

    def number(self, value: Any) -> Ball:
        """A number exactly: a float stands for its shortest decimal, a text for its decimal."""
        return value if isinstance(value, Ball) else Ball(self.raw(value), self)

    def raw(self, value: Any) -> Any:
        if isinstance(value, Ball):
            return value.x
        if isinstance(value, int):
            return self.fmpq(int(value))
        if hasattr(value, "free_symbols") and not getattr(value, "is_Rational", False):
            raise NotCertified(f"{value} is not a rational number")
        rational = Fraction(value) if isinstance(value, str) else exact(value)
        return self.fmpq(rational.numerator, rational.denominator)

    def complex(self, re: Ball, im: Ball) -> Ball:
        return Ball(self.acb(self.arb(re.x), self.arb(im.x)), self)

    def between(self, low: Any, high: Any) -> Ball:
        """A real number of which no more is known."""
        return Ball(self.arb(self.raw(low)).union(self.arb(self.raw(high))), self)

    # Operations on the numbers inside

    def product(self, a: Any, b: Any) -> Any:
        for zero, other in ((a, b), (b, a)):
            if isinstance(zero, self.fmpq) and zero == 0:
                return self.zero if isinstance(other, self.fmpq) or other.is_finite() else a * b
        return a * b

    def power(self, base: Ball, exponent: Any) -> Ball:
        if not isinstance(exponent, int):
            base = Ball(self._floating(base.x), self)
            return Ball(base.x ** self.arb(self.raw(exponent)), self)
        if exponent < 0:
            return 1 / self.power(base, -exponent)
        value = self.number(1)
        for bit in f"{exponent:b}":
            value = value * value * base if bit == "1" else value * value
        return value

    def equal(self, a: Any, b: Any) -> Any:
        if isinstance(a, self.fmpq) and isinstance(b, self.fmpq):
            return bool(a == b)
        difference = a - b
        if difference.is_zero():
            return True
        return False if not difference.contains(0) else UNCLEAR

    def less(self, a: Any, b: Any) -> Any:
        a, b = (x.real if isinstance(x, self.acb) else x for x in (a, b))
        if a < b:
            return True
        return False if a >= b else UNCLEAR

    def _floating(self, x: Any) -> Any:
        return self.arb(x) if isinstance(x, self.fmpq) else x

    def _function(self, name: str) -> Callable[[Ball], Ball]:
        cut = {"analytic": True} if name in ("log", "log1p", "asin") else {}

        def function(a: Any) -> Ball:
            x = self._floating(self.raw(a))
            if isinstance(x, self.acb) and cut and self.analytic:
                if name == "log1p":
                    return Ball((1 + x).log(analytic=True), self)
                if name == "asin":
                    raise Undecided("the arcsine has branch cuts")
                return Ball(x.log(analytic=True), self)
            return Ball(getattr(x, name)(), self)

        return function

    def far(self, side: Any) -> Ball:
        raise NotCertified("a variance is 0, where this formula has only a limit")

    def infinite(self, side: Ball) -> Ball:
        return Ball(self.arb("inf" if side > 0 else "-inf"), self)

    def touches_zero(self, a: Ball) -> bool:
        """Whether this real number is not known to be different from 0."""
        return not isinstance(a.x, self.acb) and bool(a.x.contains(0))

    def _erfc(self, a: Ball) -> Ball:
        x = self._floating(a.x)
        if isinstance(x, self.arb) and not x.is_finite() and not x.is_nan():
            return self.number(0 if x > 0 else 2)
        return Ball(x.erfc(), self)

    def _sigmoid(self, a: Ball) -> Ball:
        return 1 / (1 + self.exp(-a))

    # The operations of a formula

    def sqrt(self, a: Any) -> Ball:
        x = self.raw(a)
        if isinstance(x, self.fmpq):
            root = self.fmpq(*(isqrt(max(0, int(part))) for part in (x.p, x.q)))
            if root * root == x:
                return Ball(root, self)
            x = self.arb(x)
        if isinstance(x, self.acb):
            return Ball(x.sqrt(analytic=self.analytic), self)
        return Ball(x.sqrt(), self)

    def maximum(self, a: Any, b: Any) -> Ball:
        x, y = self.raw(a), self.raw(b)
        if isinstance(x, self.fmpq) and isinstance(y, self.fmpq):
            return Ball(max(x, y), self)
        if isinstance(x, self.acb) or isinstance(y, self.acb):
            return Ball(self.acb(x).real_max(self.acb(y), analytic=self.analytic), self)
        return Ball(self.arb(x).max(self.arb(y)), self)

    def absolute(self, a: Any) -> Ball:
        x = self.raw(a)
        if isinstance(x, self.acb):
            return Ball(x.real_abs(analytic=self.analytic), self)
        return Ball(abs(x), self)

    def select(self, condition: Any, then: Callable[[], Any], otherwise: Callable[[], Any]) -> Any:
        """The one or the other; where the condition is not clear, the hull of both."""
        if condition is not UNCLEAR:
            return then() if condition else otherwise()
        if self.analytic:
            raise Undecided("a choice is not analytic where its condition is not clear")
        both = [self._floating(self.raw(branch())) for branch in (then, otherwise)]
        if any(isinstance(x, self.acb) for x in both):
            both = [self.acb(x) for x in both]
        return Ball(both[0].union(both[1]), self)

    def angle(self, sine: Any, cosine: Any, radius: Any) -> Ball:
        y, x = (self.arb(self.raw(part)) for part in (sine, cosine))
        return Ball(self.arb.atan2(y, x), self)

    arcsine = angle

    def angle_minus_sine(self, angle: Ball) -> Ball:
        return angle - self.sin(angle)

    def integral(self, function: Callable[[Ball], Any], low: Any = 0, length: Any = 1) -> Ball:
        r"""A rigorous enclosure of the integral of ``function`` from low to low + length.

        The function is written in the operations of this class: they refuse where they are not
        analytic, and the interval is then divided.

        >>> m = balls(50)
        >>> with m.working():
        ...     value = m.integral(lambda x: m.maximum(x, 0), -1, 2)
        >>> abs(float(value) - 0.5) < 1e-14
        True
        """
        low, length = self.number(low), self.number(length)

        def integrand(x: Any, analytic: bool) -> Any:
            outer, self.analytic = self.analytic, analytic
            try:
                value = self.raw(function(low + length * Ball(x, self)))
            except Undecided:
                return self.acb("nan")
            finally:
                self.analytic = outer
            return self.acb(value)

        accuracy = self.arb(2) ** -self.bits
        size = self._size(lambda x: integrand(x, False))
        found = self.acb.integral(
            integrand, 0, 1, rel_tol=accuracy, abs_tol=accuracy * size, eval_limit=MOST_VALUES
        )
        return length * Ball(found.real, self)

    def _size(self, integrand: Callable[[Any], Any]) -> Any:
        """How large an integral over [0, 1] may be, from a few points: it decides no digit."""
        even = [self.fmpq(2 * k + 1, 32) for k in range(16)]
        graded = [self.fmpq(1, 1 << k) for k in range(1, 48, 3)]
        weighted = [(x, self.fmpq(1, 16)) for x in even] + [(x, x) for x in graded]
        sizes = [abs(integrand(self.acb(x)) * weight).mid() for x, weight in weighted]
        return max([self.arb(2) ** (-4 * self.bits), *(s for s in sizes if s.is_finite())])


@cache
def balls(bits: int) -> Balls:
    """The namespace of balls with this aim; raises ``DescriptionError`` without python-flint."""
    return Balls(bits)
