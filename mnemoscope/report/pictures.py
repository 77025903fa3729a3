"""States as pictures: PNG data URIs that the page carries."""

import base64
import io
import math
from dataclasses import dataclass

import torch
from PIL import Image
from torch import Tensor
from torch.nn.functional import adaptive_avg_pool1d

from mnemoscope.results.pictures import drawn_as_picture

BUDGET = 6_000_000
"""Bytes of pixels that all pictures of a page may hold; larger pictures are scaled down to fit."""

LARGEST_SIDE = 160
STRIP_BARS = 96
STRIP_HEIGHT = 48
FAINT = 0.25
"""Pictures whose values lie between 0 and 1 and range over less than this are drawn from their
darkest to their brightest value: between 0 and 1 one would see little."""

STRIP_COLOUR = (91, 134, 184, 255)


@dataclass(frozen=True)
class Picture:
    """A picture in the page.

    Attributes:
        uri: `data:image/png;base64,...`.
        width: In pixels of the PNG.
        height: In pixels of the PNG.
    """

    uri: str
    width: int
    height: int


@dataclass(frozen=True)
class Drawing:
    """How states are drawn; one for a whole page, so that equal states look equal.

    Attributes:
        side: The longest side of a picture, in pixels.
        low: What a strip's lowest bar stands for.
        high: What its highest stands for.
        black: The value of black in a picture.
        white: That of white.
    """

    side: int
    low: float
    high: float
    black: float = 0.0
    white: float = 1.0


def drawing(examples: Tensor | None, count: int) -> Drawing:
    """The drawing that fits `count` states like the examples into the page.

    Args:
        examples: `(n, *shape)`; their range is the range of the strips.
        count: How many states the page will show.
    """
    if examples is None or examples.numel() == 0:
        return Drawing(LARGEST_SIDE, 0.0, 1.0)
    shape = examples.shape[1:]
    channels = 3 if len(shape) == 3 and shape[0] == 3 else 1
    side = int(math.sqrt(BUDGET / max(1, count * channels)))
    known = examples[torch.isfinite(examples)]
    low, high = (float(known.min()), float(known.max())) if known.numel() else (0.0, 1.0)
    usual = low >= 0 and high <= 1 and high - low >= FAINT
    # One value alone has no range.
    black, white = (0.0, 1.0) if usual or low == high else (low, high)
    side = max(16, min(side, LARGEST_SIDE))
    return Drawing(side, min(low, 0.0), max(high, 0.0), min(black, low), max(white, high))


def picture(state: Tensor, how: Drawing) -> Picture:
    """A state as a PNG: a picture, or a strip of bars if it is not one.

    Black is 0 and white is 1 where the examples lie between and make use of that range, else black
    and white are the ends of their range; what lies outside is clipped. What is not a number is
    drawn as 0.
    """
    values = torch.nan_to_num(state.detach().to("cpu", torch.float32), nan=0.0)
    image = _image(values, how) if drawn_as_picture(state.shape) else _strip(values.flatten(), how)
    if max(image.size) > how.side and drawn_as_picture(state.shape):
        shrink = how.side / max(image.size)
        image = image.resize(
            (max(1, round(image.width * shrink)), max(1, round(image.height * shrink))),
            Image.Resampling.BOX,
        )
    buffer = io.BytesIO()
    image.save(buffer, format="PNG")
    encoded = base64.b64encode(buffer.getvalue()).decode("ascii")
    return Picture(f"data:image/png;base64,{encoded}", image.width, image.height)


def spread(total: int, most: int) -> list[int]:
    """At most `most` places out of `total`, evenly spread, the first and the last among them."""
    if total <= most:
        return list(range(total))
    return sorted({round(k * (total - 1) / (most - 1)) for k in range(most)})


def _image(values: Tensor, how: Drawing) -> Image.Image:
    levels = (
        (((values - how.black) / (how.white - how.black)).clamp(0, 1) * 255).round().to(torch.uint8)
    )
    if levels.ndim == 3 and levels.shape[0] == 3:
        height, width = levels.shape[1:]
        data = bytes(levels.permute(1, 2, 0).flatten().tolist())
        return Image.frombytes("RGB", (width, height), data)
    height, width = levels.shape[-2:]
    return Image.frombytes("L", (width, height), bytes(levels.flatten().tolist()))


def _strip(values: Tensor, how: Drawing) -> Image.Image:
    """Bars from zero, up to `high` and down to `low`, on a transparent ground."""
    if values.numel() == 0:
        return Image.new("RGBA", (STRIP_BARS, STRIP_HEIGHT))
    if values.numel() > STRIP_BARS:
        values = adaptive_avg_pool1d(values[None], STRIP_BARS)[0]
    scale = (STRIP_HEIGHT - 1) / ((how.high - how.low) or 1.0)
    zero = round(how.high * scale)
    wide = max(1, STRIP_BARS // values.numel())
    image = Image.new("RGBA", (wide * values.numel(), STRIP_HEIGHT))
    for place, value in enumerate(values.clamp(how.low, how.high).tolist()):
        tip = round((how.high - value) * scale)
        top, bottom = min(tip, zero), max(tip, zero)
        bar = Image.new("RGBA", (max(1, wide - (wide > 2)), bottom - top + 1), STRIP_COLOUR)
        image.paste(bar, (place * wide, top))
    return image
