"""Weights in one `.safetensors` file that carries its spec; nothing in it is ever unpickled."""

import os
from collections.abc import Mapping
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

from mnemoscope.base.errors import MnemoscopeError
from mnemoscope.base.files import replacing
from mnemoscope.base.publishing import check_name
from mnemoscope.base.small_files import check_regular
from mnemoscope.base.stored_tensors import computable
from mnemoscope.nets.spec import Network, TrainingRecord, check_device
from mnemoscope.nets.spec_reader import spec_from_json

FORMAT = "mnemoscope/1"
"""The value of `format` in the metadata."""

_REBUILD = "build the network from a spec, as in mn.nets.FullyConnected(shape=...).build()"
_RESAVE = "save the network again with mn.nets.save(net, path)"

_CONVERT = (
    "save the weights of your own model as a state dict and name what builds it: "
    "package.module:factory --weights FILE; or export it to a .pt2; a fitted model of another "
    "library is given by a function of your own that loads it: package.module:factory"
)

_ZIP = b"PK\x03\x04"

_SIGNATURES = {
    _ZIP: "a zip archive",
    b"\x89PNG\r\n": "a PNG picture",
    b"\xff\xd8\xff": "a JPEG picture",
    b"GIF8": "a GIF picture",
    b"%PDF": "a PDF document",
    b"\x1f\x8b": "a gzip archive",
    b"\x93NUMPY": "a NumPy array",
    b"\x89HDF\r\n": "an HDF5 file",
    b"PAR1": "a Parquet file",
}


def save(net: nn.Module, path: str | os.PathLike[str]) -> None:
    """Writes a network's weights, its spec and its training record into one file.

    The file's metadata holds `format`, `spec` (JSON) and, for a trained network,
    `training_record` (JSON), each as text. If writing fails, the old file is kept.

    Args:
        net: A network that a spec's `build` or `load` returned.
        path: Output path (conventionally `*.safetensors`). Parent folders are created.

    Raises:
        MnemoscopeError: the module has no spec, its weights do not fit its spec or are not
            finite, or the file cannot be written.
    """
    if not isinstance(net, Network):
        raise MnemoscopeError(
            f"a {type(net).__name__} to save",
            expected="a mn.nets.Network, which knows the spec it was built from",
            todo=f"{_REBUILD}, or save the state_dict of your own module yourself",
        )
    # Copies, because safetensors refuses tensors that share memory, as views of one stack do.
    tensors = {
        name: tensor.detach().cpu().clone(memory_format=torch.contiguous_format)
        for name, tensor in net.state_dict().items()
    }
    _check_weights(tensors, net.spec.outline(), "the network to save", _REBUILD)
    metadata = {"format": FORMAT, "spec": net.spec.to_json()}
    if net.training_record is not None:
        metadata["training_record"] = net.training_record.to_json()
    with replacing(path) as temporary:
        try:
            save_file(tensors, temporary, metadata)
        except (OSError, SafetensorError) as error:
            raise MnemoscopeError(
                f"cannot write {path} ({error})",
                expected="a path that can be written to",
                todo="free some space or choose another path",
            ) from error


def load(path: str | os.PathLike[str], *, device: str | torch.device = "cpu") -> Network:
    """Reads a network that `save` wrote, to the bit; nothing but the file is needed.

    Args:
        path: The file.
        device: Device of the weights; their dtype is the file's.

    Returns:
        The network, with its `spec` and `training_record`.

    Raises:
        MnemoscopeError: the file is missing, empty, cut off, of another kind, without a spec, or
            its weights do not fit its spec or are not finite.
    """
    check_device(device)
    metadata, tensors = _read(path, with_tensors=True)
    if "spec" not in metadata:
        raise MnemoscopeError(
            f"{path} is a safetensors file without a spec",
            expected="a file that mn.nets.save wrote",
            todo="build the network of these weights yourself and load them into it",
        )
    if metadata.get("format") != FORMAT:
        raise MnemoscopeError(
            f"{path} has the format {metadata.get('format')!r}",
            expected=FORMAT,
            todo="read it with the version of Mnemoscope that wrote it",
        )
    record = metadata.get("training_record")
    try:
        spec = spec_from_json(metadata["spec"])
        training_record = None if record is None else TrainingRecord.from_json(record)
        network = spec.outline()
    except MnemoscopeError as error:
        raise MnemoscopeError(
            f"in {path}: {error.given}", expected=error.expected, todo=_RESAVE
        ) from error
    _check_weights(tensors, network, str(path), _RESAVE)
    network.load_state_dict(tensors, assign=True)
    network.training_record = training_record
    return network.to(device=device)


