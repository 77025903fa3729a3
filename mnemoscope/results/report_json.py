"""The audit as one JSON object of a versioned form: the form, its JSON Schema, and the object.

The form is written down once, in the classes below; rows have the columns of
`mnemoscope.results.tables`. Every key is always there, null where it was not measured. Within a
version keys and kinds of findings may be added; none is removed or changes its meaning.
"""

from dataclasses import asdict
from typing import TYPE_CHECKING, Any, Literal

import polars as pl
from pydantic import BaseModel, ConfigDict, Field, create_model

from mnemoscope.results.finding import Certainty, Kind, Severity
from mnemoscope.results.findings import findings
from mnemoscope.results.tables import ATTRACTORS, EXAMPLES

if TYPE_CHECKING:
    from mnemoscope.results.audit import Audit

SCHEMA = "mnemoscope-report/1"
"""What a report says of its form; the number changes when a program that reads it must."""

DIALECT = "https://json-schema.org/draft/2020-12/schema"
"""The dialect of JSON Schema that pydantic writes."""

CAPTIONS = ("verdict", "recall_frames", "noise_frames", "plane")
"""Entries of the summary that the report has elsewhere, or that tell of pictures it has not."""

TYPES: dict[pl.DataType, Any] = {
    pl.Int64(): int | None,
    pl.Float64(): float | None,
    pl.Boolean(): bool | None,
    pl.String(): str | None,
}
"""The columns' types; any entry of a table may be missing."""


class _Part(BaseModel):
    model_config = ConfigDict(extra="allow", json_schema_serialization_defaults_required=True)


class Rate(_Part):
    """A count, its total and the 95% Wilson interval of the rate."""

    count: int
    total: int
    low: float
    high: float


class Recalled(Rate):
    """Corrupted copies that came back to the example they were made from."""

    corruption: str
    strength: float


class Reached(_Part):
    """Training examples that starts from noise reached."""

    count: int
    total: int
    starts: int


class SpanDistance(_Part):
    """How far outputs lie from the linear span of the examples (root mean square)."""

    median: float | None
    inputs: int


class EffectiveRank(_Part):
    """Participation ratios, and counts of singular values above `threshold`."""

    examples: float | None
    examples_count: int | None
    outputs: float | None
    outputs_count: int | None
    threshold: float | None


class Score(_Part):
    """How well a score separates members from others, each number with its 95% interval."""

    auc: float | None
    auc_low: float | None
    auc_high: float | None
    tpr_1: float | None = Field(description="True positives at 1% false positives.")
    tpr_1_low: float | None
    tpr_1_high: float | None
    tpr_01: float | None = Field(description="True positives at 0.1% false positives.")
    tpr_01_low: float | None
    tpr_01_high: float | None
    gain: float | None = Field(None, description="Area under the curve beyond the baseline's.")
    gain_low: float | None = None
    gain_high: float | None = None


class TwoSample(_Part):
    """Whether members and others differ by themselves, told without the network."""

    accuracy: float
    low: float
    high: float
    p_value: float
    differs: bool
    chance: float | None = Field(None, description="Mean accuracy over random labels.")


class Membership(_Part):
    """Whether it can be told of an example that it was trained on."""

    members: int
    held_out: int
    scores: dict[str, Score]
    best: str | None
    two_sample: TwoSample | None
    baseline: str | None = None
    resolvable: dict[str, bool] = Field(
        default={}, description="Whether there is enough held-out data for a true positive rate."
    )
    overlap: int | None = Field(None, description="Held-out states that are examples, too.")
    caveats: list[str] = []


class Controls(_Part):
    """The same measurements where nothing was learned."""

    trained: dict[str, Any] | None = None
    untrained: dict[str, Any] | None = None
    held_out: dict[str, Any] | None = None
    not_specific: list[str] = Field(
        default=[], description="Measurements that light up on a control."
    )


class Steps(_Part):
    """The steps in which the map's values come, in the scale of the data; 0 for a smooth map."""

    kind: str = Field(description="smooth, coarse or quantized.")
    spacing: float = Field(description="Between neighbouring values, RMS over a state's entries.")
    entry: float = Field(description="Between neighbouring values of one entry.")
    length: float = Field(description="RMS length of the differences that growth is measured over.")


class Derivatives(_Part):
    """How the derivatives that spectra and norms are made of were taken."""

    way: str = Field(
        description="written out (the chain rule over fully connected layers), reverse mode, "
        "reverse mode without oneDNN, recorded graph, forward mode, row by row, or differences "
        "(of values, without derivatives)."
    )
    why: str = Field(description="Why no simpler way was taken; empty if there is none.")


class Domain(_Part):
    """The states that the map takes."""

    low: float | None = Field(description="The least entry of a state; null: no bound.")
    high: float | None = Field(description="The largest entry of a state; null: no bound.")
    refused: str | None = Field(description="What the map raised for states that it does not take.")


class NearestSpurious(_Part):
    """Of all attractors that match no training example, the one nearest to one."""

    attractor: int = Field(description="Its id.")
    example: int
    distance: float | None = Field(description="RMS over entries, in units.")


class Planned(_Part):
    """What an audit that was planned for a time did of what was asked for, and what it left out."""

    minutes: float
    predicted_seconds: float
    seconds: float
    asked: dict[str, int]
    done: dict[str, int]
    left_out: list[str]


