"""The status of a sweep: done, failed and missing runs add up to the planned ones."""

import json
from datetime import UTC, datetime, timedelta

import pytest

from mnemoscope.base.errors import MnemoscopeError
from mnemoscope.sweep import Failure, run, status
from mnemoscope.sweep.executors import in_process
from mnemoscope.sweep.state import SILENT
from tests.sweep.designs import diverging, measuring, tiny

ODD = {"training": {"max_steps": 1, "lr": 1e-9}, "seeds": 3}


def state_of(folder):
    (one,) = status(folder)
    assert one.done + one.failed + one.missing == one.planned
    assert one.interpolated + one.not_interpolated + one.diverged == one.done
    return one


def test_a_sweep_that_has_ended(tmp_path):
    run(diverging(), tmp_path, executor=in_process())
    one = state_of(tmp_path)
    assert (one.name, one.state, one.planned, one.done) == ("tiny", "done", 4, 4)
    assert (one.diverged, one.failed, one.missing, one.running) == (2, 0, 0, ())
    assert one.rate > 0
    assert one.begun <= one.seen


def test_runs_that_failed_are_named(tmp_path):
    finished = run(measuring("odd", **ODD), tmp_path, executor=in_process())
    one = state_of(tmp_path)
    assert (one.done, one.failed, one.missing) == (2, 1, 0)
    assert one.failures == finished.failures
    assert isinstance(one.failures[0], Failure)


def test_a_failure_is_forgotten_once_the_run_is_done(tmp_path):
    (failure,) = run(measuring("odd", **ODD), tmp_path, executor=in_process()).failures
    (path,) = (tmp_path / "failures").iterdir()
    rows = tmp_path / "rows"
    (layout,) = rows.iterdir()
    run(tiny(), tmp_path, executor=in_process())
    note = json.loads(path.read_text())
    assert tuple(note["keys"]) == failure.keys
    # As if it had been done: a row with its key.
    import polars as pl

    one = next(layout.glob("*.parquet"))
    pl.read_parquet(one).head(1).with_columns(key=pl.lit(failure.keys[0])).write_parquet(
        layout / "repaired.parquet"
    )
    finished = run(measuring("odd", **ODD), tmp_path, executor=in_process())
    assert (finished.done, finished.failures) == (0, ())
    assert not path.exists()


@pytest.mark.parametrize(
    ("age", "driver", "state"),
    [
        (0, {"host": "elsewhere"}, "running"),
        (SILENT / 2, {"host": "elsewhere"}, "running"),
        (SILENT + 5, {"host": "elsewhere"}, "lost"),
        # One that computes itself notes nothing meanwhile, but it is there.
        (SILENT + 5, {}, "running"),
        (SILENT + 5, {"process": 2**30}, "lost"),
    ],
)
def test_a_sweep_that_is_silent_is_lost(age, driver, state, tmp_path):
    run(tiny(group_size=1), tmp_path, executor=in_process())
    path = tmp_path / "plans/tiny.json"
    note = json.loads(path.read_text())
    seen = datetime.now(UTC) - timedelta(seconds=age)
    note |= {"state": "running", "seen": seen.isoformat(), "running": ["a"], **driver}
    path.write_text(json.dumps(note))
    next(tmp_path.glob("rows/*/*.parquet")).unlink()
    one = state_of(tmp_path)
    assert (one.state, one.missing, one.done) == (state, 1, 1)
    assert one.running == (("a",) if state == "running" else ())


@pytest.mark.parametrize("error", [KeyboardInterrupt, ValueError])
def test_a_sweep_that_was_stopped(error, tmp_path):
    seen = []

    def stop(progress):
        seen.append(progress)
        if progress.done == 1:
            raise error

    with pytest.raises(error):
        run(tiny(group_size=1, seeds=3), tmp_path, executor=in_process(), on_progress=stop)
    assert [progress.done for progress in seen] == [0, 1]
    one = state_of(tmp_path)
    assert one.state == ("interrupted" if error is KeyboardInterrupt else "stopped")
    assert (one.done, one.missing, one.running) == (1, 2, ())
    assert run(tiny(group_size=1, seeds=3), tmp_path, executor=in_process()).done == 2
    assert state_of(tmp_path).state == "done"


