"""Batches of pictures: recognized, resized, turned grey, stacked."""

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import interpolate

from mnemoscope.base.errors import MnemoscopeError

LUMA = (0.299, 0.587, 0.114)
"""Weights of red, green and blue in grey, ITU-R 601."""


def is_picture(shape: tuple[int, ...]) -> bool:
    """Returns whether a state of this shape is a picture: 1 or 3 channels, height, width."""
    return len(shape) == 3 and shape[0] in (1, 3)


def shaped(
    X: Float[Tensor, " n *shape"], size: int | None, gray: bool, origin: str
) -> Float[Tensor, " n *shape2"]:
    """Brings pictures to `size` and turns them grey, if asked for."""
    if not is_picture(tuple(X.shape[1:])):
        if size is None and not gray:
            return X
        raise MnemoscopeError(
            f"size={size}, gray={gray} for {origin}, with examples of shape {tuple(X.shape[1:])}",
            expected="pictures (channels, height, width)",
            todo="leave size and gray out",
        )
    if size is not None:
        X = squared(X, size)
    if gray and X.shape[1] == 3:
        luma = (X * X.new_tensor(LUMA)[:, None, None]).sum(1, keepdim=True)
        X = _within(luma, X)
    return X


def squared(X: Float[Tensor, "n c h w"], size: int) -> Float[Tensor, "n c size size"]:
    """Crops the largest centred square of each picture and resizes it with antialiasing."""
    height, width = X.shape[-2:]
    side = min(height, width)
    top, left = (height - side) // 2, (width - side) // 2
    X = X[..., top : top + side, left : left + side]
    if side == size:
        return X
    resized = interpolate(
        X, size=(size, size), mode="bilinear", antialias=True, align_corners=False
    )
    return _within(resized, X)


def sized(picture: Float[Tensor, "c h w"], size: int | None) -> Float[Tensor, "c h2 w2"]:
    """Resizes one picture as `squared` does, if a size is asked for."""
    return picture if size is None else squared(picture[None], size)[0]


def _within(values: Float[Tensor, "n c h w"], X: Float[Tensor, "n c2 h2 w2"]) -> Tensor:
    """Keeps weighted means of a picture's entries in their range in spite of rounding."""
    low, high = X.flatten(1).amin(1), X.flatten(1).amax(1)
    return values.clamp(low[:, None, None, None], high[:, None, None, None])


def as_colour(picture: Float[Tensor, "c h w"]) -> Float[Tensor, "3 h w"]:
    """Repeats the channel of a grey picture three times."""
    return picture.expand(3, -1, -1) if picture.shape[0] == 1 else picture


def of_one_kind(pictures: list[Tensor], names: list[str]) -> Float[Tensor, "n c h w"]:
    """Stacks pictures of one size; all in colour if one of them is."""
    first = pictures[0].shape[-2:]
    for picture, name in zip(pictures, names, strict=True):
        if picture.shape[-2:] != first:
            raise MnemoscopeError(
                f"pictures of different sizes: {names[0]} is {first[0]} × {first[1]}, "
                f"{name} is {picture.shape[-2]} × {picture.shape[-1]} (height × width)",
                expected="pictures of one size",
                todo="pass a size (size=32, or --size 32) to crop and resize them all",
            )
    if any(picture.shape[0] == 3 for picture in pictures):
        pictures = [as_colour(picture) for picture in pictures]
    return torch.stack(pictures)
