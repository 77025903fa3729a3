"""Finds and runs claims."""

import time
from collections.abc import Callable, Iterable, Iterator

from mnemoscope.base.check import one_of
from mnemoscope.base.discovery import Registry
from mnemoscope.claims.claim import Claim, ClaimResult, Scale

CLAIMS = Registry(Claim, __name__, __file__, order=lambda claim: claim.number)
"""All claims by name, in the order of their numbers."""


def find_claim(name: str) -> Claim:
    """Returns the claim of this name."""
    return CLAIMS[one_of("claim", name, CLAIMS)]


def run_claim(claim: str | Claim, scale: Scale | None = None) -> ClaimResult:
    """Runs one claim.

    Args:
        claim: Its name, or itself.
        scale: The effort.

    Example:
        >>> result = run_claim("projection", Scale("quick"))
        >>> result.verdict
        'holds'
    """
    chosen = find_claim(claim) if isinstance(claim, str) else claim
    begun = time.perf_counter()
    runs = chosen.rows(scale or Scale())
    return chosen.judge(runs, time.perf_counter() - begun)


def run_claims(
    names: Iterable[str] = (),
    scale: Scale | None = None,
    *,
    on_begin: Callable[[Claim], object] | None = None,
) -> Iterator[ClaimResult]:
    """Runs claims in order, and yields each result when it is complete.

    Args:
        names: Names of claims (default: all). They are looked up before the first is run.
        scale: The effort for each.
        on_begin: Called before each.
    """
    chosen = [find_claim(name) for name in names] or list(CLAIMS.values())
    for claim in chosen:
        if on_begin is not None:
            on_begin(claim)
        yield run_claim(claim, scale)
