import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).parent


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(signal, "SIGHUP"), reason="this system has no nohup")
def test_the_tests_of_ctrl_c_pass_in_the_background_and_under_nohup():
    def ignore():
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        signal.signal(signal.SIGHUP, signal.SIG_IGN)

    done = subprocess.run(
        [
            sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "-k", "ctrl_c or interrupt",
            HERE.parent / "base/test_interruption.py", HERE / "test_train.py",
        ],
        cwd=HERE.parents[1], env=os.environ | {"OMP_NUM_THREADS": "1"}, text=True,
        stdin=subprocess.DEVNULL, capture_output=True, preexec_fn=ignore, check=False, timeout=2400,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout
