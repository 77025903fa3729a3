"""Each chart as a file of its own, with no browser and no network."""

import os
from collections.abc import Callable, Mapping
from pathlib import Path

import vl_convert
from altair.typing import ChartType
from markupsafe import Markup

from mnemoscope.base.errors import MnemoscopeError
from mnemoscope.base.files import make_folder, replacing
from mnemoscope.report.charts import audit_charts
from mnemoscope.report.conversion import offline
from mnemoscope.report.embedding import environment, page_spec, safe_json, source
from mnemoscope.results.audit import Audit

PIXELS_PER_POINT = 2.0


def write_charts(
    audit: Audit, folder: str | os.PathLike[str], *, format: str = "svg"
) -> list[Path]:
    """Writes each chart that the audit has data for as `<folder>/<name>.<format>`.

    Args:
        audit: The audit.
        folder: Made if it is missing.
        format: `svg`, `pdf`, `png` or `html` (interactive, opens offline).

    Returns:
        The files written: of `spectrum, recall, basins, plane, training` those with data.

    Raises:
        MnemoscopeError: the format is unknown, or the folder cannot be written to.
    """
    return write_each(audit_charts(audit), folder, format)


def write_each(
    charts: Mapping[str, ChartType], folder: str | os.PathLike[str], format: str
) -> list[Path]:
    """Writes charts by name as `<folder>/<name>.<format>`; the files written.

    Args:
        charts: By name.
        folder: Made if it is missing.
        format: A name in `WRITERS`.

    Raises:
        MnemoscopeError: the format is unknown, or the folder cannot be written to.
    """
    if format not in WRITERS:
        raise MnemoscopeError(
            f"format {format!r}",
            expected="one of " + ", ".join(WRITERS),
            todo="choose one of these",
        )
    make_folder(folder)
    written = []
    for name, chart in charts.items():
        path = Path(folder) / f"{name}.{format}"
        content = WRITERS[format](name, chart)
        with replacing(path) as temporary:
            temporary.write_bytes(content)
        written.append(path)
    return written


def _svg(name: str, chart: ChartType) -> bytes:
    return offline(vl_convert.vegalite_to_svg, chart.to_dict()).encode()


def _pdf(name: str, chart: ChartType) -> bytes:
    return offline(vl_convert.vegalite_to_pdf, chart.to_dict())


def _png(name: str, chart: ChartType) -> bytes:
    # A picture is pasted onto grounds of any colour: give it the paper its ink was chosen for.
    spec = chart.to_dict()
    spec["config"]["background"] = "#ffffff"
    return offline(vl_convert.vegalite_to_png, spec, scale=PIXELS_PER_POINT)


def _html(name: str, chart: ChartType) -> bytes:
    env = environment()
    text = env.get_template("chart.html.jinja").render(
        name=name,
        spec=safe_json(page_spec(chart)),
        script=Markup(source(env, "charts.js")),
    )
    return text.encode()


WRITERS: dict[str, Callable[[str, ChartType], bytes]] = {
    "svg": _svg,
    "pdf": _pdf,
    "png": _png,
    "html": _html,
}
"""How each format is written."""
