"""The files of examples in a folder and in its subfolders."""

import logging
import os
from collections.abc import Callable, Sequence
from pathlib import Path

from mnemoscope.base.errors import MnemoscopeError
from mnemoscope.data.columns import NEVER, listed, words
from mnemoscope.data.keys import same_split, split_of
from mnemoscope.data.reading import Reading

log = logging.getLogger("mnemoscope")


def files_in(folder: Path, wanted: Callable[[Path], bool]) -> list[Path]:
    """Returns the files that are wanted, in the order of their names.

    Subfolders, at any depth, are searched if the folder itself has none. Hidden files and links to
    folders are skipped.
    """

    def refuse(error: OSError) -> None:
        raise MnemoscopeError(
            f"{error.filename or folder}, a folder that cannot be listed ({error.strerror})",
            expected="a folder of examples",
            todo="check its permissions",
        ) from error

    found: list[Path] = []
    for place, inner, names in os.walk(folder, onerror=refuse):
        inner[:] = sorted(name for name in inner if not name.startswith("."))
        paths = (Path(place) / name for name in names if not name.startswith("."))
        found += [path for path in paths if wanted(path) and path.is_file()]
        if found and place == str(folder):
            break
    return sorted(found)


def of_split(
    paths: Sequence[Path], folder: Path, reading: Reading
) -> tuple[list[Path], str | None]:
    """Chooses the files of one split, without those of masks and labels; returns the split, too.

    The split is in the name of a subfolder (`train/cats/1.png`) or of the file
    (`data_batch_1.bin`, `train-00000.parquet`). Where there are several, the default is `train`.
    """
    tops = {path: _top(path, folder) for path in paths}
    never = {top for path, top in tops.items() if path.parent != folder and _is_never(top)}
    if never and never != set(tops.values()):
        log.warning(
            "%s: folders that hold no examples, by name, are left out: %s; name one as the source "
            "to read it",
            folder,
            listed(sorted(never)),
        )
        paths = [path for path in paths if tops[path] not in never]
    splits = {path: _split(tops[path]) for path in paths}
    names = sorted({split for split in splits.values() if split is not None})
    if reading.split is not None and (names or reading.strict):
        found = [path for path in paths if same_split(reading.split, splits[path])]
        if found:
            return found, splits[found[0]]
        if reading.strict:
            raise MnemoscopeError(
                f"split {reading.split!r} of {folder}",
                expected="one of its splits: " + (", ".join(names) or "none"),
                todo="choose one of these" if names else "leave split out",
                field="split",
                choices=names,
            )
    if "train" in names and len(names) > 1:
        log.warning(
            "%s: the split train is taken (of %s); split=..., --split takes another",
            folder,
            ", ".join(names),
        )
        return [path for path in paths if splits[path] == "train"], "train"
    return list(paths), names[0] if len(names) == 1 and None not in splits.values() else None


def _top(path: Path, folder: Path) -> str:
    """Returns the subfolder that a file is in, or the file's own name."""
    parts = path.relative_to(folder).parts
    return parts[0] if len(parts) > 1 else path.stem


def _is_never(name: str) -> bool:
    return not NEVER.isdisjoint(words(name))


def _split(name: str) -> str | None:
    # CIFAR's name for its training split says none.
    return "train" if name.startswith("data_batch") else split_of(name)
