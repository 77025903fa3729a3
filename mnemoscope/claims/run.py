"""Runs claims, one after the other."""

import time
from collections.abc import Callable, Iterable, Iterator

from mnemoscope.base.errors import MnemoscopeError
from mnemoscope.claims.catalogue import all_claims, find_claim
from mnemoscope.claims.claim import Claim, ClaimResult
from mnemoscope.claims.scale import Scale


def run_claim(claim: str | Claim, scale: Scale | None = None) -> ClaimResult:
    """Runs one claim.

    Args:
        claim: Its name, or itself.
        scale: How much of it.

    Raises:
        MnemoscopeError: there is no such claim, or it cannot be run at this scale.

    Example:
        >>> result = run_claim("projection", Scale("quick"))
        >>> result.verdict
        'holds'
    """
    chosen = find_claim(claim) if isinstance(claim, str) else claim
    scale = scale or Scale()
    if scale.seeds is not None and scale.seeds < 1:
        raise MnemoscopeError(
            f"seeds={scale.seeds}", expected="1 or more", todo="leave it out for the claim's own"
        )
    begun = time.perf_counter()
    evidence = chosen.experiment(scale)
    return ClaimResult(chosen, evidence, time.perf_counter() - begun)


def run_claims(
    names: Iterable[str] = (),
    scale: Scale | None = None,
    *,
    on_begin: Callable[[Claim], object] | None = None,
) -> Iterator[ClaimResult]:
    """Runs claims one after the other, each result as it comes.

    Args:
        names: Which; all if there are none. All names are looked up before the first is run.
        scale: How much of each.
        on_begin: Called before each.

    Raises:
        MnemoscopeError: as `run_claim`.
    """
    chosen = [find_claim(name) for name in names] or list(all_claims().values())
    for claim in chosen:
        if on_begin is not None:
            on_begin(claim)
        yield run_claim(claim, scale)
