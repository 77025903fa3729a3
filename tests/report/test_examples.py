"""The rows of the page: examples, their rates, and the attractors they end at."""

from mnemoscope.report.audit import basin, recall_rates, strongest_first
from mnemoscope.report.pictures import drawing, frame_labels

from .example_audit import edge_audit, frame, full_audit


def rows(*message):
    empty = dict.fromkeys(frame("examples", []).columns)
    return frame(
        "examples",
        [
            {**empty, "index": i, "stored": stored, "recall_rate": rate, "spectral_radius": radius}
            for i, (stored, rate, radius) in enumerate(message)
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
    for rate in recall_rates(audit).values():
        assert rate.total == 20
        assert rate.rate == rate.count / 20
        assert rate.low <= rate.rate <= rate.high
    for row in audit.attractors.iter_rows(named=True):
        rate = basin(row)
        assert (rate.count, rate.total) == (row["starts"], 7000)
        assert rate.low <= rate.rate <= rate.high


def test_a_basin_that_no_start_reached_has_its_interval_alone():
    row = {"starts": 0, "basin_fraction": 0.0, "basin_low": 0.0, "basin_high": 0.1}
    assert (basin(row).fraction, basin(row).interval) == ("", "0% to 10%")
    assert basin({**row, "basin_fraction": float("nan")}) is None


def test_frames_are_labelled_by_steps():
    assert frame_labels(3, (0, 4)) == {0: "start", 1: "4", 2: "end"}
    assert frame_labels(4, ()) == {0: "start", 1: "", 2: "", 3: "end"}
    assert list(frame_labels(50, range(50)).values())[-2:] == ["41", "end"]


def test_nothing_known():
    assert recall_rates(edge_audit()) == {}


def test_orbits_of_some_examples_only():
    orbits, how = full_audit().pictures["recall_frames"][:3], drawing(None, 1)
    assert [len(how.orbit(orbits, place, ())) for place in range(5)] == [7, 7, 7, 0, 0]
    assert how.picture(orbits[:, 0], 3) is how.picture(None, 0) is None
