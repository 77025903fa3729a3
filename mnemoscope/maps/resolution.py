"""How finely a map's values are resolved: to rounding, more coarsely than its dtype, or in steps."""

from dataclasses import dataclass
from typing import Literal

Kind = Literal["smooth", "coarse", "quantized"]


@dataclass(frozen=True)
class Resolution:
    """The steps in which a map's values come, in addition to the rounding of its dtype.

    Attributes:
        kind: `smooth`: values are resolved to the rounding of the map's dtype, and the other fields
            are 0. `coarse`: they come in steps that are larger than that but fine compared with the
            unit (float16 inside, three decimals). `quantized`: in steps that are visible in the
            data (bytes, a codebook).
        spacing: Distance (RMS over a state's entries) between a value and its neighbours.
        entry: Least difference between two values of one entry.
        length: Least RMS length over which a difference quotient shows the map's growth rather
            than its steps.
    """

    kind: Kind
    spacing: float
    entry: float
    length: float

    @property
    def smooth(self) -> bool:
        """Whether values are resolved to the rounding of the map's dtype."""
        return self.kind == "smooth"


SMOOTH = Resolution("smooth", 0.0, 0.0, 0.0)
"""The resolution of a map whose values are limited by the rounding of its dtype alone."""
