"""How records show themselves in a notebook and in a terminal; imported when they do.

``Row`` is a line of a table: what it is in words, its LaTeX, and its value as text. Nothing here
imports the records: they hand in what they hold.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from html import escape
from typing import TYPE_CHECKING, Any, NamedTuple

from theory.evaluation import evaluate
from theory.validation import short, symbolic

if TYPE_CHECKING:
    from theory.activations import Activation
    from theory.architecture import Network
    from theory.prediction import Prediction
    from theory.schemes import Scheme

LETTERS = {
    "gamma": r"\gamma",
    "beta": r"\beta",
    "eps": r"\epsilon",
    "gamma_std": r"\gamma_{\mathrm{std}}",
    "beta_std": r"\beta_{\mathrm{std}}",
    "groups": r"\mathrm{groups}",
}
NEUTRAL = {"gamma": 1, "beta": 0, "eps": 0, "gamma_std": 0, "beta_std": 0}


class Row(NamedTuple):
    """A quantity in words and in LaTeX, and its value as text."""

    words: str
    latex: str
    value: str


def activation_in_latex(activation: Activation) -> str:
    r"""The activation as a formula in x, from its expression; decimals with four digits.

    >>> from theory.activations import Activation
    >>> activation_in_latex(Activation.named("relu"))
    '\\max\\left(0, x\\right)'
    """
    import sympy as sp

    expression = sp.sympify(evaluate(activation, sp.Symbol("x", real=True)))
    decimals = {
        number: sp.Float(number, 4) for number in expression.atoms(sp.Rational) if number.q > 100
    }
    return sp.latex(expression.xreplace(decimals))


def network_in_latex(network: Network) -> str:
    """The description of a network between dollars: what differs from the plain one is named."""
    lines = [
        [
            rf"\varphi(x) = {activation_in_latex(network.activation)}",
            rf"\sigma_w^2 = {_number(network.sigma_w2)}",
            rf"\sigma_b^2 = {_number(network.sigma_b2)}",
        ],
        [
            f"L = {network.depth}",
            f"C = {_number(network.outputs)}",
            rf"\alpha_l = {_listed(network.ratios or ())}",
            rf"\tfrac1{{M_0}} x_t \cdot x_s \to {_listed(network.input_overlaps)}",
        ],
        [rf"\text{{hidden: }} {hidden}" for hidden in _hidden(network.layers or ())],
        [rf"\text{{last: }} {_scheme(network.last)}"] if network.last.kind != "none" else [],
        list(_choices(network)),
    ]
    body = " \\\\\n".join(",\\quad ".join(parts) for parts in lines if parts)
    return f"$$\\begin{{array}}{{l}}\n{body}\n\\end{{array}}$$"


def _number(value: Any) -> str:
    if not symbolic(value):
        return short(value)
    import sympy as sp

    return sp.latex(value)


def _listed(values: Iterable[Any]) -> str:
    return ", ".join(map(_number, values))


def _hidden(layers: Sequence[Scheme]) -> list[str]:
    """One scheme for all hidden layers, or each with its number, none where none normalizes."""
    schemes = [_scheme(scheme) for scheme in layers]
    if len(set(schemes)) == 1:
        return schemes[:1] if layers[0].kind != "none" else []
    return [f"{scheme}_{{{layer}}}" for layer, scheme in enumerate(schemes, start=1)]


def _scheme(scheme: Scheme) -> str:
    fields = {name: getattr(scheme, name, NEUTRAL.get(name)) for name in LETTERS}
    parts = [
        f"{LETTERS[name]} = {_number(value)}"
        for name, value in fields.items()
        if value is not None and value != NEUTRAL.get(name)
    ]
    parts += [r"\text{trained}"] if getattr(scheme, "trained", False) else []
    return rf"\text{{{scheme.kind}}}" + (f"({', '.join(parts)})" if parts else "")


def _choices(network: Network) -> Iterator[str]:
    """The fields that a description leaves out at their defaults."""
    if not network.bias_gradients:
        yield r"\text{no bias gradients}"
    for name in ("parameterization", "loss", "weights"):
        if name in network.describe():
            yield rf"\text{{{name}: {getattr(network, name)}}}"
    if network.raw_variance is not None:
        yield rf"\sigma_v^2 = {_number(network.raw_variance)}"
    if network.trained_gains:
        yield r"\text{trained gains}"
    if network.batch_size is not None:
        yield f"B = {network.batch_size}"


def prediction_rows(prediction: Prediction) -> list[Row]:
    """The quantities of a prediction; what is not derived for it has a dash."""
    K, top = prediction.K, prediction.largest_eigenvalue
    found: list[tuple[str, str, Any]] = [
        ("width", "M", prediction.width),
        ("samples", "N", prediction.samples),
        ("parameters", "P", prediction.parameters),
        ("kernel of one sample", "K_1", K.K1),
        ("kernel of two samples", "K_2", K.K2),
        ("uniform mode, linear outputs", r"\lambda_U", prediction.uniform_mode),
        ("bulk mode, linear outputs", r"\lambda_D", prediction.bulk_mode),
        ("mean eigenvalue", "m", prediction.mean_eigenvalue),
        ("second moment", "s", prediction.second_moment),
        ("largest eigenvalue", r"\lambda_{\max}", top.value),
        ("  at least", r"\lambda_{\max} \ge", top.lower),
        ("  at most", r"\lambda_{\max} \le", top.upper),
        ("learning rate threshold", r"2/\lambda_{\max}", prediction.learning_rate_threshold),
    ]
    if K.K3 is not None:
        found.insert(5, ("kernel of two batches", "K_3", K.K3))
    return [Row(words, latex, _value(value)) for words, latex, value in found]


def _value(value: Any) -> str:
    if value is None:
        return "-"
    return str(value) if symbolic(value) else f"{float(value):.8g}"


def text_table(title: str, rows: Sequence[Row]) -> str:
    """A title and one line a quantity, for the terminal."""
    wide = max(len(row.words) for row in rows)
    return "\n".join((title, *(f"{row.words:{wide}}  {row.value}" for row in rows)))


def html_table(title: str, header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table of a notebook; cells are text, in which formulas stand between dollars."""
    head = "".join(f"<th>{escape(cell)}</th>" for cell in header)
    body = "".join(
        f"<tr>{''.join(f'<td>{escape(cell)}</td>' for cell in row)}</tr>\n" for row in rows
    )
    return (
        f"<table>\n<caption>{escape(title)}</caption>\n"
        f"<thead><tr>{head}</tr></thead>\n<tbody>\n{body}</tbody>\n</table>"
    )


def latex_array(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table of formulas between dollars; cells are LaTeX of mathematics."""
    body = " \\\\\n".join(" & ".join(cells) for cells in rows)
    columns = "l" * len(header)
    return (
        f"$$\\begin{{array}}{{{columns}}}\n{' & '.join(header)} \\\\ \\hline\n"
        f"{body}\n\\end{{array}}$$"
    )


def words(text: str) -> str:
    r"""Text within a formula.

    >>> words("leaky_relu, L=3")
    '\\text{leaky\\_relu, L=3}'
    """
    escaped = re.sub(r"([#$%&_{}])", r"\\\1", text.strip())
    return rf"\text{{{escaped}}}" if escaped else ""
