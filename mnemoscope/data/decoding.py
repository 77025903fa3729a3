"""Pictures that Pillow opened, and the pages of their files, as tensors."""

import logging
from collections.abc import Iterable

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


COLOURED = ("GIF", "WEBP")
"""Formats without a grey mode: pictures in them are grey if all their colours are."""

log = logging.getLogger("mnemoscope")


def picture_tensor(
    image: Image.Image, origin: str, *, keep: bool = False
) -> Float[Tensor, "c h w"]:
    """Decodes a picture to float32, grey or colour, upright; transparency lies on white.

    With `keep`, integers keep their numbers; otherwise the largest of the format becomes 1.
    """
    container = image.format  # Turning it upright forgets the format.
    _refuse_extra_planes(image, origin)
    image = ImageOps.exif_transpose(image)
    if image.mode.startswith("I;16") or (image.mode == "I" and container in ("PNG", "PPM")):
        # Pillow brings both formats' 16-bit greys to 0 … 65535, in either mode.
        numbers = np.asarray(image, dtype=np.float64)
        return _grey(numbers if keep else numbers / 65535)
    if image.mode == "F":
        return _grey(_checked(np.asarray(image, dtype=np.float64), origin))
    if image.mode == "I":
        if keep:
            return _grey(np.asarray(image, dtype=np.float64))
        raise MnemoscopeError(
            f"{origin}, a picture of 32-bit integers",
            expected="8 or 16 bits a channel, or floating-point numbers in [0, 1]",
            todo='keep its numbers, scale="keep", --data-scale keep, or save it as a 16-bit PNG',
        )
    if image.mode == "1":
        return _grey(np.asarray(image, dtype=np.float64))
    values = torch.from_numpy(np.array(_flat(image))).float()
    values = values if keep else values / 255
    return values[None] if values.ndim == 2 else values.permute(2, 0, 1)


def _flat(image: Image.Image) -> Image.Image:
    """Converts a picture to 8 bits, grey or colour."""
    if image.mode in ("RGBA", "LA", "PA") or "transparency" in image.info:
        grey = image.mode in ("L", "LA")
        image = image.convert("RGBA")
        white = Image.new("RGBA", image.size, "white")
        image = Image.alpha_composite(white, image).convert("RGB")
        return image.getchannel(0) if grey else image
    return image if image.mode == "L" else image.convert("RGB")


def _refuse_extra_planes(image: Image.Image, origin: str) -> None:
    """Refuses a TIFF of more planes than its colours and a transparency: Pillow drops them."""
    extra = tuple(getattr(image, "tag_v2", {}).get(EXTRA_SAMPLES, ()))
    if 0 in extra or len(extra) > 1 or image.mode == "RGBX":
        raise MnemoscopeError(
            f"{origin}, a picture with {max(1, len(extra))} planes in addition to its "
            "colours that are no transparency",
            expected="a picture of grey or colours, or one with a transparency",
            todo="save all planes as an array, (n, planes, height, width) in a .npy file",
        )


def _grey(values: np.ndarray) -> Tensor:
    return torch.from_numpy(values).float()[None]


def _checked(values: np.ndarray, origin: str) -> np.ndarray:
    if not np.isfinite(values).all():
        raise MnemoscopeError(
            f"{origin}, a picture with NaN or infinity",
            expected="finite numbers",
            todo="correct or leave out that picture",
        )
    return values


def page_count(image: Image.Image, origin: str) -> int:
    """Counts the pictures in an opened file.

    What a camera adds to a photograph (a preview, the picture of a second lens, a gain map) is no
    page: only the first picture of such a file counts, and the log says so.
    """
    count = int(getattr(image, "n_frames", 1))
    if image.format != "MPO":
        return count
    if count > 1:
        log.info("%s: the camera's photograph is read, not its %d companions", origin, count - 1)
    return 1


def decoded_pages(
    image: Image.Image, numbers: Iterable[int], origin: str, *, keep: bool
) -> list[Float[Tensor, "c h w"]]:
    """Decodes pages, by number, of an opened file; `keep` as in `picture_tensor`."""
    container = image.format
    pages = []
    for number in numbers:
        if number or getattr(image, "is_animated", False):
            image.seek(number)
        image.load()
        pages.append(picture_tensor(image, origin, keep=keep))
    if container in COLOURED and all(_is_grey(page) for page in pages):
        pages = [page[:1] for page in pages]
    return pages


def _is_grey(page: Tensor) -> bool:
    return torch.equal(page[:1].expand_as(page), page)
