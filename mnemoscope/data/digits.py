"""Scikit-learn's handwritten digits."""

import torch
from jaxtyping import Float
from torch import Tensor


def digits() -> Float[Tensor, "1797 1 8 8"]:
    """All 1,797 digits of 8 × 8 pixels, of 17 levels between 0 and 1."""
    # Imported here because it takes two seconds, which those who bring their own data save.
    from sklearn.datasets import load_digits

    images = load_digits().images  # pyright: ignore[reportAttributeAccessIssue]
    return torch.from_numpy(images / 16).float()[:, None]
