"""The page of claims: a table of all, and a section for each."""

import os
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from mnemoscope.plots import Figure
from mnemoscope.plots.draw import draw
from mnemoscope.report.embedding import write_page

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
    sections = {
        "claims": [{**row, "figures": figures} for row, figures in claims],
        "counts": dict.fromkeys(VERDICTS, 0) | Counter(row["verdict"] for row, _ in claims),
        "draw": draw,
        "words": VERDICTS,
        "provenance": provenance,
    }
    return write_page("claims.html.jinja", sections, path)
