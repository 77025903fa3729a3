"""The pages of a picture file: of a TIFF, or the frames of an animated GIF, PNG or WebP."""

import logging
from collections.abc import Iterable

import torch
from jaxtyping import Float
from PIL import Image
from torch import Tensor

from mnemoscope.data.decoding import picture_tensor

COLOURED = ("GIF", "WEBP")
"""Formats without a grey mode: pictures in them are grey if all their colours are."""

log = logging.getLogger("mnemoscope")


def page_count(image: Image.Image, told: str) -> int:
    """Returns how many pictures an opened file holds.

    What a camera puts beside a photograph (a preview, the picture of a second lens, a gain map) is
    no page: of such a file the first picture counts, and the log says so.
    """
    count = int(getattr(image, "n_frames", 1))
    if image.format != "MPO":
        return count
    if count > 1:
        log.info("%s: the camera's photograph is read, not its %d companions", told, count - 1)
    return 1


def decoded_pages(
    image: Image.Image, numbers: Iterable[int], told: str, *, keep: bool
) -> list[Float[Tensor, "c h w"]]:
    """Decodes pages of an opened file.

    Args:
        image: What Pillow opened.
        numbers: Which pages.
        told: The file, as messages name it.
        keep: Whether integers keep their numbers; otherwise white becomes 1.
    """
    container = image.format
    pages = []
    for number in numbers:
        if number or getattr(image, "is_animated", False):
            image.seek(number)
        image.load()
        pages.append(picture_tensor(image, told, keep=keep))
    if container in COLOURED and all(_is_grey(page) for page in pages):
        pages = [page[:1] for page in pages]
    return pages


def _is_grey(page: Tensor) -> bool:
    return torch.equal(page[:1].expand_as(page), page)
