"""What findings are made from, read once from an audit's tables."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import polars as pl

from mnemoscope.base.text import joined, listed
from mnemoscope.results.finding import Certainty, Finding, Kind

if TYPE_CHECKING:
    from mnemoscope.results.audit import Audit

RESTS_ON: dict[Kind, tuple[str, ...]] = {
    "extracted": ("stored", "reached_from_noise"),
    "extracted_with_data": ("stored",),
    "recalled": ("stored", "recalled"),
    "stored": ("stored",),
}
"""The measurements a kind of finding stands or falls with, where a control lights up."""

MEASUREMENTS = {
    "stored": "being stored",
    "contractive": "contracting at an example",
    "contractive_in_norm": "contracting there in norm",
    "recalled": "coming back from a damaged copy",
    "reached_from_noise": "being reached from noise",
    "settled": "orbits that settle",
}
"""What the controls judge, in words."""

WITH_DATA = ("corrupted", "held_out")
"""Distributions of starts that are made from data; all others need no more than its range."""


class Facts:
    """The facts of one audit.

    Attributes:
        audit: The audit.
        summary: Its summary.
        settings: How it was asked for.
        total: How many training examples there are.
        stored: Indices of the stored examples.
        attractor: Of each disclosed example, by its index, the id of an attractor within
            `match_tol` of it: of a stored one its own, else the nearest.
        noise: The rows of the starts that need no data.
        from_noise: Disclosed examples that those reached.
        from_data: Disclosed examples that only held-out data reached.
        came_back: Examples of which a damaged copy came back.
        controls: What was measured where nothing was learned.
        not_specific: The measurements that light up there.
    """

    def __init__(self, audit: "Audit") -> None:
        self.audit = audit
        self.summary: Mapping[str, Any] = audit.summary
        self.settings: Mapping[str, Any] = audit.provenance.get("settings") or {}
        self.total = audit.examples.height
        self.stored: list[int] = audit.examples.filter("stored")["index"].to_list()
        near = audit.examples.filter(pl.col("stored") | pl.col("disclosed")).select(
            "index", id=pl.when("stored").then("attractor").otherwise("nearest_attractor")
        )
        self.attractor = dict(zip(near["index"], near["id"], strict=True))
        self.noise = audit.starts.filter(~pl.col("kind").is_in(WITH_DATA))
        self.from_noise = self._reached_by(~pl.col("kind").is_in(WITH_DATA))
        held_out = self._reached_by(pl.col("kind") == "held_out")
        self.from_data = [i for i in held_out if i not in self.from_noise]
        came_back = set(audit.recall.filter(pl.col("recalled") > 0)["example"])
        self.came_back = [i for i in self.attractor if i in came_back]
        self.controls: Mapping[str, Any] = self.summary.get("controls") or {}
        self.not_specific: Sequence[str] = self.controls.get("not_specific") or ()

    def _reached_by(self, kinds: pl.Expr) -> list[int]:
        reached = set(self.audit.basins.filter(kinds)["attractor"])
        return [index for index, attractor in self.attractor.items() if attractor in reached]

    @property
    def access(self) -> str:
        """Who can apply the network."""
        if self.summary.get("black_box"):
            return "Whoever may send the network inputs and sees its whole outputs"
        return "Whoever has the weights, or may send the network inputs and sees its whole outputs"

    @property
    def within(self) -> str:
        """How near counts as there."""
        match_tol = self.summary.get("match_tol")
        return "near" if match_tol is None else f"within {match_tol:g} units (RMS) of"

    @property
    def at_most(self) -> str:
        """How long an orbit may be."""
        steps = self.settings.get("max_steps")
        return f", each of at most {steps:,} applications of the network" if steps else ""

    def about(self, indices: Sequence[int], singular: str, plural_: str) -> str:
        """`5 of 24 training examples PLURAL: 0–3 and 7`, or what is said of one or of all."""
        if self.total == 1:
            return f"The training example {singular}."
        if len(indices) == self.total:
            return f"All {self.total:,} training examples {plural_}."
        if len(indices) == 1:
            return f"Training example {indices[0]} {singular} (1 of {self.total:,})."
        return f"{len(indices):,} of {self.total:,} training examples {plural_}: {listed(indices)}."

    def finding(
        self, kind: Kind, headline: str, by_whom: str, how_sure: str, indices: Sequence[int]
    ) -> Finding:
        """A finding about stored examples, with what is proved and what controls say of it."""
        proved = self._certified(indices)
        lit = [name for name in RESTS_ON[kind] if name in self.not_specific]
        certainty: Certainty = "observed"
        if lit:
            certainty = "not_specific"
            how_sure += (
                f" Not specific: {measurements(lit)} is found where nothing was learned, too."
            )
        elif proved:
            whole = len(proved) == len(indices)
            certainty = "proved" if whole else "observed"
            which = ("it" if len(indices) == 1 else "all of them") if whole else listed(proved)
            how_sure += f" That {which} {'are' if len(proved) > 1 else 'is'} stored is proved."
        if not lit:
            how_sure += self._dark()
        return Finding(kind, headline, by_whom, how_sure, certainty, tuple(indices))

    def _dark(self) -> str:
        """What the controls store, where they do not light up."""
        told = [
            f"{who} {rate['count']:,} of {rate['total']:,}"
            for who, rate in (
                ("an untrained network of the same architecture stores", self.control("untrained")),
                ("of examples not trained on, this network stores", self.control("held_out")),
            )
            if rate
        ]
        return f" For comparison: {'; '.join(told)}." if told else ""

    def control(self, name: str) -> Mapping[str, Any] | None:
        """How many states a control stores; None if there was no such control."""
        return (self.controls.get(name) or {}).get("stored")

    def _certified(self, indices: Sequence[int]) -> list[int]:
        if "certified_radius" not in self.audit.examples.columns:
            return []
        proved = self.audit.examples.filter(pl.col("certified_radius").is_not_null())["index"]
        return sorted(set(indices) & set(proved))


def measurements(names: Sequence[str]) -> str:
    """What controls judge, in words."""
    return joined([MEASUREMENTS.get(name, name.replace("_", " ")) for name in names])
