"""Generated samples: copies of training examples, copies of each other, or new.

As the training set of a generative model grows, its samples are at first training examples
(*memorized*), then states that are no training examples but come again and again, as the spurious
states of an associative memory do (*spurious*), and at last new ones (*generalized*). Pham, Raya,
Negri, Zaki, Ambrogioni and Krotov (arXiv 2505.21777) tell them apart by two distances: that to the
nearest training example, and that to the nearest other sample.
"""

from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from mnemoscope.dynamics.states import nearest


@dataclass(frozen=True)
class SampleKinds:
    """The kind of each sample; every sample is of one kind.

    Attributes:
        memorized: `(m,)`, within `tau` of a training example.
        spurious: `(m,)`, not so, but within `tau` of another sample.
        generalized: `(m,)`, neither.
    """

    memorized: Bool[Tensor, " m"]
    spurious: Bool[Tensor, " m"]
    generalized: Bool[Tensor, " m"]


def sample_kinds(
    samples: Float[Tensor, "m *shape"], X: Float[Tensor, "n *shape"], *, tau: float
) -> SampleKinds:
    """Decides the kind of each sample.

    The share that is spurious grows with the number of samples, since one that comes rarely needs
    many to come twice: compare sets of one size.

    Args:
        samples: `(m, *shape)`. Memory: `m^2` distances.
        X: `(n, *shape)`, the training examples.
        tau: The distance (RMS, in the scale of the data) within which two states count as one.

    Example:
        >>> samples = torch.tensor([[0.0], [1.0], [1.1], [3.0]])
        >>> kinds = sample_kinds(samples, torch.tensor([[0.1]]), tau=0.2)
        >>> kinds.spurious.tolist()
        [False, True, True, False]
    """
    memorized = nearest(samples, X)[1] <= tau
    flat = samples.flatten(1)
    apart = torch.cdist(flat, flat).fill_diagonal_(torch.inf).amin(1) / flat.shape[1] ** 0.5
    again = apart <= tau
    return SampleKinds(memorized, ~memorized & again, ~memorized & ~again)
