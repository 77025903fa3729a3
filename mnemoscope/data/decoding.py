"""From an encoded picture to a tensor."""

import numpy as np
import torch
from jaxtyping import Float
from PIL import Image, ImageOps
from torch import Tensor

from mnemoscope.errors import MnemoscopeError


def picture_tensor(image: Image.Image, told: str) -> Float[Tensor, "c h w"]:
    """A picture as float32 in [0, 1], grey or colour, upright; transparency lies on white.

    Args:
        image: What Pillow opened; of several frames the first.
        told: The picture, as the message names it.

    Raises:
        MnemoscopeError: it has numbers whose scale cannot be known.
    """
    container = image.format  # Turning it upright forgets the format.
    image = ImageOps.exif_transpose(image)
    if image.mode.startswith("I;16") or (image.mode == "I" and container in ("PNG", "PPM")):
        # Pillow brings both formats' 16-bit greys to 0 … 65535, in either mode.
        return _grey(np.asarray(image, dtype=np.float64) / 65535, told)
    if image.mode == "F":
        return _grey(np.asarray(image, dtype=np.float64), told)
    if image.mode == "I":
        raise MnemoscopeError(
            f"{told}, a picture of 32-bit integers",
            expected="8 or 16 bits a channel, or floating-point numbers in [0, 1]",
            todo="save it as an 8-bit or a 16-bit PNG",
        )
    if image.mode in ("RGBA", "LA", "PA") or "transparency" in image.info:
        grey = image.mode in ("1", "L", "LA")
        image = image.convert("RGBA")
        white = Image.new("RGBA", image.size, "white")
        image = Image.alpha_composite(white, image).convert("RGB")
        if grey:
            image = image.getchannel(0)
    elif image.mode in ("1", "L"):
        image = image.convert("L")
    else:
        image = image.convert("RGB")
    values = torch.from_numpy(np.array(image)).float() / 255
    return values[None] if values.ndim == 2 else values.permute(2, 0, 1)


def _grey(values: np.ndarray, told: str) -> Tensor:
    # Written so that NaN fails too.
    if not ((values >= 0) & (values <= 1)).all():
        raise MnemoscopeError(
            f"{told}, a picture with numbers from {values.min():.9g} to {values.max():.9g}",
            expected="floating-point numbers in [0, 1], none of them NaN",
            todo="scale it, or save it as an 8-bit or a 16-bit PNG",
        )
    return torch.from_numpy(values).float()[None]
