r"""Scale-invariant losses whose edge of stability and flow are known in closed form.

Points of the manifold of minimizers are unit vectors :math:`\zeta` in the space of all weights, as
rows of an array (..., n). Each problem has ``retract``, ``top`` and ``grad_log`` for the flow, and
``edge``; those with a solution have ``solution(start, tau)``, rows for an array of times.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from theory.errors import DescriptionError, OutOfRegime
from theory.mathematics import of
from theory.sharpness_flow import Edge, flow_speed


def _unit(rows: np.ndarray) -> np.ndarray:
    return rows / np.sqrt((rows * rows).sum(axis=-1, keepdims=True))


@dataclass(frozen=True)
class QuadraticForms:
    r"""The family :math:`L(z, y) = \frac{\sum_i (z^T A_i z)\, y_i^2}{2 |w|^4}`, w = (z, y).

    ``forms`` (m, d) are the diagonals of the :math:`A_i`, positive. The manifold is y = 0: there
    the eigenvalues are :math:`q_i = \zeta^T A_i \zeta`, each along its own :math:`y_i`. One form in
    the plane, diag(1, b), gives an arc. ``DescriptionError`` for forms that are not positive.
    """

    forms: np.ndarray

    def __post_init__(self) -> None:
        forms = np.atleast_2d(np.asarray(self.forms, float))
        if forms.shape[-1] < 2 or not (np.isfinite(forms).all() and (forms > 0).all()):
            raise DescriptionError(
                f"quadratic forms need positive diagonals of two entries at least, "
                f"{forms.tolist()} given"
            )
        object.__setattr__(self, "forms", forms)

    def retract(self, z: np.ndarray) -> np.ndarray:
        on = np.array(z, float)
        on[..., self.forms.shape[1] :] = 0
        return _unit(on)

    def sharpness(self, zeta: np.ndarray) -> np.ndarray:
        """The eigenvalues (..., m) in the order of the forms."""
        return zeta[..., : self.forms.shape[1]] ** 2 @ self.forms.T

    def top(self, zeta: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The eigenvalues in the order of the forms, with their vectors (m, n)."""
        m, d = self.forms.shape
        return self.sharpness(zeta), np.eye(m, m + d, d)

    def grad_log(self, zeta: np.ndarray, i: int) -> np.ndarray:
        r""":math:`g_i = 2 (A_i \zeta - q_i \zeta)/q_i`."""
        z = zeta[: self.forms.shape[1]]
        q = z**2 @ self.forms[i]
        return np.concatenate([2 * (self.forms[i] / q - 1) * z, np.zeros(len(self.forms))])

    def edge(self, zeta: np.ndarray) -> Edge:
        r"""The balance of the first form, with c = -8.

        .. math:: D = 4(r/q^2 - 1), \quad r = |A\zeta|^2, \qquad
                  Q = \tfrac12 g \cdot \nabla D
                    = 4 \left( \frac{\zeta^T A^2 g}{q^2} - \frac{2 r\, \zeta^T A g}{q^3} \right)
        """
        A, z = self.forms[0], zeta[: self.forms.shape[1]]
        q, r = z**2 @ A, z**2 @ A**2
        g = self.grad_log(zeta, 0)[: len(A)]
        D = 4 * (r / q**2 - 1)
        Q = 4 * ((z * A**2) @ g / q**2 - 2 * r * ((z * A) @ g) / q**3)
        return Edge(float(q), float(D), float(Q), -8.0)

    def solution(self, start: np.ndarray, tau: Any) -> np.ndarray:
        r"""The flow of one form: :math:`\zeta = e^{-A\sigma} k/|e^{-A\sigma} k|`, k the start.

        .. math:: e^{-2\tau} = \frac{\sum_i a_i k_i^2 e^{-2 a_i \sigma}}{\sum_i a_i k_i^2}

        ``DescriptionError`` for several forms.
        """
        from scipy.optimize import brentq

        if len(self.forms) != 1:
            raise DescriptionError("several forms have no closed solution; integrate the flow")
        A, k = self.forms[0], np.asarray(start, float)[: self.forms.shape[1]]
        share = A * k**2 / (A @ k**2)
        least = A[k != 0].min()

        def late(sigma: float, time: float) -> float:
            decays = -2 * (A - least) * sigma
            return float(np.log(share @ np.exp(decays)) - 2 * least * sigma + 2 * time)

        points = []
        for time in np.atleast_1d(tau):
            # the left side falls with a slope between -2 max a and -2 min a
            last = (time - np.log(share @ (least == A)) / 2) / least + 1e-300
            sigma = brentq(late, 0.0, last, args=(time,), xtol=1e-15, rtol=1e-15) if time else 0.0
            points.append(np.append(np.exp(-(A - least) * sigma) * k, np.zeros(1)))
        rows = _unit(np.array(points))
        return rows if np.ndim(tau) else rows[0]


