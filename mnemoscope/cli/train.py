"""`mnemoscope train`: fit a network to interpolation and keep it."""

import re
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Any, Literal

from cyclopts import Group, Parameter

from mnemoscope.base.errors import MnemoscopeError
from mnemoscope.base.small_files import read_text
from mnemoscope.cli.invocation import follow_up
from mnemoscope.cli.options import (
    Count,
    Device,
    Force,
    Gray,
    Json,
    Offset,
    OptionalWhole,
    Out,
    Place,
    Size,
    check_device,
)
from mnemoscope.cli.printing import print_json, print_lines, told_duplicates
from mnemoscope.cli.reading import NO_DATA_OPTIONS, DataOptions, anchored, read
from mnemoscope.cli.run_folder import claimed
from mnemoscope.cli.training_folder import fit_in
from mnemoscope.training import TrainingOptions

if TYPE_CHECKING:
    from mnemoscope.nets import Spec

TRAINING = Group("Training", sort_key=1)

NO_TRAINING_OPTIONS = TrainingOptions()

KIND = "fully_connected"

PICTURES = ("convolutional", "unet")
"""Kinds of networks whose states have a channel axis."""


def train(
    data: Annotated[str, Parameter(help="Examples: digits, photos, a folder, a file, hf:NAME.")],
    *,
    out: Annotated[Out, Parameter(help="Folder to write to; runs/train if left out.")] = None,
    n: Count = None,
    offset: Offset = 0,
    size: Size = None,
    gray: Gray = False,
    reading: DataOptions = NO_DATA_OPTIONS,
    spec: Annotated[
        Place,
        Parameter(
            help="A JSON file with the network's spec; made from the options below if left out."
        ),
    ] = None,
    net: Annotated[
        Literal["fully_connected", "convolutional", "unet"] | None,
        Parameter(help="Kind of network; fully_connected if left out."),
    ] = None,
    width: Annotated[
        OptionalWhole, Parameter(help="Units of a hidden layer; 256 if left out.")
    ] = None,
    depth: Annotated[OptionalWhole, Parameter(help="Weight layers; 8 if left out.")] = None,
    channels: Annotated[
        OptionalWhole, Parameter(help="Channels of a hidden layer; 16 if left out.")
    ] = None,
    kernel_size: Annotated[
        OptionalWhole, Parameter(help="Side of the convolutions; 3 if left out.")
    ] = None,
    downsample: Annotated[
        OptionalWhole, Parameter(help="Stride-2 convolutions; none if left out.")
    ] = None,
    levels: Annotated[OptionalWhole, Parameter(help="Levels of a U-Net; 2 if left out.")] = None,
    activation: Annotated[
        str | None, Parameter(help="Such as sigmoid, sin; leaky_relu if left out.")
    ] = None,
    output_activation: Annotated[
        str | None, Parameter(help="After the last layer; none if left out (depth 1: activation).")
    ] = None,
    init: Annotated[
        str | None, Parameter(help="Such as ntk, scaled(0.1); default, PyTorch's, if left out.")
    ] = None,
    bias: Annotated[
        bool | None, Parameter(help="Whether layers have biases; they have if left out.")
    ] = None,
    training: Annotated[TrainingOptions, Parameter(name="*", group=TRAINING)] = NO_TRAINING_OPTIONS,
    device: Device = "cpu",
    force: Force = False,
    json: Json = False,
) -> int:
    """Fit a network to its examples until it interpolates them, and keep it.

    Writes network.safetensors into the folder. Interrupted with Ctrl-C or killed, the same command
    goes on where it was.
    """
    from mnemoscope.data import duplicates

    check_device(device)
    fields = {
        "width": width, "depth": depth, "channels": channels, "kernel_size": kernel_size,
        "downsample": downsample, "levels": levels, "activation": activation,
        "output_activation": output_activation, "init": init, "bias": bias,
    }  # fmt: skip
    fields = {name: value for name, value in fields.items() if value is not None}
    given = {"source": data, "n": n, "offset": offset, "size": size, "gray": gray}
    source, examples = read({**given, **reading.given()})
    X = examples.X
    if net in PICTURES and X.ndim == 3:
        X = X[:, None]
    chosen = _spec(spec, net, fields, tuple(X.shape[1:]))
    settings = {
        "data": anchored(source),
        "spec": chosen.model_dump(mode="json"),
        "training": asdict(training),
    }
    with claimed(out or "runs/train", settings, force=force) as folder:
        fit = fit_in(folder, chosen, X, training, device=device)
    if json:
        result = {
            "loss": fit.loss,
            "steps": fit.steps,
            "converged": fit.converged,
            "reason": fit.reason,
        }
        print_json(
            {
                **result,
                "seconds": fit.seconds,
                "duplicates": [list(pair) for pair in duplicates(X)],
                "network": str(folder.network),
            }
        )
    else:
        missed = f"does not interpolate (tol {training.tol:g}: {fit.reason})"
        outcome = "interpolates" if fit.converged else missed
        print_lines(
            f"Data: {examples.description}.",
            *told_duplicates(X),
            f"The network {outcome}: loss {fit.loss:.2e} after {fit.steps:,} steps, "
            f"{fit.seconds:.1f} s.",
            f"{folder.network}",
            f"What has it memorized?  {follow_up('audit', folder.path)}",
        )
    return 0


def _spec(
    path: str | None, kind: str | None, fields: dict[str, Any], shape: tuple[int, ...]
) -> "Spec":
    from mnemoscope.nets import spec_from_json

    if path is None:
        try:
            return spec_from_json({"kind": kind or KIND, "shape": shape, **fields})
        except MnemoscopeError as error:
            raise MnemoscopeError(
                _as_options(error.given, fields),
                expected=error.expected,
                todo=_as_options(error.todo, fields),
            ) from error
    given = {**({} if kind is None else {"net": kind}), **fields}
    if given:
        raise MnemoscopeError(
            f"--spec {path} together with {_option(next(iter(given)))}",
            expected="either a spec or its fields",
            todo="write the fields into the file",
        )
    try:
        spec = spec_from_json(read_text(path))
    except (OSError, UnicodeDecodeError) as error:
        raise MnemoscopeError(
            f"--spec {path}, which cannot be read ({getattr(error, 'strerror', None) or error})",
            expected="a JSON file",
            todo="check the path",
        ) from error
    except MnemoscopeError as error:
        raise MnemoscopeError(
            f"--spec {path}: {error.given}", expected=error.expected, todo=error.todo
        ) from error
    if spec.shape != shape:
        raise MnemoscopeError(
            f"--spec {path} for states {spec.shape}, and examples of shape {shape}",
            expected="one shape",
            todo="change the spec's shape, or bring the pictures to its --size",
        )
    return spec


def _as_options(text: str, fields: dict[str, Any]) -> str:
    """A message about a spec's fields, with the options that they were given by."""
    for name in fields:
        text = re.sub(rf"`{name}`|\b{name}(?==)", _option(name), text)
    return text


def _option(name: str) -> str:
    return f"--{name.replace('_', '-')}"
