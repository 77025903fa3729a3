from collections import namedtuple
from types import SimpleNamespace

import pytest
import torch
from torch import nn

import mnemoscope as mn
from mnemoscope.maps import SelfMap, Wrapped
from mnemoscope.maps.sizes import Sizes

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
    f = Wrapped(lambda z, t: (seen.append(t), z)[1], mn.MapOptions(noise_level=0.25))
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


def flat_models():
    """Models of flat states, of states that they flatten, and of channels that they drop."""
    torch.manual_seed(0)
    flat, picture = nn.Linear(64, 64), nn.Conv2d(1, 2, 3, padding=1)
    sequence, channels = nn.Conv1d(1, 1, 3, padding=1), nn.Conv1d(3, 3, 3, padding=1)
    return {
        "flat": ((1, 8, 8), flat, lambda z: flat(z.flatten(1)).reshape(z.shape)),
        "flattened": (
            (1, 8, 8),
            nn.Sequential(nn.Flatten(), flat),
            lambda z: flat(z.flatten(1)).reshape(z.shape),
        ),
        "a picture, flat out": (
            (1, 8, 8),
            nn.Sequential(picture, nn.Flatten(), nn.Unflatten(1, (2, 64)), Summed()),
            lambda z: picture(z).sum(1, keepdim=True),
        ),
        "flat in, a picture out": (
            (2, 4, 8),
            nn.Sequential(flat, nn.Unflatten(1, (2, 4, 8))),
            lambda z: flat(z.flatten(1)).reshape(z.shape),
        ),
        # A convolution would take a flat batch for one state with channels.
        "one channel": ((1, 64), nn.Sequential(sequence, nn.Flatten()), sequence),
        "as many channels as states": (
            (3, 64),
            nn.Sequential(channels, nn.Flatten()),
            channels,
        ),
    }


class Summed(nn.Module):
    def forward(self, z):
        return z.sum(1)


@pytest.mark.parametrize("fixed_batch", [None, 1, 3])
@pytest.mark.parametrize("name", flat_models())
def test_flat_states(name, fixed_batch):
    shape, model, by_hand = flat_models()[name]
    f = SelfMap(Wrapped(model, flatten=True, fixed_batch=fixed_batch), shape)
    Z = torch.rand(5, *shape)
    with torch.no_grad():
        assert torch.allclose(f(Z), by_hand(Z), atol=1e-6)
    mn.maps.check_map(f, Z)


def test_flat_states_in_the_models_range_and_layout():
    W = torch.rand(48, 48)
    f = Wrapped(lambda z: z @ W.T, flatten=True, channels_last=True, scale=(-1, 1))
    z = torch.rand(2, 3, 4, 4)
    given = (2 * z - 1).movedim(1, -1).reshape(2, 48)
    expected = ((given @ W.T).reshape(2, 4, 4, 3).movedim(-1, 1) + 1) / 2
    assert torch.allclose(f(z), expected, atol=1e-5)


def test_a_flat_estimate_of_the_noise():
    """With abar = 0.64 and noise 3 a z the state is (a z - 0.6 3 a z) / a = (1 - 1.8) z."""
    for model in (lambda z, t: 3 * z.flatten(1), lambda z, t: 3 * z[:, 0]):
        f = Wrapped(
            model, mn.MapOptions(noise_level=1, predicts="noise", alpha_bar=0.64), flatten=True
        )
        z = torch.rand(2, 1, 6)
        assert torch.allclose(f(z), -0.8 * z, atol=1e-6)


def test_a_channel_axis_that_the_model_drops_needs_no_option():
    f = SelfMap(Wrapped(lambda z: {"audio": z[:, 0] / 2}, output="audio"), (1, 64))
    z = torch.rand(3, 1, 64)
    assert torch.equal(f(z), z / 2)


def test_what_takes_no_flat_states_fails_on_these():
    with pytest.raises(mn.MnemoscopeError, match="1x64 and 5x5"):
        SelfMap(Wrapped(nn.Linear(5, 5), flatten=True), (1, 8, 8))


@pytest.mark.parametrize("n", [1, 3, 4, 5, 6, 7, 13, 20])
def test_batches_are_cut_and_filled_up_to_sizes(n):
    seen = []
    f = Wrapped(lambda z: (seen.append(len(z)), z / 2)[1], fixed_batch=Sizes(4, 7, 2))
    z = torch.rand(n, 3)
    assert torch.equal(f(z), z / 2)
    assert set(seen) <= {4, 6}
    assert sum(seen) < n + 4


@pytest.mark.parametrize("wrong", [0, -1, 1.5, True])
def test_no_batch_size(wrong):
    with pytest.raises(mn.MnemoscopeError, match="fixed_batch="):
        Wrapped(nn.Identity(), fixed_batch=wrong)
