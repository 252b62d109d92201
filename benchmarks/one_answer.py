"""One answer in a fresh process: ``python -m benchmarks.one_answer WAY FILE.npz``.

The file holds a ReLU network and its inputs. Printed is the largest eigenvalue of its dual Fisher
matrix, or with ``batchnorm`` in the WAY the norm of a product with it. Nothing is imported that the
way does not need.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

import numpy as np

Layers = list[tuple[np.ndarray, np.ndarray]]


def ours(layers: Layers, x: np.ndarray) -> float:
    from numerics.fisher import dual_gram

    return _largest(dual_gram(*_case(layers, x))[0], len(x))


def ours_batchnorm(layers: Layers, x: np.ndarray) -> float:
    from numerics.dual_product import DualProduct

    product = DualProduct.at(*_case(layers, x, hidden="batchnorm"))
    return float(np.linalg.norm(product(np.ones(product.size))))


def jax_batchnorm(layers: Layers, x: np.ndarray) -> float:
    from benchmarks import peers

    v = np.ones(len(layers[-1][1]) * len(x))
    return float(np.linalg.norm(np.asarray(peers.batchnorm_product(layers, x, v)())))


def theirs(name: str) -> Callable[[Layers, np.ndarray], float]:
    """The way of a peer that forms the Gram matrix."""

    def way(layers: Layers, x: np.ndarray) -> float:
        from benchmarks import peers

        gram = peers.GRAMS[name](layers, x)
        return _largest(gram.matrix(gram.run()), len(x))

    return way


WAYS: dict[str, Callable[[Layers, np.ndarray], float]] = {
    "ours": ours,
    "ours-batchnorm": ours_batchnorm,
    "jax-batchnorm": jax_batchnorm,
    **{
        name: theirs(name) for name in ("neural-tangents", "jax.jacrev", "torch.func", "nngeometry")
    },
}


def _case(layers: Layers, x: np.ndarray, **scheme: Any) -> tuple[Any, Any, np.ndarray]:
    from numerics.parameters import Parameters, draw_scales
    from theory.architecture import Network

    C = len(layers[-1][1])
    network = Network("relu", depth=len(layers), sigma_w2=2, sigma_b2=0.1, outputs=C, **scheme)
    widths = [x.shape[1], *(len(b) for _, b in layers)]
    weights, biases = zip(*((W[None], b[None]) for W, b in layers), strict=True)
    scales, shifts = draw_scales(network, widths, 1, np.random.default_rng(0))
    return network, Parameters(weights, biases, scales, shifts), x


def _largest(gram: np.ndarray, samples: int) -> float:
    return float(np.linalg.eigvalsh(gram)[-1]) / samples


def main() -> None:
    way, file = sys.argv[1:]
    with np.load(file) as arrays:
        depth = len(arrays) // 2
        layers = [(arrays[f"W{l}"], arrays[f"b{l}"]) for l in range(1, depth + 1)]
        print(repr(WAYS[way](layers, arrays["x"])))


if __name__ == "__main__":
    main()
