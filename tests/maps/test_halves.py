import pytest
import torch
from torch import nn

import mnemoscope as mn
from mnemoscope.maps.halves import cut, halves_of


def images(halves, Z):
    return halves.decoder(halves.encoder(Z))


@pytest.mark.parametrize(
    ("spec", "code"),
    [
        (mn.nets.FullyConnected(shape=(2, 3), width=(9, 4, 9), depth=4), (4,)),
        # Of equals the middle one: after the second of three.
        (mn.nets.FullyConnected(shape=(2, 3), width=5, depth=4), (5,)),
        (mn.nets.Convolutional(shape=(1, 8, 8), channels=3, depth=6, downsample=2), (3, 2, 2)),
    ],
    ids=["narrow", "equal", "strides"],
)
def test_a_network_is_cut_at_its_narrowest_layer(spec, code):
    net = spec.build(seed=0)
    halves, Z = cut(net), torch.rand(3, *spec.shape, generator=torch.Generator().manual_seed(0))
    assert tuple(halves.encoder(Z).shape) == (3, *code)
    assert torch.equal(images(halves, Z), net(Z))
    layers = [m for m in halves.encoder.modules() if isinstance(m, nn.Linear)]
    assert len(layers) in (0, 2)


def test_what_cannot_be_cut_is_refused():
    shallow = mn.nets.FullyConnected(shape=(6,), depth=1).build(seed=0)
    with pytest.raises(mn.MnemoscopeError, match="one weight layer"):
        cut(shallow)
    with pytest.raises(mn.MnemoscopeError, match="UNet, whose connections pass"):
        cut(mn.nets.UNet(shape=(1, 4, 4), channels=2, levels=1).build(seed=0))


class Methods(nn.Module):
    def __init__(self):
        super().__init__()
        self.inner = nn.ModuleDict({"enc": nn.Linear(4, 2), "dec": nn.Linear(2, 4)})

    def encode(self, x):
        return self.inner["enc"](x)

    def decode(self, h):
        return self.inner["dec"](h)


def test_methods_and_parts_are_found_or_named():
    with torch.random.fork_rng():
        model, parts = Methods(), nn.Module()
        parts.encoder, parts.decoder = nn.Linear(4, 2), nn.Linear(2, 4)
    Z = torch.ones(1, 4)
    assert torch.equal(images(halves_of(model), Z), model.decode(model.encode(Z)))
    # A method has the weights of its module.
    assert len(list(halves_of(model).encoder.parameters())) == 4
    assert halves_of(parts).encoder is parts.encoder
    named = halves_of(model, "inner.enc", "inner.dec")
    assert named.encoder is model.inner["enc"]


@pytest.mark.parametrize(
    ("names", "message"),
    [
        ((None, None), "without an encoder and a decoder"),
        (("0", None), "both halves"),
        (("0", "7"), "without a part '7'"),
        (("a.b", "1"), "without a part 'a.b'"),
    ],
)
def test_a_model_without_such_parts_is_refused(names, message):
    with torch.random.fork_rng():
        model = nn.Sequential(nn.Linear(4, 2), nn.Linear(2, 4))
    with pytest.raises(mn.MnemoscopeError, match=message) as raised:
        halves_of(model, *names)
    assert raised.value.field in ("encoder", "decoder")
