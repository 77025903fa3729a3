"""States as pictures: PNGs inside a page."""

import base64
import io
import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from PIL import Image
from torch import Tensor
from torch.nn.functional import adaptive_avg_pool1d

from mnemoscope.results.audit import drawn_as_picture

BUDGET = 6_000_000
"""Bytes of pixels of all pictures of a page; larger pictures are scaled down to fit."""

MAX_SIDE = 160
MAX_FRAMES = 7
"""Frames of an orbit: what a phone's width can show."""

STRIP_BARS = 96
STRIP_HEIGHT = 48
FAINT = 0.25
"""Range of values in [0, 1] below which pictures are drawn from their darkest to their brightest
value; between 0 and 1 they would look uniform."""

STRIP_COLOUR = (91, 134, 184, 255)


@dataclass(frozen=True)
class Picture:
    """A PNG as a `data:` URI, with its width and height in pixels."""

    uri: str
    width: int
    height: int

    @classmethod
    def of(cls, png: bytes, image: Image.Image) -> "Picture":
        """Returns the PNG of an image."""
        encoded = base64.b64encode(png).decode("ascii")
        return cls(f"data:image/png;base64,{encoded}", image.width, image.height)


@dataclass(frozen=True)
class Drawing:
    """How the states of a page are drawn, so that equal states look equal."""

    # The longest side of a picture in pixels.
    side: int
    # The values at the ends of a strip.
    low: float
    high: float
    # Those of black and white in a picture.
    black: float = 0.0
    white: float = 1.0

    def picture(self, states: Tensor | None, place: int | None) -> Picture | None:
        """Draws one of some states; None if it is not among them."""
        if states is None or place is None or not 0 <= place < len(states):
            return None
        return picture(states[place], self)

    def orbit(
        self, orbits: Tensor | None, place: int, steps: Sequence[int]
    ) -> list[tuple[str, Picture]]:
        """Draws frames of one of `(k, t, *shape)` orbits, spread evenly, each with a label."""
        if orbits is None or not 0 <= place < len(orbits):
            return []
        labels = frame_labels(orbits.shape[1], steps)
        return [(label, picture(orbits[place, at], self)) for at, label in labels.items()]


def frame_labels(total: int, steps: Sequence[int]) -> dict[int, str]:
    """Returns the frames that are shown, each with its label: `start`, number of steps, `end`."""
    labels = {at: str(steps[at]) if at < len(steps) else "" for at in spread(total, MAX_FRAMES)}
    return labels | {total - 1: "end", 0: "start"}


def drawing(examples: Tensor | None, count: int) -> Drawing:
    """Chooses the drawing with which `count` states like the examples fit into the page."""
    if examples is None or examples.numel() == 0:
        return Drawing(MAX_SIDE, 0.0, 1.0)
    shape = examples.shape[1:]
    channels = 3 if len(shape) == 3 and shape[0] == 3 else 1
    side = int(math.sqrt(BUDGET / max(1, count * channels)))
    known = examples[torch.isfinite(examples)]
    low, high = (float(known.min()), float(known.max())) if known.numel() else (0.0, 1.0)
    usual = low >= 0 and high <= 1 and high - low >= FAINT
    # One value alone has no range.
    black, white = (0.0, 1.0) if usual or low == high else (low, high)
    side = max(16, min(side, MAX_SIDE))
    return Drawing(side, min(low, 0.0), max(high, 0.0), min(black, low), max(white, high))


def picture(state: Tensor, how: Drawing) -> Picture:
    """Draws a state as a PNG: a picture, or a strip of bars if it is not one.

    Values outside of black and white are clipped; NaN is drawn as 0.
    """
    values = torch.nan_to_num(state.detach().to("cpu", torch.float32), nan=0.0)
    if drawn_as_picture(state.shape):
        image = _image(values, how)
        if (shrink := how.side / max(image.size)) < 1:
            size = [max(1, round(side * shrink)) for side in image.size]
            image = image.resize(size, Image.Resampling.BOX)
    else:
        image = _strip(values.flatten(), how)
    buffer = io.BytesIO()
    image.save(buffer, format="PNG")
    return Picture.of(buffer.getvalue(), image)


def spread(total: int, most: int) -> list[int]:
    """Returns at most `most` places out of `total`, evenly spread, with the first and the last."""
    if total <= most:
        return list(range(total))
    return sorted({round(k * (total - 1) / (most - 1)) for k in range(most)})


def _image(values: Tensor, how: Drawing) -> Image.Image:
    shades = ((values - how.black) / (how.white - how.black)).clamp(0, 1)
    levels = (shades * 255).round().to(torch.uint8)
    if levels.ndim == 3:
        # Colors come last; a single channel is no axis.
        levels = levels.movedim(0, -1) if len(levels) == 3 else levels[0]
    return Image.fromarray(levels.contiguous().numpy())


def _strip(values: Tensor, how: Drawing) -> Image.Image:
    """Draws bars from zero, up to `high` and down to `low`, on a transparent background."""
    if values.numel() == 0:
        return Image.new("RGBA", (STRIP_BARS, STRIP_HEIGHT))
    if values.numel() > STRIP_BARS:
        values = adaptive_avg_pool1d(values[None], STRIP_BARS)[0]
    scale = (STRIP_HEIGHT - 1) / ((how.high - how.low) or 1.0)
    wide = max(1, STRIP_BARS // values.numel())
    tips = ((how.high - values.double().clamp(how.low, how.high)) * scale).round()
    zero = torch.full_like(tips, round(how.high * scale))
    rows = torch.arange(STRIP_HEIGHT)[:, None]
    drawn = (rows >= tips.minimum(zero)) & (rows <= tips.maximum(zero))
    # Wide bars have a gap between them.
    own = torch.arange(wide) < max(1, wide - (wide > 2))
    pixels = (drawn[:, :, None] & own).flatten(1)[..., None] * torch.tensor(STRIP_COLOUR)
    return Image.fromarray(pixels.to(torch.uint8).numpy())
