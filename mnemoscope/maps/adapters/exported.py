"""Programs that `torch.export` wrote: a `.pt2` file.

PyTorch's reader unpickles some entries of the archive, and evaluates the expressions of a graph's
sizes as Python. So an archive is refused unless every entry is one of those that
`torch.export.save` writes for a plain program, its tensors are kept raw, and its expressions are
arithmetic.
"""

import io
import json
import logging
import pickle
import re
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from mnemoscope.base.errors import MnemoscopeError, first_line
from mnemoscope.maps.adapters.adapter import Adapter, Loaded, Request
from mnemoscope.maps.sizes import Sides, Sizes

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


UNBOUNDED = 2**31
"""A bound from which on it is none: PyTorch has written large numbers for infinity."""


class Exported(Adapter):
    """A `.pt2` file. Its graph is fixed: dropout that was exported in training mode stays on."""

    def recognizes(self, target: str) -> bool:
        """Returns a file of that name."""
        return target.endswith(".pt2") and Path(target).is_file()

    def load(self, request: Request) -> Loaded:
        """Returns the program, and the shape and batch sizes that it was exported for."""
        archive = checked_archive(request.target)
        try:
            # The bytes that were checked, not the file, which may be another by now.
            with _quiet():
                program = torch.export.load(archive)
                graph = program.module()
        except Exception as error:
            raise MnemoscopeError(
                f"{request.target}, which torch.export cannot load ({type(error).__name__}: "
                f"{first_line(error)})",
                expected="a .pt2 file that torch.export.save wrote",
                todo="export the model again, with this version of PyTorch",
            ) from error
        names = program.graph_signature.user_inputs
        states = [node for node in program.graph.nodes if node.name in names]
        shape = _sides(states[0], program) if states else ()
        wanted = 1 if request.noise_level is None else 2
        if len(shape) < 2 or len(states) != wanted:
            raise MnemoscopeError(
                f"{request.target}, a program of inputs {', '.join(map(str, names)) or 'none'}",
                expected="one that takes a batch of states"
                + ("" if wanted == 1 else " and a noise level for each"),
                todo="export it so; a denoiser needs --noise-level",
            )
        batch, sides = shape[0], shape[1:]
        known = tuple(side for side in sides if isinstance(side, int))
        return Loaded(
            ExportedModule(graph),
            shape=known if len(known) == len(sides) else None,
            sides=sides,
            fixed_batch=None if batch == Sizes() else batch,
        )


class ExportedModule(nn.Module):
    """An exported graph, which has one mode only and refuses to be asked for another."""

    def __init__(self, graph: nn.Module) -> None:
        super().__init__()
        self.graph = graph
        for module in self.modules():
            module.training = False

    def forward(self, *inputs: Tensor) -> Any:
        """Runs the program."""
        return self.graph(*inputs)

    def train(self, mode: bool = True) -> "ExportedModule":
        """Does nothing: the mode was fixed when the model was exported."""
        return self


def _sides(node: torch.fx.Node, program: torch.export.ExportedProgram) -> Sides:
    """Returns the sizes of an input's axes: a number, or the range the program was exported for."""
    return tuple(_sizes(side, program.range_constraints) for side in node.meta["val"].shape)


def _sizes(side: int | torch.SymInt, ranges: Mapping[Any, Any]) -> int | Sizes:
    """Returns the sizes of one axis: a program writes a number, or `a n + b` of a symbol `n`.

    The bounds of `n` hold, and those of the whole where the program has some.
    """
    if isinstance(side, int):
        return side
    whole = side.node.expr
    low, high = _bounds(ranges.get(whole))
    step = 1
    symbols = list(whole.free_symbols)
    if len(symbols) == 1:
        n = symbols[0]
        a, b = whole.coeff(n, 1), whole.coeff(n, 0)
        if a.is_Integer and b.is_Integer and a > 0 and whole == a * n + b:
            step, base = int(a), int(b)
            least, most = _bounds(ranges.get(n))
            # The first a n + b that is no smaller than either bound, and at least 1.
            wanted = max(low, 1, step * least + base)
            low = base + step * -(-(wanted - base) // step)
            ends = [end for end in (high, None if most is None else step * most + base) if end]
            high = min(ends, default=None)
    low = max(1, low)
    return Sizes(low, None if high is None else max(low, high), step)


def _bounds(values: Any) -> tuple[int, int | None]:
    """Returns the bounds of a range; the upper one may be missing."""
    if values is None:
        return 0, None
    low = int(values.lower) if values.lower.is_Integer else 0
    high = int(values.upper) if values.upper.is_Integer else None
    return low, high if high is not None and high < UNBOUNDED else None


@contextmanager
def _quiet() -> Iterator[None]:
    """Silences PyTorch's reader, whose failures become errors of one line."""
    before = logging.root.manager.disable
    logging.disable(logging.CRITICAL)
    try:
        yield
    finally:
        logging.disable(before)
