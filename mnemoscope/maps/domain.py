"""The states that a map takes: entries between two bounds, and any that it does not refuse.

A map may be made for some states only: counts are not negative, pictures lie in [0, 1]. Its domain
is what its caller says, `low <= z_i <= high` for every entry, without those states at which the map
itself raises. Outside of it the map has no value: NaN in a batch of images, and an orbit that comes
there has left the domain.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from mnemoscope.base.errors import MnemoscopeError
from mnemoscope.maps.failures import MapFailedError


@dataclass(frozen=True)
class Domain:
    """A box: every entry of a state lies between `low` and `high`, the bounds included.

    Attributes:
        low: The least entry, a number or one for each entry of a state, `(*shape)`.
        high: The largest.
    """

    low: float | Float[Tensor, "*shape"]
    high: float | Float[Tensor, "*shape"]

    def holds(self, Z: Float[Tensor, "n *shape"]) -> Bool[Tensor, " n"]:
        """Decides which states lie in the box; one with NaN does not."""
        low, high = self._ends(Z)
        return ((low <= Z) & (high >= Z)).flatten(1).all(1)

    def clipped(
        self, Z: Float[Tensor, "n *shape"], reach: float | Tensor = 0.0
    ) -> Float[Tensor, "n *shape"]:
        """Moves each entry to the nearest number that is `reach` or more from either bound.

        Where the box is narrower than that, to its middle.
        """
        low, high = self._ends(Z)
        if not isinstance(reach, Tensor):
            if reach == 0:
                return torch.clamp(Z, low, high)
            reach = torch.full_like(low, reach)
        half = ((high - low) / 2).clamp_max(torch.finfo(Z.dtype).max)
        inside = torch.minimum(reach.abs(), half)
        # Rounding must not carry the sum of the two past the bound again.
        inside = inside * (1 + 4 * torch.finfo(Z.dtype).eps)
        return torch.minimum(torch.maximum(Z, low + inside), high - inside).clamp(low, high)

    def scaled(self, units: Float[Tensor, "*shape"]) -> "Domain":
        """Returns the same box for states `z / units`."""
        return Domain(self.low / units, self.high / units)

    def narrowest(self, Z: Float[Tensor, "n *shape"]) -> float:
        """Computes the least distance between two bounds of an entry."""
        low, high = self._ends(Z)
        return float((high - low).min())

    @property
    def bounds(self) -> tuple[float | None, float | None] | None:
        """The two numbers, None for one that is infinite; None where entries have their own."""
        if isinstance(self.low, Tensor) or isinstance(self.high, Tensor):
            return None
        low, high = (None if math.isinf(end) else end for end in (self.low, self.high))
        return low, high

    def __str__(self) -> str:
        if self.bounds is None:
            return "bounds of their own for the entries"
        return f"[{self.low:g}, {self.high:g}]"

    def _ends(self, Z: Tensor) -> tuple[Tensor, Tensor]:
        low, high = (torch.as_tensor(end).to(Z) for end in (self.low, self.high))
        return low, high


def checked_domain(given: "Domain | Sequence[Any] | None") -> Domain | None:
    """Returns the domain of a pair of bounds; None, or an infinite bound, means no bound."""
    if given is None or isinstance(given, Domain):
        return given
    try:
        low, high = given
        ends = -math.inf if low is None else float(low), math.inf if high is None else float(high)
        if not ends[0] < ends[1]:
            raise ValueError
    except (TypeError, ValueError):
        raise MnemoscopeError(
            f"domain={given!r}",
            expected="the least and the largest entry of the states that the map takes, the lower "
            "one first",
            todo="pass domain=(0, 1), domain=(0, None) for all that are not negative",
        ) from None
    return None if ends == (-math.inf, math.inf) else Domain(*ends)


class Images(NamedTuple):
    """What a map makes of a batch.

    Attributes:
        values: `(n, *shape)`; NaN for states outside the map's domain.
        outside: `(n,)`, which states these are; None where all lie in it.
    """

    values: Float[Tensor, "n *shape"]
    outside: Bool[Tensor, " n"] | None


Evaluate = Callable[[Float[Tensor, "n *shape"]], Images]


def images_where_defined(
    evaluate: Evaluate, Z: Float[Tensor, "n *shape"], known: Float[Tensor, "1 *shape"]
) -> tuple[Images, MapFailedError | None]:
    """Returns the images of a batch, and what the map raised for states that it rejects.

    A map rejects a whole batch where it rejects one of its states. So a batch that fails is halved,
    and each half that fails again, until the states that fail alone are found: for `k` of `n`
    states that takes no more than `2 k log2(2 n / k)` evaluations, and none where none fails.
    """
    try:
        return evaluate(Z), None
    except MapFailedError as error:
        whole = error
    if len(Z) == 0 or isinstance(whole.__cause__, OSError | SystemExit):
        raise whole
    values = torch.full_like(Z, torch.nan)
    outside = torch.ones(len(Z), dtype=torch.bool, device=Z.device)
    # Of one state alone a failure must be seen twice: it may have been a passing one.
    waiting = _halves(0, len(Z)) if len(Z) > 1 else [(0, 1)]
    refused: MapFailedError | None = None
    while waiting:
        first, last = waiting.pop()
        try:
            part = evaluate(Z[first:last])
        except MapFailedError as error:
            if last - first > 1:
                waiting += _halves(first, last)
            else:
                refused = error
            continue
        values[first:last] = part.values
        outside[first:last] = False if part.outside is None else part.outside
    if refused is None:
        raise whole
    try:
        evaluate(known)
    except MapFailedError:
        raise whole from whole.__cause__
    return Images(values, outside), refused


def _halves(first: int, last: int) -> list[tuple[int, int]]:
    middle = (first + last) // 2
    return [(middle, last), (first, middle)]
