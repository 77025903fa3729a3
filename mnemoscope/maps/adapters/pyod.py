"""Fitted outlier detectors of PyOD that reconstruct: `AutoEncoder`, and `VAE` by its mean.

The detector standardizes features with the mean `m` and deviation `s` of its training data and
scores by the distance between a standardized state and its reconstruction. The map is that
reconstruction in the data's units,

    f(z) = m + s net((z - m) / s)
"""

from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from mnemoscope.base.errors import MnemoscopeError
from mnemoscope.maps.adapters.adapter import Loaded, Request
from mnemoscope.maps.adapters.factory import ObjectAdapter, is_instance
from mnemoscope.nets.modules import copied

ADDED = 1e-8
"""What the library adds to deviations, so that a constant feature does not divide by 0."""


class PyOD(ObjectAdapter):
    """A fitted `AutoEncoder` or `VAE`."""

    # A detector that does not reconstruct is refused when it is adapted.
    classes = ("pyod.models.base:BaseDetector",)

    def adapt(self, model: Any, request: Request) -> Loaded:
        """Takes the reconstruction in the data's units; of a VAE the mean's."""
        mean = is_instance(model, "pyod.models.vae", "VAE")
        if not mean and not is_instance(model, "pyod.models.auto_encoder", "AutoEncoder"):
            raise MnemoscopeError(
                f"{request.target}, a detector of PyOD that gives no reconstruction",
                expected="an AutoEncoder or a VAE",
                todo="write its reconstruction as a function or module, and audit that",
            )
        net = getattr(model, "model", None)
        if not isinstance(net, nn.Module):
            raise MnemoscopeError(
                f"{request.target}, which is not fitted",
                expected="a fitted detector",
                todo="call fit(X) first",
            )
        # What torch.compile made holds the module itself.
        net = copied(getattr(net, "_orig_mod", net))
        net = Mean(net) if mean else net
        d = int(model.feature_size)
        if not model.preprocessing:
            return Loaded(net, (d,))
        shift = torch.as_tensor(model.X_mean, dtype=torch.float64)
        scale = torch.as_tensor(model.X_std, dtype=torch.float64) + ADDED
        return Loaded(Standardized(net, shift, scale), (d,))


class Mean(nn.Module):
    """A VAE without its draw: the mean is decoded."""

    def __init__(self, model: Any) -> None:
        super().__init__()
        self.model = model

    def forward(self, z: Float[Tensor, "n d"]) -> Float[Tensor, "n d"]:
        """Returns the reconstruction from the latent mean."""
        return self.model.decode(self.model.encode(z)[0])


class Standardized(nn.Module):
    """A map of standardized states, in the data's units."""

    def __init__(
        self, net: nn.Module, shift: Float[Tensor, " d"], scale: Float[Tensor, " d"]
    ) -> None:
        super().__init__()
        self.net = net
        self.shift: Tensor
        self.scale: Tensor
        self.register_buffer("shift", shift)
        self.register_buffer("scale", scale)

    def forward(self, z: Float[Tensor, "n d"]) -> Float[Tensor, "n d"]:
        """Returns `m + s net((z - m) / s)`, the difference in float64, as in the library."""
        inner = self.net(((z.to(self.shift.dtype) - self.shift) / self.scale).to(z.dtype))
        return (self.shift + self.scale * inner.to(self.shift.dtype)).to(z.dtype)
