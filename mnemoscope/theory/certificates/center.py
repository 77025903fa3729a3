"""The fixed point near a state, in float64: Newton's method, and the orbit where it finds none.

Newton's step solves `(I - J) s = g(y) - y` in the coordinates of the cut, and is halved until the
residual falls. It can end without a fixed point: at a kink, or where there is none near. Then it
begins again further down the orbit. No proof relies on the outcome: it holds for the state found,
fixed or not.
"""

import math

import torch
from jaxtyping import Float
from torch import Tensor

from mnemoscope.theory.certificates.loop import Loop
from mnemoscope.theory.certificates.rounding import UNIT

BEGINNINGS = (0, 50, 1000)
"""Steps of the map before Newton's method; the later ones only if it found nothing before."""

NEWTON_STEPS = 30
"""Newton's method ends near a fixed point in a dozen steps, or never."""

HALVINGS = 6
"""Maximum number of halvings of Newton's step."""

AT_REST = 1e-12
"""Residual, as a share of the coordinates, below which it is rounding that remains."""


def fixed_point_near(loop: Loop, state: Float[Tensor, " d"]) -> Float[Tensor, " d"]:
    """Returns the state of smallest residual on the way; the state itself if none is finite."""
    y = best = loop.read(state)
    least, taken = math.inf, 0
    for beginning in BEGINNINGS:
        for _ in range(beginning - taken):
            y = loop.step(y)
        taken = beginning
        found, residual = _newton(loop, y)
        if residual < least:
            best, least = found, residual
        if least <= AT_REST * _length(best):
            break
    if math.isinf(least):
        return state
    return best if loop.at_state else loop.write(best)


def _newton(loop: Loop, y: Tensor) -> tuple[Tensor, float]:
    """Returns the state at which the residual falls no further, and the residual."""
    image = loop.step(y)
    residual = _length(image - y)
    for _ in range(NEWTON_STEPS):
        if not 4 * UNIT * _length(y) < residual < math.inf:
            break
        step = _newton_step(loop, y, image)
        for halving in range(HALVINGS):
            tried = y + step / 2**halving
            its_image = loop.step(tried)
            its_residual = _length(its_image - tried)
            if its_residual < residual:
                break
        else:
            break
        y, image, residual = tried, its_image, its_residual
    return y, residual


def _length(v: Tensor) -> float:
    length = float(torch.linalg.vector_norm(v))
    return math.inf if math.isnan(length) else length


def _newton_step(loop: Loop, y: Tensor, image: Tensor) -> Tensor:
    eye = torch.eye(len(y), dtype=y.dtype)
    step, failed = torch.linalg.solve_ex(eye - loop.jacobian_at(y), image - y)
    return torch.full_like(step, torch.nan) if int(failed) else step
