"""A map linearized from its values: difference quotients over visible lengths.

Of a map whose values come in steps the derivative is 0, or that of a map without the steps. Its
growth shows in quotients over lengths of many steps. What rounding adds to each is made independent
by moving the base points at random, so that it averages out.

Both ends of a difference must lie in the map's domain. Between known bounds a base point is moved
inwards, each entry by no more than the difference is long there; that changes a quotient by no more
than what curvature over its length does. Where the edge is not known, because the map raises beyond
it, base points are moved towards a state in the midst of those that the map takes, as little as
does.
"""

import torch
from jaxtyping import Float
from torch import Tensor

from mnemoscope.base.errors import MnemoscopeError
from mnemoscope.maps.linearization import Linearization
from mnemoscope.maps.resolution import expanded, rms
from mnemoscope.maps.self_map import SelfMap

SHARES = (1 / 256, 1 / 64, 1 / 16, 1 / 4, 1 / 2)
"""Shares of the way to the middle that are tried, one after another, where the edge is unknown."""

DITHER = 1 / 3
"""RMS distance by which base points are moved, in lengths of a difference."""

ACCURATE = 0.01
"""Error of a quotient, in a direction of RMS 1, below which no more of them are averaged."""

TINY = 1e-30
"""A direction shorter than this is taken for none."""

AT_ONCE = 512
"""States evaluated at once where a Jacobian is formed."""

ENTRIES = 4096
"""Quotients averaged, at most, times entries of a state."""


class DifferenceLinearization(Linearization):
    """A map's growth over visible lengths, from `2 count` values for each product.

    Attributes:
        error: RMS error of a product with a direction of RMS 1.
    """

    def __init__(self, f: SelfMap, states: Float[Tensor, "n *shape"], *, seed: int = 0) -> None:
        """Evaluates `f` at `states`, whose resolution is known."""
        self.states, self.values = states, f(states)
        self.products = 0
        self._f, self._length = f, f.resolution.length or _short(f, states)
        self._base = off_the_edge(f, states, torch.full_like(states, self._length))
        error = f.resolution.quotient_error
        self._count = int(max(1, min((error / ACCURATE) ** 2, ENTRIES // f.size)))
        self._dither = DITHER * self._length if error else 0.0
        self.error = error / self._count**0.5
        self._generator = torch.Generator().manual_seed(seed)

    def dense(self, *, chunk: int | None = None) -> Float[Tensor, "n d d"]:
        """Returns the Jacobians, from quotients along random orthogonal directions.

        Along single coordinates a difference of the same root mean square would leave the data.
        """
        n, d = len(self.states), self.states[:1].numel()
        drawn = torch.randn(d, d, generator=self._generator, dtype=torch.float64)
        basis = torch.linalg.qr(drawn).Q.to(self.states)
        self.products += d
        step = max(1, AT_ONCE // n)
        images = []
        for rows in basis.split(step):
            tangents = rows.reshape(-1, 1, *self.states.shape[1:])
            images.append(self._push(tangents.expand(-1, *self.states.shape)).flatten(2))
        return torch.cat(images).permute(1, 2, 0) @ basis

    def _push(self, V: Float[Tensor, "k n *shape"]) -> Float[Tensor, "k n *shape"]:
        vectors = V.flatten(0, 1)
        states = self._base.expand(len(V), *self.states.shape).flatten(0, 1)
        size = rms(vectors)
        step = vectors * expanded(self._length / size.clamp_min(TINY), vectors)
        total = torch.zeros_like(vectors)
        for _ in range(self._count):
            at = self._f.clipped(self._moved(states), step.abs())
            total += self._f(at + step) - self._f(at - step)
        grown = total * expanded(size / (2 * self._length * self._count), vectors)
        return grown.reshape(V.shape)

    def _moved(self, states: Tensor) -> Tensor:
        if not self._dither:
            return states
        drawn = torch.randn(states.shape, generator=self._generator, dtype=torch.float32)
        return states + self._dither * drawn.to(states)

    def _pull(self, U: Float[Tensor, "n *shape"]) -> Float[Tensor, "n *shape"]:
        raise MnemoscopeError(
            f"a map of {self.states[0].numel():,} entries that is measured by its values, and a "
            "product with its transposed Jacobian",
            expected="derivatives, or states so small that the Jacobian can be formed",
            todo="ask for eigenvalues, or bring the examples to a smaller size",
        )


def _short(f: SelfMap, states: Tensor) -> float:
    """Returns the length of a difference where values are resolved to rounding."""
    return torch.finfo(f.dtype).eps ** (1 / 3) * (float(rms(states).median()) or f.unit)


def off_the_edge(
    f: SelfMap, Z: Float[Tensor, "n *shape"], reach: Float[Tensor, "n *shape"]
) -> Float[Tensor, "n *shape"]:
    """Moves states so that differences around them stay in the domain, where that can be had.

    Nothing is evaluated for a map that has never raised.
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
