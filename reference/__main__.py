"""`python -m reference`: stores reference results, or compares two files of them."""

import argparse
import json
import math
import sys
from pathlib import Path
from typing import Any

import torch

from reference.flatten import flat
from reference.results import RESULTS

SHOWN = 40
"""Differences that are printed."""


def main() -> int:
    """Stores or compares; exits with 1 where values differ."""
    parser = argparse.ArgumentParser(prog="reference", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    storing = commands.add_parser("store", help="compute the results into a file")
    storing.add_argument("file", type=Path)
    storing.add_argument("--only", nargs="+", choices=RESULTS, default=list(RESULTS))
    comparing = commands.add_parser("compare", help="compare two files")
    comparing.add_argument("before", type=Path)
    comparing.add_argument("after", type=Path)
    options = parser.parse_args()
    if options.command == "store":
        return store(options.file, options.only)
    return compare(json.loads(options.before.read_text()), json.loads(options.after.read_text()))


def store(file: Path, names: list[str]) -> int:
    """Computes results on one thread, so that sums have one order, and writes them."""
    torch.set_num_threads(1)
    values: dict[str, Any] = {}
    for name in names:
        print(name, file=sys.stderr, flush=True)
        values.update(flat(name, RESULTS[name]()))
    file.write_text(json.dumps(values, indent=0, default=str) + "\n")
    print(f"{len(values):,} values in {file}")
    return 0


def compare(before: dict[str, Any], after: dict[str, Any]) -> int:
    """Prints which values were lost, are new, or differ, and by how much."""
    lost, new = before.keys() - after.keys(), after.keys() - before.keys()
    differing = sorted(name for name in before.keys() & after.keys() if before[name] != after[name])
    for what, names in (("lost", sorted(lost)), ("new", sorted(new)), ("differ", differing)):
        print(f"{len(names):,} {what}")
        for name in names[:SHOWN]:
            print(
                f"  {name}: {before.get(name)} -> {after.get(name)}{_relative(before, after, name)}"
            )
    return int(bool(lost or new or differing))


def _relative(before: dict[str, Any], after: dict[str, Any], name: str) -> str:
    try:
        a, b = (float.fromhex(values[name]) for values in (before, after))
    except (KeyError, TypeError, ValueError):
        return ""
    return f" ({abs(a - b) / max(abs(a), abs(b), math.ulp(0.0)):.1e})"


if __name__ == "__main__":
    sys.exit(main())
