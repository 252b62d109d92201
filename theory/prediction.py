"""Predictions for a network: drives the formulas from its description."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np

from theory import bulk, fisher
from theory.architecture import DescriptionError, Network, NoNormalization
from theory.coupled_outputs import Law, Spread, draw_outputs
from theory.last_layer import last_layer
from theory.mathematics import FLOATS, Number, Symbols, of, precise, symbols
from theory.meanfield import Kernel, OrderParameters, order_parameters
from theory.outliers import Bulk, Outlier
from theory.statistics import LargestEigenvalue, Mode, Outputs
from theory.validation import whole

REGIMES = ("fixed-samples", "proportional")


@dataclass(frozen=True)
class Prediction:
    r"""What theory says of one network at width M with N samples.

    ``K`` and ``kappa`` = K/(alpha M) (at finite N and M), ``kappa_leading`` (both infinite, no bias
    gradients), ``uniform_mode``, ``bulk_mode`` and ``order_parameters`` are those of the network
    with a linear last layer. ``mean_eigenvalue`` (m), ``second_moment`` (s), ``spectrum`` (of the
    dual, in expectation), ``largest_eigenvalue`` and ``learning_rate_threshold`` are of the whole
    network. ``reason`` says why one of them is None.
    """

    network: Network
    width: Number
    samples: Number
    parameters: Number
    K: Kernel
    kappa: Kernel
    kappa_leading: Kernel
    uniform_mode: Number
    bulk_mode: Number
    order_parameters: OrderParameters
    mean_eigenvalue: Number
    second_moment: Number | None
    spectrum: tuple[Mode, ...]
    largest_eigenvalue: LargestEigenvalue
    learning_rate_threshold: Number | None
    reason: str | None
    outliers: tuple[Outlier, ...] | tuple[Spread, ...] = ()
    bulk: Bulk | None = None
    standard_errors: tuple[Number, Number | None] | None = None


def predict(
    network: Network,
    width: Number,
    samples: Number,
    *,
    digits: int | None = None,
    regime: str = "fixed-samples",
    sigma_w2: Number | None = None,
    sigma_b2: Number | None = None,
    outputs: np.ndarray | None = None,
    outputs_seed: int | None = None,
) -> Prediction:
    r"""Predict the Fisher statistics of a random network at width M with N samples.

    The number system follows the input: float64; arrays over many (sigma_w2, sigma_b2) at once,
    given as keywords in place of the network's; ``digits`` for mpmath; sympy where a field of the
    network, the width or the number of samples is a symbol (K_2 > 0 is then assumed).

    ``outputs`` of shape (C, N): the law given these linear outputs, for maps behind which it
    depends on them; ``outputs_seed`` draws them from their Gaussian law instead.

    ``regime``: "fixed-samples" (N fixed, M to infinity) or "proportional" (N growing like M).

    Raises ``DescriptionError`` for meaningless input, ``OutOfRegime`` where a mean does not exist.

    >>> net = Network("relu", depth=3, sigma_w2=2, sigma_b2=0.1)
    >>> [round(float(kappa), 8) for kappa in predict(net, 1000, 100).kappa_leading[:2]]
    [1.575, 0.40149422]
    """
    network.refuse_later("a prediction", covered=("loss",))
    m = _number_system(network, width, samples, digits)
    if regime not in REGIMES:
        raise DescriptionError(f"unknown regime {regime!r}; known: {', '.join(REGIMES)}")
    _check_samples(network, samples)
    try:
        with np.errstate(over="raise", invalid="raise", divide="raise"):
            prediction = _predict(
                network, width, samples, m, regime, sigma_w2, sigma_b2, outputs, outputs_seed
            )
            if m is FLOATS and not _finite(prediction):
                raise OverflowError
            return prediction
    except (OverflowError, FloatingPointError, ZeroDivisionError):
        raise DescriptionError(
            f"the prediction for {network} at width {_brief(width)} with {_brief(samples)} samples "
            "leaves the range of float64; give digits for arbitrary precision"
        ) from None


def _predict(
    network: Network,
    width: Number,
    samples: Number,
    m: Any,
    regime: str,
    sigma_w2: Number | None,
    sigma_b2: Number | None,
    given: np.ndarray | None,
    outputs_seed: int | None,
) -> Prediction:
    N, C, alpha = m.number(samples), m.number(network.outputs), m.number(network.alpha)
    M, P = m.number(width), m.number(network.parameter_count(width))
    order = order_parameters(
        network,
        m,
        N,
        m.number(network.sigma_w2 if sigma_w2 is None else sigma_w2),
        m.number(network.sigma_b2 if sigma_b2 is None else sigma_b2),
    )
    if outputs_seed is not None:
        if given is not None:
            raise DescriptionError("outputs and outputs_seed are both given; give one of them")
        law = Law(float(order.q2[-1]), float(order.q_gap[-1]), samples, network.outputs)
        given = draw_outputs(law, 1, whole("outputs_seed", outputs_seed, least=0))[0]
    if given is not None:
        given = _check_outputs(given, network.outputs, samples, m)
    K = order.kernel(network.widths(width), network.bias_gradients)
    ratios = tuple(m.number(ratio) for ratio in network.ratios or ())
    of_outputs = Outputs(*K, order.q_gap[-1], alpha, M, N, C, P, order.q2[-1], given=given)
    if regime == "proportional":
        if m is not FLOATS or sigma_w2 is not None or sigma_b2 is not None:
            raise DescriptionError("the proportional regime is computed for one network in float64")
        of_outputs = of_outputs._replace(v_tot=bulk.noise(network))
    statistics = last_layer(network)(of_outputs)
    value = statistics.largest_eigenvalue.value
    return Prediction(
        network=network,
        width=width,
        samples=samples,
        parameters=network.parameter_count(width),
        K=K,
        kappa=K.over(alpha * M),
        kappa_leading=order.kernel(ratios, bias_gradients=False).over(alpha),
        uniform_mode=fisher.uniform_mode(K.K1, K.K2, N),
        bulk_mode=fisher.bulk_mode(K.gap, N),
        order_parameters=order,
        mean_eigenvalue=statistics.mean_eigenvalue,
        second_moment=statistics.second_moment,
        spectrum=statistics.spectrum,
        largest_eigenvalue=statistics.largest_eigenvalue,
        learning_rate_threshold=None if value is None else fisher.learning_rate_threshold(value),
        reason=statistics.reason,
        outliers=statistics.outliers,
        bulk=statistics.bulk,
        standard_errors=statistics.standard_errors,
    )


def unmapped(network: Network) -> Network:
    """The same network with linear outputs."""
    return replace(network, last=NoNormalization(), loss="mse")


def _check_outputs(outputs: Any, C: int, N: int, m: Any) -> np.ndarray:
    if m is not FLOATS:
        raise DescriptionError("a prediction for given outputs is computed in float64")
    array = np.asarray(outputs)
    if array.dtype.kind not in "iuf" or array.shape != (C, N) or not np.isfinite(array).all():
        raise DescriptionError(
            f"outputs must be finite numbers of shape (outputs, samples) = {(C, N)}, "
            f"{array.dtype} of shape {array.shape} given"
        )
    return array.astype(float)


def _number_system(network: Network, width: Number, samples: Number, digits: int | None) -> Any:
    fields = (network.sigma_w2, network.sigma_b2, network.outputs, *(network.ratios or ()))
    parameters = (value for _, value in network.activation.parameters)
    if isinstance(of(width, samples, *fields, *parameters), Symbols):
        if digits is not None:
            raise DescriptionError("digits are for numbers; a symbolic prediction is exact")
        return symbols()
    if digits is None:
        return FLOATS
    if not 1 <= digits <= 1000:
        raise DescriptionError(f"digits must be from 1 to 1000, {digits} given")
    return precise(digits)


def _finite(prediction: Prediction) -> bool:
    """Python's own floats overflow to infinity without a word."""
    numbers = (*prediction.K, prediction.mean_eigenvalue, prediction.second_moment)
    return all(number is None or np.isfinite(number).all() for number in numbers)


