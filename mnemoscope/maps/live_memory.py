"""The memory that a computation takes: each tensor counts from when it is made until it is gone.

What kernels take for themselves while they run is not seen.
"""

import weakref
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves


class TooMuch(RuntimeError):
    """The limit was passed."""


class LiveMemory(TorchDispatchMode):
    """Counts the bytes of the tensors that are alive, and their peak.

    Attributes:
        now: Bytes that are alive.
        peak: The most that ever were.
    """

    def __init__(self, limit: int | None = None) -> None:
        """Counts bytes, and raises `TooMuch` beyond the limit."""
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
        """Calls an operation and counts what it makes."""
        # What was there before, such as weights, is not counted; views of it are no more memory.
        self._count((args, kwargs), new=False)
        made = func(*args, **(kwargs or {}))
        self._count(made, new=True)
        if self._limit is not None and self.now > self._limit:
            raise TooMuch("more than the memory budget")
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


def is_memory(error: BaseException) -> bool:
    """Returns whether memory ran out, or a measurement of it was broken off."""
    words = str(error)
    return isinstance(error, TooMuch | MemoryError | torch.OutOfMemoryError) or (
        "can't allocate memory" in words
    )
