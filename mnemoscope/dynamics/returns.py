"""Whether orbits that begin next to an example come back to its attractor.

After a finish (`mnemoscope.training`) the residual at an example is near rounding, so that its own
orbit stays where it is whether or not the example attracts, and the spectral radius is all that
speaks for storage. So an example of a finished network counts as stored only if the orbits from
states around it end at its attractor too: `DISTANCE` away in `DIRECTIONS` random directions, and
along the leading eigenvector of the Jacobian (of a complex pair, within its plane), which is where
they escape first.
"""

from typing import Unpack

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from mnemoscope.dynamics.atlas import Atlas
from mnemoscope.dynamics.census import survey
from mnemoscope.dynamics.orbits import OrbitOptions
from mnemoscope.dynamics.starts import block_size
from mnemoscope.dynamics.states import rms
from mnemoscope.maps import SelfMap

DISTANCE = 1e-3
"""RMS distance of the states from their example, in units."""

DIRECTIONS = 8
"""Random directions for each example."""

PRODUCTS = 30
"""Power iterations that turn a random vector into the leading eigenvector's direction."""


def was_finished(f: SelfMap) -> bool:
    """Decides whether a map is a network whose training ended with a finish."""
    records = [getattr(module, "training_record", None) for module in f.modules]
    return any(getattr(record, "finish", None) is not None for record in records)


def returning(
    f: SelfMap,
    X: Float[Tensor, "n *shape"],
    atlas: Atlas,
    labels: Int[Tensor, " n"],
    *,
    seed: int = 0,
    **options: Unpack[OrbitOptions],
) -> Bool[Tensor, " n"]:
    """Decides at which examples the orbits around them end at the attractor of the example's own.

    Args:
        f: The map, in the unit of the data.
        X: `(n, *shape)`, the examples.
        atlas: The attractors known.
        labels: `(n,)`, the attractor of each example's own orbit; -1: none.
        seed: Random seed of the directions.
        **options: As in `iterate`.
    """
    back = labels >= 0
    generator = torch.Generator().manual_seed(seed)
    rows = back.nonzero()[:, 0]
    for part in rows.split(max(1, block_size(f.size) // (DIRECTIONS + 1))):
        states = _around(f, X[part], generator)
        _, ends, _ = survey(f, states.flatten(0, 1), atlas, **options)
        back[part] = (ends.reshape(len(states), -1) == labels[part]).all(0)
    return back


def _around(
    f: SelfMap, X: Float[Tensor, "n *shape"], generator: torch.Generator
) -> Float[Tensor, "k n *shape"]:
    """Returns the states around each example."""
    size = (DIRECTIONS + 1, *X.shape)
    V = torch.randn(size, generator=generator, dtype=torch.float64).to(X)
    if f.differentiable and not f.by_values:
        V[-1] = _leading(f, X, V[-1])
    lengths = rms(V.flatten(0, 1)).unflatten(0, V.shape[:2])
    steps = V / lengths.reshape(*lengths.shape, *[1] * (X.ndim - 1))
    return X + DISTANCE * f.unit * steps


def _leading(f: SelfMap, X: Tensor, V: Tensor) -> Float[Tensor, "n *shape"]:
    """Returns a vector along the leading eigenvector of the Jacobian at each example."""
    linear = f.linearize(X)
    for _ in range(PRODUCTS):
        image = linear.jvp(V)
        length = rms(image).reshape(-1, *[1] * (V.ndim - 1))
        # Where the Jacobian is zero every direction is as good.
        V = torch.where(length > 0, image / length, V)
    return V
