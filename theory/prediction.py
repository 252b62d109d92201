"""Predictions for a network: drives the formulas from its description."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np

from theory import fisher, points
from theory.architecture import (
    DescriptionError,
    Network,
    NoNormalization,
    Normalized,
)
from theory.coupled_outputs import Law, Spread, draw_outputs
from theory.last_layer import last_layer
from theory.mathematics import FLOATS, Number, Symbols, of, precise, symbols
from theory.meanfield import Kernel, OrderParameters, order_parameters
from theory.outliers import Bulk, Outlier
from theory.parts import Part, blocks, feature_metric
from theory.statistics import LargestEigenvalue, Mode, Outputs
from theory.validation import whole
from theory.weights import gradient_factors

REGIMES = ("fixed-samples", "proportional")


@dataclass(frozen=True)
class Prediction:
    r"""What theory says of one network at width M with N samples.

    ``K``, its parts ``groups`` by kind of parameter, ``kappa`` = K/(alpha M) (at finite N and M),
    ``kappa_leading`` (both infinite, a batch size stays; the weights' part alone),
    ``uniform_mode``, ``bulk_mode`` and, with mini-batches, ``contrast_mode`` and
    ``order_parameters`` are those of the network with a linear last layer; in the NTK
    parameterization kappa is K. ``gradient_ratio`` is T^l/T^{l+1} of one sample for l = L-1..1.
    ``mean_eigenvalue`` (m), ``second_moment`` (s), ``spectrum`` (of the dual, in expectation),
    ``largest_eigenvalue``, ``learning_rate_threshold``, ``blocks``, those of each layer's weights
    alone, and ``feature_metric`` are of the whole network. ``reason`` says why one of them is None.
    ``separation`` of the uniform mode from the bulk (``fisher.separation``) comes with linear
    outputs in the proportional regime.
    """

    network: Network
    width: Number
    samples: Number
    parameters: Number
    K: Kernel
    groups: dict[str, Kernel]
    kappa: Kernel
    kappa_leading: Kernel
    uniform_mode: Number
    contrast_mode: Number | None
    bulk_mode: Number
    order_parameters: OrderParameters
    gradient_ratio: tuple[Number | None, ...]
    blocks: tuple[Part, ...]
    feature_metric: tuple[Part, ...]
    mean_eigenvalue: Number
    second_moment: Number | None
    spectrum: tuple[Mode, ...]
    largest_eigenvalue: LargestEigenvalue
    learning_rate_threshold: Number | None
    reason: str | None
    outliers: tuple[Outlier, ...] | tuple[Spread, ...] = ()
    bulk: Bulk | None = None
    standard_errors: tuple[Number, Number | None] | None = None
    separation: Number | None = None

    def __str__(self) -> str:
        from theory.display import prediction_rows, text_table

        text = text_table(str(self.network), prediction_rows(self))
        return text if self.reason is None else f"{text}\n{self.reason}"

    def _repr_html_(self) -> str:
        """A table, as a notebook shows it."""
        from theory.display import html_table, prediction_rows

        cells = [(row.words, f"${row.latex}$", row.value) for row in prediction_rows(self)]
        if self.reason is not None:
            cells.append(("not derived", "", self.reason))
        return html_table(str(self.network), ("quantity", "", "prediction"), cells)

    def _repr_latex_(self) -> str:
        """The same table in LaTeX."""
        from theory.display import latex_array, prediction_rows, words

        cells = [(words(row.words), row.latex, row.value) for row in prediction_rows(self)]
        if self.reason is not None:
            cells.append((words("not derived"), "", words(self.reason)))
        return latex_array((words("quantity"), "", words("prediction")), cells)

    def part(self, name: str) -> Kernel:
        """The kernel of a group of parameters, or of one layer: "weights.2", "features.0".

        Raises ``DescriptionError`` where the network has no such part.
        """
        layers = {f"weights.{part.layer}": part.K for part in self.blocks}
        layers |= {f"features.{part.layer}": part.K for part in self.feature_metric}
        known = self.groups | layers
        if name not in known:
            raise DescriptionError(f"the network has no part {name!r}; it has {', '.join(known)}")
        return known[name]


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
    variances = points.variances(network, m, sigma_w2, sigma_b2)
    order = order_parameters(network, m, N, *variances)
    widths = network.widths(width)
    factors = gradient_factors(network, m, widths, *variances, network.bias_gradients)
    K = order.kernel(*factors)
    if outputs_seed is not None:
        if given is not None:
            raise DescriptionError("outputs and outputs_seed are both given; give one of them")
        law = Law(float(order.q2[-1]), float(order.q_gap[-1]), samples, network.outputs)
        given = draw_outputs(law, 1, whole("outputs_seed", outputs_seed, least=0))[0]
    if given is not None:
        given = _check_outputs(given, network.outputs, samples, m)
    B = None if network.batch_size is None else m.number(network.batch(samples))
    outputs = Outputs(
        K.K1,
        K.K2,
        K.gap,
        order.q_gap[-1],
        alpha,
        M,
        N,
        C,
        P,
        order.q2[-1],
        B=B,
        K3=K.K3,
        given=given,
    )
    if regime == "proportional":
        if m is not FLOATS or sigma_w2 is not None or sigma_b2 is not None:
            raise DescriptionError("the proportional regime is computed for one network in float64")
        from theory import bulk

        outputs = outputs._replace(v_tot=bulk.noise(network))
    statistics = last_layer(network)(outputs)
    largest, reason = statistics.largest_eigenvalue, statistics.reason
    if regime == "proportional" and given is None:
        largest, reason = bulk.largest_in_proportion(network, width, samples, K)
    if network.parameterization == "ntk":
        largest = largest._replace(order="1")
    value = largest.value
    return Prediction(
        network=network,
        width=width,
        samples=samples,
        parameters=network.parameter_count(width),
        K=K,
        groups=order.groups(*factors),
        kappa=K if network.parameterization == "ntk" else K.over(alpha * M),
        kappa_leading=_leading(network, m, order, variances),
        uniform_mode=fisher.uniform_mode(K.K1, K.K2, N)
        if B is None
        else fisher.batched_uniform_mode(K.K1, K.K2, K.K3, N, B),
        contrast_mode=None if B is None else fisher.contrast_mode(K.K1, K.K2, K.K3, N, B),
        bulk_mode=fisher.bulk_mode(K.gap, N),
        order_parameters=order,
        gradient_ratio=tuple(map(_ratio, order.T1[-2::-1], order.T1[:0:-1])),
        blocks=blocks(network, widths, order, factors.weights, outputs),
        feature_metric=feature_metric(network, widths, order, variances[0], outputs),
        mean_eigenvalue=statistics.mean_eigenvalue,
        second_moment=statistics.second_moment,
        spectrum=statistics.spectrum,
        largest_eigenvalue=largest,
        learning_rate_threshold=None if value is None else fisher.learning_rate_threshold(value),
        reason=reason,
        outliers=statistics.outliers,
        bulk=statistics.bulk,
        standard_errors=statistics.standard_errors,
        separation=None
        if outputs.v_tot is None or unmapped(network) != network
        else fisher.separation(K.K2, alpha, M, N, outputs.v_tot),
    )


def _leading(
    network: Network, m: Any, order: OrderParameters, variances: tuple[Number, Number]
) -> Kernel:
    """The limit of kappa as N and M grow; the numbers of one finite batch stay as they are."""
    if network.batch_size is None and any(s.over == "samples" for s in network.layers or ()):
        order = order_parameters(network, m, None, *variances)
    ratios = tuple(m.number(ratio) for ratio in network.ratios or ())
    if network.parameterization == "ntk":
        return order.kernel(
            *gradient_factors(network, m, ratios, *variances, network.bias_gradients)
        )
    order = replace(order, own={})
    factors = gradient_factors(network, m, ratios, *variances, bias_gradients=False)
    return order.kernel(*factors).over(m.number(network.alpha))


def _ratio(below: Number, above: Number) -> Number | None:
    """None where the gradient itself has become 0."""
    return None if np.any(np.asarray(above) == 0) else below / above


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
    fields += (network.raw_variance,) if network.raw_variance is not None else ()
    fields += tuple(
        getattr(scheme, name)
        for scheme in (*(network.layers or ()), network.last)
        if isinstance(scheme, Normalized)
        for name in ("gamma", "beta", "eps", "gamma_std", "beta_std")
    )
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

    def entries(K: Kernel) -> Any:
        return plain([K.K1, K.K2] if K.K3 is None else [K.K1, K.K2, K.K3])

    def parts(of: tuple[Part, ...]) -> list[dict[str, Any]]:
        return [
            {
                "layer": part.layer,
                "parameters": plain(part.parameters),
                "K": entries(part.K),
                "mean_eigenvalue": plain(part.mean_eigenvalue),
                "second_moment": plain(part.second_moment),
                "largest_eigenvalue": plain(part.largest_eigenvalue),
            }
            for part in of
        ]

    batched = () if prediction.contrast_mode is None else ("q3", "qh3", "S3")
    found = {
        "network": prediction.network.describe(),
        "width": prediction.width,
        "samples": prediction.samples,
        "parameters": prediction.parameters,
        "K": entries(prediction.K),
        "groups": {name: entries(K) for name, K in prediction.groups.items()},
        "kappa": entries(prediction.kappa),
        "kappa_leading": entries(prediction.kappa_leading),
        "uniform_mode": plain(prediction.uniform_mode),
        "bulk_mode": plain(prediction.bulk_mode),
        "order_parameters": {
            name: plain(getattr(order, name))
            for name in ("q1", "q2", "qh1", "qh2", "T1", "T2", "S1", "S2", *batched)
        },
        "gradient_ratio": plain(prediction.gradient_ratio),
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
        "blocks": parts(prediction.blocks),
        "feature_metric": parts(prediction.feature_metric),
        "separation": plain(prediction.separation),
        "reason": prediction.reason,
    }
    if batched:
        found["contrast_mode"] = plain(prediction.contrast_mode)
    return found
