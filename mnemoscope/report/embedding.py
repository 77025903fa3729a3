"""Pages: HTML files that hold their charts and the code that draws them, and fetch nothing."""

import base64
import hashlib
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from altair.typing import ChartType
from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from mnemoscope.base import text
from mnemoscope.base.files import replacing
from mnemoscope.base.labels import start_label
from mnemoscope.plots.theme import COLOURS, FONT, theme
from mnemoscope.report.drawing_code import drawing_code


def write_page(template: str, sections: Mapping[str, Any], path: str | os.PathLike[str]) -> Path:
    """Writes a page.

    Raises:
        MnemoscopeError: the file cannot be written.
    """
    page = render(template, sections)
    with replacing(path) as temporary:
        # The name of a file need not be UTF-8.
        temporary.write_text(page, encoding="utf-8", errors="backslashreplace")
    return Path(path)


def render(template: str, sections: Mapping[str, Any]) -> str:
    """Fills a template with what its sections read; all text is escaped."""
    env = Environment(
        loader=PackageLoader("mnemoscope.report", "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    for function in (text.number, text.percent, text.plural, text.pretty, text.setting):
        env.filters[function.__name__] = function
    env.filters.update(
        start_label=start_label,
        count="{:,}".format,
        spec=lambda chart: safe_json(page_spec(chart)),
    )
    assert env.loader is not None
    style, script = (env.loader.get_source(env, name)[0] for name in ("page.css", "charts.js"))
    env.globals.update(
        drawing_code=Markup(drawing_code()),
        config=safe_json(theme("currentColor")),
        colours=COLOURS,
        font=Markup(FONT),
        style=Markup(style),
        script=Markup(script),
        content_policy=_content_policy(drawing_code(), script),
    )
    return env.get_template(template).render(sections)


def safe_json(value: Any) -> Markup:
    """Formats JSON for a `<script>`: nothing in it can end the element or begin another.

    Raises:
        ValueError: the value holds NaN or infinity.
    """
    encoded = json.dumps(value, allow_nan=False, separators=(",", ":"), ensure_ascii=True)
    for character in "<>&":
        encoded = encoded.replace(character, f"\\u{ord(character):04x}")
    return Markup(encoded)


def page_spec(chart: ChartType) -> dict[str, Any]:
    """Returns a chart's specification without its configuration, which all charts of a page share.

    The address of the schema is removed too: nothing in a page names another place.
    """
    spec = chart.to_dict()
    return {name: value for name, value in spec.items() if name not in ("config", "$schema")}


def _content_policy(*scripts: str) -> str:
    """Allows the page's own two scripts to run, and nothing to be fetched."""
    digests = [hashlib.sha256(script.encode()).digest() for script in scripts]
    hashes = " ".join(f"'sha256-{base64.b64encode(digest).decode()}'" for digest in digests)
    # Vega compiles its expressions with `Function`, hence 'unsafe-eval'.
    return (
        f"default-src 'none'; script-src {hashes} 'unsafe-eval'; style-src 'unsafe-inline'; "
        "img-src data: blob:; base-uri 'none'; form-action 'none'"
    )
