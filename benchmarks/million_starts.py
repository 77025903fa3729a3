"""A census from one million starts of the demo's network: does it end, how long, how much memory?

python benchmarks/million_starts.py
"""

from demo_network import demo_network
from timing import added_memory, seconds, table

import mnemoscope as mn

COUNTS = (10_000, 100_000, 1_000_000)
HEADER = ["starts (uniform)", "s", "memory, MiB", "attractors"]


def rows() -> list[list[str]]:
    net = demo_network()
    found: dict[int, int] = {}

    def work(count: int) -> None:
        found[count] = len(mn.find_attractors(net, mn.Starts("uniform", count)).period)

    work(1000)
    cells = []
    for count in COUNTS:
        times: list[float] = []

        def timed(count: int = count, times: list[float] = times) -> None:
            times.append(seconds(lambda: work(count)))

        memory = added_memory(timed)
        cells.append([f"{count:,}", f"{times[0]:.3g}", f"{memory:.0f}", str(found[count])])
    return cells


if __name__ == "__main__":
    print(table(HEADER, rows()))
