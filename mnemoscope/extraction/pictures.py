"""Candidates as pictures: a PNG each, and all of them on one sheet."""

import math
from collections.abc import Iterator

import torch
from jaxtyping import Float
from PIL import Image
from torch import Tensor

from mnemoscope.data.pictures import is_picture
from mnemoscope.dynamics.starts import Range

SMALLEST_SIDE = 64
"""Pixels to which the longer side of a smaller picture is enlarged, by whole pixels."""

MAX_ON_SHEET = 400
"""Candidates on the sheet: the best."""

GAP = 2
"""Pixels between pictures of the sheet."""


def drawable(shape: tuple[int, ...]) -> bool:
    """Decides whether a state of this shape is a picture: `(1 or 3, h, w)`, or `(h, w)`."""
    return is_picture(shape) or len(shape) == 2


def drawn(states: Float[Tensor, "m *shape"], span: Range) -> Iterator[Image.Image]:
    """Draws each state: its range from black to white, what is outside cut off."""
    for state in states:
        levels = (state.double() - span.low) / span.width
        pixels = (levels.clamp(0, 1) * 255).round().to(torch.uint8)
        pixels = pixels.movedim(0, -1).squeeze(-1) if pixels.ndim == 3 else pixels
        image = Image.fromarray(pixels.contiguous().numpy())
        times = max(1, SMALLEST_SIDE // max(image.size))
        yield image.resize((image.width * times, image.height * times), Image.Resampling.NEAREST)


def sheet(states: Float[Tensor, "m *shape"], span: Range) -> Image.Image:
    """Draws the best candidates in rows, best first, on white."""
    images = list(drawn(states[:MAX_ON_SHEET], span))
    columns = max(1, math.ceil(math.sqrt(len(images))))
    wide, high = images[0].width + GAP, images[0].height + GAP
    rows = math.ceil(len(images) / columns)
    whole = Image.new(images[0].mode, (columns * wide + GAP, rows * high + GAP), "white")
    for place, image in enumerate(images):
        whole.paste(image, (place % columns * wide + GAP, place // columns * high + GAP))
    return whole
