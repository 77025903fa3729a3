"""`status`: the runs of a sweep that are done, run, have failed, and are missing."""

import os
import socket
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import polars as pl

from mnemoscope.sweep.columns import STATUS
from mnemoscope.sweep.ledger import (
    EVERY,
    BrokenPlan,
    Failure,
    chosen_sweeps,
    failures,
    planned_keys,
    read_note,
)
from mnemoscope.sweep.loading import stored
from mnemoscope.sweep.store import Store

SILENT = 6 * EVERY
"""Time without a note after which a sweep that has not ended is considered dead (s)."""


@dataclass(frozen=True)
class SweepStatus:
    """The state of a sweep; `planned` is `done`, `failed` and `missing` together.

    Attributes:
        name: The sweep.
        state: `running`, `done`, `interrupted` (Ctrl-C), `stopped` (the store failed), `lost`: it
            was killed, as no note has come for a while; or `broken`: its plan cannot be read, so
            that nothing is counted and `failures` has only the file that is to blame.
        planned: Number of its runs.
        done: Runs that are stored.
        interpolated: Stored runs that interpolated.
        not_interpolated: Stored runs that did not interpolate in their steps.
        diverged: Stored runs that diverged.
        failed: Runs that could not be done and are named with the reason.
        missing: Runs that are neither stored nor named: those running and those to come.
        running: Groups that workers have.
        rate: Runs per second, of the time it last ran.
        begun: The time at which it last began.
        seen: The time of its last note.
        failures: Runs that failed, and why. A broken note of a failure has no runs, and is listed
            for every sweep, since it may belong to any.
    """

    name: str
    state: str
    planned: int = 0
    done: int = 0
    interpolated: int = 0
    not_interpolated: int = 0
    diverged: int = 0
    failed: int = 0
    missing: int = 0
    running: tuple[str, ...] = ()
    rate: float = 0.0
    begun: str = ""
    seen: str = ""
    failures: tuple[Failure, ...] = ()


def status(place: str | os.PathLike[str], sweep: str | None = None) -> tuple[SweepStatus, ...]:
    """Returns the state of the sweeps of a store, from what is stored there.

    Args:
        place: The folder or URL.
        sweep: The name of a sweep; default: all sweeps.

    Returns:
        The state of each; of several, one with a broken plan has the state `broken`.

    Raises:
        MnemoscopeError: there is no sweep; the plan of the one that is asked for is broken, or a
            file of rows.
        StoreError: the store cannot be read.
    """
    store = Store(place)
    failed = failures(store)
    found = []
    for name in chosen_sweeps(store, sweep):
        try:
            found.append(_status(store, name, failed))
        except BrokenPlan as error:
            if sweep is not None:
                raise
            found.append(SweepStatus(name, "broken", failures=(Failure("", (), str(error), 0),)))
    return tuple(found)


def _status(store: Store, name: str, failed: list[Failure]) -> SweepStatus:
    note = read_note(store, name)
    rows = stored(store, name)
    counts = {known: rows.filter(pl.col("status") == known).height for known in STATUS}
    keys = planned_keys(store, name)["key"]
    open_ = set(keys.to_list()) - set(rows["key"].to_list())
    own = tuple(one for one in failed if not one.keys or open_.intersection(one.keys))
    lost = sum(len(open_.intersection(one.keys)) for one in own)
    state = note.get("state", "lost")
    age = datetime.now(UTC) - datetime.fromisoformat(note["seen"])
    if state == "running" and age.total_seconds() > SILENT and not _alive(note):
        state = "lost"
    return SweepStatus(
        name=name,
        state=state,
        planned=len(keys),
        done=rows.height,
        **counts,
        failed=lost,
        missing=len(open_) - lost,
        running=tuple(note.get("running", ())) if state == "running" else (),
        rate=note.get("rate", 0.0),
        begun=note.get("begun", ""),
        seen=note["seen"],
        failures=own,
    )


def _alive(note: Mapping[str, Any]) -> bool:
    """Returns whether the driver runs on this machine: one that computes itself notes nothing."""
    if note.get("host") != socket.gethostname():
        return False
    try:
        os.kill(note["process"], 0)
    except (OSError, OverflowError):
        return False
    return True
