"""Programs that `torch.export` wrote: a `.pt2` file."""

import json
import zipfile
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from mnemoscope.errors import MnemoscopeError
from mnemoscope.maps.adapters.adapter import Adapter, Loaded, Request


class Exported(Adapter):
    """A `.pt2` file. Its graph is fixed: dropout that was exported in training mode stays on."""

    def recognizes(self, target: str) -> bool:
        """A file of that name."""
        return target.endswith(".pt2") and Path(target).is_file()

    def load(self, request: Request) -> Loaded:
        """The program, and the shape and batch size that it was exported for."""
        _refuse_pickles(request.target)
        try:
            program = torch.export.load(request.target)
            graph = program.module()
        except Exception as error:
            raise MnemoscopeError(
                f"{request.target}, which torch.export cannot load ({type(error).__name__}: "
                f"{(str(error).splitlines() or [''])[0]})",
                expected="a .pt2 file that torch.export.save wrote",
                todo="export the model again, with this version of PyTorch",
            ) from error
        names = program.graph_signature.user_inputs
        states = [node for node in program.graph.nodes if node.name in names]
        shape = tuple(states[0].meta["val"].shape) if states else ()
        if len(shape) < 2:
            raise MnemoscopeError(
                f"{request.target}, a program of inputs {', '.join(map(str, names)) or 'none'}",
                expected="one that takes a batch of states first",
                todo="export the model with an example batch (n, *shape)",
            )
        fixed = isinstance(shape[0], int)
        known = all(isinstance(side, int) for side in shape[1:])
        return Loaded(
            ExportedModule(graph),
            shape=tuple(int(side) for side in shape[1:]) if known else None,
            fixed_batch=int(shape[0]) if fixed else None,
        )


class ExportedModule(nn.Module):
    """An exported graph, which has one mode only and refuses to be asked for another."""

    def __init__(self, graph: nn.Module) -> None:
        super().__init__()
        self.graph = graph
        for module in self.modules():
            module.training = False

    def forward(self, *inputs: Tensor) -> Any:
        """What the program gives."""
        return self.graph(*inputs)

    def train(self, mode: bool = True) -> "ExportedModule":
        """Nothing: the mode was fixed when the model was exported."""
        return self


def _refuse_pickles(target: str) -> None:
    """Refuses an archive some of whose weights or constants would be unpickled.

    Raises:
        MnemoscopeError: it is no such archive, or has a pickle in it.
    """
    try:
        with zipfile.ZipFile(target) as archive:
            names = archive.namelist()
            listed = [
                json.loads(archive.read(name))
                for name in names
                if name.endswith(("_weights_config.json", "_constants_config.json"))
            ]
    except (OSError, zipfile.BadZipFile, ValueError) as error:
        raise MnemoscopeError(
            f"{target}, which is no archive of torch.export ({error})",
            expected="a .pt2 file that torch.export.save wrote",
            todo="export the model again",
        ) from error
    entries = [entry for config in listed for entry in config.get("config", {}).values()]
    if not listed or any(entry.get("use_pickle") for entry in entries):
        raise MnemoscopeError(
            f"{target}, whose weights are "
            + ("pickled" if listed else "kept as older versions of PyTorch did, pickled"),
            expected="an archive of plain tensors: a pickle could run code and is never unpickled",
            todo="where you trust it, export the model again with PyTorch 2.9 or newer",
        )
