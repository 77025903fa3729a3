"""The order of the examples: which of them each step sees."""

import torch
from jaxtyping import Int
from torch import Tensor

EPOCHS = 64
"""Passes whose orders are drawn at once."""


def orders(n: int, *, seed: int, block: int) -> Int[Tensor, "epochs n"]:
    """The orders of `n` examples in `EPOCHS` passes, drawn from the seed and the block alone.

    Pass `e` is row `e % EPOCHS` of block `e // EPOCHS`. So a training that is resumed at a pass
    sees the same examples in the same order, and so does one of many that are trained at once.
    """
    # The odd multiplier is Knuth's, to keep the streams of neighbouring seeds apart.
    generator = torch.Generator().manual_seed((seed * 2654435761 + block) % 2**63)
    return torch.rand(EPOCHS, n, generator=generator, dtype=torch.float64).argsort(dim=1)


class Order:
    """The orders of the examples for some seeds, pass by pass, on a device.

    Attributes:
        n: Examples.
        seeds: One a training.
    """

    def __init__(self, n: int, seeds: list[int], device: torch.device) -> None:
        self.n, self.seeds = n, seeds
        self._device = device
        self._block, self._drawn = -1, torch.empty(0)

    def epoch(self, number: int) -> Int[Tensor, "r n"]:
        """The order of pass `number`, a row for each seed."""
        block, row = divmod(number, EPOCHS)
        if block != self._block:
            drawn = [orders(self.n, seed=seed, block=block) for seed in self.seeds]
            self._drawn = torch.stack(drawn, dim=1).to(self._device)
            self._block = block
        return self._drawn[row]
