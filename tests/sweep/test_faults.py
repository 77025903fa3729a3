"""After any fault, every planned run is stored exactly once or listed with a reason."""

import errno
import json
import math
import os
import random
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from mnemoscope.sweep import load, run, status
from mnemoscope.sweep.executors import Workers, in_process
from mnemoscope.sweep.process_pool import Processes
from mnemoscope.sweep.store import StoreError
from tests.sweep.designs import measuring, text, tiny
from tests.sweep.forks import Forks
from tests.sweep.functions import is_gone

ROOT = Path(__file__).parents[2]

KILLS, FOLDERS = 40, 4


def finished_table(place):
    return dict(load(place).select("key", "loss").collect().iter_rows())


def rows_of(place):
    """Complete files of rows."""
    return sorted(place.glob("rows/*/[!.]*"))


def assert_whole(place, planned):
    """Every row once, in the files too."""
    frame = load(place).collect()
    assert frame.height == frame["key"].n_unique() == planned


@pytest.fixture(scope="module")
def forks():
    found = Forks()
    yield found
    found.close()


@pytest.mark.slow
def test_kills_of_a_whole_sweep_lose_nothing(tmp_path, forks):
    draw = random.Random(0)
    design = tiny(grid={"spec.depth": [1, 2]}, seeds=10, group_size=1, keep_weights="all")
    untouched = tmp_path / "untouched"
    assert forks.wait(forks.start(design, tmp_path / "warm")) == f"{design.count} done"
    begun = time.monotonic()
    assert forks.wait(forks.start(design, untouched)) == f"{design.count} done"
    whole = time.monotonic() - begun
    wanted = finished_table(untouched)
    before = amid = after = 0
    for number in range(FOLDERS):
        place = tmp_path / f"{number}"
        for _ in range(KILLS // FOLDERS):
            rows = len(rows_of(place))
            child = forks.start(design, place)
            time.sleep(draw.uniform(0, whole * (1 - rows / design.count)))
            os.kill(child, signal.SIGKILL)
            if forks.wait(child) is not None:
                after += 1
            elif len(rows_of(place)) == rows:
                before += 1
            else:
                amid += 1
            if len(rows_of(place)) > design.count / 2:
                # The next run must be interrupted as well, so most groups are removed.
                for path in rows_of(place)[2:]:
                    path.unlink()
        assert forks.wait(forks.start(design, place)).endswith(" done")
        assert_whole(place, design.count)
        assert len(rows_of(place)) == design.count
        assert finished_table(place) == wanted
        assert status(place)[0].state == "done"
        assert {path.stem for path in place.glob("weights/[!.]*")} == set(wanted)
    print(
        f"{whole:.2f} s; {KILLS} kills: {before} before a row, {amid} amid, {after} after the end"
    )
    assert before + amid + after == KILLS
    assert amid > KILLS / 2


@pytest.mark.slow
def test_two_sweeps_at_once_in_one_folder(tmp_path, forks):
    design = tiny(grid={"spec.depth": [1, 2, 3]}, seeds=8, group_size=1)
    for child in [forks.start(design, tmp_path / "sweep") for _ in range(2)]:
        assert forks.wait(child).endswith(" done")
    assert_whole(tmp_path / "sweep", design.count)


@pytest.fixture(scope="module")
def troubled(tmp_path_factory):
    """A sweep of six groups that fail in different ways, depending on their depth."""
    folder = tmp_path_factory.mktemp("troubled")
    os.environ["SWEEP_TEST_FOLDER"] = str(folder)
    limit = max(4.0, float(math.ceil(seconds_of_a_first_group(folder / "first"))))
    design = measuring(
        "by_depth", grid={"spec.depth": [1, 2, 3, 4, 5, 6]}, seeds=1, timeout=limit, retries=2
    )
    return in_processes(design, folder / "sweep", 2), folder / "sweep", limit


def in_processes(design, place, count):
    executor = Processes(count, design.timeout + 2.0)
    try:
        return run(design, place, executor=Workers(executor, slots=count, watch="exit"))
    finally:
        executor.shutdown(cancel_futures=True)


def seconds_of_a_first_group(place):
    """How long a group takes here at most: a new process begins and imports its libraries."""
    begun = time.monotonic()
    in_processes(measuring("by_depth", seeds=1, timeout=60.0), place, 1)
    return time.monotonic() - begun


@pytest.mark.slow
@pytest.mark.parametrize(
    ("depth", "what"),
    [(1, "well"), (2, "killed once"), (3, "stopped once"), (4, "held once")],
)
def test_a_group_that_fares_ill_once_is_done_elsewhere(depth, what, troubled):
    finished, place, _ = troubled
    assert load(place).collect().filter(depth=depth)["by_depth"].to_list() == [1]
    assert finished.retried >= 3


@pytest.mark.slow
@pytest.mark.parametrize(
    ("depth", "reason", "attempts"),
    [
        (5, "it took longer than {limit:g} s, where it was ended", 3),
        (6, "ValueError: an odd one", 1),
    ],
)
def test_a_group_that_fares_ill_always_is_named(depth, reason, attempts, troubled):
    finished, place, limit = troubled
    assert load(place).collect().filter(depth=depth).is_empty()
    named = reason.format(limit=limit)
    failure = next(one for one in finished.failures if named in one.reason)
    # On a machine that is busy a try may be lost besides.
    assert failure.attempts >= attempts
    log = (place / f"logs/{failure.group}.log").read_text()
    assert log.count(" attempt ") == failure.attempts
    assert f"depth={depth}" in log
    assert "by_depth" in log


@pytest.mark.slow
def test_then_every_run_is_there_or_named(troubled):
    finished, place, _ = troubled
    assert (finished.planned, finished.done, len(finished.failures)) == (6, 4, 2)
    (one,) = status(place)
    assert (one.done, one.failed, one.missing, one.state) == (4, 2, 0, "done")


def waited_for(condition, seconds=60):
    until = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < until
        time.sleep(0.05)


@pytest.fixture
def command(tmp_path):
    """`mnemoscope sweep run` of a design as a process, with two workers, the functions at hand."""
    started = []
    (tmp_path / "flags").mkdir()
    environment = {
        **os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT),
        "SWEEP_TEST_FOLDER": str(tmp_path / "flags"),
    }  # fmt: skip

    def start(take):
        (tmp_path / "design.toml").write_text(text(f'["tests.sweep.functions:{take}"]'))
        process = subprocess.Popen(
            [
                sys.executable, "-m", "mnemoscope", "sweep", "run", "design.toml", "--out", "sweep",
                "--workers", "2",
            ],
            cwd=tmp_path, env=environment, text=True, start_new_session=True,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        )  # fmt: skip
        started.append(process)
        return process

    yield start
    for process in started:
        process.kill()
        process.communicate()


