"""`find_fixed_points`: all fixed points that searches from given starts lead to, of every kind."""

from dataclasses import dataclass

import polars as pl
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from mnemoscope.base.check import real_number, whole_number
from mnemoscope.base.memory import batch_size_within
from mnemoscope.base.tables import frame_of, table_html
from mnemoscope.data.given import given_examples
from mnemoscope.dynamics.anderson import MEMORY, Mixing
from mnemoscope.dynamics.catalogue import Catalogue
from mnemoscope.dynamics.descent import descend
from mnemoscope.dynamics.fixed_points import refine
from mnemoscope.dynamics.sources import Sources
from mnemoscope.dynamics.stability import stability
from mnemoscope.dynamics.states import group_within, rms
from mnemoscope.maps import SelfMap, check_values, image_space
from mnemoscope.maps.self_map import Stage, as_self_map, in_unit_of_starts

BATCH = 1024
"""Searches under way at once, memory permitting."""

STRAGGLERS = 0.25
"""When no more than this share of a batch is under way, new searches join it."""

FEW = 32
"""Searches that are waited for until the last: this number costs hardly more than one."""

DESCENTS = 32
"""Starts from which descent is tried where mixing has come to nothing at all."""

REACH = 0.3
"""The longest step of a search, in spreads of the points found."""


@dataclass(frozen=True)
class FixedPoints:
    """The fixed points that a search came to, the one that most starts led to first.

    Attributes:
        points: `(m, *shape)`, as exact as the dtype allows.
        residual: `(m,)`, root mean square of `f(z) - z` there, in units.
        spectral_radius: `(m,)`, of the Jacobian there.
        attracting: `(m,)`, whether that is below 1 by more than its own residual and rounding.
        labels: `(n,)`, the point that the search from each start ended at; -1 for none.
        count: `(m,)`, number of starts that led to each; 0 for one found from other points.
        unseen: Chao's estimate of the number of isolated fixed points that were not found.
        degree: The sum of the signs of `det(1 - J)` at the points. If `f` grows less than linearly,
            it is 1 where none is missing (Lefschetz, Hopf); another number means that some are.
    """

    points: Float[Tensor, "m *shape"]
    residual: Float[Tensor, " m"]
    spectral_radius: Float[Tensor, " m"]
    attracting: Bool[Tensor, " m"]
    labels: Int[Tensor, " n"]
    count: Int[Tensor, " m"]
    unseen: float
    degree: int

    def to_frame(self) -> pl.DataFrame:
        """Returns a row for each fixed point."""
        names = ("residual", "spectral_radius", "attracting", "count")
        return frame_of({name: getattr(self, name) for name in names})

    def _repr_html_(self) -> str:
        title = f"{len(self.points):,} fixed points, {int(self.attracting.sum()):,} attracting"
        return table_html(title, self.to_frame())


def find_fixed_points(
    f: Stage | SelfMap,
    Z: Float[Tensor, "n *shape"],
    *,
    tol: float = 1e-5,
    resolution: float = 1e-3,
    max_steps: int = 80,
    batch_size: int | None = None,
) -> FixedPoints:
    """Finds the fixed points of `f`, those that attract and those that do not.

    Searches use Anderson's mixing (`mnemoscope.dynamics.anderson`), which needs tens of values of
    `f` instead of the thousands of gradients of descent on `|f(z) - z|^2` (Sussillo & Barak, Neural
    Computation 25, 2013); they begin at `f(Z)` and then around and between the points found
    (`mnemoscope.dynamics.sources`). Where mixing finds nothing at all, Gauss-Newton descent is
    tried from a few starts (`mnemoscope.dynamics.descent`). Each end is refined by Newton-Krylov.
    Fixed points that are not isolated do not attract; up to 4096 of them are returned.

    Args:
        f: A self-map, or a network or callable to make one from.
        Z: `(n, *shape)`, the starts.
        tol: Residual (RMS, in units) at which a search ends and its end is refined.
        resolution: Points nearer to each other than this (RMS, in units) count as one.
        max_steps: Values of `f` after which a search is given up.
        batch_size: Searches under way at once (default: at most 1024, as memory allows).

    Raises:
        MnemoscopeError: `Z` is not a batch of states, or an option is out of range.

    Example:
        >>> Z = torch.linspace(-2, 2, 10)[:, None]
        >>> found = find_fixed_points(lambda z: torch.tanh(2 * z), Z)
        >>> (found.points[:, 0].sort().values + 0).round(decimals=4).abs()
        tensor([0.9575, 0.0000, 0.9575])
        >>> int(found.attracting.sum())
        2
    """
    Z = given_examples(Z)
    f = as_self_map(f, Z.shape[1:])
    Z = f.batch(Z)
    f = in_unit_of_starts(f, Z)
    real_number("tol", tol, above=0)
    real_number("resolution", resolution, above=0)
    whole_number("max_steps", max_steps, least=1)
    check_values(f, Z)
    with f.evaluating():
        space = image_space(f)
        catalogue, sources, labels = _explore(
            f if space is None else space.map,
            f(Z) if space is None else space.image(Z),
            # Neither residuals nor distances mean anything below the steps of the values.
            tol=max(tol, f.resolution.spacing / f.unit),
            resolution=max(resolution, 2 * f.resolution.spacing / f.unit),
            max_steps=max_steps,
            batch_size=batch_size,
        )
        points = catalogue.points
        if space is not None:
            points, labels = _verified(f, space.states(points), labels, resolution)
        return _described(f, points, labels, sources)


