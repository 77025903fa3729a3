"""From an encoded picture to a tensor."""

import numpy as np
import torch
from jaxtyping import Float
from PIL import Image, ImageOps
from torch import Tensor

from mnemoscope.base.errors import MnemoscopeError

FORMATS = ("BMP", "GIF", "JPEG", "PNG", "PPM", "TIFF", "WEBP")
"""What is decoded. Pillow would hand a PostScript file with a picture's ending to Ghostscript."""

EXTRA_SAMPLES = 338
"""The tag by which a TIFF says what its planes beyond the colours are."""


def picture_tensor(image: Image.Image, told: str, *, keep: bool = False) -> Float[Tensor, "c h w"]:
    """Decodes a picture to float32, grey or colour, upright; transparency lies on white.

    Args:
        image: What Pillow opened; of several frames the one it is at.
        told: The picture, as the message names it.
        keep: Whether integers keep their numbers; otherwise the largest that the format can hold
            becomes 1.

    Raises:
        MnemoscopeError: it has numbers whose scale cannot be known, or planes that are no colours.
    """
    container = image.format  # Turning it upright forgets the format.
    _refuse_extra_planes(image, told)
    image = ImageOps.exif_transpose(image)
    if image.mode.startswith("I;16") or (image.mode == "I" and container in ("PNG", "PPM")):
        # Pillow brings both formats' 16-bit greys to 0 … 65535, in either mode.
        numbers = np.asarray(image, dtype=np.float64)
        return _grey(numbers if keep else numbers / 65535)
    if image.mode == "F":
        return _grey(_checked(np.asarray(image, dtype=np.float64), told))
    if image.mode == "I":
        if keep:
            return _grey(np.asarray(image, dtype=np.float64))
        raise MnemoscopeError(
            f"{told}, a picture of 32-bit integers",
            expected="8 or 16 bits a channel, or floating-point numbers in [0, 1]",
            todo='keep its numbers, scale="keep", --data-scale keep, or save it as a 16-bit PNG',
        )
    if image.mode == "1":
        return _grey(np.asarray(image, dtype=np.float64))
    values = torch.from_numpy(np.array(_flat(image))).float()
    values = values if keep else values / 255
    return values[None] if values.ndim == 2 else values.permute(2, 0, 1)


def _flat(image: Image.Image) -> Image.Image:
    """The picture in 8 bits, grey or colour."""
    if image.mode in ("RGBA", "LA", "PA") or "transparency" in image.info:
        grey = image.mode in ("L", "LA")
        image = image.convert("RGBA")
        white = Image.new("RGBA", image.size, "white")
        image = Image.alpha_composite(white, image).convert("RGB")
        return image.getchannel(0) if grey else image
    return image if image.mode == "L" else image.convert("RGB")


def _refuse_extra_planes(image: Image.Image, told: str) -> None:
    """Refuses a TIFF of more planes than its colours and a transparency: Pillow drops them."""
    extra = tuple(getattr(image, "tag_v2", {}).get(EXTRA_SAMPLES, ()))
    if 0 in extra or len(extra) > 1 or image.mode == "RGBX":
        raise MnemoscopeError(
            f"{told}, a picture with {max(1, len(extra))} planes beside its colours "
            "that are no transparency",
            expected="a picture of grey or colours, or one with a transparency",
            todo="save all planes as an array, (n, planes, height, width) in a .npy file",
        )


def _grey(values: np.ndarray) -> Tensor:
    return torch.from_numpy(values).float()[None]


def _checked(values: np.ndarray, told: str) -> np.ndarray:
    if not np.isfinite(values).all():
        raise MnemoscopeError(
            f"{told}, a picture with NaN or infinity",
            expected="finite numbers",
            todo="correct or leave out that picture",
        )
    return values
