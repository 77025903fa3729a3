"""Follows slow orbits by leaps: millions of steps of a map in a few hundred of its values.

Near the identity, as along a slow direction of an attractor, a step is small and hardly changes
from one to the next. Projective integration (Gear & Kevrekidis, SIAM J. Sci. Comput. 24, 2003)
takes a window of plain steps, in which all fast directions die out, and then leaps over many. Here
the leap is that of a linear model of the window (dynamic mode decomposition; Schmid, J. Fluid Mech.
656, 2010): in the space that the steps `d_k = z_(k+1) - z_k` span, the least-squares matrix `A`
with `d_(k+1) = A d_k` gives

    z_(k+m) - z_k = (A + ... + A^m) d_(k-1),

and, if its eigenvalues lie within the unit circle, the limit, at `m = infinity`. The next window
shows whether the leap was right: its last step is compared with the one predicted, and where the
two differ by more than `AGREE` the orbit goes back and leaps less far. So an orbit that turns is
followed round the turn, and one that leaves along a separatrix stays on its side of it.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import NamedTuple

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from mnemoscope.dynamics.double import in_float64
from mnemoscope.dynamics.states import expand, rms
from mnemoscope.maps import SelfMap, image_space

WINDOW = 12
"""Plain steps before each leap."""

RANK = 4
"""Directions of the model at most: two complex pairs."""

AGREE = 0.02
"""A leap is right if the step after it is as predicted, to within this share of a step."""

LONGER = 4
"""Largest factor by which the length of a leap changes from one to the next."""

WAIT = 8
"""Windows in which fast directions that a leap has excited may die out."""

LASTS = 1024
"""Steps after which only slow directions are left."""

DECAY = 4.6
"""A leap shrinks no direction by more than `e^-4.6 = 1/100`, and lets none grow by more than e."""

MAX_LEAP = 1e13
"""Steps of a leap from which on an orbit counts as unsettled: rounding decides."""

MIN_LEAP = WINDOW // 2
"""A leap over fewer steps than this is not worth the window that checks it."""

FAINT = 1e-10
"""Relative size of steps below which a direction is dropped."""

PATIENCE = 32
"""Windows without a leap after which an orbit is given up."""

ROUNDING = 4
"""Assumed rounding of a value, in units of the state's last place."""

SEEN = 10
"""Size of a number, in rounding errors, from which on it counts."""


@dataclass(frozen=True)
class Followed:
    """Ends of slow orbits.

    Attributes:
        end: `(n, *shape)`, the last state.
        steps: `(n,)`, values of `f` taken.
        distance: `(n,)`, from `end` to the limit (RMS), by the model; infinite where it sees none.
        converged: `(n,)`, whether that is within the tolerance.
        diverged: `(n,)`, whether the orbit left the bound.
        left: `(n,)`, whether it left the map's domain; its end is the last state there.
    """

    end: Float[Tensor, "n *shape"]
    steps: Int[Tensor, " n"]
    distance: Float[Tensor, " n"]
    converged: Bool[Tensor, " n"]
    diverged: Bool[Tensor, " n"]
    left: Bool[Tensor, " n"]


class _Model(NamedTuple):
    """`d_(k+i) = basis @ matrix^i @ start`, for each orbit."""

    basis: Float[Tensor, "n d r"]
    matrix: Float[Tensor, "n r r"]
    start: Float[Tensor, "n r"]

    def leap(self, steps: Int[Tensor, " n"]) -> tuple[Tensor, Tensor]:
        """Returns the way of this many steps, and the coordinates of the last of them."""
        power, total = _powers(self.matrix, steps)
        return self._along(total), (power @ self.start[:, :, None])[:, :, 0]

    def step(self, after: Int[Tensor, " n"]) -> Tensor:
        """Returns the step this many steps later."""
        return self._along(_powers(self.matrix, after)[0])

    def limit(self) -> Tensor:
        """Returns the way of all further steps, if they shrink; NaN where they do not change."""
        one = torch.eye(self.matrix.shape[1]).to(self.matrix)
        there, singular = torch.linalg.solve_ex(one - self.matrix, self.matrix)
        return self._along(torch.where(singular[:, None, None] == 0, there, torch.nan))

    def largest(self) -> Float[Tensor, " n"]:
        """Returns the largest eigenvalue modulus of the matrix."""
        # Small matrices: not every device has the routine.
        found = torch.linalg.eigvals(self.matrix.nan_to_num().cpu()).abs().amax(1)
        return found.to(self.matrix)

    def _along(self, power: Tensor) -> Tensor:
        return (self.basis @ (power @ self.start[:, :, None]))[:, :, 0]


