"""`Screen`: what was found in a large training set; saved and loaded whole."""

import json
import os
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import polars as pl
from polars.exceptions import PolarsError
from pydantic import Field

from mnemoscope.base.errors import MnemoscopeError
from mnemoscope.base.files import replacing
from mnemoscope.base.publishing import finish, publishing
from mnemoscope.base.small_files import read_json
from mnemoscope.base.stats import Rate
from mnemoscope.base.text import plain
from mnemoscope.results.audit import Audit, audit_files
from mnemoscope.results.summary import Part

FORMAT = "mnemoscope-screen/1"
"""What `screen.json` says of itself."""

INDEX = "screen.json"
"""Written last."""

TABLE = "screen.parquet"

SAMPLE, SUSPICIOUS = "sample", "suspicious"
"""The folders of the two audits."""

SCREEN: dict[str, Any] = {
    "index": pl.Int64(),
    "residual": pl.Float64(),
    "drift": pl.Float64(),
    "step": pl.Float64(),
    "rank": pl.Int64(),
    "sampled": pl.Boolean(),
    "suspicious": pl.Boolean(),
    "stored": pl.Boolean(),
    "disclosed": pl.Boolean(),
}
"""Columns of the table of all examples."""


@dataclass(frozen=True, repr=False)
class SampleRate(Rate):
    """A rate in a random sample, with the 95% interval of the rate in the whole set.

    Attributes:
        whole: The size of the whole set.
    """

    whole: int


class Selected(Part):
    """The most suspicious examples, and how many of them are what."""

    examples: int
    stored: int | None = None
    disclosed: int | None = None
    contractive: int | None = None


class ScreenSummary(Part):
    """What was done and found in a screening."""

    examples: int
    sample: int = Field(description="Examples in the random sample.")
    suspicious: Selected
    disclosed: tuple[int, ...] = Field(description="Indices of the examples that are disclosed.")
    unit: float
    seed: int
    plan: dict[str, Any] = Field(description="Predicted cost of the pass.")
    partial: tuple[str, ...] = Field((), description="Parts that Ctrl-C left out.")
    pass_seconds: float
    seconds: float


