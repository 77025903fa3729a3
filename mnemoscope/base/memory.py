"""How many states fit into the memory that is free."""

import os

import torch

SHARE = 0.25
"""The share of the free memory that one batch may take; the rest is for the caller."""

SMALLEST_FREE = 256 * 2**20
"""What is taken for free, in bytes, where the system does not tell."""


def free_memory(device: torch.device | str = "cpu") -> int:
    """Returns the free memory of a device (bytes); of the CPU, what the system calls available."""
    device = torch.device(device)
    if device.type == "cuda":
        free, _ = torch.cuda.mem_get_info(device)
        return free
    try:
        with open("/proc/meminfo", encoding="ascii") as lines:
            for line in lines:
                if line.startswith("MemAvailable:"):
                    return int(line.split()[1]) * 1024
    except OSError:
        pass
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 2
    except (AttributeError, ValueError, OSError):
        return SMALLEST_FREE


def free_share(device: torch.device | str = "cpu") -> int:
    """Computes the bytes that one batch may take where no budget is given."""
    return int(SHARE * free_memory(device))


def batch_size_within(
    bytes_per_state: int,
    *,
    device: torch.device | str = "cpu",
    largest: int | None = None,
    budget: int | None = None,
) -> int:
    """Returns the number of states whose working memory fits into the budget, at least 1.

    Args:
        bytes_per_state: Working memory of one state, in bytes.
        device: Where the states live.
        largest: No more than this many, where more would not be faster.
        budget: Bytes (default: `SHARE` of what is free).
    """
    limit = free_share(device) if budget is None else budget
    fitting = max(1, limit // max(1, bytes_per_state))
    return fitting if largest is None else max(1, min(fitting, largest))