def follow_in_double(
    f: SelfMap,
    Z: Float[Tensor, "n *shape"],
    bound: Float[Tensor, " n"],
    *,
    period: int,
    tol: float,
    allowance: Int[Tensor, " n"],
) -> Followed:
    """Follows slow orbits of `f^period` as `follow` does, in double precision if the map has it.

    A fully connected network is followed in coordinates of the space it maps into. The ends are in
    the precision in which they were computed.
    """
    double = in_float64(f, Z) or f
    space = image_space(double)
    if space is None:
        return follow(double**period, double.batch(Z), bound, tol=tol, allowance=allowance)
    scale = space.scale
    Y = space.coordinates(double.batch(Z))
    went = follow(space.map**period, Y, bound * scale, tol=tol * scale, allowance=allowance)
    return replace(went, end=space.states(went.end), distance=went.distance / scale)


def follow(
    f: SelfMap,
    Z: Float[Tensor, "n *shape"],
    bound: Float[Tensor, " n"],
    *,
    tol: float,
    allowance: Int[Tensor, " n"],
) -> Followed:
    """Follows slow orbits, by leaps, to within `tol` (RMS) of their limits.

    `bound` is the root mean square beyond which each has diverged, `allowance` the values of `f`
    that each may take; windows are taken whole.
    """
    # A window and its differences, their factors, a model; and the map's own working memory.
    each = 5 * (WINDOW + 1) * f.size * f.dtype.itemsize + f.footprint.evaluate
    parts = []
    with f.evaluating():
        for rows in torch.arange(len(Z), device=Z.device).split(f.batch_size(each, largest=1024)):
            chase = _Chase(f, Z[rows], bound[rows].to(f.dtype), allowance[rows], tol)
            while len(chase.open):
                chase.round()
            parts.append(chase.followed())
    return Followed(*(torch.cat(field) for field in zip(*parts, strict=True)))