@dataclass(frozen=True)
class Screen:
    """The result of a screening.

    Attributes:
        table: A row for each example: its `index`; `residual`, RMS of `f(x) - x`; `drift`, RMS of
            `f^8(x) - x`; `step`, RMS of `f^9(x) - f^8(x)`, all in units (null where the orbit
            leaves the finite numbers); its `rank` by drift, residual and index, 1 for the most
            suspicious; whether it was `sampled`, whether it is among the `suspicious`; `stored` and
            `disclosed` where it was audited, else null. `disclosed` is also true for an example
            that was not audited, but is the nearest one to an attractor that was found within
            `match_tol` of it.
        sample: The audit of a random sample; row `i` is the `i`-th sampled row of the table.
        suspicious: The audit of the most suspicious examples, exact duplicates left out; row `i` is
            the `i`-th of them by rank. They were selected, so their share says nothing about the
            whole set.
            Either is None, or partial itself, where Ctrl-C came before; see `summary.partial`.
        rates: `stored`, `disclosed` and `contractive` in the sample, with the 95% interval of the
            rate in the whole set (rows, duplicates included; see
            `mnemoscope.measure.screening`). `contractive` counts what is decided.
        summary: What was done and found.
    """

    table: pl.DataFrame = field(repr=False)
    sample: Audit | None = field(repr=False)
    suspicious: Audit | None = field(repr=False)
    rates: dict[str, SampleRate]
    summary: ScreenSummary

    def to_frame(self) -> pl.DataFrame:
        """Returns the table of all examples."""
        return self.table

    @property
    def sample_rows(self) -> list[int]:
        """The indices of the sampled examples, in the order of their audit."""
        return self.table.filter("sampled")["index"].to_list()

    @property
    def suspicious_rows(self) -> list[int]:
        """The indices of the most suspicious examples, in the order of their audit."""
        return self.table.filter("suspicious").sort("rank")["index"].to_list()

    def lines(self) -> list[str]:
        """Says in a few lines what was found."""
        n, selected, missing = len(self.table), self.summary.suspicious, self.summary.partial
        found = [f"partial, interrupted before: {', '.join(missing)}"] if missing else []
        for name, words in (
            ("stored", "stored"), ("disclosed", "disclosed"),
            ("contractive", "contractive (spectral radius < 1)"),
        ):  # fmt: skip
            if name not in self.rates:
                continue
            rate = self.rates[name]
            found.append(
                f"{words}: {rate.count:,} of a random sample of {rate.total:,}, so "
                f"{100 * rate.low:.1f}% to {100 * rate.high:.1f}% of all {n:,} (95%)"
            )
        if self.suspicious is not None:
            found.append(
                f"of the {len(self.suspicious.examples):,} most suspicious, which were selected: "
                f"{selected.stored:,} stored, {selected.disclosed:,} disclosed"
            )
        first = self.table.filter("suspicious").sort("rank").head(5)
        examples = (
            f"{row['index']:,} (drift {_short(row['drift'])})"
            for row in first.iter_rows(named=True)
        )
        found.append(f"most suspicious: {', '.join(examples)}")
        return found

    def save(self, folder: str | os.PathLike[str]) -> Path:
        """Writes everything into a folder: `screen.parquet`, both audits, and `screen.json` last.

        Args:
            folder: Made if missing; an earlier screening in it is replaced once all of this one is
                written.

        Returns:
            The folder.

        Raises:
            MnemoscopeError: the folder cannot be written to.
        """
        folder = Path(folder)
        with publishing() as new:
            stage = new.folder(folder)
            with replacing(stage / TABLE) as table:
                self.table.write_parquet(table)
            for name, audit in ((SAMPLE, self.sample), (SUSPICIOUS, self.suspicious)):
                if audit is not None:
                    audit.save(stage / name)
            content = {
                "format": FORMAT,
                "rates": {name: asdict(rate) for name, rate in self.rates.items()},
                "summary": self.summary.model_dump(mode="json"),
            }
            with replacing(stage / INDEX) as index:
                index.write_text(json.dumps(plain(content), indent=2, allow_nan=False) + "\n")
        return folder

    @classmethod
    def load(cls, folder: str | os.PathLike[str]) -> "Screen":
        """Reads what `save` wrote.

        Raises:
            MnemoscopeError: there is no screening in the folder, or it cannot be read.
        """
        folder = Path(folder)
        finish(folder)
        expected = "a folder that Screen.save or `mnemoscope audit --screen` wrote"
        try:
            index = read_json(folder / INDEX)
            if index["format"] != FORMAT:
                raise ValueError(f"its format is {index['format']!r}")
            table = pl.read_parquet(folder / TABLE)
            if dict(table.schema) != SCREEN:
                raise ValueError(f"{TABLE} has other columns")
            rates = {name: SampleRate(**rate) for name, rate in index["rates"].items()}
            summary = ScreenSummary.model_validate(index["summary"])
        except (OSError, ValueError, KeyError, TypeError, AttributeError, PolarsError) as error:
            reason = " ".join(str(error).split())
            raise MnemoscopeError(
                f"no screening that can be read in {folder} ({reason})",
                expected=expected,
                todo="check the path, or screen again",
            ) from error
        sample, suspicious = (
            None if summary.partial and not (folder / name).exists() else Audit.load(folder / name)
            for name in (SAMPLE, SUSPICIOUS)
        )
        return cls(table, sample, suspicious, rates, summary)


def screen_files() -> list[str]:
    """The names of all files of a screening."""
    audits = [f"{name}/{file}" for name in (SAMPLE, SUSPICIOUS) for file in audit_files()]
    return [TABLE, *audits, INDEX]


def _short(value: float | None) -> str:
    return "not finite" if value is None else f"{value:.2g}"
