"""Claims as one HTML file that opens with no network: the table, and a section for each."""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from altair.typing import ChartType
from markupsafe import Markup

from mnemoscope.base.files import replacing
from mnemoscope.base.text import number, pretty
from mnemoscope.report.embedding import environment, page_spec, safe_json, source
from mnemoscope.report.page import Figure

VERDICTS = {"holds": "holds", "fails": "fails", "not_applicable": "not applicable"}
"""The verdicts in words."""


@dataclass(frozen=True)
class ClaimSection:
    """What the page tells of one claim.

    Attributes:
        row: As `mnemoscope claims --json` prints it.
        chart: The figure of its runs; None if there is nothing to draw.
    """

    row: Mapping[str, Any]
    chart: ChartType | None


def write_claims_page(
    sections: Sequence[ClaimSection],
    path: str | os.PathLike[str],
    *,
    provenance: Mapping[str, Any],
) -> Path:
    """Writes the claims as one self-contained HTML file.

    Args:
        sections: The claims, in order.
        path: The file.
        provenance: Date, command, machine and versions, as told at the end.

    Raises:
        MnemoscopeError: the file cannot be written.
    """
    env = environment()
    env.filters.update(number=number, pretty=pretty)
    counts = {verdict: sum(s.row["verdict"] == verdict for s in sections) for verdict in VERDICTS}
    text = env.get_template("claims.html.jinja").render(
        style=Markup(source(env, "page.css")),
        script=Markup(source(env, "charts.js")),
        claims=[
            {
                **section.row,
                "figure": None
                if section.chart is None
                else Figure(
                    section.row["name"],
                    f"The runs of the claim {section.row['name']}",
                    safe_json(page_spec(section.chart)),
                ),
            }
            for section in sections
        ],
        counts=counts,
        words=VERDICTS,
        provenance=provenance,
    )
    with replacing(path) as temporary:
        temporary.write_text(text, encoding="utf-8", errors="backslashreplace")
    return Path(path)
