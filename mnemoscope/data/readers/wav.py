"""WAV: one recording a file, `(1, channels, samples)`; a folder of them is read by name."""

import io
import warnings
from pathlib import Path

import numpy as np

from mnemoscope.data.readers.reader import Reader, taken
from mnemoscope.data.reading import Found, Reading, Selection

FULL = {
    "uint8": (128.0, 256.0),
    **{f"int{bits}": (0.0, 2.0 ** (bits - 1)) for bits in (16, 32, 64)},
}
"""The numbers of silence and of one beyond the loudest, which become 0 and 1."""


def read(path: Path, reading: Reading, selection: Selection) -> Found:
    """Reads the recording; integers become numbers in [-1, 1) unless they are to be kept."""
    from scipy.io import wavfile

    content = path.read_bytes()
    if len(content) < 44 or content[:4] not in (b"RIFF", b"RIFX", b"RF64"):
        raise ValueError("it is not a WAV file")
    with warnings.catch_warnings():
        # SciPy only warns of a file that is cut off, and returns the rest.
        warnings.filterwarnings("error", message=".*EOF.*")
        warnings.filterwarnings("ignore", message=".*not understood.*")
        _, samples = wavfile.read(io.BytesIO(content))
    array = np.atleast_2d(samples.T)[None]
    full = FULL.get(str(array.dtype))
    rule = ("keep" if full is None else "divide") if array.dtype.kind in "iu" else None
    return taken(array, selection, str(path), rule=rule, full=full)


def _begins(head: bytes) -> bool:
    return head[:4] in (b"RIFF", b"RIFX", b"RF64") and head[8:12] == b"WAVE"


READER = Reader(
    name="WAV file",
    suffixes=(".wav", ".wave"),
    read=read,
    begins=_begins,
    parts=True,
)
