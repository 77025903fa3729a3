"""This checkout against an earlier commit: the rows of `make bench`, an audit and the demo.

python benchmarks/against.py COMMIT [--pairs 9] [--only SECTION ...]

Two processes, one for each checkout, do the same work in turn; the order changes from pair to
pair. Both use this environment's packages. The ratio of a pair is the time now by the time then;
the table gives the geometric mean of the ratios and its 95% interval (Student's, of the
logarithms).
"""

import argparse
import importlib
import json
import math
import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from unittest.mock import patch

import fitting
import timing
import torch
from demo_network import demo_network
from scipy import stats

import mnemoscope as mn

HERE = Path(__file__).resolve().parent

HEADER = ["work", "now, s", "then, s", "now / then", "95% interval"]

Row = tuple[str, Callable[[], object]]


def compared(section: str) -> list[Row]:
    """Our side of the comparisons of a module, which must not have been imported before."""
    rows: list[Row] = []

    def listed(question: str, ours: Callable[[], object], *_: object, **__: object) -> None:
        rows.append((question, ours))

    with patch.object(timing, "compare", listed):
        importlib.import_module(section).comparisons(1)
    return rows


def training_steps() -> list[Row]:
    """The steps of `training_step.py`, with the drawing of the weights."""
    import training_step

    X = mn.load_data("digits", n=training_step.EXAMPLES)

    def work(replicas: int, width: int, depth: int) -> Callable[[], object]:
        spec = mn.nets.FullyConnected(shape=(1, 8, 8), width=width, depth=depth)
        steps = training_step.STEPS
        return lambda: fitting.train_replicas(spec, X, seeds=replicas, tol=1e-30, max_steps=steps)

    return [
        (f"200 steps of {r} replicas, width {width}, depth {depth}", work(r, width, depth))
        for r, width, depth in training_step.SIZES
    ]


def starts() -> list[Row]:
    """A census of the demo's network; from a million starts it takes ten times as long."""
    net = demo_network()
    count = 100_000
    starts = mn.Starts("uniform", count)
    return [(f"census from {count:,} uniform starts", lambda: mn.find_attractors(net, starts))]


def curves() -> list[Row]:
    """The ends and the middle of the curves of `curves.py`; that of starts is `starts`."""
    import curves

    def each(*works: Callable[[], object]) -> Callable[[], object]:
        return lambda: [work() for work in works]

    return [
        (
            "100 steps of 16 and 1,024 replicas",
            each(*(curves.training(100, replicas=r, width=32) for r in (16, 1024))),
        ),
        (
            "30 steps of widths 32 and 1,024",
            each(*(curves.training(30, replicas=16, width=w) for w in (32, 1024))),
        ),
        (
            "spectral radius at 10 states, d = 48, 768 and 4,800",
            each(*(curves.spectra(d, 10) for d in (48, 768, 4800))),
        ),
        (
            "spectral radius at 4, 64 and 1,024 states, d = 768",
            each(*(curves.spectra(768, states) for states in (4, 64, 1024))),
        ),
    ]


def gauss_newton() -> list[Row]:
    """Each network of `gauss_newton.py` once, by Gauss-Newton and polished."""
    X = mn.load_data("digits", n=10)

    def row(way: str, options: dict[str, Any], activation: str, width: int, depth: int) -> Row:
        spec = mn.nets.FullyConnected(
            shape=(1, 8, 8), width=width, depth=depth, activation=activation
        )
        name = f"{way}, {activation} {width} × {depth}"
        return name, lambda: fitting.train(spec.build(seed=0), X, **options)

    ways: list[tuple[str, dict[str, Any]]] = [
        ("Gauss-Newton to 1e-12", {"optimizer": "gauss_newton", "tol": 1e-12, "max_steps": 300}),
        ("Adam to 1e-4, polished", {"finish": "gauss_newton"}),
    ]
    return [
        row(*way, activation, *size)
        for way in ways
        for activation in ("leaky_relu", "sigmoid", "tanh")
        for size in ((128, 4), (256, 8))
    ]


def memorizing() -> list[Row]:
    """A network that stores 50 photographs, by the best means of each version."""
    X = mn.load_data("photos", n=50, size=16, gray=True)
    spec = mn.nets.FullyConnected(shape=(1, 16, 16), width=256, depth=8)

    def fit_of(net: mn.nets.Network) -> mn.Fit:
        # The first attempt of `mn.store`; earlier versions had descent only.
        if hasattr(mn, "StoreOptions"):
            from mnemoscope.associative.storing import plan

            return mn.train(net, X, plan(X, seed=0).training)
        return fitting.train(net, X, batch_size=10)

    def trained() -> mn.nets.Network:
        net = spec.build(seed=0)
        fit = fit_of(net)
        if not fit.converged:
            raise SystemExit(f"loss {fit.loss:.1e} after {fit.steps} steps")
        return net

    count = fitting.stored(trained(), X)
    name = f"one network, 50 photographs, width 256, depth 8, to 1e-8: {count} of 50 stored"
    return [(name, trained)]