def _described(f: SelfMap, points: Tensor, labels: Tensor, sources: Sources) -> FixedPoints:
    """Returns the points with their stability, those reached from the most starts first."""
    radius, attracts = stability(f, points)
    if not f.resolution.smooth:
        kept, labels = _one_of_each(f, points, radius, labels)
        points, radius, attracts = points[kept], radius[kept], attracts[kept]
    residual = f.residual(points)
    count = torch.bincount(labels[labels >= 0], minlength=len(points))
    order = count.argsort(descending=True, stable=True)
    rank = torch.full((len(points) + 1,), -1, dtype=torch.int64, device=f.device)
    rank[order] = torch.arange(len(order), device=f.device)
    return FixedPoints(
        points=points[order],
        residual=residual[order],
        spectral_radius=radius[order],
        attracting=attracts[order],
        labels=rank[labels],
        count=count[order],
        unseen=sources.unseen,
        degree=sources.degree,
    )


def _explore(
    f: SelfMap,
    Z: Tensor,
    *,
    tol: float,
    resolution: float,
    max_steps: int,
    batch_size: int | None,
) -> tuple[Catalogue, Sources, Tensor]:
    """Searches from all sources; new searches join the batch as old ones leave it."""
    # Its memory is most of what a search takes, and leaving the batch copies it.
    bytes_each = (2 * MEMORY + 16) * f.size * Z.element_size()
    size = batch_size or batch_size_within(bytes_each, device=f.device, largest=BATCH)
    mixing = Mixing(f, tol=tol * f.unit, max_steps=max_steps, tags=2)
    catalogue = Catalogue(f, resolution=resolution * f.unit, spread=_spread(Z))
    sources = Sources(f, Z, catalogue)
    labels = torch.full((len(Z),), -1, dtype=torch.int64, device=f.device)
    few = torch.arange(min(DESCENTS, len(Z)), device=f.device)
    while True:
        mixing.admit(*sources.take(size - len(mixing), idle=len(mixing) == 0))
        if len(mixing) == 0 and len(catalogue) == 0 and len(few) and not f.by_values:
            states, there = descend(f, Z[few], tol=tol)
            labels[few] = catalogue.sort_in(states, there, torch.full_like(few, -1))
            few = few[:0]
            continue
        if len(mixing) == 0:
            return catalogue, sources, labels
        mixing.reach = REACH * catalogue.spread
        ends = mixing.run(int(STRAGGLERS * len(mixing)) if len(mixing) > FEW else 0)
        start, origin = ends.tags.T
        found = catalogue.sort_in(ends.states, ends.converged, origin)
        labels[start[start >= 0]] = found[start >= 0]


def _verified(
    f: SelfMap, points: Tensor, labels: Tensor, resolution: float
) -> tuple[Tensor, Tensor]:
    """Points that come from coordinates refined as states, and the labels of those that stay."""
    refined = refine(f, points, radius=max(resolution, _spread(points) / f.unit))
    kept = refined.settled.nonzero()[:, 0]
    group, leaders = group_within(refined.points[kept], resolution * f.unit)
    new = torch.full((len(points) + 1,), -1, dtype=torch.int64, device=f.device)
    new[kept] = group
    return refined.points[kept[leaders]], new[labels]


def _one_of_each(
    f: SelfMap, points: Tensor, radius: Tensor, labels: Tensor
) -> tuple[Tensor, Tensor]:
    """Returns one fixed point for all that rounding makes of it.

    Each has a residual of up to `spacing`, so it is within `spacing / |1 - rate|` of that point.
    """
    count = torch.bincount(labels[labels >= 0], minlength=len(points))
    gap = (1 - radius.nan_to_num(0.5)).abs().clamp_min(torch.finfo(f.dtype).eps)
    reach = torch.where(radius == 0, 0, 2 * f.resolution.spacing / gap)
    owner = torch.full((len(points) + 1,), -1, dtype=torch.int64, device=f.device)
    kept: list[int] = []
    for row in count.argsort(descending=True, stable=True).tolist():
        if owner[row] < 0:
            near = (rms(points - points[row]) <= reach[row]) & (owner[:-1] < 0)
            near[row] = True
            owner[:-1][near] = len(kept)
            kept.append(row)
    return torch.tensor(kept, dtype=torch.int64, device=f.device), owner[labels]


def _spread(Z: Float[Tensor, "n *shape"]) -> float:
    """Computes a typical RMS distance from the median; the size of a single state; never 0."""
    # Images of starts outside the map's domain are none.
    Z = Z[torch.isfinite(Z).flatten(1).all(1)]
    if len(Z) == 0:
        return 1.0
    sizes = (rms(Z - Z.median(0).values).median(), rms(Z).median())
    return next((float(x) for x in sizes if x > 0 and torch.isfinite(x)), 1.0)
