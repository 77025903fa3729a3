"""`mnemoscope train`: fit a network to interpolation and keep it."""

from dataclasses import asdict, dataclass
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
    Out,
    Place,
    Size,
    check_device,
)
from mnemoscope.cli.printing import duplicates_line, print_json, print_lines
from mnemoscope.cli.reading import NO_DATA_OPTIONS, DataOptions, anchored, read
from mnemoscope.cli.run_folder import claimed
from mnemoscope.cli.training_folder import fit_in
from mnemoscope.training import TrainingOptions

if TYPE_CHECKING:
    from mnemoscope.nets import Spec

NETWORK = Group("Network", sort_key=1)

TRAINING = Group("Training", sort_key=2)

NO_TRAINING_OPTIONS = TrainingOptions()

KIND = "fully_connected"

PICTURES = ("convolutional", "unet")
"""Kinds of networks whose states have a channel axis."""


@dataclass(frozen=True)
class NetworkOptions:
    """The fields of a network's spec.

    Attributes:
        net: Kind of network; default: fully_connected.
        width: Units of a hidden layer; default: 256.
        depth: Weight layers; default: 8.
        channels: Channels of a hidden layer; default: 16.
        kernel_size: Side of the convolutions; default: 3.
        downsample: Stride-2 convolutions; default: none.
        levels: Levels of a U-Net; default: 2.
        activation: Activation, such as sigmoid or sin; default: leaky_relu.
        output_activation: Activation after the last layer; default: none, at depth 1 activation.
        init: Initialization, such as ntk or scaled(0.1); default: that of PyTorch.
        bias: Layers have biases; default: they have.
    """

    net: Literal["fully_connected", "convolutional", "unet"] | None = None
    width: int | None = None
    depth: int | None = None
    channels: int | None = None
    kernel_size: int | None = None
    downsample: int | None = None
    levels: int | None = None
    activation: str | None = None
    output_activation: str | None = None
    init: str | None = None
    bias: bool | None = None

    def given(self) -> dict[str, Any]:
        """What was typed."""
        return {name: value for name, value in asdict(self).items() if value is not None}


NO_NETWORK_OPTIONS = NetworkOptions()


def train(
    data: Annotated[str, Parameter(help="Examples: digits, photos, a folder, a file, hf:NAME.")],
    *,
    out: Annotated[Out, Parameter(help="Folder to write to; default: runs/train.")] = None,
    n: Count = None,
    offset: Offset = 0,
    size: Size = None,
    gray: Gray = False,
    reading: DataOptions = NO_DATA_OPTIONS,
    spec: Annotated[
        Place,
        Parameter(help="JSON file with the network's spec; default: from the options below."),
    ] = None,
    network: Annotated[NetworkOptions, Parameter(name="*", group=NETWORK)] = NO_NETWORK_OPTIONS,
    training: Annotated[TrainingOptions, Parameter(name="*", group=TRAINING)] = NO_TRAINING_OPTIONS,
    device: Device = "cpu",
    force: Force = False,
    json: Json = False,
) -> int:
    """Fit a network to its examples until it interpolates them, and keep it.

    Writes network.safetensors into the folder. Interrupted with Ctrl-C or killed, the same command
    goes on where it was.
    """
    check_device(device)
    from mnemoscope.data import duplicates

    given = {"source": data, "n": n, "offset": offset, "size": size, "gray": gray}
    source, examples = read({**given, **reading.given()})
    X = examples.X
    if network.net in PICTURES and X.ndim == 3:
        X = X[:, None]
    chosen = _spec(spec, network.given(), tuple(X.shape[1:]))
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
            *duplicates_line(X),
            f"The network {outcome}: loss {fit.loss:.2e} after {fit.steps:,} steps, "
            f"{fit.seconds:.1f} s.",
            f"{folder.network}",
            f"What has it memorized?  {follow_up('audit', folder.path)}",
        )
    return 0


def _spec(path: str | None, given: dict[str, Any], shape: tuple[int, ...]) -> "Spec":
    from mnemoscope.nets import spec_from_json

    if path is None:
        fields = {name: value for name, value in given.items() if name != "net"}
        try:
            return spec_from_json({"kind": given.get("net", KIND), "shape": shape, **fields})
        except MnemoscopeError as error:
            field = (error.field or "").partition(".")[0]
            if field not in fields:
                raise
            option = _option(field)
            raise MnemoscopeError(
                f"{option}={fields[field]}",
                expected=error.expected,
                todo=error.todo.replace(f"`{field}`", option),
                field=field,
                choices=error.choices,
            ) from error
    if given:
        raise MnemoscopeError(
            f"--spec {path} together with {_option(next(iter(given)))}",
            expected="either a spec or its fields",
            todo="write the fields into the file",
            field="spec",
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


def _option(name: str) -> str:
    return f"--{name.replace('_', '-')}"
