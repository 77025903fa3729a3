"""What an audit draws: orbits as strips of pictures, and basins on a plane through examples."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Unpack

import polars as pl
import torch
from jaxtyping import Float, Int
from torch import Tensor

from mnemoscope.data import corrupt
from mnemoscope.dynamics.atlas import Atlas, assign
from mnemoscope.dynamics.census import survey
from mnemoscope.dynamics.orbits import MAX_STEPS, TOL, OrbitOptions, iterate
from mnemoscope.dynamics.outcomes import Outcomes
from mnemoscope.dynamics.starts import block_size
from mnemoscope.dynamics.states import expand
from mnemoscope.dynamics.stored import recalled
from mnemoscope.maps import SelfMap
from mnemoscope.measure.examples import Examined
from mnemoscope.measure.subject import Subject
from mnemoscope.results.summary import NoiseFrames, Plane, RecallFrames
from mnemoscope.results.tables import PLANE

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
    """Orbits as pictures, and what they show."""

    # The start, iterates (the caption's `steps`), the end.
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


SIDE = 41
"""Starts along each side of the map."""

MARGIN = 0.35
"""How far the map goes beyond the three examples, as a share of their extent."""


@dataclass(frozen=True)
class BasinPlane:
    """Where starts on a plane end; their places on it are RMS, in units."""

    table: pl.DataFrame
    place: Plane


def three_examples(X: Float[Tensor, "n *shape"], examined: Examined) -> Int[Tensor, " 3"] | None:
    """Chooses stored examples first, no two of one attractor; None if fewer than three are left."""
    order = (~examined.stored).to(torch.int64).argsort(stable=True)
    chosen: list[int] = []
    taken: set[int] = set()
    for i in order.tolist():
        label = int(examined.attractor[i]) if examined.stored[i] else -1
        if label < 0 or label not in taken:
            chosen.append(i)
            taken.add(label)
        if len(chosen) == 3:
            return torch.tensor(chosen)
    return None


def map_plane(
    subject: Subject, three: Int[Tensor, " 3"], atlas: Atlas
) -> tuple[Atlas, BasinPlane | None]:
    """Iterates from a grid on the plane through three examples; None if they lie on a line.

    The first example is the origin, the second lies on the first axis.
    """
    f, X = subject.f, subject.X
    a, b, c = X[three].flatten(1).double()
    scale = f.unit * a.numel() ** 0.5
    along = (b - a) / torch.linalg.vector_norm(b - a).clamp_min(1e-12 * scale)
    across = (c - a) - along * (along @ (c - a))
    height = torch.linalg.vector_norm(across)
    if float(torch.linalg.vector_norm(b - a)) < 1e-9 * scale or float(height) < 1e-6 * scale:
        return atlas, None
    across = across / height
    points = (
        (0.0, 0.0),
        (float(along @ (b - a)) / scale, 0.0),
        (float(along @ (c - a)) / scale, float(height) / scale),
    )
    u, v = (_axis([p[axis] for p in points]) for axis in (0, 1))
    grid = torch.cartesian_prod(u, v).to(X.device)
    found = []
    for part in grid.split(block_size(f.size)):
        starts = a + scale * (part[:, :1] * along + part[:, 1:] * across)
        starts = f.batch(starts.reshape(-1, *X.shape[1:]))
        atlas, labels, _ = survey(f, starts, atlas, **subject.orbits)
        found.append(labels)
    table = pl.DataFrame(
        {
            "u": grid[:, 0].tolist(),
            "v": grid[:, 1].tolist(),
            "attractor": torch.cat(found).tolist(),
        },
        schema=PLANE,
    )
    return atlas, BasinPlane(table, Plane(examples=tuple(three.tolist()), points=points))


def _axis(coordinates: list[float]) -> Tensor:
    low, high = min(coordinates), max(coordinates)
    margin = MARGIN * (high - low)
    return torch.linspace(low - margin, high + margin, SIDE, dtype=torch.float64)
