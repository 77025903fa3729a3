"""The audit as one JSON object of a versioned format, and the JSON Schema of that format.

Rows have the columns of `mnemoscope.results.tables`. Every key is present, null if not measured.
Within a version, keys and kinds of findings may be added; none is removed or changes its meaning.
"""

from dataclasses import asdict
from typing import Any, Literal

import polars as pl
from pydantic import BaseModel, Field, create_model

from mnemoscope.base.text import plain
from mnemoscope.results.audit import Audit
from mnemoscope.results.finding import Finding, findings
from mnemoscope.results.summary import Part, Summary
from mnemoscope.results.tables import ATTRACTORS, EXAMPLES

SCHEMA = "mnemoscope-report/2"
"""The format of a report; the number changes when a program that reads it must."""

DIALECT = "https://json-schema.org/draft/2020-12/schema"
"""The dialect of JSON Schema that pydantic writes."""

TYPES: dict[pl.DataType, Any] = {
    pl.Int64(): int | None,
    pl.Float64(): float | None,
    pl.Boolean(): bool | None,
    pl.String(): str | None,
}
"""The columns' types; any entry of a table may be missing."""


def _row(name: str, columns: dict[str, pl.DataType], doc: str) -> type[BaseModel]:
    fields: dict[str, Any] = {column: (TYPES[kind], ...) for column, kind in columns.items()}
    return create_model(name, __base__=Part, __doc__=doc, **fields)


ExampleRow = _row("ExampleRow", EXAMPLES, "A training example: a row of the audit's table.")
AttractorRow = _row("AttractorRow", ATTRACTORS, "An attractor: a row of the audit's table.")


class Tables(Part):
    """The audit's tables by row."""

    examples: list[ExampleRow]  # pyright: ignore[reportInvalidTypeForm]
    attractors: list[AttractorRow]  # pyright: ignore[reportInvalidTypeForm]


class Provenance(BaseModel):
    """Where the audit comes from."""

    versions: dict[str, str] | None = None
    spec: dict[str, Any] | None = None
    training: dict[str, Any] | None = None
    seed: int | None = None
    data_checksum: str | None = None
    weights_checksum: str | None = None
    data: dict[str, Any] | None = None
    command: str | None = None
    date: str | None = None
    settings: dict[str, Any] | None = None
    columns: list[dict[str, str]] | None = None


class Report(Part):
    """An audit by Mnemoscope: what a network has memorized."""

    # The schema's own name for the key would hide an attribute of pydantic's.
    form: Literal["mnemoscope-report/2"] = Field(alias="schema")
    verdict: str
    findings: list[Finding] = Field(description="The most severe first.")
    summary: Summary
    tables: Tables
    provenance: Provenance


def report_schema() -> dict[str, Any]:
    """Builds the JSON Schema of a report.

    Example:
        >>> report_schema()["properties"]["schema"]["const"]
        'mnemoscope-report/2'
    """
    return {"$schema": DIALECT, **_open(Report.model_json_schema(mode="serialization"))}


def report_json(audit: Audit) -> dict[str, Any]:
    """Converts an audit to a JSON object: `schema, verdict, findings, summary, tables, provenance`.

    Example:
        >>> import torch, mnemoscope as mn
        >>> X = torch.tensor([[0.2, 0.8]])
        >>> report = report_json(mn.audit(lambda z: 0.5 * (z + X), X, starts=20, trials=2))
        >>> report["schema"], report["summary"]["stored"]["count"], report["findings"][0]["kind"]
        ('mnemoscope-report/2', 1, 'extracted')
    """
    report = {
        "schema": SCHEMA,
        "verdict": audit.verdict,
        "findings": [asdict(finding) for finding in findings(audit)],
        "summary": audit.summary.model_dump(mode="json"),
        "tables": {
            "examples": audit.examples.to_dicts(),
            "attractors": audit.attractors.to_dicts(),
        },
        "provenance": audit.provenance,
    }
    return plain(report)


def _open(schema: Any) -> Any:
    """Allows further keys in a schema, since a version may add some."""
    if isinstance(schema, dict):
        return {
            key: _open(value)
            for key, value in schema.items()
            if (key, value) != ("additionalProperties", False)
        }
    return [_open(each) for each in schema] if isinstance(schema, list) else schema
