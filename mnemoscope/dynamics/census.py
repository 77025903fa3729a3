"""`find_attractors`: where orbits end, which of these ends attract, and how large basins are."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Unpack

import polars as pl
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from mnemoscope.base.stats import wilson
from mnemoscope.base.tables import frame_of, table_html
from mnemoscope.data.given import given_examples
from mnemoscope.dynamics.atlas import Atlas, assign
from mnemoscope.dynamics.orbits import TOL, OrbitOptions, Orbits, Status, iterate
from mnemoscope.dynamics.starts import Starts, block_size
from mnemoscope.dynamics.states import nearest
from mnemoscope.dynamics.unseen import good_turing
from mnemoscope.maps import SelfMap, check_values
from mnemoscope.maps.self_map import Stage, as_self_map, in_unit_of_data, in_unit_of_starts


@dataclass(frozen=True)
class Census:
    """The attractors that a set of starts reached, largest basin first.

    Attributes:
        attractors: `(m, *shape)`; for a cycle its state nearest to an example.
        period: `(m,)`, 1 for a fixed point.
        spectral_radius: `(m,)`, of the Jacobian of `f^p` there, below 1.
        basin_fraction: `(m,)`, share of all starts that ended there; the denominator includes those
            that left the map's domain.
        basin_low: `(m,)`, lower end of its 95% Wilson interval.
        basin_high: `(m,)`, upper end.
        nearest_example: `(m,)`, index of the nearest example; -1 without examples.
        distance: `(m,)`, RMS distance to it, in units; NaN without examples.
        labels: `(n,)`, the attractor of each start; -1 for none.
        unseen: Good and Turing's share: the estimated share of the starts with an attractor that
            would end at one not seen yet.
        status: `(n,)`, codes of `Status`, the outcome of each orbit.
    """

    attractors: Float[Tensor, "m *shape"]
    period: Int[Tensor, " m"]
    spectral_radius: Float[Tensor, " m"]
    basin_fraction: Float[Tensor, " m"]
    basin_low: Float[Tensor, " m"]
    basin_high: Float[Tensor, " m"]
    nearest_example: Int[Tensor, " m"]
    distance: Float[Tensor, " m"]
    labels: Int[Tensor, " n"]
    unseen: float
    status: Int[Tensor, " n"]

    def to_frame(self) -> pl.DataFrame:
        """Returns a row for each attractor, largest basin first."""
        names = (
            "period",
            "spectral_radius",
            "basin_fraction",
            "basin_low",
            "basin_high",
            "nearest_example",
            "distance",
        )
        return frame_of({name: getattr(self, name) for name in names})

    def _repr_html_(self) -> str:
        found, starts = len(self.period), len(self.labels)
        return table_html(f"{found:,} attractors reached from {starts:,} starts", self.to_frame())


def find_attractors(
    f: Stage | SelfMap,
    Z: Float[Tensor, "n *shape"] | Starts,
    X: Float[Tensor, "e *shape"] | None = None,
    **options: Unpack[OrbitOptions],
) -> Census:
    """Iterates `f` from every start and takes a census of the attractors.

    Ends that lie together are refined (Newton-Krylov), their period found, and kept if the
    spectral radius there is below 1. Attractors nearer to each other than `100 tol` (RMS, in units)
    count as one.

    Args:
        f: A self-map, or a network or callable to make one from.
        Z: `(n, *shape)`, the starts; or `Starts`, which are drawn in blocks as they are needed, so
            that memory does not grow with their number but for a label each. Entries of drawn
            starts beyond the bounds of the map's domain are moved to them; those of a tensor are
            not, and a start outside has the status `left_domain`.
        X: `(e, *shape)`, examples to match attractors to.
        **options: `tol`, `max_steps` and `batch_size`, as `iterate` takes them.

    Raises:
        MnemoscopeError: `Z` or `X` is not a batch of this map's states.
    """
    X, Z = given_examples(X), given_examples(Z)
    known = X if isinstance(Z, Starts) else Z
    shape = None if known is None else known.shape[1:]
    f = _in_unit(as_self_map(f, shape), Z, X)
    check_values(f, _checked_at(f, Z, X))
    atlas = Atlas.empty(f)
    labels, status = [], []
    with f.evaluating():
        for block in _blocks(f, Z):
            atlas, found, orbits = survey(f, block, atlas, **options)
            labels.append(found)
            status.append(orbits.status)
    return tally(f, atlas, torch.cat(labels), torch.cat(status), None if X is None else f.batch(X))


def _in_unit(f: SelfMap, Z: Tensor | Starts, X: Tensor | None) -> SelfMap:
    """Returns the map in its own unit, else that of the examples, else one from the starts."""
    if X is not None and len(X):
        return in_unit_of_data(f, X)
    if isinstance(Z, Starts):
        return f if f.known_unit is not None else f.with_unit(Z.span.width)
    return in_unit_of_starts(f, Z)


def survey(
    f: SelfMap,
    Z: Float[Tensor, "n *shape"],
    atlas: Atlas,
    **options: Unpack[OrbitOptions],
) -> tuple[Atlas, Int[Tensor, " n"], Orbits]:
    """Iterates from `Z` and adds what is found to an atlas: atlas, labels in it, orbits.

    The fixed points known, and those found on the way, are landmarks: most orbits are seen to
    converge to one without going all the way.
    """
    tol = options.get("tol", TOL)
    orbits = iterate(f, Z, landmarks=atlas.fixed_points, **options)
    atlas, labels, crawled = assign(f, orbits, atlas, tol=tol)
    again = (crawled | _misled(orbits, labels)).nonzero()[:, 0]
    if len(again):
        # A landmark that is still moving, or does not attract, was none: without it then.
        plain = iterate(f, Z[again], **options)
        orbits = orbits.updated(again, plain)
        atlas, labels[again], _ = assign(f, plain, atlas, tol=tol)
    # An orbit whose steps fell to rounding on the way to an attractor has converged to it.
    found = (labels >= 0) & (orbits.status == Status.UNSETTLED)
    status = torch.where(found, Status.CONVERGED, orbits.status)
    period = torch.where(found, 1, orbits.period)
    return atlas, labels, replace(orbits, status=status, period=period)


def _misled(orbits: Orbits, labels: Int[Tensor, " n"]) -> Bool[Tensor, " n"]:
    """Selects orbits taken to have converged to where others did, which is no attractor."""
    misled = torch.zeros_like(labels, dtype=torch.bool)
    rows = ((labels < 0) & (orbits.status == Status.CONVERGED)).nonzero()[:, 0]
    if len(rows) > 1:
        _, own, count = orbits.end[rows].unique(dim=0, return_inverse=True, return_counts=True)
        misled[rows] = count[own] > 1
    return misled


def tally(
    f: SelfMap,
    atlas: Atlas,
    labels: Int[Tensor, " n"],
    status: Int[Tensor, " n"],
    X: Float[Tensor, "e *shape"] | None = None,
) -> Census:
    """Counts starts whose attractors in an atlas are known."""
    count = torch.bincount(labels[labels >= 0], minlength=len(atlas))
    order = count.argsort(descending=True, stable=True)
    order = order[count[order] > 0]
    new = torch.full((len(atlas) + 1,), -1, dtype=torch.int64, device=labels.device)
    new[order] = torch.arange(len(order), device=labels.device)
    states, example, distance = representatives(atlas, X)
    low, high = wilson(count[order], len(labels))
    return Census(
        attractors=states[order],
        period=atlas.period[order],
        spectral_radius=atlas.spectral_radius[order],
        basin_fraction=(count[order] / max(1, len(labels))).to(torch.float64),
        basin_low=low,
        basin_high=high,
        nearest_example=example[order],
        distance=distance[order] / f.unit,
        labels=new[labels],
        unseen=good_turing(labels),
        status=status,
    )


def representatives(
    atlas: Atlas, X: Float[Tensor, "e *shape"] | None
) -> tuple[Float[Tensor, "m *shape"], Int[Tensor, " m"], Float[Tensor, " m"]]:
    """Returns a state of each attractor (the nearest to an example), that example, how far."""
    if X is None or len(X) == 0:
        example = torch.full_like(atlas.owner, -1)
        distance = atlas.states.new_full((len(atlas.owner),), torch.nan)
    else:
        example, distance = nearest(atlas.states, X)
    # Sorted by distance and then, stably, by owner: the first row of each owner is its nearest.
    order = distance.argsort(stable=True)
    order = order[atlas.owner[order].argsort(stable=True)]
    owner = atlas.owner[order]
    first = torch.ones_like(owner, dtype=torch.bool)
    first[1:] = owner[1:] != owner[:-1]
    chosen = order[first]
    return atlas.states[chosen], example[chosen], distance[chosen]


def _checked_at(f: SelfMap, Z: Tensor | Starts, X: Tensor | None) -> Tensor:
    """Returns the states at which the map is checked: examples if there are any, or starts."""
    if X is not None and len(X):
        return X
    return next(_blocks(f, Z), torch.empty(0, *f.shape))


def _blocks(f: SelfMap, Z: Tensor | Starts) -> Iterator[Tensor]:
    if isinstance(Z, Starts):
        drawn = Z.blocks(f.shape, dtype=f.dtype, device=f.device)
        yield from (f.clipped(block) for block in drawn)
    else:
        yield from f.batch(Z).split(block_size(f.size))
