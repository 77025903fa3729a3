"""`load`: the rows of a sweep as one table."""

import os
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import polars as pl

from mnemoscope.base.errors import MnemoscopeError, first_line
from mnemoscope.base.publishing import check_name
from mnemoscope.base.small_files import check_regular
from mnemoscope.sweep.columns import ALWAYS
from mnemoscope.sweep.ledger import (
    chosen_sweeps,
    is_of_polars,
    planned_keys,
    unless_broken,
)
from mnemoscope.sweep.store import Store, unusable

FUNCTIONS = "-functions"
"""End of the name of a layout whose columns may differ, since functions of a user fill them."""

_scan = partial(pl.scan_parquet, glob=False, hive_partitioning=False)
"""A folder's name may have brackets or an equals sign in it, which mean nothing here."""


def load(place: str | os.PathLike[str], sweep: str | None = None) -> pl.LazyFrame:
    """Reads the rows that are stored of the planned runs, each run once.

    Rows of other versions of the code, and of settings that a design no longer has, stay in the
    store and are left out.

    Args:
        place: The folder or URL of a sweep; or one `.parquet` file of rows.
        sweep: The name of a sweep; default: all sweeps of the place.

    Returns:
        A lazy table; its columns are listed in `docs/sweeps.md`. Files of a folder are read when it
        is collected, and only the columns that are asked for; those of a URL are fetched at once.
        A file that is damaged inside is found only then: collecting raises polars' own error, or
        panics, and `naming_broken` names the file. Bytes that changed and can still be decoded are
        not found: Parquet as polars writes it has no checksums.

    Raises:
        MnemoscopeError: there is no sweep, or none of this name; or the plan, or the footer of a
            file of rows, is broken.
        StoreError: the store cannot be read.
    """
    text = os.fspath(place)
    if _is_one_file(text):
        return _one_file(text)
    store = Store(text)
    names = chosen_sweeps(store, sweep)
    planned = pl.concat([planned_keys(store, name) for name in names]).unique()
    return all_rows(store).join(planned.lazy(), on="key", how="semi").unique("key", keep="any")


def group_rows(place: str | os.PathLike[str], group: str) -> pl.DataFrame:
    """Reads the rows of the runs that trained together in a group, in their order."""
    text = os.fspath(place)
    rows = _one_file(text) if _is_one_file(text) else all_rows(Store(text))
    with naming_broken(place):
        return rows.filter(pl.col("group") == group).collect()


def check_rows(
    place: str | os.PathLike[str], rows: pl.LazyFrame, *, needed: Sequence[str] = ()
) -> list[str]:
    """Checks that the columns of a table have the types of a sweep's rows; returns their names."""
    schema = rows.collect_schema()
    if lacking := [name for name in needed if name not in schema]:
        raise MnemoscopeError(
            f"{place}, a table without the column{'s' * (len(lacking) > 1)} {', '.join(lacking)}",
            expected="the rows of a sweep",
            todo="pass a sweep's folder, or a file that `--table` wrote",
        )
    for name, kind in (ALWAYS).items():
        if name in schema and not _compatible(schema[name], kind):
            raise MnemoscopeError(
                f"{place}, whose column {name} is of {schema[name]}",
                expected=f"{kind}, as in the rows of a sweep",
                todo="pass a sweep's folder, or a file that `--table` wrote",
            )
    return schema.names()


def _compatible(kind: pl.DataType, wanted: Any) -> bool:
    """Returns whether a column may have a type: other tools write other widths, or no type."""
    return (
        kind == wanted
        or kind == pl.Null
        or (kind.is_integer() and wanted.is_integer())
        or (kind.is_numeric() and wanted.is_float())
    )


@contextmanager
def naming_broken(place: str | os.PathLike[str]) -> Iterator[None]:
    """Names the broken file where collecting what `load` gave fails inside."""
    try:
        yield
    except BaseException as error:
        broken = _first_broken(os.fspath(place)) if is_of_polars(error) else None
        if broken is None:
            raise
        raise broken from error


