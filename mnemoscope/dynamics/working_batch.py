"""The orbits being worked on: one that is done gives its place to the next start."""

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from mnemoscope.dynamics.states import expand, rms

CYCLES_FROM = 32
"""Steps before which returns are not searched for: most orbits have converged by then."""

WINDOW = 8
"""The ratio of steps is the geometric mean over this many, or over all there are."""

PLACES = WINDOW + 1
"""Step lengths remembered: the present one never takes the place of one that is needed with it."""


class WorkingBatch:
    """Orbits under way, each at its own step, and the starts that wait for a place.

    Attributes:
        index: `(b,)`, the start of each orbit.
        z: `(b, *shape)`, their present states.
        before: `(b, *shape)`, the states before these; the starts themselves at first.
        age: `(b,)`, steps taken.
        anchor: `(b, *shape)`, the earlier state to which a return is searched for.
        anchored: `(b,)`, the step of it; 0 before there is one.
        level: `(b,)`, the state's root mean square when it was last looked at.
        bound: `(b,)`, the root mean square beyond which the orbit has diverged.
        lengths: `(b, PLACES)`, the lengths of the latest steps, that of step `a` at `a % PLACES`.
        rate: `(b,)`, the latest ratio of steps that rounding did not disturb; NaN before there is
            one.
        gap: `(b,)`, by how much the latest return missed; infinite before there is one.
        returned: `(b,)`, the step of it.
        period: `(b,)`, its period.
        shrink: `(b,)`, the latest ratio of two such gaps; NaN before there is one.
        done: Number of orbits that have left.
    """

    index: Int[Tensor, " b"]
    z: Float[Tensor, "b *shape"]
    before: Float[Tensor, "b *shape"]
    age: Int[Tensor, " b"]
    anchor: Float[Tensor, "b *shape"]
    anchored: Int[Tensor, " b"]
    level: Float[Tensor, " b"]
    bound: Float[Tensor, " b"]
    lengths: Float[Tensor, "b PLACES"]
    rate: Float[Tensor, " b"]
    gap: Float[Tensor, " b"]
    returned: Int[Tensor, " b"]
    period: Int[Tensor, " b"]
    shrink: Float[Tensor, " b"]

    def __init__(
        self, starts: Float[Tensor, "n *shape"], bounds: Float[Tensor, " n"], places: int
    ) -> None:
        """Gives the first `places` starts a place; each has diverged beyond its bound."""
        self._starts, self._bounds = starts, bounds
        self._taken = self.done = 0
        none = self._fresh(torch.empty(0, dtype=torch.int64, device=starts.device))
        self._names = tuple(none)
        for name, rows in none.items():
            setattr(self, name, rows)
        self.widen(places)

    def __len__(self) -> int:
        return len(self.index)

    def widen(self, places: int) -> None:
        """Makes room for as many orbits, if starts are waiting."""
        new = self._next(places - len(self))
        if len(new):
            for name, rows in self._fresh(new).items():
                setattr(self, name, torch.cat([getattr(self, name), rows]))

    def record(self, length: Float[Tensor, " b"]) -> None:
        """Notes the length of the present step."""
        self.lengths.scatter_(1, (self.age % PLACES)[:, None], length[:, None])

    def length(self, ago: Int[Tensor, " b"]) -> Float[Tensor, " b"]:
        """Returns the length of the step taken `ago` steps ago, at most `WINDOW` and the age."""
        return self.lengths.gather(1, ((self.age - ago) % PLACES)[:, None]).squeeze(1)

    def expect(self, mask: Bool[Tensor, " b"], image: Tensor, gap: Tensor, period: Tensor) -> None:
        """Notes the returns of some orbits; their next ones will be to where these have led."""
        self.gap = torch.where(mask, gap, self.gap)
        self.period = torch.where(mask, period, self.period)
        self.returned = torch.where(mask, self.age + 1, self.returned)
        self.anchored = torch.where(mask, self.age + 1, self.anchored)
        self.anchor = torch.where(expand(mask, image), image, self.anchor)

    def hold(self, image: Float[Tensor, "b *shape"], leaving: Bool[Tensor, " b"]) -> None:
        """Takes a step without a device sync; leaving orbits are frozen until `advance`."""
        self.age = self.age + (~leaving).long()
        self.before = torch.where(expand(leaving, image), self.before, self.z)
        self.z = torch.where(expand(leaving, image), self.z, image)
        moved = self._powers() & ~leaving
        self.anchor = torch.where(expand(moved, image), self.z, self.anchor)
        self.anchored = torch.where(moved, self.age, self.anchored)

    def advance(self, image: Float[Tensor, "b *shape"], leaving: Bool[Tensor, " b"]) -> None:
        """Takes a step; one that leaves gives its place to the next start, or closes the ranks."""
        self.age = self.age + 1
        self.before, self.z = self.z, image
        if bool(leaving.any()):
            self._replace(leaving.nonzero()[:, 0])
        moved = self._powers().nonzero()[:, 0]
        if len(moved):
            self.anchor[moved] = self.z[moved]
            self.anchored[moved] = self.age[moved]

    def _powers(self) -> Bool[Tensor, " b"]:
        """Returns Brent's powers of two: the anchor is moved up at steps 32, 64, 128 and so on."""
        return (self.age >= CYCLES_FROM) & ((self.age & (self.age - 1)) == 0)

    def _fresh(self, new: Int[Tensor, " r"]) -> dict[str, Tensor]:
        """Returns the state of starts that have just been given a place."""
        starts, zero = self._starts[new], torch.zeros_like(new)
        level = rms(starts)
        return {
            "index": new,
            "z": starts,
            "before": starts,
            "age": zero,
            "anchor": starts.clone(),
            "anchored": zero.clone(),
            "level": level,
            "bound": self._bounds[new],
            "lengths": level.new_zeros(len(new), PLACES),
            "rate": torch.full_like(level, torch.nan),
            "gap": torch.full_like(level, torch.inf),
            "returned": zero.clone(),
            "period": zero.clone(),
            "shrink": torch.full_like(level, torch.nan),
        }

    def _replace(self, rows: Int[Tensor, " r"]) -> None:
        self.done += len(rows)
        new = self._next(len(rows))
        filled, closed = rows[: len(new)], rows[len(new) :]
        # The image may be a view of the state, or of something that is the map's own.
        self.z = self.z.clone()
        self.before = self.before.clone() if len(filled) else self.before
        if len(filled):
            for name, values in self._fresh(new).items():
                getattr(self, name)[filled] = values
        if len(closed):
            stay = torch.ones_like(self.index, dtype=torch.bool)
            stay[closed] = False
            for name in self._names:
                setattr(self, name, getattr(self, name)[stay])

    def _next(self, count: int) -> Int[Tensor, " r"]:
        first = self._taken
        self._taken = min(len(self._starts), first + max(0, count))
        return torch.arange(first, self._taken, device=self._starts.device)
