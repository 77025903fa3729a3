"""What a command is to look into: a run's folder, a network of Mnemoscope's, or any model."""

import math
import os
import re
import sys
from contextlib import redirect_stdout, suppress
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from cyclopts import Group, Parameter

from mnemoscope.base.errors import MnemoscopeError
from mnemoscope.base.small_files import parse_json
from mnemoscope.cli.options import Place
from mnemoscope.cli.run_folder import INDEX, RunFolder, open_run, refuse_unfinished

if TYPE_CHECKING:
    from torch import Tensor

    from mnemoscope.maps import SelfMap
    from mnemoscope.maps.adapters import LoadOptions, Opened
    from mnemoscope.nets import Network

MODEL = Group("Models that mnemoscope did not train", sort_key=1)

UNITS = {"": 1, "K": 1000, "M": 1000**2, "G": 1000**3, "KI": 2**10, "MI": 2**20, "GI": 2**30}

TARGET = (
    "A run's folder, a network.safetensors, package.module:factory, a .pt2 or .onnx file, or a "
    "folder of diffusers or transformers."
)


def _option(text: str) -> Parameter:
    return Parameter(help=text, group=MODEL)


@Parameter(name="*")
@dataclass(frozen=True)
class ModelOptions:
    """How a model that Mnemoscope did not train is to be used; see `mn.maps.adapters.load_map`."""

    adapter: Annotated[
        str | None, _option("Adapter by name; the one that recognizes TARGET if left out.")
    ] = None
    weights: Annotated[
        Place,
        _option(
            "A factory's weights: a .safetensors, a .pt of tensors, an index of several files or a "
            "folder; default: the weights that it builds."
        ),
    ] = None
    weights_key: Annotated[
        str | None,
        _option(
            "Which part of the weights' file, the path of a dictionary or a prefix of names; "
            "default: the only one that fits."
        ),
    ] = None
    factory_args: Annotated[
        str | None, _option("Keyword arguments of the factory, a JSON object; none if left out.")
    ] = None
    shape: Annotated[
        str | None,
        _option("Shape of a state, as in 3,32,32; default: what TARGET says, or the data's."),
    ] = None
    output: Annotated[
        str | None,
        _option(
            "Which part of what the model gives is the reconstruction, a name or a place; all of "
            "it if left out."
        ),
    ] = None
    scale: Annotated[
        str | None,
        _option("LOW,HIGH: the model's values where the data's are 0 and 1; the same if left out."),
    ] = None
    channels_last: Annotated[
        bool, Parameter(help="The model wants its channels last.", group=MODEL, negative=())
    ] = False
    flatten: Annotated[
        bool,
        Parameter(help="The model takes or gives flat states.", group=MODEL, negative=()),
    ] = False
    fixed_batch: Annotated[
        int | None,
        _option("States that the model takes at once, as in 1; default: what TARGET says, or any."),
    ] = None
    black_box: Annotated[
        bool,
        Parameter(help="Only evaluate the model, take no derivatives.", group=MODEL, negative=()),
    ] = False
    domain: Annotated[
        str | None,
        _option(
            "LOW,HIGH: least and largest entry of the states that the model takes, either may be "
            "missing, as in 0,; default: any, but for states that it raises for."
        ),
    ] = None
    noise_level: Annotated[
        float | None,
        _option("A denoiser's second argument, a diffusion model's timestep; none if left out."),
    ] = None
    predicts: Annotated[
        Literal["state", "noise", "v"] | None,
        _option("What a denoiser predicts; tried whether it is the state if left out."),
    ] = None
    alpha_bar: Annotated[
        str | None,
        _option(
            "With --predicts: the share of the state's variance in what a denoiser takes, a number "
            "or a file with one for each noise level; that of its scheduler, if any, if left out."
        ),
    ] = None
    sigma: Annotated[
        float | None,
        _option("Instead of it: the deviation of noise that is only added; none if left out."),
    ] = None
    budget: Annotated[
        str | None,
        _option("Memory for evaluating and linearizing, as in 4GiB; a quarter of it if left out."),
    ] = None

    def given(self) -> dict[str, Any]:
        """What differs from the defaults: as it was typed, for a run's settings."""
        chosen = asdict(self).items()
        return {name: value for name, value in chosen if value is not None and value is not False}


NO_OPTIONS = ModelOptions()


