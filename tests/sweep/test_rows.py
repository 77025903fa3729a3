"""The rows of a group: a column for each field, the same dtypes whatever a group has."""

import polars as pl
import pytest

from mnemoscope.sweep.columns import ALWAYS
from mnemoscope.sweep.configuration import Configuration
from mnemoscope.sweep.fitting import fit
from mnemoscope.sweep.runs import planned_runs
from tests.sweep.designs import diverging, tiny

CONV = {"kind": "convolutional", "channels": 2, "downsample": 1}


def rows(design, code="code"):
    runs = planned_runs(design, code)
    found = fit(runs, "group", code, say=lambda _: None)
    return [run.configuration for run in runs], found.table


def test_a_row_describes_its_run():
    runs, frame = rows(tiny(seeds=[3, 5]))
    assert frame["seed"].to_list() == [3, 5]
    assert frame["key"].to_list() == [run.key("code") for run in runs]
    row = frame.row(1, named=True)
    wanted = {
        "group": "group", "code": "code", "status": "not_interpolated", "kind": "fully_connected",
        "shape": "1×4×4", "width": 4, "depth": 1, "channels": None, "source": "digits", "n": 2,
        "offset": 0, "size": 4, "gray": False, "optimizer": "adam", "batch_size": 2,
        "max_steps": 5, "seed": 5, "steps": 5, "parameters": runs[0].spec.parameters_count(),
    }  # fmt: skip
    assert {name: row[name] for name in wanted} == wanted
    assert Configuration.from_json(row["configuration"]) == runs[1]
    assert row["lr"] == runs[1].training.lr is not None
    assert row["seconds"] > 0


@pytest.mark.parametrize(
    "design",
    [
        tiny(),
        diverging(grid={"training.lr": [1e6]}),
        tiny(spec={"width": [3, 5], "depth": 3}),
        tiny(data={"source": "digits", "n": 2, "size": 8}, spec=CONV),
    ],
    ids=["plain", "diverged", "widths", "convolutional"],
)
def test_the_schema_is_that_of_any_group(design):
    _, frame = rows(design)
    assert frame.schema == pl.Schema(ALWAYS)


def test_widths_that_differ_have_a_column_of_their_own():
    _, frame = rows(tiny(spec={"width": [3, 5], "depth": 3}))
    assert frame["width"].null_count() == frame.height
    assert set(frame["widths"]) == {"3×5"}
    assert rows(tiny())[1]["widths"].null_count() == 2
    assert '"width":[3,5]' in frame["configuration"][0]


def test_a_run_that_diverged_has_a_row_and_no_measurements():
    _, frame = rows(diverging(measure={"take": ["stored", "contraction"]}))
    assert frame["status"].to_list() == ["not_interpolated"] * 2 + ["diverged"] * 2
    assert frame["stored"].null_count() == 2
    assert frame["contractive"][2:].null_count() == 2


def test_measured_columns_keep_their_dtypes_where_all_diverged():
    design = diverging(measure={"take": ["stored", "contraction", "recall"]})
    _, some = rows(design)
    _, none = rows(design.model_copy(update={"grid": {"training.lr": [1e6]}}))
    assert none.schema == some.schema
