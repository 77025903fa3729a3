"""Files of weights as other programs write them, read without running what is in them."""

import os
import pickle
from collections.abc import Iterator, Mapping
from pathlib import Path, PurePath
from typing import Any

import torch
from safetensors.torch import load_file
from torch import Tensor

from mnemoscope.base.errors import MnemoscopeError
from mnemoscope.base.small_files import check_regular, read_json
from mnemoscope.base.stored_tensors import computable

INDEX = ".index.json"
"""How the index of weights in several files ends: it says which file holds which tensor."""

WHOLE = (
    "model.safetensors",
    "diffusion_pytorch_model.safetensors",
    "pytorch_model.bin",
    "diffusion_pytorch_model.bin",
)
"""What a folder's one file of weights is called."""

DEEPEST = 4
"""Dictionaries within dictionaries that are looked into."""


def read_checkpoint(path: str | os.PathLike[str]) -> dict[str, dict[str, Tensor]]:
    """Reads the groups of tensors in a file or folder."""
    place = _file_in(Path(path)) if Path(path).is_dir() else Path(path)
    if place.name.endswith(INDEX):
        return {"": _sharded(place)}
    check_regular(place)
    content = _content(place)
    groups = {name: dict(tensors) for name, tensors in _groups(content)}
    if not groups:
        raise MnemoscopeError(
            f"{place}, which holds no plain weights",
            expected="dense tensors by name, as model.state_dict() gives them",
            todo="save model.state_dict()",
        )
    return {
        group: {name: computable(value, f"{name} in {place}") for name, value in tensors.items()}
        for group, tensors in groups.items()
    }


def read_values(path: str | os.PathLike[str]) -> dict[str, Any]:
    """Reads all entries of a file of weights by name: tensors and plain values."""
    place = Path(path)
    check_regular(place)
    content = _content(place)
    return dict(content) if isinstance(content, Mapping) else {}


def _file_in(folder: Path) -> Path:
    indices = sorted(folder.glob(f"*{INDEX}"))
    found = [*indices, *(folder / name for name in WHOLE if (folder / name).is_file())]
    if not found:
        raise MnemoscopeError(
            f"{folder}, a folder without weights",
            expected=f"{', '.join(WHOLE)}, or an index of several files, *{INDEX}",
            todo="name the file itself",
        )
    return found[0]


def _sharded(index: Path) -> dict[str, Tensor]:
    """Reads the tensors of all files that an index in their folder names."""
    listed = read_json(index)
    places = listed.get("weight_map") if isinstance(listed, dict) else None
    if not isinstance(places, dict) or not places or not _are_names(places.values()):
        raise MnemoscopeError(
            f"{index}, which is no index of weights",
            expected='an object "weight_map" that names a file in its folder for each tensor',
            todo="name a file of weights",
        )
    tensors: dict[str, Tensor] = {}
    for name in sorted(set(places.values())):
        for group in read_checkpoint(index.parent / name).values():
            tensors.update(group)
    missing = places.keys() - tensors.keys()
    if missing:
        raise MnemoscopeError(
            f"{index}, which names {min(missing)}, that {places[min(missing)]} does not hold",
            expected="files that hold what the index says",
            todo="download the folder again",
        )
    return tensors


def _are_names(values: Any) -> bool:
    """Returns whether all are names of files in the same folder, none of them an index."""
    return all(
        isinstance(name, str)
        and name == PurePath(name).name
        and name not in ("", ".", "..")
        and not name.endswith(INDEX)
        for name in values
    )


def _content(path: Path) -> Any:
    try:
        if path.suffix == ".safetensors":
            return load_file(path)
        return torch.load(path, weights_only=True, map_location="cpu")
    except MnemoscopeError:
        raise
    except OSError as error:
        raise MnemoscopeError(
            f"cannot read {path} ({error.strerror or error})",
            expected="a file of weights",
            todo="check the path",
        ) from error
    except pickle.UnpicklingError as error:
        if not _is_pickle(path):
            raise _unreadable(path, "it is of another kind") from error
        raise MnemoscopeError(
            f"{path}, a pickle of more than tensors, which could run code and is never unpickled",
            expected="a .safetensors, or a .pt of tensors alone",
            todo="where you trust it, convert it: "
            "safetensors.torch.save_file(model.state_dict(), 'weights.safetensors')",
        ) from error
    # PyTorch's reader trips over a file of another kind with errors of many kinds.
    except Exception as error:
        if "TorchScript" in str(error):
            raise MnemoscopeError(
                f"{path}, a TorchScript program, which is more than weights",
                expected="a file of weights",
                todo="where you trust it, load it in a function of your own with torch.jit.load, "
                "and name that: package.module:factory",
            ) from error
        reason = (str(error).splitlines() or ["it is empty or damaged"])[0]
        raise _unreadable(path, reason) from error


def _groups(
    content: Any, place: str = "", depth: int = 0
) -> Iterator[tuple[str, Mapping[str, Tensor]]]:
    """Yields the dictionaries that hold tensors; their other entries are ignored."""
    if not isinstance(content, Mapping) or depth > DEEPEST:
        return
    tensors = {name: value for name, value in content.items() if _is_weight(name, value)}
    if tensors:
        yield place, tensors
    for name, value in content.items():
        if isinstance(name, str):
            yield from _groups(value, f"{place}.{name}" if place else name, depth + 1)


def _is_weight(name: object, value: object) -> bool:
    return (
        isinstance(name, str)
        and isinstance(value, Tensor)
        and value.layout == torch.strided
        and not value.is_quantized
        and not value.is_meta
    )


def _is_pickle(path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(2) in (b"PK", b"\x80\x02", b"\x80\x03", b"\x80\x04", b"\x80\x05")


def _unreadable(path: Path, reason: str) -> MnemoscopeError:
    return MnemoscopeError(
        f"{path}, which cannot be read as weights ({reason})",
        expected="a whole .safetensors, or a .pt of tensors alone",
        todo="check the file, or save the weights again",
    )
