"""A sweep on the ranks of an MPI job."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from mnemoscope.sweep import load, status
from tests.sweep.designs import text

pytest.importorskip("mpi4py")

ROOT = Path(__file__).parents[2]

MPIEXEC = Path(sys.executable).parent / "mpiexec"

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not MPIEXEC.exists(), reason="no mpiexec next to Python"),
]


def sweep(folder, ranks, design):
    (folder / "design.toml").write_text(design)
    arguments = [
        str(MPIEXEC), "-n", str(ranks), sys.executable, "-m", "mpi4py.futures", "-m", "mnemoscope",
        "sweep", "run", "design.toml", "--out", "sweep", "--mpi",
    ]  # fmt: skip
    return subprocess.run(
        arguments, cwd=folder, capture_output=True, text=True, timeout=120, check=False,
        env={
            **os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT),
            "SWEEP_TEST_FOLDER": str(folder),
        },
    )  # fmt: skip


def test_a_sweep_is_done_and_a_run_that_fails_is_named(tmp_path):
    done = sweep(
        tmp_path, 3, text('["tests.sweep.functions:odd"]').replace("= 5", "= 1\nlr = 1e-9")
    )
    assert done.returncode == 1, done.stderr
    assert "3 of 6 runs are stored in sweep" in done.stdout
    frame = load(tmp_path / "sweep").collect()
    assert frame["seed"].to_list() == [0, 0, 0]
    (one,) = status(tmp_path / "sweep")
    assert (one.state, one.done, one.failed) == ("done", 3, 3)
    hosts = {
        path.read_text().split("process ")[1].split()[0] for path in tmp_path.glob("sweep/logs/*")
    }
    assert len(hosts) == 2


def test_a_job_of_one_process_is_refused(tmp_path):
    done = sweep(tmp_path, 1, text())
    assert done.returncode != 0
    assert "--mpi in a job of one process" in done.stderr
