"""`plan`: the number of runs of a design, and their cost, from a timed pilot."""

import io
import os
import time
from collections.abc import Sequence
from concurrent.futures import TimeoutError as TookTooLong
from contextlib import redirect_stdout
from dataclasses import dataclass, replace
from operator import attrgetter
from typing import Any

import polars as pl

from mnemoscope.base.memory import free_memory
from mnemoscope.sweep.code_version import code_version
from mnemoscope.sweep.columns import INTERPOLATED
from mnemoscope.sweep.configuration import Run
from mnemoscope.sweep.configured import forget_examples
from mnemoscope.sweep.design import Design
from mnemoscope.sweep.fitting import fit
from mnemoscope.sweep.loading import stored_keys
from mnemoscope.sweep.needed_memory import machine_memory
from mnemoscope.sweep.process_pool import Processes, WorkerLost
from mnemoscope.sweep.running import check_design, group_cost, layout
from mnemoscope.sweep.runs import Group, code_of_design, groups, planned_runs
from mnemoscope.sweep.store import Store
from mnemoscope.sweep.work import saved

PILOTS = 6
"""Number of groups that are tried: each represents a sixth of the cost of the sweep."""

PILOT_RUNS = 16
"""Maximum number of runs of a group that are tried."""

PILOT_SECONDS = 60.0
"""Time limit of all pilots, by default (s)."""


@dataclass(frozen=True)
class Pilot:
    """A part of a group that was run to measure its cost.

    Attributes:
        setting: The varied fields of its first run.
        runs: Number of runs that were tried.
        represents: Number of runs that it represents.
        memory: The least memory that they need (bytes).
        too_large: It was not tried, since this much memory is not free here.
        seconds: Duration; None if it did not end in time, or was not tried.
        interpolated: Number of runs that interpolated.
        row_bytes: Parquet bytes for each run of a whole group of its kind.
        weight_bytes: Size of a kept network.
    """

    setting: dict[str, object]
    runs: int
    represents: int
    memory: int
    too_large: bool = False
    seconds: float | None = None
    interpolated: int = 0
    row_bytes: float = 0.0
    weight_bytes: int = 0


@dataclass(frozen=True)
class Plan:
    """The size and the cost of a design.

    Attributes:
        design: The design.
        runs: Number of its runs.
        groups: Number of groups of the runs that are not stored.
        present: Number of runs that are stored.
        largest_group: Number of runs of the largest group.
        group_memory: The least memory that training the most demanding group needs (bytes);
            measuring may need more.
        group_setting: The varied fields of that group's first run.
        run_memory: The least memory that this run needs alone.
        machine_memory: The memory of this machine; None if it is unknown.
        pilots: The pilots that were tried.
        seconds: Time that one worker needs for the missing runs; None if no pilot ended.
        begin_seconds: Time that a worker needs to begin.
        row_bytes: Size of their rows.
        weight_bytes: Size of the networks if all are kept that may be.
        unknown: Number of runs whose pilots did not end: their cost is not in `seconds`.
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

    Groups are sorted by their estimated cost and cut into parts of equal cost; the middle group of
    each part is tried, at most 16 of its runs, in a process of its own with one thread, after a
    call that only warms up. A part costs what its pilot took for each run. Replicas of a whole
    group take less time each than those of a pilot, so this overestimates.

    Args:
        design: The design; it is checked whole.
        place: A store, whose runs are not counted again.
        pilot_seconds: Time limit of all pilots (s); 0 for none.

    Raises:
        MnemoscopeError: the design is wrong.
    """
    forget_examples()
    planned = planned_runs(design, code_of_design(design))
    check_design(design)
    there = frozenset() if place is None else stored_keys(Store(place), layout(design))
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
        group_setting=dict(dearest.runs[0].factors) if dearest else {},
        run_memory=Group(dearest.runs[:1]).memory if dearest else 0,
        machine_memory=machine_memory(),
        pilots=tuple(pilots),
        seconds=sum((one.seconds or 0) / one.runs * one.represents for one in known)
        if known
        else None,
        begin_seconds=begin,
        row_bytes=sum(one.row_bytes * one.represents for one in known),
        weight_bytes=sum(one.weight_bytes * one.represents for one in known) if kept else 0,
        unknown=sum(one.represents for one in pilots if one.seconds is None),
    )


def _pilots(design: Design, cut: Sequence[Group], seconds: float) -> tuple[list[Pilot], float]:
    """Returns the pilots, and the time that a process takes to begin (s)."""
    parts = _parts(sorted(cut, key=group_cost))
    pilots: list[Pilot] = []
    if not parts:
        return pilots, 0.0
    executor = Processes(1, seconds)
    at = time.monotonic()
    try:
        # A process takes seconds to begin, which a sweep pays once for each worker.
        executor.submit(code_version).result()
        begin = time.monotonic() - at
        until = time.monotonic() + seconds
        for part in parts:
            middle = part[len(part) // 2]
            pilot = Pilot(
                setting=dict(middle.runs[0].factors),
                runs=len(middle.runs[:PILOT_RUNS]),
                represents=sum(len(group.runs) for group in part),
                memory=Group(middle.runs[:PILOT_RUNS]).memory,
            )
            left = until - time.monotonic()
            if pilot.memory > free_memory():
                pilot = replace(pilot, too_large=True)
            elif left > 0:
                try:
                    found = executor.submit(
                        try_runs, middle.runs[: pilot.runs], design.device, len(middle.runs)
                    )
                    pilot = replace(pilot, **found.result(left))
                except (TookTooLong, WorkerLost):
                    executor.shutdown(wait=False, cancel_futures=True)
                    executor = Processes(1, seconds)
            pilots.append(pilot)
    finally:
        executor.shutdown(wait=False, cancel_futures=True)
    return pilots, begin


def try_runs(runs: tuple[Run, ...], device: str, whole: int) -> dict[str, Any]:
    """Trains and measures some runs of a group, whose `whole` runs share one file.

    Returns the fields of a `Pilot` that this finds.
    """
    import torch

    if device == "cpu":
        torch.set_num_threads(1)
    begun = time.perf_counter()
    # Measured functions may print.
    with redirect_stdout(io.StringIO()):
        fitted = fit(runs, device=device, say=lambda line: None)
    took = time.perf_counter() - begun
    content = io.BytesIO()
    pl.concat([fitted.table] * -(-whole // len(runs))).head(whole).write_parquet(content)
    return {
        "seconds": took,
        "interpolated": int((fitted.table["status"] == INTERPOLATED).sum()),
        "row_bytes": len(content.getvalue()) / whole,
        "weight_bytes": 0 if fitted.replicas is None else len(saved(fitted.replicas[0])),
    }


def _parts(ordered: Sequence[Group]) -> list[list[Group]]:
    """Cuts groups in the order of their cost into parts of about equal cost."""
    share = sum(map(group_cost, ordered)) / PILOTS
    parts: list[list[Group]] = []
    passed = 0.0
    for group in ordered:
        if not parts or passed >= share * len(parts):
            parts.append([])
        parts[-1].append(group)
        passed += group_cost(group)
    return parts
