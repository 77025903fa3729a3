"""Spectral radii of many networks of one spec, each at states of its own."""

import math
from collections.abc import Sequence
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from mnemoscope.base.memory import batch_size_within
from mnemoscope.linalg import spectral_radius
from mnemoscope.linalg.dense import DENSE_EIGEN_SIZE, spectral_radii
from mnemoscope.nets import FullyConnected, Spec
from mnemoscope.nets.fully_connected_stack import FullyConnectedStack
from mnemoscope.training.replicas import Replicas


def replica_spectral_radius(
    replicas: Replicas,
    X: Float[Tensor, "n *shape"] | Float[Tensor, "r n *shape"],
    **options: Any,
) -> Float[Tensor, "r n"]:
    """Computes the spectral radius of every network at every state.

    Without options, and where fully connected networks have a layer of few units, all of them at
    once; otherwise one network after the other.

    Args:
        replicas: The networks.
        X: `(n, *shape)`, states for all of them; or `(R, n, *shape)`, for each its own.
        **options: As `mn.spectral_radius` takes them.

    Raises:
        MnemoscopeError: as `mn.spectral_radius`.
    """
    each = replicas.states_of_each(X)
    if has_small_cores(replicas.spec) and not options and len(each[0]):
        assert isinstance(replicas.spec, FullyConnected)
        like = replicas.parameters[0]
        states = torch.stack(list(each)).to(device=like.device, dtype=like.dtype)
        return stack_spectral_radius(replicas.spec, replicas.parameters, states)
    radii = [spectral_radius(net, Z, **options) for net, Z in zip(replicas, each, strict=True)]
    return torch.stack(radii)


def has_small_cores(spec: Spec) -> bool:
    """Decides whether a dense solver at the narrowest layer is faster than a Krylov method."""
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
