"""Where the parameters of R networks lie in one flat tensor.

Each parameter is a contiguous `(R, *shape)`: the matrices one after the other, then all vectors. An
optimizer takes each matrix by itself and the vectors as one piece. It then splits a piece among
the threads where batched products split their batch, at the rows: a weight stays with the core that
computed its gradient. Cut elsewhere, a step took up to three times as long.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

from jaxtyping import Float
from torch import Tensor

ALIGNMENT = 16
"""Every tensor begins at a multiple of this many entries, which makes matrix products fast."""


@dataclass(frozen=True)
class Layout:
    """The shapes of one network's parameters, and how many networks there are.

    Attributes:
        shapes: Of each parameter of one network.
        replicas: The number of networks, R.
    """

    shapes: tuple[tuple[int, ...], ...]
    replicas: int

    @classmethod
    def of(cls, parameters: Sequence[Float[Tensor, "r *shape"]]) -> "Layout":
        """Returns the layout of stacked parameters."""
        return cls(tuple(tuple(p.shape[1:]) for p in parameters), len(parameters[0]))

    @cached_property
    def size(self) -> int:
        """Entries of the flat tensor."""
        return sum(map(self._room, self.shapes))

    def views(self, flat: Float[Tensor, " size"]) -> list[Float[Tensor, "r *shape"]]:
        """Returns each parameter `(R, *shape)` as a part of the flat tensor."""
        return [
            flat[begin : begin + self._entries(shape)].view(self.replicas, *shape)
            for begin, shape in zip(self._begins, self.shapes, strict=True)
        ]

    def pieces(self, flat: Float[Tensor, " size"]) -> list[Float[Tensor, " piece"]]:
        """Splits the tensor into an optimizer's pieces: each matrix, and all vectors as one."""
        bounds = [
            (begin, begin + self._entries(shape))
            for begin, shape in zip(self._begins, self.shapes, strict=True)
            if len(shape) > 1
        ]
        matrices = sum(self._room(shape) for shape in self.shapes if len(shape) > 1)
        if matrices < self.size:
            bounds.append((matrices, self.size))
        return [flat[begin:end] for begin, end in bounds]

    def join(self, parts: Sequence[Float[Tensor, "r *shape"]]) -> Float[Tensor, " size"]:
        """Returns the flat tensor with a copy of these in it, and zeros in the gaps."""
        flat = parts[0].new_zeros(self.size)
        for view, part in zip(self.views(flat), parts, strict=True):
            view.copy_(part)
        return flat

    def spread(self, values: Float[Tensor, " r"]) -> Float[Tensor, " size"]:
        """Returns the flat tensor in which every entry of a network has that network's value."""
        flat = values.new_zeros(self.size)
        for view in self.views(flat):
            view.copy_(values.reshape(-1, *[1] * (view.ndim - 1)))
        return flat

    @cached_property
    def _begins(self) -> list[int]:
        begins, begin = [0] * len(self.shapes), 0
        for i in sorted(range(len(self.shapes)), key=lambda i: len(self.shapes[i]) < 2):
            begins[i] = begin
            begin += self._room(self.shapes[i])
        return begins

    def _entries(self, shape: tuple[int, ...]) -> int:
        return self.replicas * math.prod(shape)

    def _room(self, shape: tuple[int, ...]) -> int:
        return -(-self._entries(shape) // ALIGNMENT) * ALIGNMENT
