"""A picture of noise under a network: starts, and below them the ends of their orbits."""

import io

import torch
from jaxtyping import Float
from PIL import Image
from torch import Tensor

from mnemoscope.base.quantity import Quantity
from mnemoscope.dynamics import Starts, iterate
from mnemoscope.dynamics.starts import Range
from mnemoscope.results.audit import drawn_as_picture
from mnemoscope.sweep.measurements.measurement import Measurement, Trained

STARTS = 6
"""Number of starts in the picture."""


def take(trained: Trained) -> dict[str, list]:
    """Draws a PNG for the first seed of each setting; None for others, and for other states.

    Starts are uniform in the examples' range, drawn by the run's seed.
    """
    if not drawn_as_picture(trained.replicas.spec.shape):
        return {"picture": [None] * len(trained.seeds)}
    return {
        "picture": [
            _drawn(trained, replica) if first else None
            for replica, first in enumerate(trained.first)
        ]
    }


def strip(
    states: Float[Tensor, "rows columns *shape"], low: float = 0.0, high: float = 1.0
) -> bytes:
    """Draws pictures side by side as one PNG, a pixel for a pixel.

    NaN is drawn as 0; values outside of the range are clipped.
    """
    if states.ndim == 4:
        states = states[:, :, None]
    shares = (torch.nan_to_num(states.cpu().double()) - low) / (high - low)
    levels = (shares.clamp(0, 1) * 255).round().to(torch.uint8)
    pixels = levels.permute(0, 3, 1, 4, 2).flatten(2, 3).flatten(0, 1)
    image = Image.fromarray((pixels[:, :, 0] if pixels.shape[2] == 1 else pixels).numpy())
    buffer = io.BytesIO()
    image.save(buffer, format="PNG", optimize=True)
    return buffer.getvalue()


def _drawn(trained: Trained, replica: int) -> bytes:
    X = trained.X[replica]
    span = Range.of(X)
    starts = Starts("uniform", STARTS, span, trained.seeds[replica])
    blocks = starts.blocks(tuple(X.shape[1:]), dtype=X.dtype, device=X.device)
    Z = torch.cat(list(blocks))
    orbits = iterate(trained.replicas[replica], Z, max_steps=trained.measure.orbit_steps)
    return strip(torch.stack([Z, orbits.end]), min(0.0, span.low), max(1.0, span.high))


MEASUREMENT = Measurement(
    "pictures", (Quantity("picture", "image", "noise starts, and where their orbits end"),), take
)
