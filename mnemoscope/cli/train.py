"""`mnemoscope train`: fit a network to interpolation and keep it."""

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Annotated, Any, Literal

from cyclopts import Group, Parameter

from mnemoscope.base.errors import MnemoscopeError
from mnemoscope.base.small_files import read_text
from mnemoscope.cli.computing import check_device
from mnemoscope.cli.invocation import follow_up
from mnemoscope.cli.options import (
    OUTPUT_OPTIONS,
    OutputOptions,
    Place,
    flag,
    naming_options,
)
from mnemoscope.cli.printing import duplicates_line, finish_line, print_json, print_lines
from mnemoscope.cli.reading import DATA_OPTIONS, DataOptions, anchored, read
from mnemoscope.cli.run_folder import claimed
from mnemoscope.cli.training_folder import fit_in
from mnemoscope.training import TrainingOptions

if TYPE_CHECKING:
    from mnemoscope.nets import Spec

TRAINING_OPTIONS = TrainingOptions()

KIND = "fully_connected"

PICTURES = ("convolutional", "unet")
"""Kinds of networks whose states have a channel axis."""


@Parameter(name="*", group=Group("Network", sort_key=1))
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
    bias: Annotated[bool | None, Parameter(negative="--no-bias")] = None

    def given(self) -> dict[str, Any]:
        """Returns what was typed."""
        return {name: value for name, value in asdict(self).items() if value is not None}


NETWORK_OPTIONS = NetworkOptions()


def train(
    data: str,
    *,
    out: Place = None,
    reading: DataOptions = DATA_OPTIONS,
    spec: Place = None,
    network: NetworkOptions = NETWORK_OPTIONS,
    training: Annotated[
        TrainingOptions, Parameter(name="*", group=Group("Training", sort_key=2))
    ] = TRAINING_OPTIONS,
    device: str = "cpu",
    output: OutputOptions = OUTPUT_OPTIONS,
) -> int:
    """Fit a network to its examples until it interpolates them, and keep it.

    Writes network.safetensors into the folder. Interrupted with Ctrl-C or killed, the same command
    continues from where it was.

    Args:
        data: Examples: digits, photos, a folder, a file, hf:NAME.
        out: Folder to write to; default: runs/train.
        spec: JSON file with the network's spec; default: from the options below.
        device: Where to compute: cpu, cuda, cuda:1, mps.
        reading: How the data are read.
        network: The network without a spec.
        training: How it is trained.
        output: What may be overwritten, and what is printed.
    """
    check_device(device)
    source, examples = read(reading.record(data))
    X = examples.X
    if network.net in PICTURES and X.ndim == 3:
        X = X[:, None]
    chosen = _spec(spec, network.given(), tuple(X.shape[1:]))
    settings = {
        "data": anchored(source),
        "spec": chosen.model_dump(mode="json"),
        "training": asdict(training),
    }
    with claimed(out or "runs/train", settings, force=output.force) as folder:
        fit = fit_in(folder, chosen, X, training, device=device)
    if output.json:
        from mnemoscope.data import duplicates

        result = {name: getattr(fit, name) for name in ("loss", "steps", "converged", "reason")}
        equal = [list(pair) for pair in duplicates(X)]
        path = str(folder.network)
        print_json({**result, "seconds": fit.seconds, "duplicates": equal, "network": path})
    else:
        missed = f"does not interpolate (tol {training.tol:g}: {fit.reason})"
        outcome = "interpolates" if fit.converged else missed
        print_lines(
            f"Data: {examples.description}.",
            *duplicates_line(X),
            f"The network {outcome}: loss {fit.loss:.2e} after {fit.steps:,} steps, "
            f"{fit.seconds:.1f} s.",
            *finish_line(fit),
            f"{folder.network}",
            f"What has it memorized?  {follow_up('audit', folder.path)}",
        )
    return 0


def _spec(path: str | None, given: dict[str, Any], shape: tuple[int, ...]) -> "Spec":
    from mnemoscope.nets import spec_from_json

    if path is None:
        fields = {name: value for name, value in given.items() if name != "net"}
        with naming_options(fields):
            return spec_from_json({"kind": given.get("net", KIND), "shape": shape, **fields})
    if given:
        raise MnemoscopeError(
            f"--spec {path} together with {flag(next(iter(given)))}",
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
        raise error.replaced(given=f"--spec {path}: {error.given}") from error
    if spec.shape != shape:
        raise MnemoscopeError(
            f"--spec {path} for states {spec.shape}, and examples of shape {shape}",
            expected="one shape",
            todo="change the spec's shape, or bring the pictures to its --size",
        )
    return spec
