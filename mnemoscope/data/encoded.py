"""Encoded pictures in the rows of a table: PNG or JPEG bytes, as Hugging Face writes them."""

import io

import polars as pl
from jaxtyping import Float
from PIL import Image
from torch import Tensor

from mnemoscope.base.errors import MnemoscopeError
from mnemoscope.data.decoding import FORMATS, picture_tensor
from mnemoscope.data.pictures import of_one_kind, squared
from mnemoscope.data.selection import Selection


def is_encoded(dtype: pl.DataType) -> bool:
    """Whether a column holds bytes, or structures with a field `bytes`."""
    return dtype == pl.Binary or (
        isinstance(dtype, pl.Struct) and any(field.name == "bytes" for field in dtype.fields)
    )


def encoded_pictures(
    values: pl.Series, told: str, selection: Selection, *, keep: bool
) -> Float[Tensor, "n c h w"]:
    """Decodes the picture in each row.

    Args:
        values: The rows that are asked for.
        told: The table, as messages name it.
        selection: Which rows they are, and the size to bring the pictures to.
        keep: Whether integers keep their numbers; otherwise white becomes 1.

    Raises:
        MnemoscopeError: a row has no picture, one that cannot be read, or the pictures differ in
            size.
    """
    if isinstance(values.dtype, pl.Struct):
        values = values.struct.field("bytes")
    pictures, labels = [], []
    for row, content in enumerate(values):
        place = f"{told}, row {selection.offset + row}"
        try:
            if content is None:
                raise ValueError("there are no bytes")
            with Image.open(io.BytesIO(content), formats=FORMATS) as image:
                image.load()
                picture = picture_tensor(image, place, keep=keep)
        except MnemoscopeError:
            raise
        except Exception as error:  # Of damaged bytes Pillow's decoders raise errors of any kind.
            raise MnemoscopeError(
                f"{place}, which cannot be read as a picture ({error})",
                expected="a whole picture in every row",
                todo="leave that row out, or name another column: column=..., --column",
            ) from error
        size = selection.size
        pictures.append(picture if size is None else squared(picture[None], size)[0])
        labels.append(f"row {selection.offset + row}")
    return of_one_kind(pictures, labels)
