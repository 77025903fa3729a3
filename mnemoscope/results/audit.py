"""`Audit`: what a map has memorized: tables, pictures, one sentence; saved and loaded whole."""

import hashlib
import json
import os
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import polars as pl
from polars.exceptions import PolarsError
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from mnemoscope.base.errors import MnemoscopeError, shortened
from mnemoscope.base.files import replacing
from mnemoscope.base.publishing import check_name, finish, publishing
from mnemoscope.base.small_files import check_regular, read_json
from mnemoscope.base.text import plain
from mnemoscope.results.summary import Summary
from mnemoscope.results.tables import SCHEMAS
from mnemoscope.results.verdict import verdict

FORMAT = "mnemoscope-audit/4"
"""The format that `audit.json` names."""

INDEX = "audit.json"
"""Written last; an audit directory without it is incomplete."""

PICTURES = "pictures.safetensors"


@dataclass(frozen=True)
class Audit:
    """The result of an audit.

    Tables are polars frames whose columns `mnemoscope.results.tables` names.

    Attributes:
        examples: A row for each training example.
        attractors: A row for each attractor found, largest basin first.
        recall: A row for each example, corruption and strength.
        curves: Recall over all examples: a row for each corruption and strength.
        starts: A row for each distribution of starts: where its orbits ended.
        basins: A row for each distribution of starts and attractor.
        spectra: Leading eigenvalues of the Jacobian at each example.
        history: The training's history (no rows if the network carries none).
        plane: Where starts on the plane through three examples end.
        membership: A row for each example and each held-out state: its scores for membership (no
            rows without held-out data).
        roc: The ROC curve of each score.
        summary: The verdict and the numbers it was made from (JSON values).
        provenance: Versions, spec, seed, data checksum, settings, command (JSON values).
        pictures: Tensors to be drawn: `examples (n, *shape)`, `attractors (m, *shape)` by id,
            `recall_frames (n, t, *shape)` (a corrupted start, some iterates, the end),
            `noise_frames (k, t, *shape)` (the same from pure noise, one row an example reached).
            described by `summary.recall_frames` and `summary.noise_frames`.
    """

    examples: pl.DataFrame
    attractors: pl.DataFrame
    recall: pl.DataFrame
    curves: pl.DataFrame
    starts: pl.DataFrame
    basins: pl.DataFrame
    spectra: pl.DataFrame
    history: pl.DataFrame
    plane: pl.DataFrame
    membership: pl.DataFrame
    roc: pl.DataFrame
    summary: Summary
    provenance: dict[str, Any]
    pictures: dict[str, Tensor] = field(repr=False)

    @property
    def verdict(self) -> str:
        """What the map has memorized, in one sentence."""
        return verdict(self.summary)

    def with_summary(self, **changes: Any) -> "Audit":
        """Returns the audit with some fields of its summary changed."""
        return replace(self, summary=self.summary.model_copy(update=changes))

    def save(self, folder: str | os.PathLike[str]) -> Path:
        """Writes everything into a folder: Parquet tables, pictures, and `audit.json` last.

        Args:
            folder: Made if missing; an earlier audit in it is replaced once all of this one is
                written.

        Returns:
            The folder.

        Raises:
            MnemoscopeError: the folder cannot be written to.
        """
        folder = Path(folder)
        with publishing() as new:
            stage = new.folder(folder)
            with replacing(stage / PICTURES) as pictures:
                save_file({k: v.contiguous() for k, v in self.pictures.items()}, pictures)
            for name in SCHEMAS:
                with replacing(stage / f"{name}.parquet") as table:
                    getattr(self, name).write_parquet(table)
            content = {
                "format": FORMAT,
                "summary": self.summary.model_dump(mode="json"),
                "provenance": self.provenance,
                "files": {name: _digest(stage / name) for name in audit_files() if name != INDEX},
            }
            with replacing(stage / INDEX) as index:
                index.write_text(json.dumps(plain(content), indent=2, allow_nan=False) + "\n")
        return folder

    @classmethod
    def load(cls, folder: str | os.PathLike[str]) -> "Audit":
        """Reads what `save` wrote.

        Raises:
            MnemoscopeError: the folder holds no audit, or one that is damaged or half-written.
        """
        folder = Path(folder)
        try:
            check_name(folder)
            finish(folder)
            index = read_json(folder / INDEX)
            if index["format"] != FORMAT:
                raise ValueError(f"its format is {shortened(repr(index['format']))}")
            for name in audit_files():
                check_regular(folder / name)
                if name != INDEX and _digest(folder / name) != index["files"].get(name):
                    raise ValueError(f"{name} is damaged or of another audit")
            tables = {name: pl.read_parquet(folder / f"{name}.parquet") for name in SCHEMAS}
            pictures = load_file(folder / PICTURES)
            return cls(
                **tables,
                summary=Summary.model_validate(index["summary"]),
                provenance=index["provenance"],
                pictures=pictures,
            )
        except FileNotFoundError as error:
            raise MnemoscopeError(
                f"no audit in {folder} ({Path(error.filename or INDEX).name} is missing)",
                expected="a folder that Audit.save or `mnemoscope audit` wrote",
                todo="check the path, or audit again",
            ) from error
        except (
            AttributeError,  # JSON of another form
            OSError,
            ValueError,
            KeyError,
            TypeError,
            PolarsError,
            SafetensorError,
        ) as error:
            raise MnemoscopeError(
                f"the audit in {folder} cannot be read ({' '.join(str(error).split())})",
                expected="a folder that Audit.save or `mnemoscope audit` wrote",
                todo="audit again",
            ) from error


def audit_files() -> list[str]:
    """The names of all files of an audit."""
    return [PICTURES, *(f"{name}.parquet" for name in SCHEMAS), INDEX]


def _digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()
