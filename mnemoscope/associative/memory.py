"""The result of `store`: a network that is a memory."""

from dataclasses import dataclass, field

import polars as pl
from jaxtyping import Float
from torch import Tensor

from mnemoscope.base.tables import table_html
from mnemoscope.dynamics import iterate
from mnemoscope.dynamics.orbits import MAX_STEPS
from mnemoscope.nets import Network
from mnemoscope.results import Audit
from mnemoscope.training import Fit


@dataclass(frozen=True)
class Memory:
    """A network that stores examples as attractors.

    Attributes:
        net: The network.
        fit: The result of its training.
        audit: What it stores, how it recalls, what else attracts.
        table: A row for each memory, corruption and strength: bytes, what is stored and recalled;
            columns in `mnemoscope.associative.comparing.COLUMNS`. The memories are `network`, and
            for comparison `hopfield` and `plain`, trained without noise.
    """

    net: Network
    fit: Fit
    audit: Audit
    table: pl.DataFrame = field(repr=False)

    def recall(
        self, Z: Float[Tensor, "n *shape"], *, max_steps: int = MAX_STEPS
    ) -> Float[Tensor, "n *shape"]:
        """Iterates the network from states until their orbits settle; returns where they end.

        Args:
            Z: `(n, *shape)`, corrupted or partial examples.
            max_steps: Maximum number of applications of the network.
        """
        return iterate(self.net, Z, max_steps=max_steps).end

    def to_frame(self) -> pl.DataFrame:
        """Returns `table`."""
        return self.table

    def _repr_html_(self) -> str:
        return table_html("Memories", self.table)
