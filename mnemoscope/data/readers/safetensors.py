"""`.safetensors`: tensors by name."""

from pathlib import Path

from safetensors import safe_open

from mnemoscope.base.stored_tensors import computable
from mnemoscope.data.choosing import Entry, chosen_key
from mnemoscope.data.readers.reader import Reader, taken
from mnemoscope.data.reading import Found, Reading, Selection


def read(path: Path, reading: Reading, selection: Selection) -> Found:
    """Reads the tensor that is meant; the others stay unread."""
    with safe_open(path, framework="pt") as file:
        names = list(file.keys())
        entries = {name: Entry(tuple(file.get_slice(name).get_shape())) for name in names}
        chosen = chosen_key(entries, str(path), reading)
        array = computable(file.get_tensor(chosen.key), str(path))
    return taken(array, selection, str(path), **chosen.record)


def _begins(head: bytes) -> bool:
    """Recognizes eight bytes of a length, then JSON."""
    return head[8:10] == b'{"' and int.from_bytes(head[:8], "little") < 100 * 2**20


READER = Reader(
    name="safetensors file",
    suffixes=(".safetensors",),
    read=read,
    begins=_begins,
    uses=("key", "split"),
)
