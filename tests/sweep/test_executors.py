"""Executors, and how work ends on them."""

import multiprocessing
import os
import signal
import sys
import time
from concurrent.futures import (
    CancelledError,
    ProcessPoolExecutor,
    ThreadPoolExecutor,
)
from concurrent.futures import TimeoutError as TookTooLong

import pytest

from mnemoscope.sweep.executors import Workers, in_process, processes, workers_of
from mnemoscope.sweep.process_pool import NoWorkers, Processes, WorkerLost
from tests.sweep.functions import die_where_unpickled, is_gone


def test_in_process_computes_at_once():
    executor = in_process().executor
    assert executor.submit(pow, 2, 3).result() == 8
    with pytest.raises(ZeroDivisionError):
        executor.submit(divmod, 1, 0).result()


def test_ctrl_c_is_no_error_of_a_group():
    def interrupt():
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        in_process().executor.submit(interrupt)


def test_any_executor_as_workers():
    with ThreadPoolExecutor(3) as executor:
        assert workers_of(executor).slots == 6
        assert workers_of(executor).for_device("cuda") is executor
        known = Workers(executor, slots=1, gpu=in_process().executor)
        assert workers_of(known) is known
        assert known.for_device("cpu") is executor
        assert known.for_device("cuda") is known.gpu


@pytest.fixture(scope="module")
def two():
    """Two processes with a timeout of two seconds."""
    executor = Processes(2, timeout=2.0)
    yield executor
    executor.shutdown(cancel_futures=True)


@pytest.mark.slow
def test_a_process_is_one_of_its_own_and_stays(two):
    found = {future.result() for future in [two.submit(os.getpid) for _ in range(8)]}
    assert os.getpid() not in found
    assert 1 <= len(found) <= 2


@pytest.mark.slow
def test_an_error_comes_back_and_the_process_stays(two):
    before = {two.submit(os.getpid).result() for _ in range(6)}
    with pytest.raises(ZeroDivisionError):
        two.submit(divmod, 1, 0).result()
    with pytest.raises(SystemExit):
        two.submit(exit, 3).result()
    assert {two.submit(os.getpid).result() for _ in range(6)} & before


@pytest.mark.slow
@pytest.mark.parametrize(
    ("call", "error"),
    [
        ((os._exit, 3), WorkerLost),
        ((signal.raise_signal, signal.SIGKILL), WorkerLost),
        ((signal.raise_signal, signal.SIGSTOP), TookTooLong),
        ((time.sleep, 60), TookTooLong),
    ],
    ids=["exits", "is killed", "is stopped", "hangs"],
)
def test_a_process_that_is_lost_is_replaced_and_takes_no_other_along(call, error, two):
    lost, other = two.submit(*call), two.submit(time.sleep, 0.5)
    with pytest.raises(error):
        lost.result(timeout=600)
    assert other.result(timeout=600) is None
    assert [two.submit(pow, 2, n).result(timeout=600) for n in range(4)] == [1, 2, 4, 8]


@pytest.mark.slow
def test_one_that_dies_while_it_is_idle_costs_no_call(two):
    found = {future.result() for future in [two.submit(os.getpid) for _ in range(8)]}
    for process in found:
        os.kill(process, signal.SIGKILL)
    time.sleep(0.2)
    assert [two.submit(pow, 2, n).result(timeout=600) for n in range(4)] == [1, 2, 4, 8]


@pytest.mark.slow
def test_processes_that_cannot_begin_are_reported(monkeypatch):
    def pool():
        return ProcessPoolExecutor(
            1, mp_context=multiprocessing.get_context("spawn"), initializer=os._exit, initargs=(1,)
        )

    monkeypatch.setattr(sys.modules[Processes.__module__], "_pool", pool)
    executor = Processes(1, timeout=60)
    with pytest.raises(NoWorkers, match="end before they have begun") as caught:
        executor.submit(pow, 2, 3).result(timeout=600)
    assert "\n" not in str(caught.value)
    executor.shutdown(cancel_futures=True)


@pytest.mark.slow
def test_what_computes_ends_with_the_sweep():
    futures = []

    def interrupted():
        with processes(1, 600) as workers:
            process = workers.executor.submit(os.getpid).result()
            futures.extend(workers.executor.submit(time.sleep, 600) for _ in range(3))
            time.sleep(0.3)
            futures.append(process)
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    *sleeping, process = futures
    with pytest.raises((WorkerLost, CancelledError)):
        sleeping[0].result(timeout=600)
    assert all(future.cancelled() for future in sleeping[1:])
    assert is_gone(process)


@pytest.mark.slow
def test_an_error_that_cannot_come_back_is_a_lost_worker(two):
    with pytest.raises(WorkerLost):
        two.submit(die_where_unpickled).result(timeout=600)
    assert two.submit(pow, 2, 3).result(timeout=600) == 8


@pytest.mark.slow
def test_processes_are_waited_for_a_little_longer_than_they_watch_themselves():
    with processes(1, 5.0) as workers:
        assert (workers.slots, workers.watch) == (1, "exit")
        assert workers.executor._timeout > 5.0
