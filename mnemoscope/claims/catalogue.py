"""All claims: every module of this package that has a `CLAIM`."""

from functools import lru_cache

from mnemoscope.base.discovery import entries, modules_in
from mnemoscope.base.errors import MnemoscopeError
from mnemoscope.claims.claim import Claim


@lru_cache
def all_claims() -> dict[str, Claim]:
    """Returns the claims by name, in the order of their numbers."""
    found = [
        module.CLAIM
        for module in modules_in("mnemoscope.claims", __file__)
        if isinstance(vars(module).get("CLAIM"), Claim)
    ]
    found += [entry for entry in entries("mnemoscope.claims") if isinstance(entry, Claim)]
    return {claim.name: claim for claim in sorted(found, key=lambda claim: claim.number)}


def find_claim(name: str) -> Claim:
    """The claim of this name.

    Raises:
        MnemoscopeError: there is none; all there are are told.
    """
    known = all_claims()
    if name not in known:
        raise MnemoscopeError(
            f"claim {name!r}", expected=f"one of {', '.join(known)}", todo="choose one of these"
        )
    return known[name]