class Summary(_Part):
    """The numbers that the verdict and the findings are made from."""

    name: str | None = None
    examples: int | None = None
    stored: Rate | None = None
    disclosed: Rate | None = Field(None, description="Examples that some attractor lies near.")
    indistinguishable: int | None = Field(
        None, description="Examples too close to another to be told from it."
    )
    certified: Rate | None = Field(None, description="Training examples proved to be stored.")
    contractive: Rate | None = Field(
        None, description="Examples where a bound on the spectral radius is below 1."
    )
    undecided: int | None = Field(
        None, description="Examples where neither contraction nor expansion is certain."
    )
    contractive_in_norm: Rate | None = Field(None, description="Operator norm below 1.")
    recalled: Recalled | None = None
    reached_from_noise: Reached | None = None
    attractors: int | None = None
    spurious: int | None = None
    cycles: int | None = None
    nearest_spurious: NearestSpurious | None = None
    unsettled: Rate | None = None
    left_domain: Rate | None = Field(
        None, description="Starts from noise whose orbits left the map's domain."
    )
    domain: Domain | None = None
    loss: float | None = None
    training_loss: float | None = None
    interpolated: bool | None = None
    span_distance: SpanDistance | None = None
    effective_rank: EffectiveRank | None = None
    duplicates: list[list[int]] = []
    membership: Membership | None = None
    controls: Controls | None = None
    black_box: bool = Field(False, description="The map gives no derivatives.")
    resolution: Steps | None = None
    derivatives: Derivatives | None = None
    match_tol: float | None = None
    tol: float | None = None
    unit: float | None = Field(None, description="The scale that distances are shares of.")
    among: int | None = Field(
        None, description="The number of all training examples, where a part was audited."
    )
    planned: Planned | None = Field(None, description="Of an audit that was planned for a time.")
    partial: list[str] | None = Field(None, description="What an audit that was interrupted lacks.")
    left_out: list[str] | None = Field(
        None, description="Parts that the caller left out, such as to keep to a time."
    )
    seconds: float | None = None


class FindingRow(_Part):
    """A finding in plain words."""

    kind: Kind
    severity: Severity
    certainty: Certainty
    headline: str
    by_whom: str = Field(description="What is needed: weights or queries, data, how many.")
    how_sure: str
    examples: list[int] = Field(description="Indices of the training examples it names.")


def _row(name: str, columns: dict[str, pl.DataType], doc: str) -> type[BaseModel]:
    fields: dict[str, Any] = {column: (TYPES[kind], ...) for column, kind in columns.items()}
    return create_model(name, __base__=_Part, __doc__=doc, **fields)


ExampleRow = _row("ExampleRow", EXAMPLES, "A training example: a row of the audit's table.")
AttractorRow = _row("AttractorRow", ATTRACTORS, "An attractor: a row of the audit's table.")


class Tables(_Part):
    """The audit's tables by row."""

    examples: list[ExampleRow]  # pyright: ignore[reportInvalidTypeForm]
    attractors: list[AttractorRow]  # pyright: ignore[reportInvalidTypeForm]


class Provenance(_Part):
    """Where the audit comes from."""

    versions: dict[str, str] | None = None
    spec: dict[str, Any] | None = None
    training: dict[str, Any] | None = None
    seed: int | None = None
    data_checksum: str | None = None
    data: dict[str, Any] | None = None
    command: str | None = None
    date: str | None = None
    settings: dict[str, Any] | None = None


class Report(_Part):
    """An audit by Mnemoscope: what a network has memorized."""

    # The schema's own name for the key would hide an attribute of pydantic's.
    form: Literal["mnemoscope-report/1"] = Field(alias="schema")
    verdict: str
    findings: list[FindingRow] = Field(description="The gravest first.")
    summary: Summary
    tables: Tables
    provenance: Provenance


def report_schema() -> dict[str, Any]:
    """The JSON Schema of a report, as `docs/audit-report.schema.json` has it.

    Example:
        >>> report_schema()["properties"]["schema"]["const"]
        'mnemoscope-report/1'
    """
    return {"$schema": DIALECT, **Report.model_json_schema(mode="serialization")}


def report_json(audit: "Audit") -> dict[str, Any]:
    """The audit as a JSON object: `schema, verdict, findings, summary, tables, provenance`.

    An audit of an earlier version has null where it did not measure something.

    Example:
        >>> import torch, mnemoscope as mn
        >>> X = torch.tensor([[0.2, 0.8]])
        >>> report = report_json(mn.audit(lambda z: 0.5 * (z + X), X, starts=20, trials=2))
        >>> report["schema"], report["summary"]["stored"]["count"], report["findings"][0]["kind"]
        ('mnemoscope-report/1', 1, 'extracted')
    """
    from mnemoscope.base.text import plain

    told = {
        "schema": SCHEMA,
        "verdict": audit.verdict,
        "findings": [
            {**asdict(finding), "severity": finding.severity} for finding in findings(audit)
        ],
        "summary": {name: v for name, v in audit.summary.items() if name not in CAPTIONS},
        "tables": {
            "examples": _rows(audit.examples, EXAMPLES),
            "attractors": _rows(audit.attractors, ATTRACTORS),
        },
        "provenance": audit.provenance,
    }
    return Report.model_validate(plain(told)).model_dump(mode="json", by_alias=True)


def _rows(table: pl.DataFrame, columns: dict[str, pl.DataType]) -> list[dict[str, Any]]:
    return [{**dict.fromkeys(columns), **row} for row in table.iter_rows(named=True)]
