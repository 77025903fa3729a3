"""What may be in a `.pt2` archive for it to be handed to PyTorch's reader.

The reader unpickles some entries, and evaluates the expressions of a graph's sizes as Python. So an
archive is refused unless every entry is one of those that `torch.export.save` writes for a plain
program, its tensors are kept raw, and its expressions are arithmetic.
"""

import io
import json
import pickle
import re
import zipfile
from pathlib import Path
from typing import Any

import torch

from mnemoscope.base.errors import MnemoscopeError

ENTRIES = re.compile(
    r"archive_format|archive_version|byteorder|\.data/\w+|models/model\.json"
    r"|data/weights/weight_\d+|data/constants/tensor_\d+"
    r"|data/weights/model_weights_config\.json|data/constants/model_constants_config\.json"
    r"|data/sample_inputs/model\.pt"
)
"""The entries of an archive of one plain program, below its folder."""

ARITHMETIC = re.compile(
    r"(?:[\d.\s+\-*/%,()<>=!&|~^]|\b(?:Symbol|Integer|Rational|Max|Min|Mod|Eq|Ne|Lt|Le|Gt|Ge|Add|Mul"
    r"|Pow|And|Or|Not|FloorDiv|CeilDiv|CleanDiv|ModularIndexing|PythonMod|IntTrueDiv|TruncToInt"
    r"|CeilToInt|FloorToInt|Where|positive|integer|nonnegative|real|True|False|true|false|int_oo|oo"
    r"|[su]\d+)\b|'[su]\d+')*"
)
"""What a size is made of: numbers, symbols, operators and the functions of them."""

EXPRESSIONS = ("expr_str", "as_expr")


def checked_archive(target: str) -> io.BytesIO:
    """Returns the archive's bytes, once nothing in it could run code."""
    try:
        content = Path(target).read_bytes()
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            fault = _fault(archive)
    except MnemoscopeError:
        raise
    # A damaged archive trips the reader in many ways.
    except Exception as error:
        raise MnemoscopeError(
            f"{target}, which is no archive of torch.export ({type(error).__name__}: {error})",
            expected="a .pt2 file that torch.export.save wrote",
            todo="export the model again",
        ) from error
    if fault:
        raise MnemoscopeError(
            f"{target}, which holds {fault}",
            expected="an archive of plain tensors and a graph: anything else could run code",
            todo="where you trust it, load it in a factory of your own: package.module:factory",
        )
    return io.BytesIO(content)


def _fault(archive: zipfile.ZipFile) -> str:
    """Describes what in the archive is refused; an empty text if nothing is."""
    names = archive.namelist()
    roots = {name.partition("/")[0] for name in names}
    if len(set(names)) < len(names) or len(roots) != 1:
        return "entries that hide others"
    inner = {name.partition("/")[2]: name for name in names}
    for name in inner:
        if not ENTRIES.fullmatch(name):
            return f"{name}, which may be a pickle or code"
    graph = inner.get("models/model.json")
    if graph is None:
        return "no program"
    for name in inner:
        if name.endswith("_config.json"):
            config = json.loads(archive.read(inner[name]))
            if any(_is_pickled(entry) for entry in config["config"].values()):
                return f"pickled tensors ({name})"
        if name.endswith("sample_inputs/model.pt"):
            try:
                torch.load(io.BytesIO(archive.read(inner[name])), weights_only=True)
            except (pickle.UnpicklingError, RuntimeError, EOFError):
                return f"a pickle of more than tensors ({name})"
    wrong = _strange(json.loads(archive.read(graph)))
    return f"a size that is no arithmetic: {wrong[:60]}" if wrong else ""


def _is_pickled(entry: dict[str, Any]) -> bool:
    plain = re.fullmatch(r"weight_\d+|tensor_\d+", str(entry["path_name"]))
    return bool(entry.get("use_pickle", True)) or plain is None


def _strange(tree: Any) -> str:
    """Returns the first expression in the graph that is no arithmetic."""
    waiting = [tree]
    while waiting:
        node = waiting.pop()
        if isinstance(node, dict):
            for key, value in node.items():
                if key in EXPRESSIONS and isinstance(value, str) and not _is_size(value):
                    return value
                waiting.append(value)
        elif isinstance(node, list):
            waiting += node
    return ""


def _is_size(text: str) -> bool:
    return ARITHMETIC.fullmatch(text) is not None
