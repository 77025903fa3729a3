"""Probes for further fixed points along the directions in which `f` hardly moves a state.

Near a fixed point `p` the residual `f(z) - z` is `(J - 1)(z - p)`. It grows most slowly along the
right singular vectors of `J - 1` with the smallest singular values, so along these it can most
easily turn back to zero: where two fixed points have just been born from one, exactly so. Going on
from each point found to its neighbours is how saddles of energy landscapes are charted (Yin, Wang,
Chen, Zhang & Zhang, Phys. Rev. Lett. 124, 2020).
"""

from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

from mnemoscope.linalg.orthogonal import combinations, orthogonalize, random_unit
from mnemoscope.maps import SelfMap
from mnemoscope.maps.differences import DifferenceLinearization

KRYLOV = 24
"""Products with each Jacobian that its surroundings are known from."""

DIRECTIONS = 6
"""Directions searched from a fixed point, both ways each."""

STEEP = 0.8
"""Growth of the residual from which on `f` contracts, and nothing is searched for."""


@dataclass(frozen=True)
class Surroundings:
    """The behaviour of a map around its fixed points.

    Attributes:
        directions: `(n, k, *shape)`, of root mean square 1: those in which the residual grows most
            slowly, the slowest first.
        slope: `(n, k)`, the rate of growth: singular values of `J - 1`.
        sign: `(n,)`, the sign of `det(1 - J)`, the contribution to the degree of `z - f(z)`;
            0 if the residual does not grow at all in some direction: a point that is not isolated.
    """

    directions: Float[Tensor, "n k *shape"]
    slope: Float[Tensor, "n k"]
    sign: Float[Tensor, " n"]


def surroundings(f: SelfMap, points: Float[Tensor, "n *shape"]) -> Surroundings:
    """Looks around fixed points, by `KRYLOV` products with the Jacobian at each.

    In the Krylov space of `J` from a random vector, which holds the eigenvectors of its largest
    eigenvalues: `(J - 1) Q_k = Q_(k+1) H`, so the singular values of `J - 1` there are those of
    `H`, and the determinant of `1 - J` is that of `-H` without its last row. In no more than
    `KRYLOV` dimensions this is all of `J`.
    """
    n, d = len(points), f.size
    k = min(KRYLOV, d)
    linear = DifferenceLinearization(f, points) if f.by_values else f.linearize(points)

    def product(V: Tensor) -> Tensor:
        return linear.jvp(V.reshape(points.shape)).flatten(1)

    spare = random_unit(torch.Size([n, d]), points, torch.Generator().manual_seed(0))
    Q, H = spare.new_zeros(n, k + 1, d), spare.new_zeros(n, k + 1, k)
    # Once through J, since what it does not return is not slow.
    Q[:, 0] = orthogonalize(product(spare), Q[:, :0], spare)[0]
    for j in range(k):
        w = product(Q[:, j]) - Q[:, j]
        Q[:, j + 1], H[:, j + 1, j], H[:, : j + 1, j] = orthogonalize(w, Q[:, : j + 1], spare)
    H = torch.nan_to_num(H)
    _, slope, Vh = torch.linalg.svd(H, full_matrices=False)
    isolated = slope[:, -1] > 100 * torch.finfo(f.dtype).eps
    slowest = combinations(Q[:, :k], Vh[:, -DIRECTIONS:].flip(1).mT) * d**0.5
    return Surroundings(
        directions=slowest.reshape(n, -1, *f.shape),
        slope=slope[:, -DIRECTIONS:].flip(1),
        sign=torch.linalg.slogdet(-H[:, :k]).sign * isolated,
    )


def probes(
    points: Float[Tensor, "n *shape"], around: Surroundings, distances: tuple[float, ...]
) -> tuple[Float[Tensor, "p *shape"], Int[Tensor, " p"]]:
    """Starts at some distances (RMS) from each point along its slow directions, and their points.

    None around a point that is not isolated: others of its kind are found everywhere.
    """
    chosen = (around.slope <= STEEP) & (around.sign != 0)[:, None]
    steps = points.new_tensor([way for x in distances for way in (x, -x)])
    owner, direction = chosen.nonzero().T
    rays = around.directions[owner, direction]
    starts = points[owner, None] + steps.reshape(-1, *[1] * (points.ndim - 1)) * rays[:, None]
    return starts.flatten(0, 1), owner.repeat_interleave(len(steps))
