"""Charts drawn offline by vl-convert, of version 1 or 2."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

import altair as alt
import vl_convert

VEGA_LITE = ".".join(alt.SCHEMA_VERSION.lstrip("v").split(".")[:2])
"""The Vega-Lite version that Altair writes for."""

Made = TypeVar("Made", str, bytes)


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
    if not hasattr(vl_convert, "configure"):
        yield {"allowed_base_urls": []}
        return
    settings = vl_convert.get_config()["allowed_base_urls"]
    vl_convert.configure(allowed_base_urls=[])  # pyright: ignore[reportAttributeAccessIssue]
    try:
        yield {}
    finally:
        # The setting is the process's, which may draw other charts.
        vl_convert.configure(  # pyright: ignore[reportAttributeAccessIssue]
            allowed_base_urls=settings
        )
