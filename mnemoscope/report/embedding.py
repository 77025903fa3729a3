"""Charts inside HTML: the drawing code and the specifications, inline, with nothing to fetch."""

import base64
import hashlib
import json
from functools import lru_cache
from typing import Any

from altair.typing import ChartType
from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from mnemoscope.plots.theme import COLOURS, FONT, theme
from mnemoscope.report.conversion import drawing_script


@lru_cache(maxsize=1)
def drawing_code() -> str:
    """Vega, Vega-Lite and Vega-Embed as one script."""
    return drawing_script()


def safe_json(value: Any) -> Markup:
    """JSON that may stand inside a `<script>`: nothing in it can end the element or begin one.

    Raises:
        ValueError: the value holds a number that JSON has no word for (NaN, infinity).
    """
    text = json.dumps(value, allow_nan=False, separators=(",", ":"), ensure_ascii=True)
    for character in "<>&":
        text = text.replace(character, f"\\u{ord(character):04x}")
    return Markup(text)


def page_spec(chart: ChartType) -> dict[str, Any]:
    """A chart's specification without its configuration, which the page gives to all at once.

    The schema's address goes too: nothing in a page names another place.
    """
    spec = chart.to_dict()
    return {name: value for name, value in spec.items() if name not in ("config", "$schema")}


def page_config() -> dict[str, Any]:
    """The configuration of the charts in a page, whose ink is the style sheet's."""
    return theme("currentColor")


def environment() -> Environment:
    """Jinja with everything escaped, and the charts' code and colours at hand."""
    env = Environment(
        loader=PackageLoader("mnemoscope.report", "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    env.globals.update(
        drawing_code=Markup(drawing_code()),
        config=safe_json(page_config()),
        colours=COLOURS,
        font=Markup(FONT),
        content_policy=_content_policy(env),
    )
    return env


def _content_policy(env: Environment) -> str:
    """Only this page's own two scripts may run, and nothing may be fetched."""
    scripts = drawing_code(), source(env, "charts.js")
    hashes = " ".join(f"'sha256-{_sha256(script)}'" for script in scripts)
    # Vega compiles its expressions with `Function`, hence 'unsafe-eval'.
    return (
        f"default-src 'none'; script-src {hashes} 'unsafe-eval'; style-src 'unsafe-inline'; "
        "img-src data: blob:; base-uri 'none'; form-action 'none'"
    )


def source(env: Environment, name: str) -> str:
    """A file of the templates' folder as it stands."""
    assert env.loader is not None
    return env.loader.get_source(env, name)[0]


def _sha256(text: str) -> str:
    return base64.b64encode(hashlib.sha256(text.encode()).digest()).decode("ascii")
