"""Recognizes that an orbit converges to a known fixed point before it has got there.

Near an attracting fixed point `a` an orbit soon runs along the slowest direction: with
`e = z - a`, `f(z) - a` is nearly `lam e` for a number `lam < 1`. If `f` is moreover linear on the
segment from `a` to `z`, then every further state stays on it and the distance shrinks by `lam`
each step: the orbit converges to `a`, and only the counting of steps is left. Where a second
direction is as slow, or `f` bends in between, nothing is concluded and the orbit goes on.
"""

import torch
from jaxtyping import Float, Int
from torch import Tensor

from mnemoscope.dynamics.states import nearest, rms
from mnemoscope.maps import SelfMap

ALIGNED = 0.05
"""`||f(z) - a - lam e||` may be this share of `||f(z) - a||`: the sine of the angle to `e`. A start
far away, which one step brings near to everything, must not pass."""

HIDDEN = 0.2
"""The share of `e` that may lie in another direction unexamined: if `f` does not contract along
that, the limit is another."""

STRAIGHT = 0.1
"""At the segment's middle the image may miss the straight line by this share of its distance to
`a`, and of the way that a step makes there."""

SLOWEST = 0.999
"""Nothing is concluded for `lam` above this: rounding decides what happens there."""


def captured(
    f: SelfMap,
    z: Float[Tensor, "n *shape"],
    image: Float[Tensor, "n *shape"],
    landmarks: Float[Tensor, "m *shape"],
) -> Int[Tensor, " n"]:
    """Finds the landmark that each orbit at `z`, with `image` `f(z)`, converges to; -1: unknown."""
    target, _ = nearest(image, landmarks)
    a = landmarks[target]
    e, after = (z - a).flatten(1), (image - a).flatten(1)
    square = e.square().sum(1)
    lam = (e * after).sum(1) / square.clamp_min(torch.finfo(z.dtype).tiny)
    aside = torch.linalg.vector_norm(after - lam[:, None] * e, dim=1)
    left = torch.linalg.vector_norm(after, dim=1)
    good = (lam.abs() <= SLOWEST) & (aside <= ALIGNED * left)
    rows = good.nonzero()[:, 0]
    if len(rows):
        middle = a[rows] + (z[rows] - a[rows]) / 2
        # Under a straight map the middle moves half as far as the end.
        bend = rms(f(middle) - (a[rows] + image[rows]) / 2)
        least = torch.minimum(1 - lam[rows].abs(), lam[rows].abs())
        good[rows] = bend <= STRAIGHT * least * rms(z[rows] - a[rows]) / 2
    # A part `c` of `e` that does not shrink turns the image aside by `(1 - lam) c`.
    hidden = aside / (1 - lam.abs())
    most = HIDDEN * square.sqrt()
    rows = (good & (hidden > most)).nonzero()[:, 0]
    if len(rows):
        way = after[rows] - lam[rows, None] * e[rows]
        way = way * (hidden[rows] / aside[rows])[:, None]
        there = (f(a[rows] + way.reshape(a[rows].shape)) - a[rows]).flatten(1)
        rate = (there * way).sum(1) / hidden[rows].square()
        left = torch.linalg.vector_norm(there - rate[:, None] * way, dim=1)
        good[rows] = left <= most[rows] * (1 - rate.abs())
    return torch.where(good, target, -1)
