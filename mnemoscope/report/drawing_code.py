"""The code that draws the charts of a page, kept in the user's cache: it takes seconds to make."""

import hashlib
from contextlib import suppress
from functools import lru_cache
from importlib.metadata import version

import altair as alt
import vl_convert
from platformdirs import user_cache_path

from mnemoscope.base.errors import MnemoscopeError
from mnemoscope.base.files import replacing

VEGA_LITE = ".".join(alt.SCHEMA_VERSION.lstrip("v").split(".")[:2])
"""The Vega-Lite version that Altair writes for."""


@lru_cache(maxsize=1)
def drawing_code() -> str:
    """Returns Vega, Vega-Lite and Vega-Embed as one script.

    The cached file begins with the digest of what follows: a damaged one is made again. A cache
    that cannot be written to costs time, nothing else.
    """
    name = f"charts-{version('vl-convert-python')}-{VEGA_LITE}.txt"
    kept = user_cache_path("mnemoscope") / name
    with suppress(OSError, UnicodeDecodeError):
        digest, _, code = kept.read_text(encoding="utf-8").partition("\n")
        if digest == _digest(code):
            return code
    code = vl_convert.javascript_bundle("window.vegaEmbed = vegaEmbed;", vl_version=VEGA_LITE)
    with suppress(OSError, MnemoscopeError), replacing(kept) as temporary:
        temporary.write_text(f"{_digest(code)}\n{code}", encoding="utf-8")
    return code


def _digest(code: str) -> str:
    return hashlib.sha256(code.encode()).hexdigest()
