"""How many kinds have not been seen: Chao's estimate."""

from jaxtyping import Int
from torch import Tensor


def chao(counts: Int[Tensor, " m"]) -> float:
    """A lower bound, in expectation, for the number of kinds that no sample was of.

    `f1 (f1 - 1) / (2 (f2 + 1))` with `f1` kinds seen once and `f2` seen twice (A. Chao, Scand. J.
    Statist. 11, 1984; the form without bias).

    Args:
        counts: `(m,)`, how often each kind was seen.

    Example:
        >>> import torch
        >>> chao(torch.tensor([9, 1, 1, 1, 2]))
        1.5
    """
    once, twice = int((counts == 1).sum()), int((counts == 2).sum())
    return once * (once - 1) / (2 * (twice + 1))
