"""The fixed points found so far, and the assignment of ends of searches to them."""

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from mnemoscope.dynamics.fixed_points import refine
from mnemoscope.dynamics.states import group_within, nearest, rms
from mnemoscope.maps import SelfMap

MAX_POINTS = 4096
"""Maximum number that is kept: a map may have a continuum of them."""


class Catalogue:
    """Fixed points, each exact to rounding, no two nearer to each other than the resolution.

    Attributes:
        points: `(m, *shape)`, in the order in which they were found.
        hits: `(m,)`, number of searches that ended there and did not begin next to it.
    """

    def __init__(self, f: SelfMap, *, resolution: float, spread: float) -> None:
        """Begins an empty catalogue: points within `resolution` (RMS) are one."""
        self._f, self._resolution, self._spread = f, resolution, spread
        self.points = torch.empty(0, *f.shape, dtype=f.dtype, device=f.device)
        self.hits = torch.empty(0, dtype=torch.int64, device=f.device)

    def __len__(self) -> int:
        return len(self.points)

    @property
    def spread(self) -> float:
        """The RMS distance of the points from their mean."""
        if len(self) < 2:
            return self._spread
        return float(rms(self.points - self.points.mean(0)).square().mean().sqrt())

    def sort_in(
        self,
        ends: Float[Tensor, "n *shape"],
        converged: Bool[Tensor, " n"],
        origin: Int[Tensor, " n"],
    ) -> Int[Tensor, " n"]:
        """Finds the point that each search ended at, -1 for none; a new one is refined and added.

        `origin` is the point that each search began next to, or -1.
        """
        labels = torch.full_like(origin, -1)
        rows = converged.nonzero()[:, 0]
        labels[rows] = self._match(ends[rows])
        rows = rows[labels[rows] < 0]
        if len(rows):
            group, leaders = group_within(ends[rows], self._resolution)
            refined = refine(
                self._f, ends[rows[leaders]], radius=self.spread / self._f.unit, max_steps=8
            )
            found = torch.full_like(leaders, -1)
            true = refined.settled.nonzero()[:, 0]
            found[true] = self._add(refined.points[true])
            labels[rows] = found[group]
        came = labels[(labels >= 0) & (labels != origin)]
        self.hits = torch.nn.functional.pad(self.hits, (0, len(self) - len(self.hits)))
        self.hits = self.hits + torch.bincount(came, minlength=len(self))
        return labels

    def _match(self, Z: Tensor) -> Tensor:
        index, distance = nearest(Z, self.points)
        return torch.where(distance <= self._resolution, index, -1)

    def _add(self, points: Float[Tensor, "k *shape"]) -> Int[Tensor, " k"]:
        labels = self._match(points)
        new = (labels < 0).nonzero()[:, 0]
        group, leaders = group_within(points[new], self._resolution)
        leaders = leaders[: MAX_POINTS - len(self)]
        labels[new] = torch.where(group < len(leaders), group + len(self), -1)
        self.points = torch.cat([self.points, points[new[leaders]]])
        return labels
