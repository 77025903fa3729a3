"""Arguments that several commands of a sweep share."""

from typing import Annotated

from cyclopts import Parameter

from mnemoscope.cli.options import named

DesignName = Annotated[
    str,
    Parameter(
        help="A TOML file, the name of a shipped design (see mnemoscope sweep designs), or "
        "package.module:name of a Design in Python.",
        validator=named,
    ),
]
StorePlace = Annotated[
    str,
    Parameter(help="The folder or URL of the sweep, such as s3://bucket/it.", validator=named),
]
SweepName = Annotated[
    str | None,
    Parameter(name="--sweep", help="The sweep of the folder; default: the latest one."),
]


def stored_at(out: str | None, name: str) -> str:
    """Returns the place where a sweep is stored."""
    return f"runs/{name}" if out is None else out
