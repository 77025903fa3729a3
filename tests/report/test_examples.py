import polars as pl

from mnemoscope.report.examples import example_rows, strongest_first
from mnemoscope.report.pictures import drawing

from .example_audit import edge_audit, frame, full_audit


def rows(*told):
    empty = dict.fromkeys(frame("examples", []).columns)
    return frame(
        "examples",
        [
            {**empty, "index": i, "stored": stored, "recall_rate": rate, "spectral_radius": radius}
            for i, (stored, rate, radius) in enumerate(told)
        ],
    )


def test_stored_come_first_then_recall_then_radius():
    table = rows(
        (False, 1.0, 0.1),
        (True, 0.5, 0.2),
        (True, 0.9, 0.8),
        (True, 0.9, 0.3),
        (True, None, 0.1),
        (True, float("nan"), 0.05),
        (None, 0.2, float("nan")),
        (False, 0.2, 2.0),
    )
    assert strongest_first(table)["index"].to_list() == [3, 2, 1, 5, 4, 0, 7, 6]
    assert strongest_first(table).columns == table.columns


def test_rates_come_with_count_total_and_interval():
    audit = full_audit()
    how = drawing(audit.pictures["examples"], 100)
    for row in example_rows(audit, how):
        assert row.recall is not None
        assert row.recall.total == 20
        assert row.recall.rate == row.recall.count / 20
        assert row.recall.low <= row.recall.rate <= row.recall.high
        if row.stored:
            assert row.basin.total == 7000
            assert row.basin.low <= row.basin.rate <= row.basin.high


def test_most_rows():
    audit = full_audit()
    assert len(example_rows(audit, drawing(audit.pictures["examples"], 10), most=7)) == 7


def test_nothing_known():
    audit = edge_audit()
    (row,) = example_rows(audit, drawing(audit.pictures["examples"], 1))
    assert row.recall is row.basin is row.recalled is None
    assert len(row.frames) == 3


def test_orbits_of_some_examples_only():
    audit = full_audit()
    audit.pictures["recall_frames"] = audit.pictures["recall_frames"][:3]
    found = {row.index: len(row.frames) for row in example_rows(audit, drawing(None, 1))}
    assert {index for index, frames in found.items() if frames} == {0, 1, 2}
    assert audit.examples.filter(pl.col("index") > 2).height == 17
