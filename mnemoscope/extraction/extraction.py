"""`Extraction`: candidates for training examples, best first; saved and loaded whole."""

import math
import os
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import polars as pl
import torch
from jaxtyping import Float
from PIL import Image
from pydantic import BaseModel
from torch import Tensor

from mnemoscope.base.bundle import Bundle, BundleKind, load_bundle, save_bundle
from mnemoscope.base.errors import MnemoscopeError
from mnemoscope.base.files import replacing
from mnemoscope.base.publishing import Publication
from mnemoscope.base.tables import table_html
from mnemoscope.data.given import given_examples
from mnemoscope.data.pictures import is_picture
from mnemoscope.dynamics.starts import Range
from mnemoscope.dynamics.stored import MATCH_TOL, checked_match_tol
from mnemoscope.extraction.scoring import score_table

PICTURES, SHEET = "pictures", "sheet.png"

SMALLEST_SIDE = 64
"""Pixels to which the longer side of a smaller picture is enlarged, by whole pixels."""

MAX_ON_SHEET = 400
"""Candidates on the sheet: the best."""

GAP = 2
"""Pixels between pictures of the sheet."""

TABLES = ("table", "estimates", "history")


class Index(BaseModel):
    """What `extraction.json` holds."""

    summary: dict[str, Any]


KIND = BundleKind(
    noun="extraction",
    format="mnemoscope-extraction/2",
    index="extraction.json",
    content=Index,
    tables=dict.fromkeys(TABLES),
    tensors="candidates.safetensors",
    written_by="Extraction.save or `mnemoscope extract`",
    again="extract again",
)
"""The files of a saved extraction, but for the pictures and the tables as CSV."""


@dataclass(frozen=True)
class Extraction:
    """Candidates for training examples, extracted from a map without any data.

    Attributes:
        candidates: `(m, *shape)`, likeliest to be a training example first; every state of a cycle
            is one.
        table: A row for each: `rank, score, kind (fixed_point | cycle), attractor, period,
            spectral_radius` (of `f^p`), `starts` (that ended at its attractor), `basin_fraction,
            basin_low, basin_high` (of all starts of noise), `kinds_reached, kinds_tried` (how many
            kinds of starts reached it, and how many there were), `excess` (RMS of what lies outside
            of the range), `contrast, roughness`.
        estimates: How much is unseen, a row for each kind of starts, for all `noise`, for `all`:
            `starts, ended` (at an attractor), `found, once, twice` (attractors seen at all, once,
            twice), `unseen` (Good-Turing share of starts), `total, low, high` (Chao's number of
            attractors, its 95% interval).
        history: A row for each kind of each round: `round, kind, starts` (so far), `found` (so
            far), `seconds`.
        summary: `attractors, candidates, starts, stopped` (why), `last_find` (starts used when the
            last attractor was found), `unseen_below` (upper end of the 95% Wilson interval of the
            share of starts after it that find a new one, which was none), `low, high` (the data's
            range), `range` (`given` or `learned`), `seed, seconds`.
    """

    candidates: Float[Tensor, "m *shape"] = field(repr=False)
    table: pl.DataFrame
    estimates: pl.DataFrame
    history: pl.DataFrame
    summary: dict[str, Any]

    def __len__(self) -> int:
        return len(self.candidates)

    @property
    def span(self) -> Range:
        """The data's range, as it was given or learned."""
        return Range(self.summary["low"], self.summary["high"])

    def to_frame(self) -> pl.DataFrame:
        """Returns the table of candidates."""
        return self.table

    def _repr_html_(self) -> str:
        title = f"{len(self):,} candidates from {self.summary['attractors']:,} attractors"
        return table_html(title, self.table)

    def score(self, X: Float[Tensor, "n *shape"], *, match_tol: float = MATCH_TOL) -> pl.DataFrame:
        """Compares the candidates with the training examples: precision and recall at each rank.

        See `mnemoscope.extraction.scoring.score_table`.

        Args:
            X: `(n, *shape)`, the training examples.
            match_tol: The largest distance (RMS, in units of `X`) at which a candidate is an
                example.

        Raises:
            MnemoscopeError: the examples are not of the candidates' shape, or there are none, or
                `match_tol` is not above 0.
        """
        X = given_examples(X)
        if X.shape[1:] != self.candidates.shape[1:] or len(X) == 0:
            raise MnemoscopeError(
                f"examples of shape {tuple(X.shape)}",
                expected=f"at least one of shape {tuple(self.candidates.shape[1:])}",
                todo="choose the examples that the map was trained on",
                field="X",
            )
        return score_table(self.candidates, X.detach().cpu(), checked_match_tol(match_tol))

    def save(self, folder: str | os.PathLike[str]) -> Path:
        """Writes everything into a folder; what an earlier one left there is replaced.

        `candidates.safetensors` (the numbers themselves), `table`, `estimates` and `history` as
        `.parquet` and `.csv`, `extraction.json` (the summary); of pictures also `pictures/` with a
        PNG for each by its rank, and `sheet.png`, the best 400.

        Returns:
            The folder.

        Raises:
            MnemoscopeError: the folder cannot be written to.
        """
        folder = Path(folder)
        pictures: set[str] = set()

        def write_copies(new: Publication, stage: Path) -> None:
            for name in TABLES:
                with replacing(stage / f"{name}.csv") as file:
                    getattr(self, name).write_csv(file)
            pictures.update(self._draw(stage))
            new.remove(folder, *_old_pictures(folder, pictures))

        bundle = Bundle(
            tables={name: getattr(self, name) for name in TABLES},
            tensors={"candidates": self.candidates},
            content=Index(summary=self.summary),
        )
        save_bundle(folder, KIND, bundle, more=write_copies)
        if not pictures:
            # Files of other origin keep the folder.
            with suppress(OSError):
                (folder / PICTURES).rmdir()
        return folder

    @classmethod
    def load(cls, folder: str | os.PathLike[str]) -> "Extraction":
        """Reads what `save` wrote.

        Raises:
            MnemoscopeError: the folder holds no extraction, or a damaged one.
        """
        bundle = load_bundle(folder, KIND)
        candidates = bundle.tensors["candidates"]
        return cls(candidates, **bundle.tables, summary=bundle.content.summary)

    def _draw(self, folder: Path) -> set[str]:
        """Draws the pictures; returns the names of those of single candidates."""
        written: set[str] = set()
        if not len(self) or not drawable(tuple(self.candidates.shape[1:])):
            return written
        digits = max(3, len(str(len(self))))
        for rank, image in enumerate(drawn(self.candidates, self.span), start=1):
            written.add(f"{rank:0{digits}}.png")
            with replacing(folder / PICTURES / f"{rank:0{digits}}.png") as path:
                image.save(path, format="PNG")
        with replacing(folder / SHEET) as path:
            sheet(self.candidates, self.span).save(path, format="PNG")
        return written


