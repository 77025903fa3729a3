"""All networks at once, in blocks, give the same images as each alone."""

import pytest
import torch

import mnemoscope as mn
from mnemoscope.sweep.measurements import span as module
from mnemoscope.sweep.measurements.span import images

SPECS = [
    mn.nets.FullyConnected(shape=(1, 8, 8), width=16, depth=3),
    mn.nets.Convolutional(shape=(1, 8, 8), channels=4, depth=2),
    mn.nets.UNet(shape=(1, 8, 8), channels=4, levels=1),
]


@pytest.mark.parametrize("size", [1, 2, 5])
@pytest.mark.parametrize("spec", SPECS, ids=lambda spec: spec.kind)
def test_blocks_of_states_and_their_images(spec, size, monkeypatch):
    monkeypatch.setattr(module, "batch_size_within", lambda *_, **__: size)
    X = mn.load_data("digits", n=3)
    replicas = mn.train_replicas(spec, X, mn.TrainingOptions(max_steps=2), seeds=range(2))
    Z = torch.rand(2, 5, 1, 8, 8, generator=torch.Generator().manual_seed(0))
    states, made = map(list, zip(*images(replicas, Z), strict=True))
    assert {part.shape[1] for part in states[:-1]} <= {size}
    assert torch.equal(torch.cat(states, 1), Z)
    expected = torch.stack([net(own).detach() for net, own in zip(replicas, Z, strict=True)])
    torch.testing.assert_close(torch.cat(made, 1), expected)
