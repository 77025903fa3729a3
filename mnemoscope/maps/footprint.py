"""The memory that a map takes for one state: to be evaluated, and to be linearized.

What a layer gives lives until the last one that needs it has run; a derivative keeps it longer. So
the peak is measured: every tensor that PyTorch makes is counted from when it is made until it is
gone. What kernels take for themselves while they run is not seen.
"""

import weakref
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from mnemoscope.errors import MnemoscopeError
from mnemoscope.maps.linearization import AutogradLinearization
from mnemoscope.nets.plain import PlainLayer

UNSEEN = 8
"""States that a map which only evaluates is taken to hold at once: what it does is not seen."""


class Footprint(ABC):
    """Bytes that one state takes, beside the weights."""

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
        """That of these layers."""
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
        """For states of so many entries."""
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
        """Prepares for it.

        Args:
            f: The map, in eval mode when it is asked.
            state: `(1, *shape)`.
            limit: Bytes at which linearizing is given up.
        """
        self._f, self._state, self._limit = f, state, limit

    @property
    def evaluate(self) -> int:
        """Of one evaluation."""
        return self._evaluated

    @property
    def reverse(self) -> int | None:
        """Of one linearization with a product in each direction."""
        return self._linearized

    @cached_property
    def _evaluated(self) -> int:
        with torch.no_grad(), _Live() as live:
            self._f(self._state)
        return max(UNSEEN * self._state.numel() * self._state.element_size(), live.peak)

    @cached_property
    def _linearized(self) -> int | None:
        try:
            with _Live(self._limit) as live:
                linear = AutogradLinearization(self._f, self._state)
                linear.jvp(self._state)
                linear.vjp(self._state)
        # Among others PyTorch's for an operation that it cannot differentiate twice.
        except (TooMuch, RuntimeError, MnemoscopeError):
            return None
        return max(self.evaluate, live.peak)


class TooMuch(RuntimeError):
    """The limit was passed."""


class _Live(TorchDispatchMode):
    """Counts the bytes of the tensors that are alive, and their peak."""

    def __init__(self, limit: int | None = None) -> None:
        super().__init__()
        self.now = self.peak = 0
        self._limit = limit
        self._known: set[int] = set()

    def __torch_dispatch__(
        self,
        func: Any,
        types: Any,
        args: tuple[Any, ...] = (),
        kwargs: dict[str, Any] | None = None,
    ) -> Any:
        # What was there before, such as weights, is not counted; views of it are no more memory.
        self._count((args, kwargs), new=False)
        made = func(*args, **(kwargs or {}))
        self._count(made, new=True)
        if self._limit is not None and self.now > self._limit:
            raise TooMuch
        return made

    def _count(self, tensors: Any, *, new: bool) -> None:
        for leaf in tree_leaves(tensors):
            if not isinstance(leaf, Tensor):
                continue
            storage = leaf.untyped_storage()
            key, size = storage._cdata, storage.nbytes() if new else 0
            if key not in self._known:
                self._known.add(key)
                self.now += size
                weakref.finalize(storage, self._gone, key, size)
        self.peak = max(self.peak, self.now)

    def _gone(self, key: int, size: int) -> None:
        self._known.discard(key)
        self.now -= size
