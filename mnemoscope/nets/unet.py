"""The U-Net: down in size, up again, with connections that skip the way between."""

from typing import Literal

import torch
from jaxtyping import Float
from pydantic import Field, model_validator
from torch import Tensor, nn

from mnemoscope.nets.activations import activation_module
from mnemoscope.nets.convolutional import ImageShape, check_halvings
from mnemoscope.nets.layers import convolution
from mnemoscope.nets.spec import Count, Spec


class UNet(Spec, frozen=True, extra="forbid"):
    """A U-Net (Ronneberger, Fischer, Brox 2015) that keeps the size of the picture.

    On each of `levels` levels: two 3x3 convolutions, then the mean over 2x2 pixels. At the bottom
    two more. On the way up: nearest-neighbour upsampling by 2, concatenation with what left that
    level on the way down, two 3x3 convolutions. Last a 1x1 convolution. An activation follows
    every 3x3 convolution. Level `i` (from 0; the bottom is `levels`) has `channels * 2**i`
    channels.

    Args:
        shape: Channels, height and width of a state.
        channels: Channels of the uppermost level.
        levels: How often the height and width are halved, and doubled again.
        activation: Activation after each 3x3 convolution: a name, or PyTorch's function or
            module; see `mnemoscope.nets.activations`.
        output_activation: Activation after the last convolution; default: `identity`.
        bias: Whether the convolutions add a bias.
        init: The law of the weights; see `mnemoscope.nets.initialization`.

    Raises:
        MnemoscopeError: a field is misspelled, missing, of the wrong type or out of range, or the
            height or width is not divisible by `2**levels`.

    Example:
        >>> UNet(shape=(1, 8, 8), channels=4, levels=1).parameters_count()
        1657
    """

    kind: Literal["unet"] = Field(default="unet", description="'unet'")
    shape: ImageShape
    channels: Count = Field(default=16, description="a whole number, 1 or more")
    levels: Count = Field(default=2, le=30, description="a whole number, 1 to 30")

    @model_validator(mode="after")
    def _sizes_come_out_even(self) -> "UNet":
        check_halvings(self.shape, self.levels, field="levels")
        return self

    @property
    def last_activation(self) -> str:
        """The activation after the last weight layer."""
        return self.output_activation or "identity"

    def skeleton(self, *, replicas: int = 1) -> "UNetBody":
        """Builds the layers on PyTorch's meta device: shapes without numbers.

        With replicas, the channels of all networks are side by side and do not mix.
        """
        return UNetBody(self, replicas)


class UNetBody(nn.Module):
    """The layers of a U-Net, named as they are passed: `down`, `bottom`, `up`, `output`."""

    def __init__(self, spec: UNet, replicas: int = 1) -> None:
        """Makes the layers without numbers in them."""
        super().__init__()
        self.replicas = replicas
        sizes = [spec.channels * 2**level for level in range(spec.levels + 1)]
        into = [spec.shape[0], *sizes]
        self.down = nn.ModuleList(
            _two_convolutions(spec, into[level], sizes[level], replicas)
            for level in range(spec.levels)
        )
        self.bottom = _two_convolutions(spec, into[-2], sizes[-1], replicas)
        self.up = nn.ModuleList(
            _two_convolutions(spec, sizes[level + 1] + sizes[level], sizes[level], replicas)
            for level in reversed(range(spec.levels))
        )
        self.output = convolution(spec, sizes[0], spec.shape[0], kernel_size=1, replicas=replicas)
        self.output_activation = activation_module(spec.last_activation)
        self.shrink = nn.AvgPool2d(2)
        self.enlarge = nn.Upsample(scale_factor=2, mode="nearest")

    def forward(self, z: Float[Tensor, "n c h w"]) -> Float[Tensor, "n c h w"]:
        """Maps a batch of pictures."""
        passed = []
        for block in self.down:
            z = block(z)
            passed.append(z)
            z = self.shrink(z)
        z = self.bottom(z)
        for block in self.up:
            z = block(self._joined(self.enlarge(z), passed.pop()))
        return self.output_activation(self.output(z))

    def _joined(self, one: Tensor, other: Tensor) -> Tensor:
        """Concatenates the channels of both, replica by replica."""
        parts = [z.unflatten(1, (self.replicas, -1)) for z in (one, other)]
        return torch.cat(parts, dim=2).flatten(1, 2)


def _two_convolutions(spec: UNet, inputs: int, outputs: int, replicas: int) -> nn.Sequential:
    body = nn.Sequential()
    body.add_module("convolution_1", convolution(spec, inputs, outputs, replicas=replicas))
    body.add_module("activation_1", activation_module(spec.activation))
    body.add_module("convolution_2", convolution(spec, outputs, outputs, replicas=replicas))
    body.add_module("activation_2", activation_module(spec.activation))
    return body
