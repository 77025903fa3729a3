"""Folders of a Hugging Face library: weights in safetensors and a `config.json`."""

import os
from contextlib import redirect_stderr
from pathlib import Path
from typing import Any

from mnemoscope.base.errors import MnemoscopeError, first_line
from mnemoscope.base.importing import needed_for
from mnemoscope.base.small_files import read_json

CONFIG = "config.json"

_INTERNAL = ("_attn_implementation_internal", "_experts_implementation_internal")
"""Fields that `transformers` never writes. Versions before 5.3 took them from a file, fetched the
kernel that they name and ran it."""

_KERNELS = ("attn_implementation", "experts_implementation")
"""Ends of the names of fields that choose a kernel: `owner/name` is one to be fetched and run."""


def read_config(target: str | Path, name: str = CONFIG) -> dict[str, Any] | None:
    """Reads a folder's configuration; None if there is none that can be read."""
    try:
        content = read_json(Path(target) / name)
    except (OSError, ValueError):
        return None
    return content if isinstance(content, dict) else None


def refuse_code(target: str | Path, config: Any) -> None:
    """Refuses a configuration that names code to be fetched and run, however deep in it."""
    nodes = [config]
    while nodes:
        node = nodes.pop()
        if isinstance(node, list):
            nodes.extend(node)
        if not isinstance(node, dict):
            continue
        nodes.extend(node.values())
        for name, value in node.items():
            if name in _INTERNAL or (name.endswith(_KERNELS) and _names_a_repository(value)):
                raise MnemoscopeError(
                    f"{target}, whose {CONFIG} has the field {name}, which can name code to be "
                    "fetched and run",
                    expected="a configuration as save_pretrained writes it",
                    todo="do not use this folder unless you trust who made it; then remove the "
                    f"field from its {CONFIG}",
                )


def _names_a_repository(value: Any) -> bool:
    values = value.values() if isinstance(value, dict) else [value]
    return any(isinstance(one, str) and "/" in one for one in values)


def refuse_pickled(target: str) -> None:
    """Refuses a folder that has its weights as a pickle only."""
    folder = Path(target)
    if any(folder.rglob("*.safetensors")):
        return
    pickles = [file.name for file in folder.rglob("*.bin")]
    given = f"{target}, which holds " + (
        f"its weights as a pickle ({pickles[0]}), which could run code and is never unpickled"
        if pickles
        else "no weights"
    )
    raise MnemoscopeError(
        given,
        expected="weights in .safetensors next to config.json",
        todo="where you trust it, load it yourself and save it: "
        "model.save_pretrained(folder, safe_serialization=True)",
    )


def pretrained(library: str, folder: str | Path, config: Any, name: object, **settings: Any) -> Any:
    """Returns what `from_pretrained` of a library's class gives for a folder, without its notices.

    Raises:
        MnemoscopeError: the library has no such class, the folder could run code, holds no
            weights in safetensors, or cannot be loaded.
    """
    module = needed_for("a model", library, extra=library)
    refuse_code(folder, config)
    kind: Any = getattr(module, name, None) if isinstance(name, str) else None
    if not hasattr(kind, "from_pretrained"):
        raise MnemoscopeError(
            f"{folder}, which names no model of {library} ({name})",
            expected=f"a folder with a {CONFIG} that save_pretrained wrote",
            todo=f"check the folder, or install a newer {library}",
        )
    refuse_pickled(str(folder))
    try:
        with open(os.devnull, "w") as nowhere, redirect_stderr(nowhere):
            return kind.from_pretrained(
                Path(folder), local_files_only=True, use_safetensors=True, **settings
            )
    except Exception as error:
        raise MnemoscopeError(
            f"{folder}, which {library} cannot load ({first_line(error)})",
            expected="a whole folder that save_pretrained wrote",
            todo="save the model again",
        ) from error
