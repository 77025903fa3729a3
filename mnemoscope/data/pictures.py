"""Pictures: decoded from files and their pages, resized, turned grey, stacked."""

import logging
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO

import numpy as np
import torch
from jaxtyping import Float
from PIL import Image, ImageOps
from torch import Tensor
from torch.nn.functional import interpolate

from mnemoscope.base.errors import MnemoscopeError
from mnemoscope.data.choosing import of_split
from mnemoscope.data.reading import Reading, Selection

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


LUMA = (0.299, 0.587, 0.114)
"""Weights of red, green and blue in grey, ITU-R 601."""


def is_picture(shape: tuple[int, ...]) -> bool:
    """Returns whether a state of this shape is a picture: 1 or 3 channels, height, width."""
    return len(shape) == 3 and shape[0] in (1, 3)


def shaped(
    X: Float[Tensor, " n *shape"], size: int | None, gray: bool, origin: str
) -> Float[Tensor, " n *shape2"]:
    """Brings pictures to `size` and turns them grey, if asked for."""
    if not is_picture(tuple(X.shape[1:])):
        if size is None and not gray:
            return X
        raise MnemoscopeError(
            f"size={size}, gray={gray} for {origin}, with examples of shape {tuple(X.shape[1:])}",
            expected="pictures (channels, height, width)",
            todo="leave size and gray out",
        )
    if size is not None:
        X = squared(X, size)
    if gray and X.shape[1] == 3:
        luma = (X * X.new_tensor(LUMA)[:, None, None]).sum(1, keepdim=True)
        X = _within(luma, X)
    return X


def squared(X: Float[Tensor, "n c h w"], size: int) -> Float[Tensor, "n c size size"]:
    """Crops the largest centred square of each picture and resizes it with antialiasing."""
    height, width = X.shape[-2:]
    side = min(height, width)
    top, left = (height - side) // 2, (width - side) // 2
    X = X[..., top : top + side, left : left + side]
    if side == size:
        return X
    resized = interpolate(
        X, size=(size, size), mode="bilinear", antialias=True, align_corners=False
    )
    return _within(resized, X)


def _sized(picture: Float[Tensor, "c h w"], size: int | None) -> Float[Tensor, "c h2 w2"]:
    """Resizes one picture as `squared` does, if a size is asked for."""
    return picture if size is None else squared(picture[None], size)[0]


def decoded(
    images: Iterable[Image.Image], noun: str, origin: str, selection: Selection, reading: Reading
) -> Float[Tensor, "n c h w"]:
    """Decodes the pictures of a source that has each by its number; `noun` names one: `row`."""
    pictures, names = [], []
    for number, image in enumerate(images, selection.offset):
        names.append(f"{noun} {number}")
        place = f"{origin}, {names[-1]}"
        picture = picture_tensor(image, place, keep=reading.rule == "keep")
        pictures.append(_sized(picture, selection.size))
    return of_one_kind(pictures, names)


def _within(values: Float[Tensor, "n c h w"], X: Float[Tensor, "n c2 h2 w2"]) -> Tensor:
    """Keeps weighted means of a picture's entries in their range in spite of rounding."""
    low, high = X.flatten(1).amin(1), X.flatten(1).amax(1)
    return values.clamp(low[:, None, None, None], high[:, None, None, None])


def as_colour(picture: Float[Tensor, "c h w"]) -> Float[Tensor, "3 h w"]:
    """Repeats the channel of a grey picture three times."""
    return picture.expand(3, -1, -1) if picture.shape[0] == 1 else picture


def of_one_kind(pictures: list[Tensor], names: list[str]) -> Float[Tensor, "n c h w"]:
    """Stacks pictures of one size; all in colour if one of them is."""
    first = pictures[0].shape[-2:]
    for picture, name in zip(pictures, names, strict=True):
        if picture.shape[-2:] != first:
            raise MnemoscopeError(
                f"pictures of different sizes: {names[0]} is {first[0]} × {first[1]}, "
                f"{name} is {picture.shape[-2]} × {picture.shape[-1]} (height × width)",
                expected="pictures of one size",
                todo="pass a size (size=32, or --size 32) to crop and resize them all",
            )
    if any(picture.shape[0] == 3 for picture in pictures):
        pictures = [as_colour(picture) for picture in pictures]
    return torch.stack(pictures)