def extraction_files() -> list[str]:
    """Returns the names of the files that every extraction has."""
    return [*(f"{name}.csv" for name in TABLES), *KIND.files()]


def _old_pictures(folder: Path, written: set[str]) -> list[Path]:
    """Returns the pictures of an earlier extraction that this one does not replace."""
    old = [path for path in (folder / PICTURES).glob("*.png") if path.stem.isdecimal()]
    sheets = [] if written else [folder / SHEET]
    return [path for path in old if path.name not in written] + sheets


def drawable(shape: tuple[int, ...]) -> bool:
    """Decides whether a state of this shape is a picture: `(1 or 3, h, w)`, or `(h, w)`."""
    return is_picture(shape) or len(shape) == 2


def drawn(states: Float[Tensor, "m *shape"], span: Range) -> Iterator[Image.Image]:
    """Draws each state: its range from black to white, what is outside cut off."""
    for state in states:
        levels = (state.double() - span.low) / span.width
        pixels = (levels.clamp(0, 1) * 255).round().to(torch.uint8)
        pixels = pixels.movedim(0, -1).squeeze(-1) if pixels.ndim == 3 else pixels
        image = Image.fromarray(pixels.contiguous().numpy())
        times = max(1, SMALLEST_SIDE // max(image.size))
        yield image.resize((image.width * times, image.height * times), Image.Resampling.NEAREST)


def sheet(states: Float[Tensor, "m *shape"], span: Range) -> Image.Image:
    """Draws the best candidates in rows, best first, on white."""
    images = list(drawn(states[:MAX_ON_SHEET], span))
    columns = max(1, math.ceil(math.sqrt(len(images))))
    wide, high = images[0].width + GAP, images[0].height + GAP
    rows = math.ceil(len(images) / columns)
    whole = Image.new(images[0].mode, (columns * wide + GAP, rows * high + GAP), "white")
    for place, image in enumerate(images):
        whole.paste(image, (place % columns * wide + GAP, place // columns * high + GAP))
    return whole
