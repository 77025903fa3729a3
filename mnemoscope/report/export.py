"""Charts as files, drawn without a browser and without network access."""

import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import vl_convert
from altair.typing import ChartType

from mnemoscope.base import check
from mnemoscope.base.files import make_folder, replacing
from mnemoscope.report.charts import audit_charts
from mnemoscope.report.drawing_code import VEGA_LITE
from mnemoscope.report.embedding import render
from mnemoscope.results.audit import Audit

PIXELS_PER_POINT = 2.0

Made = TypeVar("Made", str, bytes)

_converter: Any = vl_convert
"""The types of the package are those of version 1."""


def write_charts(
    audit: Audit, folder: str | os.PathLike[str], *, format: str = "svg"
) -> list[Path]:
    """Writes each chart that the audit has data for as `<folder>/<name>.<format>`.

    Args:
        audit: The audit.
        folder: The folder; created if it is missing.
        format: `svg`, `pdf`, `png` or `html` (interactive, opens offline).

    Returns:
        The files: those of `spectrum, recall, basins, plane, membership, training` with data.

    Raises:
        MnemoscopeError: the format is unknown, or the folder cannot be written to.
    """
    return write_each(audit_charts(audit), folder, format)


def write_each(
    charts: Mapping[str, ChartType], folder: str | os.PathLike[str], format: str
) -> list[Path]:
    """Writes charts as `<folder>/<name>.<format>`, in a format of `WRITERS`.

    Raises:
        MnemoscopeError: the format is unknown, or the folder cannot be written to.
    """
    write = WRITERS[check.one_of("format", format, WRITERS)]
    make_folder(folder)
    paths = {name: Path(folder) / f"{name}.{format}" for name in charts}
    for name, chart in charts.items():
        content = write(name, chart)
        with replacing(paths[name]) as temporary:
            temporary.write_bytes(content)
    return list(paths.values())


def _svg(name: str, chart: ChartType) -> bytes:
    return _offline(vl_convert.vegalite_to_svg, chart.to_dict()).encode()


def _pdf(name: str, chart: ChartType) -> bytes:
    return _offline(vl_convert.vegalite_to_pdf, chart.to_dict())


def _png(name: str, chart: ChartType) -> bytes:
    # A PNG may be placed on any background: it gets the paper that its ink was chosen for.
    spec = chart.to_dict()
    spec["config"]["background"] = "#ffffff"
    return _offline(vl_convert.vegalite_to_png, spec, scale=PIXELS_PER_POINT)


def _html(name: str, chart: ChartType) -> bytes:
    return render("chart.html.jinja", {"name": name, "chart": chart}).encode()


WRITERS: dict[str, Callable[[str, ChartType], bytes]] = {
    "svg": _svg,
    "pdf": _pdf,
    "png": _png,
    "html": _html,
}
"""The writer of each format."""


def _offline(convert: Callable[..., Made], spec: dict[str, Any], **options: Any) -> Made:
    """Converts a specification with a function of vl-convert; no address in it is fetched."""
    with _nothing_fetched() as more:
        return convert(spec, vl_version=VEGA_LITE, **more, **options)


@contextmanager
def _nothing_fetched() -> Iterator[dict[str, Any]]:
    """Yields the options by which a conversion fetches nothing: a setting since version 2."""
    if not hasattr(_converter, "configure"):
        yield {"allowed_base_urls": []}
        return
    settings = _converter.get_config()["allowed_base_urls"]
    _converter.configure(allowed_base_urls=[])
    try:
        yield {}
    finally:
        # The setting belongs to the process, which may draw other charts.
        _converter.configure(allowed_base_urls=settings)
