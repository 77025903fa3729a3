"""Which adapters are installed, and which of them a target is for."""

import os
from importlib.metadata import EntryPoint, entry_points

from mnemoscope.base.check import did_you_mean
from mnemoscope.base.errors import MnemoscopeError
from mnemoscope.maps.adapters.adapter import Adapter
from mnemoscope.maps.adapters.network_file import NetworkFile

GROUP = "mnemoscope.adapters"
"""The entry points' group."""

_PICKLED = (
    "pickled objects, which could run code and are never unpickled",
    "joblib.load({}).predict",
)

FOREIGN = {
    ".joblib": _PICKLED,
    ".pkl": _PICKLED,
    ".pickle": _PICKLED,
}
"""Model files of other libraries by their suffix: what they are, and what makes a function of one.

An adapter that recognizes one goes before."""


def installed_adapters() -> dict[str, EntryPoint]:
    """Returns the adapters by name, not imported yet."""
    return {point.name: point for point in entry_points(group=GROUP)}


def find_adapter(target: str, name: str | None = None) -> tuple[str, Adapter]:
    """Returns the adapter that was asked for, or else the one that recognizes the target.

    Raises:
        MnemoscopeError: there is none of that name, it cannot be imported, or none recognizes it.
    """
    points = installed_adapters()
    if name is not None:
        if name not in points:
            raise MnemoscopeError(
                f"the adapter {name!r}, which is not installed",
                expected=f"one of {', '.join(sorted(points))}",
                todo=did_you_mean(name, points, otherwise="install the package that brings it"),
                field="adapter",
                choices=sorted(points),
            )
        return name, _instance(points[name])
    broken = []
    for found, point in sorted(points.items()):
        try:
            adapter = _instance(point)
        except MnemoscopeError:
            broken.append(found)
            continue
        if adapter.recognizes(target):
            return found, adapter
    if os.path.isfile(target):
        _refuse_foreign(target)
        # Its reader reports what kind of file it is instead.
        return "network", NetworkFile()
    raise _unknown(target, points, broken)


def _refuse_foreign(target: str) -> None:
    """Refuses the model file of another library, and says what loads it."""
    library, load = FOREIGN.get(os.path.splitext(target)[1].lower(), ("", ""))
    if not library:
        return
    raise MnemoscopeError(
        f"{target}, a file of {library}",
        expected="a function that loads it and hands it over as a black box",
        todo=f"write one, def make(): return mn.BlackBox({load.format(repr(target))}), "
        "and pass its name, module:make",
    )


def find_object_adapter(model: object, name: str | None = None) -> tuple[str, Adapter] | None:
    """Returns the adapter for a live object: the one of that name, or the one that recognizes it.

    One that cannot be imported is passed over.
    """
    if name is not None:
        found = find_adapter("", name)
        if not found[1].recognizes_object(model):
            raise MnemoscopeError(
                f"the adapter {name!r} for a {type(model).__name__}",
                expected="the adapter of the model's library",
                todo="leave adapter out: it is recognized",
                field="adapter",
            )
        return found
    for found, point in sorted(installed_adapters().items()):
        try:
            adapter = _instance(point)
        except MnemoscopeError:
            continue
        if adapter.recognizes_object(model):
            return found, adapter
    return None


def _instance(point: EntryPoint) -> Adapter:
    try:
        kind = point.load()
    except Exception as error:
        raise MnemoscopeError(
            f"the adapter {point.name!r} ({point.value}), which cannot be imported "
            f"({type(error).__name__}: {error})",
            expected="an adapter that can",
            todo="install what it needs, or remove the package that brings it",
        ) from error
    return kind()


def _unknown(target: str, points: dict[str, EntryPoint], broken: list[str]) -> MnemoscopeError:
    what = "no adapter recognizes" if os.path.exists(target) else "does not exist"
    given = f"{target}, which {what}"
    if broken:
        given += f" ({', '.join(broken)} could not be imported)"
    return MnemoscopeError(
        given,
        expected="a run's folder, a .safetensors file of mnemoscope, package.module:factory, a "
        ".pt2 or .onnx file, or a folder of diffusers or transformers",
        todo=f"check the path, or name one of the adapters: --adapter {'|'.join(sorted(points))}",
    )
