import pytest
import torch

import mnemoscope as mn


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
        trained, digits, starts=100, trials=4, seed=0,
        corruptions={"gaussian": [0.1, 0.8], "mask_pixels": [0.25]},
        held_out=mn.load_data("digits", n=8)[5:], source={"name": "digits"}, command="a test",
    )  # fmt: skip


@pytest.fixture(scope="session")
def corners():
    """tanh(2 z): three corners of the cube and a point that is none; audited with few starts."""
    corner = torch.tensor(1.0, dtype=torch.float64)
    for _ in range(200):
        corner = torch.tanh(2 * corner)
    signs = torch.tensor([[1.0, 1, 1], [1, -1, 1], [-1, -1, -1], [0.5, 0.5, 0.5]])
    X = (corner * signs).float()
    audit = mn.audit(lambda z: torch.tanh(2 * z), X, starts=200, trials=50, seed=3)
    return X, audit