class _Chase:
    """A batch of slow orbits. Those under way are `open`; all tensors have a row for each orbit."""

    def __init__(self, f: SelfMap, Z: Tensor, bound: Tensor, allowance: Tensor, tol: float) -> None:
        self.f, self.bound, self.allowance, self.tol = f, bound, allowance, tol
        n, z = len(Z), f.batch(Z).flatten(1)
        whole = torch.zeros(n, dtype=torch.int64, device=z.device)
        real = z.new_zeros(n)
        self.open = torch.arange(n, device=z.device)
        # Where the next window begins; where the last one that counts ended, and its last step.
        self.at, self.base, self.last = z.clone(), z.clone(), torch.zeros_like(z)
        # The state before a base: the last one in the domain, if the base is not.
        self.before = z.clone()
        self.model = _straight(torch.zeros_like(z), real)
        self.ahead, self.length = self.model.start.clone(), torch.full_like(whole, WINDOW)
        self.leapt, self.over = whole > 0, whole > 0
        self.idle, self.steps, self.windows = whole.clone(), whole.clone(), whole.clone()
        self.distance = torch.full_like(real, torch.inf)
        self.converged, self.diverged, self.left = whole > 0, whole > 0, whole > 0

    def followed(self) -> tuple[Tensor, ...]:
        """Returns the fields of `Followed`."""
        end = self.base.reshape(-1, *self.f.shape)
        return end, self.steps, self.distance, self.converged, self.diverged, self.left

    def round(self) -> None:
        """Takes a window for each orbit, checks the leap before it, and leaps again."""
        rows = self.open
        states, outside = self._window(self.at[rows])
        self.steps[rows] += WINDOW
        self.windows[rows] += 1
        leapt, length, windows = self.leapt[rows], self.length[rows], self.windows[rows]
        before, error = self._errors(rows, states.diff(dim=1), WINDOW * windows)
        # Errors that decay within the window were excited by the leap, whatever its length.
        fading = leapt & (error > AGREE) & (error < before / 2) & (windows < WAIT)
        right = ~fading & (~leapt | (error <= AGREE))
        # The error of a leap grows as the square of its length.
        better = (AGREE / 2 / error).sqrt().nan_to_num(0.0).clamp(1 / LONGER, LONGER)
        adapted = (length * torch.where(leapt & ~fading, better, 1)).long()
        self.length[rows] = torch.where(right, adapted.clamp_min(MIN_LEAP), adapted)
        self.idle[rows[right & leapt]] = 0
        if bool(right.any()):
            gone = None if outside is None else outside[right]
            self._arrive(rows[right], states[right], leapt[right], gone)
        spent = self.steps[rows] >= self.allowance[rows]
        self.over[rows] |= spent | (self.idle[rows] >= PATIENCE)
        self.at[rows[fading]] = states[fading, -1]
        self._leap(rows[~fading & ~self.over[rows]])
        self.open = rows[~self.over[rows]]

    def _errors(self, rows: Tensor, steps: Tensor, after: Tensor) -> tuple[Tensor, Tensor]:
        """Returns the relative errors of the prediction for the first and last of these steps."""
        model = self._models(rows)._replace(start=self.ahead[rows])
        first, last = model.step(after - WINDOW + 1), model.step(after)
        size = torch.maximum(rms(last), rms(self.last[rows]))
        return rms(steps[:, 0] - first) / size, rms(steps[:, -1] - last) / size

    def _window(
        self, z: Float[Tensor, "n d"]
    ) -> tuple[Float[Tensor, "n w d"], Bool[Tensor, "n w"] | None]:
        """Returns some states of each orbit, and which lie outside the domain; None if none do."""
        states, outside, domain = [z], [], self.f.domain
        none = torch.zeros(len(z), dtype=torch.bool, device=z.device)
        image = z.reshape(-1, *self.f.shape)
        for _ in range(WINDOW):
            image, gone = self.f.images(image)
            states.append(image.flatten(1))
            outside.append(none if gone is None else gone)
        finite = torch.isfinite(image).flatten(1).all(1)
        outside.append(none if domain is None else finite & ~domain.holds(image))
        gone = torch.stack(outside, dim=1)
        return torch.stack(states, dim=1), gone if bool(gone.any()) else None

    def _models(self, rows: Tensor) -> "_Model":
        return _Model(*(part[rows] for part in self.model))

    def _arrive(self, rows: Tensor, states: Tensor, leapt: Tensor, outside: Tensor | None) -> None:
        """Takes the ends of these windows for the new bases, and models them."""
        end, steps = states[:, -1], states.diff(dim=1)
        lost = ~torch.isfinite(states).flatten(1).all(1) | (rms(end) > self.bound[rows])
        self.diverged[rows] = lost
        if outside is not None:
            left = outside.any(1)
            first = outside.long().argmax(1)
            before = torch.cat([self.before[rows, None], states], dim=1)
            last = before[torch.arange(len(rows), device=rows.device), first]
            self.base[rows] = torch.where(left[:, None], last, self.base[rows])
            self.left[rows], self.diverged[rows] = left, lost & ~left
            lost = lost | left
        self.before[rows] = states[:, -2]
        steps = torch.where(lost[:, None, None], 0, steps)
        step = steps[:, -1]
        length, noise = rms(step), ROUNDING * torch.finfo(end.dtype).eps * rms(end)
        model = _modelled(steps, noise)
        largest = model.largest()
        limit = torch.where(largest < 1, rms(model.limit()), torch.inf)
        # The window is too short to see how slow the orbit is: the leap before it may show that.
        blurred = SEEN * noise > WINDOW * (1 - largest).abs() * length
        slope = _slope(end - self.base[rows], step - self.last[rows], noise)
        slope = torch.where(leapt, slope, 0)
        afar = torch.where(slope > 0, torch.maximum(length, noise) / slope, torch.inf)
        limit = torch.where(blurred, afar, limit)
        limit = limit.nan_to_num(nan=torch.inf, posinf=torch.inf)
        if bool(blurred.any()):
            straight = _straight(_lasting(model, step), slope)
            model = _Model(*map(_chosen(blurred), straight, model))
        largest = torch.where(blurred, 1 - slope, largest)
        self.distance[rows] = torch.where(length == 0, 0, limit)
        self.converged[rows] = ~lost & (self.distance[rows] <= self.tol)
        longest = torch.where(largest < 1, DECAY, 1) / (1 - largest).abs()
        self.length[rows] = torch.minimum(self.length[rows], longest.clamp(1, 2 * MAX_LEAP).long())
        self.base[rows] = torch.where(lost[:, None], self.base[rows], end)
        self.last[rows] = step
        for mine, new in zip(self.model, model, strict=True):
            mine[rows] = new
        # Where a step is not known to the accuracy that leaps are held to, none can be checked.
        nowhere = (AGREE * length <= noise) | (self.length[rows] >= MAX_LEAP)
        self.over[rows] = lost | self.converged[rows] | nowhere

    def _leap(self, rows: Tensor) -> None:
        """Leaps from the base, or goes on from there where a leap would save nothing."""
        length = self.length[rows]
        far = length >= MIN_LEAP
        self.leapt[rows], self.windows[rows] = far, 0
        self.idle[rows] += (~far).long()
        leap, self.ahead[rows] = self._models(rows).leap(length.clamp_min(1))
        self.at[rows] = self.base[rows] + torch.where(far[:, None], leap, 0)


