"""A sweep on the workers of a Dask cluster."""

import os
import sys

import pytest

from mnemoscope.base.errors import MnemoscopeError
from mnemoscope.sweep import load, run
from mnemoscope.sweep.executors import ASKED_EVERY, _slots, _workers, dask_workers
from mnemoscope.sweep.work import Done
from tests.sweep.designs import diverging, measuring, tiny

distributed = pytest.importorskip("distributed")

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    found = tmp_path_factory.mktemp("dask")
    os.environ["SWEEP_TEST_FOLDER"] = str(found)
    return found


@pytest.fixture(scope="module")
def workers(folder):
    with dask_workers("local", workers=2) as found:
        yield found


def test_a_sweep_is_done(workers, tmp_path):
    finished = run(diverging(group_size=1), tmp_path, executor=workers)
    assert (finished.done, finished.diverged, finished.failures) == (4, 2, ())
    assert load(tmp_path).collect()["key"].n_unique() == 4
    assert run(diverging(group_size=1), tmp_path, executor=workers).done == 0


def test_a_folder_is_that_of_the_driver(workers, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert run(tiny(), "relative", executor=workers).done == 2
    assert len(list(tmp_path.glob("relative/rows/*/*.parquet"))) == 1


def test_a_group_whose_worker_is_killed_is_done_elsewhere(workers, tmp_path):
    design = measuring("killed_once", seeds=6, group_size=2)
    finished = run(design, tmp_path, executor=workers)
    assert (finished.done, finished.failures) == (6, ())
    assert finished.retried >= 1
    assert load(tmp_path).collect()["seed"].n_unique() == 6


def test_a_group_that_hangs_is_reported(workers, tmp_path):
    design = measuring("by_depth", grid={"spec.depth": [5, 1]}, seeds=1, timeout=10.0, retries=0)
    finished = run(design, tmp_path, executor=workers)
    assert finished.done == 1
    assert [one.reason for one in finished.failures] == [
        "it took longer than 10 s, where it was ended"
    ]


def test_an_error_is_reported(workers, tmp_path):
    finished = run(
        measuring("by_depth", grid={"spec.depth": [6]}, seeds=1), tmp_path, executor=workers
    )
    assert "ValueError: an odd one" in finished.failures[0].reason


def where(task):
    """In place of `work`: which worker has been given the group."""
    name = str(distributed.get_worker().name)
    with open(f"{task.store}/{name}.worker", "a") as file:
        file.write(".")
    rows = f"{task.store}/{task.group.rows(task.layout)}"
    os.makedirs(os.path.dirname(rows), exist_ok=True)
    open(rows, "w").close()
    return Done(len(task.group.runs), 0, 0, 0.0)


@pytest.mark.parametrize(
    ("device", "labels", "given"),
    [
        ("cuda", [{"GPU": 1}, {}], {"0"}),
        ("cuda", [{}, {"GPU": 1}], {"1"}),
        ("cuda", [{}, {}], {"0", "1"}),
        ("cpu", [{"GPU": 1}, {}], {"0", "1"}),
    ],
)
def test_groups_that_need_a_gpu_go_where_there_is_one(device, labels, given, tmp_path, monkeypatch):
    monkeypatch.setattr(sys.modules["mnemoscope.sweep.running"], "work", where)
    specs = {
        str(number): {
            "cls": distributed.Worker,
            "options": {"name": str(number), "nthreads": 1, "resources": own},
        }
        for number, own in enumerate(labels)
    }  # fmt: skip
    with (
        distributed.SpecCluster(
            workers=specs,
            scheduler={
                "cls": distributed.Scheduler,
                "options": {"dashboard": False, "host": "127.0.0.1", "port": 0},
            },
            silence_logs=50,
        ) as cluster,
        distributed.Client(cluster) as client,
    ):
        client.wait_for_workers(2)
        design = tiny(seeds=24, group_size=1, device=device)
        assert run(design, tmp_path, executor=_workers(client)).done == 24
    assert {path.stem for path in tmp_path.glob("*.worker")} == given


def test_workers_that_join_later_get_groups_too():
    clock, threads = [0.0], {"a": 1}

    class Client:
        def nthreads(self):
            return threads

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys.modules[_slots.__module__].time, "monotonic", lambda: clock[0])
        slots = _slots(Client())
        assert slots() == 8
        threads.update({str(number): 1 for number in range(99)})
        assert slots() == 8
        clock[0] += ASKED_EVERY
        assert slots() == 200


def test_a_scheduler_that_is_not_there():
    with (
        pytest.raises(MnemoscopeError, match="nowhere://1") as caught,
        dask_workers("nowhere://1"),
    ):
        pass
    assert "\n" not in str(caught.value)
