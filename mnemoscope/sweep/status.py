"""`status`: what of a sweep is done, runs, has failed, and is missing."""

import os
import socket
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import polars as pl

from mnemoscope.sweep.ledger import EVERY, Failure, failures
from mnemoscope.sweep.load import BrokenPlan, planned_keys, read_note, stored, sweeps
from mnemoscope.sweep.rows import STATUS
from mnemoscope.sweep.store import Store, open_store

SILENT = 6 * EVERY
"""Seconds without a note after which a sweep that has not ended is taken to be dead."""


@dataclass(frozen=True)
class SweepStatus:
    """Where a sweep stands: `planned` is `done`, failed and `missing` together.

    Attributes:
        name: The sweep.
        state: `running`, `done`, `interrupted` (Ctrl-C), `stopped` (the store failed), `lost`: it
            was killed, as no note has come for a while; or `broken`: its plan cannot be read, so
            that nothing is counted and `failures` has only the file that is to blame.
        planned: Its runs.
        done: Those that are stored.
        interpolated: Those of them that interpolated.
        not_interpolated: Those that did not in their steps.
        diverged: Those that diverged.
        failed: Runs that could not be done and are named with the reason.
        missing: Runs that are neither stored nor named: those running and those to come.
        running: Groups that workers have.
        rate: Runs a second, of the time it last ran.
        begun: When it last began.
        seen: When it last noted anything.
        failures: What failed, and why. A broken note of a failure is one without runs, and is told
            of every sweep, since it may be of any.
    """

    name: str
    state: str
    planned: int
    done: int
    interpolated: int
    not_interpolated: int
    diverged: int
    failed: int
    missing: int
    running: tuple[str, ...]
    rate: float
    begun: str
    seen: str
    failures: tuple[Failure, ...]


def status(place: str | os.PathLike[str], sweep: str | None = None) -> tuple[SweepStatus, ...]:
    """Where each sweep of a store stands, from what is stored there.

    Args:
        place: The folder or URL.
        sweep: One sweep; all of them if left out.

    Returns:
        One for each sweep. If the plan of one of all is broken, its state is.

    Raises:
        MnemoscopeError: there is none; or the plan of the one that is asked for is broken, or a
            file of rows.
        StoreError: the store cannot be read.
    """
    store = open_store(place)
    names = sweeps(store) if sweep is None else [sweep]
    failed = failures(store)
    found = []
    for name in names:
        try:
            found.append(_status(store, name, failed))
        except BrokenPlan as error:
            if sweep is not None:
                raise
            found.append(_broken(name, error))
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
        interpolated=counts["interpolated"],
        not_interpolated=counts["not_interpolated"],
        diverged=counts["diverged"],
        failed=lost,
        missing=len(open_) - lost,
        running=tuple(note.get("running", ())) if state == "running" else (),
        rate=note.get("rate", 0.0),
        begun=note.get("begun", ""),
        seen=note["seen"],
        failures=own,
    )


def _broken(name: str, error: BrokenPlan) -> SweepStatus:
    return SweepStatus(
        name=name,
        state="broken",
        planned=0,
        done=0,
        interpolated=0,
        not_interpolated=0,
        diverged=0,
        failed=0,
        missing=0,
        running=(),
        rate=0.0,
        begun="",
        seen="",
        failures=(Failure("", (), str(error), 0),),
    )


def _alive(note: Mapping[str, Any]) -> bool:
    """Whether the driver is a process of this machine: one that computes itself notes nothing."""
    if note.get("host") != socket.gethostname():
        return False
    try:
        os.kill(note["process"], 0)
    except (OSError, OverflowError):
        return False
    return True
