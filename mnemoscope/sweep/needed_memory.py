"""The least memory that training needs, computed before anything is trained.

What kernels allocate while they run, and measuring, comes on top: at peak it was two thirds more.
"""

import os
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from mnemoscope.base.errors import MnemoscopeError
from mnemoscope.nets import FullyConnected, Spec
from mnemoscope.nets.layers import MOST_WEIGHTS
from mnemoscope.sweep.configuration import Configuration
from mnemoscope.training import TrainingOptions
from mnemoscope.training.group import FEWEST, WORKING_SET

MAX_MEMORY = 2**46
"""64 TiB, the physical memory that x86-64 addresses by page tables of four levels (bytes). Workers
may have more than the machine that plans, but no machine has more than this."""

_STATE = {"adam": 2, "gradient_descent": 1, "rmsprop": 1}
"""Numbers that an optimizer keeps for each weight; others keep more, but not at the same time."""

_CGROUP = Path("/sys/fs/cgroup/memory.max")


def check_memory(spec: Spec, training: TrainingOptions, examples: int) -> None:
    """Refuses a network that no machine can train, even alone."""
    try:
        weights = weights_count(spec)
        needed = _itemsize(training) * (weights * _copies(training) + examples * _entries(spec))
        if needed <= MAX_MEMORY:
            return
        size = f"{weights:.3g} weights, which take {_tb(needed)} in training"
    except MnemoscopeError:
        size = f"over {MOST_WEIGHTS:.1e} weights in a layer"
    sizes = {
        name: value
        for name in ("width", "depth", "channels", "kernel_size", "levels")
        if (value := getattr(spec, name, None)) is not None
    }
    raise MnemoscopeError(
        f"{', '.join(f'{name}={value}' for name, value in sizes.items())} for states of "
        f"{_entries(spec):,} entries: {size}",
        expected=f"no more, and {_tb(MAX_MEMORY)} of memory, the most that machines have",
        todo=f"lower {' or '.join(f'`{name}`' for name in sizes)}, or choose smaller examples "
        "(`source`, `size`)",
    )


def memory_of_group(runs: Sequence[Configuration]) -> int:
    """Computes the least memory that training runs of one architecture as replicas needs (bytes).

    It holds all weights; for the replicas that are trained at a time what a step needs; the
    examples, and what a pass over them stores in each layer.
    """
    known = runs[0]
    assert known.data.n is not None
    size = _itemsize(known.training)
    weights = weights_count(known.spec)
    together = min(len(runs), max(FEWEST, WORKING_SET // max(1, 4 * size * weights)))
    examples = known.data.n * _entries(known.spec)
    sets = len({run.data_checksum for run in runs})
    batch = known.training.batch_size or known.data.n
    entries = weights * (len(runs) + together * _copies(known.training))
    entries += examples * (together + (len(runs) if sets > 1 else 1))
    entries += 3 * together * batch * _outputs(known.spec)
    return size * entries


def machine_memory() -> int | None:
    """Returns the memory of this machine or container (bytes); None if it is unknown."""
    try:
        found = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, ValueError, OSError):
        return None
    try:
        return min(found, int(_CGROUP.read_text(encoding="ascii")))
    except (OSError, ValueError):
        return found


@lru_cache(maxsize=4096)
def weights_count(spec: Spec) -> int:
    """Counts the weights and biases of a network; a layer that no memory holds is an error."""
    return spec.parameters_count()


@lru_cache(maxsize=4096)
def _outputs(spec: Spec) -> int:
    """Counts the entries of the outputs of all weight layers for one state."""
    if isinstance(spec, FullyConnected):
        return sum(spec.widths) + _entries(spec)
    network = spec.outline()
    found = 0

    def count(layer: nn.Module, given: Any, output: Tensor) -> None:
        nonlocal found
        found += output.numel()

    for module in network.modules():
        if next(module.parameters(recurse=False), None) is not None:
            module.register_forward_hook(count)
    with torch.no_grad():
        network(torch.empty(1, *spec.shape, device="meta"))
    return found


def _copies(training: TrainingOptions) -> int:
    """Counts the numbers for each weight: itself, its gradient, the optimizer's."""
    return 2 + _STATE.get(training.optimizer, 0)


def _itemsize(training: TrainingOptions) -> int:
    return getattr(torch, training.dtype or "float32").itemsize


def _entries(spec: Spec) -> int:
    return torch.Size(spec.shape).numel()


def _tb(count: int) -> str:
    return f"{count / 1e12:,.0f} TB"
