"""The notes of a sweep: its design, its planned runs, its state, what failed."""

import io
import json
import os
import socket
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from functools import partial
from pathlib import PurePosixPath
from typing import Any, TypeVar

import polars as pl

from mnemoscope.base.check import one_of
from mnemoscope.base.errors import MnemoscopeError
from mnemoscope.base.provenance import versions
from mnemoscope.base.quantity import Quantity
from mnemoscope.base.small_files import parse_json
from mnemoscope.sweep.configuration import Run
from mnemoscope.sweep.design import Design
from mnemoscope.sweep.measurements import find_measurement
from mnemoscope.sweep.runs import measure_of
from mnemoscope.sweep.store import Store

FORMAT = "mnemoscope-sweep/2"

EVERY = 5.0
"""Time between two notes of the state of a sweep (s)."""

NOTED = {
    "name": str,
    "design": dict,
    "factors": list,
    "quantities": list,
    "host": str,
    "process": int,
    "planned": int,
    "seen": str,
}
"""Values of every note of a sweep, with their types."""

NOTED_LATER = {"state": str, "begun": str, "running": list, "rate": float}
"""Further values, once groups have been given to workers."""

Found = TypeVar("Found")


class BrokenPlan(MnemoscopeError):
    """A sweep's note or its planned runs cannot be read, which is no fault of other sweeps."""


@dataclass(frozen=True)
class Failure:
    """Runs that could not be done; or a note of such runs that is broken.

    Attributes:
        group: The name of their group; its log has the same. Empty if a plan is broken.
        keys: The runs; none if a file is broken.
        reason: The reason, in one line; of a broken file its name, and what to do.
        attempts: The number of attempts; 0 if a file is broken.
    """

    group: str
    keys: tuple[str, ...]
    reason: str
    attempts: int


@dataclass
class Ledger:
    """Writes the notes of one sweep.

    Attributes:
        store: The store of the sweep.
        design: What is run.
        code: The version of the code.
        planned: The number of runs.
        noted: The values of the last note.
    """

    store: Store
    design: Design
    code: str
    planned: int
    noted: dict[str, Any] = field(default_factory=dict)
    _at: float = float("-inf")

    def begin(self, runs: Sequence[Run]) -> None:
        """Notes what is planned."""
        content = io.BytesIO()
        planned_table(runs, self.design).write_parquet(content)
        self.store.write(f"plans/{self.design.name}.parquet", content.getvalue())
        self.noted = {
            "begun": _now(),
            "factors": varied_columns(runs, self.design),
            "quantities": [
                asdict(one)
                for name in measure_of(self.design).take
                for one in find_measurement(name).quantities
            ],
        }

    def note(self, *, last: bool = False, **values: Any) -> None:
        """Notes the state of the sweep, every few seconds or when it ends."""
        self.noted |= values
        if not last and time.monotonic() - self._at < EVERY:
            return
        self._at = time.monotonic()
        content = {
            "format": FORMAT,
            "name": self.design.name,
            "design": self.design.to_dict(),
            "code": self.code,
            "versions": versions(),
            "host": socket.gethostname(),
            "process": os.getpid(),
            "planned": self.planned,
            "seen": _now(),
            **self.noted,
        }
        self._write(f"plans/{self.design.name}.json", content, indent=1)

    def fail(self, failure: Failure) -> None:
        """Notes runs that could not be done."""
        content = {**asdict(failure), "date": _now(), "log": f"logs/{failure.group}.log"}
        self._write(f"failures/{failure.group}.json", content)

    def _write(self, name: str, content: Mapping[str, Any], indent: int | None = None) -> None:
        self.store.write(name, f"{json.dumps(content, indent=indent)}\n".encode())


def varied_columns(runs: Sequence[Run], design: Design) -> list[str]:
    """Returns the columns of the rows that hold what a design varies; `widths` are lists."""
    listed = {isinstance(run.factors.get("spec.width"), list | tuple) for run in runs}
    names = (["width"] if False in listed else []) + (["widths"] if True in listed else [])
    columns = [names if name == "spec.width" else [column(name)] for name in design.factors]
    return [name for some in columns for name in some]


def column(name: str) -> str:
    """Returns the column of a field: `spec.depth` is `depth`."""
    return name.rpartition(".")[2]


