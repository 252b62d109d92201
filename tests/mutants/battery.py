"""A fixed battery of questions to ``theory/``, each answer with the accuracy that it states.

50 networks over all schemes, 300 and more points of the kernels over the catalogue, phases, Hermite
coefficients, kernels of given inputs, arbitrary precision, symbols, enclosures, and refusals. A
mutant that changes no answer by more than its accuracy counts as equivalent.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from itertools import product
from pathlib import Path
from typing import Any, NamedTuple

import mpmath
import numpy as np

from tests.mutants.refusals import REFUSALS
from theory.architecture import ACTIVATIONS, Activation, Network
from theory.bulk import noise
from theory.certified import certified_integrals
from theory.data_kernel import kernel
from theory.depth import compose
from theory.hermite import hermite_coefficients
from theory.integrals import gaussian_integrals
from theory.pair import Given, Pair
from theory.phase import edge_of_chaos, phase
from theory.prediction import predict, to_json

AVERAGED = 1e-9
"""Of predictions and phases, whose averages and roots are found to 1e-10, through some layers."""

Answer = tuple[str, float]
"""A number or a text, and the accuracy of the number (0 for a text)."""


class Difference(NamedTuple):
    """An answer that differs by more than its accuracy; ``relative`` is inf for texts."""

    name: str
    before: str
    after: str
    relative: float


def differences(before: dict[str, Any], after: dict[str, Any]) -> list[Difference]:
    """The answers that differ by more than the accuracies stated, the largest first."""
    found = []
    for name in before.keys() | after.keys():
        one, other = (answers.get(name, ("no answer", 0.0)) for answers in (before, after))
        gap = _gap(one[0], other[0])
        # the accuracy is that of the unchanged theory: a mutant may not excuse itself
        if gap > 2 * one[1]:
            size = _gap(one[0], "0")
            relative = gap / size if 0 < size < mpmath.inf else gap
            found.append(Difference(name, one[0], other[0], float(relative)))
    return sorted(found, key=lambda difference: (-difference.relative, difference.name))


def _gap(one: str, other: str) -> Any:
    if one == other:
        return mpmath.mpf(0)
    with mpmath.workdps(60):
        try:
            gap = abs(mpmath.mpf(one) - mpmath.mpf(other))
        except (ValueError, TypeError):
            return mpmath.inf
        return mpmath.inf if mpmath.isnan(gap) else gap


HIDDEN: tuple[Any, ...] = (
    "none",
    "mean-subtraction",
    "batchnorm",
    "layernorm",
    "rmsnorm",
    {"kind": "groupnorm", "groups": 4, "gamma": 1.2, "beta": 0.3},
    {"kind": "batchnorm", "gamma": 1.3, "beta": 0.5, "eps": 0.2, "trained": True},
    {"kind": "layernorm", "gamma": 0.8, "beta": 0.4, "beta_std": 0.3, "gamma_std": 0.2},
    {"kind": "layernorm", "eps": 0.3, "trained": True},
    {"kind": "batchnorm", "beta": 0.2, "beta_std": 0.4},
)
LAST: tuple[Any, ...] = (
    {},
    {"last": "mean-subtraction"},
    {"last": {"kind": "batchnorm", "gamma": 1.4}},
    {"last": {"kind": "batchnorm", "eps": 0.5}},
    {"last": "layernorm", "outputs": 6},
    {"loss": "cross-entropy", "outputs": 4},
    {"batch_size": 8},
    {"parameterization": "ntk"},
    {"weights": "weight-normalization", "raw_variance": 1.7},
    {"weights": "weight-standardization", "bias_gradients": False},
)
ACTIVE: tuple[Any, ...] = (
    "relu",
    "tanh",
    {"name": "erf", "scale": 0.7},
    "gelu",
    {"expression": "tanh(x + 0.7)"},
)
TIMES = 5
"""Networks of each hidden scheme."""


def networks() -> Iterator[Network]:
    """Fifty: each hidden scheme with five last layers and five activations, in depths 2 to 4."""
    for (at, hidden), turn in product(enumerate(HIDDEN), range(TIMES)):
        depth = 2 + (at + turn) % 3
        more = LAST[(at + 3 * turn) % len(LAST)]
        yield Network(
            **{
                "activation": ACTIVE[turn],
                "depth": depth,
                "sigma_w2": 1.5 + 0.1 * turn,
                "sigma_b2": 0.05 * (at + 1),
                "ratios": [1, 2, 0.5, 1.5][:depth],
                "outputs": 1 + at % 3,
                "input_overlaps": (1.2, 0.3),
                "hidden": hidden,
            }
            | more
        )


def batched() -> Iterator[Network]:
    """In batches of 8: every trained hidden scheme, and trained gains beside batch statistics."""
    fields = {"depth": 3, "sigma_w2": 1.7, "sigma_b2": 0.2, "batch_size": 8}
    for kind, name in product(("batchnorm", "layernorm", "rmsnorm"), ("relu", "gelu")):
        hidden = {"kind": kind, "beta": 0.2, "eps": 0.1, "trained": True}
        yield Network(**fields, activation=name, hidden=hidden)
    for hidden, name in product(("none", "mean-subtraction", "batchnorm"), ("relu", "gelu")):
        gains = {"weights": "weight-normalization", "trained_gains": True}
        yield Network(**fields, **gains, activation=name, hidden=hidden)


def predictions() -> Iterator[tuple[str, Answer]]:
    for at, network in enumerate(networks()):
        answer = asked(lambda network=network: to_json(predict(network, 512, 24)))
        yield from numbers(f"network {at}", answer, AVERAGED)
    for at, network in enumerate(batched()):
        answer = asked(lambda network=network: to_json(predict(network, 512, 24)))
        yield from numbers(f"batched {at}", answer, AVERAGED)
    fields = {"depth": 3, "sigma_w2": 2, "sigma_b2": 0.1, "ratios": [1, 2, 0.5]}
    plain = [
        Network(name, **fields, outputs=C, input_overlaps=(1.1, 0.2))
        for name, C in (("relu", 1), ("tanh", 3))
    ]
    for at, network in enumerate(plain):
        yield from numbers(f"noise {at}", asked(lambda network=network: noise(network)), AVERAGED)
        answer = asked(
            lambda network=network: to_json(predict(network, 512, 256, regime="proportional"))
        )
        yield from numbers(f"proportional {at}", answer, AVERAGED)
        for name in ("sigma_w2", "sigma_b2"):
            answer = asked(
                lambda network=network, name=name: to_json(predict(network, 64, 8, **{name: 0.7}))
            )
            yield from numbers(f"given {name} {at}", answer, AVERAGED)
    for last in (LAST[3], LAST[4], LAST[5]):
        network = Network("tanh", depth=3, sigma_w2=2, sigma_b2=0.3, **({"outputs": 4} | last))
        answer = asked(lambda network=network: to_json(predict(network, 512, 24, outputs_seed=3)))
        yield from numbers(f"given outputs {last}", answer, AVERAGED)
        if last != LAST[4] and last != LAST[5]:
            answer = asked(lambda network=network: to_json(predict(network, 64, 8, digits=25), 25))
            yield from numbers(f"digits {last}", answer, 1e-20)


def points() -> Iterator[tuple[str, Pair]]:
    """Twelve pairs: from c = -1 to 1, next to both, unequal variances, means."""
    for q in (0.3, 2.1):
        for c in (-0.6, 0.0, 0.4, 0.95):
            yield f"q {q} c {c}", Pair.at(q, c=c)
    yield "next to 1", Pair.at(1.3, one_minus_c=1e-9)
    yield "next to -1", Pair.at(1.3, one_plus_c=1e-9)
    yield "unequal", Pair.at(0.8, 2.5, c=-0.3)
    yield "means", Pair.at(1.1, 0.6, c=0.5, mean1=0.4, mean2=-0.7)


def kernels() -> Iterator[tuple[str, Answer]]:
    for template in ACTIVATIONS.values():
        for name, pair in points():
            where = f"{template.name} {name}"
            answer = asked(lambda a=template.example, p=pair: gaussian_integrals(a, p))
            yield from quantities(where, answer)
    for text in ("pi**2*tanh(x)/9", "min(x, 1)/(1 + x**2)", "max(x, 0)**1.5", "exp(-abs(x))"):
        activation = Activation.from_expression(text)
        for c in (-0.5, 0.7):
            answer = asked(
                lambda a=activation, c=c: gaussian_integrals(a, Pair.at(1.4, c=c, mean1=0.3))
            )
            yield from quantities(f"{text} {c}", answer)
    for jumps in ((1, 0.4), (-1, 1), (0, -1)):
        jumping = Activation.named(
            "piecewise_linear", kinks=(-0.5, 0.9), slopes=(0.3, -0.7, 0.3), jumps=jumps, value=0.25
        )
        for name, pair in points():
            answer = asked(lambda a=jumping, p=pair: gaussian_integrals(a, p))
            yield from quantities(f"jumps {jumps} {name}", answer)
    for name in ("relu", "elu", "erf", "gelu", "sigmoid", "sin", "hard_tanh"):
        given = Given.at("1.3", "0.9", c="0.35")
        for digits in (None, 25):
            answer = asked(
                lambda name=name, given=given, digits=digits: gaussian_integrals(
                    Activation.named(name), given, digits
                )
            )
            yield from quantities(f"{name} to {digits} digits", answer)
        answer = asked(
            lambda name=name, given=given: certified_integrals(Activation.named(name), given, 15)
        )
        yield from quantities(f"{name} certified", answer)


def quantities(where: str, answer: Any) -> Iterator[tuple[str, Answer]]:
    if isinstance(answer, str):
        yield where, (answer, 0.0)
        return
    for name, quantity in answer.items():
        if quantity.value is None:
            yield f"{where} {name}", (str(quantity.reason), 0.0)
            continue
        middle = getattr(quantity.value, "mid", quantity.value)
        yield f"{where} {name}", (str(middle), float(quantity.error))


def coefficients() -> Iterator[tuple[str, Answer]]:
    for template, q in product(ACTIVATIONS.values(), (0.4, 2.0)):
        answer = asked(
            lambda a=template.example, q=q: hermite_coefficients(a, range(9), q, normalized=True)
        )
        if isinstance(answer, str):
            yield f"Hermite {template.name} {q}", (answer, 0.0)
            continue
        for n, (value, error) in enumerate(zip(answer.value, answer.error, strict=True)):
            yield f"Hermite {template.name} {q} {n}", (repr(float(value)), float(error))


def phases() -> Iterator[tuple[str, Answer]]:
    cases = (
        *(("tanh", w, b) for w, b in ((0.9, 0.1), (3, 0.64), (1, 0))),
        *(("relu", w, b) for w, b in ((2, 0), (1, 0.5), (2.5, 0.1))),
        *(("erf", 2, 0.3), ("gelu", 1.5, 0.1), ("sin", 4, 0.2), ("elu", 1.2, 0.1)),
        *(("sign", 1, 0.1), ("hard_tanh", 1.5, 0.05)),
    )
    for name, w, b in cases:
        activation = Activation.named(name)
        answer = asked(lambda a=activation, w=w, b=b: phase(a, w, b).to_json())
        yield from numbers(f"phase {name} {w} {b}", answer, AVERAGED)
    for name in ("tanh", "relu", "gelu", "sign"):
        answer = asked(lambda name=name: edge_of_chaos(Activation.named(name), 1.5))
        yield from numbers(f"edge {name}", answer, AVERAGED)


def inputs() -> Iterator[tuple[str, Answer]]:
    X = np.random.default_rng(5).standard_normal((4, 300))
    for hidden, parameterization in product(("none", "layernorm"), ("standard", "ntk")):
        network = Network(
            "relu",
            depth=3,
            sigma_w2=1.8,
            sigma_b2=0.2,
            hidden=hidden,
            parameterization=parameterization,
        )
        answer = asked(lambda network=network: kernel(network, X))
        yield from numbers(f"inputs {hidden} {parameterization}", answer, AVERAGED)
    for name, depth in product(("relu", "tanh", "sign"), (1, 6)):
        answer = asked(
            lambda name=name, depth=depth: compose(
                Activation.named(name),
                np.array([0.0, 1e-6, 0.4, 1.0, 1.7]),
                q=1.4,
                sigma_w2=1.6,
                sigma_b2=0.1,
                depth=depth,
                tangent=name != "sign",
            )
        )
        yield from numbers(f"depth {name} {depth}", answer, AVERAGED)


def symbolic() -> Iterator[tuple[str, Answer]]:
    import sympy as sp

    w, b = sp.symbols("w b", positive=True)
    for hidden in ("none", "batchnorm", "layernorm"):
        network = Network("relu", depth=2, sigma_w2=w, sigma_b2=b, hidden=hidden)
        yield f"symbols {hidden}", (str(asked(lambda n=network: predict(n, 64, 8).K)), 0.0)


def refusals() -> Iterator[tuple[str, Answer]]:
    for name, question in REFUSALS.items():
        yield from numbers(f"refusal {name}", asked(question), AVERAGED)


def asked(question: Callable[[], Any]) -> Any:
    """The answer, or the type and the message of the error."""
    try:
        return question()
    except Exception as problem:
        return f"{type(problem).__name__}: {problem}"


def numbers(name: str, answer: Any, accuracy: float) -> Iterator[tuple[str, Answer]]:
    """The numbers and texts of nested records; the accuracy is relative to each number."""
    if hasattr(answer, "_asdict"):
        answer = answer._asdict()
    if isinstance(answer, np.ndarray):
        answer = answer.tolist()
    if isinstance(answer, dict):
        for key, value in answer.items():
            yield from numbers(f"{name} {key}", value, accuracy)
    elif isinstance(answer, list | tuple):
        for at, value in enumerate(answer):
            yield from numbers(f"{name} {at}", value, accuracy)
    else:
        text = repr(answer) if isinstance(answer, float) else str(answer)
        size = _gap(text, "0")
        yield name, (text, accuracy * float(size) if size < mpmath.inf else 0.0)


PARTS = (predictions, kernels, coefficients, phases, inputs, symbolic, refusals)


def answers() -> dict[str, Answer]:
    """Everything the battery asks, by name."""
    return {name: answer for part in PARTS for name, answer in part()}


if __name__ == "__main__":
    Path(sys.argv[1]).write_text(json.dumps(answers()))
