"""What a sweep measures in these tests: functions that count, raise, hang, stop and die.

Those that misbehave once leave a file in the folder `$SWEEP_TEST_FOLDER`, and behave afterwards.
"""

import ctypes
import os
import signal
import time
from pathlib import Path

import torch

ODD_SEED = 1
"""The seed that `odd` raises for, if the weights are still those that it gives."""


def calls():
    """How often `counted` was called."""
    path = _folder() / "calls"
    return path.stat().st_size if path.exists() else 0


def counted(net, X):
    with (_folder() / "calls").open("ab") as file:
        file.write(b".")
    return 1


def printing(net, X):
    print("a line of a user")
    return 1


def odd(net, X):
    first = next(iter(net.spec.build(seed=ODD_SEED).parameters()))
    if torch.allclose(next(iter(net.parameters())), first, atol=1e-4):
        raise ValueError("an odd\none")
    return 1


def swallowing(net, X):
    """Hangs, and lets no `Exception` through."""
    try:
        time.sleep(60)
    except Exception:
        return 1


def sleepy(net, X):
    (_folder() / f"{os.getpid()}.pid").touch()
    time.sleep(60)
    return 1


def sleepy_once(net, X):
    (_folder() / f"{os.getpid()}.pid").touch()
    if _first("slept"):
        time.sleep(60)
    return 1


def killed_once(net, X):
    if _first("killed"):
        os.kill(os.getpid(), signal.SIGKILL)
    return 1


def by_depth(net, X):
    """What happens, by the network's depth: see `test_faults.py`."""
    depth = net.spec.depth
    if depth == 2 and _first("killed"):
        os.kill(os.getpid(), signal.SIGKILL)
    if depth == 3 and _first("stopped"):
        os.kill(os.getpid(), signal.SIGSTOP)
    if depth == 4 and _first("held"):
        # Called through PyDLL, C keeps the interpreter to itself.
        ctypes.PyDLL(None).sleep(60)
    if depth == 5:
        time.sleep(60)
    if depth == 6:
        raise ValueError("an odd one")
    return 1


def _folder():
    return Path(os.environ["SWEEP_TEST_FOLDER"])


def _first(what):
    """Whether it happens for the first time in any process."""
    try:
        os.close(os.open(_folder() / what, os.O_CREAT | os.O_EXCL))
    except FileExistsError:
        return False
    return True


class Unbuildable(Exception):
    """Can be pickled but not unpickled."""

    def __init__(self, one, two):
        super().__init__(one)


def die_where_unpickled():
    raise Unbuildable(1, 2)


def is_gone(process):
    """Whether a process has ended, even if it has not been waited for."""
    try:
        state = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return True
    return state == "Z"
