"""Similar matrices that are nearer to normal: without couplings that no cycle uses, and rescaled.

Both leave every eigenvalue where it is and are exact in floating point, and both remove needless
ill-conditioning: a block triangular matrix has those of its
diagonal blocks, and `D^-1 A D` those of `A`.
"""

import torch
from jaxtyping import Bool, Float
from torch import Tensor

SWEEPS = 8
"""Steps of Osborne's, on all rows at once and half as long, which bring rows and columns of very
different scales near each other: there Newton's method moves by about 1 in a step."""

NEWTON_STEPS = 40
"""Maximum number of Newton steps; five to ten are usual."""

HALVINGS = 20
"""Halvings of a step before it is given up: it is then a millionth of Newton's."""

FINE = 0.7
"""Newton's method ends where no entry of a step is longer: half of what a factor of 2 is."""

MAX_EXPONENT = 400
"""Largest exponent of a scale: products of two scales and an entry stay in float64's range."""


def without_acyclic(
    A: Float[Tensor, "n d d"],
) -> tuple[Float[Tensor, "n d d"], Bool[Tensor, " n"]]:
    """Returns the matrices with those entries set to 0 that lie on no cycle of their graph.

    With `i -> j` wherever `A_ij` is not 0, states that reach each other form the strong components
    of the graph. Ordered by them the matrix is block triangular (Frobenius' normal form), so what
    couples different components does not move an eigenvalue. A nilpotent shift becomes 0, a Jordan
    block diagonal, a causal sequence model one block for each time.

    Reachability is found by squaring, `log2 d` products of matrices of zeros and ones. Returns the
    matrices, and whether anything was removed.
    """
    n, d = A.shape[:2]
    changed = torch.zeros(n, dtype=torch.bool, device=A.device)
    # A row or column without zeros would reach everything at once; most matrices have no zero.
    sparse = (A == 0).flatten(1).any(1).nonzero()[:, 0]
    if d < 2 or len(sparse) == 0:
        return A, changed
    reach = (A[sparse] != 0).float()
    reach.diagonal(dim1=1, dim2=2).fill_(1)
    for _ in range((d - 1).bit_length()):
        # Sums of up to d ones: float32 counts them without error.
        further = (torch.bmm(reach, reach) > 0).float()
        if torch.equal(further, reach):
            break
        reach = further
    apart = (A[sparse] != 0) & ~((reach > 0) & (reach.mT > 0))
    cut = apart.flatten(1).any(1)
    if not bool(cut.any()):
        return A, changed
    changed[sparse[cut]] = True
    kept = A.clone()
    kept[sparse] = torch.where(apart, 0, A[sparse])
    return kept, changed


def balancing_exponents(A: Float[Tensor, "n d d"]) -> Float[Tensor, "n d"]:
    """Finds whole `e` for which `D^-1 A D`, `D = diag(2^e)`, has nearly the least norm.

    In `s = 2 log D` the squared Frobenius norm `sum_ij A_ij^2 exp(s_j - s_i)` is convex. Its
    gradient is the difference of the columns' and rows' squared norms, its Hessian the Laplacian
    of the weighted graph: Newton's method with a line search (Cohen, Madry, Tsipras, Vladu 2017).
    The row-by-row sweeps of LAPACK (Osborne; Parlett & Reinsch 1969) make no progress inside a
    banded Toeplitz matrix, whose rows and columns are balanced already except at its ends.
    """
    n, d = A.shape[:2]
    # Squares of what is scaled to 1 stay in range.
    top = A.abs().flatten(1).amax(1).clamp_min(torch.finfo(A.dtype).tiny)
    M = (A / top[:, None, None]).square()
    M.diagonal(dim1=1, dim2=2).zero_()
    s = A.new_zeros(n, d)
    W = M
    eye = torch.eye(d, dtype=A.dtype, device=A.device)
    for step_number in range(SWEEPS + NEWTON_STEPS):
        rows, columns = W.sum(2), W.sum(1)
        total = rows.sum(1)
        if step_number < SWEEPS:
            step = torch.nan_to_num(0.25 * (rows / columns).log(), posinf=0.0, neginf=0.0)
        else:
            laplacian = torch.diag_embed(rows + columns) - W - W.mT
            # It is singular: shifting all of s, or of a component, changes nothing.
            ridge = 1e-12 * total / d + torch.finfo(A.dtype).tiny
            system = laplacian + ridge[:, None, None] * eye
            step = torch.linalg.solve_ex(system, (rows - columns)[:, :, None])[0][:, :, 0]
            step = torch.nan_to_num(step - step.mean(1, keepdim=True))
            if bool((step.abs() < FINE).all()):
                break
        s, W = _less(M, s, step, total)
    exponents = (s / (2 * torch.log(s.new_tensor(2.0)))).round()
    # The middle of the scales is free.
    exponents = exponents - ((exponents.amax(1) + exponents.amin(1)) / 2).round()[:, None]
    return exponents.clamp(-MAX_EXPONENT, MAX_EXPONENT)


def _less(
    M: Tensor, s: Tensor, step: Tensor, total: Tensor
) -> tuple[Float[Tensor, "n d"], Float[Tensor, "n d d"]]:
    """Halves the step until the sum is no larger; without success it stays where it is."""
    length = torch.ones_like(total)
    W = _scaled(M, s + step)
    for halvings in range(HALVINGS):
        worse = ~(W.sum((1, 2)) <= total)
        if not bool(worse.any()):
            break
        shorter = length / 2 if halvings < HALVINGS - 1 else torch.zeros_like(length)
        length = torch.where(worse, shorter, length)
        W = _scaled(M, s + length[:, None] * step)
    return s + length[:, None] * step, W


def _scaled(M: Float[Tensor, "n d d"], s: Float[Tensor, "n d"]) -> Float[Tensor, "n d d"]:
    return M * (s[:, None, :] - s[:, :, None]).clamp_max(600).exp()


def rescaled(A: Float[Tensor, "n d d"], exponents: Float[Tensor, "n d"]) -> Float[Tensor, "n d d"]:
    """Computes `D^-1 A D`, `D = diag(2^e)`, exact unless an entry leaves its dtype's range."""
    return A * power_of_two(exponents[:, None, :] - exponents[:, :, None])


def power_of_two(exponents: Float[Tensor, "*n"]) -> Float[Tensor, "*n"]:
    """Computes `2^e` for whole `e` exactly, as a vectorized `pow` need not; normal float64."""
    return (exponents.clamp(-1022, 1023).long() + 1023).bitwise_left_shift(52).view(torch.float64)
