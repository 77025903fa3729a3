"""Claims as one HTML file that opens with no network: the table, and a section for each."""

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from markupsafe import Markup

from mnemoscope.base.files import replacing
from mnemoscope.base.text import number, pretty
from mnemoscope.plots import Figure
from mnemoscope.plots.draw import draw
from mnemoscope.report.embedding import environment, page_spec, safe_json, source
from mnemoscope.report.page import Figure as Drawing

VERDICTS = {"holds": "holds", "fails": "fails", "not_applicable": "not applicable"}
"""The verdicts in words."""


def write_claims_page(
    claims: Sequence[tuple[Mapping[str, Any], Sequence[Figure]]],
    path: str | os.PathLike[str],
    *,
    provenance: Mapping[str, Any],
) -> Path:
    """Writes the claims as one self-contained HTML file.

    Args:
        claims: For each, its result as `mnemoscope claims --json` prints it, and its figures.
        path: Output path.
        provenance: Date, command, machine and versions, shown at the end.

    Raises:
        MnemoscopeError: the file cannot be written.
    """
    env = environment()
    env.filters.update(number=number, pretty=pretty)
    text = env.get_template("claims.html.jinja").render(
        style=Markup(source(env, "page.css")),
        script=Markup(source(env, "charts.js")),
        claims=[{**row, "figures": _drawings(row["name"], figures)} for row, figures in claims],
        counts={
            verdict: sum(row["verdict"] == verdict for row, _ in claims) for verdict in VERDICTS
        },
        words=VERDICTS,
        provenance=provenance,
    )
    with replacing(path) as temporary:
        temporary.write_text(text, encoding="utf-8", errors="backslashreplace")
    return Path(path)


def _drawings(name: str, figures: Sequence[Figure]) -> list[Drawing]:
    return [
        Drawing(
            f"{name}-{i}",
            f"The runs of the claim {name}",
            safe_json(page_spec(draw(figure))),
            keeps_shape=not figure.panels,
        )
        for i, figure in enumerate(figures)
    ]
