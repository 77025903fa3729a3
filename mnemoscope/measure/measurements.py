"""What the parts of an audit measured, before it becomes tables."""

from dataclasses import dataclass, field
from typing import Any

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from mnemoscope.dynamics.atlas import Atlas
from mnemoscope.dynamics.census import representatives
from mnemoscope.dynamics.neighbours import nearest_among
from mnemoscope.dynamics.outcomes import Outcomes
from mnemoscope.measure.certificates import Certified
from mnemoscope.measure.examples import Examined
from mnemoscope.measure.frames import Strips
from mnemoscope.measure.membership import Membership
from mnemoscope.measure.plane import BasinPlane
from mnemoscope.measure.recall import Recalled
from mnemoscope.measure.subject import Subject
from mnemoscope.results.summary import Controls


@dataclass
class Measurements:
    """What was measured so far; the atlas grows with each part that follows orbits.

    Attributes:
        atlas: All attractors that were found.
        examined: What was measured at the examples.
        outputs: `(h, *shape)`, images of fresh inputs.
        noise: Where starts from noise ended.
        recalled: What became of corrupted examples.
        proved: What is proved of the examples.
        ended: Where all starts ended, each distribution.
        plane: Basins on a plane; None where it was not measured, as for all that follow.
        recall_strips: Orbits from corrupted examples as pictures.
        noise_strips: Orbits from noise as pictures.
        membership: Scores for membership.
        controls: The negative controls.
        columns: The values of added columns by name, one for each example.
    """

    atlas: Atlas
    examined: Examined
    outputs: Float[Tensor, "h *shape"]
    noise: list[Outcomes]
    recalled: Recalled
    proved: Certified
    ended: list[Outcomes] = field(default_factory=list)
    plane: BasinPlane | None = None
    recall_strips: Strips | None = None
    noise_strips: Strips | None = None
    membership: Membership | None = None
    controls: Controls | None = None
    columns: dict[str, list[Any]] = field(default_factory=dict)


@dataclass(frozen=True)
class Matches:
    """The attractors that were found, and the examples that they match.

    Attributes:
        states: `(m, *shape)`, the state of each attractor that is nearest to an example.
        nearest_example: `(m,)`, that example.
        distance: `(m,)`, RMS distance to it, in units.
        example_of: `(m,)`, the example within `match_tol`; -1: none.
        any_example: `(m,)`, whether any training example is that near, audited or not.
    """

    states: Float[Tensor, "m *shape"]
    nearest_example: Int[Tensor, " m"]
    distance: Float[Tensor, " m"]
    example_of: Int[Tensor, " m"]
    any_example: Bool[Tensor, " m"]

    @classmethod
    def of(cls, subject: Subject, atlas: Atlas) -> "Matches":
        """Matches attractors with the examples of a subject."""
        f, within = subject.f, subject.tolerances.match_tol
        states, nearest_example, distance = representatives(atlas, subject.X)
        distance = distance / f.unit
        example_of = torch.where(distance <= within, nearest_example, -1)
        matches = example_of >= 0
        if subject.among is not None and len(atlas):
            near = nearest_among(atlas.states, subject.among)[1] <= within * f.unit
            matches[atlas.owner[near]] = True
        return cls(states, nearest_example, distance, example_of, matches)
