r"""Pure formulas from the kernel to the statistics of the Fisher matrix; numbers or symbols in.

Convention: :math:`F = \frac1N J^T J`, J the CN x P Jacobian of the outputs, P the exact number of
parameters; the nonzero eigenvalues are those of the dual :math:`F^* = \frac1N J J^T`. At infinite
width the dual is, for each of the C outputs, :math:`\frac1N\left[(K_1 - K_2) I + K_2 11^T\right]`.
``gap`` is :math:`K_1 - K_2`. Source of the setting: Karakida, Akaho & Amari, NeurIPS 2019.
"""

from __future__ import annotations

from theory.mathematics import Number, of


def uniform_mode(K1: Number, K2: Number, N: Number) -> Number:
    r"""Eigenvalue along :math:`\sum_t \nabla f_k(t)`, C-fold: :math:`(K_1 + (N-1) K_2)/N`.

    >>> uniform_mode(3, 1, 2)
    2.0
    """
    return (K1 + (N - 1) * K2) / N


def bulk_mode(gap: Number, N: Number) -> Number:
    r"""Eigenvalue of the C (N-1) contrasts between samples: :math:`(K_1 - K_2)/N`.

    >>> bulk_mode(2, 2)
    1.0
    """
    return gap / N


def batched_uniform_mode(K1: Number, K2: Number, K3: Number, N: Number, B: Number) -> Number:
    r"""The uniform mode with batches of B samples, :math:`(K_1 + (B-1) K_2 + (N-B) K_3)/N`.

    K_2 is that of two samples of a batch, K_3 of different batches.

    >>> batched_uniform_mode(3, 2, 1, 4, 2)
    1.75
    """
    return (K1 + (B - 1) * K2 + (N - B) * K3) / N


def contrast_mode(K1: Number, K2: Number, K3: Number, N: Number, B: Number) -> Number:
    r"""Eigenvalue of the C (N/B - 1) contrasts between batches.

    .. math:: (K_1 + (B-1) K_2 - B K_3)/N

    >>> contrast_mode(3, 2, 1, 4, 2)
    0.75
    """
    return (K1 + (B - 1) * K2 - B * K3) / N


def mean_eigenvalue(K1: Number, C: Number, P: Number) -> Number:
    r"""Mean over all P eigenvalues, :math:`m = \mathrm{tr} F/P = C K_1/P`."""
    return C * K1 / P


def second_moment(K1: Number, K2: Number, N: Number, C: Number, P: Number) -> Number:
    r"""Mean square of all P eigenvalues.

    .. math:: s = \frac{\mathrm{tr} F^2}{P}
                = \frac CP \left( \frac{K_1^2}{N} + \frac{N-1}{N} K_2^2 \right)
    """
    return C / P * (K1**2 / N + (N - 1) / N * K2**2)


def batched_second_moment(
    K1: Number, K2: Number, K3: Number, N: Number, B: Number, C: Number, P: Number
) -> Number:
    r"""Mean square of all P eigenvalues with batches of B samples.

    .. math:: s = \frac{C}{P N} \left( K_1^2 + (B-1) K_2^2 + (N-B) K_3^2 \right)
    """
    return C / (P * N) * (K1**2 + (B - 1) * K2**2 + (N - B) * K3**2)


def centred_mean_eigenvalue(gap: Number, N: Number, C: Number, P: Number) -> Number:
    r"""m when the outputs are centred over the samples, :math:`\frac{C (N-1)}{N P} (K_1 - K_2)`."""
    return C * (N - 1) / N * gap / P


def centred_second_moment(
    gap: Number, N: Number, C: Number, P: Number, noise: Number = 0
) -> Number:
    r"""s when the outputs are centred over the samples.

    .. math:: s = \frac{C (N-1)}{P N^2} \left[ (K_1 - K_2)^2 + \mathrm{noise} \right],
              \qquad \mathrm{noise} = (\alpha M)^2 v_{tot} \frac{N-1}{M}

    The noise is that of the off-diagonal kernel; it vanishes for N fixed, M to infinity, and is of
    the same order as the first term when N grows in proportion to M.
    """
    return C * (N - 1) / (P * N**2) * (gap**2 + noise)


def inverse_variance(v: Number, N: Number, power: int = 1) -> Number:
    r"""Mean inverse power of an output's variance over N samples.

    .. math:: \sigma^2 = \tfrac vN \chi^2_{N-1}: \quad
              E\,\sigma^{-2} = \frac{N}{v (N-3)}, \qquad
              E\,\sigma^{-4} = \frac{N^2}{v^2 (N-3)(N-5)}

    with :math:`v = q_1^L - q_2^L`; they exist for N > 3 and N > 5.

    >>> inverse_variance(2.0, 5)
    1.25
    """
    denominator = 1
    for k in range(power):
        denominator = denominator * (N - 3 - 2 * k)
    return N**power / (v**power * denominator)


def normalized_mean_eigenvalue(
    gap: Number, trace: Number, gamma: Number, N: Number, C: Number, P: Number
) -> Number:
    r"""m with batch normalization of the outputs.

    .. math:: m = \frac{C \gamma^2 (K_1 - K_2)}{N P}\, E\left[
              \frac{N - 2 + (1-\tau)^2}{\sigma^2 + \epsilon} \right],
              \qquad \tau = \frac{\sigma^2}{\sigma^2 + \epsilon}

    ``trace`` is the expectation; at :math:`\epsilon = 0` it is :math:`(N-2) E\,\sigma^{-2}`: the
    centred direction and the normalized output itself are projected out.
    """
    return C * gamma**2 * gap / (N * P) * trace


