"""`mnemoscope train`: fit a network to interpolation and keep it."""

import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from cyclopts import Parameter

from mnemoscope.cli.options import (
    Count,
    Device,
    Force,
    Gray,
    Json,
    Offset,
    Out,
    Seed,
    Size,
    check_device,
)
from mnemoscope.cli.printing import print_json, print_lines
from mnemoscope.cli.progress import training_progress
from mnemoscope.cli.run_folder import RunFolder, claim
from mnemoscope.errors import MnemoscopeError

if TYPE_CHECKING:
    from torch import Tensor

    from mnemoscope.nets import Spec
    from mnemoscope.training import Fit


def train(
    data: Annotated[str, Parameter(help="Examples: digits, photos, a folder, a file, hf:NAME.")],
    *,
    out: Out = None,
    n: Count = None,
    offset: Offset = 0,
    size: Size = None,
    gray: Gray = False,
    spec: Annotated[str | None, Parameter(help="A JSON file with the network's spec.")] = None,
    net: Annotated[
        Literal["fully_connected", "convolutional", "unet"], Parameter(help="Kind of network.")
    ] = "fully_connected",
    width: Annotated[int | None, Parameter(help="Units of a hidden layer.")] = None,
    depth: Annotated[int | None, Parameter(help="Weight layers.")] = None,
    channels: Annotated[int | None, Parameter(help="Channels of a hidden layer.")] = None,
    kernel_size: Annotated[int | None, Parameter(help="Side of the convolutions.")] = None,
    downsample: Annotated[int | None, Parameter(help="Stride-2 convolutions.")] = None,
    levels: Annotated[int | None, Parameter(help="Levels of a U-Net.")] = None,
    activation: Annotated[str | None, Parameter(help="Such as leaky_relu, sigmoid, sin.")] = None,
    output_activation: Annotated[str | None, Parameter(help="After the last layer.")] = None,
    init: Annotated[str | None, Parameter(help="Such as default, ntk, scaled(0.1).")] = None,
    bias: Annotated[bool | None, Parameter(help="Whether layers have biases.")] = None,
    tol: Annotated[float, Parameter(help="Loss that counts as interpolation.")] = 1e-8,
    optimizer: Annotated[
        Literal["adam", "gradient_descent", "rmsprop", "lbfgs"], Parameter(help="Optimizer.")
    ] = "adam",
    lr: Annotated[float | None, Parameter(help="Learning rate to begin with.")] = None,
    schedule: Annotated[
        Literal["plateau", "cosine", "constant"], Parameter(help="How the rate changes.")
    ] = "plateau",
    batch_size: Annotated[
        int | None, Parameter(help="Examples in each step; all of them if left out.")
    ] = None,
    max_steps: Annotated[int, Parameter(help="Steps after which to stop anyway.")] = 100_000,
    seed: Seed = 0,
    device: Device = "cpu",
    force: Force = False,
    json: Json = False,
) -> int:
    """Fit a network to its examples until it interpolates them, and keep it.

    Writes network.safetensors into the folder (runs/train if --out is left out). Interrupted with
    Ctrl-C or killed, the same command goes on where it was.
    """
    import mnemoscope as mn

    check_device(device)
    fields = {
        "width": width, "depth": depth, "channels": channels, "kernel_size": kernel_size,
        "downsample": downsample, "levels": levels, "activation": activation,
        "output_activation": output_activation, "init": init, "bias": bias,
    }  # fmt: skip
    fields = {name: value for name, value in fields.items() if value is not None}
    source = {"source": data, "n": n, "offset": offset, "size": size, "gray": gray}
    X = mn.load_data(**source)
    chosen = _spec(spec, net, fields, tuple(X.shape[1:]))
    options = {
        "tol": tol, "optimizer": optimizer, "lr": lr, "schedule": schedule,
        "batch_size": batch_size, "max_steps": max_steps, "seed": seed,
    }  # fmt: skip
    folder = claim(
        out or "runs/train",
        {"data": source, "spec": chosen.model_dump(mode="json"), "training": options},
        force=force,
    )
    tell_duplicates(X, quiet=json)
    fit = fit_in(folder, chosen, X, options, device=device)
    if json:
        result = {"loss": fit.loss, "steps": fit.steps, "converged": fit.converged}
        print_json({**result, "seconds": fit.seconds, "network": str(folder.network)})
    else:
        told = "interpolates" if fit.converged else f"does not interpolate (tol {tol:g})"
        print_lines(
            f"The network {told}: loss {fit.loss:.2e} after {fit.steps:,} steps, "
            f"{fit.seconds:.1f} s.",
            f"{folder.network}",
            f"What has it memorized?  mnemoscope audit {shlex.quote(str(folder.path))}",
        )
    return 0


def fit_in(
    folder: RunFolder,
    spec: "Spec",
    X: "Tensor",
    options: dict[str, Any],
    *,
    device: str,
) -> "Fit":
    """Trains in a run's folder: goes on from its checkpoint, leaves the network there.

    Raises:
        MnemoscopeError: Ctrl-C; the checkpoint is kept, and the message says how to go on.
    """
    import mnemoscope as mn

    network = spec.build(seed=options["seed"], device=device)
    try:
        with training_progress(options["tol"]) as show:
            fit = mn.train(network, X, checkpoint=folder.checkpoint, on_progress=show, **options)
    except KeyboardInterrupt as error:
        raise MnemoscopeError(
            f"training interrupted; its state is kept in {folder.checkpoint}",
            expected="training to end",
            todo=f"to go on, run the same command again: {command()}",
        ) from error
    source = folder.settings["data"]
    network.training_record = fit.record.model_copy(update={"source": source})
    mn.nets.save(network, folder.network)
    folder.checkpoint.unlink(missing_ok=True)
    return fit


def tell_duplicates(X: "Tensor", *, quiet: bool) -> None:
    """Says which examples are the same, on standard error."""
    import mnemoscope as mn

    pairs = [] if quiet else mn.data.duplicates(X)
    if pairs:
        told = ", ".join(f"{later} = {first}" for first, later in pairs[:5])
        more = f" and {len(pairs) - 5} more" if len(pairs) > 5 else ""
        print(f"mnemoscope: {len(pairs)} duplicate examples: {told}{more}", file=sys.stderr)


def command() -> str:
    """The command line that is being run."""
    return shlex.join(["mnemoscope", *sys.argv[1:]])


def _spec(path: str | None, kind: str, fields: dict[str, Any], shape: tuple[int, ...]) -> "Spec":
    import mnemoscope as mn

    if path is None:
        return mn.nets.spec_from_json({"kind": kind, "shape": shape, **fields})
    if fields:
        raise MnemoscopeError(
            f"--spec {path} together with --{next(iter(fields)).replace('_', '-')}",
            expected="either a spec or its fields",
            todo="write the fields into the file",
        )
    try:
        spec = mn.nets.spec_from_json(Path(path).read_text())
    except (OSError, UnicodeDecodeError) as error:
        raise MnemoscopeError(
            f"--spec {path}, which cannot be read ({error})",
            expected="a JSON file",
            todo="check the path",
        ) from error
    if spec.shape != shape:
        raise MnemoscopeError(
            f"--spec {path} for states {spec.shape}, and examples of shape {shape}",
            expected="one shape",
            todo="change the spec's shape, or bring the pictures to its --size",
        )
    return spec
