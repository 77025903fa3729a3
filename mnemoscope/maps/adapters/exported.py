"""Programs that `torch.export` wrote: a `.pt2` file."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from mnemoscope.errors import MnemoscopeError
from mnemoscope.maps.adapters.adapter import Adapter, Loaded, Request
from mnemoscope.maps.adapters.archive import checked_archive


class Exported(Adapter):
    """A `.pt2` file. Its graph is fixed: dropout that was exported in training mode stays on."""

    def recognizes(self, target: str) -> bool:
        """A file of that name."""
        return target.endswith(".pt2") and Path(target).is_file()

    def load(self, request: Request) -> Loaded:
        """The program, and the shape and batch size that it was exported for."""
        archive = checked_archive(request.target)
        try:
            # The bytes that were checked, not the file, which may be another by now.
            with _quiet():
                program = torch.export.load(archive)
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
        wanted = 1 if request.noise_level is None else 2
        if len(shape) < 2 or len(states) != wanted:
            raise MnemoscopeError(
                f"{request.target}, a program of inputs {', '.join(map(str, names)) or 'none'}",
                expected="one that takes a batch of states"
                + ("" if wanted == 1 else " and a noise level for each"),
                todo="export it so; a denoiser needs --noise-level",
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


@contextmanager
def _quiet() -> Iterator[None]:
    """Without what PyTorch's reader logs of its failures: they are told in one line."""
    before = logging.root.manager.disable
    logging.disable(logging.CRITICAL)
    try:
        yield
    finally:
        logging.disable(before)
