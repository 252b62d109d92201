"""Hypothesis profiles: the same examples in every run by default, fresh ones on request."""

import os
from collections.abc import Iterator

import mpmath
import pytest
from hypothesis import settings

from numerics.threads import one_thread

one_thread()  # processes and threads share the processors already

collect_ignore = ["reference"]  # scripts: importing them sets mpmath's digits for all

settings.register_profile("ci", derandomize=True, deadline=None)
settings.register_profile("dev", deadline=None)
settings.register_profile("thorough", max_examples=200, deadline=None)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "ci"))


@pytest.fixture(autouse=True)
def usual_digits() -> Iterator[None]:
    """mpmath's default digits, whatever another test or the import of a script left."""
    with mpmath.workdps(15):
        yield
