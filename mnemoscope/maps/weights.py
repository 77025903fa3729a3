"""Loads weights from any file into any module, without running what is in the file."""

import logging
import os
from collections.abc import Iterable, Mapping

import torch
from torch import Tensor, nn
from torch.nn.parameter import is_lazy

from mnemoscope.base.errors import MnemoscopeError, first_line
from mnemoscope.maps.checkpoints import read_checkpoint

MOST_KEYS = 4
"""Keys that an error names."""

CONTAINERS = ("", "state_dict", "model_state_dict", "model", "weights", "net", "params")
"""Where checkpoints of common training loops keep the weights, the first that fit are taken."""

UNUSED = "num_batches_tracked"
"""A count of batches that evaluation does not use, and that old files do not have."""

_log = logging.getLogger("mnemoscope")


def load_weights(model: nn.Module, path: str | os.PathLike[str], key: str | None = None) -> None:
    """Loads a file of weights into a module.

    The names are looked for in each dictionary of the file, under one prefix that all have in
    common (`module.`, `model.`, `autoencoder.`), or without one that the module's own names have.
    Entries that the module does not have are ignored, and logged. Tensors that the module shares
    between names are found under any of these.
    """
    groups = read_checkpoint(path)
    try:
        # A lazy module's parameters have no shape.
        own = model.state_dict()
        wanted = {name: tuple(value.shape) for name, value in own.items()}
    except Exception as error:
        raise _unfit(path, model, "the module has no plain weights") from error
    tied = _tied(own)
    fits = list(_fits(groups, wanted, tied, key))
    if key is not None and not fits:
        raise MnemoscopeError(
            f"--weights-key {key} of {path}, which holds {_places(groups)}",
            expected=f"the place of the weights of the {type(model).__name__}",
            todo="name the dictionary, or the prefix of the names in it",
            field="weights_key",
        )
    if not fits:
        raise _unfit(path, model, _closest(groups, own))
    group, prefix, tensors = _meant(fits, path)
    faults = _lossy(own, tensors)
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
    _log_left_out(path, group, prefix, groups[group], tensors)
    # A module on the meta device has no memory to copy to: it takes the tensors themselves.
    empty = any(value.is_meta for value in own.values())
    complete = not (wanted.keys() - tensors.keys())
    try:
        model.load_state_dict(tensors, strict=complete, assign=empty)
    except Exception as error:
        raise _unfit(path, model, first_line(error)) from error


def refuse_empty(module: nn.Module) -> None:
    """Refuses a module whose parameters have no values yet."""
    for name, value in (*module.named_parameters(), *module.named_buffers()):
        if is_lazy(value):
            raise MnemoscopeError(
                f"{type(module).__name__}, whose {name} has no shape before a first batch",
                expected="a module with weights",
                todo="call it once on a batch, or build it with the sizes of its layers",
            )
        if value.is_meta:
            raise MnemoscopeError(
                f"{type(module).__name__}, whose {name} is on the meta device and has no values",
                expected="a module with weights",
                todo="pass a file of weights, weights=..., --weights, or build it on a device",
            )


Fit = tuple[str, str, dict[str, Tensor]]
"""A dictionary of the file, a prefix in it, and the tensors by the module's names."""


def _fits(
    groups: Mapping[str, Mapping[str, Tensor]],
    wanted: Mapping[str, tuple[int, ...]],
    tied: Mapping[str, list[str]],
    key: str | None,
) -> Iterable[Fit]:
    """Yields each place in the file where all names of the module are found, in their shapes."""
    for group, tensors in groups.items():
        for prefix, cut in _prefixes(tensors, wanted, tied=bool(tied)):
            if key is not None and key.rstrip(".") not in (group, prefix.rstrip(".")):
                continue
            found: dict[str, Tensor] = {}
            for name, shape in wanted.items():
                names = [name, *tied.get(name, [])]
                given = (tensors.get(prefix + each.removeprefix(cut)) for each in names)
                value = next((v for v in given if v is not None and tuple(v.shape) == shape), None)
                if value is not None:
                    found[name] = value
            if all(name in found or name.endswith(UNUSED) for name in wanted) and found:
                yield group, prefix, found


def _prefixes(
    tensors: Mapping[str, Tensor], wanted: Mapping[str, tuple[int, ...]], *, tied: bool
) -> list[tuple[str, str]]:
    """Returns what may precede the module's names in the file, and what precedes them wrongly."""
    names = [name for name in wanted if not name.endswith(UNUSED)]
    longest = max(names, key=len, default="")
    # Tied tensors are stored under one of their names only: the longest may not be there.
    ends = [f".{name}" for name in (names if tied else [longest])]
    before = {
        given.removesuffix(end[1:]) for given in tensors for end in ends if given.endswith(end)
    }
    parts = longest.split(".")
    cuts = [".".join(parts[:count]) + "." for count in range(1, len(parts))]
    return [
        ("", ""),
        *((prefix, "") for prefix in sorted(before)),
        *(("", cut) for cut in cuts if all(name.startswith(cut) for name in names)),
    ]


