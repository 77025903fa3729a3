"""Measurements by a user's function: `package.module:function`, called for each network.

`function(net, X)` is given one network and its examples `(n, *shape)`. It returns a number, which
fills the column `function`, or several by name, each of which fills `function_<name>`. Every number
is stored as a floating-point one (true is 1, false is 0), so that a column has one dtype.
"""

import hashlib
import inspect
import numbers
import re
import sys
from collections.abc import Callable, Collection, Mapping, Sequence
from functools import lru_cache, partial
from pathlib import Path
from typing import Any

from mnemoscope.base.errors import MnemoscopeError
from mnemoscope.base.importing import import_name, importing_from_here, is_name
from mnemoscope.base.text import short
from mnemoscope.sweep.measurements.measurement import Measurement, Trained


def column_of(path: str) -> str:
    """Returns the function's own name, with which its columns begin."""
    return path.partition(":")[2].rpartition(".")[2]


def imported_measurement(path: str, taken: Collection[str]) -> Measurement:
    """Returns the measurement that a function makes; it may not fill the columns in `taken`."""
    _refuse_taken(path, column_of(path), taken)
    function = _function(path)
    try:
        inspect.signature(function).bind(None, None)
    except TypeError as error:
        raise MnemoscopeError(
            f"{path}, which cannot be called with two arguments ({error})",
            expected="a function of a network and its examples",
            todo="define it as `def function(net, X)`",
            field="take",
        ) from error
    except ValueError:
        # Functions written in C may have no signature.
        pass
    return Measurement(path, (), partial(_take, path, taken))


def source_digest(path: str) -> str:
    """Computes SHA-256 of the files of a function and its module, as they were when imported.

    Modules that these import are not in it. A function without a file (C, a notebook's cell) is
    known by its path alone.
    """
    modules = {path.partition(":")[0], getattr(_function(path), "__module__", None) or ""}
    digests = (module_digest(module) for module in sorted(modules))
    return hashlib.sha256("\n".join((path, *digests)).encode()).hexdigest()


def _take(path: str, taken: Collection[str], trained: Trained) -> dict[str, list]:
    column = column_of(path)
    rows: list[dict[str, float]] = []
    with importing_from_here():
        function = _function(path)
        for r, seed in enumerate(trained.seeds):
            net, X = trained.replicas[r], trained.X[r].clone()
            try:
                rows.append(_numbers(column, function(net, X)))
            # A function that ends the process must not end the sweep with it.
            except (Exception, SystemExit) as error:
                reason = (
                    str(error) if type(error) is _NoNumber else f"{type(error).__name__}: {error}"
                )
                raise MnemoscopeError(
                    f"{path}(net, X) for seed {seed}, which gives no number ({reason})",
                    expected="a number, or a dictionary of numbers by name",
                    todo=f"correct `{column}`, or leave it out of `measure.take`",
                    field="take",
                ) from error
    columns = list(dict.fromkeys(name for row in rows for name in row))
    others = [column_of(other) for other in trained.measure.take if is_name(other)]
    for name in columns:
        _refuse_taken(path, name, taken)
        _refuse_ambiguous(path, name, others)
    return {name: [row.get(name) for row in rows] for name in columns}


class _NoNumber(TypeError):
    """A function returned something that is no number."""


def _numbers(column: str, given: Any) -> dict[str, float]:
    if not isinstance(given, Mapping):
        return {column: _number(given)}
    for name in given:
        if not isinstance(name, str) or not re.fullmatch(r"\w+", name):
            raise _NoNumber(f"a number by the name {short(name)}; letters, digits and _ make one")
    return {f"{column}_{name}": _number(value) for name, value in given.items()}


def _number(value: Any) -> float:
    # One entry of a tensor or of an array is a number too.
    if getattr(value, "shape", None) == () and hasattr(value, "item"):
        value = value.item()
    if not isinstance(value, numbers.Real):
        raise _NoNumber(f"it gives {short(value)}")
    return float(value)


def _refuse_taken(path: str, column: str, taken: Collection[str]) -> None:
    if column in taken:
        raise MnemoscopeError(
            f"{path}, which would fill the column {column!r}",
            expected="a name that no column of the table has",
            todo="give the function, or what it returns, another name",
            field="take",
        )


def _refuse_ambiguous(path: str, column: str, functions: Sequence[str]) -> None:
    """Refuses `a` that returns `b` by name together with `a_b`: they would fill one column."""
    own = column_of(path)
    for other in functions:
        if len(other) > len(own) and (column == other or column.startswith(f"{other}_")):
            raise MnemoscopeError(
                f"{path}, which would fill the column {column!r} of the function {other!r}",
                expected="names under which every column has one source",
                todo="give one of the functions another name",
                field="take",
            )


@lru_cache
def _function(path: str) -> Callable[..., Any]:
    found = import_name(path, what="function")
    if not callable(found):
        raise MnemoscopeError(
            f"{path}, which is a {type(found).__name__}",
            expected="a function of a network and its examples",
            todo="name the function itself",
            field="take",
        )
    module_digest(path.partition(":")[0])
    return found


# Computed once, when the file is imported: a file that is edited later is not what runs.
@lru_cache
def module_digest(module_name: str) -> str:
    """Computes SHA-256 of the file of an imported module; empty if it has none."""
    file = getattr(sys.modules.get(module_name), "__file__", None)
    try:
        return hashlib.sha256(Path(file).read_bytes()).hexdigest() if file else ""
    except OSError:
        return ""
