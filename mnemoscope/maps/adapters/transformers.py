"""Folders of `transformers`: masked autoencoders, with nothing masked; models that reconstruct."""

from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from mnemoscope.base.errors import MnemoscopeError
from mnemoscope.maps.adapters.adapter import Adapter, Loaded, Request
from mnemoscope.maps.adapters.configured import pretrained, read_config

OUTPUTS = ("reconstruction", "reconstructed_pixel_values", "audio_values", "sample")
"""Where models of this library put a reconstruction."""


class Transformers(Adapter):
    """A folder that `save_pretrained` wrote."""

    def recognizes(self, target: str) -> bool:
        """Returns a folder whose configuration names an architecture of the library."""
        config = read_config(target)
        return config is not None and "transformers_version" in config

    def load(self, request: Request) -> Loaded:
        """Returns the model; a masked autoencoder sees the whole picture."""
        config = read_config(request.target) or {}
        listed = config.get("architectures")
        name = listed[0] if isinstance(listed, list) and listed else None
        masked = "mask_ratio" in config
        if masked and config.get("norm_pix_loss"):
            raise MnemoscopeError(
                f"{request.target}, which predicts patches of mean 0 and variance 1",
                expected="a model that gives back the picture (norm_pix_loss=False)",
                todo="audit one trained so: this output does not determine the pictures' values",
            )
        # A masked autoencoder hides patches by chance; with none hidden there is no chance left.
        settings: dict[str, Any] = {"mask_ratio": 0.0} if masked else {}
        model, info = pretrained(
            "transformers", request.target, config, name, output_loading_info=True, **settings
        )
        # The library would draw by chance what the file lacks.
        drawn = sorted(map(str, [*info["missing_keys"], *info["mismatched_keys"]]))
        if drawn:
            raise MnemoscopeError(
                f"{request.target}, whose weights lack {', '.join(drawn[:4])}",
                expected="all weights of the model",
                todo="save the model again",
            )
        shape = _shape(config)
        if masked:
            return Loaded(Unmasked(model), shape, binds=False)
        return Loaded(model, shape, _reconstruction, binds=False)


class Unmasked(nn.Module):
    """A masked autoencoder that sees every patch and gives back the picture."""

    def __init__(self, model: Any) -> None:
        super().__init__()
        self.model = model

    def forward(self, z: Float[Tensor, "n c h w"]) -> Float[Tensor, "n c h w"]:
        """Returns the picture put together from the patches that it predicts."""
        config = self.model.config
        patches = (config.image_size // config.patch_size) ** 2
        # In order: the "noise" that patches are shuffled by would be drawn.
        order = torch.arange(patches, dtype=z.dtype, device=z.device).expand(len(z), -1)
        return self.model.unpatchify(self.model(z, noise=order).logits)


def _reconstruction(made: Any) -> Tensor:
    return next((made[name] for name in OUTPUTS if name in made), made)


def _shape(config: dict[str, Any]) -> tuple[int, ...] | None:
    size, channels = config.get("image_size"), config.get("num_channels")
    if not isinstance(size, int) or not isinstance(channels, int):
        return None
    return channels, size, size
