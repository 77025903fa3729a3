"""A sample of `make attack`: forty hostile inputs that must do no harm."""

import os
import subprocess
import sys
from pathlib import Path


def test_a_sample_of_hostile_inputs():
    done = subprocess.run(
        [sys.executable, "-m", "attack", "--inputs", "40", "--seed", "1", "--only", "inputs"],
        cwd=Path(__file__).parents[1],
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        errors="replace",
        timeout=1800,
    )
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr[-5000:]}"
    assert "40 tried; 0 tracebacks, 0 lost, 0 refused resumptions, 0 hangs, 0 other" in done.stdout
