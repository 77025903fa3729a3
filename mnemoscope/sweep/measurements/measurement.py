"""What a measurement is: a name, the columns it fills, and how it is taken of a group."""

from collections.abc import Callable
from dataclasses import dataclass

import polars as pl
from jaxtyping import Float
from torch import Tensor

from mnemoscope.sweep.measure import Measure
from mnemoscope.training import Replicas


@dataclass(frozen=True)
class Trained:
    """The networks of a group, trained, with what they were trained on.

    Attributes:
        replicas: `r` networks, none of which diverged.
        X: `(r, n, *shape)`, the examples of each, on the networks' device and in their dtype; an
            expanded view where all have the same.
        held_out: `(r, m, *shape)`, likewise, what they were not trained on; None if there is none.
        seeds: Of each run.
        first: Whether each is the first seed of its setting.
        measure: How much is measured.
    """

    replicas: Replicas
    X: Float[Tensor, "r n *shape"]
    held_out: Float[Tensor, "r m *shape"] | None
    seeds: tuple[int, ...]
    first: tuple[bool, ...]
    measure: Measure


@dataclass(frozen=True)
class Measurement:
    """What can be measured of the networks of a group.

    Attributes:
        name: What a design calls it.
        columns: What it adds to a row, with the dtypes; empty where that is not known before.
        take: From a trained group to a value for each of its networks, by column.
    """

    name: str
    columns: dict[str, pl.DataType]
    take: Callable[[Trained], dict[str, list]]
