"""The JSON report: what the schema in the docs says, whatever the audit is of."""

import dataclasses
import json
from pathlib import Path

import jsonschema
import polars as pl
import pytest

from mnemoscope.results.report_json import SCHEMA, report_json, report_schema
from mnemoscope.results.tables import ATTRACTORS, EXAMPLES

FILE = Path(__file__).parents[2] / "docs" / "audit-report.schema.json"
WRITE = (
    'python -c "import json; from mnemoscope.results.report_json import report_schema; '
    'print(json.dumps(report_schema(), indent=2))" > docs/audit-report.schema.json'
)


@pytest.fixture(scope="module")
def validator():
    schema = json.loads(FILE.read_text())
    jsonschema.Draft202012Validator.check_schema(schema)
    return jsonschema.Draft202012Validator(schema)


def test_the_file_in_the_docs_is_the_one_in_the_code():
    assert json.loads(FILE.read_text()) == report_schema(), f"write it anew: {WRITE}"


def test_a_real_audit(audited, validator):
    report = json.loads(json.dumps(report_json(audited), allow_nan=False))
    validator.validate(report)
    assert report["schema"] == SCHEMA
    assert report["verdict"] == audited.verdict
    assert report["summary"]["stored"] == audited.summary["stored"]
    assert [row["index"] for row in report["tables"]["examples"]] == [0, 1, 2, 3, 4]
    assert report["tables"]["attractors"][0]["id"] == audited.attractors["id"][0]
    assert report["findings"][0]["kind"] == "extracted"
    assert report["findings"][0]["severity"] == "high"
    assert report["provenance"]["seed"] == 0
    assert "recall_frames" not in report["summary"]


def test_every_column_is_in_it(audited):
    schema = report_schema()["$defs"]
    assert set(schema["ExampleRow"]["required"]) == set(EXAMPLES)
    assert set(schema["AttractorRow"]["required"]) == set(ATTRACTORS)
    report = report_json(audited)
    assert set(audited.summary) - {"verdict", "recall_frames", "noise_frames", "plane"} <= set(
        report["summary"]
    )


def test_an_audit_of_an_earlier_version(audited, validator):
    """Nothing but a verdict, and a table that lacks a column: null, and still of the form."""
    old = dataclasses.replace(
        audited,
        summary={"verdict": "The map stores nothing."},
        provenance={},
        examples=audited.examples.drop("span_distance"),
    )
    report = report_json(old)
    validator.validate(report)
    assert report["summary"]["stored"] is None
    assert report["summary"]["membership"] is None
    assert report["tables"]["examples"][0]["span_distance"] is None


def test_what_is_no_number_is_null(audited, validator):
    lost = dataclasses.replace(
        audited, examples=audited.examples.with_columns(residual=pl.lit(float("nan")))
    )
    report = json.loads(json.dumps(report_json(lost), allow_nan=False))
    validator.validate(report)
    assert report["tables"]["examples"][0]["residual"] is None


@pytest.mark.parametrize(
    "change",
    [
        {"schema": "mnemoscope-report/2"},
        {"verdict": None},
        {"findings": [{}]},
        {"summary": {}},
        {"tables": {"examples": [{"index": "first"}], "attractors": []}},
    ],
)
def test_what_is_not_of_the_form_is_told(audited, validator, change):
    with pytest.raises(jsonschema.ValidationError):
        validator.validate(report_json(audited) | change)


def test_later_versions_may_add_keys(audited, validator):
    audited = dataclasses.replace(audited, summary={**audited.summary, "new": 1})
    report = report_json(audited)
    validator.validate(report)
    assert report["summary"]["new"] == 1
