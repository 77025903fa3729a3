import pytest
import torch
from torch import nn

import mnemoscope as mn
from mnemoscope.nets.plain import plain_layers


@pytest.mark.parametrize("fields", [{}, {"bias": False}, {"init": "ntk"}, {"depth": 1}], ids=str)
def test_one_after_the_other_the_layers_are_the_network(fields):
    spec = mn.nets.FullyConnected(**{"shape": (2, 3), "width": 5, "depth": 3, **fields})
    net = spec.build(seed=0, dtype=torch.float64)
    layers = plain_layers(net)
    assert layers is not None
    assert len(layers) == spec.depth
    Z = torch.rand(4, 2, 3, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    a = Z.flatten(1)
    for layer in layers:
        a = layer.phi(layer.affine(a))
    assert torch.allclose(a, net(Z).flatten(1), rtol=0, atol=1e-14)


def test_other_modules_have_none():
    conv = mn.nets.Convolutional(shape=(1, 4, 4), channels=2, depth=2).build(seed=0)
    assert plain_layers(conv) is None
    assert plain_layers(nn.Linear(2, 2)) is None
    assert plain_layers(lambda z: z) is None
