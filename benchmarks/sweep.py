"""Sweeps: what the machinery costs in addition to training, and how it withstands faults.

python benchmarks/sweep.py [overhead tiny dask million faults cost storage ...]
"""

import os
import pickle
import random
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import polars as pl
import torch
from timing import table

from mnemoscope.report.sweep import Axis, write_sweep_page
from mnemoscope.sweep import Design, load, run, status
from mnemoscope.sweep.code_version import code_version
from mnemoscope.sweep.executors import Workers, available_cores, dask_workers, processes
from mnemoscope.sweep.fitting import fit
from mnemoscope.sweep.ledger import Ledger
from mnemoscope.sweep.measurements import quantities_of
from mnemoscope.sweep.running import layout
from mnemoscope.sweep.runs import Group, code_of_design, groups, planned_runs
from mnemoscope.sweep.store import Store
from mnemoscope.sweep.work import Task

CORES = available_cores()

TINY = {
    "data": {"source": "photos", "size": 4, "gray": True, "n": 4},
    "spec": {"width": 16, "depth": 3},
    "measure": {"take": ["stored", "contraction"]},
}
"""d = 16, width 16, depth 3, n = 4."""


def tiny(runs: int, **fields: Any) -> Design:
    """A design of `runs` tiny runs."""
    activations = ["leaky_relu", "tanh", "silu", "sigmoid", "elu"]
    grid = {"training.lr": [1e-3, 2e-3], "spec.activation": activations}
    return Design(name="tiny", grid=grid, seeds=runs // 10, **TINY, **fields)


def overhead() -> str:
    """What a sweep takes beyond training and measuring, in groups of a second or longer."""
    cells = []
    for seeds, size in ((300, 100), (1000, None)):
        design = tiny(10 * seeds, group_size=size)
        with tempfile.TemporaryDirectory() as folder, processes(CORES, 600) as workers:
            _warm(workers)
            done = run(design, folder, executor=workers)
        count = len(groups(planned_runs(design, ""), size))
        spent = CORES * done.seconds
        cells.append(
            [
                f"{done.done:,}", f"{count}", f"{done.seconds_computing / count:.2f}",
                f"{done.seconds:.1f}", f"{1e3 * (spent - done.seconds_computing) / count:.0f}",
                f"**{100 * (spent / done.seconds_computing - 1):.1f}%**",
            ]
        )  # fmt: skip
    return table(
        ["runs", "groups", "a group computes, s", "all, s", "rest, ms a group", "overhead"],
        cells,
    )


def ten_thousand() -> str:
    """10,000 tiny runs by the command, everything included."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "tiny.toml"
        path.write_text(TOML)
        begun = time.perf_counter()
        _command("run", str(path), "--out", f"{folder}/store").wait()
        took = time.perf_counter() - begun
        (state,) = status(f"{folder}/store")
    return table(
        ["runs", "stored", "interpolated", "seconds"],
        [
            [
                f"{state.planned:,}",
                f"{state.done:,}",
                f"{state.interpolated:,}",
                f"**{took:.0f}**",
            ]
        ],
    )


TOML = """name = "tiny"
seeds = 1000
[data]
source = "photos"
size = 4
gray = true
n = 4
[spec]
width = 16
depth = 3
[measure]
take = ["stored", "contraction"]
[grid]
training.lr = [1e-3, 2e-3]
spec.activation = ["leaky_relu", "tanh", "silu", "sigmoid", "elu"]
"""


def dask() -> str:
    """Two workers of a Dask cluster against one, three times in turn."""
    design = tiny(2_400, group_size=100)
    took: dict[int, list[float]] = {1: [], 2: []}
    for _ in range(3):
        for count, times in took.items():
            with (
                tempfile.TemporaryDirectory() as folder,
                dask_workers("local", workers=count) as workers,
            ):
                _warm(workers)
                times.append(run(design, folder, executor=workers).seconds)
    ratios = [one / two for one, two in zip(took[1], took[2], strict=True)]
    return table(
        ["one worker, s", "two, s", "ratio"],
        [[_spread(took[1]), _spread(took[2]), f"**{_spread(ratios)}**"]],
    )


def million() -> str:
    """A million rows: written as a sweep of groups would, read, drawn."""
    with tempfile.TemporaryDirectory() as folder:
        store = Store(folder)
        design, frame = _made_up(1_000_000)
        name = layout(design)
        for at in range(0, frame.height, 500):
            part = frame.slice(at, 500)
            path = Path(folder) / "rows" / name / f"{at:016x}.parquet"
            path.parent.mkdir(parents=True, exist_ok=True)
            part.write_parquet(path)
        Path(folder, "plans").mkdir()
        frame.select("key", "depth", "width", "seed").write_parquet(f"{folder}/plans/tiny.parquet")
        Ledger(store, design, "", frame.height).note(
            last=True, state="done", factors=["depth", "width"], quantities=[]
        )
        del frame
        code = (
            "import sys, time; begun = time.perf_counter(); import mnemoscope as mn; "
            "from mnemoscope.report.sweep import Axis, sweep_charts, write_sweep_page; "
            "from mnemoscope.sweep.measurements import quantities_of; "
            "axes = [Axis(('depth',)), Axis(('width',))]; "
            "ready = time.perf_counter(); rows = mn.sweep.load(sys.argv[1]); "
            "measured = quantities_of(rows.collect_schema().names()); "
            "charts = sweep_charts(rows, axes, measured); drawn = time.perf_counter(); "
            "print(ready - begun, drawn - ready)"
        )
        took = [
            [float(part) for part in subprocess.run(
                [sys.executable, "-c", code, folder], capture_output=True, text=True, check=True
            ).stdout.split()]
            for _ in range(3)
        ]  # fmt: skip
        begun = time.perf_counter()
        rows = load(folder)
        write_sweep_page(
            rows,
            f"{folder}/page.html",
            axes=[Axis(("depth",)), Axis(("width",))],
            quantities=quantities_of(rows.collect_schema().names()),
            about={"name": "tiny", "about": "", "provenance": {}},
            planned=1_000_000,
        )
        page = time.perf_counter() - begun
        files = len(list(Path(folder, "rows", name).iterdir()))
    return table(
        ["rows", "files", "import, s", "read and all heat maps drawn, s", "whole page, s"],
        [
            ["1,000,000", f"{files:,}", _spread([a for a, _ in took]),
             f"**{_spread([b for _, b in took])}**", f"{page:.1f}"],
        ],
    )  # fmt: skip


def _made_up(count: int) -> tuple[Design, pl.DataFrame]:
    """Rows as they might be: one group's, again and again, with other keys and settings."""
    grid = {"spec.depth": list(range(1, 21)), "spec.width": list(range(8, 168, 8))}
    fixed = {name: value for name, value in TINY.items() if name != "spec"}
    design = Design(name="tiny", grid=grid, seeds=64, **fixed)
    planned = planned_runs(design, "")[:64]
    frame = fit(planned, "0", "0", say=_silent).table
    some = pl.concat([frame] * (count // frame.height))
    at = pl.int_range(pl.len())
    return design, some.with_columns(
        at.hash(1).cast(pl.Utf8).str.pad_start(32, "0").alias("key"),
        (at % 20 + 1).alias("depth"),
        (at // 20 % 20 * 8 + 8).alias("width"),
        (at // 400).alias("seed"),
        (at.hash(2) % 5).cast(pl.Int64).alias("stored"),
    )


def faults() -> str:
    """The whole command with its workers killed at a random moment, a hundred times."""
    generator = random.Random(0)
    kills, moments, resumed = 100, [], 0
    expected = ""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "tiny.toml"
        path.write_text(TOML.replace("seeds = 1000", "seeds = 100\ngroup_size = 5"))
        begun = time.perf_counter()
        _command("run", str(path), "--out", f"{folder}/whole").wait()
        whole = time.perf_counter() - begun
        expected = _losses(f"{folder}/whole")
        wrong = place = 0
        store = f"{folder}/0"
        for _ in range(kills):
            process = _command("run", str(path), "--out", store)
            time.sleep(generator.uniform(0, whole))
            early = process.poll() is None
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            moments.append(early)
            try:
                done = status(store)[0].done
            except ValueError:
                done = 0
            if done == 1000:
                wrong += _losses(store) != expected
                resumed += 1
                place += 1
                store = f"{folder}/{place}"
        _command("run", str(path), "--out", store).wait()
        wrong += _losses(store) != expected
    return table(
        [
            "kills",
            "while it ran",
            "sweeps brought to their end",
            "that differ from one undisturbed",
        ],
        [[f"{kills}", f"{sum(moments)}", f"{resumed + 1}", f"**{wrong}**"]],
    )


def _losses(store: str) -> str:
    rows = load(store).sort("key").collect()
    assert rows["key"].n_unique() == rows.height == 1000
    return rows.select("key", pl.col("loss").log10().round(2), "steps").write_csv()


def cost() -> str:
    """Seconds a run against width, depth, d and n, in groups of their own size."""
    base = {"width": 64, "depth": 4, "n": 10, "size": 8}
    cells = []
    for name, values in (
        ("width", (16, 32, 64, 128, 256)), ("depth", (2, 4, 8, 16)), ("n", (5, 10, 20, 40)),
        ("size", (4, 8, 16, 32)),
    ):  # fmt: skip
        for value in values:
            now = base | {name: value}
            design = Design(
                name="cost", seeds=32,
                data={"source": "photos", "gray": True, "n": now["n"], "size": now["size"]},
                spec={"width": now["width"], "depth": now["depth"]},
                training={"max_steps": 500, "tol": 1e-30},
            )  # fmt: skip
            planned = planned_runs(design, "")
            group = groups(planned)[0]
            took = _step(group)
            flops = 6 * group.runs[0].configuration.spec.parameters_count() * now["n"]
            cells.append(
                [
                    "d" if name == "size" else name,
                    str(value * value if name == "size" else value),
                    f"{len(group.runs)}", f"{1e6 * took:.1f}", f"{flops / took / 1e9:.1f}",
                ]
            )  # fmt: skip
    return table(["against", "value", "runs in a group", "µs a run and step", "Gflop/s"], cells)


def _step(group: Group) -> float:
    torch.set_num_threads(1)
    times = [fit(group.runs, say=_silent).seconds_training for _ in range(3)]
    return statistics.median(times) / 500 / len(group.runs)


def storage() -> str:
    """Rows a second into storage, and planned runs a second."""
    design = tiny(10_000)
    begun = time.perf_counter()
    planned = planned_runs(design, code_of_design(design))
    planning = time.perf_counter() - begun
    group = groups(planned)[0]
    frame = fit(group.runs, "0", "0", say=_silent).table
    times = []
    with tempfile.TemporaryDirectory() as folder:
        store, path = Store(folder), Path(folder) / "one.parquet"
        for at in range(20):
            begun = time.perf_counter()
            frame.write_parquet(path)
            store.write(f"rows/x/{at}.parquet", path.read_bytes())
            times.append(time.perf_counter() - begun)
        size = path.stat().st_size
    took = statistics.median(times)
    return table(
        [
            "rows a group", "ms a group", "rows a second", "bytes a row", "bytes a run to a worker",
            "runs planned a second", "s until a worker has begun",
        ],
        [
            [f"{len(group.runs)}", f"{1e3 * took:.1f}", f"{len(group.runs) / took:,.0f}",
             f"{size / len(group.runs):.0f}", f"{_sent(group):.0f}",
             f"{len(planned) / planning:,.0f}", f"{_beginning():.1f}"],
        ],
    )  # fmt: skip


def _sent(group: Group) -> float:
    """Bytes of a group, for each of its runs, as it travels to a worker."""
    task = Task(
        store="runs/tiny", group=group, layout="00000000",
        code="", keep_weights="none", device="cpu", timeout=600, watch="exit",
    )  # fmt: skip
    return len(pickle.dumps(task)) / len(group.runs)


def _beginning() -> float:
    """Seconds that a process takes to import what it needs."""
    begun = time.perf_counter()
    with processes(1, 600) as workers:
        workers.executor.submit(code_version).result()
        return time.perf_counter() - begun


def _command(*arguments: str) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, "-m", "mnemoscope", "sweep", *arguments],
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True,
    )  # fmt: skip


def _warm(workers: Workers) -> None:
    """Lets every process import what it needs, which each does once."""
    design = tiny(10, group_size=1)
    with tempfile.TemporaryDirectory() as folder:
        run(design, folder, executor=workers)


def _spread(values: list[float]) -> str:
    low, high = min(values), max(values)
    return f"{statistics.median(values):.3g} ({low:.3g} – {high:.3g})"


def _silent(line: str) -> None:
    return


PARTS: dict[str, Callable[[], str]] = {
    "overhead": overhead,
    "tiny": ten_thousand,
    "dask": dask,
    "million": million,
    "faults": faults,
    "cost": cost,
    "storage": storage,
}
"""The parts, by name."""

if __name__ == "__main__":
    for name in sys.argv[1:] or PARTS:
        print(f"\n{PARTS[name].__doc__}\n\n{PARTS[name]()}", flush=True)
