"""The orbits being worked on: one that is done gives its place to the next start."""

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from mnemoscope.dynamics.states import expand, rms

CYCLES_FROM = 32
"""Steps before which no return is looked for: most orbits have converged by then."""


class WorkingBatch:
    """Orbits under way, each at its own step, and the starts that wait for a place.

    Attributes:
        index: `(b,)`, which start each orbit belongs to.
        z: `(b, *shape)`, their present states.
        age: `(b,)`, steps taken.
        anchor: `(b, *shape)`, the earlier state that a return is looked for to.
        anchored: `(b,)`, the step of it; 0 before there is one.
        level: `(b,)`, the state's root mean square when it was last looked at.
        bound: `(b,)`, the root mean square beyond which the orbit has diverged.
        done: How many orbits have left.
    """

    def __init__(
        self, starts: Float[Tensor, "n *shape"], bounds: Float[Tensor, " n"], places: int
    ) -> None:
        """Gives the first `places` starts a place; `bounds` tells when each has diverged."""
        self._starts, self._bounds = starts, bounds
        self._taken = self.done = 0
        self.index = torch.empty(0, dtype=torch.int64, device=starts.device)
        self.z, self.anchor = starts[:0], starts[:0]
        self.age, self.anchored = self.index, self.index
        self.level, self.bound = rms(starts[:0]), rms(starts[:0])
        self.widen(places)

    def __len__(self) -> int:
        return len(self.index)

    def widen(self, places: int) -> None:
        """Makes room for as many orbits, if starts are waiting."""
        new = self._next(places - len(self))
        if len(new) == 0:
            return
        fresh = self._starts[new]
        zero, level = torch.zeros_like(new), rms(fresh)
        self.index = torch.cat([self.index, new])
        self.z = torch.cat([self.z, fresh])
        self.anchor = torch.cat([self.anchor, fresh])
        self.age = torch.cat([self.age, zero])
        self.anchored = torch.cat([self.anchored, zero])
        self.level = torch.cat([self.level, level])
        self.bound = torch.cat([self.bound, self._bounds[new]])

    def hold(self, image: Float[Tensor, "b *shape"], leaving: Bool[Tensor, " b"]) -> None:
        """Takes a step; whoever is to leave stands still, and keeps its place until `advance`.

        Nothing that the device has computed is waited for.
        """
        self.age = self.age + (~leaving).long()
        self.z = torch.where(expand(leaving, image), self.z, image)
        moved = self._powers() & ~leaving
        self.anchor = torch.where(expand(moved, image), self.z, self.anchor)
        self.anchored = torch.where(moved, self.age, self.anchored)

    def advance(self, image: Float[Tensor, "b *shape"], leaving: Bool[Tensor, " b"]) -> None:
        """Takes a step; whoever leaves gives its place to the next start, or closes the ranks."""
        self.age = self.age + 1
        self.z = image
        if bool(leaving.any()):
            self._replace(leaving.nonzero()[:, 0])
        moved = self._powers().nonzero()[:, 0]
        if len(moved):
            self.anchor[moved] = self.z[moved]
            self.anchored[moved] = self.age[moved]

    def _powers(self) -> Bool[Tensor, " b"]:
        """Brent's powers of two: the anchor is moved up at steps 32, 64, 128 and so on."""
        return (self.age >= CYCLES_FROM) & ((self.age & (self.age - 1)) == 0)

    def _replace(self, rows: Int[Tensor, " r"]) -> None:
        self.done += len(rows)
        new = self._next(len(rows))
        filled, closed = rows[: len(new)], rows[len(new) :]
        # The image may be a view of the state, or of something that is the map's own.
        self.z = self.z.clone()
        self.z[filled] = self.anchor[filled] = self._starts[new]
        self.index[filled] = new
        self.age[filled] = self.anchored[filled] = 0
        self.level[filled] = rms(self._starts[new])
        self.bound[filled] = self._bounds[new]
        if len(closed):
            stay = torch.ones_like(self.index, dtype=torch.bool)
            stay[closed] = False
            for name in ("index", "z", "age", "anchor", "anchored", "level", "bound"):
                setattr(self, name, getattr(self, name)[stay])

    def _next(self, count: int) -> Int[Tensor, " r"]:
        first = self._taken
        self._taken = min(len(self._starts), first + max(0, count))
        return torch.arange(first, self._taken, device=self._starts.device)
