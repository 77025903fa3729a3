"""Sources of examples: one module each, with a `Source` called `SOURCE`."""

from mnemoscope.data.sources.source import SOURCES, Source, find_source, known_sources

__all__ = ["SOURCES", "Source", "find_source", "known_sources"]
