"""Tables: CSV, TSV, Parquet and Feather; each row is an example.

A column of lists, of arrays or of encoded pictures holds whole examples. Without one, all columns
of numbers and truth values are the entries of a state, in the table's order; columns of text, and
those whose name says that they hold a label or a row number, are left out, and the log names them.
"""

import csv
import io
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from PIL import Image

from mnemoscope.base.errors import MnemoscopeError
from mnemoscope.data.choosing import Columns, feature_columns
from mnemoscope.data.pictures import decoded, opened
from mnemoscope.data.readers.reader import Reader, taken
from mnemoscope.data.reading import Found, Reading, Selection

SAMPLE = 64 * 2**10
"""Characters of a text from which its separator is found."""


def read(path: Path, reading: Reading, selection: Selection) -> Found:
    """Reads the rows that are asked for."""
    table = _frame(path)
    origin = str(path)
    columns = _columns(table)
    one = reading.column if reading.column in table.columns else None
    whole = (*columns.pictures, *columns.arrays)
    if one in whole or (reading.column is None and whole):
        name = columns.chosen(reading, origin)
        part = table[name][selection.rows(len(table), origin)]
        if name in columns.pictures:
            images = _encoded_pictures(part, origin, selection.offset)
            X = decoded(images, "row", origin, selection, reading)
            return Found(X, column=name, scaled=True)
        return taken(_array(part, origin), Selection(None), origin, column=name)
    names = feature_columns(
        {name: kind.is_numeric() or kind == pl.Boolean for name, kind in table.schema.items()},
        reading,
        origin,
    )
    part = table.select(names)[selection.rows(len(table), origin)]
    taken_all = len(names) == len(table.columns)
    return Found(
        _numbers(part, origin, selection.offset, reading),
        None,
        column=None if taken_all else ",".join(names),
    )


def _frame(path: Path) -> pl.DataFrame:
    if path.suffix.lower() in FRAMES:
        return FRAMES[path.suffix.lower()](path)
    with path.open("rb") as file:
        head = file.read(6)
    return _parquet(path) if head.startswith(b"PAR1") else _feather(path)


def _parquet(path: Path) -> pl.DataFrame:
    return pl.read_parquet(path, use_pyarrow=False, glob=False)


def _feather(path: Path) -> pl.DataFrame:
    with path.open("rb") as file:
        if file.read(4) == b"FEA1":
            raise ValueError(
                "it is a Feather file of version 1; save it as version 2 or as Parquet"
            )
    return pl.read_ipc(path)


def _text(path: Path) -> pl.DataFrame:
    """Returns a table in a text: with or without a line of names, of any usual separator."""
    with path.open(encoding="utf-8-sig", errors="strict", newline="") as file:
        sample = file.read(SAMPLE)
    if "\0" in sample:
        raise ValueError("it is no text")
    first = next((line for line in sample.splitlines() if line.strip()), "")
    separator = "\t" if path.suffix.lower() == ".tsv" else _separator(first)
    cells = next(csv.reader([first], delimiter=separator))
    if len(cells) == 1 and _is_number(" ".join(cells).split()[0] if first.strip() else ""):
        return _aligned(path, sample) if len(first.split()) > 1 else _separated(path, ",", False)
    named = not all(_is_number(cell) for cell in cells)
    return _separated(path, separator, named)


def _separated(path: Path, separator: str, named: bool) -> pl.DataFrame:
    decimal_comma = separator == ";" and _has_decimal_commas(path)
    return pl.read_csv(
        path,
        separator=separator,
        has_header=named,
        infer_schema_length=None,
        glob=False,
        null_values=["", "NA", "NaN", "nan", "?"],
        decimal_comma=decimal_comma,
    )


def _aligned(path: Path, sample: str) -> pl.DataFrame:
    """Columns of numbers between blanks, as `numpy.savetxt` writes them."""
    array = np.loadtxt(path, ndmin=2)
    return pl.DataFrame(array, schema=[f"column_{i + 1}" for i in range(array.shape[1])])


