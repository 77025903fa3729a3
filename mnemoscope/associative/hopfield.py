"""The modern Hopfield network: an associative memory that is its patterns.

For comparison with trained networks. With the patterns in the rows of `X`,

    f(z) = softmax(beta (X z + b)) X,    b_i = -||x_i||^2 / 2

(Ramsauer et al. 2020, arXiv 2008.02217, without the bias `b`). With `b` the exponents are
`-beta ||z - x_i||^2 / 2` but for what all have in common, so that patterns of unequal norm compete
by distance: at pattern `i` the weight of pattern `j` is at most `exp(-beta D_ij^2 / 2)`, `D_ij` the
distance of the two, and

    ||f(x_i) - x_i|| <= sum_(j != i) exp(-beta D_ij^2 / 2) D_ij

Without `b` a pattern of large norm takes over those that point its way.
"""

import math

import torch
from jaxtyping import Float
from torch import Tensor, nn

from mnemoscope.base.check import real_number
from mnemoscope.base.errors import MnemoscopeError

ERROR = 1e-3
"""The bound on the RMS distance from a pattern to its image that decides `beta`, in units."""

HALVINGS = 60
"""Bisections of `log beta`."""


class Hopfield(nn.Module):
    """The map of a modern Hopfield network; also a self-map, as every module.

    Attributes:
        patterns: `(n, d)`, a buffer.
        beta: Inverse temperature.
    """

    patterns: Tensor
    offsets: Tensor
    values: Tensor

    def __init__(
        self,
        X: Float[Tensor, "n *shape"],
        *,
        beta: float | None = None,
        bias: bool = True,
        values: Float[Tensor, "n *shape"] | None = None,
    ) -> None:
        """Stores the patterns.

        Args:
            X: `(n, *shape)`, the patterns.
            beta: Inverse temperature; default: the smallest at which every pattern is a fixed
                point up to `ERROR`, by the bound above (that of the map with a bias).
            bias: Whether patterns compete by distance, or by inner products as in the paper.
            values: `(n, *shape)`, what each pattern is mapped to; default: the pattern. With the
                next pattern of a sequence, the sequence is stored as a cycle.

        Raises:
            MnemoscopeError: `beta` is not above 0, or there are no patterns.
        """
        super().__init__()
        if X.ndim < 2 or len(X) == 0:
            raise MnemoscopeError(
                f"patterns of shape {tuple(X.shape)}",
                expected="a batch (n, *shape) of at least one",
                todo="pass one pattern as x[None]",
                field="X",
            )
        flat = X.detach().flatten(1)
        self.beta = _smallest_beta(flat) if beta is None else real_number("beta", beta, above=0)
        self.register_buffer("patterns", flat.clone())
        self._keyed = values is not None
        if values is not None:
            self.register_buffer("values", values.detach().flatten(1).clone())
        self.register_buffer("offsets", -0.5 * bias * flat.square().sum(1))

    def forward(self, z: Float[Tensor, "n *shape"]) -> Float[Tensor, "n *shape"]:
        """Maps a batch of states."""
        values = self.values if self._keyed else self.patterns
        scores = nn.functional.linear(z.flatten(1), self.patterns, self.offsets)
        return (torch.softmax(self.beta * scores, dim=1) @ values).reshape(z.shape)


def _smallest_beta(flat: Float[Tensor, "n d"]) -> float:
    """Returns the smallest `beta` whose bound keeps every pattern within `ERROR` of its image."""
    X = flat.double()
    distance = torch.cdist(X, X)
    # Exact duplicates are one pattern, whatever `beta` is.
    other = distance > 0
    if not bool(other.any()):
        return 1.0
    allowed = ERROR * float(X.max() - X.min()) * X.shape[1] ** 0.5
    squares = distance.square()
    low, high = math.log(1e-6), math.log(1e12)
    for _ in range(HALVINGS):
        middle = (low + high) / 2
        weights = torch.exp(-0.5 * math.exp(middle) * squares) * other
        error = float((weights * distance).sum(1).max())
        low, high = (low, middle) if error <= allowed else (middle, high)
    return math.exp(high)