def _brief(count: Number) -> str:
    """A whole number, in short where it is long."""
    text = str(count)
    return text if len(text) <= 12 else f"{text[0]}e{len(text) - 1}"


def _check_samples(network: Network, samples: Number) -> None:
    if isinstance(of(samples), Symbols) and not getattr(samples, "is_number", False):
        return
    if isinstance(samples, bool) or not hasattr(samples, "__index__") or samples < 2:
        raise DescriptionError(f"samples must be a whole number of at least 2, {samples!r} given")
    same, different = network.input_overlaps
    if different < 0 and same + (samples - 1) * different < 0:
        raise DescriptionError(
            f"input_overlaps {list(network.input_overlaps)} are impossible for {samples} samples: "
            f"the overlap of two must be at least {-same / (samples - 1):.4g}"
        )


def to_json(prediction: Prediction, digits: int | None = None) -> dict[str, Any]:
    """The prediction as plain numbers under documented keys; with ``digits``, as strings."""
    order = prediction.order_parameters

    def plain(value: Any) -> Any:
        if value is None or isinstance(value, str):
            return value
        if isinstance(value, tuple | list):
            return [plain(item) for item in value]
        if isinstance(of(value), Symbols):
            return str(value)
        if digits is not None:
            m = precise(digits)
            return m.context.nstr(m.number(value), digits, strip_zeros=False)
        if isinstance(value, np.ndarray):
            return value.tolist()
        return float(value)

    return {
        "network": prediction.network.describe(),
        "width": prediction.width,
        "samples": prediction.samples,
        "parameters": prediction.parameters,
        "K": plain(prediction.K[:2]),
        "kappa": plain(prediction.kappa[:2]),
        "kappa_leading": plain(prediction.kappa_leading[:2]),
        "uniform_mode": plain(prediction.uniform_mode),
        "bulk_mode": plain(prediction.bulk_mode),
        "order_parameters": {
            name: plain(getattr(order, name))
            for name in ("q1", "q2", "qh1", "qh2", "T1", "T2", "S1", "S2")
        },
        "mean_eigenvalue": plain(prediction.mean_eigenvalue),
        "second_moment": plain(prediction.second_moment),
        "spectrum": [
            {
                "eigenvalue": plain(mode.eigenvalue),
                "multiplicity": int(mode.multiplicity),
                "direction": mode.direction,
            }
            for mode in prediction.spectrum
        ],
        "largest_eigenvalue": {
            key: plain(value) for key, value in prediction.largest_eigenvalue._asdict().items()
        },
        "learning_rate_threshold": plain(prediction.learning_rate_threshold),
        "outliers": [
            {key: plain(value) for key, value in asdict(one).items()} for one in prediction.outliers
        ],
        "bulk": None if prediction.bulk is None else asdict(prediction.bulk),
        "standard_errors": None
        if prediction.standard_errors is None
        else dict(
            zip(
                ("mean_eigenvalue", "second_moment"),
                plain(prediction.standard_errors),
                strict=True,
            )
        ),
        "reason": prediction.reason,
    }
