"""Fully connected networks."""

import math
from typing import Literal

from pydantic import Field, model_validator
from torch import nn

from mnemoscope.base.errors import MnemoscopeError
from mnemoscope.nets.activations import activation_module
from mnemoscope.nets.layers import linear
from mnemoscope.nets.spec import Count, Spec


class FullyConnected(Spec, frozen=True, extra="forbid"):
    """A fully connected network: flatten, `depth` weight layers, unflatten.

    With depth 1 it is the single-layer autoencoder `phi(A z + b)` (Radhakrishnan et al.,
    arXiv 1810.10333). With more, the activation is between the weight layers.

    Args:
        shape: The shape of a state.
        width: Units in each hidden layer; one number for all, or a tuple of `depth - 1`.
        depth: Weight layers.
        activation: Activation between the weight layers: a name, or PyTorch's function or
            module; see `mnemoscope.nets.activations`.
        output_activation: Activation after the last weight layer; default: `activation` at depth 1,
            else `identity`.
        bias: Whether the weight layers add a bias. False is the theorems' setting.
        init: The law of the weights; see `mnemoscope.nets.initialization`.

    Raises:
        MnemoscopeError: a field is misspelled, missing, of the wrong type or out of range.

    Example:
        >>> FullyConnected(shape=(1, 8, 8), width=256, depth=8).parameters_count()
        427840
    """

    kind: Literal["fully_connected"] = Field(
        default="fully_connected", description="'fully_connected'"
    )
    width: Count | tuple[Count, ...] = Field(
        default=256,
        description="a whole number, 1 or more, or a tuple of depth - 1 of them",
    )
    depth: Count = Field(default=8, le=10_000, description="a whole number, 1 to 10000")

    @model_validator(mode="after")
    def _one_width_for_each_hidden_layer(self) -> "FullyConnected":
        if isinstance(self.width, tuple) and len(self.width) != self.depth - 1:
            raise MnemoscopeError(
                f"width={self.width} with depth={self.depth}",
                expected=f"{self.depth - 1} widths, one for each hidden layer",
                todo="change `width` or `depth`",
                field="width",
            )
        return self

    @property
    def widths(self) -> tuple[int, ...]:
        """The units of each hidden layer, `depth - 1` of them."""
        if isinstance(self.width, tuple):
            return self.width
        return (self.width,) * (self.depth - 1)

    @property
    def last_activation(self) -> str:
        """The activation after the last weight layer."""
        return self.output_activation or (self.activation if self.depth == 1 else "identity")

    def skeleton(self) -> nn.Sequential:
        """Builds the layers on PyTorch's meta device: shapes without numbers."""
        entries = math.prod(self.shape)
        sizes = [entries, *self.widths, entries]
        body = nn.Sequential()
        body.add_module("flatten", nn.Flatten())
        for i in range(1, self.depth + 1):
            activation = self.last_activation if i == self.depth else self.activation
            body.add_module(f"linear_{i}", linear(self, sizes[i - 1], sizes[i]))
            body.add_module(f"activation_{i}", activation_module(activation))
        body.add_module("unflatten", nn.Unflatten(1, self.shape))
        return body
