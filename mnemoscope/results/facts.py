"""The facts that findings are made from, read once from an audit's tables."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import polars as pl

from mnemoscope.base.text import joined, listed, plural
from mnemoscope.results.audit import Audit
from mnemoscope.results.summary import Measured, quantities

WITH_DATA = ("corrupted", "held_out")
"""Distributions of starts that need data; all others need only its range."""


@dataclass(frozen=True)
class Facts:
    """The facts of one audit."""

    audit: Audit

    @cached_property
    def total(self) -> int:
        """The number of training examples."""
        return self.audit.examples.height

    @cached_property
    def stored(self) -> list[int]:
        """Indices of the stored examples."""
        return self.audit.examples.filter("stored")["index"].to_list()

    @cached_property
    def attractor(self) -> dict[int, int]:
        """The attractor of each disclosed example, by index: its own, else the nearest."""
        near = self.audit.examples.filter(pl.col("stored") | pl.col("disclosed")).select(
            "index", id=pl.when("stored").then("attractor").otherwise("nearest_attractor")
        )
        return dict(zip(near["index"], near["id"], strict=True))

    @cached_property
    def noise(self) -> pl.DataFrame:
        """The rows of the starts that need no data."""
        return self.audit.starts.filter(~pl.col("kind").is_in(WITH_DATA))

    @cached_property
    def from_noise(self) -> list[int]:
        """Disclosed examples that starts from noise reached."""
        return self._reached_by(~pl.col("kind").is_in(WITH_DATA))

    @cached_property
    def from_data(self) -> list[int]:
        """Disclosed examples that only held-out data reached."""
        held_out = self._reached_by(pl.col("kind") == "held_out")
        return [index for index in held_out if index not in self.from_noise]

    @cached_property
    def came_back(self) -> list[int]:
        """Disclosed examples that came back from a corrupted copy."""
        recalled = set(self.audit.recall.filter(pl.col("recalled") > 0)["example"])
        return [index for index in self.attractor if index in recalled]

    @cached_property
    def proved(self) -> set[int]:
        """Examples that are proved to be stored."""
        rows = self.audit.examples.filter(pl.col("certified_radius").is_not_null())
        return set(rows["index"])

    @property
    def not_specific(self) -> Sequence[str]:
        """The measurements that are also positive on a control."""
        controls = self.audit.summary.controls
        return controls.not_specific if controls else ()

    @property
    def access(self) -> str:
        """Who can apply the network."""
        if self.audit.summary.black_box:
            return "Anyone who can send inputs to the network and see its full outputs"
        return "Anyone who has the weights, or can send inputs to the network and see its outputs"

    @property
    def within(self) -> str:
        """The distance at which an orbit counts as arrived."""
        return f"within {self.audit.summary.match_tol:g} units (RMS) of"

    @property
    def at_most(self) -> str:
        """The longest orbit."""
        steps = (self.audit.provenance.get("settings") or {}).get("max_steps")
        return f", each of at most {steps:,} applications of the network" if steps else ""

    @property
    def starts(self) -> str:
        """The number of starts from noise."""
        return plural(int(self.noise["starts"].sum()), "start")

    def about(self, indices: Sequence[int], one: str, many: str) -> str:
        """States a predicate of one, some or all training examples, and lists them."""
        if self.total == 1:
            return f"The training example {one}."
        if len(indices) == self.total:
            return f"All {self.total:,} training examples {many}."
        if len(indices) == 1:
            return f"Training example {indices[0]} {one} (1 of {self.total:,})."
        return f"{len(indices):,} of {self.total:,} training examples {many}: {listed(indices)}."

    def damage(self, corruption: str, strength: float) -> str:
        """Says what was done to a copy."""
        return self.audit.summary.label(corruption).describe(strength)

    def controls_store(self) -> str:
        """Returns how many states the controls store, for comparison; empty without controls."""
        controls = self.audit.summary.controls
        if controls is None:
            return ""
        parts = [
            f"{words} {control.stored.fraction}"
            for words, control in (
                ("an untrained network of the same architecture stores", controls.untrained),
                ("of examples not trained on, this network stores", controls.held_out),
            )
            if control and control.stored
        ]
        return f" For comparison: {'; '.join(parts)}." if parts else ""

    def _reached_by(self, kinds: pl.Expr) -> list[int]:
        reached = set(self.audit.basins.filter(kinds)["attractor"])
        return [index for index, attractor in self.attractor.items() if attractor in reached]


def measurements(names: Sequence[str]) -> str:
    """Lists what controls judge, by their labels."""
    labels = {quantity.name: quantity.label for quantity in quantities(Measured)}
    return joined([labels.get(name, name) for name in names])