def stored(store: Store, sweep: str) -> pl.DataFrame:
    """Reads the keys and states of the planned runs of a sweep that are stored."""
    with naming_broken(store.place):
        return load(store.place, sweep).select("key", "status").collect()


def all_rows(store: Store) -> pl.LazyFrame:
    """Reads all rows of a store, planned or not, some perhaps more than once."""
    by_layout: dict[str, list[str]] = {}
    for name in _row_files(store):
        by_layout.setdefault(name.split("/")[1], []).append(name)
    empty = pl.LazyFrame(schema=ALWAYS)
    with naming_broken(store.place):
        parts = [_layout(store, layout, files) for layout, files in by_layout.items()]
    return pl.concat([empty, *parts], how="diagonal_relaxed")


def stored_keys(store: Store, layout: str) -> frozenset[str]:
    """Reads the keys of the rows of a layout."""
    files = _row_files(store, f"rows/{layout}")
    if not files:
        return frozenset()
    with naming_broken(store.place):
        keys = _layout(store, layout, files).select("key").collect()["key"]
        return frozenset(keys.to_list())


def _row_files(store: Store, folder: str = "rows") -> list[str]:
    return [name for name in store.names(folder) if name.endswith(".parquet")]


def _layout(store: Store, layout: str, files: list[str]) -> pl.LazyFrame:
    """Scans the files of one layout, after a look at their footers: a scan names no file."""
    sources = store.sources(files)
    schemas = {name: _schema(source) for name, source in sources.items()}
    counts = Counter(tuple(schema.items()) for schema in schemas.values() if schema)
    usual = dict(max(counts, key=counts.__getitem__, default=()))
    free = layout.endswith(FUNCTIONS)
    for name, schema in schemas.items():
        foreign = any(schema.get(column) != ALWAYS[column] for column in ALWAYS)
        if foreign or (schema != usual and not free):
            raise _broken(store, name)
    if free:
        return pl.concat([_scan(one) for one in sources.values()], how="diagonal_relaxed")
    return _scan(list(sources.values()))


def _schema(source: Any) -> Mapping[str, Any]:
    """Reads the columns of a file; there are none if it is broken."""
    if not isinstance(source, Path):
        return unless_broken(lambda: dict(pl.read_parquet_schema(source))) or {}
    try:
        # By its path it would be a pattern, in which brackets mean something.
        with source.open("rb") as file:
            return unless_broken(lambda: dict(pl.read_parquet_schema(file))) or {}
    except OSError as error:
        raise unusable("read", str(source), error) from error


def _first_broken(place: str) -> MnemoscopeError | None:
    """Returns the error of the first file of rows that cannot be read whole; None if all can be."""
    alone = _is_one_file(place)
    store = Store((os.path.dirname(place) or ".") if alone else place)
    for name in [os.path.basename(place)] if alone else _row_files(store):
        for source in store.sources([name]).values():
            found = unless_broken(lambda source=source: _scan(source).collect())
            if found is None or "key" not in found.columns:
                return _unreadable(place, "damaged inside") if alone else _broken(store, name)
    return None


def _broken(store: Store, name: str) -> MnemoscopeError:
    return MnemoscopeError(
        f"{store.place}/{name}, which is broken",
        expected="the Parquet file that a sweep wrote there",
        todo="remove it and run the sweep again: its runs are done anew",
    )


def _is_one_file(place: str) -> bool:
    """Returns whether a place is a file of rows; a folder may have such a name."""
    return place.endswith(".parquet") and not os.path.isdir(place)


def _one_file(path: str) -> pl.LazyFrame:
    try:
        if "://" in path:
            return pl.read_parquet(path).lazy()
        check_name(Path(path))
        check_regular(path)
        rows = _scan(path)
        rows.collect_schema()
    except BaseException as error:
        if not isinstance(error, OSError) and not is_of_polars(error):
            raise
        raise _unreadable(path, first_line(error)) from error
    return rows


def _unreadable(path: str, reason: str) -> MnemoscopeError:
    return MnemoscopeError(
        f"{path}, which cannot be read ({reason})",
        expected="a Parquet file with the rows of a sweep",
        todo="check the path, or make it again with mnemoscope sweep report --table",
    )
