"""Differences near the edge of a map's domain: both of their ends must lie in it.

Between known bounds a base point is moved inwards, each entry by no more than the difference is
long there; that changes a quotient by no more than what curvature over its length does. Where the
edge is not known, because the map raises beyond it, base points are moved towards a state in the
midst of those that the map takes, as little as does.
"""

import torch
from jaxtyping import Float
from torch import Tensor

from mnemoscope.maps.resolution import expanded
from mnemoscope.maps.self_map import SelfMap

SHARES = (1 / 256, 1 / 64, 1 / 16, 1 / 4, 1 / 2)
"""Shares of the way to the middle that are tried, one after another, where the edge is unknown."""


def off_the_edge(
    f: SelfMap, Z: Float[Tensor, "n *shape"], reach: Float[Tensor, "n *shape"]
) -> Float[Tensor, "n *shape"]:
    """Moves states so that differences around them stay in the domain, where that can be had.

    Nothing is evaluated for a map that has never raised.

    Args:
        f: The map, which has been checked.
        Z: `(n, *shape)`, states in its domain.
        reach: `(n, *shape)`, how far a difference goes in each entry, in either direction.
    """
    Z = f.clipped(Z, reach)
    middle = f.findings.centre
    if not f.findings.refused or middle is None or len(Z) == 0:
        return Z
    moved = Z.clone()
    rows = torch.arange(len(Z), device=Z.device)
    for share in (0.0, *SHARES):
        at = Z[rows] + share * (middle.to(Z) - Z[rows])
        outside = torch.zeros(len(rows), dtype=torch.bool, device=Z.device)
        for end in (at + reach[rows], at - reach[rows]):
            found = f.images(end).outside
            outside |= outside if found is None else found
        moved[rows] = torch.where(expanded(~outside, at), at, moved[rows])
        rows = rows[outside]
        if len(rows) == 0:
            break
    return moved
