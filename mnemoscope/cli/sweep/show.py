"""`mnemoscope sweep show`: one run of a sweep, and its network trained again."""

from math import isclose
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mnemoscope.base.errors import MnemoscopeError
from mnemoscope.base.files import check_target
from mnemoscope.base.publishing import publishing
from mnemoscope.cli.computing import import_libraries, one_thread
from mnemoscope.cli.options import NamedPlace, Place
from mnemoscope.cli.printing import print_json, print_lines

if TYPE_CHECKING:
    from mnemoscope.nets import Network

SAME_LOSS = 0.01
"""Largest relative difference of two losses of one network."""

OTHER_LOSS = (
    "the loss of the network differs from its row: another machine, version or number of threads "
    "rounds differently"
)


def show(place: NamedPlace, key: str, *, out: Place = None, json: bool = False) -> int:
    """Show the row of one run; with --out, train it again.

    Args:
        place: The folder or URL of the sweep, such as s3://bucket/it.
        key: The run's key, or its beginning.
        out: Train the run again, with all of its group, and write its network to this file (then:
            mnemoscope audit FILE); default: it is not trained.
        json: Print the summary as JSON, for programs.
    """
    if not key.strip():
        raise MnemoscopeError(
            "an empty key", expected="the key of a run, or its beginning", todo="see the report"
        )
    if out is not None:
        check_target(Path(out))
    import_libraries()
    import polars as pl

    from mnemoscope.nets import save as save_network
    from mnemoscope.sweep import load
    from mnemoscope.sweep.loading import check_rows, naming_broken

    with naming_broken(place):
        rows = load(place)
        check_rows(place, rows, needed=("key", "group", "configuration", "loss"))
        found = rows.filter(pl.col("key").str.starts_with(key.strip())).head(4).collect()
    if found.height != 1:
        several = ", ".join(found["key"].sort().head(3)) + (", ..." if found.height > 3 else "")
        raise MnemoscopeError(
            f"{key!r}, with which {several or 'no key'} {'begin' if several else 'begins'}",
            expected="the key of a run, or enough of its beginning",
            todo="look it up in the report",
        )
    row = found.drop([name for name in found.columns if found.schema[name] == pl.Binary]).row(
        0, named=True
    )
    known = {name: value for name, value in row.items() if value is not None}
    if out is not None:
        network = _again(place, row)
        with publishing() as new:
            save_network(network, new.file(out))
        record = network.training_record
        assert record is not None
        known |= {"network": out, "network_loss": record.loss, "network_steps": record.steps}
    if json:
        print_json(known)
        return 0
    wide = max(map(len, known))
    lines = [f"{name:<{wide}}  {value}" for name, value in known.items()]
    if out is not None:
        loss = row["loss"]
        if loss is None or not isclose(known["network_loss"], loss, rel_tol=SAME_LOSS):
            lines.append(OTHER_LOSS)
        lines.append(f"see mnemoscope audit {out}")
    print_lines(*lines)
    return 0


def _again(place: str, row: dict[str, Any]) -> "Network":
    """Trains the network of a row again, with its whole group."""
    from mnemoscope.sweep import train_again
    from mnemoscope.sweep.loading import group_rows

    group = group_rows(place, row["group"])["configuration"].to_list()
    with one_thread():
        return train_again(row["configuration"], group=group)
