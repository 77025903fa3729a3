"""The nearest of very many examples to each of some states, in bounded memory.

By `|z - x|^2 = |z|^2 + |x|^2 - 2 z.x` distances are matrix products, in float64 and about the mean
of the states. Examples are read in parts, converted one part at a time, so that no copy of them
exists: they may be integers, or in a file that is mapped into memory. The distance to the nearest
one is that of the difference itself; which one is nearest is decided up to the rounding of the
products, about `sqrt(4 d eps)` times the root mean square of the states (8e-7 for 784 entries).
"""

import torch
from jaxtyping import Bool, Float, Int, Num
from torch import Tensor

from mnemoscope.dynamics.states import rms

PART = 2**22
"""Entries of float64 held at once for examples, and as many for distances (32 MiB each)."""


def nearest_among(
    Z: Float[Tensor, "n *shape"], X: Num[Tensor, "m *shape"], *, other: bool = False
) -> tuple[Int[Tensor, " n"], Float[Tensor, " n"]]:
    """Finds the nearest of many examples to each state: index and distance (RMS, float64).

    Where there is none these are -1 and infinite. With `other`, examples that equal the state (in
    its dtype) are excluded. Time: `n m d` products. Memory: some times `PART` entries of float64,
    and a copy of `Z`.
    """
    index = torch.full((len(Z),), -1, dtype=torch.int64, device=Z.device)
    distance = torch.full((len(Z),), torch.inf, dtype=torch.float64, device=Z.device)
    if len(X) == 0:
        return index, distance
    # mps has no float64.
    on = Z.device if Z.device.type != "mps" else torch.device("cpu")
    entries = Z.shape[1:].numel()
    for rows in torch.arange(len(Z), device=Z.device).split(max(1, PART // entries)):
        states = Z[rows].flatten(1).to(on)
        found = _nearest(states, X, max(1, PART // max(entries, len(states))), other=other)
        index[rows] = found.to(Z.device)
        known = found >= 0
        chosen = X[found[known].to(X.device)].flatten(1).to(states)
        distance[rows[known.to(Z.device)]] = rms(states[known].double() - chosen.double()).to(
            Z.device
        )
    return index, distance


def _nearest(
    states: Float[Tensor, "n d"], X: Num[Tensor, "m *shape"], size: int, *, other: bool
) -> Int[Tensor, " n"]:
    """Returns the index of the nearest of the examples, which are read in parts of `size`."""
    middle = states.double().mean(0)
    z = states.double() - middle
    squares = z.square().sum(1, keepdim=True)
    index = torch.full((len(z),), -1, dtype=torch.int64, device=z.device)
    best = torch.full((len(z),), torch.inf, dtype=torch.float64, device=z.device)
    for begin in range(0, len(X), size):
        part = X[begin : begin + size].flatten(1).to(states)
        x = part.double() - middle
        lengths = squares + x.square().sum(1)
        apart = torch.addmm(lengths, z, x.T, alpha=-2)
        if other:
            # What is further apart than products round is not equal.
            near = apart <= 4 * z.shape[1] * torch.finfo(torch.float64).eps * lengths
            apart[_equal(states, part, near)] = torch.inf
        least, place = apart.min(1)
        nearer = least < best
        best = torch.where(nearer, least, best)
        index = torch.where(nearer, place + begin, index)
    return index


def _equal(
    states: Float[Tensor, "n d"], part: Float[Tensor, "b d"], near: Bool[Tensor, "n b"]
) -> Bool[Tensor, "n b"]:
    """Selects the pairs of a state and an example that are equal, among those that may be."""
    equal = torch.zeros_like(near)
    for pairs in near.nonzero().split(max(1, PART // states.shape[1])):
        row, column = pairs.T
        equal[row, column] = (states[row] == part[column]).all(1)
    return equal
