"""Many linear systems at once, each with its own matrix, from products alone."""

import torch
from jaxtyping import Float
from torch import Tensor

from mnemoscope.linalg.arnoldi import Product
from mnemoscope.linalg.orthogonal import combination, orthogonalize, random_unit


def gmres(
    product: Product,
    b: Float[Tensor, "n d"],
    *,
    tol: float = 1e-3,
    max_products: int = 40,
) -> Float[Tensor, "n d"]:
    """Solves `A_i x_i = b_i` approximately: least residual over the Krylov space of `b_i`.

    GMRES without restart (Saad & Schultz 1986), all systems in one batched product a step. Stops
    when every residual is at most `tol ||b_i||`, or after `max_products`; `2 max_products d`
    entries are held for each system. `product` multiplies row `i` with `A_i`.
    """
    n, d = b.shape
    m = min(max_products, d)
    size = torch.linalg.vector_norm(b, dim=1)
    Q = b.new_zeros(n, m + 1, d)
    H = b.new_zeros(n, m + 1, m)
    Q[:, 0] = b / size.clamp_min(torch.finfo(b.dtype).tiny)[:, None]
    spare = random_unit(b.shape, b, torch.Generator().manual_seed(0))
    y = b.new_zeros(n, 0)
    for j in range(m):
        w = product(Q[:, j])
        Q[:, j + 1], H[:, j + 1, j], H[:, : j + 1, j] = orthogonalize(w, Q[:, : j + 1], spare)
        if (j + 1) % 5 and j + 1 < m:
            continue
        small = H[:, : j + 2, : j + 1]
        target = b.new_zeros(n, j + 2)
        target[:, 0] = size
        # The pseudo-inverse, since a singular system has a singular H.
        y = (torch.linalg.pinv(torch.nan_to_num(small)) @ target[:, :, None])[:, :, 0]
        left = torch.linalg.vector_norm((small @ y[:, :, None])[:, :, 0] - target, dim=1)
        if bool((left <= tol * size).all()):
            break
    return combination(Q[:, : y.shape[1]], y)
