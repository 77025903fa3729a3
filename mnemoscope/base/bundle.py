"""Folders of results: tables in Parquet, tensors in safetensors, and a JSON index written last.

The index holds the SHA-256 of the other files, so a folder that is damaged, half-written or mixed
with another result is refused.
"""

import hashlib
import json
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, TypeVar

import polars as pl
from polars.exceptions import PolarsError
from pydantic import BaseModel
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from mnemoscope.base.errors import MnemoscopeError, shortened
from mnemoscope.base.files import replacing
from mnemoscope.base.publishing import Publication, check_name, finish, publishing
from mnemoscope.base.small_files import check_regular, read_json
from mnemoscope.base.text import plain, short

Content = TypeVar("Content", bound=BaseModel)


@dataclass(frozen=True)
class BundleKind(Generic[Content]):
    """A kind of result folder.

    Attributes:
        noun: What it holds, for messages: `extraction`.
        format: Name and version that the index states.
        index: Name of the index.
        content: The model of the further entries of the index.
        tables: Names of the tables, without `.parquet`, each with its columns; None: any.
        tensors: Name of the file of tensors; None: there is none.
        written_by: What writes it, for messages.
        again: What replaces a damaged one, for messages: `audit again`.
    """

    noun: str
    format: str
    index: str
    content: type[Content]
    tables: Mapping[str, Mapping[str, Any] | None]
    tensors: str | None
    written_by: str
    again: str = "run it again"

    def files(self) -> list[str]:
        """Returns the names of all files, the index last."""
        tensors = [] if self.tensors is None else [self.tensors]
        return [*tensors, *(f"{name}.parquet" for name in self.tables), self.index]


@dataclass(frozen=True)
class Bundle(Generic[Content]):
    """The content of a result folder.

    Attributes:
        tables: By name.
        tensors: By name; on the CPU.
        content: Further entries of the index.
    """

    tables: Mapping[str, pl.DataFrame]
    tensors: Mapping[str, Tensor]
    content: Content


def save_bundle(
    folder: str | os.PathLike[str],
    kind: BundleKind[Content],
    bundle: Bundle[Content],
    *,
    more: Callable[[Publication, Path], object] = lambda *_: None,
) -> Path:
    """Writes a result to a temporary folder, then replaces the earlier one by it as a whole.

    `more` writes further files, which the index does not list, into the folder that it is given.
    """
    folder = Path(folder)
    with publishing() as new:
        stage = new.folder(folder)
        if kind.tensors is not None:
            with replacing(stage / kind.tensors) as file:
                save_file({name: t.contiguous() for name, t in bundle.tensors.items()}, file)
        for name in kind.tables:
            with replacing(stage / f"{name}.parquet") as file:
                bundle.tables[name].write_parquet(file)
        more(new, stage)
        digests = {name: _digest(stage / name) for name in kind.files() if name != kind.index}
        content = bundle.content.model_dump(mode="json")
        index = plain({"format": kind.format, **content, "files": digests})
        with replacing(stage / kind.index) as file:
            text = json.dumps(index, indent=2, allow_nan=False)
            file.write_text(f"{text}\n", encoding="utf-8")
    return folder


def load_bundle(folder: str | os.PathLike[str], kind: BundleKind[Content]) -> Bundle[Content]:
    """Reads what `save_bundle` wrote."""
    folder = Path(folder)
    expected = f"a folder that {kind.written_by} wrote"
    try:
        check_name(folder)
        finish(folder)
        index = dict(read_json(folder / kind.index))
        found = index.pop("format")
        if found != kind.format:
            raise ValueError(f"its format is {short(found)}, not {kind.format}")
        digests = dict(index.pop("files"))
        for name in kind.files():
            check_regular(folder / name)
            if name != kind.index and _digest(folder / name) != digests.get(name):
                raise ValueError(f"{name} is damaged or belongs to another {kind.noun}")
        tables = {name: pl.read_parquet(folder / f"{name}.parquet") for name in kind.tables}
        for name, columns in kind.tables.items():
            if columns is not None and dict(tables[name].schema) != dict(columns):
                raise ValueError(f"{name}.parquet has other columns")
        tensors = {} if kind.tensors is None else load_file(folder / kind.tensors)
        content = kind.content.model_validate(index)
    except FileNotFoundError as error:
        raise MnemoscopeError(
            f"no {kind.noun} in {folder} ({Path(error.filename or kind.index).name} is missing)",
            expected=expected,
            todo=f"check the path, or {kind.again}",
        ) from error
    except (OSError, ValueError, KeyError, TypeError, PolarsError, SafetensorError) as error:
        raise MnemoscopeError(
            f"the {kind.noun} in {folder} cannot be read ({shortened(str(error))})",
            expected=expected,
            todo=f"check the path, or {kind.again}",
        ) from error
    return Bundle(tables, tensors, content)


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
