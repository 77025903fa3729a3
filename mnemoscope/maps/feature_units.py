"""Units of the single features: a map conjugated once, so that each feature has the unit 1."""

import torch
from jaxtyping import Float
from torch import Tensor, nn

from mnemoscope.base.errors import MnemoscopeError
from mnemoscope.maps.self_map import SelfMap


class Scaled(nn.Module):
    """Multiplies each entry of a state by a factor of its own."""

    factor: Tensor

    def __init__(self, factor: Float[Tensor, "*shape"]) -> None:
        super().__init__()
        self.register_buffer("factor", factor)

    def forward(self, z: Float[Tensor, "n *shape"]) -> Float[Tensor, "n *shape"]:
        """Returns the states, entry by entry times the factor."""
        return z * self.factor


def in_feature_units(f: SelfMap, units: Float[Tensor, "*shape"]) -> SelfMap:
    """Conjugates a map with the units of its features, `f_u(z) = f(u z) / u`.

    Its fixed points, periods and eigenvalues are those of `f`, with states `z / u`; its unit is 1.
    """
    units = units.detach().to(device=f.device, dtype=f.dtype)
    if tuple(units.shape) != f.shape or not bool((torch.isfinite(units) & (units > 0)).all()):
        raise MnemoscopeError(
            f"units of shape {tuple(units.shape)}",
            expected=f"finite numbers above 0 of shape {f.shape}, one for each feature",
            todo="pass the range of each feature, or one number for all",
        )
    inner, outer = (
        SelfMap(Scaled(u), f.shape, dtype=f.dtype, device=f.device, budget=f.budget)
        for u in (units, 1 / units)
    )
    # Bounds of the states are divided by the units, as the states are.
    domain = None if f.domain is None else f.domain.scaled(units)
    return (outer @ f.with_domain(None) @ inner).with_unit(1.0).with_domain(domain)
