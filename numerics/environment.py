"""What the bits of a measurement depend on besides its key: package, numpy, BLAS, machine."""

from __future__ import annotations

import hashlib
import json
import platform
from functools import lru_cache
from importlib.metadata import version
from typing import NamedTuple

from numerics.ensemble import SEED_BASE


class Origin(NamedTuple):
    """Where a number was computed. Equal origins and equal keys give equal bits.

    ``environment`` is JSON: python, numpy, scipy, BLAS with the processor it is tuned for, the
    vector extensions that numpy uses, the machine type.
    """

    version: str
    seed_base: int
    environment: str

    @property
    def digest(self) -> str:
        return digest(json.dumps(self))


def digest(text: str) -> str:
    """128 bits of SHA-256, in hexadecimal digits.

    >>> digest("")
    'e3b0c44298fc1c149afbf4c8996fb924'
    """
    return hashlib.sha256(text.encode()).hexdigest()[:32]


@lru_cache(maxsize=1)
def origin() -> Origin:
    """The origin of what this process measures.

    >>> sorted(json.loads(origin().environment))
    ['blas', 'machine', 'numpy', 'python', 'scipy', 'simd', 'system']
    """
    import numpy as np
    import scipy

    from numerics.threads import blas_libraries

    built = np.show_config(mode="dicts")
    environment = {
        "python": platform.python_version(),
        "numpy": np.__version__,
        "scipy": scipy.__version__,
        "blas": sorted(
            {
                f"{library['internal_api']} {library['version']} {_kernels(library)}"
                for library in blas_libraries()
            }
        ),
        "simd": built["SIMD Extensions"]["found"],
        "machine": platform.machine(),
        "system": platform.system(),
    }
    return Origin(version("fisherfield"), SEED_BASE, json.dumps(environment, sort_keys=True))


def _kernels(library: dict[str, str]) -> str:
    return library.get("architecture", "")
