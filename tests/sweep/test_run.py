"""Running a design: missing runs are done, existing ones kept, failed ones listed."""

import json
import sys
from concurrent.futures import Executor, Future, ProcessPoolExecutor, ThreadPoolExecutor

import numpy as np
import polars as pl
import pytest

from mnemoscope.base.errors import MnemoscopeError
from mnemoscope.sweep import load, run, status
from mnemoscope.sweep import runs as runs_module
from mnemoscope.sweep import work as work_module
from mnemoscope.sweep.executors import Workers, in_process
from mnemoscope.sweep.process_pool import NoWorkers, WorkerLost
from mnemoscope.sweep.running import _check_memory
from mnemoscope.sweep.store import StoreError
from mnemoscope.sweep.work import OtherCode
from tests.sweep import functions
from tests.sweep.designs import diverging, measuring, tiny

ODD = {"training": {"max_steps": 1, "lr": 1e-9}}


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    (tmp_path / ".flags").mkdir()
    monkeypatch.setenv("SWEEP_TEST_FOLDER", str(tmp_path / ".flags"))


def done(design, place, **options):
    return run(design, place, executor=in_process(), **options)


def seeds(place):
    return sorted(load(place).collect()["seed"].to_list())


def assert_all_there_or_named(finished, place):
    frame = load(place).collect()
    named = [key for failure in finished.failures for key in failure.keys]
    assert frame["key"].n_unique() == frame.height
    assert len(set(named)) == len(named)
    assert set(named).isdisjoint(frame["key"])
    assert frame.height + len(named) == finished.planned


def test_what_is_stored_is_not_done_again(tmp_path):
    design = measuring("counted", grid={"spec.depth": [1, 2]}, seeds=3)
    first = done(design, tmp_path)
    assert (first.planned, first.present, first.done) == (6, 0, 6)
    assert functions.calls() == 6
    again = done(design, tmp_path)
    assert (again.planned, again.present, again.done) == (6, 6, 0)
    assert functions.calls() == 6


@pytest.mark.parametrize(
    "longer",
    [
        {"seeds": 5},
        {"seeds": [4, 1, 0, 7, 2]},
        {"grid": {"spec.depth": [1, 2], "training.lr": [1e-2, 1e-3, 1e-4]}, "seeds": 1},
        {"group_size": 1, "seeds": 5},
    ],
    ids=["more seeds", "other seeds", "more rates", "smaller groups"],
)
def test_a_design_that_is_extended_only_does_what_is_new(longer, tmp_path):
    base = {"grid": {"spec.depth": [1, 2], "training.lr": [1e-2]}, "seeds": 3}
    done(measuring("counted", **base), tmp_path)
    before = set(load(tmp_path).collect()["key"])
    finished = done(measuring("counted", **{**base, **longer}), tmp_path)
    assert functions.calls() == 6 + finished.done
    kept = before & set(load(tmp_path).collect()["key"])
    assert finished.present == len(kept) > 0
    assert_all_there_or_named(finished, tmp_path)


def test_two_designs_share_what_they_have_in_common(tmp_path):
    done(measuring("counted", name="a", grid={"spec.depth": [1, 2]}), tmp_path)
    finished = done(measuring("counted", name="b", grid={"spec.depth": [2, 3]}), tmp_path)
    assert (finished.present, finished.done) == (2, 2)
    assert functions.calls() == 6
    assert load(tmp_path).collect().height == 6


def test_a_name_is_no_part_of_a_run(tmp_path):
    done(tiny(name="a"), tmp_path)
    assert done(tiny(name="b"), tmp_path).done == 0


def test_changed_code_makes_everything_new(tmp_path, monkeypatch):
    done(tiny(), tmp_path)
    for module in (runs_module, work_module):
        monkeypatch.setattr(module, "code_version", lambda: "other")
    assert done(tiny(), tmp_path).done == 2
    assert load(tmp_path).collect().height == 2


def test_a_changed_data_file_makes_everything_new(tmp_path):
    path = tmp_path / "data.npy"
    design = tiny(data={"source": str(path), "n": 2})
    np.save(path, np.zeros((2, 1, 4, 4), dtype=np.float32))
    done(design, tmp_path / "sweep")
    before = set(load(tmp_path / "sweep").collect()["key"])
    np.save(path, np.ones((2, 1, 4, 4), dtype=np.float32))
    assert done(design, tmp_path / "sweep").done == 2
    assert before.isdisjoint(load(tmp_path / "sweep").collect()["key"])


def test_a_worker_with_other_code_stores_nothing(tmp_path, monkeypatch):
    monkeypatch.setattr(work_module, "code_version", lambda: "other")
    with pytest.raises(OtherCode, match="version"):
        done(tiny(seeds=1), tmp_path)
    # It is no run's fault, so none is named.
    (state,) = status(tmp_path)
    assert (state.state, state.done, state.failed) == ("stopped", 0, 0)


