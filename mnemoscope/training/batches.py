"""The order of the examples: which of them each step sees."""

import torch
from jaxtyping import Int
from torch import Tensor


def epoch_batches(
    n: int, batch_size: int, *, seed: int, epoch: int
) -> tuple[Int[Tensor, " b"], ...]:
    """The mini-batches of one pass over the examples, shuffled from the seed and the epoch alone.

    So a training that is resumed at an epoch sees the same examples in the same order.
    """
    # The odd multiplier is Knuth's, to keep the streams of neighbouring seeds apart.
    generator = torch.Generator().manual_seed((seed * 2654435761 + epoch) % 2**63)
    return torch.randperm(n, generator=generator).split(batch_size)
