"""Work on a group: rows are written last and completely, with a log and a timeout."""

import pickle
import signal
import threading

import polars as pl
import pytest
import torch

from mnemoscope.nets import load as load_network
from mnemoscope.sweep import run
from mnemoscope.sweep import work as work_module
from mnemoscope.sweep.executors import in_process
from mnemoscope.sweep.runs import Group, code_of_design, planned_runs
from mnemoscope.sweep.store import StoreError
from mnemoscope.sweep.work import RunError, Task, WorkTimeout, work
from tests.sweep.designs import diverging, measuring, tiny


def task_of(design, place, **changed):
    code = code_of_design(design)
    runs = planned_runs(design, code)
    fields = {
        "store": str(place),
        "group": Group(tuple(runs)),
        "layout": "layout",
        "code": code,
        "keep_weights": design.keep_weights,
        "device": "cpu",
        "timeout": 60.0,
        "watch": "alarm",
    }
    return Task(**{**fields, **changed})


def test_rows_and_a_log(tmp_path):
    task = task_of(diverging(), tmp_path)
    done = work(task)
    assert (done.runs, done.diverged, done.interpolated) == (4, 2, 0)
    assert done.seconds_computing > 0
    frame = pl.read_parquet(tmp_path / task.group.rows("layout"))
    assert frame["key"].to_list() == [run.key for run in task.group.runs]
    log = (tmp_path / f"logs/{task.group.name}.log").read_text()
    assert "attempt 1 on" in log
    assert "stored 4 rows; 0 interpolated, 2 diverged" in log


def test_a_log_of_a_second_attempt_follows_the_first(tmp_path):
    for attempt in range(2):
        task = task_of(tiny(), tmp_path, attempt=attempt)
        work(task)
    log = (tmp_path / f"logs/{task.group.name}.log").read_text()
    assert log.index("attempt 1 on") < log.index("attempt 2 on")


def test_what_a_function_prints_is_in_the_log(tmp_path, capfd):
    task = task_of(measuring("printing"), tmp_path)
    work(task)
    assert capfd.readouterr().out == ""
    assert "a line of a user" in (tmp_path / f"logs/{task.group.name}.log").read_text()


@pytest.mark.parametrize("keep", ["none", "stored", "all"])
def test_weights_on_demand(keep, tmp_path):
    design = diverging(
        keep_weights=keep,
        training={"max_steps": 300, "optimizer": "gradient_descent"},
        measure={"take": ["stored"]},
    )
    task = task_of(design, tmp_path)
    work(task)
    frame = pl.read_parquet(tmp_path / task.group.rows("layout"))
    kept = {path.stem for path in tmp_path.glob("weights/*.safetensors")}
    lasting = frame.filter(pl.col("status") != "diverged")
    wanted = {"none": lasting.head(0), "stored": lasting.filter(pl.col("stored") > 0)}
    assert kept == set(wanted.get(keep, lasting)["key"])
    for key in kept:
        network = load_network(tmp_path / f"weights/{key}.safetensors")
        assert network.spec.depth == 2


def test_what_is_stored_is_kept(tmp_path):
    design = tiny(
        keep_weights="stored",
        spec={"width": 64, "depth": 2},
        training={"max_steps": 3000, "tol": 1e-7},
        measure={"take": ["stored"]},
        seeds=2,
    )
    finished = run(design, tmp_path, executor=in_process())
    assert finished.interpolated == 2
    frame = pl.read_parquet(next(tmp_path.glob("rows/*/*.parquet")))
    kept = {path.stem for path in tmp_path.glob("weights/*.safetensors")}
    assert kept == set(frame.filter(pl.col("stored") > 0)["key"])


class Odd(Exception):
    """Cannot be unpickled; a pool of processes breaks when it is returned."""

    def __init__(self, one, two):
        super().__init__(f"{one} and {two}")


class Holding(Exception):
    """Cannot be pickled at all."""

    def __init__(self):
        super().__init__("held")
        self.lock = threading.Lock()


class OddOSError(OSError):
    def __init__(self, one, two, three):
        super().__init__(f"{one} {two} {three}")


@pytest.mark.parametrize(
    "error", [Odd("one", "two"), Holding(), OddOSError(1, 2, 3), RuntimeError("plain")]
)
def test_an_error_survives_the_way_to_the_driver(error, tmp_path, monkeypatch):
    def fit(*_, **__):
        raise error

    monkeypatch.setattr(work_module, "fit", fit)
    with pytest.raises(RunError) as caught:
        work(task_of(tiny(), tmp_path))
    again = pickle.loads(pickle.dumps(caught.value))
    assert str(again) == f"{type(error).__name__}: {error}"
    # Dask pickles what an error came from, too.
    assert caught.value.__cause__ is caught.value.__context__ is None
    finished = run(tiny(seeds=1), tmp_path / "sweep", executor=in_process())
    assert finished.failures[0].reason == f"{type(error).__name__}: {error}"


def test_a_task_and_its_result_can_be_pickled(tmp_path):
    task = task_of(tiny(), tmp_path)
    assert pickle.loads(pickle.dumps(task)) == task
    done = work(task)
    assert pickle.loads(pickle.dumps(done)) == done


def test_a_full_disk_is_no_fault_of_a_run(tmp_path, monkeypatch):
    def fit(*_, **__):
        raise OSError(28, "No space left on device", "/somewhere")

    monkeypatch.setattr(work_module, "fit", fit)
    with pytest.raises(StoreError, match=r"/somewhere .*No space left.*free some room") as caught:
        work(task_of(tiny(), tmp_path))
    assert isinstance(pickle.loads(pickle.dumps(caught.value)), StoreError)


@pytest.mark.parametrize("function", ["sleepy", "swallowing"])
def test_an_alarm_ends_it(function, tmp_path, monkeypatch):
    monkeypatch.setenv("SWEEP_TEST_FOLDER", str(tmp_path))
    before = signal.getsignal(signal.SIGALRM)
    with pytest.raises(WorkTimeout, match=r"longer than 0\.3 s"):
        work(task_of(measuring(function), tmp_path, timeout=0.3))
    assert signal.getsignal(signal.SIGALRM) is before
    assert signal.getitimer(signal.ITIMER_REAL) == (0.0, 0.0)
    assert not list(tmp_path.glob("rows/*/*"))


def test_a_sweep_goes_on_after_an_alarm(tmp_path, monkeypatch):
    monkeypatch.setenv("SWEEP_TEST_FOLDER", str(tmp_path))
    design = measuring("sleepy_once", timeout=1, seeds=2)
    finished = run(design, tmp_path / "sweep", executor=in_process())
    assert (finished.done, finished.retried, finished.failures) == (2, 1, ())
    design = measuring("sleepy", timeout=0.3, seeds=1, retries=1)
    (failure,) = run(design, tmp_path / "sweep", executor=in_process()).failures
    assert failure.reason == "it took longer than 0.3 s, where it was ended"
    assert failure.attempts == 2


def test_it_computes_on_one_thread_and_puts_that_right(tmp_path, monkeypatch):
    seen = []
    fit = work_module.fit
    monkeypatch.setattr(
        work_module, "fit", lambda *a, **k: seen.append(torch.get_num_threads()) or fit(*a, **k)
    )
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        work(task_of(tiny(), tmp_path))
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(before)
    assert seen == [1]


def test_a_thread_can_do_it_too(tmp_path):
    found = []
    thread = threading.Thread(target=lambda: found.append(work(task_of(tiny(), tmp_path))))
    thread.start()
    thread.join()
    assert found[0].runs == 2