PAGED = {".gif", ".png", ".tif", ".tiff", ".webp"}
"""Endings of files that can hold several pictures."""

ENDINGS = PAGED | {".bmp", ".jpeg", ".jpg", ".pbm", ".pgm", ".ppm"}


def folder_pictures(
    paths: Sequence[Path], folder: Path, selection: Selection, reading: Reading
) -> tuple[Float[Tensor, "n c h w"], str | None]:
    """Reads pictures of one split of a folder; returns them and the split, if there are several."""
    if not paths:
        raise MnemoscopeError(
            f"{folder}, a folder without pictures",
            expected=f"files that end in {', '.join(sorted(ENDINGS))}",
            todo="check the path",
            field="source",
        )
    chosen, split = of_split(paths, folder, reading)
    return picture_files(chosen, str(folder), selection, reading), split


def picture_files(
    paths: Sequence[Path], origin: str, selection: Selection, reading: Reading
) -> Float[Tensor, "n c h w"]:
    """Reads the pictures in files, one after the other; each page of a file is a picture.

    Only those that are asked for are decoded.
    """
    keep = reading.rule == "keep"
    if max(selection.offset + 1, selection.end or 0) > len(paths):
        # Each file may hold several pictures, so their headers are read to count them.
        selection.rows(sum(map(_pages_or_one, paths)), origin)
    pictures: list[Tensor] = []
    names: list[str] = []
    passed = 0
    for path in paths:
        if selection.end is not None and passed >= selection.end:
            break
        first = max(0, selection.offset - passed)
        last = None if selection.end is None else selection.end - passed
        count, pages = _read(path, first, last, keep=keep)
        pictures += [_sized(page, selection.size) for page in pages]
        names += [
            path.name if count == 1 else f"page {first + index} of {path.name}"
            for index in range(len(pages))
        ]
        passed += count
    return of_one_kind(pictures, names)


def is_picture_file(path: Path) -> bool:
    """Returns whether a file is a picture, by its name."""
    return path.suffix.lower() in ENDINGS


def _read(
    path: Path, first: int, last: int | None, *, keep: bool
) -> tuple[int, list[Float[Tensor, "c h w"]]]:
    """Counts the pages of a file, and decodes those from `first` up to `last`."""
    if first and (count := _pages_or_one(path)) <= first:
        return count, []
    with opened(path, str(path)) as image:
        count = page_count(image, str(path))
        numbers = range(first, count if last is None else min(count, last))
        return count, decoded_pages(image, numbers, str(path), keep=keep)


def _pages_or_one(path: Path) -> int:
    """Counts the pages of a file by its header; an unreadable file counts as one page."""
    if path.suffix.lower() not in PAGED:
        return 1
    try:
        with opened(path, str(path)) as image:
            return page_count(image, str(path))
    except MnemoscopeError:
        return 1


@contextmanager
def opened(file: Path | IO[bytes], origin: str) -> Iterator[Image.Image]:
    """Opens a picture; what Pillow raises becomes an error that names it."""
    try:
        if isinstance(file, Path) and file.stat().st_size == 0:
            raise MnemoscopeError(
                f"{file}, which is empty (0 bytes)",
                expected="a whole picture",
                todo="replace or remove it",
            )
        with Image.open(file, formats=FORMATS) as image:
            yield image
    except MnemoscopeError:
        raise
    except Image.DecompressionBombError as error:
        raise MnemoscopeError(
            f"{origin}, which is too large a picture ({error})",
            expected="a picture of ordinary size",
            todo="remove or shrink it",
        ) from error
    except Exception as error:  # Pillow's decoders raise errors of any kind for a damaged picture.
        raise MnemoscopeError(
            f"{origin}, which cannot be read as a picture ({error})",
            expected="a whole picture",
            todo="replace or remove it",
        ) from error
