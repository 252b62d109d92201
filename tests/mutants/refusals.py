"""Questions of the battery that are refused, and some at the edge that are just not."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from theory.architecture import Activation, BatchNorm, Network
from theory.data_kernel import kernel
from theory.depth import compose
from theory.dual_map import DualMap
from theory.expression import parse
from theory.hermite import hermite_coefficients
from theory.network_file import parse_network
from theory.outliers import layer_norm_metric
from theory.pair import Given, Pair
from theory.phase import edge_of_chaos, phase
from theory.prediction import predict, to_json
from theory.schemes import read_scheme

RELU: dict[str, Any] = {"activation": "relu", "depth": 3, "sigma_w2": 2}


def relu(**fields: Any) -> Network:
    return Network(**(RELU | fields))


def predicted(width: Any = 64, samples: Any = 8, **fields: Any) -> Callable[[], Any]:
    options = {
        name: fields.pop(name) for name in ("digits", "regime", "outputs_seed") if name in fields
    }
    given = fields.pop("given", None)
    return lambda: to_json(predict(relu(**fields), width, samples, outputs=given, **options))


FIELDS: dict[str, dict[str, Any]] = {
    "depth 1": {"depth": 1},
    "depth 2.5": {"depth": 2.5},
    "no outputs": {"outputs": 0},
    "sigma_w2 0": {"sigma_w2": 0},
    "sigma_w2 nan": {"sigma_w2": float("nan")},
    "sigma_b2 negative": {"sigma_b2": -0.1},
    "bias_gradients": {"bias_gradients": 1},
    "layers and hidden": {"layers": ["none", "none"], "hidden": "none"},
    "layers a text": {"layers": "none"},
    "layers too few": {"layers": ["none"]},
    "ratios too many": {"ratios": [1, 1, 1, 1]},
    "ratio 0": {"ratios": [1, 0, 1]},
    "one overlap": {"input_overlaps": [1]},
    "equal overlaps": {"input_overlaps": [1, 1]},
    "overlap 0": {"input_overlaps": [0, 0]},
    "batch_size 1": {"batch_size": 1},
    "parameterization": {"parameterization": "mup"},
    "loss": {"loss": "hinge"},
    "placement": {"placement": "after-nonlinearity"},
    "weights": {"weights": "spectral"},
    "cross-entropy and map": {"loss": "cross-entropy", "last": "batchnorm", "outputs": 3},
    "cross-entropy of one": {"loss": "cross-entropy"},
    "cross-entropy in batches": {"loss": "cross-entropy", "outputs": 3, "batch_size": 4},
    "layernorm in batches": {"last": "layernorm", "outputs": 5, "batch_size": 4},
    "ntk of standardized": {"parameterization": "ntk", "weights": "weight-standardization"},
    "raw variance of plain": {"raw_variance": 2},
    "raw variance 0": {"raw_variance": 0, "weights": "weight-normalization"},
    "gains a number": {"trained_gains": 1, "weights": "weight-normalization"},
    "gains of plain": {"trained_gains": True},
    "gains over units": {
        "trained_gains": True,
        "weights": "weight-normalization",
        "hidden": "layernorm",
    },
    "last rmsnorm": {"last": "rmsnorm"},
    "last trained": {"last": {"kind": "batchnorm", "trained": True}},
    "last eps": {"last": {"kind": "layernorm", "eps": 0.1}, "outputs": 5},
    "last layernorm of one": {"last": "layernorm"},
    "unknown activation": {"activation": "rely"},
    "activation 3": {"activation": 3},
    "missing parameter": {"activation": {"name": "leaky_relu"}},
    "unknown parameter": {"activation": {"name": "erf", "scales": 1}},
    "power 65": {"activation": {"name": "monomial", "n": 65}},
    "power 0": {"activation": {"name": "monomial", "n": 0}},
    "no coefficients": {"activation": {"name": "polynomial", "coefficients": []}},
    "p 0": {"activation": {"name": "gaussian", "p": 0}},
    "log": {"activation": {"expression": "log(x)"}},
    "pole": {"activation": {"expression": "1/(x - 3)"}},
}
PREDICTED: dict[str, dict[str, Any]] = {
    "width 0": {"width": 0},
    "one sample": {"samples": 1},
    "samples 2.5": {"samples": 2.5},
    "empty layer": {"width": 1, "ratios": [1, 0.1, 1]},
    "groups": {"width": 63, "hidden": {"kind": "groupnorm", "groups": 4}},
    "batches": {"samples": 9, "batch_size": 4, "hidden": "batchnorm"},
    "regime": {"regime": "narrow"},
    "digits 0": {"digits": 0},
    "digits 1001": {"digits": 1001},
    "overlaps of many": {"input_overlaps": [1, -0.5], "samples": 8},
    "hidden batchnorm of 3": {"hidden": "batchnorm", "samples": 3},
    "hidden batchnorm eps of 3": {"hidden": {"kind": "batchnorm", "eps": 1}, "samples": 3},
    "last batchnorm of 3": {"last": "batchnorm", "samples": 3},
    "last batchnorm of 5": {"last": "batchnorm", "samples": 5},
    "last layernorm of 2": {"last": "layernorm", "outputs": 2},
    "last layernorm of 3": {"last": "layernorm", "outputs": 3},
    "last layernorm of 4": {"last": "layernorm", "outputs": 4},
    "coupled digits": {"last": "layernorm", "outputs": 5, "digits": 20},
    "coupled proportional": {"loss": "cross-entropy", "outputs": 5, "regime": "proportional"},
    "proportional layernorm": {"hidden": "layernorm", "regime": "proportional"},
    "proportional kinked": {"activation": "hard_tanh", "regime": "proportional"},
    "proportional negative": {
        "activation": "linear",
        "input_overlaps": [1, -0.1],
        "regime": "proportional",
    },
    "outputs twice": {"given": np.ones((1, 8)), "outputs_seed": 0},
    "outputs transposed": {"given": np.ones((8, 1))},
    "outputs seed": {"outputs_seed": -1},
    "beyond float64": {"activation": "exp", "sigma_w2": 30},
    "step": {"activation": "step"},
    "shift to digits": {"hidden": BatchNorm(beta=1), "activation": "tanh", "digits": 20},
}
EYE = np.eye(3)
REFUSALS: dict[str, Callable[[], Any]] = {
    **{name: (lambda fields=fields: relu(**fields)) for name, fields in FIELDS.items()},
    **{name: predicted(**fields) for name, fields in PREDICTED.items()},
    "part": lambda: predict(relu(), 64, 8).part("weights.4"),
    "scheme 3": lambda: read_scheme(3),
    "scheme name": lambda: read_scheme("batchnrm"),
    "scheme key": lambda: read_scheme({"kind": "batchnorm", "gama": 1}),
    "scheme groups": lambda: read_scheme("groupnorm"),
    "scheme groups 0": lambda: read_scheme({"kind": "groupnorm", "groups": 0}),
    "scheme eps": lambda: read_scheme({"kind": "rmsnorm", "eps": -1}),
    "scheme gamma": lambda: read_scheme({"kind": "rmsnorm", "gamma": 0}),
    "scheme trained": lambda: read_scheme({"kind": "rmsnorm", "trained": 1}),
    "file": lambda: parse_network("depth ="),
    "file missing": lambda: parse_network('activation = "relu"'),
    "file key": lambda: parse_network('activation = "relu"\ndepth = 2\nsigma_w2 = 2\nwidth = 3'),
    "kernel in batches": lambda: kernel(relu(hidden="batchnorm"), EYE),
    "kernel with a map": lambda: kernel(relu(last="mean-subtraction"), EYE),
    "kernel random": lambda: kernel(relu(hidden={"kind": "layernorm", "beta_std": 1}), EYE),
    "kernel columns": lambda: kernel(relu(), EYE, np.ones((2, 2))),
    "kernel text": lambda: kernel(relu(), [["a"]]),
    "kernel zero": lambda: kernel(relu(), np.diag([1, 0, 1])),
    "kernel nan": lambda: kernel(relu(), EYE * np.nan),
    "depth 0": lambda: compose(
        Activation.named("relu"), [0.5], q=1.0, sigma_w2=2.0, sigma_b2=0.0, depth=0
    ),
    "depth of a jump": lambda: compose(
        Activation.named("sign"), [0.5], q=1.0, sigma_w2=2.0, sigma_b2=0.0, depth=2, tangent=True
    ),
    "map 3": lambda: DualMap(Activation.named("relu"), 1.0).dual([3.0]),
    "map 0": lambda: DualMap(Activation.named("relu"), 0.0),
    "map jump": lambda: DualMap(Activation.named("step"), 1.0).derivative_dual([0.0]),
    "phase 0": lambda: phase(Activation.named("relu"), 0, 1),
    "phase negative": lambda: phase(Activation.named("relu"), 1, -1),
    "edge of sign": lambda: edge_of_chaos(Activation.named("sign"), 1.0),
    "edge of exp": lambda: edge_of_chaos(Activation.named("exp"), -1.0),
    "Hermite -1": lambda: hermite_coefficients(Activation.named("relu"), -1, 1.0),
    "Hermite many": lambda: hermite_coefficients(Activation.named("relu"), 100_001, 1.0),
    "Hermite 0": lambda: hermite_coefficients(Activation.named("relu"), 1, 0.0),
    "Hermite large": lambda: hermite_coefficients(Activation.named("relu"), 400, 1.0),
    "pair twice": lambda: Pair.at(1.0, c=0.1, theta=0.2),
    "pair never": lambda: Pair.at(1.0),
    "given 2": lambda: Given.at(1, c="2"),
    "given -1": lambda: Given.at(-1, c="0"),
    "equal outputs": lambda: layer_norm_metric(np.ones((3, 1))),
    "sympy": lambda: Activation.from_expression("x + y"),
    "jump without kink": lambda: Activation("f", "x", (), (), (1,)),
    "division by zero": lambda: Activation.from_expression("x/0"),
    "taken name": lambda: Activation.from_expression("x", name="relu"),
    "unknown kinks": lambda: Activation.from_expression("max(sin(x), 0)"),
    **{
        f"expression {text}": (lambda text=text: parse(text))
        for text in ("", "x +", "y", "f(x)", "max(x)", "x**65", "x**x", "1e400*x", "(x", "x)")
    },
}
