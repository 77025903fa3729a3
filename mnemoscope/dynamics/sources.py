"""Starts of searches for fixed points: those given, around points found, and between these.

Searches around each point found look for its neighbours, until no new ones come. Two tests follow:
how many points are likely to be unseen, by the counts of hits (Chao), and, if
`f` grows less than linearly, whether the signs of `det(1 - J)` add up to 1, the degree of
`z - f(z)` (Lefschetz, Hopf). Where points seem to be missing, searches follow from other distances,
and from between the points.
"""

import torch
from jaxtyping import Float, Int
from torch import Tensor

from mnemoscope.dynamics.catalogue import Catalogue
from mnemoscope.dynamics.probes import DIRECTIONS, probes, surroundings
from mnemoscope.dynamics.starts import from_attractors
from mnemoscope.dynamics.states import rms
from mnemoscope.dynamics.unseen import chao
from mnemoscope.maps import SelfMap

FIRST, THEN = (0.3, 1.0), (0.15, 0.6)
"""Distances of starts from a point, in spreads of the points; `THEN` if some seem to be missing."""

UNSEEN = 0.5
"""Estimated number of unseen points below which the search is over."""

DRY = 2
"""Rounds from between the points that find none, after which the search is over anyway."""

EACH = 16
"""Maximum number of further searches for each start (for at least 512 starts)."""


class Sources:
    """Starts of searches, taken as there is room for them."""

    def __init__(self, f: SelfMap, Z: Float[Tensor, "n *shape"], catalogue: Catalogue) -> None:
        """Begins with the starts; the catalogue grows meanwhile."""
        self._f, self._Z, self._catalogue = f, Z, catalogue
        self._begun = self._first = self._then = 0
        self._left = EACH * max(512, len(Z))
        self._signs = Z.new_empty(0)
        self._degree_is_1 = _sublinear(f, catalogue.spread)
        self._missing = False
        self._dry, self._before = 0, -1

    def take(
        self, room: int, *, idle: bool
    ) -> tuple[Int[Tensor, "k 2"], Float[Tensor, "k *shape"]]:
        """Takes up to about `room` starts, if any are left, and wanted while others are under way.

        Returns tags (of each its number among the starts and the point that it lies next to, -1 for
        none of either) and the starts. `idle`: no search is under way.
        """
        if self._begun < len(self._Z):
            starts = self._Z[self._begun :][:room]
            number = torch.arange(len(starts), device=starts.device) + self._begun
            self._begun += len(starts)
            return torch.stack([number, torch.full_like(number, -1)], 1), starts
        at_once = max(1, room // (2 * DIRECTIONS * len(FIRST)))
        starts, origin = self._Z[:0], self._catalogue.hits[:0]
        while len(starts) == 0 and self._left > 0:
            if self._first < len(self._catalogue):
                first, self._first = self._first, min(self._first + at_once, len(self._catalogue))
                starts, origin = self._around(first, self._first, FIRST)
            elif self._missing and self._then < len(self._catalogue):
                first, self._then = self._then, min(self._then + at_once, len(self._catalogue))
                starts, origin = self._around(first, self._then, THEN)
            elif not idle or self._over():
                break
            elif not self._missing:
                self._missing = True
            else:
                points = self._catalogue.points
                starts = from_attractors(points, max(256, 4 * len(points)), seed=self._left)
                origin = self._signs.new_full((len(starts),), -1).long()
        self._left -= len(starts)
        return torch.stack([torch.full_like(origin, -1), origin], 1), starts

    @property
    def unseen(self) -> float:
        """Chao's estimate of the number of isolated points not seen."""
        return chao(self._catalogue.hits[: len(self._signs)][self._signs != 0])

    @property
    def degree(self) -> int:
        """The sum of the signs of `det(1 - J)`."""
        return int(self._signs.sum())

    def _around(self, first: int, last: int, distances: tuple[float, ...]) -> tuple[Tensor, Tensor]:
        points = self._catalogue.points[first:last]
        around = surroundings(self._f, points)
        self._signs = torch.cat([self._signs[:first], around.sign, self._signs[last:]])
        away = tuple(x * self._catalogue.spread for x in distances)
        starts, owner = probes(points, around, away)
        return starts, owner + first

    def _over(self) -> bool:
        """Returns whether the search is over, now that all searches under way are done."""
        if len(self._catalogue) < 2:
            return True
        self._dry = 0 if len(self._catalogue) > self._before else self._dry + 1
        self._before = len(self._catalogue)
        return self._dry >= DRY if self._missing else self._complete()

    def _complete(self) -> bool:
        isolated = bool((self._signs != 0).all())
        return self.unseen < UNSEEN and not (self._degree_is_1 and isolated and self.degree != 1)


def _sublinear(f: SelfMap, unit: float) -> bool:
    """Decides whether `f` is small against states that are large."""
    generator = torch.Generator().manual_seed(0)
    far = 1e6 * unit * torch.randn(8, *f.shape, generator=generator, dtype=torch.float64)
    far = far.to(device=f.device, dtype=f.dtype)
    # Not so where the image is NaN.
    return bool((rms(f(far)) < 1e-3 * rms(far)).all())
