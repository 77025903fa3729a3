"""The training loss that counted as interpolation."""

from mnemoscope.base.text import finite
from mnemoscope.results.audit import Audit


def interpolation_threshold(audit: Audit) -> float | None:
    """What the network's training record tells; None if there is none.

    `summary["tol"]` is another threshold: that of an orbit's last step.
    """
    return finite((audit.provenance.get("training") or {}).get("tol"))