def workers_of(tmp_path):
    return [int(path.stem) for path in (tmp_path / "flags").glob("*.pid")]


@pytest.mark.slow
def test_workers_do_not_outlive_a_driver_that_is_killed(tmp_path, command):
    process = command("sleepy_once")
    waited_for(lambda: len(workers_of(tmp_path)) == 2)
    process.kill()
    process.communicate()
    workers = workers_of(tmp_path)
    waited_for(lambda: all(map(is_gone, workers)), seconds=10)


@pytest.mark.slow
@pytest.mark.parametrize("to", ["driver", "everyone"])
def test_ctrl_c_keeps_what_is_done(to, tmp_path, command):
    process = command("sleepy_once")
    # One worker sleeps, the other one does the rest.
    waited_for(lambda: len(list(tmp_path.glob("sweep/rows/*/*.parquet"))) == 5)
    workers = workers_of(tmp_path)
    if to == "driver":
        process.send_signal(signal.SIGINT)
    else:
        os.killpg(process.pid, signal.SIGINT)
    out, err = process.communicate(timeout=600)
    assert process.returncode == 2
    assert out == ""
    # The last row may be there and the driver not know of it yet.
    last = err.rstrip("\n").rpartition("\n")[2]
    assert re.match(r"mnemoscope: interrupted; [45] of 6 runs are done and kept in ", last)
    assert "Traceback" not in err
    waited_for(lambda: all(map(is_gone, workers)), seconds=10)
    (one,) = status(tmp_path / "sweep")
    assert (one.state, one.done, one.missing) == ("interrupted", 5, 1)


