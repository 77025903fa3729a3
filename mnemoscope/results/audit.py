"""`Audit`: what a map has memorized, as tables, pictures and one sentence."""

import os
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import polars as pl
from pydantic import BaseModel
from torch import Tensor

from mnemoscope.base.bundle import Bundle, BundleKind, load_bundle, save_bundle
from mnemoscope.base.stats import Rate, Share
from mnemoscope.base.tables import table_html
from mnemoscope.results.summary import QUANTITIES, Summary
from mnemoscope.results.tables import SCHEMAS
from mnemoscope.results.verdict import verdict


class Index(BaseModel):
    """What `audit.json` holds."""

    summary: Summary
    provenance: dict[str, Any]


KIND = BundleKind(
    noun="audit",
    format="mnemoscope-audit/4",
    index="audit.json",
    content=Index,
    tables=dict.fromkeys(SCHEMAS),
    tensors="pictures.safetensors",
    written_by="Audit.save or `mnemoscope audit`",
    again="audit again",
)
"""The files of an audit."""


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
            `noise_frames (k, t, *shape)` (the same from pure noise, one row an example reached),
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
        tables = {name: getattr(self, name) for name in SCHEMAS}
        index = Index(summary=self.summary, provenance=self.provenance)
        return save_bundle(folder, KIND, Bundle(tables, self.pictures, index))

    @classmethod
    def load(cls, folder: str | os.PathLike[str]) -> "Audit":
        """Reads what `save` wrote.

        Raises:
            MnemoscopeError: the folder holds no audit, or one that is damaged or half-written.
        """
        bundle = load_bundle(folder, KIND)
        index, pictures = bundle.content, dict(bundle.tensors)
        return cls(**bundle.tables, **dict(index), pictures=pictures)

    def _repr_html_(self) -> str:
        rows = {"": [], "found": [], "95% interval": []}
        for name, quantity in QUANTITIES.items():
            value = getattr(self.summary, name)
            if isinstance(value, Share):
                ends = value.interval if isinstance(value, Rate) and value.total else ""
                cells = (quantity.label, value.fraction, ends)
            elif quantity.kind == "count" and value is not None:
                cells = (quantity.label, f"{value:,}", "")
            else:
                continue
            for column, cell in zip(rows.values(), cells, strict=True):
                column.append(cell)
        return table_html(self.verdict, pl.DataFrame(rows), most=len(QUANTITIES))


def drawn_as_picture(shape: Sequence[int]) -> bool:
    """Decides whether states of a shape are pictures: `(h, w)`, `(1, h, w)`, `(3, h, w)`."""
    sides = shape[-2:]
    return min(sides, default=0) >= 4 and (
        len(shape) == 2 or (len(shape) == 3 and shape[0] in (1, 3))
    )
