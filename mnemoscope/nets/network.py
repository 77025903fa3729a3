"""The module a spec builds: a self-map that knows its spec and how it was trained."""

from typing import TYPE_CHECKING

from jaxtyping import Float
from torch import Tensor, nn

from mnemoscope.errors import MnemoscopeError

if TYPE_CHECKING:
    from mnemoscope.nets.record import TrainingRecord
    from mnemoscope.nets.spec import Spec


class Network(nn.Module):
    """A network built from a spec; a batch `(n, *shape)` goes to a batch of the same shape.

    Attributes:
        spec: What the network was built from.
        shape: The shape of a state.
        training_record: How the weights were trained; None if they were not.
        body: The layers, mapping batches.
    """

    def __init__(self, spec: "Spec", body: nn.Module) -> None:
        """Puts a spec and the layers it describes together."""
        super().__init__()
        self.spec = spec
        self.shape = spec.shape
        self.training_record: TrainingRecord | None = None
        self.body = body

    def forward(self, z: Float[Tensor, "n *shape"]) -> Float[Tensor, "n *shape"]:
        """Maps a batch `(n, *shape)`, or a single state `(*shape)`.

        Raises:
            MnemoscopeError: the batch is not made of states of the network's shape.
        """
        dims = len(self.shape)
        # Under vmap the batch dimension is hidden, so only what is left of the shape is judged.
        if z.ndim not in (dims, dims + 1) or tuple(z.shape[-dims:]) != self.shape:
            state = ", ".join(map(str, self.shape))
            raise MnemoscopeError(
                f"a batch of shape {tuple(z.shape)}",
                expected=f"shape (n, {state}), or ({state}{',' * (dims == 1)}) for one state",
                todo="reshape the batch, or build the network for its shape",
            )
        if z.ndim == dims:
            return self.body(z.unsqueeze(0)).squeeze(0)
        return self.body(z)
