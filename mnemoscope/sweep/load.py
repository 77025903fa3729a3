"""`load`: the rows of a sweep as one table."""

import io
import json
import os
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from pathlib import Path, PurePosixPath
from typing import Any, TypeVar

import polars as pl

from mnemoscope.errors import MnemoscopeError
from mnemoscope.sweep.rows import IDENTITY, OUTCOME, SETTINGS
from mnemoscope.sweep.store import LocalStore, Store, open_store, unreadable

FUNCTIONS = "-functions"
"""How the name of a layout ends whose columns may differ, since functions of a user give them."""

Found = TypeVar("Found")


def load(place: str | os.PathLike[str], sweep: str | None = None) -> pl.LazyFrame:
    """The rows that are stored of the planned runs, each run once.

    Rows of other versions of the code, and of settings that a design no longer has, stay in the
    store and are left out.

    Args:
        place: The folder or URL of a sweep; or one `.parquet` file of rows.
        sweep: The name of a sweep, where there are several; those of all if left out.

    Returns:
        A lazy table; its columns are told in `docs/sweeps.md`. Of a folder it is read when it is
        collected, and only the columns that are asked for; of a URL it is fetched at once.

    Raises:
        MnemoscopeError: there is no sweep, or none of this name.
        StoreError: the store cannot be read.
    """
    text = os.fspath(place)
    if text.endswith(".parquet"):
        return _one_file(text)
    store = open_store(text)
    known = sweeps(store)
    if sweep is not None:
        _check_name(store, known, sweep)
        known = [sweep]
    planned = pl.concat([planned_keys(store, name) for name in known]).unique()
    rows = all_rows(store)
    return rows.join(planned.lazy(), on="key", how="semi").unique("key", keep="any")


def stored(store: Store, sweep: str) -> pl.DataFrame:
    """The keys and states of the planned runs of a sweep that are stored.

    Raises:
        MnemoscopeError: there is no such sweep, or a file is broken.
        StoreError: the store cannot be read.
    """
    rows = load(store.place, sweep).select("key", "status")
    found = _tried(rows.collect)
    if found is None:
        names = [name for name in store.names("rows") if name.endswith(".parquet")]
        raise _broken(store, _first_broken(store, names))
    return found


def sweeps(store: Store) -> list[str]:
    """The names of the sweeps of a store.

    Raises:
        MnemoscopeError: there is none.
    """
    files = [PurePosixPath(name) for name in store.names("plans")]
    found = sorted({file.stem for file in files if file.suffix in (".json", ".parquet")})
    if not found:
        raise MnemoscopeError(
            f"{store.place}, where no sweep is",
            expected="a folder or URL that `mnemoscope sweep run` has written to",
            todo="check the path",
        )
    return found


def read_note(store: Store, sweep: str | None = None) -> dict[str, Any]:
    """What a sweep has last noted of itself.

    Args:
        store: Where.
        sweep: Its name; the one noted last, if left out.

    Raises:
        MnemoscopeError: there is none.
    """
    known = sweeps(store)
    if sweep is not None:
        _check_name(store, known, sweep)
        known = [sweep]
    notes = []
    for name in known:
        content = store.read(f"plans/{name}.json") or b""
        try:
            note = json.loads(content)
            datetime.fromisoformat(note["seen"])
            int(note["planned"])
        except (ValueError, TypeError, KeyError) as error:
            raise MnemoscopeError(
                f"{store.place}/plans/{name}.json, which is missing or broken",
                expected="what `mnemoscope sweep run` wrote there",
                todo="run the sweep again: what is done is kept",
            ) from error
        notes.append(note)
    return max(notes, key=lambda note: note["seen"])


def planned_keys(store: Store, sweep: str) -> pl.DataFrame:
    """The keys of the planned runs of a sweep, as the column `key`."""
    return planned(store, sweep).select("key")


def planned(store: Store, sweep: str) -> pl.DataFrame:
    """The planned runs of a sweep: key, seed and what its design varies.

    Raises:
        MnemoscopeError: they are missing or broken.
    """
    name = f"plans/{sweep}.parquet"
    content = store.read(name) or b""
    found = _tried(lambda: pl.read_parquet(io.BytesIO(content)))
    told = read_note(store, sweep)["planned"]
    if found is None or "key" not in found.columns or found.height != told:
        raise MnemoscopeError(
            f"{store.place}/{name}, which is missing, broken or not that of {sweep}.json",
            expected="the Parquet file that a sweep wrote there",
            todo="run the sweep again: what is done is kept",
        )
    return found


