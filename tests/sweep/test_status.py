"""Where a sweep stands: what is done, failed and missing is what was planned."""

import json
from datetime import datetime, timedelta, timezone

import pytest

from mnemoscope.sweep import Failure, run, status
from mnemoscope.sweep.executors import in_process
from mnemoscope.sweep.status import SILENT
from tests.sweep.designs import diverging, measuring, tiny

ODD = {"training": {"max_steps": 1, "lr": 1e-9}, "seeds": 3}


def told(folder):
    (one,) = status(folder)
    assert one.done + one.failed + one.missing == one.planned
    assert one.interpolated + one.not_interpolated + one.diverged == one.done
    return one


def test_a_sweep_that_has_ended(tmp_path):
    run(diverging(), tmp_path, executor=in_process())
    one = told(tmp_path)
    assert (one.name, one.state, one.planned, one.done) == ("tiny", "done", 4, 4)
    assert (one.diverged, one.failed, one.missing, one.running) == (2, 0, 0, ())
    assert one.rate > 0
    assert one.begun <= one.seen


def test_runs_that_failed_are_named(tmp_path):
    finished = run(measuring("odd", **ODD), tmp_path, executor=in_process())
    one = told(tmp_path)
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
        layout / "mended.parquet"
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
    seen = datetime.now(timezone.utc) - timedelta(seconds=age)
    note |= {"state": "running", "seen": seen.isoformat(), "running": ["a"], **driver}
    path.write_text(json.dumps(note))
    next(tmp_path.glob("rows/*/*.parquet")).unlink()
    one = told(tmp_path)
    assert (one.state, one.missing, one.done) == (state, 1, 1)
    assert one.running == (("a",) if state == "running" else ())


@pytest.mark.parametrize("error", [KeyboardInterrupt, ValueError])
def test_a_sweep_that_was_stopped(error, tmp_path):
    told_of = []

    def stop(progress):
        told_of.append(progress)
        if progress.done == 1:
            raise error

    with pytest.raises(error):
        run(tiny(group_size=1, seeds=3), tmp_path, executor=in_process(), on_progress=stop)
    assert [progress.done for progress in told_of] == [0, 1]
    one = told(tmp_path)
    assert one.state == ("interrupted" if error is KeyboardInterrupt else "stopped")
    assert (one.done, one.missing, one.running) == (1, 2, ())
    assert run(tiny(group_size=1, seeds=3), tmp_path, executor=in_process()).done == 2
    assert told(tmp_path).state == "done"
