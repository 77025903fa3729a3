"""`python -m attack`: runs all attacks and counts faults; exits with 1 if there are any."""

import argparse
import json
import os
import shutil
import signal
import sys
import tempfile
import time
from contextlib import suppress
from pathlib import Path

from attack import faults, forks, material, mutated
from attack.count import Count


def main() -> int:
    """Runs the requested parts."""
    parser = argparse.ArgumentParser(prog="attack")
    parser.add_argument("--inputs", type=int, default=3200)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", choices=["inputs", *faults.PARTS], nargs="+", default=None)
    parser.add_argument("--first", type=int, default=0, help="number of the first input")
    options = parser.parse_args()
    begun = time.monotonic()
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    forks.warm()
    count = Count()
    with tempfile.TemporaryDirectory(prefix="attack-") as place:
        folder = Path(place)
        made, logs = folder / "material", folder / "logs"
        made.mkdir()
        logs.mkdir()
        ended = forks.start(lambda: material.make(made), made, logs).wait(600)
        if ended.code:
            sys.exit(f"the material cannot be made: {ended.err}")
        # An attack that is ended early still prints its counts.
        signal.signal(signal.SIGTERM, signal.default_int_handler)
        keys = forks.start(_print_keys(made), made, logs).wait()
        key = json.loads(keys.out)
        with suppress(KeyboardInterrupt):
            if options.only is None or "inputs" in options.only:
                mutated.attack(
                    made, folder, key, options.inputs, options.seed, options.first, count
                )
            for name, part in faults.PARTS.items():
                if options.only is None or name in options.only:
                    part(made, folder, key, count)
        shutil.rmtree(folder, ignore_errors=True)
    print(count.table())
    print(f"{time.monotonic() - begun:,.0f} s")
    return 1 if count.wrong else 0


def _print_keys(made: Path):
    def work() -> None:
        import polars as pl

        print(json.dumps(pl.read_parquet(made / "rows.parquet")["key"][0]))

    return work


if __name__ == "__main__":
    sys.exit(main())
