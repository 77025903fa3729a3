"""All training examples, which may be many: read in parts, never copied whole."""

from collections.abc import Iterator

import torch
from jaxtyping import Float, Num
from torch import Tensor

from mnemoscope.base.errors import MnemoscopeError
from mnemoscope.maps import SelfMap

PART = 2**22
"""Entries read at once."""


def parts(
    f: SelfMap, X: Num[Tensor, "n *shape"], size: int
) -> Iterator[tuple[int, Float[Tensor, "b *shape"]]]:
    """Yields the examples in parts, as states of the map, each with the index of its first."""
    for begin in range(0, len(X), size):
        yield begin, f.batch(X[begin : begin + size])


def at_once(f: SelfMap) -> int:
    """The number of examples that are read at once where nothing is evaluated, at least 1."""
    return max(1, PART // f.size)


def check_whole_set(f: SelfMap, X: Num[Tensor, "n *shape"]) -> None:
    """Refuses examples that are no states of the map, none at all, or not all finite.

    Raises:
        MnemoscopeError: they are, with the index of the first entry that is not finite.
    """
    f.batch(X[:1])
    if len(X) == 0:
        raise MnemoscopeError(
            f"the examples of shape {tuple(X.shape)}", expected="at least one", todo="pass some"
        )
    for begin, part in parts(f, X, at_once(f)):
        if not bool(torch.isfinite(part).all()):
            where = (~torch.isfinite(part)).nonzero()[0].tolist()
            raise MnemoscopeError(
                f"NaN or infinity in the examples at index {[where[0] + begin, *where[1:]]}",
                expected=f"finite numbers within the range of {f.dtype}",
                todo="mend or leave out that example",
            )
