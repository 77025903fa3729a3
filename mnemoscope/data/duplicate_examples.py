"""Which examples are the same."""

from jaxtyping import Float
from torch import Tensor


def duplicates(X: Float[Tensor, " n *shape"]) -> list[tuple[int, int]]:
    """Lists pairs `(first, later)` of equal examples, each with the first that equals it."""
    first: dict[bytes, int] = {}
    pairs = []
    # Adding 0 makes one zero of the two; NumPy lacks bfloat16.
    for index, row in enumerate((X.detach().cpu().double() + 0).flatten(1).numpy()):
        earlier = first.setdefault(row.tobytes(), index)
        if earlier != index:
            pairs.append((earlier, index))
    return pairs
