"""A folder of pictures."""

from pathlib import Path

from jaxtyping import Float
from PIL import Image
from torch import Tensor

from mnemoscope.data.decoding import picture_tensor
from mnemoscope.data.pictures import of_one_kind, squared
from mnemoscope.data.selection import Selection
from mnemoscope.errors import MnemoscopeError

ENDINGS = {
    ".bmp", ".gif", ".jpeg", ".jpg", ".pbm", ".pgm", ".png", ".ppm", ".tif", ".tiff", ".webp",
}  # fmt: skip

FORMATS = ("BMP", "GIF", "JPEG", "PNG", "PPM", "TIFF", "WEBP")
"""What is decoded. Pillow would hand a PostScript file with a picture's ending to Ghostscript."""


def folder_pictures(
    folder: Path, selection: Selection, size: int | None
) -> Float[Tensor, "n c h w"]:
    """The pictures of a folder by name; only those asked for are read, other files left alone.

    Raises:
        MnemoscopeError: there are none or too few, one cannot be read, or they differ in size and
            no `size` was given.
    """
    try:
        paths = sorted(path for path in folder.iterdir() if _is_picture(path))
    except OSError as error:
        raise MnemoscopeError(
            f"{folder}, a folder that cannot be listed ({error.strerror})",
            expected="a folder of pictures",
            todo="check its permissions",
        ) from error
    if not paths:
        raise MnemoscopeError(
            f"{folder}, a folder without pictures",
            expected=f"files that end in {', '.join(sorted(ENDINGS))}",
            todo=_instead_of(folder),
        )
    paths = paths[selection.rows(len(paths), str(folder))]
    pictures = [_read(path) for path in paths]
    if size is not None:
        pictures = [squared(picture[None], size)[0] for picture in pictures]
    return of_one_kind(pictures, [path.name for path in paths])


def _is_picture(path: Path) -> bool:
    return path.suffix.lower() in ENDINGS and not path.name.startswith(".") and path.is_file()


def _instead_of(folder: Path) -> str:
    if (folder / "dataset_dict.json").exists() or (folder / "state.json").exists():
        return f"this is a Hugging Face dataset: load hf:{folder}"
    inner = sorted(path.parent for path in folder.glob("*/*") if _is_picture(path))
    return f"name the folder the pictures are in, as {inner[0]}" if inner else "check the path"


def _read(path: Path) -> Tensor:
    try:
        if path.stat().st_size == 0:
            raise MnemoscopeError(
                f"{path}, which is empty (0 bytes)",
                expected="a whole picture",
                todo="replace or remove it",
            )
        with Image.open(path, formats=FORMATS) as image:
            image.load()
            return picture_tensor(image, str(path))
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
