"""The training record of a network, as JSON."""

import json
import math

import pytest

from mnemoscope.base.errors import MnemoscopeError
from mnemoscope.nets import HistoryRow, TrainingRecord


def test_json_comes_back_to_the_bit(record: TrainingRecord):
    twin = TrainingRecord.from_json(record.to_json())
    assert twin == record
    assert twin.loss == 0.1 + 0.2
    assert twin.history[0] == HistoryRow(step=0, seconds=0.0, loss=1 / 3, lr=1e-3)
    assert twin.source == {"name": "digits", "n": 20, "options": {"size": [8, 8], "labels": None}}


def test_a_loss_that_is_no_number_is_plain_json_and_comes_back(record: TrainingRecord):
    rows = [{"step": 0, "seconds": 0.0, "loss": math.inf, "lr": 1.0}]
    diverged = TrainingRecord(**{**record.model_dump(), "loss": math.nan, "history": rows})
    text = diverged.to_json()

    def refuse(constant: str):
        raise AssertionError(f"{constant} is not JSON")

    json.loads(text, parse_constant=refuse)
    twin = TrainingRecord.from_json(text)
    assert math.isnan(twin.loss)
    assert twin.history[0].loss == math.inf


def test_source_history_and_targets_may_be_left_out(record: TrainingRecord):
    fields = record.model_dump()
    for name in ("source", "history", "targets"):
        del fields[name]
    short = TrainingRecord(**fields)
    assert (short.source, short.history, short.targets) == (None, (), False)


@pytest.mark.parametrize(
    ("field", "value", "fragment"),
    [
        ("steps", -1, "steps=-1"),
        ("examples", 0, "examples=0"),
        ("options", {"lr": object}, "options"),
        ("seconds", -0.5, "seconds=-0.5"),
        ("loss", "low", "loss='low'"),
        ("history", [{"step": 0}], "step, seconds, loss"),
        ("source", {"picture": object}, "JSON"),
        ("example", 4, "`examples`"),
    ],
)
def test_a_wrong_value_is_refused_in_one_line(
    record: TrainingRecord, field: str, value: object, fragment: str
):
    with pytest.raises(MnemoscopeError) as error:
        TrainingRecord(**{**record.model_dump(), field: value})
    assert error.value.field is not None
    assert error.value.field.partition(".")[0] == field
    assert fragment in str(error.value)
    assert "\n" not in str(error.value)


def test_a_missing_value_is_refused(record: TrainingRecord):
    fields = record.model_dump()
    del fields["data_checksum"]
    with pytest.raises(MnemoscopeError) as error:
        TrainingRecord(**fields)
    assert error.value.field == "data_checksum"