def read_metadata(path: str | os.PathLike[str]) -> dict[str, str]:
    """Reads the metadata of a safetensors file, without its weights.

    Returns:
        The metadata as text: `format`, `spec` and perhaps `training_record` in a file that `save`
        wrote; anything, or nothing, in someone else's.

    Raises:
        MnemoscopeError: the file is missing, empty, cut off or of another kind.
    """
    return _read(path, with_tensors=False)[0]


def _read(
    path: str | os.PathLike[str], *, with_tensors: bool
) -> tuple[dict[str, str], dict[str, Tensor]]:
    source = Path(path)
    check_name(source)
    check_regular(source)
    try:
        with source.open("rb") as file:
            start = file.read(512)
    except OSError as error:
        raise MnemoscopeError(
            f"cannot read {path} ({error.strerror})",
            expected="a file that mn.nets.save wrote",
            todo="check the path",
        ) from error
    # The kind is guessed only after safetensors refused the file: a safetensors file of 640 bytes
    # of header begins with the very bytes of a pickle.
    try:
        with safe_open(source, framework="pt") as file:
            names = list(file.keys()) if with_tensors else []
            # The tensors are views of the mapped file; copies outlive a change of the file.
            tensors = {
                name: computable(file.get_tensor(name), f"{name} in {path}").clone()
                for name in names
            }
            return dict(file.metadata() or {}), tensors
    except MnemoscopeError:
        raise
    except (SafetensorError, OSError, ValueError, RuntimeError) as error:
        raise MnemoscopeError(
            f"{path} {_what_it_is(start)}",
            expected="a file that mn.nets.save wrote",
            todo=_CONVERT
            if _is_pickle(start)
            else f"check the path, or {_RESAVE}; a model of "
            "another library is given by a function of your own: package.module:factory",
        ) from error


def _what_it_is(start: bytes) -> str:
    if not start:
        return "is empty"
    if _is_pickle(start):
        return "is a pickle (a PyTorch .pt file?), which could run code and is never unpickled"
    for signature, kind in _SIGNATURES.items():
        if start.startswith(signature):
            return f"is {kind}"
    if start[8:9] == b"{":
        return "is a safetensors file that is cut off or damaged"
    return "is not a safetensors file"


def _is_pickle(start: bytes) -> bool:
    # A pickle begins with the opcode PROTO and the protocol's number; `torch.save` puts one into
    # a zip archive, as its first file.
    in_a_zip = start.startswith(_ZIP) and b"data.pkl" in start
    return in_a_zip or start.startswith((b"\x80\x02", b"\x80\x03", b"\x80\x04", b"\x80\x05"))


def _check_weights(tensors: Mapping[str, Tensor], network: Network, given: str, todo: str) -> None:
    expected = {name: tuple(tensor.shape) for name, tensor in network.state_dict().items()}
    found = {name: tuple(tensor.shape) for name, tensor in tensors.items()}
    faults = [f"lacks {name} {shape}" for name, shape in expected.items() if name not in found]
    faults += [f"has {name} {shape}" for name, shape in found.items() if name not in expected]
    faults += [
        f"has {name} of shape {found[name]}, not {shape}"
        for name, shape in expected.items()
        if found.get(name, shape) != shape
    ]
    if faults:
        raise MnemoscopeError(
            f"{given} {_first_three(faults)}",
            expected=f"the weights of {network.spec!r}",
            todo=todo,
        )
    faults = [
        f"{name} ({tensor.dtype})"
        for name, tensor in tensors.items()
        if not tensor.is_floating_point()
    ]
    if faults:
        raise MnemoscopeError(
            f"{given} has weights that are no real numbers: {_first_three(faults)}",
            expected="weights of a floating-point dtype",
            todo=todo,
        )
    faults = [name for name, tensor in tensors.items() if not tensor.isfinite().all()]
    if faults:
        raise MnemoscopeError(
            f"{given} has weights that are NaN or infinite: {_first_three(faults)}",
            expected="finite weights",
            todo="train again with a smaller learning rate",
        )


def _first_three(faults: list[str]) -> str:
    more = f" and {len(faults) - 3} more" if len(faults) > 3 else ""
    return ", ".join(faults[:3]) + more
