"""The memory that a map takes for one state: to be evaluated, and to be linearized.

What a layer gives lives until the last one that needs it has run; a derivative keeps it longer. So
the peak is measured (`mnemoscope.maps.live_memory`).
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property

import torch
from jaxtyping import Float
from torch import Tensor

from mnemoscope.maps.derivatives import NONE, Choice, Way, choose
from mnemoscope.maps.live_memory import LiveMemory
from mnemoscope.nets.plain import PlainLayer

UNSEEN = 8
"""States that a map which only evaluates is taken to hold at once: what it does is not seen."""


class Footprint(ABC):
    """Bytes that one state takes, in addition to the weights."""

    @property
    @abstractmethod
    def evaluate(self) -> int:
        """At the peak of an evaluation."""

    @property
    @abstractmethod
    def reverse(self) -> int | None:
        """At the peak of linearizing in reverse mode and of a product in either direction.

        None where that does not fit into the limit, or PyTorch cannot do it.
        """

    @property
    def linearize(self) -> int:
        """At the peak of linearizing in whichever mode is used: forward mode carries a tangent."""
        return 3 * self.evaluate if self.reverse is None else self.reverse

    @property
    def choice(self) -> Choice:
        """How PyTorch takes the derivative, where it is PyTorch that does."""
        return NONE


@dataclass(frozen=True)
class PlainFootprint(Footprint):
    """Of fully connected layers, whose activations and slopes are all there is.

    Attributes:
        sizes: Entries of the state and of each layer's output.
        itemsize: Bytes of an entry.
    """

    sizes: tuple[int, ...]
    itemsize: int

    @classmethod
    def of(cls, layers: Sequence[PlainLayer], dtype: torch.dtype) -> "PlainFootprint":
        """Returns that of these layers."""
        sizes = layers[0].weight.shape[1], *(layer.weight.shape[0] for layer in layers)
        return cls(sizes, dtype.itemsize)

    @property
    def evaluate(self) -> int:
        """Two layers and what lies between them."""
        return 3 * max(self.sizes) * self.itemsize

    @property
    def reverse(self) -> int:
        """Each layer's slope and a vector at it."""
        return 2 * sum(self.sizes) * self.itemsize


class BlackBoxFootprint(Footprint):
    """Of a map that only evaluates: what it does is not seen."""

    def __init__(self, entries: int, dtype: torch.dtype) -> None:
        """Estimates it for states of this many entries."""
        self._bytes = UNSEEN * entries * dtype.itemsize

    @property
    def evaluate(self) -> int:
        """`UNSEEN` states."""
        return self._bytes

    @property
    def reverse(self) -> None:
        """There is no derivative."""
        return None


class MeasuredFootprint(Footprint):
    """Of any other map, measured at one state when it is first asked for."""

    def __init__(
        self, f: Callable[[Tensor], Tensor], state: Float[Tensor, "1 *shape"], *, limit: int
    ) -> None:
        """Prepares for it."""
        self._f, self._state, self._limit = f, state, limit
        self._peak = 0

    @property
    def evaluate(self) -> int:
        """Of one evaluation."""
        return self._evaluated

    @property
    def reverse(self) -> int | None:
        """Of one linearization with a product in each direction."""
        way = self.choice.way
        return self._peak if way is not None and way.transposed else None

    @property
    def choice(self) -> Choice:
        """The first way to take the derivative that works within the limit."""
        return self._chosen

    @cached_property
    def _chosen(self) -> Choice:
        return choose(self._f, self._state, tried=self._tried)

    @cached_property
    def _evaluated(self) -> int:
        with torch.no_grad(), LiveMemory() as live:
            self._f(self._state)
        return max(UNSEEN * self._state.numel() * self._state.element_size(), live.peak)

    def _tried(self, way: Way) -> None:
        # Forward mode takes what an evaluation does, which has to fit in any case.
        with LiveMemory(self._limit if way.transposed else None) as live:
            linear = way.make(self._f, self._state)
            linear.jvp(self._state)
            if way.transposed:
                linear.vjp(self._state)
        self._peak = max(self.evaluate, live.peak)
