"""How the time grows: with replicas, width, d, states and starts, each over two decades.

python benchmarks/curves.py [runs]
"""

import sys
from collections.abc import Callable, Sequence

import fitting
import torch
from demo_network import demo_network
from timing import median_seconds, slope, table
from torch import nn

import mnemoscope as mn

HEADER = ["time against", "sizes", "seconds", "slope (log–log)"]


def curve(
    name: str, sizes: Sequence[int], work: Callable[[int], Callable[[], object]], runs: int
) -> list[str]:
    times = [median_seconds(work(size), runs=runs) for size in sizes]
    return [
        name,
        ", ".join(f"{size:,}" for size in sizes),
        ", ".join(f"{t:.3g}" for t in times),
        f"{slope(sizes, times):.2f}",
    ]


def training(steps: int, *, replicas: int, width: int) -> Callable[[], object]:
    X = mn.load_data("digits", n=10)
    spec = mn.nets.FullyConnected(shape=(1, 8, 8), width=width, depth=4)
    return lambda: fitting.train_replicas(spec, X, seeds=replicas, tol=1e-30, max_steps=steps)


def spectra(d: int, states: int) -> Callable[[], object]:
    net = mn.nets.FullyConnected(shape=(d,), width=max(8, d // 3), depth=6).build(seed=0).eval()
    Z = torch.rand(states, d, generator=torch.Generator().manual_seed(0))
    return lambda: mn.spectral_radius(net, Z)


def census(net: nn.Module, starts: int) -> Callable[[], object]:
    return lambda: mn.find_attractors(net, mn.Starts("uniform", starts))


def rows(runs: int) -> list[list[str]]:
    net = demo_network()
    return [
        curve(
            "replicas (width 32, depth 4, 100 steps)",
            [4, 16, 64, 256, 1024],
            lambda r: training(100, replicas=r, width=32),
            runs,
        ),
        curve(
            "width (16 replicas, depth 4, 30 steps)",
            [8, 32, 128, 512, 1024],
            lambda w: training(30, replicas=16, width=w),
            runs,
        ),
        curve(
            "d (spectral radius at 10 states, width d / 3, depth 6)",
            [48, 192, 768, 3072, 4800],
            lambda d: spectra(d, 10),
            runs,
        ),
        curve(
            "states (spectral radius, d = 768, width 256, depth 6)",
            [4, 16, 64, 256, 1024],
            lambda states: spectra(768, states),
            runs,
        ),
        curve(
            "starts (census, demo network)",
            [1000, 10_000, 100_000],
            lambda starts: census(net, starts),
            min(runs, 3),
        ),
    ]


if __name__ == "__main__":
    print(table(HEADER, rows(int(sys.argv[1]) if len(sys.argv) > 1 else 3)))
