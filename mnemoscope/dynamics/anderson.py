"""Anderson's mixing from many starts at once: to fixed points of every kind, by values alone.

Iteration `z <- f(z)` finds what attracts. Mixing (D. G. Anderson, J. ACM 12, 1965) remembers the
last states `z_j` of a search and their residuals `r_j = f(z_j) - z_j`, and goes on from

    z = sum_j a_j f(z_j),    a = argmin |sum_j a_j r_j|  over  sum_j a_j = 1.

This is a quasi-Newton step: differences of residuals are secants of `J - 1` (Fang & Saad, Numer.
Linear Algebra Appl. 16, 2009). So it ends at fixed points that repel as well as at those that
attract, costs one value of `f` a step, and needs few secants where few eigenvalues of `J` are not
small, as for an autoencoder.

For states of many entries the least-squares problem is solved for random sketches of the residuals,
which keep their lengths to within a tenth or two (Johnson & Lindenstrauss 1984).
"""

from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from mnemoscope.dynamics.states import rms
from mnemoscope.linalg.orthogonal import coefficients, combination
from mnemoscope.maps import SelfMap

MEMORY = 12
"""Earlier states of a search that are mixed."""

DAMPING = 1e-4
"""Added to the products of the secants, scaled to length 1, so that none is trusted too far."""

SKETCH = 64
"""Numbers that a residual is sketched by where a state has more than twice as many entries."""

CHECK = 4
"""Steps between two checks for finished searches."""


@dataclass(frozen=True)
class Ends:
    """Ends of searches.

    Attributes:
        tags: `(n, t)`, the numbers that each search carried.
        states: `(n, *shape)`.
        converged: `(n,)`, whether `f(z) - z` fell to the tolerance.
    """

    tags: Int[Tensor, "n t"]
    states: Float[Tensor, "n *shape"]
    converged: Bool[Tensor, " n"]


