"""The fourth plane of 8-bit pictures, which may be their transparency."""

import logging

import torch
from jaxtyping import Float
from torch import Tensor

from mnemoscope.data.reading import Alpha

log = logging.getLogger("mnemoscope")


def opaque(
    X: Float[Tensor, "n 4 h w"], alpha: Alpha | None, told: str
) -> tuple[Float[Tensor, "n c h w"], Alpha | None]:
    """Lays pictures on white where their fourth plane is a transparency.

    Without a word from the caller it is one where it is 255 everywhere: leaving it out then loses
    nothing. Any other may be an infrared band, a mask or a depth and is kept.

    Args:
        X: In [0, 1], channels first.
        alpha: What the caller says it is.
        told: The pictures, as the message names them.

    Returns:
        The pictures, and what the fourth plane was taken for.
    """
    colour, cover = X[:, :3], X[:, 3:]
    if alpha == "white":
        return cover * colour + (1 - cover), alpha
    if alpha == "plane":
        return X, alpha
    if bool(torch.all(cover == 1)):
        log.warning(
            '%s: the fourth plane is 255 everywhere and is left out; alpha="plane" '
            "(--alpha plane) keeps it",
            told,
        )
        return colour, "white"
    log.warning(
        '%s: the fourth plane is kept; if it is a transparency, alpha="white" (--alpha white) '
        "lays the pictures on white",
        told,
    )
    return X, "plane"
