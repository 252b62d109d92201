r"""The fixed point of the bulk: stationary points of one function of 4L scalars.

At :math:`g = \lim \frac1{CN}\mathrm{tr}(F^* - \lambda)^{-1}`, with the effective weights X_l, Y_l
of activations and backpropagated vectors and the resolvents E_l, F_l that they see, let

.. math:: \Phi = \sum_l \alpha_l G_l - \sum_l \alpha_l (X_l - x_l) E_l
                 - \frac1C \sum_l \alpha_l (Y_l - y_l) F_l, \qquad
          G_l = \frac1C\, E\left[\log\det(I + P_l D_l) + (C-1) \log(1 + P_l^{11} X_l)\right],

:math:`D_l = \mathrm{diag}(X_l, Y_l)` and, over the units of the layer,

.. math:: P_l = p_S \binom bc \binom bc^T + p_T \begin{pmatrix} 0 & 0 \\ 0 & b^2 \end{pmatrix}
                + p_I R_l, \qquad
          p_S = s_l \frac{\alpha_{l-1}}{\alpha_l} E_{l-1}, \quad
          p_T = s_l \frac{\alpha_{l+1}}{\alpha_l} F_{l+1}, \quad p_I = \frac g{\rho\alpha_l}.

Then :math:`\lambda = r + \rho\,\partial\Phi/\partial g - 1/g` where :math:`\Phi` is stationary in
all others. Gradient and Hessian are exact, so Newton's method converges quadratically and the
derivatives of :math:`\lambda(g)` are exact too.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from theory.bulk.model import Hidden, Model
from theory.bulk.units import octaves
from theory.errors import NotConverged
from theory.mathematics import Number

ITERATIONS = 40
CONVERGED = 1e-12
NO_WEIGHT = 1e-6
"""A weight times its resolvent below which it does not matter how the weight changes."""
COMPLEX_STEP = 1e-30


class Nodes(NamedTuple):
    """The covariances of a layer's units, flat over zeta, scale, shift and |omega|^2."""

    weight: np.ndarray
    b: np.ndarray
    c: np.ndarray
    hh: np.ndarray
    hd: np.ndarray
    dd: np.ndarray


class Point(NamedTuple):
    """A solution: g, the other unknowns and their derivatives by g, lambda, and lambda'(g)."""

    g: Number
    unknowns: np.ndarray
    tangent: np.ndarray
    value: Number
    slope: Number


