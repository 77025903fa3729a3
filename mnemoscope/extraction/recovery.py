"""`recover`: training examples from degraded ones, an inverse problem that the map regularizes.

A degraded example `y = H x + noise` has lost entries of `x`: `H` is diagonal, 1 where an entry was
observed and 0 where it is missing, and which are missing is not known. The example is sought as

    argmin over x and H of  1/2 |H x - y|^2 + lambda s(x),

where the regularizer `s` is small at what the map `f` reproduces and is never written down.

From the literature (Abitbul & Dar, *How Much Training Data is Memorized in Overparameterized
Autoencoders? An Inverse Problem Perspective*, arXiv 2310.02897, ECML PKDD 2024): this problem,
alternating estimates of `x` given `H` and of `H` given `x`, and for `x` the alternating direction
method of multipliers with the autoencoder in the place of the proximal mapping of `s`
(plug-and-play; Venkatakrishnan, Bouman & Wohlberg 2013). With the constraint `x = v` split off and
`u` its scaled multiplier (Boyd et al. 2011, section 3.1.1) one step is

    x <- (H y + rho (v - u)) / (H + rho)        entry by entry, since H is diagonal
    v <- f(x + u)
    u <- u + x - v

Chosen here: the rule for the mask (see `recover`), that the multiplier of an entry begins anew when
its mask changes, how many steps lie between two estimates of the mask, and when to stop.

Where no entry is observed a step is `v <- f(v)`: plain iteration. Observed entries hold the state
where plain iteration loses it, so an example that `f` reproduces can be recovered though it is no
attractor, if `f` contracts along the entries that are missing. Where it expands along them, as the
U-Nets in `docs/recovery.md` do, these steps leave the example too.
"""

from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from mnemoscope.base.check import real_number, whole_number
from mnemoscope.base.errors import MnemoscopeError
from mnemoscope.data.given import given_examples
from mnemoscope.dynamics.orbits import DIVERGED, orbit_batch_size
from mnemoscope.dynamics.states import rms
from mnemoscope.maps import SelfMap, check_values
from mnemoscope.maps.self_map import Stage, as_self_map, in_unit_of_data

RHO = 0.3
"""The weight of the map against the observed entries, which have weight 1. It, `AGREEMENT` and
`INNER` were chosen by `benchmarks/recovery.py tune`, on other examples than it reports."""

AGREEMENT = 0.03
"""An entry of the state this near to the degraded one agrees with it."""

STEPS = 300
"""Maximum number of values of `f` for each example."""

INNER = 30
"""Steps between two estimates of the mask."""

TOL = 1e-6
"""Root mean square step, and gap between `x` and `v`, below which a solution has converged."""


@dataclass(frozen=True)
class Recovery:
    """Estimates of degraded examples.

    Compare them with the examples themselves; a map that fills in well passes the same test on
    examples it was never trained on, so test it on such ones too.

    Attributes:
        estimate: `(n, *shape)`, the examples as estimated; the last finite state if it diverged
            or left the map's domain.
        mask: `(n, *shape)`, True for entries taken for observed: as given, or as estimated.
        steps: `(n,)`, values of `f` spent.
        residual: `(n,)`, root mean square of `x - f(x + u)` at the end, with `u` the multiplier, in
            units.
        misfit: `(n,)`, root mean square of `x - y` over the entries taken for observed, in units; 0
            if none.
        converged: `(n,)`, whether nothing moved by more than `tol` and the mask did not change.
    """

    estimate: Float[Tensor, "n *shape"]
    mask: Bool[Tensor, "n *shape"]
    steps: Int[Tensor, " n"]
    residual: Float[Tensor, " n"]
    misfit: Float[Tensor, " n"]
    converged: Bool[Tensor, " n"]

    def __len__(self) -> int:
        return len(self.steps)


@dataclass(frozen=True)
class RecoveryOptions:
    """Options of the solver of `recover`.

    Attributes:
        rho: The weight of the map against the observed entries; the larger, the nearer to plain
            iteration.
        agreement: How near to each other (in units) entries agree; above the noise of observed
            ones.
        inner: Steps between two estimates of the mask.
        tol: Root mean square (in units) below which a solution has converged.
        batch_size: Examples worked on at once (default: as many as are fast, and fit into a quarter
            of the memory that is free).

    Raises:
        MnemoscopeError: one is out of range.
    """

    rho: float = RHO
    agreement: float = AGREEMENT
    inner: int = INNER
    tol: float = TOL
    batch_size: int | None = None

    def __post_init__(self) -> None:
        real_number("rho", self.rho, above=0)
        real_number("agreement", self.agreement, least=0)
        whole_number("inner", self.inner, least=1)
        real_number("tol", self.tol, above=0)
        if self.batch_size is not None:
            whole_number("batch_size", self.batch_size, least=1)


