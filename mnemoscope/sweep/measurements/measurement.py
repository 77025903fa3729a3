"""A measurement of the trained networks of a group: its quantities, and how they are computed."""

from collections.abc import Callable
from dataclasses import dataclass

import polars as pl
from jaxtyping import Float
from torch import Tensor

from mnemoscope.base.discovery import Registry
from mnemoscope.base.quantity import Quantity, columns_of
from mnemoscope.sweep.configuration import Measure
from mnemoscope.training import Replicas


@dataclass(frozen=True)
class Trained:
    """The networks of a group, trained, with what they were trained on.

    Attributes:
        replicas: `r` networks, none of which diverged.
        X: `(r, n, *shape)`, the examples of each, on the networks' device and in their dtype; an
            expanded view where all have the same.
        held_out: `(r, m, *shape)`, examples that are not trained on, in the same form; None if
            there are none.
        seeds: The seed of each run.
        first: Whether each run has the first seed of its setting.
        measure: What is measured, and how much of it.
    """

    replicas: Replicas
    X: Float[Tensor, "r n *shape"]
    held_out: Float[Tensor, "r m *shape"] | None
    seeds: tuple[int, ...]
    first: tuple[bool, ...]
    measure: Measure


@dataclass(frozen=True)
class Measurement:
    """A measurement that a design can ask for by its name.

    A module of `mnemoscope.sweep.measurements` declares one as `MEASUREMENT`, an installed package
    by an entry point of the group `mnemoscope.measurements`.

    Attributes:
        name: The name in `measure.take`.
        quantities: What it measures; empty where that is not known before.
        take: Computes the columns of the quantities for a trained group: a list of one value for
            each network by column.
    """

    name: str
    quantities: tuple[Quantity, ...]
    take: Callable[[Trained], dict[str, list]]

    @property
    def columns(self) -> dict[str, pl.DataType]:
        """The columns that it adds to a row, with their dtypes."""
        return columns_of(self.quantities)


MEASUREMENTS = Registry(Measurement, __name__, __file__)
"""All measurements by name: of this folder, then of installed packages."""