@dataclass(frozen=True)
class Target:
    """What was named.

    Attributes:
        name: What to call it.
        run: The run's folder, if it is one.
        model: The model.
        network: The same where Mnemoscope made it.
        settings: What a run says of it.
    """

    name: str
    run: RunFolder | None
    model: "Opened"
    network: "Network | None"
    settings: dict[str, Any]

    def laid_out(self, X: "Tensor") -> "tuple[Tensor, str]":
        """The data in the layout of the model's states, and in words what was done for it.

        Raises:
            MnemoscopeError: they cannot be brought to it without a guess, or lie outside of the
                range for which the model's scale is known.
        """
        from mnemoscope.maps.layout import AS_IT_IS

        with redirect_stdout(sys.stderr):
            states, how = self.model.laid_out(X)
        if self.model.shape is None and states is not None and states.ndim < X.ndim == 4:
            # Pictures stay pictures: the way to a model of flat states is --flatten.
            return X, ""
        if states is None:
            raise MnemoscopeError(
                f"{self.name}, and examples of shape {tuple(X.shape[1:])}: {how}",
                expected="examples of the model's shape",
                todo="choose other data, --size and --gray to fit, or say --shape or "
                "--data-channels-last",
            )
        self.model.refuse_range(states)
        return states, "" if how == AS_IT_IS else f"; {how}"

    def self_map(self, shape: tuple[int, ...] | None = None) -> "SelfMap":
        """As a map of states of this shape (default: what its file says)."""
        with redirect_stdout(sys.stderr):
            return self.model.self_map(shape)


def open_target(target: str, options: ModelOptions, *, device: str) -> Target:
    """What was named, loaded.

    Raises:
        MnemoscopeError: it is nothing that can be looked into, or an option cannot be used.
    """
    from mnemoscope.maps.adapters import open_model
    from mnemoscope.nets import Network

    path = Path(target)
    run = open_run(path) if _is_run(path) else None
    place = target if run is None else _of_run(run)
    chosen = options if run is None else _known_options(run, options)
    # A model that prints must not print into a command's output.
    with redirect_stdout(sys.stderr):
        model = open_model(place, _load_options(chosen, device=device))
    sides = _sides(chosen.shape)
    model = model if sides is None else model.of_shape(sides)
    network = model.model if isinstance(model.model, Network) else None
    exists = os.path.exists(place)
    given = chosen.given()
    return Target(
        name=_name(place) if run is None else run.name,
        run=run,
        model=model,
        network=network,
        settings={
            "audited": os.path.abspath(place) if exists else place,
            **({"map": given} if given else {}),
        },
    )


def byte_count(text: str) -> int:
    """The number of bytes that a text such as `4GiB` or `500MB` says.

    Raises:
        MnemoscopeError: it says none.
    """
    found = re.fullmatch(r"([0-9.]+)\s*([kmg]?i?)b?", text.strip(), re.IGNORECASE)
    try:
        if found is None:
            raise ValueError
        number = int(float(found[1]) * UNITS[found[2].upper()])
        if number < 1:
            raise ValueError
    except (ValueError, KeyError, OverflowError):
        raise MnemoscopeError(
            f'--budget "{text}"', expected="an amount of memory", todo="write it as in 4GiB, 500MB"
        ) from None
    return number


def _is_run(path: Path) -> bool:
    """Whether a folder is a run's; one of no kind is, so that the error says what it lacks."""
    from mnemoscope.maps.adapters import find_adapter

    if not path.is_dir():
        return False
    if (path / INDEX).exists() or any(path.glob("unfinished-*")):
        return True
    try:
        find_adapter(str(path))
    except MnemoscopeError:
        return True
    return False


def _of_run(run: RunFolder) -> str:
    """The network that a run trained, or what it audited."""
    refuse_unfinished(run.path)
    audited = run.settings.get("audited")
    if isinstance(audited, str):
        return audited
    if run.network.exists():
        return str(run.network)
    raise MnemoscopeError(
        f"{run.path}, which holds no network.safetensors",
        expected="a run with a trained network",
        todo="run its mnemoscope train command again",
    )


def _known_options(run: RunFolder, options: ModelOptions) -> ModelOptions:
    """What the run was asked for, but for what is asked for now."""
    known = run.settings.get("map")
    known = known if isinstance(known, dict) else {}
    wrong = [f"{name}={value!r}" for name, value in known.items() if not _fits(name, value)]
    if wrong:
        raise MnemoscopeError(
            f"{run.path / INDEX}, which says of its model {wrong[0]}",
            expected="options that mnemoscope audit takes",
            todo="audit the model itself again",
        )
    return ModelOptions(**{**known, **options.given()})