def arc_clock(s: Any, b: float) -> Any:
    r"""The clock of the arc :math:`\zeta = (\cos s, \sin s)`, A = diag(1, b), for 0 < s < pi/2.

    .. math:: F(s) = \frac{\log\sin s - b \log\cos s}{b - 1}
                   + \tfrac12 \log(\cos^2 s + b \sin^2 s), \qquad F(s(\tau)) = F(s_0) - \tau

    numbers or a symbol s. At b = 1 the sharpness is constant and there is no flow.
    """
    m = of(s, b)
    return (m.log(m.sin(s)) - b * m.log(m.cos(s))) / (b - 1) + m.log(arc_height(s, b)) / 2


@dataclass(frozen=True)
class BatchNormRegression:
    r"""Linear regression with a batch-normalized output, :math:`L = |f - y_c|^2/(2N)`.

    .. math:: f = \gamma \frac{X_c w}{\sigma(w)}, \qquad \sigma^2 = |X_c w|^2/N, \qquad
              \gamma^2 = |y_c|^2/N

    with inputs X (N, n) and targets y (N,) centred over the samples, n >= N. The minimizers are
    :math:`X_c \zeta = c\, y_c`, c > 0: :math:`\zeta = \cos a\, e + \sin a\, n` for the direction
    e of the minimum-norm solution :math:`w^* = X_c^+ y_c` and n in the kernel of
    :math:`X_c`. ``DescriptionError`` where the targets are constant or not reached.
    """

    X: np.ndarray
    y: np.ndarray

    def __post_init__(self) -> None:
        yc = self.yc
        if not np.any(yc):
            raise DescriptionError("batch-normalized regression needs targets that are not equal")
        if np.abs(self.Xc @ (np.linalg.pinv(self.Xc) @ yc) - yc).max() > 1e-9 * np.abs(yc).max():
            raise DescriptionError(
                f"batch-normalized regression needs inputs that can reach the targets, so as many "
                f"features as samples less one; X has shape {self.X.shape}"
            )

    @cached_property
    def Xc(self) -> np.ndarray:
        return self.X - self.X.mean(axis=0)

    @cached_property
    def yc(self) -> np.ndarray:
        return self.y - self.y.mean()

    @cached_property
    def minimum(self) -> np.ndarray:
        """The direction of the minimum-norm solution."""
        return _unit(np.linalg.pinv(self.Xc) @ self.yc)

    @cached_property
    def _row_space(self) -> np.ndarray:
        return np.linalg.pinv(self.Xc) @ self.Xc

    @cached_property
    def _spectrum(self) -> tuple[np.ndarray, np.ndarray]:
        """Eigenvalues at the minimum-norm solution, in descending order, and vectors (n, n)."""
        e, N = self.minimum, len(self.y)
        fit = np.eye(N) - np.outer(self.yc, self.yc) / (self.yc @ self.yc)
        factor = (self.yc @ self.yc) / ((self.Xc @ e) @ (self.Xc @ e))
        values, vectors = np.linalg.eigh(factor * self.Xc.T @ fit @ self.Xc / N)
        return values[::-1], vectors.T[::-1]

    def retract(self, z: np.ndarray) -> np.ndarray:
        """The nearest minimizer: without the part of the row space beside the minimum."""
        inside = np.asarray(z, float) @ self._row_space
        return _unit(z - inside + (inside @ self.minimum)[..., None] * self.minimum)

    def sharpness(self, zeta: np.ndarray) -> np.ndarray:
        r""":math:`\lambda_{\min}/\cos^2 a`, lambda_min that of the minimum-norm solution."""
        return self._spectrum[0][0] / (zeta @ self.minimum) ** 2

    def top(self, zeta: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        values, vectors = self._spectrum
        rank = len(self.y) - 2
        return values[:rank] / (zeta @ self.minimum) ** 2, vectors[:rank]

    def grad_log(self, zeta: np.ndarray, i: int) -> np.ndarray:
        r""":math:`g = 2(\zeta - e/\cos a)`, the same for every eigenvalue."""
        return 2 * (zeta - self.minimum / (zeta @ self.minimum))

    def edge(self, zeta: np.ndarray, c: float | None = None) -> Edge:
        r""":math:`D = 4\tan^2 a`, :math:`Q = D(4 + D)/2`; c depends on the data."""
        D = 4 * (1 / float(zeta @ self.minimum) ** 2 - 1)
        return Edge(float(self.sharpness(zeta)), D, D * (4 + D) / 2, c)

    def solution(self, start: np.ndarray, tau: Any) -> np.ndarray:
        r""":math:`\tan a(\tau) = e^{-\tau} \tan a_0`, n fixed: it ends at the minimum norm."""
        e = self.minimum
        beside = start - (start @ e) * e
        return _unit((start @ e) * e + np.exp(-np.asarray(tau, float))[..., None] * beside)


@dataclass(frozen=True)
class WeightNormRegression:
    r"""Linear regression with normalized weights: no drift.

    .. math:: L = \frac1{2N} |X w\, \ell/|w| - y|^2, \qquad
              \lambda_1 = \mathrm{eigmax}(X X^T \ell^2 - y y^T)/N

    for inputs X (N, n), n > N, and the length :math:`\ell` of the prediction, longer than the
    minimum-norm solution of :math:`X w = y`: the sharpness is the same on the whole manifold, so
    D = 0. ``OutOfRegime`` for a length that is too short: no weights fit the targets.
    """

    X: np.ndarray
    y: np.ndarray
    length: float

    def __post_init__(self) -> None:
        least = float(np.linalg.norm(self.minimum))
        if not self.length > least:
            raise OutOfRegime(
                f"weight-normalized regression fits its targets with a length above {least:.6g}, "
                f"that of the minimum-norm solution, {self.length:.6g} given"
            )

    @cached_property
    def minimum(self) -> np.ndarray:
        """The minimum-norm solution (n,) of X w = y."""
        return np.linalg.pinv(self.X) @ self.y

    @cached_property
    def _kernel(self) -> np.ndarray:
        return np.eye(self.X.shape[1]) - np.linalg.pinv(self.X) @ self.X

    def retract(self, z: np.ndarray) -> np.ndarray:
        """The minimizer nearest to z: its part in the kernel, lengthened."""
        share = float(np.linalg.norm(self.minimum)) / self.length
        beside = _unit(np.asarray(z, float) @ self._kernel)
        return self.minimum / self.length + np.sqrt(1 - share**2) * beside

    def top(self, zeta: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        gram = self.X @ self.X.T * self.length**2 - np.outer(self.y, self.y)
        values, vectors = np.linalg.eigh(gram / len(self.y))
        turned = (vectors.T @ self.X)[::-1]
        return values[::-1], _unit(turned - np.outer(turned @ zeta, zeta))

    def sharpness(self, zeta: np.ndarray) -> np.ndarray:
        return np.full(zeta.shape[:-1], self.top(zeta.reshape(-1, zeta.shape[-1])[0])[0][0])

    def grad_log(self, zeta: np.ndarray, i: int) -> np.ndarray:
        return np.zeros_like(zeta)

    def edge(self, zeta: np.ndarray, c: float | None = None) -> Edge:
        return Edge(float(self.top(zeta)[0][0]), 0.0, 0.0, c)

    def solution(self, start: np.ndarray, tau: Any) -> np.ndarray:
        """The start, at all times."""
        return np.broadcast_to(start, (*np.shape(tau), len(start)))


@dataclass(frozen=True)
class TwoGroups:
    r"""Two arcs that share a sharpness, :math:`L = \frac12 q_A q_B\, w_{A3}^2/|w_A|^2`.

    .. math:: q_A = \frac{w_{A1}^2 + a w_{A2}^2}{|w_A|^2}, \qquad
              q_B = \frac{w_{B1}^2 + b w_{B2}^2}{|w_B|^2}

    The groups have rates :math:`\varepsilon_A, \varepsilon_B` of their own. With
    :math:`l = (\log q)'` at the angles s and :math:`\rho = \tilde\eta_B/\tilde\eta_A`:

    .. math:: X = \frac{2\varepsilon_A}{4 + l_A^2 + \rho\, l_B^2}, \quad
              \dot s_A = -X l_A, \quad \dot s_B = -\rho X l_B, \quad
              \dot{(\log\rho)} = 2(\varepsilon_B - \varepsilon_A) + 4X
    """

    a: float
    b: float

    def __post_init__(self) -> None:
        if not (0 < self.a < np.inf and 0 < self.b < np.inf):
            raise DescriptionError(f"two groups need a, b > 0, {self.a:g} and {self.b:g} given")

    def slopes(self, s_A: Any, s_B: Any) -> tuple[Any, Any]:
        r"""Logarithmic derivatives :math:`l = (b-1)\sin 2s/(\cos^2 s + b\sin^2 s)`."""
        return arc_slope(s_A, self.a), arc_slope(s_B, self.b)

    def amplitude2(self, state: np.ndarray, decay: float) -> float:
        """The mean of x^2, the squared angle of group A, at the state (s_A, s_B, log rho)."""
        l_A, l_B = self.slopes(state[0], state[1])
        return float(decay * flow_speed(l_A**2 + np.exp(state[2]) * l_B**2))

    def sharpness(self, state: np.ndarray) -> np.ndarray:
        r""":math:`q_A q_B`, the top eigenvalue in the directions of group A."""
        s_A, s_B = state[..., 0], state[..., 1]
        return arc_height(s_A, self.a) * arc_height(s_B, self.b)

    def solution(self, start: np.ndarray, tau: Any, decay_ratio: float = 1.0) -> np.ndarray:
        r"""States (s_A, s_B, log rho) at times :math:`\tau = \varepsilon_A t`.

        ``decay_ratio`` is :math:`\varepsilon_B/\varepsilon_A`.
        """
        from scipy.integrate import solve_ivp

        def velocity(_: float, state: np.ndarray) -> np.ndarray:
            l_A, l_B = self.slopes(state[0], state[1])
            X, rho = self.amplitude2(state, 1.0), np.exp(state[2])
            return np.array([-X * l_A, -rho * X * l_B, 2 * (decay_ratio - 1) + 4 * X])

        times = np.atleast_1d(np.asarray(tau, float))
        end = max(float(times.max()), 1e-12)
        found = solve_ivp(
            velocity,
            (0.0, end),
            start,
            method="DOP853",
            dense_output=True,
            rtol=1e-11,
            atol=1e-13,
        )
        rows = found.sol(times).T
        return rows if np.ndim(tau) else rows[0]


def arc_height(s: Any, b: Any) -> Any:
    r""":math:`\cos^2 s + b \sin^2 s`, the sharpness on an arc."""
    m = of(s, b)
    return m.cos(s) ** 2 + b * m.sin(s) ** 2


def arc_slope(s: Any, b: Any) -> Any:
    r"""Its logarithmic derivative :math:`l = (b-1) \sin 2s/(\cos^2 s + b\sin^2 s)`.

    >>> float(arc_slope(0.0, 3.0))
    0.0
    """
    return (b - 1) * of(s, b).sin(2 * s) / arc_height(s, b)
