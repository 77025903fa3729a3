"""The rows of orbits from pure noise: what comes out of the weights alone."""

from dataclasses import dataclass

from mnemoscope.base.labels import start_label
from mnemoscope.report.frames import Frame, orbit_frames
from mnemoscope.report.pictures import Drawing, Picture, picture
from mnemoscope.results.audit import Audit

MOST_ROWS = 24


@dataclass(frozen=True)
class NoiseRow:
    """An orbit from noise.

    Attributes:
        start: The distribution of its start, in words.
        example: The training example at which it ended; None if at none.
        frames: Its start, some iterates, its end.
        picture: That training example, to compare.
    """

    start: str
    example: int | None
    frames: list[Frame]
    picture: Picture | None


def noise_rows(audit: Audit, how: Drawing, most: int = MOST_ROWS) -> list[NoiseRow]:
    """The rows of the page, at most `most`."""
    orbits, examples = audit.pictures.get("noise_frames"), audit.pictures.get("examples")
    if orbits is None:
        return []
    shown = audit.summary.noise_frames
    kinds, reached, steps = (shown.kinds, shown.examples, shown.steps) if shown else ((), (), ())
    rows = []
    for place, states in enumerate(orbits[:most]):
        example = reached[place] if place < len(reached) else None
        if example is not None and example < 0:
            example = None
        rows.append(
            NoiseRow(
                start=start_label(kinds[place]) if place < len(kinds) else "noise",
                example=example,
                frames=orbit_frames(states, steps, how),
                picture=(
                    picture(examples[example], how)
                    if example is not None and examples is not None and example < len(examples)
                    else None
                ),
            )
        )
    return rows
