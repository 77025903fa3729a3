"""Ranks candidates by how likely each is a training example, without data.

Two facts set a memory apart from what the map does between its memories:

- *it lies in the data's range.* A training example does, but for the error of the fit; nothing
  holds other attractors there. Let `e` be the RMS of what lies outside, as a share of the range's
  width;
- *it is stable.* The fit flattens the map around what it was fitted to. Let `rho` be the spectral
  radius per application of the map (of a cycle of period `p` the `p`-th root of that of `f^p`): a
  deviation dies out over about `1 / (1 - rho)` steps.

Both `e` and `1 - rho` range over many powers of ten and have no scale of their own, so their
logarithms carry the information:

    score = - log e + log (1 - rho)

with `e` at least the distance below which attractors are not distinguished. No weight was fitted.

Not in it, since they put spurious attractors first on some networks (`docs/extraction.md`): the
size of the basin, how many kinds of starts reach it, smoothness. They are in the table.
"""

from jaxtyping import Float
from torch import Tensor

from mnemoscope.dynamics.atlas import RESOLUTION
from mnemoscope.dynamics.starts import Range
from mnemoscope.extraction.candidates import Evidence


def likelihood(known: Evidence, span: Range, tol: float) -> Float[Tensor, " m"]:
    """Scores each candidate; the higher, the likelier it is a training example."""
    excess = (known.excess / span.width).clamp_min(RESOLUTION * tol)
    per_step = known.spectral_radius ** (1 / known.period)
    return (1 - per_step).log() - excess.log()