@pytest.mark.slow
def test_ctrl_c_while_workers_begin(tmp_path, command):
    process = command("sleepy")
    note = tmp_path / "sweep/plans/tiny.json"
    waited_for(lambda: note.exists() and json.loads(note.read_text())["state"] == "running")
    time.sleep(0.5)
    os.killpg(process.pid, signal.SIGINT)
    _, err = process.communicate(timeout=600)
    assert process.returncode == 2
    assert "Traceback" not in err
    assert status(tmp_path / "sweep")[0].state == "interrupted"


@pytest.fixture
def small_disk(tmp_path):
    """A disk of half a megabyte, where one may be mounted."""
    place = tmp_path / "disk"
    place.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=512k", "tmpfs", str(place)]
    try:
        done = subprocess.run(mount, capture_output=True, check=False)
    except FileNotFoundError:
        pytest.skip("there is no mount")
    if done.returncode:
        pytest.skip("no disk may be mounted here")
    yield place
    subprocess.run(["umount", "-l", str(place)], check=True)


def test_a_full_disk_stops_the_sweep_and_loses_nothing(small_disk):
    design = tiny(seeds=40, group_size=1)
    place = small_disk / "sweep"
    with pytest.raises(StoreError) as caught:
        run(design, place, executor=in_process())
    assert "No space left on device" in str(caught.value)
    assert "free some room" in str(caught.value)
    assert "\n" not in str(caught.value)
    kept = load(place).collect().height
    assert 0 < kept < design.count
    assert not (place / "failures").exists()
    subprocess.run(["mount", "-o", "remount,size=8m", str(small_disk)], check=True)
    finished = run(design, place, executor=in_process())
    assert (finished.present, finished.done) == (kept, design.count - kept)
    assert_whole(place, design.count)


@pytest.mark.slow
@pytest.mark.parametrize("limit", [100, 3000, 12000])
def test_a_file_that_may_not_be_so_large(limit, tmp_path, forks):
    """Like a quota: the plan, the note or the rows cannot be written."""
    design = tiny(seeds=12, group_size=6)
    text = forks.wait(forks.start(design, tmp_path / "sweep", limit=limit))
    assert os.strerror(errno.EFBIG) in text
    assert "free some room" in text
    assert "\n" not in text
    assert run(design, tmp_path / "sweep", executor=in_process()).planned == 12
    assert_whole(tmp_path / "sweep", 12)


@pytest.mark.slow
def test_a_script_that_starts_its_workers_where_it_is_imported(tmp_path):
    (tmp_path / "script.py").write_text(
        "from tests.sweep.designs import tiny\n"
        "from mnemoscope.sweep import run\n"
        "run(tiny(seeds=1), 'sweep', workers=1)\n"
    )
    done = subprocess.run(
        [sys.executable, "script.py"], cwd=tmp_path, capture_output=True, text=True, timeout=120,
        env={**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)}, check=False,
    )  # fmt: skip
    assert done.returncode == 1
    last = done.stderr.rstrip("\n").rpartition("\n")[2]
    assert "NoWorkers: processes that end before they have begun" in last
    assert 'if __name__ == "__main__":' in done.stderr
    assert not (tmp_path / "sweep/failures").exists()