def audit() -> list[Row]:
    """Audits of 20 digits that a network has memorized, with and without certificates."""
    X = mn.load_data("digits", n=20)
    spec = mn.nets.FullyConnected(shape=(1, 8, 8), width=256, depth=8, activation="leaky_relu")
    net = spec.build(seed=0)
    fitting.train(net, X, batch_size=5)
    return [
        ("audit of 20 digits, width 256, depth 8", lambda: mn.audit(net, X, seed=0)),
        (
            "the same without certificates",
            lambda: fitting.audit(net, X, certificates=0),
        ),
    ]


def demo() -> list[Row]:
    """The whole command, in a folder that it leaves empty."""

    def work() -> None:
        with tempfile.TemporaryDirectory() as folder:
            command = [sys.executable, "-m", "mnemoscope", "demo"]
            subprocess.run(command, cwd=folder, check=True, stdout=subprocess.DEVNULL)

    return [("mnemoscope demo", work)]


SECTIONS: dict[str, Callable[[], list[Row]]] = {
    **{
        name: lambda name=name: compared(name)
        for name in ("replicas", "one_network", "spectra", "census", "grouping", "fixed_points")
    },
    "training_step": training_steps,
    "starts": starts,
    "curves": curves,
    "gauss_newton": gauss_newton,
    "memorizing": memorizing,
    "audit": audit,
    "demo": demo,
}


def serve(section: str) -> None:
    """Does rows by their number, one for each line that comes in; answers with the seconds."""
    out = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    torch.manual_seed(0)
    rows = SECTIONS[section]()
    print(json.dumps([name for name, _ in rows]), file=out, flush=True)
    for line in sys.stdin:
        print(timing.seconds(rows[int(line)][1]), file=out, flush=True)


class Checkout:
    """A process that does the rows of a section with one checkout's code."""

    def __init__(self, root: Path, section: str) -> None:
        self.process = subprocess.Popen(
            [sys.executable, str(HERE / "against.py"), "--serve", section],
            cwd=root,  # Each has a demo network of its own.
            env={**os.environ, "PYTHONPATH": str(root)},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        self.rows: list[str] = json.loads(self._read())

    def seconds(self, row: int) -> float:
        """Does one row; the seconds that it took."""
        assert self.process.stdin is not None
        print(row, file=self.process.stdin, flush=True)
        return float(self._read())

    def close(self) -> None:
        """Ends the process."""
        self.process.kill()
        self.process.wait()

    def _read(self) -> str:
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        if not line:
            raise SystemExit(f"{self.process.args} ended with {self.process.wait()}")
        return line


def cells(name: str, now: list[float], then: list[float]) -> list[str]:
    """The cells of the table `HEADER`."""
    logs = [math.log(a / b) for a, b in zip(now, then, strict=True)]
    middle, error = statistics.fmean(logs), statistics.stdev(logs) / math.sqrt(len(logs))
    reach = float(stats.t.ppf(0.975, len(logs) - 1)) * error
    low, high = math.exp(middle - reach), math.exp(middle + reach)
    ratio = f"**{math.exp(middle):.3f}**"
    return [name, timing.spread(now), timing.spread(then), ratio, f"{low:.3f} – {high:.3f}"]


def measured(section: str, then: Path, pairs: int) -> Iterator[list[str]]:
    """The table's rows of a section, each after one run of both that is not counted."""
    sides = [Checkout(HERE.parent, section), Checkout(then, section)]
    try:
        for row, name in enumerate(sides[0].rows):
            for side in sides:
                side.seconds(row)
            times: tuple[list[float], list[float]] = ([], [])
            for pair in range(pairs):
                for side in (0, 1) if pair % 2 else (1, 0):
                    times[side].append(sides[side].seconds(row))
            yield cells(name, *times)
    finally:
        for side in sides:
            side.close()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("commit", nargs="?")
    parser.add_argument("--pairs", type=int, default=9)
    parser.add_argument("--only", nargs="+", choices=SECTIONS, default=list(SECTIONS))
    parser.add_argument("--serve", choices=SECTIONS, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.serve:
        serve(given.serve)
        return
    if given.commit is None or given.pairs < 2:
        parser.error("a commit, and at least 2 pairs")
    with tempfile.TemporaryDirectory() as folder:
        then = Path(folder) / "then"
        git = ["git", "-C", str(HERE.parent), "worktree"]
        subprocess.run([*git, "add", "--quiet", "--detach", str(then), given.commit], check=True)
        try:
            print(timing.table(HEADER, []), end="", flush=True)
            for section in given.only:
                for row in measured(section, then, given.pairs):
                    print("| " + " | ".join(row) + " |", flush=True)
        finally:
            subprocess.run([*git, "remove", "--force", str(then)], check=True)


if __name__ == "__main__":
    main()
