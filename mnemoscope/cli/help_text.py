"""How help is printed: as paragraphs of plain text, since Markdown takes long to import."""

import re
from typing import Any

from cyclopts.help import DefaultFormatter
from rich.text import Text


class Paragraphs(DefaultFormatter):
    """Prints help with the lines of a docstring joined and its code in bold."""

    def __call__(self, console: Any, options: Any, panel: Any) -> None:
        """Prints a panel of commands or options."""
        for entry in panel.entries:
            _join(entry.description)
        super().__call__(console, options, panel)

    def render_description(self, console: Any, options: Any, description: Any) -> None:
        """Prints what a command does."""
        _join(description)
        super().render_description(console, options, description)


def _join(description: Any) -> None:
    """Joins the lines of each paragraph of a description."""
    given = getattr(description, "primary_renderable", None)
    if isinstance(given, Text):
        parts = re.sub(r"(?<!\n)\n(?!\n)\s*", " ", given.plain).split("`")
        styled = [(part, "bold" if place % 2 else "") for place, part in enumerate(parts)]
        description.primary_renderable = Text.assemble(*styled)
