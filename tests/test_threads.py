"""One BLAS thread, also in a BLAS that a process has not loaded yet: each in a fresh process."""

import json
import subprocess
import sys

import pytest

THREADS = """
from numerics.ensemble import over_blocks

def task():
    import scipy.linalg
    from threadpoolctl import threadpool_info
    return [pool["num_threads"] for pool in threadpool_info() if pool["user_api"] == "blas"]

import json, sys
assert "scipy.linalg" not in sys.modules
print(json.dumps(over_blocks(task, [()])))
"""
ORIGIN = """
{}
from numerics.environment import origin
print(origin().environment)
"""


def said(program):
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_blocks_run_on_one_thread_of_every_blas():
    (threads,) = said(THREADS)
    assert len(threads) >= 1
    assert set(threads) == {1}


@pytest.mark.parametrize("before", ["import numpy", "import scipy.linalg, scipy.special"])
def test_the_origin_does_not_depend_on_what_was_imported_before(before):
    assert said(ORIGIN.format(before)) == said(ORIGIN.format(""))