def test_a_run_that_diverges_is_recorded(tmp_path):
    finished = done(diverging(), tmp_path)
    assert (finished.done, finished.diverged, finished.failures) == (4, 2, ())
    frame = load(tmp_path).collect()
    assert frame.filter(status="diverged")["lr"].to_list() == [1e6, 1e6]
    assert done(diverging(), tmp_path).done == 0


@pytest.mark.parametrize("seeds_", [2, 5, 8])
def test_a_function_that_raises_for_one_seed_loses_that_one(seeds_, tmp_path):
    reported = []
    design = measuring("odd", seeds=seeds_, **ODD)
    finished = done(design, tmp_path, on_failure=reported.append)
    (failure,) = finished.failures
    assert reported == [failure]
    assert f"seed {functions.ODD_SEED}" in failure.reason
    assert "ValueError: an odd one" in failure.reason
    assert seeds(tmp_path) == [s for s in range(seeds_) if s != functions.ODD_SEED]
    assert_all_there_or_named(finished, tmp_path)
    log = (tmp_path / f"logs/{failure.group}.log").read_text()
    assert "Traceback" in log
    assert "an odd\none" in log
    note = json.loads((tmp_path / f"failures/{failure.group}.json").read_text())
    assert note["reason"] == failure.reason


def test_a_run_that_failed_is_tried_again(tmp_path):
    design = measuring("odd", seeds=4, **ODD)
    done(design, tmp_path)
    finished = done(design, tmp_path)
    assert (finished.present, finished.done, len(finished.failures)) == (3, 0, 1)
    assert len(list((tmp_path / "failures").iterdir())) == 1


class Losing(Executor):
    """Loses each group the given number of times."""

    def __init__(self, times, error=WorkerLost):
        self.times, self.error, self.given = times, error, []

    def submit(self, fn, /, *args):
        future = Future()
        (task,) = args
        self.given.append(len(task.group.runs))
        if self.given.count(len(task.group.runs)) <= self.times:
            future.set_exception(self.error("gone"))
        else:
            future.set_result(fn(*args))
        return future


def test_a_group_whose_worker_is_lost_is_tried_again(tmp_path):
    executor = Losing(1)
    finished = run(tiny(seeds=4), tmp_path, executor=executor)
    assert executor.given == [4, 4]
    assert (finished.done, finished.retried, finished.failures) == (4, 1, ())


@pytest.mark.parametrize("retries", [0, 1, 3])
def test_then_it_is_tried_in_halves_and_then_named(retries, tmp_path):
    executor = Losing(10**6)
    finished = run(tiny(seeds=4, retries=retries), tmp_path, executor=executor)
    assert [executor.given.count(size) for size in (4, 2, 1)] == [
        retries + 1, 2, 4 * (retries + 1),
    ]  # fmt: skip
    assert {failure.reason for failure in finished.failures} == {
        "the process that computed it died"
    }
    assert {failure.attempts for failure in finished.failures} == {retries + 1}
    assert_all_there_or_named(finished, tmp_path)


def test_an_error_is_tried_in_halves_at_once(tmp_path):
    executor = Losing(1, RuntimeError)
    finished = run(tiny(seeds=2, retries=5), tmp_path, executor=executor)
    assert executor.given == [2, 1, 1]
    assert finished.done == 1
    assert [failure.reason for failure in finished.failures] == ["RuntimeError: gone"]


def test_a_store_that_fails_stops_the_sweep(tmp_path):
    def full(text):
        return StoreError(text, expected="a disk", todo="free some room")

    with pytest.raises(StoreError, match="free some room"):
        run(tiny(), tmp_path, executor=Losing(1, full))
    assert not (tmp_path / "failures").exists()
    assert done(tiny(), tmp_path).done == 2


@pytest.mark.parametrize("kind", [ThreadPoolExecutor, ProcessPoolExecutor])
def test_an_executor_that_is_shut_down_is_reported_in_a_line(kind, tmp_path):
    executor = kind(1)
    executor.shutdown()
    with pytest.raises(NoWorkers, match="run the sweep again") as caught:
        run(tiny(), tmp_path, executor=executor)
    assert "\n" not in str(caught.value)


def test_any_executor_will_do(tmp_path):
    with ThreadPoolExecutor(2) as executor:
        finished = run(tiny(group_size=1, seeds=6), tmp_path, executor=executor)
    assert finished.done == 6
    assert seeds(tmp_path) == list(range(6))


def test_threads_of_one_process_do_not_get_in_each_others_way(tmp_path, capsys):
    design = measuring("printing", group_size=1, seeds=24)
    with ThreadPoolExecutor(4) as executor:
        finished = run(design, tmp_path, executor=executor)
    print("still here")
    assert (finished.done, finished.failures) == (24, ())
    assert capsys.readouterr().out == "still here\n"


