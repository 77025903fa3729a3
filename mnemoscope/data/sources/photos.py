"""Crops of scikit-learn's two photographs: real pictures that need no download."""

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import interpolate

from mnemoscope.base.errors import MnemoscopeError
from mnemoscope.data.arrays import from_range
from mnemoscope.data.reading import Examples, Reading, Selection
from mnemoscope.data.sources.source import Source, is_called

DEFAULT_N = 20

DEFAULT_SIZE = 32

LEVELS = ((8, 6, 4), (2,), (1,))
"""Sides of the windows, in multiples of `size`: what can be recognized comes first."""

FLAT = 0.05
"""Windows with a smaller standard deviation in every colour show nothing and are left out."""

APART = 0.05
"""Crops are at least this far apart, root mean square."""


def _read(name: str, selection: Selection, reading: Reading) -> Examples:
    reading.refuse_unused(name)
    size = DEFAULT_SIZE if selection.size is None else selection.size
    end = selection.offset + DEFAULT_N if selection.end is None else selection.end
    X = photos(end, size)
    X = X[selection.rows(len(X), f"photos of size {size}")]
    X = X * 255 if reading.rule == "keep" else X
    return Examples(from_range(X, reading), reading.scale or "divide")


def photos(n: int, size: int) -> Float[Tensor, "n 3 size size"]:
    """Returns the first `n` of a fixed sequence of crops, each far from all before it.

    The sequence may end before `n`.

    Half-overlapping square windows of 8, 6 and 4 times `size` are averaged down to `size`, then
    put into the order of farthest-point sampling (Gonzalez 1985), from the one of most contrast:
    each next crop is the one whose nearest predecessor is farthest away. Where these are used up,
    windows of twice `size` follow, then of `size`. So the sequence does not depend on `n`.
    """
    # Imported here because it takes two seconds, which those who bring their own data save.
    from sklearn.datasets import load_sample_images

    pictures = [
        torch.from_numpy(image.copy()).permute(2, 0, 1).float()[None] / 255
        for image in load_sample_images().images
    ]
    largest = min(min(picture.shape[-2:]) for picture in pictures)
    if size > largest:
        raise MnemoscopeError(
            f"photos of size {size}",
            expected=f"at most {largest}, the height of the photographs",
            todo="choose a smaller size",
            field="size",
        )
    chosen = torch.empty(0, 3, size, size)
    for multiples in LEVELS:
        pool = [
            crop
            for picture in pictures
            for multiple in multiples
            for crop in _windows(picture, size * multiple, size)
        ]
        if pool:
            chosen = _farthest(chosen, torch.stack(pool), n)
        if len(chosen) >= n:
            break
    return chosen


def _windows(picture: Tensor, side: int, size: int) -> list[Tensor]:
    """Cuts half-overlapping windows spread evenly over the picture, averaged down to `size`."""
    height, width = picture.shape[-2:]
    if side > min(height, width):
        return []
    rows, columns = (
        torch.linspace(0, length - side, max(1, round(2 * (length - side) / side) + 1)).long()
        for length in (height, width)
    )
    crops = (
        interpolate(picture[..., y : y + side, x : x + side], size=(size, size), mode="area")[0]
        for y in rows.tolist()
        for x in columns.tolist()
    )
    return [crop for crop in crops if float(crop.flatten(1).std(1).amax()) >= FLAT]


def _farthest(chosen: Tensor, pool: Tensor, n: int) -> Tensor:
    """Extends `chosen` from `pool` up to `n`, or until all that remain are too near."""
    flat = pool.flatten(1)
    apart = APART * flat.shape[1] ** 0.5
    picked: list[int] = []
    if len(chosen):
        distance = torch.cdist(flat, chosen.flatten(1)).amin(1)
    else:
        picked.append(int(flat.std(1).argmax()))
        distance = torch.cdist(flat, flat[picked]).amin(1)
    while len(chosen) + len(picked) < n and float(distance.max()) >= apart:
        picked.append(int(distance.argmax()))
        distance = distance.minimum(torch.linalg.vector_norm(flat - flat[picked[-1]], dim=1))
    return torch.cat([chosen, pool[picked]])


SOURCE = Source("photos", is_called("photos"), _read, bundled=True, order=2)