class Mixing:
    """Searches under way, each at its own step, all in one batch; finished ones leave it.

    Memory: about `30 d` entries for each search, and the map's own.

    Attributes:
        reach: A step is no longer (RMS) than this, or than the residual where that is larger.
    """

    def __init__(self, f: SelfMap, *, tol: float, max_steps: int, tags: int) -> None:
        """Prepares for searches, each with a number of `tags`; none is under way yet.

        A search converges at a residual (RMS) of `tol`, or of rounding, `4 eps RMS(z)`, and is
        given up after `max_steps` values of `f`.
        """
        self.reach = 0.0
        self._f, self._tol, self._max_steps = f, tol, max_steps
        self._sketch = _sketch(f)
        self._turn = 0
        places = min(MEMORY, f.size) + 1
        whole = torch.empty(0, dtype=torch.int64, device=f.device)
        real = torch.empty(0, dtype=f.dtype, device=f.device)
        self._tags, self._age = whole.new_empty(0, tags), whole
        self._z = real.new_empty(0, f.size)
        self._images = real.new_empty(0, places, f.size)
        sketched = f.size if self._sketch is None else self._sketch.shape[1]
        self._residuals = real.new_empty(0, places, sketched)
        self._products = real.new_empty(0, places, places)

    def __len__(self) -> int:
        return len(self._age)

    def admit(self, tags: Int[Tensor, "n t"], Z: Float[Tensor, "n *shape"]) -> None:
        """Adds new searches: a plain step from `Z`, which fills their memory."""
        if len(Z) == 0:
            return
        image = self._f(Z).flatten(1)
        residual = self._sketched(image - Z.flatten(1))
        begun = self._within(image)
        new = {
            "_tags": tags,
            "_age": torch.ones_like(tags[:, 0]),
            "_z": begun,
            "_images": image[:, None],
            "_residuals": residual[:, None],
            "_products": residual.square().sum(1)[:, None, None],
        }
        for name, rows in new.items():
            old = getattr(self, name)
            setattr(self, name, torch.cat([old, rows.expand(-1, *old.shape[1:])]))

    def run(self, until: int) -> Ends:
        """Goes on until at most `until` searches are under way; returns those that are done."""
        tags, states, converged = [self._tags[:0]], [self._z[:0]], [self._age[:0] > 0]
        while len(self) > until:
            image = self._f(self._z.reshape(-1, *self._f.shape)).flatten(1)
            if self._turn % CHECK == 0:
                there, leaving = self._done(image)
                # Closing the ranks copies the memory: not for a few.
                if int(leaving.sum()) > 0.1 * len(self):
                    tags.append(self._tags[leaving])
                    states.append(self._z[leaving])
                    converged.append(there[leaving])
                    image = self._close_ranks(~leaving, image)
            self._step(image)
        ends = torch.cat(states).reshape(-1, *self._f.shape)
        return Ends(torch.cat(tags), ends, torch.cat(converged))

    def _done(self, image: Tensor) -> tuple[Tensor, Tensor]:
        """Returns the searches that have converged, and those that are over."""
        left = rms(image - self._z)
        there = left <= (4 * torch.finfo(left.dtype).eps * rms(self._z)).clamp_min(self._tol)
        return there, there | ~torch.isfinite(left) | (self._age >= self._max_steps)

    def _close_ranks(self, stay: Tensor, image: Tensor) -> Tensor:
        rows = stay.nonzero()[:, 0]
        for name in ("_tags", "_age", "_z", "_images", "_residuals", "_products"):
            setattr(self, name, getattr(self, name)[rows])
        return image[rows]

    def _step(self, image: Tensor) -> None:
        place = self._turn % self._images.shape[1]
        self._turn += 1
        self._age = self._age + 1
        self._images[:, place] = image
        self._residuals[:, place] = self._sketched(image - self._z)
        across = coefficients(self._residuals, self._residuals[:, place])
        self._products[:, place] = across
        self._products[:, :, place] = across
        way = combination(self._images, _weights(self._products, place)) - self._z
        limit = (across[:, place] / self._residuals.shape[2]).sqrt().clamp_min(self.reach)
        self._z = self._within(self._z + way * (limit / torch.maximum(rms(way), limit))[:, None])

    def _within(self, z: Tensor) -> Tensor:
        """Clips states to the map's domain, in which all fixed points lie."""
        shaped = z.reshape(-1, *self._f.shape)
        return self._f.clipped(shaped).flatten(1)

    def _sketched(self, residual: Tensor) -> Tensor:
        return residual if self._sketch is None else residual @ self._sketch


def _sketch(f: SelfMap) -> Float[Tensor, "d s"] | None:
    if f.size <= 2 * SKETCH:
        return None
    generator = torch.Generator().manual_seed(0)
    directions = torch.randn(f.size, SKETCH, generator=generator, dtype=torch.float64)
    # So scaled, a sketch has the residual's root mean square.
    return (directions / f.size**0.5).to(device=f.device, dtype=f.dtype)


def _weights(products: Float[Tensor, "n m m"], place: int) -> Float[Tensor, "n m"]:
    """Computes the weights `a_j` from the inner products of the residuals; now at `place`."""
    across = products[:, place]
    present = across[:, place, None]
    # Inner products of the secants r_j - r; that of the present residual is 0.
    secants = products - across[:, :, None] - across[:, None, :] + present[:, :, None]
    square = secants.diagonal(dim1=1, dim2=2)
    lost = 10 * torch.finfo(square.dtype).eps * products.diagonal(dim1=1, dim2=2)
    square.add_(DAMPING * square + lost)
    factor = torch.linalg.cholesky_ex(secants)[0]
    share = torch.cholesky_solve((present - across)[:, :, None], factor)[:, :, 0]
    # Where rounding spoiled the factor, a plain step.
    weights = torch.nan_to_num(share, nan=0.0, posinf=0.0, neginf=0.0)
    weights[:, place] += 1 - weights.sum(1)
    return weights