def _meant(fits: list[Fit], path: str | os.PathLike[str]) -> Fit:
    """Returns the fit that is taken: the usual place, or the only one."""
    places = {(group, prefix): tensors for group, prefix, tensors in fits}
    for name in CONTAINERS:
        for (group, prefix), tensors in places.items():
            if group == name and prefix == "":
                return group, prefix, tensors
    for name in CONTAINERS:
        here = [place for place in places if place[0] == name]
        if len(here) == 1:
            return *here[0], places[here[0]]
    if len(places) == 1:
        ((group, prefix), tensors) = next(iter(places.items()))
        return group, prefix, tensors
    listed = ", ".join(sorted((f"{g}: {p}*" if p else g) if g else p for g, p in places))
    raise MnemoscopeError(
        f"{path}, in which several parts fit: {listed}",
        expected="one of these",
        todo="name it: weights_key=..., --weights-key",
        field="weights_key",
    )


def _tied(own: Mapping[str, Tensor]) -> dict[str, list[str]]:
    """Returns the other names of the same tensor, for each that has some."""
    same: dict[tuple[int, tuple[int, ...], tuple[int, ...]], list[str]] = {}
    for name, value in own.items():
        if value.numel() and not value.is_meta:
            place = value.data_ptr(), tuple(value.shape), value.stride()
            same.setdefault(place, []).append(name)
    return {
        name: [other for other in names if other != name]
        for names in same.values()
        if len(names) > 1
        for name in names
    }


def _closest(groups: Mapping[str, Mapping[str, Tensor]], own: Mapping[str, Tensor]) -> str:
    """Describes the faults of the part of the file that comes nearest."""
    wanted = {name: tuple(value.shape) for name, value in own.items()}

    def common(item: tuple[str, Mapping[str, Tensor]]) -> int:
        return len(wanted.keys() & item[1].keys())

    group, tensors = max(groups.items(), key=common)
    given = {name: tuple(value.shape) for name, value in tensors.items()}
    missing, extra = wanted.keys() - given.keys(), given.keys() - wanted.keys()
    differ = [n for n in wanted if n in given and wanted[n] != given[n]]
    faults = [
        *([f"it lacks {_some(missing)}"] if missing else []),
        *([f"it also has {_some(extra)}"] if extra else []),
        *(f"{n} is {given[n]} instead of {wanted[n]}" for n in differ[:MOST_KEYS]),
    ]
    where = f"in {group} " if group else ""
    return where + "; ".join(faults)


def _lossy(own: Mapping[str, Tensor], given: Mapping[str, Tensor]) -> list[str]:
    """Describes what would lose imaginary parts or fractions: PyTorch would copy the rest."""
    known = [name for name in own if name in given]
    bad = [name for name in known if _rank(given[name].dtype) > _rank(own[name].dtype)]
    return [f"{n} is {given[n].dtype} instead of {own[n].dtype}" for n in bad[:MOST_KEYS]]


def _rank(dtype: torch.dtype) -> int:
    """Ranks integers, real numbers, complex numbers: each holds those before it."""
    return 2 if dtype.is_complex else int(dtype.is_floating_point)


def _log_left_out(
    path: str | os.PathLike[str],
    group: str,
    prefix: str,
    tensors: Mapping[str, Tensor],
    taken: Mapping[str, Tensor],
) -> None:
    used = {id(value) for value in taken.values()}
    extra = {name for name, value in tensors.items() if id(value) not in used}
    place = " and ".join(part for part in (group, f"{prefix}*" if prefix else "") if part)
    if place:
        _log.info("%s: the weights under %s are taken", path, place)
    if extra:
        _log.warning("%s: ignored, since the module does not have them: %s", path, _some(extra))


def _places(groups: Mapping[str, Mapping[str, Tensor]]) -> str:
    named = [group for group in groups if group]
    first = {name.split(".")[0] for tensors in groups.values() for name in tensors}
    return _some(set(named) or first)


def _unfit(path: str | os.PathLike[str], model: nn.Module, reason: str) -> MnemoscopeError:
    return MnemoscopeError(
        f"{path}, which does not fit the {type(model).__name__}: {reason}",
        expected="its own weights",
        todo="check --factory-args, name the part of the file with --weights-key, or choose the "
        "weights of this model",
    )


def _some(names: set[str]) -> str:
    listed = sorted(names)
    more = f" and {len(listed) - MOST_KEYS} more" if len(listed) > MOST_KEYS else ""
    return ", ".join(listed[:MOST_KEYS]) + more
