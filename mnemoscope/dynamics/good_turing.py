"""How much a census has not seen."""

from jaxtyping import Int
from torch import Tensor


def good_turing(labels: Int[Tensor, " n"]) -> float:
    """The estimated share of starts that end at an attractor not seen yet (I. J. Good 1953).

    `N_1 / N`: the attractors seen exactly once, over the starts that ended at any. Labels of -1
    (no attractor) are left out; with none left nothing is known and the share is 1.
    """
    seen = labels[labels >= 0]
    if len(seen) == 0:
        return 1.0
    _, counts = seen.unique(return_counts=True)
    return float((counts == 1).sum()) / len(seen)
