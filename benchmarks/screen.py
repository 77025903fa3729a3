"""Screening of a large training set, compared with the evaluations that it makes.

python benchmarks/screen.py [pairs]

A pass over 50,000 examples of 784 entries with a network of 256 x 4, and the same nine evaluations
of the bare module in the same batches, in turn: the ratio of each pair, the median of these. The
checks before the pass, the unit, and the search for the nearest example of a hundred are timed
separately. Memory is the process's peak, the examples and PyTorch included.
"""

import resource
import statistics
import sys
import time
from collections.abc import Callable

import torch
from timing import PAIRS, spread, table

import mnemoscope as mn
from mnemoscope.base.unit import unit_of
from mnemoscope.dynamics.neighbours import nearest_among
from mnemoscope.measure.screening_pass import EVALUATIONS, drift, plan
from mnemoscope.measure.subject import check_whole_set, parts

EXAMPLES, ENTRIES = 50_000, 784

SAMPLE = 100

MOST = 20.0
"""Seconds that a screening of this size may take, its audits not included."""

REACH = 2.0
"""Times of the bare evaluations that it may take."""

HEADER = ["part", "s", "bare evaluations, s", "times", "peak, MiB"]


def rows(pairs: int) -> list[list[str]]:
    X = torch.rand(EXAMPLES, ENTRIES, generator=torch.Generator().manual_seed(0))
    spec = mn.nets.FullyConnected(shape=(ENTRIES,), width=256, depth=4, activation="leaky_relu")
    net = spec.build(seed=0).eval()
    f = mn.SelfMap(net)
    found: list[list[str]] = []
    whole = 0.0

    def note(name: str, work: Callable[[], object]) -> None:
        nonlocal whole
        taken = seconds(work)
        whole += taken
        found.append([name, f"{taken:.3g}", "", "", f"{peak():.0f}"])

    note("check of all examples", lambda: check_whole_set(f, X))
    note("unit", lambda: unit_of(X))
    f = f.with_unit(1.0)
    with f.evaluating():
        cost = plan(f, X)

        def screening() -> None:
            for _, part in parts(f, X, cost.batch_size):
                drift(f, part)

        def bare() -> None:
            with torch.no_grad():
                for z in X.split(cost.batch_size):
                    for _ in range(EVALUATIONS):
                        z = net(z)

        times = [(seconds(screening), seconds(bare)) for _ in range(pairs)]
    ours, rival = ([pair[i] for pair in times] for i in (0, 1))
    ratios = [a / b for a, b in times]
    whole += statistics.median(ours)
    found.append(
        [
            f"pass (estimated {cost.seconds:.3g} s)", spread(ours), spread(rival), spread(ratios),
            f"{peak():.0f}",
        ]
    )  # fmt: skip
    note(f"nearest other examples of {SAMPLE}", lambda: nearest_among(X[:SAMPLE], X, other=True))
    kept = whole <= MOST and statistics.median(ratios) <= REACH
    found.append(
        [f"all (at most {MOST:g} s, {REACH:g} times)", f"{whole:.3g}", "", "yes" if kept else "no",
         f"{peak():.0f}"]
    )  # fmt: skip
    return found


def seconds(work: Callable[[], object]) -> float:
    begun = time.perf_counter()
    work()
    return time.perf_counter() - begun


def peak() -> float:
    """The largest memory that this process has had, in MiB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


if __name__ == "__main__":
    print(table(HEADER, rows(int(sys.argv[1]) if len(sys.argv) > 1 else PAIRS)))
