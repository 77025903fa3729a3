"""The U-Net, by hand."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from mnemoscope.base.errors import MnemoscopeError
from mnemoscope.nets import Network, UNet

PICTURE = torch.tensor([[[1.0, 2.0, 3.0, 4.0], [5.0, 6.0, 7.0, 8.0]]])


def passing_one_channel_on(spec: UNet) -> Network:
    """Every convolution passes its first channel on unchanged."""
    net = spec.build()
    with torch.no_grad():
        for layer in net.modules():
            if isinstance(layer, nn.Conv2d):
                centre = layer.kernel_size[0] // 2
                layer.weight.zero_()
                layer.weight[0, 0, centre, centre] = 1
    return net


def plain(**fields) -> UNet:
    return UNet(shape=(1, 2, 4), channels=1, levels=1, activation="identity", bias=False, **fields)


def test_the_way_down_takes_means_and_the_way_up_repeats_them():
    net = passing_one_channel_on(plain())
    torch.testing.assert_close(net(PICTURE), torch.tensor([[[3.5, 3.5, 5.5, 5.5]] * 2]))


def test_the_connection_skips_the_bottom():
    net = passing_one_channel_on(plain())
    entry = net.body.up[0].convolution_1.weight  # pyright: ignore
    with torch.no_grad():
        # The bottom has two channels and is first in the concatenation.
        entry[0, 0, 1, 1], entry[0, 2, 1, 1] = 0, 1
    torch.testing.assert_close(net(PICTURE), PICTURE)


def test_the_output_is_linear_unless_its_activation_says_otherwise():
    assert plain().last_activation == "identity"
    net = passing_one_channel_on(plain(output_activation="leaky_relu"))
    expected = -0.2 * torch.tensor([[3.5, 3.5, 5.5, 5.5]] * 2)
    torch.testing.assert_close(net(-PICTURE), expected[None])


def test_the_activation_follows_every_3x3_convolution():
    net = passing_one_channel_on(
        UNet(shape=(1, 2, 4), channels=1, levels=1, activation="leaky_relu(0.5)", bias=False)
    )
    # Two convolutions down, two at the bottom, two up: six times a half.
    expected = -(0.5**6) * torch.tensor([[3.5, 3.5, 5.5, 5.5]] * 2)
    torch.testing.assert_close(net(-PICTURE), expected[None])


def test_channels_double_and_sides_halve_on_every_level():
    net = UNet(shape=(2, 8, 16), channels=3, levels=2).build()
    sizes = []
    for layer in net.modules():
        if isinstance(layer, nn.Conv2d):
            layer.register_forward_hook(lambda _, __, output: sizes.append(tuple(output.shape[1:])))
    net(torch.zeros(1, 2, 8, 16))
    top, middle, bottom = [(3, 8, 16)] * 2, [(6, 4, 8)] * 2, [(12, 2, 4)] * 2
    assert sizes == [*top, *middle, *bottom, *middle, *top, (2, 8, 16)]


@pytest.mark.parametrize(
    ("fields", "count"),
    [
        # down 40 + 148, bottom 296 + 584, up 436 + 148, output 5
        ({"shape": (1, 8, 8), "channels": 4, "levels": 1}, 1657),
        # down 9 + 9, bottom 18 + 36, up 27 + 9, output 1
        ({"shape": (1, 8, 8), "channels": 1, "levels": 1, "bias": False}, 109),
    ],
)
def test_the_parameters_counted_by_hand(fields: dict, count: int):
    assert UNet(**fields).parameters_count() == count


@settings(max_examples=30, deadline=None)
@given(c=st.integers(1, 3), h=st.integers(1, 3), w=st.integers(1, 3), levels=st.integers(1, 3))
def test_every_shape_that_can_be_halved_comes_back(c: int, h: int, w: int, levels: int):
    shape = (c, h * 2**levels, w * 2**levels)
    net = UNet(shape=shape, channels=2, levels=levels).build()
    assert net(torch.zeros(2, *shape)).shape == (2, *shape)


@pytest.mark.parametrize("shape", [(1, 6, 8), (1, 8, 6), (1, 2, 2)])
def test_a_shape_that_cannot_be_halved_is_refused(shape: tuple[int, int, int]):
    with pytest.raises(MnemoscopeError, match="divisible by") as error:
        UNet(shape=shape, levels=2)
    assert error.value.field == "levels"
