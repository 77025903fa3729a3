"""Candidates: states that orbits end at, each of which may be a training example.

A sequence of training examples is stored as a cycle, so every state of a cycle is a candidate.
"""

from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

from mnemoscope.dynamics.starts import Range
from mnemoscope.dynamics.states import group_within, rms
from mnemoscope.extraction.search import Search

DISTINCT_TOL = 1e-2
"""Two candidates this near to each other (RMS, as a share of the data's range) are one picture: the
distance within which an attractor counts as an example."""


@dataclass(frozen=True)
class Evidence:
    """Properties of each candidate that need no data.

    Attributes:
        states: `(m, *shape)`.
        attractor: `(m,)`, the attractor in the atlas that the state belongs to.
        period: `(m,)`, of that attractor.
        spectral_radius: `(m,)`, of the Jacobian of `f^p`.
        starts: `(kinds, m)`, number of starts of each kind that ended at that attractor.
        tried: `(kinds,)`, number of starts of each kind.
        excess: `(m,)`, RMS of what of its entries lies outside of the data's range.
        contrast: `(m,)`, standard deviation of its entries.
        roughness: `(m,)`, mean square difference of neighbours over twice the variance: 1 for white
            noise, near 0 for what is smooth.
    """

    states: Float[Tensor, "m *shape"]
    attractor: Int[Tensor, " m"]
    period: Int[Tensor, " m"]
    spectral_radius: Float[Tensor, " m"]
    starts: Int[Tensor, "kinds m"]
    tried: Int[Tensor, " kinds"]
    excess: Float[Tensor, " m"]
    contrast: Float[Tensor, " m"]
    roughness: Float[Tensor, " m"]

    def __len__(self) -> int:
        return len(self.states)

    def at(self, rows: Int[Tensor, " k"]) -> "Evidence":
        """Returns the candidates in these rows."""
        per_row = {
            name: value[rows] for name, value in vars(self).items() if name not in KINDS_FIRST
        }
        return Evidence(**per_row, starts=self.starts[:, rows], tried=self.tried)


KINDS_FIRST = ("starts", "tried")
"""Attributes that have a row for each kind of starts; all others have one for each candidate."""


def evidence(found: Search) -> Evidence:
    """Collects what the search shows of every state of every attractor; on the CPU."""
    atlas, owner = found.atlas, found.atlas.owner.cpu()
    states = atlas.states.cpu()
    starts, tried = _counts(found, len(atlas))
    return Evidence(
        states=states,
        attractor=owner,
        period=atlas.period.cpu()[owner],
        spectral_radius=atlas.spectral_radius.cpu().double()[owner],
        starts=starts[:, owner],
        tried=tried,
        excess=excess(states, found.span),
        contrast=_variance(states).sqrt(),
        roughness=roughness(states),
    )


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


def _counts(found: Search, attractors: int) -> tuple[Tensor, Tensor]:
    labels = [found.labels([kind]) for kind in found.kinds]
    starts = [torch.bincount(own[own >= 0], minlength=attractors) for own in labels]
    return torch.stack(starts), torch.tensor([len(own) for own in labels])
