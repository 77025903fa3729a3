"""Somebody else's weights into somebody else's module, without running what is in the file."""

import os
import pickle
from pathlib import Path

import torch
from safetensors.torch import load_file
from torch import Tensor, nn

from mnemoscope.errors import MnemoscopeError
from mnemoscope.small_files import check_regular
from mnemoscope.stored_tensors import computable

MOST_KEYS = 4
"""Keys that an error names."""

CONTAINERS = ("state_dict", "model_state_dict", "model", "weights")
"""Where checkpoints of common training loops keep the weights."""


def load_weights(model: nn.Module, path: str | os.PathLike[str]) -> None:
    """Loads a file of weights into a module.

    Args:
        model: The module.
        path: A `.safetensors`, or a `.pt`, `.pth`, `.bin` or `.ckpt` that holds tensors alone: it
            is read with `weights_only=True`, which runs no code. A state dict under one of the
            usual names (`state_dict`, `model`, …) is found, and a prefix that all keys share, such
            as `module.`, is left out.

    Raises:
        MnemoscopeError: the file cannot be read, is a pickle of objects, or does not fit.
    """
    tensors = _without_prefix(_read(Path(path)), model)
    try:
        own = model.state_dict()
        wanted = {name: tuple(value.shape) for name, value in own.items()}
    except Exception as error:
        raise _unfit(path, model, "the module has no plain weights") from error
    given = {name: tuple(value.shape) for name, value in tensors.items()}
    missing, extra = wanted.keys() - given.keys(), given.keys() - wanted.keys()
    differ = [n for n in wanted if n in given and wanted[n] != given[n]]
    faults = [
        *([f"it lacks {_some(missing)}"] if missing else []),
        *([f"it has {_some(extra)} besides"] if extra else []),
        *(f"{n} is {given[n]} instead of {wanted[n]}" for n in differ[:MOST_KEYS]),
        *_lossy(own, tensors),
    ]
    if faults:
        raise _unfit(path, model, "; ".join(faults))
    for name, value in tensors.items():
        inexact = value.is_floating_point() or value.is_complex()
        if inexact and not bool(torch.isfinite(value).all()):
            raise MnemoscopeError(
                f"{path}, whose {name} has NaN or infinity in it",
                expected="finite weights",
                todo="choose an earlier checkpoint",
            )
    try:
        model.load_state_dict(tensors)
    except Exception as error:
        raise _unfit(path, model, (str(error).splitlines() or [""])[0]) from error


def _lossy(own: dict[str, Tensor], given: dict[str, Tensor]) -> list[str]:
    """What would lose imaginary parts or fractions: PyTorch would copy the rest."""
    known = [name for name in own if name in given]
    bad = [name for name in known if _rank(given[name].dtype) > _rank(own[name].dtype)]
    return [f"{n} is {given[n].dtype} instead of {own[n].dtype}" for n in bad[:MOST_KEYS]]


def _rank(dtype: torch.dtype) -> int:
    """Integers, real numbers, complex numbers: each holds those before it."""
    return 2 if dtype.is_complex else int(dtype.is_floating_point)


def _read(path: Path) -> dict[str, Tensor]:
    check_regular(path)
    try:
        if path.suffix == ".safetensors":
            return _computable(load_file(path), path)
        content = torch.load(path, weights_only=True, map_location="cpu")
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
        reason = (str(error).splitlines() or ["it is empty or damaged"])[0]
        raise _unreadable(path, reason) from error
    for name in CONTAINERS:
        if isinstance(content, dict) and isinstance(content.get(name), dict):
            content = content[name]
    tensors = content if isinstance(content, dict) else {}
    if not tensors or not all(map(_is_weight, tensors.items())):
        raise MnemoscopeError(
            f"{path}, which holds no plain weights",
            expected="dense tensors by name, as model.state_dict() gives them",
            todo="save model.state_dict()",
        )
    return _computable(tensors, path)


def _computable(tensors: dict[str, Tensor], path: Path) -> dict[str, Tensor]:
    return {name: computable(value, f"{name} in {path}") for name, value in tensors.items()}


def _is_pickle(path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(2) in (b"PK", b"\x80\x02", b"\x80\x03", b"\x80\x04", b"\x80\x05")


def _unreadable(path: Path, reason: str) -> MnemoscopeError:
    return MnemoscopeError(
        f"{path}, which cannot be read as weights ({reason})",
        expected="a whole .safetensors, or a .pt of tensors alone",
        todo="check the file, or save the weights again",
    )


def _is_weight(item: tuple[object, object]) -> bool:
    name, value = item
    return (
        isinstance(name, str)
        and isinstance(value, Tensor)
        and value.layout == torch.strided
        and not value.is_quantized
        and not value.is_meta
    )


def _unfit(path: str | os.PathLike[str], model: nn.Module, reason: str) -> MnemoscopeError:
    return MnemoscopeError(
        f"{path}, which does not fit the {type(model).__name__}: {reason}",
        expected="its own weights",
        todo="check --factory-args, or choose the weights of this model",
    )


def _without_prefix(tensors: dict[str, Tensor], model: nn.Module) -> dict[str, Tensor]:
    wanted = model.state_dict().keys()
    for prefix in ("module.", "model.", "_orig_mod."):
        if all(name.startswith(prefix) for name in tensors) and not tensors.keys() & wanted:
            return {name.removeprefix(prefix): value for name, value in tensors.items()}
    return tensors


def _some(names: set[str]) -> str:
    listed = sorted(names)
    more = f" and {len(listed) - MOST_KEYS} more" if len(listed) > MOST_KEYS else ""
    return ", ".join(listed[:MOST_KEYS]) + more
