import signal

import pytest
import torch

import mnemoscope as mn
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


@pytest.fixture(scope="session")
def digits():
    return mn.load_data("digits", n=5)


@pytest.fixture(scope="session")
def trained(digits):
    """A network that stores most of five digits."""
    spec = mn.nets.FullyConnected(shape=(1, 8, 8), width=64, depth=4, activation="sigmoid")
    net = spec.build(seed=0)
    mn.train(net, digits)
    return net


@pytest.fixture(scope="session")
def audited(trained, digits):
    return mn.audit(
        trained, digits,
        mn.AuditOptions(corruptions={"gaussian": [0.1, 0.8], "mask_pixels": [0.25]}),
        starts=100, trials=4, held_out=mn.load_data("digits", n=8)[5:],
        run=mn.AuditRun(source={"name": "digits"}, command="a test"),
    )  # fmt: skip


@pytest.fixture(scope="session")
def corners():
    """tanh(2 z), audited at three corners of the cube and another point, with few starts."""
    corner = torch.tensor(1.0, dtype=torch.float64)
    for _ in range(200):
        corner = torch.tanh(2 * corner)
    signs = torch.tensor([[1.0, 1, 1], [1, -1, 1], [-1, -1, -1], [0.5, 0.5, 0.5]])
    X = (corner * signs).float()
    audit = mn.audit(lambda z: torch.tanh(2 * z), X, starts=200, trials=50, seed=3)
    return X, audit
