"""Pictures in a folder, or in one file of several pages."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from jaxtyping import Float
from PIL import Image
from torch import Tensor

from mnemoscope.base.errors import MnemoscopeError
from mnemoscope.data.decoding import FORMATS, decoded_pages, page_count
from mnemoscope.data.pictures import of_one_kind, sized
from mnemoscope.data.reading import Reading, Selection
from mnemoscope.data.tree import of_split

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
        pictures += [sized(page, selection.size) for page in pages]
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
    with _reading(path), Image.open(path, formats=FORMATS) as image:
        count = page_count(image, str(path))
        numbers = range(first, count if last is None else min(count, last))
        return count, decoded_pages(image, numbers, str(path), keep=keep)


def _pages_or_one(path: Path) -> int:
    """Counts the pages of a file by its header; an unreadable file counts as one page."""
    if path.suffix.lower() not in PAGED:
        return 1
    try:
        with _reading(path), Image.open(path, formats=FORMATS) as image:
            return page_count(image, str(path))
    except MnemoscopeError:
        return 1


@contextmanager
def _reading(path: Path) -> Iterator[None]:
    """Turns what Pillow raises into an error that names the file."""
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
    except Exception as error:  # Pillow's decoders raise errors of any kind for a damaged picture.
        raise MnemoscopeError(
            f"{path}, which cannot be read as a picture ({error})",
            expected="a whole picture",
            todo="replace or remove it",
        ) from error
