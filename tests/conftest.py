import pytest
import torch

from tests.known_maps import DTYPES, KNOWN_MAPS


@pytest.fixture(params=KNOWN_MAPS, ids=str)
def known(request):
    return request.param


@pytest.fixture(params=DTYPES, ids=["float32", "float64"])
def dtype(request):
    return request.param


@pytest.fixture
def global_generator_untouched():
    before = torch.random.get_rng_state()
    yield
    assert torch.equal(before, torch.random.get_rng_state())
