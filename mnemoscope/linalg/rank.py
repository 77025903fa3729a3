"""Effective rank: the number of directions that a batch of states uses."""

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

GRAM = 1e-6
"""Above this threshold singular values come from the Gram matrix, many times as fast where one side
is long: rounding hides those below the root of eps, which are set to 0."""


@dataclass(frozen=True)
class EffectiveRank:
    """Two counts of the directions that carry a batch.

    Attributes:
        participation: `(sum s)^2 / sum s^2` of the singular values: `r` for `r` equal ones.
        count: Singular values above `threshold` times the largest.
        threshold: The threshold, relative to the largest singular value.
    """

    participation: float
    count: int
    threshold: float


def effective_rank(A: Float[Tensor, "n *shape"], *, threshold: float = 1e-3) -> EffectiveRank:
    """Computes the effective rank of the `n × d` matrix of the states.

    Example:
        >>> import torch
        >>> effective_rank(torch.eye(4)).participation
        4.0
    """
    s = _singular_values(A.detach().flatten(1).to(torch.float64), threshold)
    largest = float(s.max()) if s.numel() else 0.0
    if largest == 0.0:
        return EffectiveRank(participation=0.0, count=0, threshold=threshold)
    s = s / largest
    return EffectiveRank(
        participation=float(s.sum() ** 2 / s.square().sum()),
        count=int((s > threshold).sum()),
        threshold=threshold,
    )


def _singular_values(A: Float[Tensor, "n d"], threshold: float) -> Float[Tensor, " r"]:
    short, long = sorted(A.shape)
    if short == 0 or threshold < GRAM or long < 2 * short:
        return torch.linalg.svdvals(A)
    size = A.abs().max()
    if not size > 0:
        return A.new_zeros(short)
    # Scaled, so that no square leaves the range.
    B = A / size
    squares = torch.linalg.eigvalsh(B @ B.T if len(A) == short else B.T @ B)
    squares = torch.where(squares > short * torch.finfo(A.dtype).eps * squares.max(), squares, 0)
    return size * squares.sqrt()