def all_rows(store: Store) -> pl.LazyFrame:
    """All rows of a store, whoever planned them, some perhaps more than once.

    Raises:
        MnemoscopeError: a file is broken.
        StoreError: a file cannot be read.
    """
    names = [name for name in store.names("rows") if name.endswith(".parquet")]
    by_layout: dict[str, list[str]] = {}
    for name in names:
        by_layout.setdefault(name.split("/")[1], []).append(name)
    empty = pl.LazyFrame(schema=IDENTITY | SETTINGS | OUTCOME)
    parts = []
    for files in by_layout.values():
        part = _tried(lambda files=files: _layout(store, files))
        if part is None:
            raise _broken(store, _first_broken(store, files))
        parts.append(part)
    return pl.concat([empty, *parts], how="diagonal_relaxed")


def stored_keys(store: Store, layout: str) -> frozenset[str]:
    """The keys of the rows of a layout that are stored.

    Raises:
        MnemoscopeError: a file is broken.
        StoreError: a file cannot be read.
    """
    files = [name for name in store.names(f"rows/{layout}") if name.endswith(".parquet")]
    if not files:
        return frozenset()
    keys = _tried(lambda: _layout(store, files).select("key").collect()["key"])
    if keys is None:
        raise _broken(store, _first_broken(store, files))
    return frozenset(keys.to_list())


def _layout(store: Store, files: list[str]) -> pl.LazyFrame:
    """The rows of the files of one layout."""
    if isinstance(store, LocalStore):
        paths = [store.path(name) for name in files]
        # A scan would tell what is foreign only when it is collected, and not which file.
        _check_alike(store, {name: _schema(store.path(name)) for name in files})
        # A folder's name may have brackets or an equals sign in it, which mean nothing here.
        if files[0].split("/")[1].endswith(FUNCTIONS):
            parts = [pl.scan_parquet(path, glob=False, hive_partitioning=False) for path in paths]
            return pl.concat(parts, how="diagonal_relaxed")
        return pl.scan_parquet(paths, glob=False, hive_partitioning=False)
    frames = {
        name: _tried(lambda content=content: pl.read_parquet(io.BytesIO(content)))
        for name, content in store.read_all(files).items()
    }
    _check_alike(store, {n: None if f is None else dict(f.schema) for n, f in frames.items()})
    whole = [frame for frame in frames.values() if frame is not None]
    return pl.concat(whole, how="diagonal_relaxed").lazy()


def _schema(path: Path) -> dict[str, Any] | None:
    """The columns of a file; None if it is broken."""
    try:
        # By its path it would be a pattern, in which brackets mean something.
        with path.open("rb") as file:
            return _tried(lambda: dict(pl.read_parquet_schema(file)))
    except OSError as error:
        raise unreadable(path, error) from error


def _check_alike(store: Store, schemas: Mapping[str, dict[str, Any] | None]) -> None:
    """Refuses files that no sweep wrote there: other columns than those beside them have."""
    counts = Counter(tuple(schema.items()) for schema in schemas.values() if schema is not None)
    usual = dict(max(counts, key=counts.__getitem__, default=()))
    own = next(iter(schemas), "").split("/")[1:2]
    free = bool(own) and own[0].endswith(FUNCTIONS)
    base = IDENTITY | SETTINGS | OUTCOME
    for name, schema in schemas.items():
        known = schema is not None and all(schema.get(column) == base[column] for column in base)
        if not known or (schema != usual and not free):
            raise _broken(store, name)


def _tried(read: Callable[[], Found]) -> Found | None:
    """What is read; None if a file is broken."""
    try:
        return read()
    except pl.exceptions.PolarsError:
        return None
    except BaseException as error:
        # Some broken files make polars panic, which is no Exception.
        if type(error).__name__ == "PanicException":
            return None
        raise


def _first_broken(store: Store, files: Iterable[str]) -> str:
    for name in files:
        content = store.read(name) or b""
        found = _tried(lambda content=content: pl.read_parquet(io.BytesIO(content)))
        if found is None or "key" not in found.columns:
            return name
    return "rows"


def _broken(store: Store, name: str) -> MnemoscopeError:
    return MnemoscopeError(
        f"{store.place}/{name}, which is broken",
        expected="the Parquet file that a sweep wrote there",
        todo="remove it and run the sweep again: its runs are done anew",
    )


def _one_file(path: str) -> pl.LazyFrame:
    try:
        return pl.read_parquet(path).lazy() if "://" in path else _scanned(path)
    except (OSError, pl.exceptions.PolarsError) as error:
        raise MnemoscopeError(
            f"{path}, which cannot be read ({(str(error).splitlines() or [''])[0]})",
            expected="a Parquet file with the rows of a sweep",
            todo="check the path",
        ) from error


def _scanned(path: str) -> pl.LazyFrame:
    rows = pl.scan_parquet(path)
    rows.collect_schema()
    return rows


def _check_name(store: Store, known: list[str], sweep: str) -> None:
    if sweep not in known:
        raise MnemoscopeError(
            f"no sweep {sweep} in {store.place}",
            expected=f"one of {', '.join(known)}",
            todo="choose one of these",
        )
