"""`plan`: how many runs a design has, and what they will take, from a timed pilot."""

import io
import os
import tempfile
import time
from collections.abc import Sequence
from concurrent.futures import TimeoutError as TookTooLong
from contextlib import redirect_stdout
from dataclasses import dataclass
from operator import attrgetter
from pathlib import Path

import polars as pl

from mnemoscope.base.memory import free_memory
from mnemoscope.nets import save
from mnemoscope.sweep.code_version import code_version
from mnemoscope.sweep.configuration import Configuration
from mnemoscope.sweep.configured import forget_examples
from mnemoscope.sweep.design import Design
from mnemoscope.sweep.executors import Processes, WorkerLost
from mnemoscope.sweep.fitting import fit
from mnemoscope.sweep.groups import Group, groups
from mnemoscope.sweep.load import stored_keys
from mnemoscope.sweep.needed_memory import machine_memory
from mnemoscope.sweep.rows import table
from mnemoscope.sweep.run import check_design, group_cost, layout
from mnemoscope.sweep.runs import Run, code_of_design, planned_runs
from mnemoscope.sweep.store import open_store

PILOTS = 6
"""Groups that are tried: each stands for a sixth of what the sweep costs."""

PILOT_RUNS = 16
"""Runs of a group that are tried."""

PILOT_SECONDS = 60.0
"""What all pilots may take, unless more is allowed."""


@dataclass(frozen=True)
class Pilot:
    """A part of a group that was run to see what it takes.

    Attributes:
        setting: What the design varies, of its first run.
        runs: How many runs were tried.
        stands_for: How many runs it stands for.
        memory: Bytes that these took at least.
        seconds: What it took; None if it did not end in time, or was not tried.
        too_large: Whether it was not tried, since so much memory is not free here.
        interpolated: How many of the runs interpolated.
        row_bytes: Of Parquet, for a whole group of its kind, a run.
        weight_bytes: Of a kept network.
    """

    setting: dict[str, object]
    runs: int
    stands_for: int
    memory: int
    too_large: bool
    seconds: float | None
    interpolated: int
    row_bytes: float
    weight_bytes: int


@dataclass(frozen=True)
class Plan:
    """What a design comes to.

    Attributes:
        design: The design.
        runs: How many runs it has.
        groups: How many groups those are that have not been stored.
        present: How many runs are stored.
        largest_group: Runs of the largest group.
        group_memory: Bytes that training the group that needs most takes at least; measuring may
            take more.
        group_setting: What the design varies, of that group's first run.
        run_memory: What this run alone takes at least.
        machine_memory: Bytes that this machine has; None if it does not tell.
        pilots: What was tried; empty if nothing was.
        seconds: What one worker will take, of the runs that are missing; None if no pilot ended.
        begin_seconds: What a worker takes before it begins.
        row_bytes: What their rows will take.
        weight_bytes: What the networks take if all are kept that may be.
        unknown: Runs whose pilots did not end: their cost is not in `seconds`.
    """

    design: Design
    runs: int
    groups: int
    present: int
    largest_group: int
    group_memory: int
    group_setting: dict[str, object]
    run_memory: int
    machine_memory: int | None
    pilots: tuple[Pilot, ...]
    seconds: float | None
    begin_seconds: float
    row_bytes: float
    weight_bytes: float
    unknown: int


def plan(
    design: Design,
    place: str | os.PathLike[str] | None = None,
    *,
    pilot_seconds: float = PILOT_SECONDS,
) -> Plan:
    """Counts the runs and groups of a design, and times a pilot of each sixth of it.

    Groups are put in the order of what they should cost and cut into parts of equal cost; of each
    part the middle group is tried, at most 16 of its runs, in a process of its own with one
    thread, after one that only warms up. What a part takes is what its pilot took for each run.
    Replicas of a whole group take less each than those of a pilot, so this errs towards more.

    Args:
        design: The design; it is checked whole.
        place: A store, whose runs are not counted again.
        pilot_seconds: What all pilots may take; 0 for none.

    Raises:
        MnemoscopeError: the design is wrong.
    """
    forget_examples()
    code = code_of_design(design)
    planned = planned_runs(design, code)
    check_design(design)
    there = frozenset() if place is None else stored_keys(open_store(place), layout(design))
    missing = [run for run in planned if run.key not in there]
    cut = groups(missing, design.group_size)
    pilots, begin = [], 0.0
    if pilot_seconds:
        pilots, begin = _pilots(design, cut, pilot_seconds)
    dearest = max(cut, key=attrgetter("memory"), default=None)
    known = [one for one in pilots if one.seconds is not None]
    kept = design.keep_weights != "none"
    return Plan(
        design=design,
        runs=len(planned),
        groups=len(cut),
        present=len(planned) - len(missing),
        largest_group=max((len(group.runs) for group in cut), default=0),
        group_memory=dearest.memory if dearest else 0,
        group_setting=_setting(dearest.runs[0]) if dearest else {},
        run_memory=Group(dearest.runs[:1]).memory if dearest else 0,
        machine_memory=machine_memory(),
        pilots=tuple(pilots),
        seconds=sum((one.seconds or 0) / one.runs * one.stands_for for one in known)
        if known
        else None,
        begin_seconds=begin,
        row_bytes=sum(one.row_bytes * one.stands_for for one in known),
        weight_bytes=sum(one.weight_bytes * one.stands_for for one in known) if kept else 0,
        unknown=sum(one.stands_for for one in pilots if one.seconds is None),
    )