def _modelled(steps: Float[Tensor, "n w d"], noise: Float[Tensor, " n"]) -> _Model:
    """Returns the linear model of a window: directions that rounding drowns are dropped."""
    _, w, d = steps.shape
    Q, R = torch.linalg.qr(steps.transpose(1, 2))
    U, sizes, V = torch.linalg.svd(R[:, :, :-1], full_matrices=False)
    r = min(RANK, sizes.shape[1])
    U, sizes, V = U[:, :, :r], sizes[:, :r], V[:, :r]
    least = torch.maximum(SEEN * noise * (w * d) ** 0.5, FAINT * sizes[:, 0])
    kept = (sizes > least[:, None]) | (torch.arange(r, device=sizes.device) == 0)
    kept &= sizes > 0
    over = torch.where(kept, 1 / sizes, 0)
    matrix = kept[:, :, None] * (U.mT @ R[:, :, 1:] @ (V.mT * over[:, None]))
    start = kept * (U.mT @ R[:, :, -1:])[:, :, 0]
    basis = Q @ U
    pad = RANK - r
    pad_ = torch.nn.functional.pad
    return _Model(pad_(basis, (0, pad)), pad_(matrix, (0, pad, 0, pad)), pad_(start, (0, pad)))


def _straight(step: Float[Tensor, "n d"], slope: Float[Tensor, " n"]) -> _Model:
    """Returns the model of one direction, in which a step shrinks by `slope` of itself."""
    size = torch.linalg.vector_norm(step, dim=1)
    basis = step.new_zeros(*step.shape, RANK)
    basis[:, :, 0] = step / size.clamp_min(torch.finfo(step.dtype).tiny)[:, None]
    matrix = step.new_zeros(len(step), RANK, RANK)
    matrix[:, 0, 0] = 1 - slope
    start = step.new_zeros(len(step), RANK)
    start[:, 0] = size
    return _Model(basis, matrix, start)


def _lasting(model: _Model, step: Float[Tensor, "n d"]) -> Float[Tensor, "n d"]:
    """Returns the part of a step that fast directions have no share in."""
    later = model.step(torch.full((len(step),), LASTS, device=step.device))
    size = torch.linalg.vector_norm(later, dim=1)[:, None]
    along = (later / size).nan_to_num(0.0)
    return (step * along).sum(1)[:, None] * along


def _slope(
    moved: Float[Tensor, "n d"], turned: Float[Tensor, "n d"], noise: Float[Tensor, " n"]
) -> Float[Tensor, " n"]:
    """Returns the shrinking of the step as a share of the way moved; 0 where rounding hides it."""
    slope = -(turned * moved).sum(1) / moved.square().sum(1)
    seen = slope.abs() * rms(moved) > SEEN * noise
    return torch.where(seen, slope, 0).nan_to_num(0.0)


def _chosen(mask: Tensor) -> Callable[[Tensor, Tensor], Tensor]:
    return lambda yes, no: torch.where(expand(mask, yes), yes, no)


def _powers(A: Float[Tensor, "n r r"], m: Int[Tensor, " n"]) -> tuple[Tensor, Tensor]:
    """Computes `A^m` and `A + ... + A^m` by repeated squaring."""
    power = torch.eye(A.shape[1]).to(A).expand_as(A)
    total = torch.zeros_like(A)
    square, sum_ = A, A
    while bool((m > 0).any()):
        odd = expand(m % 2 == 1, A)
        total = torch.where(odd, total + power @ sum_, total)
        power = torch.where(odd, power @ square, power)
        sum_, square = sum_ + square @ sum_, square @ square
        m = m // 2
    return power, total
