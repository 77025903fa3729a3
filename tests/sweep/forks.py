"""Processes that run a design and begin in milliseconds: forked from one that is warm.

The threads of polars do not survive a fork, so the one that forks must never have used it, which
that of the tests has. It reads a line for each thing to do and answers with one.
"""

import json
import os
import resource
import signal
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]


class Forks:
    """The process that forks, from outside."""

    def __init__(self):
        self.process = subprocess.Popen(
            [sys.executable, "-m", "tests.sweep.forks"], cwd=ROOT, text=True,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            env={**os.environ, "OMP_NUM_THREADS": "1"},
        )  # fmt: skip
        self.answer()

    def answer(self):
        return json.loads(self.process.stdout.readline())

    def ask(self, **what):
        print(json.dumps(what), file=self.process.stdin, flush=True)
        return self.answer()

    def start(self, design, place, *, limit=None):
        """The id of a process that runs the design, with no file larger than a limit."""
        return self.ask(design=design.to_dict(), place=str(place), limit=limit)

    def wait(self, child):
        """What the process reported at the end; None if it was killed."""
        return self.ask(wait=child)

    def close(self):
        self.process.stdin.close()
        self.process.wait(timeout=600)


def forking():
    """Forks what standard input asks for."""
    import torch

    from mnemoscope.base.provenance import versions
    from mnemoscope.sweep.code_version import code_version
    from mnemoscope.sweep.configuration import examples
    from mnemoscope.sweep.runs import planned_runs
    from mnemoscope.training import train_replicas
    from tests.sweep.designs import tiny

    torch.set_num_threads(1)
    warm = planned_runs(tiny(keep_weights="all"), "code")
    # Without polars, whose threads a fork would not have.
    for run in warm:
        known = run.configuration
        train_replicas(known.spec, examples(known.data)[0], [known.options])
    code_version()
    versions()
    folder = Path(os.environ.get("TMPDIR", "/tmp"))
    print(0, flush=True)
    for line in sys.stdin:
        what = json.loads(line)
        report = folder / f"report-{os.getpid()}-{what.get('wait', 0)}"
        if "wait" in what:
            _, how = os.waitpid(what["wait"], 0)
            text = None if os.WIFSIGNALED(how) else report.read_text()
            report.unlink(missing_ok=True)
            print(json.dumps(text), flush=True)
            continue
        parent, child = os.getpid(), os.fork()
        if not child:
            os.close(0)
            text = _run(what)
            if what["limit"]:
                resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY,) * 2)
            (folder / f"report-{parent}-{os.getpid()}").write_text(text)
            os._exit(0)
        print(child, flush=True)


def _run(what):
    from mnemoscope.sweep import Design, run
    from mnemoscope.sweep.executors import in_process
    from mnemoscope.sweep.store import StoreError

    if what["limit"]:
        _, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (what["limit"], hard))
    try:
        finished = run(Design(**what["design"]), what["place"], executor=in_process())
    except StoreError as error:
        return str(error)
    except BaseException as error:
        return repr(error)
    return f"{finished.done} done"


if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    forking()