def _separator(line: str) -> str:
    return max((",", ";", "\t", "|"), key=line.count)


def _has_decimal_commas(path: Path) -> bool:
    with path.open(encoding="utf-8-sig", newline="") as file:
        rows = list(csv.reader(file.read(SAMPLE).splitlines()[1:20], delimiter=";"))
    cells = [cell for row in rows for cell in row]
    commas = [cell for cell in cells if "," in cell]
    return bool(commas) and all(_is_number(cell.replace(",", ".")) for cell in commas)


def _is_number(cell: str) -> bool:
    try:
        float(cell)
    except ValueError:
        return False
    return True


def _columns(table: pl.DataFrame) -> Columns:
    """Classifies the columns that hold whole examples."""
    pictures, arrays = [], []
    for name, dtype in table.schema.items():
        if _is_encoded(dtype):
            pictures.append(name)
        elif isinstance(dtype, pl.List | pl.Array):
            inner: Any = dtype
            while isinstance(inner, pl.List | pl.Array):
                inner = inner.inner
            if inner.is_numeric() or inner == pl.Boolean:
                arrays.append(name)
    return Columns(tuple(table.columns), tuple(pictures), tuple(arrays), ())


def _is_encoded(dtype: pl.DataType) -> bool:
    """Returns whether a column holds bytes, or structures with a field `bytes`."""
    return dtype == pl.Binary or (
        isinstance(dtype, pl.Struct) and any(field.name == "bytes" for field in dtype.fields)
    )


def _encoded_pictures(values: pl.Series, origin: str, first: int) -> Iterator[Image.Image]:
    """Opens the PNG or JPEG in each row."""
    if isinstance(values.dtype, pl.Struct):
        values = values.struct.field("bytes")
    for row, content in enumerate(values, first):
        with opened(io.BytesIO(content or b""), f"{origin}, row {row}") as image:
            image.load()
            yield image


def _numbers(table: pl.DataFrame, origin: str, first: int, reading: Reading) -> np.ndarray:
    """Returns the table as one array of floating-point numbers."""
    for name in table.columns:
        if table[name].has_nulls():
            row = table[name].is_null().arg_true()[0]
            raise MnemoscopeError(
                f"{origin} without a number in row {first + row}, column {name} "
                f"({table[name].null_count()} such rows)",
                expected="a number in every row",
                todo="fill or leave out these rows, or choose columns with column=..., --column",
            )
    # A range that is named may be small in relation to its ends, so its numbers keep their digits.
    kind = pl.Float64 if isinstance(reading.scale, tuple) else pl.Float32
    return table.cast(kind).to_numpy(order="c")


def _array(values: pl.Series, origin: str) -> np.ndarray:
    """Returns a column of lists or arrays of one shape."""
    shape = [len(values)]
    while isinstance(values.dtype, pl.List | pl.Array):
        lengths = (
            [values.dtype.size]
            if isinstance(values.dtype, pl.Array)
            else values.list.len().unique()
        )
        if values.null_count() or len(lengths) > 1:
            raise MnemoscopeError(
                f"{origin}, column {values.name}, whose rows differ in shape",
                expected="arrays of one shape",
                todo="bring them to one shape first",
            )
        shape.append(int(lengths[0]) if len(lengths) else 0)
        values = values.explode()
    if values.null_count():
        raise MnemoscopeError(
            f"{origin}, column {values.name}, with {values.null_count()} numbers missing",
            expected="a number in every place",
            todo="fill these, or leave out their rows",
        )
    return values.to_numpy().reshape(shape)


FRAMES: dict[str, Callable[[Path], pl.DataFrame]] = {
    ".csv": _text,
    ".tsv": _text,
    ".parquet": _parquet,
    ".pq": _parquet,
    ".feather": _feather,
    ".arrow": _feather,
    ".ipc": _feather,
}


READER = Reader(
    name="table",
    suffixes=tuple(FRAMES),
    read=read,
    begins=None,
    uses=("column",),
    parts=True,
)
