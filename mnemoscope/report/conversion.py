"""Charts drawn offline by vl-convert, of version 1 or 2."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

import altair as alt
import vl_convert

VEGA_LITE = ".".join(alt.SCHEMA_VERSION.lstrip("v").split(".")[:2])
"""The Vega-Lite version that Altair writes for."""

Made = TypeVar("Made", str, bytes)

_converter: Any = vl_convert
"""The types of the package are those of version 1."""


def drawing_script() -> str:
    """Vega, Vega-Lite and Vega-Embed as one script."""
    return vl_convert.javascript_bundle("window.vegaEmbed = vegaEmbed;", vl_version=VEGA_LITE)


def offline(convert: Callable[..., Made], spec: dict[str, Any], **options: Any) -> Made:
    """Converts a specification; no address in it is fetched.

    Args:
        convert: A function of vl-convert that takes a Vega-Lite specification.
        spec: The specification.
        **options: Passed on to it.
    """
    with _nothing_fetched() as more:
        return convert(spec, vl_version=VEGA_LITE, **more, **options)


@contextmanager
def _nothing_fetched() -> Iterator[dict[str, Any]]:
    """The options of a conversion by which it fetches nothing: a setting since version 2."""
    if not hasattr(_converter, "configure"):
        yield {"allowed_base_urls": []}
        return
    settings = _converter.get_config()["allowed_base_urls"]
    _converter.configure(allowed_base_urls=[])
    try:
        yield {}
    finally:
        # The setting is the process's, which may draw other charts.
        _converter.configure(allowed_base_urls=settings)
