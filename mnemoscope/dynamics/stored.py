"""Stored, disclosed and indistinguishable examples: the one definition.

An attractor *stores* an example if the example's own orbit converges to it and its nearest state
lies within

    tau_i = min(match_tol, d_i / 4)

of the example, `d_i` the distance to the nearest other distinct example. Balls of these radii are
disjoint, since `tau_i + tau_j <= d_ij / 2`, so a state lies in one of them at most and an attractor
of period `p` stores at most `p` examples. Exact duplicates are one example.

After a finish of its training a network maps each example to itself up to rounding, so that the
example's own orbit says nothing. There an example is stored only if the orbits that begin next to
it end at its attractor, too (`mnemoscope.dynamics.returns`).

An attractor *discloses* an example if one of its states lies within `match_tol` of it, whether it
stores that example or a near-duplicate of it. Capacity is judged by what is stored, privacy by what
is disclosed.

Two attractors nearer to each other than `RESOLUTION tol` are one to a census. Examples so close to
each other that attractors of their own could be that near (`d_i / 4` below half of it) are
*indistinguishable*: it cannot be decided whether each has an attractor of its own. They count as
not stored, stay in the denominator and are listed.

Distances are RMS over entries. `match_tol` and `tol` are shares of the unit; radii and distances
here are in the scale of the data.
"""

from dataclasses import dataclass
from typing import Unpack

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from mnemoscope.base.check import real_number
from mnemoscope.dynamics.atlas import RESOLUTION, Atlas
from mnemoscope.dynamics.census import survey
from mnemoscope.dynamics.neighbours import nearest_among
from mnemoscope.dynamics.orbits import TOL, OrbitOptions
from mnemoscope.dynamics.returns import returning, was_finished
from mnemoscope.dynamics.starts import block_size
from mnemoscope.dynamics.states import nearest, rms
from mnemoscope.maps import SelfMap
from mnemoscope.maps.self_map import in_unit_of_data

MATCH_TOL = 1e-2
"""An attractor further (RMS, in units) than this from an example neither stores nor discloses it,
by default."""

NEAREST_CHUNK = 2**26
"""Distances between examples that are computed at once (512 MiB of float64)."""


@dataclass(frozen=True)
class MatchRadii:
    """The distance from each example within which an attractor stores it.

    Attributes:
        tau: `(n,)`, RMS, in the scale of the data.
        first: `(n,)`, for each example the index of the first one that equals it.
        indistinguishable: `(n,)`, whether another distinct example is so near that attractors of
            the two could not be distinguished.
    """

    tau: Float[Tensor, " n"]
    first: Int[Tensor, " n"]
    indistinguishable: Bool[Tensor, " n"]

    @property
    def distinct(self) -> Bool[Tensor, " n"]:
        """A mask of examples that are the first of those that equal them."""
        return self.first == torch.arange(len(self.first), device=self.first.device)

    @property
    def total(self) -> int:
        """The number of distinct examples."""
        return int(self.distinct.sum())

    def head(self, n: int) -> "MatchRadii":
        """Returns the radii of the first `n` examples."""
        return self.at(torch.arange(n, device=self.first.device))

    def at(self, rows: Int[Tensor, " r"]) -> "MatchRadii":
        """Returns the radii of some examples."""
        return MatchRadii(self.tau[rows], self.first[rows], self.indistinguishable[rows])

    def count(self, mask: Bool[Tensor, " n"]) -> int:
        """Returns the number of distinct examples in a mask."""
        return int((mask & self.distinct).sum())

    def stored(
        self, labels: Int[Tensor, " n"], distance: Float[Tensor, " n"]
    ) -> Bool[Tensor, " n"]:
        """Decides which examples are stored, by the attractor of each one's own orbit (-1: none).

        `distance` is the RMS distance to that attractor's nearest state.
        """
        return (labels >= 0) & (distance <= self.tau) & ~self.indistinguishable

    def owner(
        self, states: Float[Tensor, "s *shape"], X: Float[Tensor, "n *shape"]
    ) -> Int[Tensor, " s"]:
        """Finds the example (the first of equal ones) in whose ball each state lies; -1: none."""
        index, distance = nearest(states, X)
        if len(X) == 0:
            return index
        inside = (distance <= self.tau[index]) & ~self.indistinguishable[index]
        return torch.where(inside, self.first[index], -1)


def match_radii(
    X: Float[Tensor, "n *shape"],
    *,
    unit: float,
    match_tol: float = MATCH_TOL,
    tol: float = TOL,
    among: Float[Tensor, "m *shape"] | None = None,
) -> MatchRadii:
    """Computes how near to each example an attractor must lie to store it.

    Time: the distances of all `X` to all examples, `n m d` products; they are held in parts. Where
    `X` is a part of the examples `among`, no copy of these is made
    (`mnemoscope.dynamics.neighbours`). `match_tol` (in units) is the largest radius; attractors
    within `RESOLUTION tol` of each other count as one.
    """
    group, leaders = _groups_of_equal(X)
    apart = _to_nearest_other(X, X[leaders], group)
    if among is not None:
        apart = torch.minimum(apart, nearest_among(X, among, other=True)[1])
    quarter = (apart / 4).to(X.dtype)
    return MatchRadii(
        tau=quarter.clamp_max(match_tol * unit),
        first=leaders[group],
        indistinguishable=quarter < RESOLUTION * tol * unit / 2,
    )


