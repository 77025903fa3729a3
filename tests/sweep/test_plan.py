"""The cost of a design, from counting and from a timed pilot."""

from importlib import import_module

import pytest

from mnemoscope.base.errors import MnemoscopeError
from mnemoscope.sweep import plan, run
from mnemoscope.sweep import plan as plan_function
from mnemoscope.sweep.executors import in_process
from mnemoscope.sweep.planning import PILOT_RUNS, PILOTS, try_runs
from mnemoscope.sweep.runs import groups, planned_runs
from tests.sweep.designs import measuring, tiny


def counted(design, place=None):
    return plan(design, place, pilot_seconds=0)


def test_runs_and_groups_are_counted():
    design = tiny(grid={"spec.depth": [1, 2, 3]}, seeds=5, group_size=2)
    found = counted(design)
    assert (found.runs, found.groups, found.present) == (15, 9, 0)
    assert found.largest_group == 2
    assert (found.pilots, found.seconds) == ((), None)


def test_the_group_that_needs_most_memory_is_reported():
    design = tiny(grid={"spec.width": [64, 100_000, 8]}, spec={"depth": 3}, seeds=3)
    found = counted(design)
    # 1e10 float32 weights, their gradients and two running means, and in the end the weights again.
    assert found.group_memory == pytest.approx(1e10 * 4 * 5, rel=0.01)
    assert found.group_memory == found.run_memory
    assert found.group_setting == {"spec.width": 100_000}
    assert found.machine_memory > 0


def test_what_is_stored_is_not_counted_again(tmp_path):
    run(tiny(grid={"spec.depth": [1, 2]}), tmp_path, executor=in_process())
    found = counted(tiny(grid={"spec.depth": [1, 2, 3]}, group_size=1), tmp_path)
    assert (found.runs, found.present, found.groups) == (6, 4, 2)
    found = counted(tiny(grid={"spec.depth": [1, 2]}), tmp_path)
    assert (found.present, found.groups, found.largest_group) == (4, 0, 0)


def test_nothing_is_written(tmp_path):
    counted(tiny(), tmp_path / "sweep")
    assert not (tmp_path / "sweep").exists()


def test_a_wrong_design_is_refused_before_anything_is_tried():
    with pytest.raises(MnemoscopeError, match=r"spec\.depth=0"):
        plan_function(tiny(grid={"spec.depth": [1, 0]}))


def test_a_pilot_is_timed_here():
    design = tiny(keep_weights="all", seeds=4)
    runs = tuple(planned_runs(design, "code"))
    found = try_runs(runs, "cpu", 100)
    assert found["seconds"] > 0
    assert found["interpolated"] == 0
    assert found["row_bytes"] < try_runs(runs, "cpu", 4)["row_bytes"]
    assert found["weight_bytes"] > 4 * runs[0].configuration.spec.parameters_count()


@pytest.mark.slow
def test_a_pilot_that_would_not_fit_here_is_not_tried(monkeypatch):
    monkeypatch.setattr(import_module("mnemoscope.sweep.planning"), "free_memory", lambda: 20_000)
    found = plan(tiny(grid={"spec.width": [1, 60]}, spec={"depth": 2}))
    assert [(one.too_large, one.seconds is None) for one in found.pilots] == [
        (False, False),
        (True, True),
    ]
    assert found.unknown == 2


@pytest.mark.slow
def test_pilots_represent_all_runs():
    design = tiny(grid={"spec.depth": list(range(1, 13))}, seeds=3, keep_weights="all")
    found = plan(design)
    assert 1 < len(found.pilots) <= PILOTS
    assert sum(one.represents for one in found.pilots) == found.runs == 36
    assert all(one.runs <= PILOT_RUNS for one in found.pilots)
    assert found.seconds > 0
    assert found.row_bytes > 0
    assert found.weight_bytes > 0
    assert found.unknown == 0
    assert found.groups == len(groups(planned_runs(design, "code")))


@pytest.mark.slow
def test_pilots_that_do_not_end_in_time_are_reported(tmp_path, monkeypatch):
    monkeypatch.setenv("SWEEP_TEST_FOLDER", str(tmp_path))
    found = plan(measuring("sleepy", grid={"spec.depth": [1, 2]}), pilot_seconds=3.0)
    assert found.unknown == 4
    assert found.seconds is None
    assert [one.seconds for one in found.pilots] == [None, None]
