"""Orbits as strips of pictures: a start, some iterates, where it ended."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Unpack

import torch
from jaxtyping import Float, Int
from torch import Tensor

from mnemoscope.data import corrupt
from mnemoscope.dynamics.atlas import Atlas, assign
from mnemoscope.dynamics.orbits import MAX_STEPS, TOL, OrbitOptions, iterate
from mnemoscope.dynamics.outcomes import Outcomes
from mnemoscope.dynamics.states import expand
from mnemoscope.dynamics.stored import recalled
from mnemoscope.maps import SelfMap
from mnemoscope.measure.examples import Examined
from mnemoscope.measure.subject import Subject
from mnemoscope.results.summary import NoiseFrames, RecallFrames

SHOWN = (0, 1, 2, 4, 8, 16)
"""The iterates that a strip shows before the end."""

PREFERRED = (("mask_pixels", 0.25), ("gaussian", 0.1))
"""The corruptions that strips of the examples start from: the first that the audit tried."""

STRIP_BYTES = 2**28
"""Bytes of all strips of a kind: of large states fewer are kept."""

NOISE_STRIPS = 24
"""Orbits from pure noise that are kept as pictures, at most."""

RECALL_STRIPS = 100
"""Orbits from corrupted examples that are kept as pictures, at most."""


@dataclass(frozen=True)
class Strips:
    """Orbits as pictures, and what they show.

    Attributes:
        frames: `(n, t, *shape)`: the start, iterates, the end.
        caption: What they show; `steps` says which iterates, one fewer than frames.
    """

    frames: Float[Tensor, "n t *shape"]
    caption: RecallFrames | NoiseFrames


def recall_strips(subject: Subject, atlas: Atlas, examined: Examined) -> Strips | None:
    """Follows an orbit from one corrupted copy of each example; None without a corruption."""
    f, X = subject.f, subject.X
    tried = [(kind, s) for kind, strengths in subject.corruptions.items() for s in strengths]
    if not tried:
        return None
    kind, strength = next((pair for pair in PREFERRED if pair in tried), tried[0])
    generator = torch.Generator(X.device).manual_seed(subject.seed)
    starts = corrupt(X, kind, strength, generator=generator, unit=f.unit)[0][
        : _most(f, RECALL_STRIPS)
    ]
    frames, labels, found = _orbits(f, f.clipped(starts), atlas, **subject.orbits)
    n = len(starts)
    came_back = recalled(labels, found, examined.radii.head(n), X[:n])
    caption = RecallFrames(
        corruption=kind, strength=strength, steps=SHOWN, recalled=tuple(came_back.tolist())
    )
    return Strips(frames, caption)


def noise_strips(
    subject: Subject, atlas: Atlas, example_of: Int[Tensor, " m"], noise: Sequence[Outcomes]
) -> Strips | None:
    """Follows an orbit from pure noise to each example that noise reached; None if to none."""
    rows: dict[int, tuple[str, Tensor]] = {}
    for part in noise:
        for label, start in part.witness.items():
            example = int(example_of[label])
            if example >= 0:
                rows.setdefault(example, (part.kind, start))
    if not rows:
        return None
    examples = sorted(rows)[: _most(subject.f, NOISE_STRIPS)]
    starts = torch.stack([rows[example][1] for example in examples])
    frames, _, _ = _orbits(subject.f, starts, atlas, **subject.orbits)
    caption = NoiseFrames(
        kinds=tuple(rows[example][0] for example in examples),
        examples=tuple(examples),
        steps=SHOWN,
    )
    return Strips(frames, caption)


def _most(f: SelfMap, strips: int) -> int:
    frames = len(SHOWN) + 1
    return max(1, min(strips, STRIP_BYTES // (frames * f.size * f.dtype.itemsize)))


def _orbits(
    f: SelfMap, Z: Tensor, atlas: Atlas, **options: Unpack[OrbitOptions]
) -> tuple[Tensor, Tensor, Atlas]:
    """Frames of each orbit, the attractor it ends at, and the atlas with all of these."""
    z = f.batch(Z)
    frames = [z]
    for step in range(1, SHOWN[-1] + 1):
        image, outside = f.images(z)
        # An orbit that has left the domain stays where it did.
        z = image if outside is None else torch.where(expand(outside, z), z, image)
        if step in SHOWN:
            frames.append(z)
    # The orbit goes on from the last frame.
    left = max(1, options.get("max_steps", MAX_STEPS) - SHOWN[-1])
    orbits = iterate(f, z, **{**options, "max_steps": left})
    atlas, labels, _ = assign(f, orbits, atlas, tol=options.get("tol", TOL))
    return torch.stack([*frames, orbits.end], dim=1), labels, atlas
