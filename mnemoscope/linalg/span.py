"""The linear span of a batch of examples: a basis, and distances to it."""

import torch
from jaxtyping import Float
from torch import Tensor

from mnemoscope.base.errors import MnemoscopeError


def span_basis(X: Float[Tensor, "n *shape"], *, rtol: float | None = None) -> Float[Tensor, "r d"]:
    """Returns orthonormal rows that span the examples, from their singular value decomposition.

    Computed in float64. Directions whose singular value is at most `rtol` times the largest are
    rounding and are omitted (default `max(n, d) eps` of the dtype of `X`, as in `matrix_rank`).
    """
    rows = X.detach().flatten(1).to(torch.float64)
    _, s, Vh = torch.linalg.svd(rows, full_matrices=False)
    if rtol is None:
        rtol = max(rows.shape) * torch.finfo(X.dtype).eps
    return Vh[s > rtol * s.max().clamp_min(torch.finfo(torch.float64).tiny)]


def distance_to_span(
    Z: Float[Tensor, "m *shape"], X: Float[Tensor, "n *shape"]
) -> Float[Tensor, " m"]:
    """Computes the RMS distance of each state to the linear span of the examples.

    `||z - P z|| / sqrt(d)` with the orthogonal projection `P` on the span: 0 for a state in the
    span, the state's own root mean square for one orthogonal to it. Computed in float64, returned
    in the dtype of `Z`.

    Raises:
        MnemoscopeError: states and examples differ in shape.
    """
    if Z.shape[1:] != X.shape[1:]:
        raise MnemoscopeError(
            f"states of shape {tuple(Z.shape[1:])} and examples of {tuple(X.shape[1:])}",
            expected="states and examples of one shape",
            todo="reshape one of them",
            field="Z",
        )
    rows = Z.detach().flatten(1).to(torch.float64)
    basis = span_basis(X).to(rows.device)
    outside = rows - (rows @ basis.T) @ basis
    return outside.square().mean(1).sqrt().to(Z.dtype)
