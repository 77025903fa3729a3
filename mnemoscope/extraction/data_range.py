"""The range of the data, estimated from the attractors."""

import torch
from torch import Tensor

from mnemoscope.dynamics.atlas import Atlas
from mnemoscope.dynamics.starts import Range

USUAL = (Range(0.0, 1.0), Range(-1.0, 1.0), Range(0.0, 255.0))
"""Ranges that data usually have; the first is the default unless attractors contradict it."""

SLACK = 0.25
"""Attractors may leave a usual range by this share of its width: spurious ones overshoot a little,
and the lower ends of the first two differ by twice as much of the wider one."""

FILLED = 0.5
"""The share of a usual range, other than the first, that attractors must span: small numbers fit
into every large range."""

FILLED_FIRST = 0.05
"""The share of the first: attractors of less contrast than this are data of another scale."""


def likely_range(atlas: Atlas) -> Range:
    """Returns the first usual range that fits the attractors; else what they span themselves.

    They span from the median of the least entry of each to that of the largest, over the more
    stable half of them, since spurious attractors are less stable and leave the range.
    """
    if len(atlas) == 0:
        return USUAL[0]
    flat = atlas.states.flatten(1)
    steady = (atlas.spectral_radius ** (1 / atlas.period)).argsort(stable=True)
    steady = steady[: (len(atlas) + 1) // 2]
    # Of an even number `median` is the lower of two: both ends are to be the inner one.
    low = -float((-_each(flat.amin(1), atlas, "amin")[steady]).median())
    high = float(_each(flat.amax(1), atlas, "amax")[steady].median())
    for usual in USUAL:
        slack = SLACK * usual.width
        holds = usual.low - slack <= low and high <= usual.high + slack
        filled = FILLED_FIRST if usual is USUAL[0] else FILLED
        if holds and high - low >= filled * usual.width:
            return usual
    return Range(low, high)


def _each(values: Tensor, atlas: Atlas, reduce: str) -> Tensor:
    """Returns the least or largest of a number over the states of each attractor."""
    empty = torch.zeros(len(atlas), dtype=values.dtype, device=values.device)
    return empty.scatter_reduce(0, atlas.owner, values, reduce, include_self=False)
