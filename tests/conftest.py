import signal

import pytest
import torch

from tests.known_maps import DTYPES, KNOWN_MAPS

# Not tests: for processes that are to start without the extras.
collect_ignore = ["absent"]


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


@pytest.fixture(autouse=True)
def ctrl_c_raises():
    """SIGINT as in the foreground, for the tests and for the processes that they start.

    A shell without job control has it ignored in what it starts in the background, and processes
    inherit that.
    """
    ignored = signal.getsignal(signal.SIGINT) is signal.SIG_IGN
    if ignored:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    if ignored:
        signal.signal(signal.SIGINT, signal.SIG_IGN)
