"""If an extra is not installed, its tests are skipped and the package works."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).parent

OF_EXTRAS = [
    *(str(path) for path in (HERE / "adapters").glob("test_*.py") if "sklearn" not in path.name),
    "data/test_hugging_face.py", "maps/adapters", "monitoring/test_hugging_face.py",
    "monitoring/test_lightning.py", "report/test_browser.py", "sweep/test_dask.py",
    "sweep/test_mpi.py", "sweep/test_s3.py",
]  # fmt: skip


@pytest.mark.slow
def test_tests_of_absent_extras_skip_and_say_why():
    path = os.pathsep.join([str(HERE / "absent"), str(HERE.parent)])
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "-rs", *OF_EXTRAS],
        cwd=HERE, env=os.environ | {"PYTHONPATH": path, "OMP_NUM_THREADS": "1"},
        capture_output=True, text=True, check=False, timeout=600,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout
    reasons = re.findall(r"^SKIPPED \[\d+\] \S+: (.*)$", done.stdout, re.MULTILINE)
    for extra in ("datasets", "diffusers", "distributed", "lightning", "mpi4py", "onnxruntime"):
        assert any(extra in reason for reason in reasons), (extra, reasons)
    assert all(reasons)
