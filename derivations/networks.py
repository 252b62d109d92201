"""The networks on which the theorems are judged: (sigma_w2, sigma_b2) away from special points."""

from __future__ import annotations

from theory.architecture import Activation, Network

TANH = Network(Activation.named("tanh"), depth=3, sigma_w2=3, sigma_b2=0.64, outputs=4)
RELU = Network(
    Activation.named("relu"), depth=3, sigma_w2=2, sigma_b2=0.1, outputs=4, ratios=(1, 2, 0.5)
)
LINEAR = Network(Activation.named("linear"), depth=3, sigma_w2=1, sigma_b2=0.1, outputs=4)
ERF = Network(
    Activation.named("erf", scale=0.7071067811865476),
    depth=3,
    sigma_w2=2,
    sigma_b2=0.3,
    outputs=4,
)
NETWORKS = (TANH, RELU, LINEAR, ERF)
