"""`mnemoscope sweep show`: one run of a sweep, and its network trained again."""

from typing import Annotated

import polars as pl
from cyclopts import Parameter

from mnemoscope.cli.importing import import_libraries
from mnemoscope.cli.options import Json, Place
from mnemoscope.cli.printing import print_json, print_lines
from mnemoscope.cli.sweep.arguments import StorePlace
from mnemoscope.errors import MnemoscopeError


def show(
    place: StorePlace,
    key: Annotated[str, Parameter(help="The run's key, or how it begins.")],
    *,
    out: Annotated[
        Place,
        Parameter(
            help="Train the run again and write its network to this file (then: mnemoscope audit "
            "FILE --data ...); not trained if left out."
        ),
    ] = None,
    json: Json = False,
) -> int:
    """Tell all that is known of one run; with --out, train it again."""
    if not key.strip():
        raise MnemoscopeError(
            "an empty key", expected="the key of a run, or its beginning", todo="see the report"
        )
    import_libraries()
    from mnemoscope.sweep import load, train_again

    found = load(place).filter(pl.col("key").str.starts_with(key.strip())).head(2).collect()
    if found.height != 1:
        raise MnemoscopeError(
            f"{key!r}, with which {'no' if found.is_empty() else 'more than one'} key begins",
            expected="the key of a run, or enough of its beginning",
            todo="look it up in the report",
        )
    row = found.drop([name for name in found.columns if found.schema[name] == pl.Binary]).row(
        0, named=True
    )
    known = {name: value for name, value in row.items() if value is not None}
    if out is not None:
        from mnemoscope.cli.threads import one_thread
        from mnemoscope.nets import save

        with one_thread():
            save(train_again(row["configuration"]), out)
        known["network"] = out
    if json:
        print_json(known)
    else:
        wide = max(map(len, known))
        print_lines(*(f"{name:<{wide}}  {value}" for name, value in known.items()))
    return 0