class System:
    """The fixed point of one model, and Newton's method on it."""

    def __init__(self, chain: Model) -> None:
        self.chain = chain
        C, L = chain.outputs, chain.depth
        ratios = [chain.ratio, *(layer.ratio for layer in chain.hidden)]
        self.ratios = np.array(ratios)
        one, none = np.ones(1), np.zeros(1)
        self.nodes = [Nodes(one, none, none, chain.variance * one, none, none)]
        self.nodes += [_nodes(layer, C, not chain.forward_only) for layer in chain.hidden]
        links = [] if chain.forward_only else [l for l in range(1, L - 1) if not chain.cut(l)]
        # unknowns: X_l, E_l for l < L - 1, then Y_{l+1}, F_{l+1} for each link, then g
        size = 2 * (L - 1) + 2 * len(links) + 1
        self.inputs = np.zeros((L, 5, size))
        self.start = np.zeros((L, 5))
        self.coupling = np.zeros((size, size))
        self.linear = np.zeros(size)
        weights = [chain.x, *(layer.x for layer in chain.hidden)]
        for l in range(L):
            if l < L - 1:
                self.inputs[l, 0, 2 * l] = 1
                self.inputs[l + 1, 2, 2 * l + 1] = chain.hidden[l].s * ratios[l] / ratios[l + 1]
                self._couple(2 * l, ratios[l], weights[l])
            else:
                self.start[l, 0] = weights[l]
            self.start[l, 1] = 0 if l == 0 or chain.forward_only else chain.hidden[l - 1].y
            self.inputs[l, 4, -1] = 1 / (chain.rho * ratios[l])
        for k, l in enumerate(links):
            at = 2 * (L - 1) + 2 * k
            self.inputs[l + 1, 1, at] = 1
            self.start[l + 1, 1] = 0
            self.inputs[l, 3, at + 1] = chain.hidden[l - 1].s * ratios[l + 1] / ratios[l]
            self._couple(at, ratios[l + 1] / C, chain.hidden[l].y)
        self.least = 1.0

    def _couple(self, at: int, ratio: float, weight: float) -> None:
        self.coupling[at, at + 1] = self.coupling[at + 1, at] = ratio
        self.linear[at + 1] = ratio * weight

    def far(self) -> np.ndarray:
        """The unknowns at g = 0: the weights without fluctuations, no resolvent."""
        start = np.zeros(self.linear.size - 1)
        start[::2] = self.linear[1::2] / self.coupling.diagonal(1)[::2]
        return start

    def derivatives(self, state: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Gradient and Hessian of Phi at the unknowns and g; keeps the least determinant."""
        gradient = self.linear - self.coupling @ state
        hessian = -self.coupling.astype(state.dtype)
        self.least = np.inf
        for l, nodes in enumerate(self.nodes):
            J = self.inputs[l]
            first, second, least = _layer(nodes, self.start[l] + J @ state, self.chain.outputs)
            gradient = gradient + self.ratios[l] * (J.T @ first)
            hessian += self.ratios[l] * (J.T @ second @ J)
            self.least = min(self.least, least)
        return gradient, hessian

    def at(self, g: Number, unknowns: np.ndarray) -> Point:
        """Solve for the unknowns at this g, from a start near them.

        Raises ``NotConverged`` with the last residual and the least determinant, also where a
        solution at real g has a negative one: it belongs to another branch.
        """
        return self._point(self.hold(np.append(unknowns, g), -1))

    def hold(self, state: np.ndarray, held: int) -> np.ndarray:
        """Solve for all but one of the unknowns and g, from a start near the solution.

        Raises ``NotConverged`` like ``at``, which holds g.
        """
        state, change = state.copy(), np.inf
        free = np.delete(np.arange(state.size), held)
        for _ in range(ITERATIONS):
            gradient, hessian = self.derivatives(state)
            step = self._solved(state, hessian[:-1, free], gradient[:-1])
            last, change = change, float(np.max(np.abs(step) / self.sizes(state)[free]))
            state[free] -= step
            if not np.isfinite(change):
                break
            if change < CONVERGED or (change < 1e-9 and change >= last):
                self.derivatives(state)
                if self.least <= 0 and not np.iscomplexobj(state):
                    break
                return state
        raise self.failure(state[-1], change)

    def along(self, state: np.ndarray, held: int) -> tuple[np.ndarray, Number, Number]:
        """At a solution: the derivatives of all by that one, lambda and its derivative by it."""
        gradient, hessian = self.derivatives(state)
        free = np.delete(np.arange(state.size), held)
        tangent = np.ones_like(state)
        tangent[free] = -self._solved(state, hessian[:-1, free], hessian[:-1, held])
        slope = self.chain.rho * (hessian[-1] @ tangent) + tangent[-1] / state[-1] ** 2
        return tangent, self._value(state, gradient), slope

    def bend(self, state: np.ndarray, held: int) -> float:
        """The second derivative of lambda by one of the unknowns or g, by a complex step."""
        h = COMPLEX_STEP * abs(state[held])
        moved = state + 1j * h * self.along(state, held)[0]
        return float(self.along(moved, held)[2].imag / h)

    def near(self, value: Number, unknowns: np.ndarray, g: Number) -> Point:
        """Solve for g too, at this value of lambda (in the upper half plane, or real)."""
        state = np.append(unknowns, g)
        state = state.astype(np.result_type(state, value))
        change = np.inf
        for _ in range(ITERATIONS):
            gradient, hessian = self.derivatives(state)
            gradient[-1] = self._value(state, gradient) - value
            hessian[-1] *= self.chain.rho
            hessian[-1, -1] += 1 / state[-1] ** 2
            step = self._solved(state, hessian, gradient)
            last, change = change, float(np.max(np.abs(step) / self.sizes(state)[: step.size]))
            state -= step
            if not np.isfinite(change) or change > 1e3:
                break
            if change < CONVERGED or (change < 1e-9 and change >= last):
                return self._point(state)
        raise self.failure(g, change)

    def failure(self, g: Number, residual: float) -> NotConverged:
        return NotConverged(
            f"the fixed point of the bulk at g = {g:.4g} has not converged to the physical branch: "
            f"last residual {residual:.1e}, least determinant {self.least:.2g}"
        )

    def sizes(self, state: np.ndarray) -> np.ndarray:
        """A resolvent's size is that of 1/X where it is small, a weight's that of 1/E.

        A weight that is 0 but for rounding, as without a mean of phi', then counts as constant.
        """
        sizes = np.abs(state)
        sizes[1:-1:2] = np.maximum(sizes[1:-1:2], np.abs(state[-1]) * 1e-3)
        sizes[:-1:2] = np.maximum(sizes[:-1:2], NO_WEIGHT / sizes[1:-1:2])
        return sizes

    def _solved(self, state: np.ndarray, matrix: np.ndarray, right: np.ndarray) -> np.ndarray:
        try:
            return np.linalg.solve(matrix, right)
        except np.linalg.LinAlgError:
            raise self.failure(state[-1], np.inf) from None

    def _value(self, state: np.ndarray, gradient: np.ndarray) -> Number:
        return self.chain.r + self.chain.rho * gradient[-1] - 1 / state[-1]

    def _point(self, state: np.ndarray) -> Point:
        tangent, value, slope = self.along(state, -1)
        return Point(state[-1], state[:-1], tangent[:-1], value, slope)


def _nodes(layer: Hidden, C: int, backward: bool) -> Nodes:
    law, n = layer.octaves()
    square, mass = octaves(C, layer.units or 0) if backward else (np.ones(1), np.ones(1))
    c = np.sqrt(layer.p2 * square) * n.d[:, None]
    b, m, hd = n.b[:, None], n.m[:, None], n.hd[:, None]
    own = (n.dd - n.b**2)[:, None]
    return Nodes(
        np.outer(law.weight, mass).ravel(),
        *(
            np.broadcast_to(part, c.shape).ravel()
            for part in (
                b,
                c,
                n.h2[:, None] - m**2 - b**2 * layer.tau,
                np.sqrt(layer.p2 * square) * (hd - m * b) - b * c * layer.tau,
                (layer.p2 * square + C * (layer.p1 - layer.p2)) * own - c**2 * layer.tau,
            )
        ),
    )


def _layer(nodes: Nodes, inputs: np.ndarray, C: int) -> tuple[np.ndarray, np.ndarray, float]:
    """Gradient and Hessian of G by (X, Y, p_S, p_T, p_I), and the least determinant."""
    weight, b, c, hh, hd, dd = nodes
    X, Y, pS, pT, pI = inputs
    b2 = b**2
    P11, P12, P22 = b2 * pS + hh * pI, b * c * pS + hd * pI, c**2 * pS + b2 * pT + dd * pI
    a11, a22 = 1 + P11 * X, 1 + P22 * Y
    det = a11 * a22 - P12**2 * X * Y
    # K = (1/D + P)^{-1}, B = (1 + P D)^{-1}, e = B P
    K11, K12, K22 = X * a22 / det, -X * Y * P12 / det, Y * a11 / det
    B11, B12, B21, B22 = a22 / det, -P12 * Y / det, -P12 * X / det, a11 / det
    e11, e12, e22 = (a22 * P11 - P12**2 * Y) / det, P12 / det, (a11 * P22 - P12**2 * X) / det
    Ku1, Ku2 = K11 * b + K12 * c, K12 * b + K22 * c
    uKu = b * Ku1 + c * Ku2
    M11, M12 = K11 * hh + K12 * hd, K11 * hd + K12 * dd
    M21, M22 = K12 * hh + K22 * hd, K12 * hd + K22 * dd
    first = [e11, e22, uKu, b2 * K22, M11 + M22]
    second = {
        (0, 0): -(e11**2),
        (0, 1): -(e12**2),
        (1, 1): -(e22**2),
        (0, 2): (B11 * b + B12 * c) ** 2,
        (1, 2): (B21 * b + B22 * c) ** 2,
        (0, 3): b2 * B12**2,
        (1, 3): b2 * B22**2,
        (0, 4): B11**2 * hh + 2 * B11 * B12 * hd + B12**2 * dd,
        (1, 4): B21**2 * hh + 2 * B21 * B22 * hd + B22**2 * dd,
        (2, 2): -(uKu**2),
        (2, 3): -b2 * Ku2**2,
        (3, 3): -(b2**2) * K22**2,
        (2, 4): -(Ku1**2 * hh + 2 * Ku1 * Ku2 * hd + Ku2**2 * dd),
        (3, 4): -b2 * (K12**2 * hh + 2 * K12 * K22 * hd + K22**2 * dd),
        (4, 4): -(M11**2 + 2 * M12 * M21 + M22**2),
    }
    if C > 1:  # the other outputs
        k = X / a11
        first[0] = first[0] + (C - 1) * P11 / a11
        first[2] = first[2] + (C - 1) * k * b2
        first[4] = first[4] + (C - 1) * k * hh
        for place, part in (
            ((0, 0), -((P11 / a11) ** 2)),
            ((0, 2), b2 / a11**2),
            ((0, 4), hh / a11**2),
            ((2, 2), -((k * b2) ** 2)),
            ((2, 4), -(k**2) * b2 * hh),
            ((4, 4), -((k * hh) ** 2)),
        ):
            second[place] = second[place] + (C - 1) * part
    gradient = np.array([weight @ part for part in first]) / C
    hessian = np.zeros((5, 5), dtype=gradient.dtype)
    for (i, j), part in second.items():
        hessian[i, j] = hessian[j, i] = weight @ part / C
    return gradient, hessian, float(min(np.min(a11.real), np.min(det.real)))
