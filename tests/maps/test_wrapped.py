from collections import namedtuple
from types import SimpleNamespace

import pytest
import torch
from torch import nn

import mnemoscope as mn
from mnemoscope.maps import SelfMap, Wrapped

Pair = namedtuple("Pair", ["loss", "sample"])
OUTPUTS = [
    (lambda y: {"sample": y, "latent": y[:, :1]}, "sample"),
    (lambda y: (y[:, :1], y), 1),
    (lambda y: (y[:, :1], y), "1"),
    (lambda y: [y, y[:, :1]], 0),
    (lambda y: Pair(None, y), "sample"),
    (lambda y: SimpleNamespace(sample=y), "sample"),
    (lambda y: {"a": {"b": y}}, lambda made: made["a"]["b"]),
    (lambda y: y, None),
]


@pytest.mark.parametrize(("give", "output"), OUTPUTS)
def test_the_part_that_is_meant(give, output):
    f = Wrapped(lambda z: give(z.tanh()), output=output)
    z = torch.randn(3, 4)
    assert torch.equal(f(z), z.tanh())


@pytest.mark.parametrize(
    ("made", "output", "says"),
    [
        ({"a": torch.ones(1)}, "sample", "with a"),
        ((1, 2), 5, "of 2 parts"),
        ("text", "sample", "str"),
        ({"a": torch.ones(1)}, None, "dict"),
    ],
)
def test_a_part_that_is_not_there(made, output, says):
    with pytest.raises(mn.MnemoscopeError, match=says):
        Wrapped(lambda z: made, output=output)(torch.ones(1, 2))


def test_the_models_range_and_back():
    f = Wrapped(nn.Identity(), scale=(-1, 3))
    seen = []
    g = Wrapped(lambda z: (seen.append(z), z)[1], scale=(-1, 3))
    z = torch.tensor([[0.0, 1.0, 0.5]])
    assert torch.allclose(f(z), z)
    g(z)
    assert torch.allclose(seen[0], torch.tensor([[-1.0, 3.0, 1.0]]))
    # In the data's units f(z) = (2 (4 z - 1) + 1) / 4: the slope stays, the constant does not.
    doubled = Wrapped(lambda y: 2 * y, scale=(-1, 3))
    assert torch.allclose(doubled(z), 2 * z - 0.25)
    with pytest.raises(mn.MnemoscopeError, match="lower one first"):
        Wrapped(nn.Identity(), scale=(1, 1))


def test_channels_last():
    seen = []

    def model(z):
        seen.append(tuple(z.shape))
        return z * torch.arange(3.0)

    f = Wrapped(model, channels_last=True)
    z = torch.ones(2, 3, 4, 5)
    assert torch.equal(f(z)[0, :, 0, 0], torch.arange(3.0))
    assert seen == [(2, 4, 5, 3)]


def test_a_noise_level_for_each_state():
    seen = []
    f = Wrapped(lambda z, t: (seen.append(t), z)[1], noise_level=0.25)
    f(torch.ones(3, 2))
    assert seen[0].tolist() == [0.25] * 3


@pytest.mark.parametrize("n", [0, 1, 3, 4, 10])
def test_a_model_of_one_batch_size(n):
    def model(z):
        assert len(z) == 4
        return z.tanh()

    z = torch.randn(n, 5)
    # A vectorized tanh may differ by a rounding from the scalar one at the end of a batch.
    assert torch.allclose(Wrapped(model, fixed_batch=4)(z), z.tanh(), rtol=1e-6)


def test_its_derivative_is_the_models():
    A = torch.randn(4, 4)
    f = SelfMap(Wrapped(lambda z: (z @ A.T,), output=0, scale=(-1, 1)), shape=(4,))
    J = f.linearize(torch.zeros(1, 4)).dense()[0]
    assert torch.allclose(J, A, atol=1e-6)
