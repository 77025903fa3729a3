"""What adapters' maps are compared with: derivatives of the library's own values."""

import torch

SMALL = torch.finfo(torch.float64).eps ** (1 / 3)


def quotients(values, z, step=SMALL):
    """`(d, d)`, the Jacobian at the state `z (d,)` by central differences of a function of rows."""
    z = torch.as_tensor(z, dtype=torch.float64)
    shifts = step * torch.eye(len(z), dtype=torch.float64)
    ahead, behind = (torch.as_tensor(values(z + s)) for s in (shifts, -shifts))
    return ((ahead - behind) / (2 * step)).double().T
