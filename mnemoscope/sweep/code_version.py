"""The version of the code that decides a run's numbers."""

import ast
import hashlib
from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path

import torch

DECIDING = (
    *("base/importing.py", "base/stats.py", "base/stored_tensors.py", "base/unit.py"),
    *("data", "dynamics", "linalg", "maps", "measure", "nets", "results", "theory", "training"),
    *("sweep/configuration.py", "sweep/configured.py", "sweep/fitting.py", "sweep/measurements"),
)
"""Modules on which a number of a row depends."""


@lru_cache(maxsize=1)
def code_version() -> str:
    """Computes a digest of the modules' syntax and of PyTorch's version: 16 hexadecimal digits.

    Comments, docstrings and layout are not in it, so that correcting a comment does not cost a
    sweep; other code that was released under the same version number is.
    """
    found = find_spec("mnemoscope")
    assert found is not None
    assert found.origin is not None
    root = Path(found.origin).parent
    digest = hashlib.sha256(torch.__version__.split("+")[0].encode())
    for name in DECIDING:
        place = root / name
        files = sorted(place.rglob("*.py")) if place.is_dir() else [place]
        for file in files:
            digest.update(f"\n{file.relative_to(root).as_posix()}\n".encode())
            digest.update(meaning(file.read_text(encoding="utf-8")).encode())
    return digest.hexdigest()[:16]


def meaning(source: str) -> str:
    """Returns the syntax tree of Python code without docstrings and positions.

    Example:
        >>> meaning("x = 1  # one") == meaning("x  =  1")
        True
        >>> meaning("x = 1") == meaning("x = 2")
        False
    """
    tree = ast.parse(source)
    for node in ast.walk(tree):
        body = getattr(node, "body", None)
        if isinstance(body, list):
            node.body = [part for part in body if not _is_text(part)]  # pyright: ignore[reportAttributeAccessIssue]
    return ast.dump(tree)


def _is_text(node: ast.AST) -> bool:
    return (
        isinstance(node, ast.Expr)
        and isinstance(node.value, ast.Constant)
        and isinstance(node.value.value, str)
    )
