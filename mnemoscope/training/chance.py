"""The random draws of a network's layers (dropout), from the training's seed."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import torch


@contextmanager
def seeded(seed: int, turn: int, device: torch.device) -> Iterator[None]:
    """Makes layers draw from the seed and the turn alone, and restores the generators afterwards.

    Layers draw from PyTorch's global generators. A training that is resumed at a turn draws the
    same numbers.
    """
    number = (seed * 2654435761 + turn) % 2**63
    on_gpu = device.type == "cuda"
    with torch.random.fork_rng([device] if on_gpu else []):
        torch.default_generator.manual_seed(number)
        if on_gpu:
            with torch.cuda.device(device):
                torch.cuda.manual_seed(number)
        yield


def rewinder(device: torch.device) -> Callable[[], None]:
    """Returns a function that restores the present state of PyTorch's generators.

    Between two calls of it layers draw the same numbers, so that losses can be compared.
    """
    on_gpu = device.type == "cuda"
    here = torch.default_generator.get_state()
    there = torch.cuda.get_rng_state(device) if on_gpu else None

    def rewind() -> None:
        torch.default_generator.set_state(here)
        if there is not None:
            torch.cuda.set_rng_state(there, device)

    return rewind
