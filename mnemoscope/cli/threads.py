"""How many threads a command computes on."""

from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def one_thread() -> Iterator[None]:
    """Inside, PyTorch computes on one thread.

    A step of a small network is so short that a second thread gains nothing, and loses much where
    something else wants its core: every step then waits for it.
    """
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)