def recover(
    f: Stage | SelfMap,
    Y: Float[Tensor, "n *shape"],
    *,
    mask: Bool[Tensor, "n *shape"] | None = None,
    fill: float = 0.0,
    steps: int = STEPS,
    options: RecoveryOptions = RecoveryOptions(),
) -> Recovery:
    """Recovers examples from which entries are missing, with the map as the regularizer.

    The mask, if it is not known, is estimated every `inner` steps. An entry of `Y` further than
    `agreement` from `fill` was observed; any other was if the present estimate is within
    `agreement` of it. (For entries without noise this minimizes `|H x + (1 - H) fill - y|`, and
    calls observed what both fit.) So a missing entry whose true value is `fill` counts as observed.
    The first estimate takes no entry at `fill` for observed. Nothing is random.

    Memory: a few copies of `Y`, and as much as `iterate` takes for `batch_size` states.

    Args:
        f: A self-map, or a network or callable to make one from.
        Y: `(n, *shape)`, the degraded examples.
        mask: `(n, *shape)`, True where an entry was observed, if that is known.
        fill: The value of missing entries. Not used where the mask is known.
        steps: Maximum number of values of `f` for each example.
        options: The solver's.

    Raises:
        MnemoscopeError: `Y` is not a batch of finite states, the mask is not of its shape, or an
            option is out of range.

    Example:
        Of a map that projects on the line through (1, 2, 3) one entry is enough.

        >>> import torch
        >>> x = torch.tensor([1.0, 2.0, 3.0])
        >>> P = torch.outer(x, x) / 14
        >>> recover(lambda z: z @ P, torch.tensor([[0.0, 4.0, 0.0]])).estimate.round(decimals=3)
        tensor([[2., 4., 6.]])
    """
    Y = given_examples(Y)
    f = as_self_map(f, Y.shape[1:])
    Y = f.batch(Y)
    _check_data(Y, mask)
    f = in_unit_of_data(f, Y)
    whole_number("steps", steps, least=1)
    agreement = options.agreement
    observed = (Y - fill).abs() > agreement * f.unit if mask is None else mask.to(f.device)
    # Nothing agrees within less than nothing: a known mask stays as it is.
    near = agreement * f.unit if mask is None else -1.0
    check_values(f, Y)
    size = options.batch_size or orbit_batch_size(f)
    found = _Solutions(f, Y, observed)
    with f.evaluating():
        for rows in torch.arange(len(Y), device=f.device).split(size):
            found.solve(rows, options, near=near, steps=steps)
    return found.recovery()


class _Solutions:
    """The solutions so far, one block of examples after another."""

    def __init__(self, f: SelfMap, Y: Tensor, observed: Tensor) -> None:
        n = len(Y)
        self.f, self.Y, self.observed = f, Y, observed
        self.estimate, self.mask = Y.clone(), observed.clone()
        self.steps = torch.zeros(n, dtype=torch.int64, device=Y.device)
        self.residual = Y.new_full((n,), torch.inf)
        self.converged = torch.zeros(n, dtype=torch.bool, device=Y.device)

    def solve(self, rows: Tensor, options: RecoveryOptions, *, near: float, steps: int) -> None:
        """Alternates between examples and masks; rows that converged, or diverged, leave."""
        y, observed = self.Y[rows], self.observed[rows]
        h, v, u = observed, y, torch.zeros_like(y)
        unit = self.f.unit
        bound = DIVERGED * rms(y).clamp_min(unit)
        taken = 0
        while taken < steps and len(rows):
            count = min(options.inner, steps - taken)
            taken += count
            x, v, u, moved = self._advance(y, h, v, u, options.rho, count)
            gap = rms(x - v)
            # NaN compares as False.
            alive = (gap < bound) & (rms(x) < bound)
            mask = observed | ((x - y).abs() <= near)
            settled = torch.maximum(gap, moved) <= options.tol * unit
            still = alive & (mask == h).flatten(1).all(1) & settled
            out = rows[alive]
            self.estimate[out], self.mask[out] = x[alive], mask[alive]
            self.residual[out], self.steps[out] = gap[alive] / unit, taken
            self.converged[out] = still[alive]
            stay = alive & ~still
            u = torch.where(mask == h, u, 0)
            rows, y, observed, bound = rows[stay], y[stay], observed[stay], bound[stay]
            h, v, u = mask[stay], v[stay], u[stay]

    def _advance(
        self, y: Tensor, h: Tensor, v: Tensor, u: Tensor, rho: float, count: int
    ) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Takes `count` steps with the mask as it is: `x`, `v`, `u`, how far the last moved `v`."""
        weight = h.to(y.dtype)
        x, before = y, v
        for _ in range(count):
            before = v
            x = (weight * y + rho * (v - u)) / (weight + rho)
            v = self.f(x + u)
            u = u + x - v
        return x, v, u, rms(v - before)

    def recovery(self) -> Recovery:
        """Returns all of them, with their misfit."""
        missed = torch.where(self.mask, self.estimate - self.Y, 0).flatten(1).square().sum(1)
        entries = self.mask.flatten(1).sum(1).clamp_min(1)
        return Recovery(
            estimate=self.estimate,
            mask=self.mask,
            steps=self.steps,
            residual=self.residual,
            misfit=(missed / entries).sqrt() / self.f.unit,
            converged=self.converged,
        )


def _check_data(Y: Tensor, mask: Tensor | None) -> None:
    finite = torch.isfinite(Y).flatten(1).all(1)
    if not bool(finite.all()):
        raise MnemoscopeError(
            f"degraded examples, {int((~finite).sum())} of them with NaN or infinity",
            expected="finite numbers",
            todo="put a number where entries are missing, and pass it as `fill`, or pass the mask",
            field="Y",
        )
    if mask is not None and (mask.shape != Y.shape or mask.dtype != torch.bool):
        raise MnemoscopeError(
            f"a mask of shape {tuple(mask.shape)} and {mask.dtype}",
            expected=f"{tuple(Y.shape)} and torch.bool, True where an entry was observed",
            todo="expand it to the shape of the degraded examples: mask.expand_as(Y)",
            field="mask",
        )
