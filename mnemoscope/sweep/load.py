"""`load`: the rows of a sweep as one table."""

import io
import os
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path, PurePosixPath
from typing import Any, TypeVar

import polars as pl

from mnemoscope.base.errors import MnemoscopeError
from mnemoscope.base.publishing import check_name
from mnemoscope.base.small_files import check_regular, parse_json
from mnemoscope.sweep.rows import IDENTITY, OUTCOME, SETTINGS
from mnemoscope.sweep.store import LocalStore, Store, open_store, unreadable

FUNCTIONS = "-functions"
"""How the name of a layout ends whose columns may differ, since functions of a user give them."""

NOTED = {
    "name": str, "design": dict, "factors": list, "host": str, "process": int, "planned": int,
    "seen": str,
}  # fmt: skip
"""What every note of a sweep has."""

NOTED_LATER = {"state": str, "begun": str, "running": list, "rate": float}
"""What it has once groups are given out."""

Found = TypeVar("Found")


class BrokenPlan(MnemoscopeError):
    """What a sweep noted of itself or planned cannot be read, which is no fault of other sweeps."""


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
        A file that is damaged inside is met only then: collecting raises polars' own error, or
        panics, and `naming_broken` tells which file it is. Bytes that changed and still can be
        decoded are met by nothing: Parquet as polars writes it has no checksums.

    Raises:
        MnemoscopeError: there is no sweep, or none of this name, or what was planned is broken, or
            the footer of a file of rows.
        StoreError: the store cannot be read.
    """
    text = os.fspath(place)
    if _is_one_file(text):
        return _one_file(text)
    store = open_store(text)
    known = sweeps(store)
    if sweep is not None:
        _check_name(store, known, sweep)
        known = [sweep]
    planned = pl.concat([planned_keys(store, name) for name in known]).unique()
    rows = all_rows(store)
    return rows.join(planned.lazy(), on="key", how="semi").unique("key", keep="any")


def group_rows(place: str | os.PathLike[str], group: str) -> pl.DataFrame:
    """The rows of the runs that trained together in a group, in their order.

    Args:
        place: As for `load`.
        group: The group's name, as the column `group` tells it.

    Raises:
        MnemoscopeError: as `load`.
        StoreError: as `load`.
    """
    text = os.fspath(place)
    rows = _one_file(text) if _is_one_file(text) else all_rows(open_store(text))
    with naming_broken(place):
        return rows.filter(pl.col("group") == group).collect()


def check_rows(
    place: str | os.PathLike[str], rows: pl.LazyFrame, *, needed: Sequence[str] = ()
) -> list[str]:
    """Makes sure that a table is one of a sweep's rows: its columns have the types of theirs.

    Args:
        place: Where it is from, for the message.
        rows: The table.
        needed: Columns that it must have.

    Returns:
        The names of its columns.

    Raises:
        MnemoscopeError: a column is missing, or of another type.
    """
    schema = rows.collect_schema()
    if lacking := [name for name in needed if name not in schema]:
        raise MnemoscopeError(
            f"{place}, a table without the column{'s' * (len(lacking) > 1)} {', '.join(lacking)}",
            expected="the rows of a sweep",
            todo="pass a sweep's folder, or a file that `--table` wrote",
        )
    for name, kind in (IDENTITY | SETTINGS | OUTCOME).items():
        if name in schema and not _alike(schema[name], kind):
            raise MnemoscopeError(
                f"{place}, whose column {name} is of {schema[name]}",
                expected=f"{kind}, as in the rows of a sweep",
                todo="pass a sweep's folder, or a file that `--table` wrote",
            )
    return schema.names()


def _alike(kind: pl.DataType, wanted: Any) -> bool:
    """Whether a column may have this type: other tools write other widths, and no values none."""
    return (
        kind == wanted
        or kind == pl.Null
        or (kind.is_integer() and wanted.is_integer())
        or (kind.is_numeric() and wanted.is_float())
    )


@contextmanager
def naming_broken(place: str | os.PathLike[str]) -> Iterator[None]:
    """Collect what `load` gave inside, and a file that is broken is named.

    Args:
        place: As it was given to `load`.

    Raises:
        MnemoscopeError: polars failed, and a file of rows is broken. If none is, what polars
            raised goes on.
    """
    try:
        yield
    except BaseException as error:
        if not _is_of_polars(error):
            raise
        broken = _first_broken(os.fspath(place))
        if broken is None:
            raise
        raise broken from error


def stored(store: Store, sweep: str) -> pl.DataFrame:
    """The keys and states of the planned runs of a sweep that are stored.

    Raises:
        MnemoscopeError: there is no such sweep, or a file is broken.
        StoreError: the store cannot be read.
    """
    with naming_broken(store.place):
        return load(store.place, sweep).select("key", "status").collect()


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
        BrokenPlan: what it noted is missing or broken.
    """
    known = sweeps(store)
    if sweep is not None:
        _check_name(store, known, sweep)
        known = [sweep]
    notes = []
    for name in known:
        note = _note(store.read(f"plans/{name}.json") or b"")
        if note is None or note["name"] != name:
            raise BrokenPlan(
                f"{store.place}/plans/{name}.json, which is missing or broken",
                expected="what `mnemoscope sweep run` wrote there",
                todo="run the sweep again: what is done is kept",
            )
        notes.append(note)
    return max(notes, key=lambda note: note["seen"])


