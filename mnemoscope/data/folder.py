"""Pictures in a folder, or in one file of several pages."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from jaxtyping import Float
from PIL import Image
from torch import Tensor

from mnemoscope.base.errors import MnemoscopeError
from mnemoscope.data.decoding import FORMATS
from mnemoscope.data.pages import decoded_pages, page_count
from mnemoscope.data.pictures import of_one_kind, squared
from mnemoscope.data.reading import Reading
from mnemoscope.data.selection import Selection
from mnemoscope.data.tree import of_split

ENDINGS = {
    ".bmp", ".gif", ".jpeg", ".jpg", ".pbm", ".pgm", ".png", ".ppm", ".tif", ".tiff", ".webp",
}  # fmt: skip

PAGED = {".gif", ".png", ".tif", ".tiff", ".webp"}
"""Endings of files that can hold several pictures."""


def folder_pictures(
    paths: Sequence[Path], folder: Path, selection: Selection, reading: Reading
) -> tuple[Float[Tensor, "n c h w"], str | None]:
    """Reads pictures of a folder by name; each page of a TIFF, GIF, PNG or WebP is one.

    Only those that are asked for are decoded.

    Args:
        paths: The pictures in the folder, or in its subfolders where it has none itself
            (`mnemoscope.data.tree`).
        folder: The folder.
        selection: Which of the pictures.
        reading: What the caller says of them.

    Returns:
        The pictures, and the split that was taken where there are several.

    Raises:
        MnemoscopeError: there are none or too few, one cannot be read, or they differ in size and
            no size was given.
    """
    if not paths:
        raise MnemoscopeError(
            f"{folder}, a folder without pictures",
            expected=f"files that end in {', '.join(sorted(ENDINGS))}",
            todo="check the path",
        )
    chosen, split = of_split(paths, folder, reading)
    keep = reading.rule == "keep"
    return picture_files(chosen, str(folder), selection, selection.size, keep=keep), split


def picture_files(
    paths: Sequence[Path], told: str, selection: Selection, size: int | None, *, keep: bool = False
) -> Float[Tensor, "n c h w"]:
    """Reads the pictures in files, one after the other; each page of a file is a picture.

    Args:
        paths: The files.
        told: Where they come from, as messages name it.
        selection: Which of the pictures.
        size: Height and width to bring them to.
        keep: Whether integers keep their numbers; otherwise white becomes 1.

    Raises:
        MnemoscopeError: as `folder_pictures`.
    """
    if max(selection.offset + 1, selection.end or 0) > len(paths):
        # Files may hold several pictures, so it takes a look into each to know whether so many.
        selection.rows(sum(map(_pages_or_one, paths)), told)
    pictures: list[Tensor] = []
    names: list[str] = []
    passed = 0
    for path in paths:
        if selection.end is not None and passed >= selection.end:
            break
        first = max(0, selection.offset - passed)
        last = None if selection.end is None else selection.end - passed
        count, pages = _read(path, first, last, keep=keep)
        if size is not None:
            pages = [squared(page[None], size)[0] for page in pages]
        pictures += pages
        names += [
            path.name if count == 1 else f"page {first + index} of {path.name}"
            for index in range(len(pages))
        ]
        passed += count
    return of_one_kind(pictures, names)


def is_picture_file(path: Path) -> bool:
    """Whether a file is a picture, by its name."""
    return path.suffix.lower() in ENDINGS


def _read(
    path: Path, first: int, last: int | None, *, keep: bool
) -> tuple[int, list[Float[Tensor, "c h w"]]]:
    """How many pages a file has, and those from `first` up to `last`."""
    if first and (count := _pages_or_one(path)) <= first:
        return count, []
    with _reading(path), Image.open(path, formats=FORMATS) as image:
        count = page_count(image, str(path))
        numbers = range(first, count if last is None else min(count, last))
        return count, decoded_pages(image, numbers, str(path), keep=keep)


def _pages_or_one(path: Path) -> int:
    """The pages of a file, by its header; what cannot be read counts as one that is passed over."""
    if path.suffix.lower() not in PAGED:
        return 1
    try:
        with _reading(path), Image.open(path, formats=FORMATS) as image:
            return page_count(image, str(path))
    except MnemoscopeError:
        return 1


@contextmanager
def _reading(path: Path) -> Iterator[None]:
    """Says what is wrong with a file that cannot be read."""
    try:
        if path.stat().st_size == 0:
            raise MnemoscopeError(
                f"{path}, which is empty (0 bytes)",
                expected="a whole picture",
                todo="replace or remove it",
            )
        yield
    except MnemoscopeError:
        raise
    except Image.DecompressionBombError as error:
        raise MnemoscopeError(
            f"{path}, which is too large a picture ({error})",
            expected="a picture of ordinary size",
            todo="remove or shrink it",
        ) from error
    except Exception as error:  # Of a damaged picture Pillow's decoders raise errors of any kind.
        raise MnemoscopeError(
            f"{path}, which cannot be read as a picture ({error})",
            expected="a whole picture",
            todo="replace or remove it",
        ) from error
