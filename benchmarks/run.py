"""All benchmarks, one after the other, into benchmarks/results.md.

make bench, or: python benchmarks/run.py [--pairs 5] [--only replicas,spectra,...]
"""

import argparse
import platform
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import census
import curves
import equilibria
import fixed_points
import gauss_newton
import grouping
import jax_replicas
import krylov
import million_starts
import one_network
import reading
import replicas
import screen
import slow_points
import spectra
import timing
import torch
import training_step
from timing import PAIRS, table

from mnemoscope.base.files import replacing
from mnemoscope.base.provenance import versions

RESULTS = Path(__file__).parent / "results.md"

SECTIONS: dict[str, tuple[str, Callable[[int], str]]] = {
    "replicas": ("Many networks at once", lambda n: compared(replicas.comparisons(n))),
    "jax_replicas": (
        "Many networks at once, against JAX",
        lambda n: compared(jax_replicas.comparisons(n)),
    ),
    "one_network": ("One network", lambda n: compared(one_network.comparisons(n))),
    "training_step": (
        "A training step and its batched products",
        lambda n: table(training_step.HEADER, training_step.rows(n)),
    ),
    "spectra": ("Spectra", lambda n: compared(spectra.comparisons(n))),
    "krylov": (
        "Spectra, against ARPACK and PROPACK",
        lambda n: compared(krylov.comparisons(max(n, krylov.PAIRS))),
    ),
    "census": ("Census", lambda n: compared(census.comparisons(n))),
    "equilibria": (
        "Starts to their ends, against torchdeq",
        lambda n: compared(equilibria.comparisons(n)),
    ),
    "grouping": ("Groups of states", lambda n: compared(grouping.comparisons(n))),
    "million_starts": (
        "A million starts",
        lambda n: table(million_starts.HEADER, million_starts.rows()),
    ),
    "screen": (
        "Screening 50,000 examples",
        lambda n: table(screen.HEADER, screen.rows(n)),
    ),
    "reading": ("Reading a table", lambda n: compared(reading.comparisons(n))),
    "fixed_points": ("Fixed points", lambda n: compared(fixed_points.comparisons(n))),
    "slow_points": (
        "Fixed points, against canns and fsolve",
        lambda n: compared(slow_points.comparisons(n)),
    ),
    "curves": ("Curves", lambda n: table(curves.HEADER, curves.rows(min(n, 3)))),
    "gauss_newton": ("Gauss-Newton compared with Adam", lambda n: gauss_newton.report()),
}


def compared(comparisons: list[timing.Comparison]) -> str:
    return table(timing.HEADER, [c.row() for c in comparisons])


def machine() -> str:
    """What the numbers were measured on."""
    cpu = platform.processor() or platform.machine()
    try:
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                cpu = line.split(":", 1)[1].strip()
                break
    except OSError:
        pass
    gpu = torch.cuda.get_device_name() if torch.cuda.is_available() else "no accelerator"
    software = ", ".join(f"{name} {version}" for name, version in versions().items())
    today = f"{datetime.now(UTC):%Y-%m-%d}"
    return f"{cpu}, {torch.get_num_threads()} threads, {gpu}. {software}. {today}."


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pairs", type=int, default=PAIRS)
    parser.add_argument("--only", default=",".join(SECTIONS))
    chosen = parser.parse_args()
    names = chosen.only.split(",")
    unknown = set(names) - set(SECTIONS)
    if unknown or chosen.pairs < 1:
        parser.error(f"--only takes some of {','.join(SECTIONS)}; --pairs a number of at least 1")
    head = (
        "# Benchmarks\n\n"
        f"Measured by `make bench` in one run on one machine: {machine()} Ours and the rival's in "
        f"turn, {chosen.pairs} times; medians, in parentheses the least and the most; the ratio is "
        "the median over the pairs. What is said to be a part was extrapolated from it. Memory is "
        "what a run adds at its peak, ours / the rival's.\n"
    )
    parts = [head]
    for name in names:
        title, measured = SECTIONS[name]
        section = f"\n## {title}\n\n{measured(chosen.pairs)}"
        print(section, flush=True)
        parts.append(section)
    if set(names) == set(SECTIONS):
        with replacing(RESULTS) as temporary:
            temporary.write_text("".join(parts))
        print(f"Written to {RESULTS}", file=sys.stderr)
    else:
        print("Only a part was run: results.md is left as it was.", file=sys.stderr)


if __name__ == "__main__":
    main()