def _pilots(design: Design, cut: Sequence[Group], seconds: float) -> tuple[list[Pilot], float]:
    """The pilots, and how many seconds a process takes to begin."""
    parts = _parts(sorted(cut, key=group_cost))
    found: list[Pilot] = []
    begin = 0.0
    if not parts:
        return found, begin
    executor = Processes(1, seconds)
    at = time.monotonic()
    try:
        # A process takes seconds to begin, which a sweep pays once for each worker.
        executor.submit(code_version).result()
        begin = time.monotonic() - at
        until = time.monotonic() + seconds
        for part in parts:
            tried = part[len(part) // 2].runs[:PILOT_RUNS]
            whole = len(part[len(part) // 2].runs)
            stands_for = sum(len(group.runs) for group in part)
            left = until - time.monotonic()
            took, interpolated, row_bytes, weight_bytes = None, 0, 0.0, 0
            memory = Group(tried).memory
            too_large = memory > free_memory()
            if left > 0 and not too_large:
                try:
                    took, interpolated, row_bytes, weight_bytes = executor.submit(
                        try_runs,
                        tuple(run.configuration for run in tried),
                        tuple(run.first for run in tried),
                        design.device,
                        whole,
                    ).result(left)
                except (TookTooLong, WorkerLost):
                    executor.shutdown(wait=False, cancel_futures=True)
                    executor = Processes(1, seconds)
            found.append(
                Pilot(
                    _setting(tried[0]), len(tried), stands_for, memory, too_large, took,
                    interpolated, row_bytes, weight_bytes,
                )
            )  # fmt: skip
    finally:
        executor.shutdown(wait=False, cancel_futures=True)
    return found, begin


def try_runs(
    runs: tuple[Configuration, ...], first: tuple[bool, ...], device: str, whole: int
) -> tuple[float, int, float, int]:
    """Trains and measures some runs of a group: seconds, interpolated, bytes a row, of a network.

    Args:
        runs: The runs.
        first: Whether each is the first seed of its setting.
        device: Where to compute.
        whole: Runs of their group, whose rows share one file.
    """
    import torch

    if device == "cpu":
        torch.set_num_threads(1)
    begun = time.perf_counter()
    # What measured functions print is not the plan's.
    with redirect_stdout(io.StringIO()):
        fitted = fit(runs, first, device=device, say=_silent)
    took = time.perf_counter() - begun
    frame = table(runs, [f"{row:032x}" for row in range(len(runs))], "", "", fitted)
    content = io.BytesIO()
    pl.concat([frame] * -(-whole // len(runs))).head(whole).write_parquet(content)
    weights = 0
    if fitted.replicas is not None:
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "network.safetensors"
            save(fitted.replicas[0], path)
            weights = path.stat().st_size
    return took, sum(fitted.interpolated), len(content.getvalue()) / whole, weights


def _parts(ordered: Sequence[Group]) -> list[list[Group]]:
    """Groups in the order of their cost, cut into parts of about equal cost."""
    share = sum(map(group_cost, ordered)) / PILOTS
    parts: list[list[Group]] = []
    passed = 0.0
    for group in ordered:
        if not parts or passed >= share * len(parts):
            parts.append([])
        parts[-1].append(group)
        passed += group_cost(group)
    return parts


def _setting(run: Run) -> dict[str, object]:
    return dict(run.factors)


def _silent(line: str) -> None:
    return