def stored_examples(
    f: SelfMap,
    X: Float[Tensor, "n *shape"],
    *,
    match_tol: float = MATCH_TOL,
    **options: Unpack[OrbitOptions],
) -> Bool[Tensor, " n"]:
    """Decides which examples a map stores; of equal examples the first one counts.

    The examples also give the unit if the map has none. Options as in `iterate`.
    """
    f = in_unit_of_data(f, X)
    X = f.batch(X)
    with f.evaluating():
        atlas, labels, _ = survey(f, X, Atlas.empty(f), **options)
        radii = match_radii(X, unit=f.unit, match_tol=match_tol, tol=options.get("tol", TOL))
        stored = radii.stored(labels, distance_to_attractor(X, labels, atlas)) & radii.distinct
        return confirmed(f, X, stored, atlas, labels, **options)


def confirmed(
    f: SelfMap,
    X: Float[Tensor, "n *shape"],
    stored: Bool[Tensor, " n"],
    atlas: Atlas,
    labels: Int[Tensor, " n"],
    **options: Unpack[OrbitOptions],
) -> Bool[Tensor, " n"]:
    """Returns which of the stored examples of a map are stored where its training was finished."""
    if not was_finished(f):
        return stored
    return returning(f, X, atlas, torch.where(stored, labels, -1), **options)


def disclosed(
    X: Float[Tensor, "n *shape"],
    states: Float[Tensor, "s *shape"],
    *,
    unit: float,
    match_tol: float = MATCH_TOL,
) -> Bool[Tensor, " n"]:
    """Decides which examples lie within `match_tol` (in units) of some attractor's state."""
    return nearest(X, states)[1] <= match_tol * unit


def distance_to_attractor(
    X: Float[Tensor, "n *shape"], labels: Int[Tensor, " n"], atlas: Atlas
) -> Float[Tensor, " n"]:
    """Computes the RMS distance from each state to the nearest of its attractor; NaN: none."""
    distance = X.new_full((len(X),), torch.nan)
    for label in labels[labels >= 0].unique().tolist():
        rows = (labels == label).nonzero()[:, 0]
        distance[rows] = nearest(X[rows], atlas.states[atlas.owner == label])[1]
    return distance


def recalled(
    labels: Int[Tensor, "*t n"], atlas: Atlas, radii: MatchRadii, X: Float[Tensor, "n *shape"]
) -> Bool[Tensor, "*t n"]:
    """Decides which orbits from corrupted examples ended at an attractor that matches theirs.

    `labels` holds the attractor of the orbit from a copy of each example; -1 for none.
    """
    n = len(X)
    example = radii.owner(atlas.states, X)
    inside = (example >= 0).nonzero()[:, 0]
    pairs = atlas.owner[inside] * n + example[inside]
    mine = labels * n + radii.first
    return (labels >= 0) & torch.isin(mine, pairs)


def recalled_copies(
    f: SelfMap,
    copies: Float[Tensor, "t n *shape"],
    X: Float[Tensor, "n *shape"],
    **options: Unpack[OrbitOptions],
) -> Bool[Tensor, "t n"]:
    """Decides for which corrupted copies of its examples a map recalls the example.

    The examples also give the unit if the map has none. Options as in `iterate`.
    """
    f = in_unit_of_data(f, X)
    X, atlas, labels = f.batch(X), Atlas.empty(f), []
    with f.evaluating():
        for block in f.batch(copies.flatten(0, 1)).split(block_size(f.size)):
            atlas, found, _ = survey(f, block, atlas, **options)
            labels.append(found)
    radii = match_radii(X, unit=f.unit, tol=options.get("tol", TOL))
    return recalled(torch.cat(labels).reshape(copies.shape[:2]), atlas, radii, X)


def checked_match_tol(match_tol: float) -> float:
    """Returns a tolerance that a caller passed, if it is a finite number above 0."""
    return real_number("match_tol", match_tol, above=0)


def _groups_of_equal(X: Tensor) -> tuple[Int[Tensor, " n"], Int[Tensor, " g"]]:
    """Returns the group of equal examples of each one, and the first example of each group."""
    group = torch.unique(X.flatten(1), dim=0, return_inverse=True)[1]
    index = torch.arange(len(X), device=X.device)
    first = torch.full_like(index, len(X))[: int(group.max()) + 1] if len(X) else index
    return group, first.scatter_reduce(0, group, index, "amin")


def _to_nearest_other(
    X: Float[Tensor, "n *shape"], distinct: Float[Tensor, "g *shape"], own: Int[Tensor, " n"]
) -> Float[Tensor, " n"]:
    """Computes the RMS distance to the nearest of distinct states but its own; inf: none."""
    n, g = len(X), len(distinct)
    apart = torch.full((n,), torch.inf, dtype=torch.float64, device=X.device)
    if g < 2:
        return apart
    # float64, since a distance by matrix products loses half the digits of what is near.
    on = X.device if X.device.type != "mps" else torch.device("cpu")
    others = distinct.flatten(1).to(on).double()
    middle = others.mean(0)
    others = others - middle
    for rows in torch.arange(n, device=X.device).split(max(1, NEAREST_CHUNK // g)):
        states = X[rows].flatten(1).to(on).double() - middle
        distance = torch.cdist(states, others)
        distance[torch.arange(len(rows), device=on), own[rows].to(on)] = torch.inf
        apart[rows] = rms(states - others[distance.argmin(1)]).to(X.device)
    return apart
