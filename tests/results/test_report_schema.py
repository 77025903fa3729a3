"""The JSON report: what its schema says, whatever the audit is of."""

import dataclasses
import json

import jsonschema
import polars as pl
import pytest

from mnemoscope.results.report_format import SCHEMA, report_json, report_schema
from mnemoscope.results.summary import Summary
from mnemoscope.results.tables import ATTRACTORS, EXAMPLES


@pytest.fixture(scope="module")
def validator():
    schema = json.loads(json.dumps(report_schema()))
    jsonschema.Draft202012Validator.check_schema(schema)
    return jsonschema.Draft202012Validator(schema)


def test_a_real_audit(audited, validator):
    report = json.loads(json.dumps(report_json(audited), allow_nan=False))
    validator.validate(report)
    assert report["schema"] == SCHEMA
    assert report["verdict"] == audited.verdict
    assert report["summary"]["stored"] == dataclasses.asdict(audited.summary.stored)
    assert [row["index"] for row in report["tables"]["examples"]] == [0, 1, 2, 3, 4]
    assert report["tables"]["attractors"][0]["id"] == audited.attractors["id"][0]
    assert report["findings"][0]["kind"] == "extracted"
    assert report["findings"][0]["severity"] == "high"
    assert report["provenance"]["seed"] == 0
    assert report["summary"]["recall_frames"]["corruption"] in ("gaussian", "mask_pixels")


def test_every_column_is_in_it(audited):
    schema = report_schema()["$defs"]
    assert set(schema["ExampleRow"]["required"]) == set(EXAMPLES)
    assert set(schema["AttractorRow"]["required"]) == set(ATTRACTORS)
    assert set(schema["Summary"]["required"]) == set(Summary.model_fields)
    assert set(report_json(audited)["summary"]) == set(Summary.model_fields)


def test_what_was_not_measured_is_null(audited, validator):
    report = report_json(audited.with_summary(membership=None))
    validator.validate(report)
    assert report["summary"]["membership"] is None


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
        {"schema": "mnemoscope-report/1"},
        {"verdict": None},
        {"findings": [{}]},
        {"summary": {}},
        {"tables": {"examples": [{"index": "first"}], "attractors": []}},
    ],
)
def test_what_is_not_of_the_form_is_reported(audited, validator, change):
    with pytest.raises(jsonschema.ValidationError):
        validator.validate(report_json(audited) | change)


def test_later_versions_may_add_keys(audited, validator):
    report = report_json(audited)
    report["summary"]["new"] = 1
    validator.validate(report | {"new": 1})