def planned_table(runs: Sequence[Run], design: Design) -> pl.DataFrame:
    """Returns a row for each planned run: its key, its seed and what the design varies."""
    varied = {
        column(name): pl.Series([_plain(run.factors.get(name)) for run in runs], strict=False)
        for name in design.factors
    }
    return pl.DataFrame(
        {
            "key": pl.Series([run.key for run in runs], dtype=pl.Utf8),
            **varied,
            "seed": pl.Series([run.configuration.seed for run in runs], dtype=pl.Int64),
        }
    )


def sweeps(store: Store) -> list[str]:
    """Returns the names of the sweeps of a store."""
    files = [PurePosixPath(name) for name in store.names("plans")]
    found = sorted({file.stem for file in files if file.suffix in (".json", ".parquet")})
    if not found:
        raise MnemoscopeError(
            f"{store.place}, where no sweep is",
            expected="a folder or URL that `mnemoscope sweep run` has written to",
            todo="check the path",
        )
    return found


def chosen_sweeps(store: Store, sweep: str | None) -> list[str]:
    """Returns the name of a sweep, or those of all if it is None."""
    known = sweeps(store)
    return known if sweep is None else [one_of("sweep", sweep, known)]


def read_note(store: Store, sweep: str | None = None) -> dict[str, Any]:
    """Reads the last note of a sweep."""
    notes = []
    for name in chosen_sweeps(store, sweep):
        note = _note(store.read(f"plans/{name}.json") or b"")
        if note is None or note["name"] != name:
            raise BrokenPlan(
                f"{store.place}/plans/{name}.json, which is missing or broken",
                expected="what `mnemoscope sweep run` wrote there",
                todo="run the sweep again: what is done is kept",
            )
        notes.append(note)
    return max(notes, key=lambda note: note["seen"])


def planned_keys(store: Store, sweep: str) -> pl.DataFrame:
    """Reads the keys of the planned runs of a sweep, as the column `key`."""
    name = f"plans/{sweep}.parquet"
    found = unless_broken(partial(pl.read_parquet, io.BytesIO(store.read(name) or b"")))
    planned = read_note(store, sweep)["planned"]
    if found is None or found.schema.get("key") != pl.Utf8 or found.height != planned:
        raise BrokenPlan(
            f"{store.place}/{name}, which is missing, broken or not that of {sweep}.json",
            expected="the Parquet file that a sweep wrote there",
            todo="run the sweep again: what is done is kept",
        )
    return found.select("key")


def failures(store: Store) -> list[Failure]:
    """Reads all failures that are noted; a broken note is a failure that names its file."""
    return [
        read_failure(content) or _broken_note(store, name)
        for name, content in store.read_all(store.names("failures")).items()
    ]


def read_failure(content: bytes) -> Failure | None:
    """Reads a failure from its note; returns None if the note is broken."""
    try:
        note: Mapping[str, Any] = parse_json(content)
        found = Failure(note["group"], tuple(note["keys"]), note["reason"], note["attempts"])
    except (ValueError, TypeError, KeyError):
        return None
    words = (found.group, found.reason, *found.keys)
    whole = isinstance(note["keys"], list) and isinstance(found.attempts, int) and found.keys
    return found if whole and all(isinstance(word, str) for word in words) else None


def unless_broken(read: Callable[[], Found]) -> Found | None:
    """Returns what is read; None if polars finds the file broken."""
    try:
        return read()
    except BaseException as error:
        if is_of_polars(error):
            return None
        raise


def is_of_polars(error: BaseException) -> bool:
    """Returns whether polars raised an error: some files make it panic, which is no Exception."""
    return isinstance(error, pl.exceptions.PolarsError) or type(error).__name__ == "PanicException"


def _note(content: bytes) -> dict[str, Any] | None:
    """Reads a note; returns None if it is broken."""
    try:
        note = parse_json(content)
        whole = [isinstance(note[name], kind) for name, kind in NOTED.items()]
        whole += [isinstance(note.get(name, kind()), kind) for name, kind in NOTED_LATER.items()]
        zoned = datetime.fromisoformat(note["seen"]).tzinfo is not None
        for values in note["quantities"]:
            Quantity(**values)
    except (ValueError, TypeError, KeyError):
        return None
    return note if zoned and all(whole) else None


def _broken_note(store: Store, name: str) -> Failure:
    error = MnemoscopeError(
        f"{store.place}/{name}, which is broken",
        expected="the note of a failure that a sweep wrote there",
        todo="run the sweep again, which tries those runs again",
    )
    return Failure(PurePosixPath(name).stem, (), str(error), 0)


def _plain(value: Any) -> Any:
    """Converts a value so that one column can hold it with the others."""
    return json.dumps(value) if isinstance(value, list | tuple | dict) else value


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
