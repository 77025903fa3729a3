"""Where the parameters of R networks lie in one flat tensor.

One tensor after the other, all R rows of each together, so that an optimizer's step is one pass
over one piece of memory and each parameter is still a contiguous `(R, *shape)`.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from jaxtyping import Float
from torch import Tensor

ALIGNMENT = 16
"""Every tensor begins at a multiple of so many entries, as matrix products like it."""


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
        """The layout of stacked parameters."""
        return cls(tuple(tuple(p.shape[1:]) for p in parameters), len(parameters[0]))

    @property
    def size(self) -> int:
        """Entries of the flat tensor."""
        return sum(map(self._room, self.shapes))

    def views(self, flat: Float[Tensor, " size"]) -> list[Float[Tensor, "r *shape"]]:
        """Each parameter `(R, *shape)` as a part of the flat tensor."""
        found, begin = [], 0
        for shape in self.shapes:
            end = begin + self.replicas * math.prod(shape)
            found.append(flat[begin:end].view(self.replicas, *shape))
            begin += self._room(shape)
        return found

    def join(self, parts: Sequence[Float[Tensor, "r *shape"]]) -> Float[Tensor, " size"]:
        """The flat tensor with a copy of these in it, and zeros in the gaps."""
        flat = parts[0].new_zeros(self.size)
        for view, part in zip(self.views(flat), parts, strict=True):
            view.copy_(part)
        return flat

    def spread(self, values: Float[Tensor, " r"]) -> Float[Tensor, " size"]:
        """The flat tensor in which every entry of a network has that network's value."""
        flat = values.new_zeros(self.size)
        for view in self.views(flat):
            view.copy_(values.reshape(-1, *[1] * (view.ndim - 1)))
        return flat

    def _room(self, shape: tuple[int, ...]) -> int:
        entries = self.replicas * math.prod(shape)
        return -(-entries // ALIGNMENT) * ALIGNMENT
