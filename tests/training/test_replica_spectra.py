"""Spectral radii of many networks at once, compared with those of each alone."""

import pytest
import torch

import mnemoscope as mn
from mnemoscope.nets.stack import drawn_parameters, network_from
from mnemoscope.training.replicas import has_small_cores, stack_spectral_radius

SEEDS = [0, 1, 2]


def fully_connected(**fields):
    return mn.nets.FullyConnected(**{"shape": (1, 3, 4), "width": 20, "depth": 3, **fields})


SPECS = [
    *[fully_connected(activation=name) for name in mn.nets.ACTIVATIONS],
    fully_connected(width=5, activation="tanh"),
    fully_connected(width=(5, 30, 4), depth=4),
    fully_connected(depth=1, activation="sigmoid"),
    fully_connected(depth=2, output_activation="tanh", bias=False),
    fully_connected(init="ntk", width=6),
]


@pytest.mark.parametrize("spec", SPECS, ids=repr)
def test_each_has_the_radius_that_it_has_alone(spec, dtype):
    parameters = drawn_parameters(spec, SEEDS, scales=[1.0, 2.0, 3.0], dtype=dtype)
    Z = torch.randn(3, 4, *spec.shape, generator=torch.Generator().manual_seed(0)).to(dtype)
    together = stack_spectral_radius(spec, parameters, Z)
    assert has_small_cores(spec)
    for row in range(3):
        net = network_from(spec, [values[row] for values in parameters])
        alone = torch.linalg.eigvals(mn.SelfMap(net).linearize(Z[row]).dense()).abs().amax(1)
        # Weights of order 1, sums of at most 30 terms, a few layers; radii are not near zero.
        rounding = torch.finfo(dtype).eps
        assert torch.allclose(together[row], alone, rtol=1e4 * rounding, atol=1e3 * rounding)


def test_what_is_not_finite_is_nan_and_harms_no_other():
    spec = fully_connected()
    parameters = drawn_parameters(spec, SEEDS, scales=[1.0] * 3)
    Z = torch.rand(3, 2, *spec.shape)
    expected = stack_spectral_radius(spec, parameters, Z)
    parameters[0][1] = torch.nan
    found = stack_spectral_radius(spec, parameters, Z)
    assert bool(found[1].isnan().all())
    # What is not finite leaves the batch, and the rest may round otherwise.
    assert torch.allclose(found[[0, 2]], expected[[0, 2]], rtol=1e-3)


def test_where_the_narrowest_layer_is_wide_there_is_no_small_core():
    assert not has_small_cores(fully_connected(shape=(100,), width=100))
    assert has_small_cores(fully_connected(shape=(100,), width=(100, 10)))
    assert not has_small_cores(mn.nets.Convolutional(shape=(1, 4, 4)))
