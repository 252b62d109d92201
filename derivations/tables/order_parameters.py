"""The order parameters of every layer of one network, and what it adds to the kappas."""

from __future__ import annotations

from derivations.networks import RELU
from derivations.tables import words
from derivations.tables.record import Cell, Column, Kind, Table, predicted
from derivations.tables.request import Request
from theory.mathematics import Number
from theory.meanfield import Kernel
from theory.prediction import predict, unmapped

WIDTH, SAMPLES = 1000, 16


def _numbers(*names: tuple[str, str]) -> tuple[Column, ...]:
    return tuple(Column(name, latex, Kind.PREDICTED) for name, latex in names)


COLUMNS = (
    Column("l", "$l$"),
    *_numbers(
        ("q_1", "$q_1^l$"),
        ("q_2", "$q_2^l$"),
        ("qh_1", r"$\hat q_1^{l-1}$"),
        ("qh_2", r"$\hat q_2^{l-1}$"),
        ("T_1", "$T_1^l$"),
        ("T_2", "$T_2^l$"),
        ("S_1", "$S_1^l$"),
        ("S_2", "$S_2^l$"),
        ("kappa_1", r"$\kappa_1^l$"),
        ("kappa_2", r"$\kappa_2^l$"),
    ),
)


def build(request: Request) -> Table:
    """The network of a file, or the ReLU network of the theorems."""
    network = RELU if request.network is None else request.network
    found = predict(unmapped(network), WIDTH, SAMPLES)
    order = found.order_parameters
    scale = 1 if network.parameterization == "ntk" else network.alpha * WIDTH
    names = ("q1", "q2", "qh1", "qh2", "T1", "T2", "S1", "S2")
    rows = [
        (
            Cell(str(l + 1)),
            *(predicted(float(getattr(order, name)[l])) for name in names),
            *_kappas(part.K, scale),
        )
        for l, part in enumerate(found.blocks)
    ]
    empty = (predicted(None),) * len(names)
    rows.append((Cell("all", r"$\sum_l$"), *empty, *_kappas(found.groups["weights"], scale)))
    return Table(
        "order-parameters",
        f"Order parameters of a network with activation "
        f"{words.activation(network.activation).latex}, "
        rf"$(\sigma_w^2, \sigma_b^2) = ({words.variances(network).plain})$, $L = {network.depth}$.",
        COLUMNS,
        tuple(rows),
        Cell(
            f"Limit of infinite width M; N = {SAMPLES} samples where they couple. Index 1: one "
            "sample, 2: two of a batch; q: pre-activations, qh: activations, T and S: gradients "
            "(trace and sum over the samples; without hidden normalization S_a are the backward "
            "order parameters). kappa: share of the weights of a layer in the kernel over alpha M, "
            f"at M = {WIDTH}.",
            rf"Limit $M \to \infty$; $N = {SAMPLES}$ where samples couple. Index 1: one sample, 2: "
            r"two of a batch; $q$: pre-activations, $\hat q$: activations, $T$ and $S$: gradients "
            r"(trace and sum over the samples; without hidden normalization $S_a^l$ is the "
            r"backward order parameter $\tilde q_a^l$). $\kappa^l$: share of the weights of layer "
            rf"$l$ in the kernel over $\alpha M$, at $M = {WIDTH}$.",
        ),
        starts=frozenset({network.depth}),
    )


def _kappas(K: Kernel, scale: Number) -> tuple[Cell, Cell]:
    return predicted(float(K.K1 / scale)), predicted(float(K.K2 / scale))
