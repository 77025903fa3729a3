"""The designs that come with Mnemoscope, and how a design is found by what was typed."""

import sys
from importlib import import_module
from pathlib import Path

from mnemoscope.errors import MnemoscopeError
from mnemoscope.nets.checked_model import did_you_mean
from mnemoscope.sweep.design import Design

FOLDER = Path(__file__).parent

DESIGNS = ("depth-width", "examples", "optimizers", "initialization", "conv-depth")
"""Their names; each is a TOML file beside this one."""


def find_design(text: str) -> Design:
    """A design: one of `DESIGNS`, a TOML file, or `package.module:name` of a `Design`.

    The current folder is where modules are looked for first.

    Raises:
        MnemoscopeError: there is none, or it is wrong.
    """
    if text in DESIGNS:
        return Design.from_toml(FOLDER / f"{text}.toml")
    module, colon, name = text.partition(":")
    if colon and name.isidentifier() and all(part.isidentifier() for part in module.split(".")):
        return _imported(module, name)
    if not Path(text).exists() and not text.endswith(".toml"):
        raise MnemoscopeError(
            f"{text}, which is no design",
            expected=f"a TOML file, package.module:name, or one of {', '.join(DESIGNS)}",
            todo=did_you_mean(text, list(DESIGNS), otherwise="check the path"),
        )
    return Design.from_toml(text)


def _imported(module: str, name: str) -> Design:
    if "" not in sys.path:
        sys.path.insert(0, "")
    try:
        found = getattr(import_module(module), name)
    # A module of somebody else may raise anything.
    except Exception as error:
        raise MnemoscopeError(
            f"{module}:{name}, which cannot be imported ({type(error).__name__}: {error})",
            expected="a module and the name of a Design in it",
            todo="check both, and run from the folder where the module is",
        ) from error
    if not isinstance(found, Design):
        raise MnemoscopeError(
            f"{module}:{name}, which is a {type(found).__name__}",
            expected="a mnemoscope.sweep.Design",
            todo="name one",
        )
    return found
