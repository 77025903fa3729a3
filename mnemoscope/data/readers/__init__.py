"""File formats of examples: one module each, with a `Reader` called `READER`.

A file's suffix chooses the reader; a file with an unknown suffix, or with the content of another
format, is recognized by its first bytes. A module that is put into this folder is found by itself.
"""

from mnemoscope.data.readers.reader import (
    READERS,
    Reader,
    find_reader,
    read_file,
    suffixes,
    taken,
)
from mnemoscope.data.reading import Found

__all__ = [
    "READERS",
    "Found",
    "Reader",
    "find_reader",
    "read_file",
    "suffixes",
    "taken",
]
