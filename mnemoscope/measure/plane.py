"""Basins on the plane through three examples."""

from dataclasses import dataclass

import polars as pl
import torch
from jaxtyping import Float, Int
from torch import Tensor

from mnemoscope.dynamics.atlas import Atlas
from mnemoscope.dynamics.census import survey
from mnemoscope.dynamics.starts import block_size
from mnemoscope.measure.examples import Examined
from mnemoscope.measure.subject import Subject
from mnemoscope.results.summary import Plane
from mnemoscope.results.tables import PLANE

SIDE = 41
"""Starts along each side of the map."""

MARGIN = 0.35
"""How far the map goes beyond the three examples, as a share of their extent."""


@dataclass(frozen=True)
class BasinPlane:
    """Where starts on a plane end.

    Attributes:
        table: A row for each start: `PLANE`, with `u` and `v` RMS, in units.
        place: Which examples span the plane and where on it they lie.
    """

    table: pl.DataFrame
    place: Plane


def three_examples(X: Float[Tensor, "n *shape"], examined: Examined) -> Int[Tensor, " 3"] | None:
    """Stored examples first, no two of one attractor; None if there are fewer than three."""
    order = (~examined.stored).to(torch.int64).argsort(stable=True)
    chosen: list[int] = []
    taken: set[int] = set()
    for i in order.tolist():
        label = int(examined.attractor[i]) if examined.stored[i] else -1
        if label < 0 or label not in taken:
            chosen.append(i)
            taken.add(label)
        if len(chosen) == 3:
            return torch.tensor(chosen)
    return None


def map_plane(
    subject: Subject, three: Int[Tensor, " 3"], atlas: Atlas
) -> tuple[Atlas, BasinPlane | None]:
    """Iterates from a grid on the plane through three examples; None if they lie on a line.

    The first example is the origin, the second lies on the first axis.
    """
    f, X = subject.f, subject.X
    a, b, c = X[three].flatten(1).double()
    scale = f.unit * a.numel() ** 0.5
    along = (b - a) / torch.linalg.vector_norm(b - a).clamp_min(1e-12 * scale)
    across = (c - a) - along * (along @ (c - a))
    height = torch.linalg.vector_norm(across)
    if float(torch.linalg.vector_norm(b - a)) < 1e-9 * scale or float(height) < 1e-6 * scale:
        return atlas, None
    across = across / height
    points = (
        (0.0, 0.0),
        (float(along @ (b - a)) / scale, 0.0),
        (float(along @ (c - a)) / scale, float(height) / scale),
    )
    u, v = (_axis([p[axis] for p in points]) for axis in (0, 1))
    grid = torch.cartesian_prod(u, v).to(X.device)
    found = []
    for part in grid.split(block_size(f.size)):
        starts = a + scale * (part[:, :1] * along + part[:, 1:] * across)
        starts = f.batch(starts.reshape(-1, *X.shape[1:]))
        atlas, labels, _ = survey(f, starts, atlas, **subject.orbits)
        found.append(labels)
    table = pl.DataFrame(
        {
            "u": grid[:, 0].tolist(),
            "v": grid[:, 1].tolist(),
            "attractor": torch.cat(found).tolist(),
        },
        schema=PLANE,
    )
    return atlas, BasinPlane(table, Plane(examples=tuple(three.tolist()), points=points))


def _axis(coordinates: list[float]) -> Tensor:
    low, high = min(coordinates), max(coordinates)
    margin = MARGIN * (high - low)
    return torch.linspace(low - margin, high + margin, SIDE, dtype=torch.float64)
