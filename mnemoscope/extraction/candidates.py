"""Candidates: states that orbits end at, ranked by how likely each is a training example.

A sequence of training examples is stored as a cycle, so every state of a cycle is a candidate. Two
facts set a memory apart from what the map does between its memories:

- *it lies in the data's range.* A training example does, but for the error of the fit; nothing
  holds other attractors there. Let `e` be the RMS of what lies outside, as a share of the range's
  width;
- *it is stable.* The fit flattens the map around what it was fitted to. Let `rho` be the spectral
  radius per application of the map (of a cycle of period `p` the `p`-th root of that of `f^p`): a
  deviation dies out over about `1 / (1 - rho)` steps.

Both `e` and `1 - rho` range over many powers of ten and have no scale of their own, so their
logarithms carry the information:

    score = - log e + log (1 - rho)

with `e` at least the distance below which attractors are not distinguished. No weight was fitted.

Not in it, since they put spurious attractors first on some networks (`docs/extraction.md`): the
size of the basin, how many kinds of starts reach it, smoothness. They are in the table.
"""

import polars as pl
import torch
from jaxtyping import Float, Int
from torch import Tensor

from mnemoscope.base.stats import wilson
from mnemoscope.base.tables import frame_of
from mnemoscope.dynamics.atlas import RESOLUTION
from mnemoscope.dynamics.starts import Range
from mnemoscope.dynamics.states import group_within, rms
from mnemoscope.extraction.search import BRED, GIVEN, Search

DISTINCT_TOL = 1e-2
"""Two candidates this near to each other (RMS, as a share of the data's range) are one picture: the
distance within which an attractor counts as an example."""


def ranked(found: Search, tol: float) -> tuple[Float[Tensor, "m *shape"], pl.DataFrame]:
    """Returns the distinct candidates, best first, on the CPU, and their table."""
    states, table = found.atlas.states.cpu(), properties(found)
    excess, radius, period = (
        table[name].to_torch() for name in ("excess", "spectral_radius", "period")
    )
    score = likelihood(excess, radius, period, found.span, tol)
    order = score.argsort(descending=True, stable=True)
    order = order[distinct(states[order], found.span)]
    rank = pl.int_range(1, len(order) + 1, dtype=pl.Int64).alias("rank")
    scored = table.insert_column(0, pl.Series("score", score.numpy()))
    return states[order], scored[order.numpy()].select(rank, pl.all())


def properties(found: Search) -> pl.DataFrame:
    """Returns a row for each state of each attractor: see `Extraction.table`, but for the score."""
    atlas, owner = found.atlas, found.atlas.owner.cpu()
    states, period = atlas.states.cpu(), atlas.period.cpu()[owner]
    labels = [found.labels([kind]) for kind in found.kinds]
    starts = torch.stack([torch.bincount(own[own >= 0], minlength=len(atlas)) for own in labels])
    starts = starts[:, owner]
    noise = torch.tensor([kind not in (BRED, GIVEN) for kind in found.kinds])
    count = starts[noise].sum(0)
    total = sum(len(own) for own, counts in zip(labels, noise, strict=True) if counts)
    low, high = wilson(count, total)
    return frame_of(
        {
            "kind": ["cycle" if p > 1 else "fixed_point" for p in period.tolist()],
            "attractor": owner,
            "period": period,
            "spectral_radius": atlas.spectral_radius.cpu().double()[owner],
            "starts": starts.sum(0),
            "basin_fraction": count.double() / max(1, total),
            "basin_low": low,
            "basin_high": high,
            "kinds_reached": (starts > 0).sum(0),
            "kinds_tried": torch.full_like(count, len(found.kinds)),
            "excess": excess(states, found.span),
            "contrast": _variance(states).sqrt(),
            "roughness": roughness(states),
        }
    ).cast({"kind": pl.String})


def likelihood(
    excess: Float[Tensor, " m"],
    spectral_radius: Float[Tensor, " m"],
    period: Int[Tensor, " m"],
    span: Range,
    tol: float,
) -> Float[Tensor, " m"]:
    """Scores each candidate; the higher, the likelier it is a training example."""
    outside = (excess / span.width).clamp_min(RESOLUTION * tol)
    return (1 - spectral_radius ** (1 / period)).log() - outside.log()


def distinct(states: Float[Tensor, "m *shape"], span: Range) -> Int[Tensor, " k"]:
    """Returns the rows that are no near copy of an earlier one, rising."""
    return group_within(states, DISTINCT_TOL * span.width)[1]


def excess(states: Float[Tensor, "m *shape"], span: Range) -> Float[Tensor, " m"]:
    """Computes the RMS of what of each state's entries lies outside of the range.

    Example:
        >>> excess(torch.tensor([[0.0, 0.5], [1.3, -0.4]]), Range(0.0, 1.0))
        tensor([0.0000, 0.3536], dtype=torch.float64)
    """
    Z = states.double()
    return rms(Z - Z.clamp(span.low, span.high))


def roughness(states: Float[Tensor, "m *shape"]) -> Float[Tensor, " m"]:
    """Computes the mean square difference of neighbours over twice the variance.

    Neighbours along the last two axes of a picture, along the only one of a vector. The expectation
    for independent entries is 1 (J. von Neumann 1941). A constant state has 0.

    Example:
        >>> roughness(torch.tensor([[0.0, 1.0, 0.0, 1.0]]))
        tensor([2.], dtype=torch.float64)
    """
    Z = states.double()
    axes = range(max(1, Z.ndim - 2), Z.ndim)
    squares = [Z.diff(dim=axis).square().flatten(1) for axis in axes if Z.shape[axis] > 1]
    variance = _variance(Z)
    if not squares:
        return torch.zeros_like(variance)
    return torch.where(variance > 0, torch.cat(squares, 1).mean(1) / (2 * variance), 0.0)


def _variance(states: Tensor) -> Tensor:
    flat = states.double().flatten(1)
    return (flat - flat.mean(1, keepdim=True)).square().mean(1)