def test_how_many_groups_there_is_room_for_may_change(tmp_path):
    rooms, reported = [7, 2], []
    workers = Workers(in_process().executor, slots=lambda: rooms.pop())
    run(tiny(group_size=1, seeds=9), tmp_path, executor=workers, on_progress=reported.append)
    assert [now.done for now in reported] == [0, 2, 9, 9]


def test_no_more_groups_are_given_out_than_there_are_slots(tmp_path):
    most = []

    def watch(progress):
        most.append(progress.running)

    with ThreadPoolExecutor(1) as executor:
        workers = Workers(executor, slots=3)
        run(tiny(group_size=1, seeds=9), tmp_path, executor=workers, on_progress=watch)
    assert max(most) <= 3


def test_progress_is_reported(tmp_path):
    reported = []
    done(tiny(group_size=1, seeds=3), tmp_path)
    done(tiny(group_size=1, seeds=5), tmp_path, on_progress=reported.append)
    assert [one.done for one in reported] == [3, 4, 5, 5]
    assert {one.planned for one in reported} == {5}
    assert reported[0].seconds_left is None
    assert reported[-1].seconds_left == 0


def test_a_callback_that_raises_once_does_not_hide_the_rows(tmp_path):
    def stop(failure):
        raise ValueError("a bug")

    with pytest.raises(ValueError, match="a bug"):
        done(measuring("odd", seeds=4, **ODD), tmp_path, on_failure=stop)
    finished = done(measuring("odd", seeds=4, **ODD), tmp_path)
    assert_all_there_or_named(finished, tmp_path)


def test_a_folder_of_other_things_is_refused(tmp_path):
    (tmp_path / "sweep").mkdir()
    (tmp_path / "sweep/thesis.tex").touch()
    with pytest.raises(MnemoscopeError, match=r"thesis\.tex"):
        done(tiny(), tmp_path / "sweep")
    with pytest.raises(MnemoscopeError, match="a file"):
        done(tiny(), tmp_path / "sweep/thesis.tex")


@pytest.mark.parametrize("name", ["rows", "logs", "plans", "failures"])
def test_a_file_where_a_folder_should_be_is_reported_in_a_line(name, tmp_path):
    done(tiny(seeds=1), tmp_path)
    for path in sorted((tmp_path / name).rglob("*"), reverse=True):
        path.unlink() if path.is_file() else path.rmdir()
    if (tmp_path / name).exists():
        (tmp_path / name).rmdir()
    (tmp_path / name).write_text("a file")
    with pytest.raises(MnemoscopeError) as caught:
        done(measuring("odd", seeds=4, **ODD), tmp_path)
    assert name in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_wrong_design_begins_nothing(tmp_path):
    with pytest.raises(MnemoscopeError) as caught:
        done(tiny(keep_weights="stored"), tmp_path / "sweep")
    assert caught.value.field == "keep_weights"
    with pytest.raises(MnemoscopeError, match=r"spec\.depth=0"):
        done(tiny(grid={"spec.depth": [1, 0]}), tmp_path / "sweep")
    assert not (tmp_path / "sweep").exists()


def test_a_setting_that_another_sweep_began_gets_its_picture(tmp_path):
    pictured = {"measure": {"take": ["pictures"]}}
    done(tiny(name="a", seeds=3, **pictured), tmp_path)
    assert done(tiny(name="b", seeds=[0, 1], **pictured), tmp_path).done == 0
    assert done(tiny(name="c", seeds=[1, 2], **pictured), tmp_path).done == 1
    for name, seed in (("a", 0), ("b", 0), ("c", 1)):
        rows = load(tmp_path, name).collect()
        assert rows.filter(pl.col("picture").is_not_null())["seed"].to_list() == [seed]


def test_what_this_machine_cannot_hold_is_refused_before_anything_begins(tmp_path, monkeypatch):
    monkeypatch.setattr(sys.modules[_check_memory.__module__], "machine_memory", lambda: 10**9)
    design = tiny(grid={"spec.width": [4, 20_000]}, spec={"depth": 3})
    with pytest.raises(MnemoscopeError, match=r"width=20000.* 8 GB") as caught:
        run(design, tmp_path / "sweep", workers=1)
    assert " 1 GB" in str(caught.value)
    assert not (tmp_path / "sweep").exists()


def test_rows_that_workers_store_elsewhere_are_not_lost_silently(tmp_path):
    class Elsewhere(Executor):
        def submit(self, fn, /, task):
            from dataclasses import replace

            future = Future()
            future.set_result(fn(replace(task, store=str(tmp_path / "elsewhere"))))
            return future

    with pytest.raises(StoreError, match="workers"):
        run(tiny(), tmp_path / "sweep", executor=Elsewhere())
