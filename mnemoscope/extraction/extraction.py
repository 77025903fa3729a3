"""`Extraction`: what came out of the weights, best first; saved whole."""

import json
import os
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import polars as pl
from jaxtyping import Float
from polars.exceptions import PolarsError
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from mnemoscope.dynamics.starts import Range
from mnemoscope.dynamics.stored import MATCH_TOL, checked_match_tol
from mnemoscope.errors import MnemoscopeError
from mnemoscope.extraction.pictures import drawable, drawn, sheet
from mnemoscope.extraction.scoring import score_table
from mnemoscope.files import make_folder, replacing

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
        folder = make_folder(folder)
        with ExitStack() as stack:
            index = stack.enter_context(replacing(folder / INDEX))
            states = stack.enter_context(replacing(folder / STATES))
            save_file({"candidates": self.candidates.contiguous()}, states)
            for name in TABLES:
                frame: pl.DataFrame = getattr(self, name)
                frame.write_parquet(stack.enter_context(replacing(folder / f"{name}.parquet")))
                frame.write_csv(stack.enter_context(replacing(folder / f"{name}.csv")))
            # Files take their places when the stack unwinds: the pictures before, the index last.
            self._draw(folder)
            content = {"format": FORMAT, "summary": self.summary}
            index.write_text(json.dumps(content, indent=2) + "\n")
        return folder

    @classmethod
    def load(cls, folder: str | os.PathLike[str]) -> "Extraction":
        """Reads what `save` wrote.

        Raises:
            MnemoscopeError: the folder holds no extraction, or a damaged one.
        """
        folder = Path(folder)
        try:
            index = json.loads((folder / INDEX).read_text())
            if index["format"] != FORMAT:
                raise ValueError(f"its format is {index['format']!r}")
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

    def _draw(self, folder: Path) -> None:
        """The pictures, in place of earlier ones."""
        pictures, written = folder / PICTURES, set()
        if len(self) and drawable(tuple(self.candidates.shape[1:])):
            digits = max(3, len(str(len(self))))
            for rank, image in enumerate(drawn(self.candidates, self.span), start=1):
                written.add(f"{rank:0{digits}}.png")
                with replacing(pictures / f"{rank:0{digits}}.png") as path:
                    image.save(path, format="PNG")
            with replacing(folder / SHEET) as path:
                sheet(self.candidates, self.span).save(path, format="PNG")
        else:
            (folder / SHEET).unlink(missing_ok=True)
        for old in pictures.glob("*.png"):
            if old.stem.isdecimal() and old.name not in written:
                old.unlink()
        if pictures.is_dir() and not any(pictures.iterdir()):
            pictures.rmdir()
