"""Folders of a Hugging Face library: weights in safetensors beside a `config.json`."""

from pathlib import Path
from typing import Any

from mnemoscope.errors import MnemoscopeError
from mnemoscope.small_files import read_json

CONFIG = "config.json"


def read_config(target: str | Path, name: str = CONFIG) -> dict[str, Any] | None:
    """What a folder's configuration says; None if there is none that can be read."""
    try:
        content = read_json(Path(target) / name)
    except (OSError, ValueError):
        return None
    return content if isinstance(content, dict) else None


def refuse_pickled(target: str) -> None:
    """Refuses a folder that has its weights as a pickle only.

    Raises:
        MnemoscopeError: there is no `.safetensors` file in it.
    """
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
        expected="weights in .safetensors beside config.json",
        todo="where you trust it, load it yourself and save it: "
        "model.save_pretrained(folder, safe_serialization=True)",
    )
