"""The columns that the table of a sweep has whatever is measured."""

from mnemoscope.sweep.configuration import FIELDS

TABLE = frozenset(
    {
        "key", "group", "code", "status", "configuration", "seed", "loss", "steps", "seconds",
        "parameters",
        *(field for section in ("spec", "data", "training") for field in FIELDS[section]),
    }
)  # fmt: skip
"""What a run is known by, its configuration, and how its training went."""
