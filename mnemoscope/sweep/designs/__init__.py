"""The designs that come with Mnemoscope, and the search for a design by name or file."""

from pathlib import Path

from mnemoscope.base.check import did_you_mean
from mnemoscope.base.errors import MnemoscopeError
from mnemoscope.base.importing import import_name, is_name
from mnemoscope.sweep.design import Design

FOLDER = Path(__file__).parent

DESIGNS = ("depth-width", "examples", "optimizers", "initialization", "conv-depth")
"""Their names; each is a TOML file in this folder."""


def find_design(text: str) -> Design:
    """Returns a design: one of `DESIGNS`, a TOML file, or `package.module:name` of a `Design`.

    Modules are searched in the current folder first.
    """
    if text in DESIGNS:
        return Design.from_toml(FOLDER / f"{text}.toml")
    if is_name(text):
        return _imported(text)
    if not Path(text).exists() and not text.endswith(".toml"):
        raise MnemoscopeError(
            f"{text}, which is no design",
            expected=f"a TOML file, package.module:name, or one of {', '.join(DESIGNS)}",
            todo=did_you_mean(text, list(DESIGNS), otherwise="check the path"),
        )
    return Design.from_toml(text)


def _imported(text: str) -> Design:
    found = import_name(text, what="name")
    if not isinstance(found, Design):
        raise MnemoscopeError(
            f"{text}, which is a {type(found).__name__}",
            expected="a mnemoscope.sweep.Design",
            todo="name one",
        )
    return found
