r"""How many networks at which widths a promise needs, and how long they take.

The promise: a bias of size delta is found with the given power by a test at the given level.
Widths and numbers are fixed once, from the variances of a pilot, before any mean is judged.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import ArrayLike

from numerics.extrapolation import Corrections, Uncertainty, uncertainty, weights
from numerics.verdict import detectable

RESERVE = 1.1
"""Factor on the planned error, for a c that drifts with the width."""

MOST_NETWORKS = 10**8
"""Networks at one width beyond which a promise counts as unreachable."""


class Unreachable(ValueError):
    """No number of networks at the widths of a design keeps the promise."""


@dataclass(frozen=True)
class Design:
    """Widths, and the relative numbers of networks measured at each.

    ValueError unless the widths are increasing and the shares, one for each, positive.
    """

    widths: tuple[int, ...]
    shares: tuple[float, ...]

    def __post_init__(self) -> None:
        increasing = all(low < high for low, high in pairwise((0, *self.widths)))
        if not (increasing and len(self.shares) == len(self.widths)):
            raise ValueError(
                f"A design needs increasing positive widths with one share each, got {self}."
            )
        if not all(0 < share < np.inf for share in self.shares):
            raise ValueError(
                f"A design needs positive finite shares, got {self.shares}. "
                f"Leave out a width that shall not be measured."
            )

    def scaled(self, depth: int) -> "Design":
        """The design for networks of this depth: widths times depth/3 beyond depth 3, because
        their corrections are in powers of depth/width.

        >>> EXPLICIT.scaled(depth=4).widths
        (85, 171, 341, 683)
        """
        factor = max(depth, 3) / 3
        return Design(tuple(round(width * factor) for width in self.widths), self.shares)


EXPLICIT = Design((64, 128, 256, 512), (6100, 940, 750, 243))
"""Means over networks with explicit weights: near the cheapest four widths at cost M^2."""

EXPLICIT_FINE = Design((128, 256, 512, 1024), (6100, 940, 750, 243))
"""Twice as wide. Cheaper for a resolution below about 0.7 %, where the narrow networks of
EXPLICIT leave too large a tau."""

EDGE_DESIGN = Design((96, 192, 384, 768, 1536), (1000, 800, 100, 50, 50))
"""Largest eigenvalue after mean subtraction, explicit weights, N = 4 samples. Near the cheapest
for 10 %. A lowest width of 64 or a highest of 1024 saves little and leans more on the prior."""

CONDITIONAL = Design((64, 256, 1024, 4096), (150, 60, 60, 150))
"""Means over conditioned networks, at cost M: most of the time at the widest, a few narrow ones
for the first correction."""

CONDITIONAL_EDGE = Design((256, 1024, 4096, 16384), (200, 240, 40, 35))
"""Largest eigenvalue after mean subtraction, conditioned networks: near the cheapest for 2 % at
N = 4 samples. The cheapest has no network at 4096; some are needed to test the fit."""

BULK_TOP = Design((64, 128, 256, 512), (600, 400, 60, 130))
"""Top of a bulk with samples in proportion to the width, explicit weights, cost M^3."""

BULK_SHIFT = Design((64, 128, 192, 384), (2400, 60, 60, 530))
"""The same for its distance from the edge, which is smaller than its fluctuations."""


@dataclass(frozen=True)
class Plan:
    """Widths and numbers of networks, with the error that they promise for networks whose
    standard deviation is c over the square root of the width.

    ``detectable`` is the relative bias found with the planned power at the planned level, the
    reserve not counted; ``seconds`` is the time of all networks, the pilot included, on one core.
    """

    widths: tuple[int, ...]
    counts: tuple[int, ...]
    c: float
    standard_error: float
    tau: float
    nu: float
    detectable: float
    seconds: float


def pooled_c(widths: ArrayLike, variances: ArrayLike) -> np.ndarray:
    r"""Fluctuation of one network, pooled over widths.

    .. math:: c = \Big(\frac1W \sum_{i=1}^{W} M_i s_i^2\Big)^{1/2}

    Widths of shape (W,), variances of one network of shape (..., W). ValueError unless all of
    them are positive and finite.

    >>> float(pooled_c([64, 256], [1 / 32, 1 / 128]) ** 2).__round__(12)
    2.0
    """
    widths, variances = np.asarray(widths, float), np.asarray(variances, float)
    for name, values in (("widths", widths), ("variances", variances)):
        if not (np.all(values > 0) and np.all(np.isfinite(values))):
            raise ValueError(
                f"pooled_c needs positive finite {name}, got {values.tolist()}. A variance of "
                f"zero means that all networks are the same or that nothing in them is random."
            )
    return np.sqrt((widths * variances).mean(axis=-1))


def excess_kurtosis(networks: Sequence[np.ndarray]) -> float:
    r"""Excess kurtosis of one network, pooled over widths; 0 for Gaussian networks.

    .. math:: \frac{\sum_i \sum_k (y_{ik} - \bar y_i)^4/\hat\sigma_i^4}{\sum_i n_i} - 3,
              \qquad \hat\sigma_i^2 = \frac{1}{n_i} \sum_k (y_{ik} - \bar y_i)^2

    ``networks``: for each width i the values y_ik of its n_i networks. ValueError where those of a
    width are all the same.

    >>> round(excess_kurtosis([np.array([-1.0, 1.0]), np.array([0.0, 2.0])]), 12)
    -2.0
    """
    centred = [np.asarray(values, float) - np.mean(values) for values in networks]
    squares = [float(np.mean(values**2)) for values in centred]
    if not all(square > 0 for square in squares):
        raise ValueError("A kurtosis needs networks that differ, got the same number from all.")
    fourth = sum(
        float(np.sum(values**4)) / square**2
        for values, square in zip(centred, squares, strict=True)
    )
    return fourth / sum(map(len, centred)) - 3


def explicit_seconds(width: ArrayLike, depth: int = 3, samples: int = 0) -> np.ndarray:
    r"""Time of one network with explicit weights on one core, measured at small C.

    .. math:: \left(20\,\mu\mathrm s + (25 + 0.4\,(N - 64)_+)\,\mathrm{ns}\; M^2\right)
              \frac{L - 1}{2}

    Random numbers at small N; passes and Gram matrices at N = M, to within a factor 2.

    >>> float(explicit_seconds(1000).round(6))
    0.02502
    """
    per_weight = 25e-9 + 0.4e-9 * max(samples - 64, 0)
    return (20e-6 + per_weight * np.asarray(width, float) ** 2) * (depth - 1) / 2


def conditional_seconds(width: ArrayLike, samples: int, columns: int, depth: int = 3) -> np.ndarray:
    r"""Time of one conditioned network of N samples on one core, with Q derivatives by each unit.

    .. math:: \left(20\,\mu\mathrm s + (20\,N + 35\,Q)\,\mathrm{ns}\; M\right) \frac{L - 1}{2}

    Q is C N, or the ``columns`` of ``numerics.conditional``. Measured at N = 8 and 16, Q = 16 to
    64, M = 64 to 4096, to within a third.

    >>> float(conditional_seconds(1000, samples=16, columns=16).round(6))
    0.0009
    """
    per_unit = (20e-9 * samples + 35e-9 * columns) * np.asarray(width, float)
    return (20e-6 + per_unit) * (depth - 1) / 2


def plan(
    c: float,
    *,
    delta: float,
    alpha: float,
    power: float = 0.9,
    corrections: Corrections,
    design: Design,
    pilot: int,
    block: Callable[[int], int] = lambda width: 1,
    seconds: Callable[[np.ndarray], np.ndarray] = explicit_seconds,
) -> Plan:
    r"""Smallest multiple of a design that finds a relative bias delta.

    .. math:: \left(t_{1 - \alpha/2,\, \nu} + t_{\text{power},\, \nu}\right)
              \mathrm{SE}(n) \cdot 1.1 \le \delta, \qquad
              n_i = \max\left(k\,\text{share}_i \left(1 + \frac{2}{W(n_0 - 1)}\right),
              n_0\right)

    with the error and nu of the plan itself, for the smallest such k. The reserve 1.1 pays for a
    c that drifts with the width, the factor on the shares for the error of c, measured on
    pilot = n_0 networks at each of W widths, which are among the n_i. Counts are rounded up to
    multiples of block(width); seconds(widths) are the times of one network. Plan for the largest
    c of the rows that share networks.

    ValueError unless 0 < alpha, power < 1, delta > 0, pilot >= 2, and the design can carry the
    corrections. Unreachable if 10^8 networks at one width do not suffice.

    >>> plan(1.0, delta=0.02, alpha=1e-3, corrections=Corrections.mean(depth=3),
    ...      design=EXPLICIT, pilot=32, block=lambda width: 64).counts
    (1984, 320, 256, 128)
    """
    if not (0 < delta < np.inf and pilot >= 2):
        raise ValueError(
            f"A plan needs a positive finite delta and a pilot of at least 2 networks a width, "
            f"got delta = {delta}, pilot = {pilot}."
        )
    widths, shares = np.array(design.widths), np.array(design.shares, float)
    inflated = shares * (1 + 2 / (len(widths) * (pilot - 1)))

    def error(counts: np.ndarray) -> Uncertainty:
        g = weights(widths, counts, c, corrections)
        return uncertainty(g, widths, counts, c**2 / widths, corrections)

    def reached(k: float) -> float:
        counts = np.ceil(np.maximum(k * shares, pilot))
        return RESERVE * float(detectable(error(counts), alpha, power))

    most = MOST_NETWORKS / shares.max()
    if reached(most) > delta:
        best = error(most * shares)
        raise Unreachable(
            f"delta = {delta:g} cannot be promised at widths {design.widths} with c = {c:g}. "
            f"With {MOST_NETWORKS:.0e} networks at one width the smallest delta is "
            f"{reached(most):.2g}: the standard error is {best.standard_error:.2g}, of which tau = "
            f"{best.tau:.2g} is left by the corrections that these widths cannot fit. "
            f"Use wider networks or a larger delta."
        )
    k = _smallest(lambda k: reached(k) <= delta, most)
    blocks = np.array([block(width) for width in design.widths])
    counts = (np.ceil(np.maximum(k * inflated, pilot) / blocks) * blocks).astype(int)
    promised = error(counts)
    return Plan(
        widths=design.widths,
        counts=tuple(counts.tolist()),
        c=float(c),
        standard_error=float(promised.standard_error),
        tau=float(promised.tau),
        nu=float(promised.nu),
        detectable=float(detectable(promised, alpha, power)),
        seconds=float(counts @ seconds(widths)),
    )


def _smallest(enough: Callable[[float], bool], most: float) -> float:
    """Smallest k in [0, most] that is enough, to 1 in 10^4, given that most is."""
    if enough(0):
        return 0
    low, high = 0.0, most
    while high - low > 1e-4 * high:
        middle = (low + high) / 2
        low, high = (low, middle) if enough(middle) else (middle, high)
    return high
