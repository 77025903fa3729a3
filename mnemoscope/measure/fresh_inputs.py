"""What a map makes of fresh inputs: held against the span of the examples."""

import torch
from jaxtyping import Float
from torch import Tensor

from mnemoscope.dynamics.starts import Range, Starts
from mnemoscope.maps import SelfMap

INPUTS = 256
"""Fresh uniform inputs."""

ENTRIES = 2**22
"""Entries of these inputs, 16 MiB of float32: states of more than 16,384 entries have fewer, since
their images are held in float64 for the ranks."""

FEWEST = 16
"""Fresh inputs of the largest states: a median of fewer says little."""


def images_of_fresh_inputs(f: SelfMap, span: Range, seed: int) -> Float[Tensor, "h *shape"]:
    """Evaluates the map at uniform inputs within the range of the data and its own domain."""
    count = max(FEWEST, min(INPUTS, ENTRIES // f.size))
    blocks = Starts("uniform", count, span, seed).blocks(f.shape, dtype=f.dtype, device=f.device)
    return torch.cat([f(f.clipped(block)) for block in blocks])