def normalized_second_moment(
    gap: Number, trace: Number, gamma: Number, N: Number, C: Number, P: Number, noise: Number = 0
) -> Number:
    r"""s with batch normalization of the outputs.

    .. math:: s = \frac{C \gamma^4 \left[(K_1 - K_2)^2 + \mathrm{noise}\right]}{N^2 P}\, E\left[
              \frac{N - 2 + (1-\tau)^4}{(\sigma^2 + \epsilon)^2} \right]

    ``trace`` is the expectation, the noise that of ``centred_second_moment``.
    """
    return C * gamma**4 * (gap**2 + noise) / (N**2 * P) * trace


def conditional_trace(gap: Number, N: Number) -> Number:
    r"""Trace of one output's kernel behind last-layer batch norm, times its realised variance.

    .. math:: \sigma^2\, \mathrm{tr}(A K A)/\gamma^2 = (N - 2)(K_1 - K_2)

    at :math:`\epsilon = 0`, given the outputs: exact in :math:`\sigma`, so it has no heavy tail.
    """
    return (N - 2) * gap


def conditional_square(gap: Number, N: Number) -> Number:
    r"""Squared trace behind last-layer batch norm, times the squared realised variance.

    .. math:: \sigma^4\, |A K A^T|^2/\gamma^4 = (N - 2)(K_1 - K_2)^2
    """
    return (N - 2) * gap**2


def output_variance(v: Number, N: Number) -> Number:
    r"""Mean biased variance of an output over N samples, :math:`(q_1^L - q_2^L)(N-1)/N`."""
    return v * (N - 1) / N


def kernel_noise(gap: Number, alpha: Number, M: Number, N: Number, v_tot: Number) -> Number:
    r"""The noise term :math:`(\alpha M)^2 v_{tot} (N-1)/M` of the second moments."""
    return (alpha * M) ** 2 * v_tot * (N - 1) / M


def separation(K2: Number, alpha: Number, M: Number, N: Number, v_tot: Number) -> Number:
    r"""How far the uniform mode stands out of the bulk where N grows in proportion to M.

    .. math:: \frac{N \kappa_2}{\sqrt{v_{tot} N/M}}, \qquad \kappa_2 = \frac{K_2}{\alpha M}

    The off-diagonal kernel along the uniform direction, over the size of its fluctuations. Phase
    rule: the uniform mode is an outlier above 1, and inside the bulk below. It is sharp for
    independent fluctuations; that of a skewed bulk leaves later.

    >>> separation(2.0, 1.0, 100, 25, 0.25)
    2.0
    """
    kappa2 = K2 / (alpha * M)
    return N * kappa2 / (v_tot * N / M) ** 0.5


def lower_bound(gap: Number, N: Number) -> Number:
    r"""The paper's lower bound after mean subtraction, with its constant c_1 set to 0.

    .. math:: \rho\,\alpha\,(\kappa_1 - \kappa_2) = (K_1 - K_2)/N, \qquad \rho = M/N
    """
    return gap / N


def upper_bound(gap: Number, M: Number, N: Number, C: Number) -> Number:
    r"""The paper's upper bound after mean subtraction, with its constant c_2 set to 0.

    .. math:: \sqrt{C \alpha^2 \rho\, (\kappa_1 - \kappa_2)^2 M} = (K_1 - K_2)\sqrt{C/N},
              \qquad \rho = M/N
    """
    m = of(gap, M, N, C)
    return m.sqrt(C / N) * gap


def learning_rate_threshold(largest_eigenvalue: Number) -> Number:
    r"""The step size :math:`2/\lambda_{max}` above which gradient descent leaves a minimum.

    For the loss :math:`\frac1{2N}\sum_t |f(t) - y(t)|^2`, whose Hessian at zero residual is F.
    """
    return 2 / largest_eigenvalue


def coupled_mean_eigenvalue(K1: Number, trace: Number, P: Number) -> Number:
    r"""m where a map couples the outputs of a sample: :math:`\frac{K_1}P \langle\mathrm{tr}
    B_t\rangle`, with :math:`B_t = A_t^T A_t` for the map's derivative :math:`A_t`."""
    return K1 * trace / P


def coupled_second_moment(
    K1: Number, K2: Number, N: Number, square: Number, cross: Number, P: Number
) -> Number:
    r"""s where a map couples the outputs of a sample.

    .. math:: s = \frac1P \left( \frac{K_1^2}N \langle\mathrm{tr} B_t^2\rangle
                + \frac{N-1}N K_2^2 \langle\mathrm{tr} B_t B_s\rangle_{t \ne s} \right)
    """
    return (K1**2 / N * square + (N - 1) / N * K2**2 * cross) / P


def moments_bound(m: Number, s: Number) -> Number:
    r"""Lower bound :math:`\lambda_{max} \ge s/m`: a mean of eigenvalues weighted by themselves.

    It is 0 for the zero matrix, where m = s = 0.
    """
    return s / m if m != 0 else s


def trace_bound(s: Number, P: Number) -> Number:
    r"""Upper bound :math:`\lambda_{max} \le \sqrt{P s}`: the square is one term of the sum."""
    return (P * s) ** 0.5
