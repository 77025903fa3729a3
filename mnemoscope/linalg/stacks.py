"""Spectral radii of many small networks at once, each at states of its own."""

import math
from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor

from mnemoscope.linalg.dense import DENSE_EIGEN_SIZE, spectral_radii
from mnemoscope.memory import batch_size_within
from mnemoscope.nets import FullyConnected, Spec
from mnemoscope.nets.fully_connected_stack import FullyConnectedStack


def has_small_cores(spec: Spec) -> bool:
    """Whether the Jacobians of these networks are best seen from their narrowest layer.

    They are if it has so few units that all eigenvalues of a matrix of its size are found faster
    than the leading one of the whole Jacobian.
    """
    return (
        isinstance(spec, FullyConnected)
        and min([math.prod(spec.shape), *spec.widths]) <= DENSE_EIGEN_SIZE
    )


def stack_spectral_radius(
    spec: FullyConnected,
    parameters: Sequence[Float[Tensor, "r *shape"]],
    Z: Float[Tensor, "r n *shape"],
) -> Float[Tensor, "r n"]:
    """The spectral radius of every network at each of its states.

    From `FullyConnectedStack.cores`: batched products, and the eigenvalues of `r n` matrices of the
    narrowest layer's size. As many networks at once as fit into a quarter of the free memory.

    Args:
        spec: What each of them is built from.
        parameters: `(r, *shape)` each.
        Z: `(r, n, *shape)`, states for each of them.
    """
    sizes = [math.prod(spec.shape), *spec.widths]
    bytes_each = 3 * Z.shape[1] * min(sizes) * max(sizes) * Z.element_size()
    together = batch_size_within(bytes_each, device=Z.device, largest=len(Z))
    found = [
        spectral_radii(FullyConnectedStack(spec, [p[rows] for p in parameters]).cores(Z[rows]))
        for rows in torch.arange(len(Z), device=Z.device).split(together)
    ]
    return torch.cat(found)
