"""Claims of the literature, executable: statement, prediction, measurement, verdict.

A claim is one module of this package, or an entry point of another one, that has a `CLAIM`; a new
one needs no change anywhere else. What claims are made of is here.
"""

from mnemoscope.claims.checks import (
    all_near_zero,
    at_least,
    at_most,
    each_value,
    near,
    nearly_all,
    nearly_none,
    share,
)
from mnemoscope.claims.claim import Check, Claim, ClaimResult, Regime, Scale
from mnemoscope.claims.design import (
    FULL_BATCHES,
    NETWORK,
    Row,
    Setting,
    each_network,
    noise_images,
    rows_of,
    trained,
)
from mnemoscope.claims.rates import Counted, listed, phase_diagram, pooled, rates_figure, shares
from mnemoscope.sweep.measurements import Trained

__all__ = [
    "FULL_BATCHES",
    "NETWORK",
    "Check",
    "Claim",
    "ClaimResult",
    "Counted",
    "Regime",
    "Row",
    "Scale",
    "Setting",
    "Trained",
    "all_near_zero",
    "at_least",
    "at_most",
    "each_network",
    "each_value",
    "listed",
    "near",
    "nearly_all",
    "nearly_none",
    "noise_images",
    "phase_diagram",
    "pooled",
    "rates_figure",
    "rows_of",
    "share",
    "shares",
    "trained",
]
