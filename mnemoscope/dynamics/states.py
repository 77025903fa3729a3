"""Batches of states: their size, nearest neighbours, groups."""

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

FEW = 64
"""Largest batch in which equal states are not searched for before grouping."""

LINES = 8
"""Random lines on which states are separated before they are compared."""

FEW_PIECES = 4
"""Number of pieces up to which a cut is not worth its sorts: the states are one cloud."""

BLOCK = 64
"""States of a cloud among which leaders are found at once."""


def rms(Z: Float[Tensor, "n *shape"]) -> Float[Tensor, " n"]:
    """Returns the root mean square of each state."""
    return torch.linalg.vector_norm(Z.flatten(1), dim=1) / Z.shape[1:].numel() ** 0.5


def expand(mask: Bool[Tensor, " n"], Z: Float[Tensor, "n *shape"]) -> Bool[Tensor, "n *ones"]:
    """Returns the mask with as many axes as `Z`, to choose between states."""
    return mask.reshape(-1, *[1] * (Z.ndim - 1))


def nearest(
    Z: Float[Tensor, "n *shape"], states: Float[Tensor, "s *shape"], *, chunk: int = 4096
) -> tuple[Int[Tensor, " n"], Float[Tensor, " n"]]:
    """Returns the nearest of some states to each of `Z`: its index, and its distance (RMS).

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
    """Groups states around leaders: each within `radius` (RMS) of its group's leader.

    States that near are as near, or nearer, on any line. So they are sorted by where they fall on
    some random ones and cut where a gap is wider; each piece is compared with its first state, and
    what is too far from it is cut again: a few sorts and passes instead of all pairs. A cloud
    without gaps is compared with the leaders among its first states. Returns the group of each
    state, and the index of each group's leader, rising.

    The result is that of Hartigan's leader algorithm (Clustering Algorithms, 1975, chapter 3): in
    their order, each state joins the first leader that is near, or becomes one.
    """
    n, flat = len(Z), Z.flatten(1)
    leader = torch.arange(n, device=Z.device)
    if n == 0:
        return leader, leader
    lines = torch.randn(LINES, flat.shape[1], generator=torch.Generator().manual_seed(0)).to(flat)
    lines = lines / torch.linalg.vector_norm(lines, dim=1, keepdim=True)
    places = flat @ lines.T
    # Allows for rounding of a place.
    slack = 4 * torch.finfo(flat.dtype).eps * torch.linalg.vector_norm(flat, dim=1).amax()
    widest = radius * flat.shape[1] ** 0.5 + slack
    original = _originals(flat, places)
    open_ = (original == leader).nonzero()[:, 0]
    while len(open_):
        piece = torch.zeros_like(open_)
        for place in places[open_].T:
            piece = _cut(piece, place, widest)
        count = int(piece.max()) + 1
        first = torch.full((count,), n, dtype=torch.int64, device=Z.device)
        first.scatter_reduce_(0, piece, open_, "amin")
        own = first[piece]
        near = rms(flat[open_] - flat[own]) <= radius
        near |= own == open_
        leader[open_[near]] = own[near]
        open_ = open_[~near]
        if count <= FEW_PIECES and len(open_):
            first = _first_leader(flat[open_], radius)
            found = first >= 0
            leader[open_[found]] = open_[first[found]]
            open_ = open_[~found]
    leaders, group = leader[original].unique(return_inverse=True)
    return group, leaders


def _first_leader(flat: Float[Tensor, "n d"], radius: float) -> Int[Tensor, " n"]:
    """Returns the first near leader of each state, among those of the first block, or -1."""
    block = flat[:BLOCK]
    among = _distances(block, block) <= radius
    leads = torch.zeros(len(block), dtype=torch.bool, device=flat.device)
    for row in range(len(block)):
        leads[row] = ~(among[row] & leads).any()
    leaders = leads.nonzero()[:, 0]
    near = _distances(flat, block[leaders]) <= radius
    first = torch.where(near.any(1), leaders[near.byte().argmax(1)], -1)
    first[leaders] = leaders
    return first


def _distances(a: Float[Tensor, "n d"], b: Float[Tensor, "m d"]) -> Float[Tensor, "n m"]:
    """Returns the distances (RMS), from differences: matrix products lose half the digits."""
    apart = torch.cdist(a, b, compute_mode="donot_use_mm_for_euclid_dist")
    return apart / a.shape[1] ** 0.5


def _originals(flat: Float[Tensor, "n d"], places: Float[Tensor, "n l"]) -> Int[Tensor, " n"]:
    """Returns the first state that each is equal to, as a rule itself."""
    rows = torch.arange(len(flat), device=flat.device)
    if len(flat) <= FEW:
        return rows
    values, own = places[:, 0].unique(return_inverse=True)
    if len(values) > len(flat) // 2:
        return rows  # Hardly any are.
    first = torch.full_like(own[: len(values)], len(flat))
    first.scatter_reduce_(0, own, rows, "amin")
    equal = (flat == flat[first[own]]).all(1)
    return torch.where(equal, first[own], rows)


def _cut(piece: Int[Tensor, " n"], place: Float[Tensor, " n"], widest: Tensor) -> Int[Tensor, " n"]:
    """Returns the pieces, cut further wherever there is a gap between two places."""
    order = place.argsort(stable=True)
    order = order[piece[order].argsort(stable=True)]
    new = (piece[order].diff() > 0) | (place[order].diff() > widest)
    finer = torch.zeros_like(piece)
    finer[order[1:]] = new.cumsum(0)
    return finer
