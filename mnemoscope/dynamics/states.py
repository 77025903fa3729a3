"""Batches of states: their size, what is nearest to them, choices between them."""

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor


def rms(Z: Float[Tensor, "n *shape"]) -> Float[Tensor, " n"]:
    """The root mean square of each state."""
    return torch.linalg.vector_norm(Z.flatten(1), dim=1) / Z.shape[1:].numel() ** 0.5


def expand(mask: Bool[Tensor, " n"], Z: Float[Tensor, "n *shape"]) -> Bool[Tensor, "n *ones"]:
    """The mask with as many axes as `Z`, to choose between states."""
    return mask.reshape(-1, *[1] * (Z.ndim - 1))


def nearest(
    Z: Float[Tensor, "n *shape"], states: Float[Tensor, "s *shape"], *, chunk: int = 4096
) -> tuple[Int[Tensor, " n"], Float[Tensor, " n"]]:
    """The nearest of some states to each of `Z`: its index, and its distance (RMS).

    The index comes from matrix products, the distance from the difference itself, since the former
    lose half the digits of small distances. With no states: index -1, distance infinite.
    """
    if len(states) == 0:
        return (
            torch.full((len(Z),), -1, dtype=torch.int64, device=Z.device),
            Z.new_full((len(Z),), torch.inf),
        )
    flat = states.flatten(1)
    indices, distances = [], []
    for part in Z.flatten(1).split(chunk):
        index = torch.cdist(part, flat).argmin(1)
        indices.append(index)
        distances.append(rms(part - flat[index]))
    return torch.cat(indices), torch.cat(distances)


def group_within(
    Z: Float[Tensor, "n *shape"], radius: float
) -> tuple[Int[Tensor, " n"], Int[Tensor, " g"]]:
    """Groups states around leaders: each within `radius` (RMS) of its group's first state.

    Returns:
        `(n,)` the group of each state, and `(g,)` the index of each group's leader.
    """
    group = torch.full((len(Z),), -1, dtype=torch.int64, device=Z.device)
    leaders = []
    open_ = torch.arange(len(Z), device=Z.device)
    while len(open_):
        leader = open_[0]
        near = rms(Z[open_] - Z[leader]) <= radius
        near[0] = True
        group[open_[near]] = len(leaders)
        leaders.append(leader)
        open_ = open_[~near]
    return group, torch.stack(leaders) if leaders else open_
