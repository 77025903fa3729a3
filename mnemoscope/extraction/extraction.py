"""`Extraction`: what came out of the weights, best first; saved whole."""

import json
import os
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import polars as pl
from jaxtyping import Float
from polars.exceptions import PolarsError
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from mnemoscope.base.errors import MnemoscopeError, shortened
from mnemoscope.base.files import replacing
from mnemoscope.base.publishing import finish, publishing
from mnemoscope.base.small_files import check_regular, read_json
from mnemoscope.data.given import given_examples
from mnemoscope.dynamics.starts import Range
from mnemoscope.dynamics.stored import MATCH_TOL, checked_match_tol
from mnemoscope.extraction.pictures import drawable, drawn, sheet
from mnemoscope.extraction.scoring import score_table

FORMAT = "mnemoscope-extraction/1"
"""What `extraction.json` says of itself."""

INDEX, STATES, PICTURES, SHEET = (
    "extraction.json", "candidates.safetensors", "pictures", "sheet.png",
)  # fmt: skip

TABLES = ("table", "estimates", "history")


@dataclass(frozen=True)
class Extraction:
    """What came out of a map without any data.

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

    def score(self, X: Float[Tensor, "n *shape"], *, match_tol: float = MATCH_TOL) -> pl.DataFrame:
        """Holds the candidates against the training examples: precision and recall at each rank.

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
        with publishing() as new:
            stage = new.folder(folder)
            with replacing(stage / STATES) as states:
                save_file({"candidates": self.candidates.contiguous()}, states)
            for name in TABLES:
                frame: pl.DataFrame = getattr(self, name)
                with replacing(stage / f"{name}.parquet") as table:
                    frame.write_parquet(table)
                with replacing(stage / f"{name}.csv") as table:
                    frame.write_csv(table)
            drawn = self._draw(stage)
            content = {"format": FORMAT, "summary": self.summary}
            with replacing(stage / INDEX) as index:
                index.write_text(json.dumps(content, indent=2) + "\n")
            new.remove(folder, *_old_pictures(folder, drawn))
        if not drawn:
            # Files that are not ours keep it.
            with suppress(OSError):
                (folder / PICTURES).rmdir()
        return folder

    @classmethod
    def load(cls, folder: str | os.PathLike[str]) -> "Extraction":
        """Reads what `save` wrote.

        Raises:
            MnemoscopeError: the folder holds no extraction, or a damaged one.
        """
        folder = Path(folder)
        try:
            finish(folder)
            index = read_json(folder / INDEX)
            if index["format"] != FORMAT:
                raise ValueError(f"its format is {shortened(repr(index['format']))}")
            for name in extraction_files():
                check_regular(folder / name)
            return cls(
                candidates=load_file(folder / STATES)["candidates"],
                **{name: pl.read_parquet(folder / f"{name}.parquet") for name in TABLES},
                summary=index["summary"],
            )
        except (OSError, ValueError, KeyError, TypeError, SafetensorError, PolarsError) as error:
            missing = isinstance(error, FileNotFoundError)
            told = "does not exist" if missing else str(error).strip().split("\n")[0]
            raise MnemoscopeError(
                f"{folder}, from which no extraction can be read ({told})",
                expected="a folder that Extraction.save or `mnemoscope extract` wrote",
                todo="check the path, or extract again",
            ) from error

    def _draw(self, folder: Path) -> set[str]:
        """The pictures; the names of those of single candidates."""
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
    """The names of the files that every extraction has."""
    tables = [f"{name}.{kind}" for name in TABLES for kind in ("parquet", "csv")]
    return [STATES, *tables, INDEX]


def _old_pictures(folder: Path, written: set[str]) -> list[Path]:
    """The pictures of an earlier extraction that this one has none for."""
    old = [path for path in (folder / PICTURES).glob("*.png") if path.stem.isdecimal()]
    sheets = [] if written else [folder / SHEET]
    return [path for path in old if path.name not in written] + sheets
