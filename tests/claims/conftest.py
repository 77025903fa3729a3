"""Quick runs of claims, each made once for all tests."""

from functools import lru_cache

import pytest

from mnemoscope.claims import Scale
from mnemoscope.claims.claim import run_claim

ONE_SEED = ("capacity", "convolutional-memorization", "downsampling", "nonlinear-span")


@pytest.fixture(scope="session")
def quick():
    """Returns the result of a claim's quick run."""

    @lru_cache
    def result(name):
        return run_claim(name, Scale("quick", seeds=1 if name in ONE_SEED else 2))

    return result