def _fits(name: str, value: object) -> bool:
    """Whether an option has this name and may have this value."""
    defaults = {option.name: option.default for option in fields(ModelOptions)}
    if name not in defaults:
        return False
    if isinstance(defaults[name], bool):
        return isinstance(value, bool)
    if name == "fixed_batch":
        return isinstance(value, int) and not isinstance(value, bool)
    if name in ("noise_level", "sigma"):
        return isinstance(value, int | float) and not isinstance(value, bool)
    return isinstance(value, str)


def _load_options(options: ModelOptions, *, device: str) -> "LoadOptions":
    from mnemoscope.maps.adapters import LoadOptions

    return LoadOptions(
        adapter=options.adapter,
        weights=options.weights,
        weights_key=options.weights_key,
        factory_args=_arguments(options.factory_args),
        output=options.output,
        scale=_pair(options.scale),
        channels_last=options.channels_last,
        flatten=options.flatten,
        fixed_batch=options.fixed_batch,
        black_box=options.black_box,
        domain=_bounds(options.domain),
        noise_level=_finite(options.noise_level),
        predicts=options.predicts,
        alpha_bar=_schedule(options.alpha_bar),
        sigma=options.sigma,
        budget=None if options.budget is None else byte_count(options.budget),
        device=device,
    )


def _finite(level: float | None) -> float | None:
    if level is not None and not math.isfinite(level):
        raise MnemoscopeError(
            f"--noise-level {level}", expected="a number", todo="write it as in --noise-level 0.1"
        )
    return level


def _schedule(text: str | None) -> "float | Tensor | None":
    """The number that a text says, or the schedule in a file."""
    if text is None:
        return None
    with suppress(ValueError):
        return float(text)

    from mnemoscope.data.readers import find_reader, read_file
    from mnemoscope.data.values import as_tensor

    path = Path(text)
    if not path.is_file() or find_reader(path) is None:
        raise MnemoscopeError(
            f'--alpha-bar "{text}"',
            expected="a number, or a file with a schedule, such as a .npy",
            todo="write it as in --alpha-bar 0.9",
        )
    return as_tensor(read_file(path).array)


def _arguments(text: str | None) -> dict[str, Any]:
    try:
        arguments = {} if text is None else parse_json(text)
        if not isinstance(arguments, dict):
            raise ValueError(f"it is a {type(arguments).__name__}")
    except ValueError as error:
        raise MnemoscopeError(
            f"--factory-args {text} ({error})",
            expected="a JSON object of keyword arguments",
            todo="""write it as in '{"width": 64}'""",
        ) from None
    return arguments


def _pair(text: str | None) -> tuple[float, float] | None:
    if text is None:
        return None
    try:
        low, high = map(float, text.split(","))
    except ValueError:
        raise MnemoscopeError(
            f'--scale "{text}"',
            expected="two numbers, the model's values where the data's are 0 and 1",
            todo="write it as in --scale=-1,1",
        ) from None
    return low, high


def _sides(text: str | None) -> tuple[int, ...] | None:
    """The shape that a text such as `3,32,32` says."""
    if text is None:
        return None
    try:
        sides = tuple(int(side) for side in text.split(","))
        if min(sides) < 1:
            raise ValueError
    except ValueError:
        raise MnemoscopeError(
            f'--shape "{text}"',
            expected="whole numbers of at least 1 with commas between them",
            todo="write it as in --shape 3,32,32",
        ) from None
    return sides


def _bounds(text: str | None) -> tuple[float, float] | None:
    """The bounds that a text such as `0,1`, `0,` or `-inf,1` says."""
    if text is None:
        return None
    try:
        low, high = (
            float(end) if end.strip() else missing
            for end, missing in zip(text.split(","), (-math.inf, math.inf), strict=True)
        )
        if not low < high:
            raise ValueError
    except ValueError:
        raise MnemoscopeError(
            f'--domain "{text}"',
            expected="two numbers, the least and the largest entry of the states that the model "
            "takes, the lower one first; either may be missing",
            todo="write it as in --domain=0,1 or --domain 0,",
        ) from None
    return low, high


def _name(place: str) -> str:
    if os.path.exists(place):
        path = Path(os.path.abspath(place))
        return path.stem if path.is_file() else path.name
    return place.rpartition(":")[2] or place
