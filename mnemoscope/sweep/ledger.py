"""What a sweep writes of itself: its design, its planned runs, where it stands, what failed."""

import io
import json
import os
import socket
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import PurePosixPath
from typing import Any

import polars as pl

from mnemoscope.base.errors import MnemoscopeError
from mnemoscope.base.provenance import versions
from mnemoscope.base.small_files import parse_json
from mnemoscope.sweep.design import Design
from mnemoscope.sweep.runs import Run
from mnemoscope.sweep.store import Store

FORMAT = "mnemoscope-sweep/1"

EVERY = 5.0
"""Seconds between two notes of where a sweep stands."""


@dataclass(frozen=True)
class Failure:
    """Runs that could not be done; or a file that should tell of some, and is broken.

    Attributes:
        group: The name of their group; its log has the same. Empty if a plan is broken.
        keys: The runs; none if a file is broken, since it does not tell them.
        reason: Why, in a line; of a broken file which it is, and what to do.
        attempts: How often it was tried; 0 if a file is broken.
    """

    group: str
    keys: tuple[str, ...]
    reason: str
    attempts: int


@dataclass
class Ledger:
    """The notes of one sweep in its store.

    Attributes:
        store: Where.
        design: What is run.
        code: The version of the code.
        planned: How many runs.
        told: What the last note said, besides.
    """

    store: Store
    design: Design
    code: str
    planned: int
    told: dict[str, Any] = field(default_factory=dict)
    _at: float = float("-inf")

    def begin(self, runs: Sequence[Run]) -> None:
        """Notes what is planned.

        Raises:
            StoreError: the store cannot be written to.
        """
        content = io.BytesIO()
        planned_table(runs, self.design).write_parquet(content)
        self.store.write(f"plans/{self.design.name}.parquet", content.getvalue())
        self.told = {"begun": _now(), "factors": varied_columns(runs, self.design)}

    def note(self, *, last: bool = False, **values: Any) -> None:
        """Notes where the sweep stands, every few seconds or when it ends.

        Args:
            last: Write it whenever the note before was written.
            **values: What to tell.

        Raises:
            StoreError: the store cannot be written to.
        """
        self.told |= values
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
            **self.told,
        }
        text = json.dumps(content, indent=1) + "\n"
        self.store.write(f"plans/{self.design.name}.json", text.encode())

    def fail(self, failure: Failure) -> None:
        """Notes runs that could not be done.

        Raises:
            StoreError: the store cannot be written to.
        """
        content = {
            "group": failure.group, "keys": list(failure.keys), "reason": failure.reason,
            "attempts": failure.attempts, "date": _now(), "log": f"logs/{failure.group}.log",
        }  # fmt: skip
        self.store.write(f"failures/{failure.group}.json", (json.dumps(content) + "\n").encode())


def varied_columns(runs: Sequence[Run], design: Design) -> list[str]:
    """The columns of the rows in which what a design varies is told; `widths` are lists."""
    listed = {isinstance(run.factors.get("spec.width"), list | tuple) for run in runs}
    names = (["width"] if False in listed else []) + (["widths"] if True in listed else [])
    columns = [names if name == "spec.width" else [column(name)] for name in design.factors]
    return [name for some in columns for name in some]


def column(name: str) -> str:
    """The column of a field: `spec.depth` is `depth`."""
    return name.rpartition(".")[2]


def planned_table(runs: Sequence[Run], design: Design) -> pl.DataFrame:
    """A row for each planned run: its key, its seed and what the design varies."""
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


def failures(store: Store) -> list[Failure]:
    """All failures that are noted; a note that is broken is one itself, which names its file.

    Raises:
        StoreError: the store cannot be read.
    """
    return [
        read_failure(content) or _broken_note(store, name)
        for name, content in store.read_all(store.names("failures")).items()
    ]


def read_failure(content: bytes) -> Failure | None:
    """A failure from its note; None if the note is broken."""
    try:
        told: Mapping[str, Any] = parse_json(content)
        found = Failure(told["group"], tuple(told["keys"]), told["reason"], told["attempts"])
    except (ValueError, TypeError, KeyError):
        return None
    words = (found.group, found.reason, *found.keys)
    whole = isinstance(told["keys"], list) and isinstance(found.attempts, int) and found.keys
    return found if whole and all(isinstance(word, str) for word in words) else None


def _broken_note(store: Store, name: str) -> Failure:
    told = MnemoscopeError(
        f"{store.place}/{name}, which is broken",
        expected="the note of a failure that a sweep wrote there",
        todo="run the sweep again, which tries those runs again",
    )
    return Failure(PurePosixPath(name).stem, (), str(told), 0)


def _plain(value: Any) -> Any:
    """A level as one column can hold it beside others."""
    return json.dumps(value) if isinstance(value, list | tuple | dict) else value


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
