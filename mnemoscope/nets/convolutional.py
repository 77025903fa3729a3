"""Convolutional networks: plain stacks, and stacks that go down in size and up again."""

from typing import Literal

from pydantic import Field, model_validator
from torch import nn

from mnemoscope.base.errors import MnemoscopeError
from mnemoscope.nets.activations import activation_module
from mnemoscope.nets.images import ImageShape, check_halvings
from mnemoscope.nets.layers import convolution
from mnemoscope.nets.spec import Count, Spec, Whole


class Convolutional(Spec, frozen=True, extra="forbid"):
    """A stack of convolutions with zero padding.

    With `downsample=0` every layer keeps the height and width; `channels=1,
    activation="identity", bias=False` is then the linear network of the depth theorem
    (Radhakrishnan et al., arXiv 1810.10333). With `downsample=k` the first `k`
    convolutions have stride 2 and the last `k` are each preceded by nearest-neighbour upsampling
    by 2.

    Args:
        shape: Channels, height and width of a state.
        channels: Channels of each hidden layer.
        depth: Convolutions.
        kernel_size: Height and width of the kernels, in pixels; odd.
        activation: Stands between the convolutions; see `mnemoscope.nets.activations`.
        output_activation: Stands after the last convolution. None means `activation` at depth 1
            and `identity` otherwise.
        downsample: How often the height and width are halved, and doubled again.
        bias: Whether the convolutions add a bias.
        init: The law of the weights; see `mnemoscope.nets.initialization`.

    Raises:
        MnemoscopeError: a field is misspelled, missing, of the wrong type or out of range; the
            depth is below `2 * downsample`; or the height or width cannot be halved that often.

    Example:
        >>> Convolutional(shape=(1, 8, 8), channels=1, depth=2, bias=False).parameters_count()
        18
    """

    kind: Literal["convolutional"] = Field(default="convolutional", description="'convolutional'")
    shape: ImageShape
    channels: Count = Field(default=16, description="a whole number, 1 or more")
    depth: Count = Field(default=8, le=10_000, description="a whole number, 1 to 10000")
    kernel_size: Count = Field(default=3, le=9_999, description="an odd whole number, 1 to 9999")
    downsample: Whole = Field(default=0, le=30, description="a whole number, 0 to 30")

    @model_validator(mode="after")
    def _sizes_come_out_even(self) -> "Convolutional":
        if self.kernel_size % 2 == 0:
            raise MnemoscopeError(
                f"kernel_size={self.kernel_size}",
                expected="an odd whole number",
                todo=f"use {self.kernel_size - 1} or {self.kernel_size + 1}",
                field="kernel_size",
            )
        if self.depth < 2 * self.downsample:
            raise MnemoscopeError(
                f"depth={self.depth} with downsample={self.downsample}",
                expected=f"a depth of {2 * self.downsample} or more, a convolution for each "
                "halving and each doubling",
                todo="raise `depth` or lower `downsample`",
            )
        check_halvings(self.shape, self.downsample, field="downsample")
        return self

    @property
    def last_activation(self) -> str:
        """The activation that stands after the last weight layer."""
        return self.output_activation or (self.activation if self.depth == 1 else "identity")

    def skeleton(self, *, replicas: int = 1) -> nn.Sequential:
        """The layers that map a batch, on PyTorch's meta device: shapes without numbers.

        With replicas the channels of so many networks stand side by side and do not mix.
        """
        sizes = [self.shape[0], *[self.channels] * (self.depth - 1), self.shape[0]]
        body = nn.Sequential()
        for i in range(1, self.depth + 1):
            down, up = i <= self.downsample, i > self.depth - self.downsample
            if up:
                body.add_module(f"upsample_{i}", nn.Upsample(scale_factor=2, mode="nearest"))
            layer = convolution(
                self,
                sizes[i - 1],
                sizes[i],
                kernel_size=self.kernel_size,
                stride=2 if down else 1,
                replicas=replicas,
            )
            activation = self.last_activation if i == self.depth else self.activation
            body.add_module(f"convolution_{i}", layer)
            body.add_module(f"activation_{i}", activation_module(activation))
        return body
