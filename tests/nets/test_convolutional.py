"""Convolutional networks, by hand."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from mnemoscope.base.errors import MnemoscopeError
from mnemoscope.nets import Convolutional, Network, activation_function


def of_ones(net: Network) -> Network:
    with torch.no_grad():
        for parameter in net.parameters():
            parameter.fill_(1.0)
    return net


def linear_stack(depth: int, *, size: int = 11, kernel_size: int = 3) -> Convolutional:
    return Convolutional(
        shape=(1, size, size),
        channels=1,
        depth=depth,
        kernel_size=kernel_size,
        activation="identity",
        bias=False,
    )


def test_a_layer_of_ones_counts_the_neighbours():
    net = of_ones(linear_stack(1, size=3).build())
    assert net(torch.ones(1, 3, 3))[0].tolist() == [[4, 6, 4], [6, 9, 6], [4, 6, 4]]


@pytest.mark.parametrize("depth", [1, 2, 3, 4])
@pytest.mark.parametrize("kernel_size", [1, 3, 5])
def test_one_pixel_reaches_depth_times_half_a_kernel(depth: int, kernel_size: int):
    net = of_ones(linear_stack(depth, size=21, kernel_size=kernel_size).build())
    pixel = torch.zeros(1, 21, 21)
    pixel[0, 10, 10] = 1
    reached = net(pixel)[0].nonzero() - 10
    radius = depth * (kernel_size - 1) // 2
    assert len(reached) == (2 * radius + 1) ** 2
    assert reached.abs().max() == radius


def test_two_layers_of_ones_convolve_twice():
    net = of_ones(linear_stack(2).build())
    pixel = torch.zeros(1, 11, 11)
    pixel[0, 5, 5] = 1
    row = torch.tensor([1.0, 2.0, 3.0, 2.0, 1.0])
    torch.testing.assert_close(net(pixel)[0, 3:8, 3:8], torch.outer(row, row))


def test_the_linear_stack_is_linear():
    net = linear_stack(3).build(dtype=torch.float64)
    a, b = torch.randn(
        2, 1, 11, 11, dtype=torch.float64, generator=torch.Generator().manual_seed(0)
    )
    torch.testing.assert_close(net(2 * a - 3 * b), 2 * net(a) - 3 * net(b))


def test_depth_1_applies_the_activation_and_deeper_the_output_is_linear():
    z = torch.randn(2, 1, 4, 4, generator=torch.Generator().manual_seed(0))
    for depth, phi in [(1, "sigmoid"), (2, "identity")]:
        spec = Convolutional(shape=(1, 4, 4), depth=depth, activation="sigmoid")
        net = spec.build()
        last = [layer for layer in net.modules() if isinstance(layer, nn.Conv2d)][-1]
        seen = []
        last.register_forward_hook(lambda _, __, output, seen=seen: seen.append(output))
        value = net(z)
        assert spec.last_activation == phi
        torch.testing.assert_close(value, activation_function(phi)(seen[0]))


@pytest.mark.parametrize(
    ("fields", "count"),
    [
        ({"shape": (1, 8, 8), "channels": 1, "depth": 4, "bias": False}, 4 * 9),
        ({"shape": (3, 8, 8), "channels": 16, "depth": 3}, 448 + 2320 + 435),
        ({"shape": (2, 4, 4), "depth": 1, "kernel_size": 5}, 2 * 2 * 25 + 2),
        ({"shape": (1, 8, 8), "channels": 2, "depth": 4, "downsample": 2}, 20 + 38 + 38 + 19),
    ],
)
def test_the_parameters_counted_by_hand(fields: dict, count: int):
    assert Convolutional(**fields).parameters_count() == count


def test_the_way_goes_down_in_size_and_up_again():
    net = Convolutional(shape=(2, 8, 16), channels=3, depth=5, downsample=2).build()
    sizes = []
    for layer in net.modules():
        if isinstance(layer, nn.Conv2d):
            layer.register_forward_hook(lambda _, __, output: sizes.append(tuple(output.shape[1:])))
    net(torch.zeros(1, 2, 8, 16))
    assert sizes == [(3, 4, 8), (3, 2, 4), (3, 2, 4), (3, 4, 8), (2, 8, 16)]


def test_downsampling_takes_every_other_pixel_and_upsampling_repeats_it():
    spec = Convolutional(
        shape=(1, 2, 4),
        channels=1,
        depth=2,
        kernel_size=1,
        activation="identity",
        bias=False,
        downsample=1,
    )
    net = of_ones(spec.build())
    picture = torch.tensor([[[1.0, 2.0, 3.0, 4.0], [5.0, 6.0, 7.0, 8.0]]])
    assert net(picture).tolist() == [[[1, 1, 3, 3], [1, 1, 3, 3]]]


@settings(max_examples=40, deadline=None)
@given(
    c=st.integers(1, 3),
    h=st.integers(1, 3),
    w=st.integers(1, 3),
    downsample=st.integers(0, 2),
    deeper=st.integers(0, 2),
    kernel_size=st.sampled_from([1, 3, 5]),
)
def test_every_shape_that_can_be_halved_comes_back(
    c: int, h: int, w: int, downsample: int, deeper: int, kernel_size: int
):
    shape = (c, h * 2**downsample, w * 2**downsample)
    spec = Convolutional(
        shape=shape,
        channels=2,
        depth=max(1, 2 * downsample + deeper),
        downsample=downsample,
        kernel_size=kernel_size,
    )
    assert spec.build()(torch.zeros(2, *shape)).shape == (2, *shape)


@pytest.mark.parametrize("shape", [(1, 6, 8), (1, 8, 6), (1, 2, 2)])
def test_a_shape_that_cannot_be_halved_is_refused(shape: tuple[int, int, int]):
    with pytest.raises(MnemoscopeError, match="divisible by") as error:
        Convolutional(shape=shape, downsample=2)
    assert error.value.field == "downsample"


def test_too_few_layers_to_go_down_and_up_are_refused():
    with pytest.raises(MnemoscopeError, match="depth=3 with downsample=2") as error:
        Convolutional(shape=(1, 8, 8), depth=3, downsample=2)
    assert error.value.field == "depth"
    assert "4" in error.value.expected
    assert Convolutional(shape=(1, 8, 8), depth=4, downsample=2).build()


def test_an_even_kernel_is_refused_with_its_odd_neighbours():
    with pytest.raises(MnemoscopeError, match="3 or 5") as error:
        Convolutional(shape=(1, 8, 8), kernel_size=4)
    assert error.value.field == "kernel_size"


@pytest.mark.parametrize("shape", [(8,), (8, 8), (1, 1, 8, 8)])
def test_a_shape_without_channels_height_and_width_is_refused(shape: tuple):
    with pytest.raises(MnemoscopeError, match=r"\(channels, height, width\)") as error:
        Convolutional(shape=shape)
    assert error.value.field == "shape"