def two_sweeps(folder):
    run(tiny(), folder, executor=in_process())
    run(tiny(name="deep", grid={"spec.depth": [2]}), folder, executor=in_process())


@pytest.mark.parametrize("name", ["deep.json", "deep.parquet"])
@pytest.mark.parametrize("content", [None, b"", b"{"], ids=str)
def test_a_broken_plan_hides_no_other_sweep(name, content, tmp_path):
    two_sweeps(tmp_path)
    broken = tmp_path / "plans" / name
    broken.unlink() if content is None else broken.write_bytes(content)
    deep, other = status(tmp_path)
    assert (other.name, other.state, other.planned, other.done) == ("tiny", "done", 2, 2)
    assert (deep.name, deep.state, deep.planned, deep.done) == ("deep", "broken", 0, 0)
    (failure,) = deep.failures
    assert failure.keys == ()
    assert f"plans/{name}" in failure.reason
    assert "run the sweep again" in failure.reason
    assert status(tmp_path, "tiny") == (other,)
    with pytest.raises(MnemoscopeError, match=name):
        status(tmp_path, "deep")
    run(tiny(name="deep", grid={"spec.depth": [2]}), tmp_path, executor=in_process())
    assert [one.state for one in status(tmp_path)] == ["done", "done"]


def test_broken_rows_are_no_fault_of_a_plan(tmp_path):
    two_sweeps(tmp_path)
    path = next(tmp_path.glob("rows/*/*.parquet"))
    path.write_bytes(b"")
    with pytest.raises(MnemoscopeError, match=path.name):
        status(tmp_path)


WHOLE = {"group": "a", "keys": ["b"], "reason": "c", "attempts": 1}
BROKEN = {
    "empty": "", "cut": json.dumps(WHOLE)[:-9], "no object": "[]", "nothing in it": "{}",
    "nested": "[" * 100_000, "keys": json.dumps(WHOLE | {"keys": "b"}),
    "a key": json.dumps(WHOLE | {"keys": [["b"]]}), "no key": json.dumps(WHOLE | {"keys": []}),
    "group": json.dumps(WHOLE | {"group": None}), "reason": json.dumps(WHOLE | {"reason": 1}),
    "attempts": json.dumps(WHOLE | {"attempts": "often"}),
}  # fmt: skip


@pytest.mark.parametrize("text", BROKEN.values(), ids=BROKEN)
def test_a_broken_note_of_a_failure_is_reported_and_hides_nothing_else(text, tmp_path):
    finished = run(measuring("odd", **ODD), tmp_path, executor=in_process())
    (tmp_path / "failures/a.json").write_text(text)
    one = state_of(tmp_path)
    assert (one.state, one.done, one.failed, one.missing) == ("done", 2, 1, 0)
    (broken,) = set(one.failures) - set(finished.failures)
    assert set(finished.failures) < set(one.failures)
    assert (broken.group, broken.keys, broken.attempts) == ("a", (), 0)
    assert f"{tmp_path}/failures/a.json, which is broken" in broken.reason
    assert "run the sweep again" in broken.reason
    assert "\n" not in broken.reason
    run(measuring("odd", **ODD), tmp_path, executor=in_process())
    assert state_of(tmp_path).failures == finished.failures


def test_the_runs_of_a_broken_note_are_missing(tmp_path):
    run(measuring("odd", **ODD), tmp_path, executor=in_process())
    (path,) = (tmp_path / "failures").iterdir()
    path.write_bytes(path.read_bytes()[:20])
    one = state_of(tmp_path)
    assert (one.done, one.failed, one.missing) == (2, 0, 1)
    assert [part.group for part in one.failures] == [path.stem]


def test_a_note_of_other_runs_is_not_of_this_sweep(tmp_path):
    run(tiny(), tmp_path, executor=in_process())
    (tmp_path / "failures").mkdir(exist_ok=True)
    (tmp_path / "failures/a.json").write_text(json.dumps(WHOLE))
    assert state_of(tmp_path).failures == ()
