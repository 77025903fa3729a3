"""All claims: every module of this package that has a `CLAIM`."""

import pkgutil
from functools import lru_cache
from importlib import import_module

from mnemoscope import claims as package
from mnemoscope.claims.claim import Claim
from mnemoscope.errors import MnemoscopeError


@lru_cache
def all_claims() -> dict[str, Claim]:
    """The claims by name, in the order of their numbers."""
    modules = [
        import_module(f"{package.__name__}.{found.name}")
        for found in pkgutil.iter_modules(package.__path__)
    ]
    found = [module.CLAIM for module in modules if isinstance(vars(module).get("CLAIM"), Claim)]
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
