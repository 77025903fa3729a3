"""The files of examples in a folder and in its subfolders."""

import logging
import os
from collections.abc import Callable, Sequence
from pathlib import Path

from mnemoscope.base.errors import MnemoscopeError
from mnemoscope.data.columns import NEVER, words
from mnemoscope.data.keys import listed, same_split, split_of
from mnemoscope.data.reading import Reading

log = logging.getLogger("mnemoscope")


def files_in(folder: Path, wanted: Callable[[Path], bool]) -> list[Path]:
    """Returns the files that are wanted, in the order of their names.

    If the folder itself has some, only these; otherwise those of its subfolders at any depth, as of
    a folder for each class. Hidden files and links to folders are passed over.

    Raises:
        MnemoscopeError: the folder cannot be listed.
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
    """Chooses the files of one split, without those of masks and labels.

    A split is told by the name of a subfolder (`train/cats/1.png`) or, of files that lie in the
    folder itself, of the file (`data_batch_1.bin`, `train-00000.parquet`).

    Args:
        paths: The files.
        folder: Where they lie.
        reading: What the caller says; without a split `train` is taken where there are several.

    Returns:
        The files, and the split that was chosen where there are any.

    Raises:
        MnemoscopeError: the split that is asked for is not there.
    """
    tops = {path: _top(path, folder) for path in paths}
    never = {top for path, top in tops.items() if path.parent != folder and _is_never(top)}
    if never and never != set(tops.values()):
        log.warning(
            "%s: the folder%s %s hold%s no examples by name and %s left out; name it as the source "
            "to read it",
            folder, "s" if len(never) > 1 else "", listed(dict.fromkeys(sorted(never))),
            "" if len(never) > 1 else "s", "are" if len(never) > 1 else "is",
        )  # fmt: skip
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
            )
    if "train" in names and len(names) > 1:
        log.warning(
            "%s: the split train is taken (of %s); split=..., --split takes another",
            folder, ", ".join(names),
        )  # fmt: skip
        return [path for path in paths if splits[path] == "train"], "train"
    return list(paths), names[0] if len(names) == 1 and None not in splits.values() else None


def _top(path: Path, folder: Path) -> str:
    """The subfolder that a file lies in, or the file's own name."""
    parts = path.relative_to(folder).parts
    return parts[0] if len(parts) > 1 else path.stem


def _is_never(name: str) -> bool:
    return not NEVER.isdisjoint(words(name))


def _split(name: str) -> str | None:
    # CIFAR's name for its training split says none.
    return "train" if name.startswith("data_batch") else split_of(name)