def _note(content: bytes) -> dict[str, Any] | None:
    """A note; None if it is broken."""
    try:
        note = parse_json(content)
        whole = [isinstance(note[name], kind) for name, kind in NOTED.items()]
        whole += [isinstance(note.get(name, kind()), kind) for name, kind in NOTED_LATER.items()]
        zoned = datetime.fromisoformat(note["seen"]).tzinfo is not None
    except (ValueError, TypeError, KeyError):
        return None
    return note if zoned and all(whole) else None


def planned_keys(store: Store, sweep: str) -> pl.DataFrame:
    """The keys of the planned runs of a sweep, as the column `key`."""
    return planned(store, sweep).select("key")


def planned(store: Store, sweep: str) -> pl.DataFrame:
    """The planned runs of a sweep: key, seed and what its design varies.

    Raises:
        BrokenPlan: they are missing or broken.
    """
    name = f"plans/{sweep}.parquet"
    content = store.read(name) or b""
    found = _tried(lambda: pl.read_parquet(io.BytesIO(content)))
    told = read_note(store, sweep)["planned"]
    if found is None or found.schema.get("key") != pl.Utf8 or found.height != told:
        raise BrokenPlan(
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
    by_layout: dict[str, list[str]] = {}
    for name in _row_files(store):
        by_layout.setdefault(name.split("/")[1], []).append(name)
    empty = pl.LazyFrame(schema=IDENTITY | SETTINGS | OUTCOME)
    with naming_broken(store.place):
        parts = [_layout(store, files) for files in by_layout.values()]
    return pl.concat([empty, *parts], how="diagonal_relaxed")


def stored_keys(store: Store, layout: str) -> frozenset[str]:
    """The keys of the rows of a layout that are stored.

    Raises:
        MnemoscopeError: a file is broken.
        StoreError: a file cannot be read.
    """
    files = _row_files(store, f"rows/{layout}")
    if not files:
        return frozenset()
    with naming_broken(store.place):
        return frozenset(_layout(store, files).select("key").collect()["key"].to_list())


def _row_files(store: Store, folder: str = "rows") -> list[str]:
    return [name for name in store.names(folder) if name.endswith(".parquet")]


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
    except BaseException as error:
        if _is_of_polars(error):
            return None
        raise


def _is_of_polars(error: BaseException) -> bool:
    # Some broken files make polars panic, which is no Exception.
    panic = type(error).__name__ == "PanicException"
    return panic or isinstance(error, pl.exceptions.PolarsError)


def _first_broken(place: str) -> MnemoscopeError | None:
    """The first file of rows that cannot be read whole, as it is told; None if all can be."""
    if _is_one_file(place):
        content = open_store(os.path.dirname(place) or ".").read(os.path.basename(place))
        whole = content is None or _tried(lambda: pl.read_parquet(io.BytesIO(content))) is not None
        return None if whole else _unreadable_rows(place, "damaged inside")
    store = open_store(place)
    for name in _row_files(store):
        content = store.read(name)
        if content is None:
            continue
        found = _tried(lambda content=content: pl.read_parquet(io.BytesIO(content)))
        if found is None or "key" not in found.columns:
            return _broken(store, name)
    return None


def _broken(store: Store, name: str) -> MnemoscopeError:
    return MnemoscopeError(
        f"{store.place}/{name}, which is broken",
        expected="the Parquet file that a sweep wrote there",
        todo="remove it and run the sweep again: its runs are done anew",
    )


def _is_one_file(place: str) -> bool:
    """Whether it is a file of rows; a folder may be called like one."""
    return place.endswith(".parquet") and not os.path.isdir(place)


def _one_file(path: str) -> pl.LazyFrame:
    try:
        return pl.read_parquet(path).lazy() if "://" in path else _scanned(path)
    except BaseException as error:
        if not isinstance(error, OSError) and not _is_of_polars(error):
            raise
        raise _unreadable_rows(path, (str(error).splitlines() or [""])[0]) from error


def _scanned(path: str) -> pl.LazyFrame:
    check_name(Path(path))
    check_regular(path)
    rows = pl.scan_parquet(path, glob=False, hive_partitioning=False)
    rows.collect_schema()
    return rows


def _unreadable_rows(path: str, reason: str) -> MnemoscopeError:
    return MnemoscopeError(
        f"{path}, which cannot be read ({reason})",
        expected="a Parquet file with the rows of a sweep",
        todo="check the path, or make it again with mnemoscope sweep report --table",
    )


def _check_name(store: Store, known: list[str], sweep: str) -> None:
    if sweep not in known:
        raise MnemoscopeError(
            f"no sweep {sweep} in {store.place}",
            expected=f"one of {', '.join(known)}",
            todo="choose one of these",
        )
