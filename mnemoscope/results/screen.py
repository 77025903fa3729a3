"""`Screen`: what was found in a large training set."""

import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import polars as pl
from pydantic import BaseModel, Field

from mnemoscope.base.bundle import Bundle, BundleKind, load_bundle, save_bundle
from mnemoscope.base.publishing import Publication
from mnemoscope.base.stats import Rate
from mnemoscope.results.audit import KIND as AUDIT
from mnemoscope.results.audit import Audit
from mnemoscope.results.summary import Part

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
    """Counts among the most suspicious examples."""

    examples: int
    stored: int | None = None
    disclosed: int | None = None
    contractive: int | None = None


class ScreenSummary(Part):
    """The plan and the counts of a screening."""

    examples: int
    sample: int = Field(description="Examples in the random sample.")
    suspicious: Selected
    disclosed: tuple[int, ...] = Field(description="Indices of the examples that are disclosed.")
    unit: float
    seed: int
    plan: dict[str, Any] = Field(description="Predicted cost of the pass.")
    partial: tuple[str, ...] = Field((), description="Parts that an interruption omitted.")
    pass_seconds: float
    seconds: float


class Index(BaseModel):
    """What `screen.json` holds."""

    rates: dict[str, SampleRate]
    summary: ScreenSummary


KIND = BundleKind(
    noun="screening",
    format="mnemoscope-screen/2",
    index="screen.json",
    content=Index,
    tables={"screen": SCREEN},
    tensors=None,
    written_by="Screen.save or `mnemoscope audit --screen`",
    again="screen again",
)
"""The files of a screening, but for its two audits."""


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
        suspicious: The audit of the most suspicious examples, without exact duplicates; row `i`
            is the `i`-th of them by rank. They were selected, so their share does not estimate
            that of the whole set. After an interruption either audit may be None or partial; see
            `summary.partial`.
        rates: `stored`, `disclosed` and `contractive` in the sample, with the 95% interval of the
            rate in the whole set (rows, duplicates included; see
            `mnemoscope.measure.screening`). `contractive` counts what is decided.
        summary: Its plan and counts.
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
        """Returns the results in a few lines."""
        n, selected, missing = len(self.table), self.summary.suspicious, self.summary.partial
        found = [f"partial, interrupted before: {', '.join(missing)}"] if missing else []
        for name, words in (
            ("stored", "stored"),
            ("disclosed", "disclosed"),
            ("contractive", "contractive (spectral radius < 1)"),
        ):
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
        audits = {SAMPLE: self.sample, SUSPICIOUS: self.suspicious}

        def save_audits(new: Publication, stage: Path) -> None:
            for name, audit in audits.items():
                if audit is not None:
                    audit.save(stage / name)

        bundle = Bundle({"screen": self.table}, {}, Index(rates=self.rates, summary=self.summary))
        return save_bundle(folder, KIND, bundle, more=save_audits)

    @classmethod
    def load(cls, folder: str | os.PathLike[str]) -> "Screen":
        """Reads what `save` wrote.

        Raises:
            MnemoscopeError: there is no screening in the folder, or it cannot be read.
        """
        bundle = load_bundle(folder, KIND)
        rates, summary = bundle.content.rates, bundle.content.summary
        places = (Path(folder) / name for name in (SAMPLE, SUSPICIOUS))
        sample, suspicious = (
            None if summary.partial and not place.exists() else Audit.load(place)
            for place in places
        )
        return cls(bundle.tables["screen"], sample, suspicious, rates, summary)


def screen_files() -> list[str]:
    """Returns the names of all files of a screening."""
    audits = [f"{name}/{file}" for name in (SAMPLE, SUSPICIOUS) for file in AUDIT.files()]
    return [*audits, *KIND.files()]


def _short(value: float | None) -> str:
    return "not finite" if value is None else f"{value:.2g}"
