"""What a command looks into: a run's folder, a network of Mnemoscope's, or any model."""

import math
import os
import re
import sys
from collections.abc import Callable
from contextlib import redirect_stdout, suppress
from dataclasses import KW_ONLY, asdict, dataclass, fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from cyclopts import Group, Parameter

from mnemoscope.base.errors import MnemoscopeError
from mnemoscope.base.small_files import parse_json
from mnemoscope.cli.options import Place, flag, misfits, parsed
from mnemoscope.cli.run_folder import INDEX, RunFolder, open_run, refuse_unfinished

if TYPE_CHECKING:
    from torch import Tensor

    from mnemoscope.maps import SelfMap
    from mnemoscope.maps.adapters import Opened
    from mnemoscope.nets import Network

UNITS = {"": 1, "K": 1000, "M": 1000**2, "G": 1000**3, "KI": 2**10, "MI": 2**20, "GI": 2**30}


@Parameter(name="*", group=Group("Models that mnemoscope did not train", sort_key=1))
@dataclass(frozen=True)
class TargetOptions:
    """A target, and how it is used if Mnemoscope did not train it; see `mn.maps.load_map`.

    Attributes:
        target: A run's folder, a network.safetensors, package.module:factory, a .pt2 or .onnx file,
            or a folder of diffusers or transformers.
        adapter: Adapter by name; default: the one that recognizes TARGET.
        weights: A factory's weights: a .safetensors, a .pt of tensors, an index of several files or
            a folder; default: the weights that it builds.
        weights_key: Which part of the weights' file, the path of a dictionary or a prefix of names;
            default: the only one that fits.
        factory_args: Keyword arguments of the factory, a JSON object; default: none.
        shape: Shape of a state, as in 3,32,32; default: that of TARGET, or of the data.
        output: Which part of the model's output is the reconstruction, a name or a place; default:
            all of it.
        scale: LOW,HIGH: the model's values where the data's are 0 and 1; default: 0,1.
        channels_last: The model wants its channels last.
        flatten: The model takes or returns flat states.
        fixed_batch: States that the model takes at once, as in 1; default: that of TARGET, or any.
        black_box: Only evaluate the model, take no derivatives.
        domain: LOW,HIGH: least and largest entry of the states that the model takes, either may be
            missing, as in 0,; default: any, except states for which it raises an error.
        noise_level: A denoiser's second argument, a diffusion model's timestep; default: none.
        predicts: What a denoiser predicts; default: the state, after a test that it does.
        alpha_bar: With --predicts: the share of the state's variance in a denoiser's input, a
            number or a file with one for each noise level; default: that of its scheduler, if any.
        sigma: Instead of --alpha-bar: standard deviation of noise that is only added; default:
            none.
        budget: Memory for evaluating and linearizing, as in 4GiB; default: a quarter of what is
            free.
    """

    target: Annotated[str, Parameter(group="Parameters")]
    _: KW_ONLY
    adapter: str | None = None
    weights: Place = None
    weights_key: str | None = None
    factory_args: str | None = None
    shape: str | None = None
    output: str | None = None
    scale: str | None = None
    channels_last: bool = False
    flatten: bool = False
    fixed_batch: int | None = None
    black_box: bool = False
    domain: str | None = None
    noise_level: float | None = None
    predicts: Literal["state", "noise", "v"] | None = None
    alpha_bar: str | None = None
    sigma: float | None = None
    budget: str | None = None

    def given(self) -> dict[str, Any]:
        """Returns what differs from the defaults, as it was typed, for a run's settings."""
        chosen = asdict(self)
        del chosen["target"]
        return {
            name: value
            for name, value in chosen.items()
            if value is not None and value is not False
        }


@dataclass(frozen=True)
class Target:
    """A target that was opened.

    Attributes:
        name: Its name.
        run: The run's folder, if it is one.
        model: The model.
        network: The same if Mnemoscope made it.
        settings: What a run's settings record of it.
    """

    name: str
    run: RunFolder | None
    model: "Opened"
    network: "Network | None"
    settings: dict[str, Any]

    def laid_out(self, X: "Tensor") -> "tuple[Tensor, str]":
        """Returns the data in the layout of the model's states, and in words how they got there."""
        from mnemoscope.maps.layout import AS_IT_IS

        with redirect_stdout(sys.stderr):
            states, how = self.model.laid_out(X)
        if self.model.shape is None and states is not None and states.ndim < X.ndim == 4:
            # Pictures stay pictures: --flatten is for models of flat states.
            return X, ""
        if states is None:
            raise MnemoscopeError(
                f"{self.name}, and examples of shape {tuple(X.shape[1:])}: {how}",
                expected="examples of the model's shape",
                todo="choose other data, --size and --gray to fit, or pass --shape or "
                "--data-channels-last",
            )
        self.model.refuse_range(states)
        return states, "" if how == AS_IT_IS else f"; {how}"

    def self_map(self, shape: tuple[int, ...] | None = None) -> "SelfMap":
        """Returns the model as a map of states of this shape (default: that of its file)."""
        with redirect_stdout(sys.stderr):
            return self.model.self_map(shape)


def open_target(options: TargetOptions, *, device: str) -> Target:
    """Opens a target."""
    from mnemoscope.maps.adapters import LoadOptions, open_model
    from mnemoscope.nets import Network

    path = Path(options.target)
    run = open_run(path) if _is_run(path) else None
    if run is not None:
        options = _of_run(run, options)
    place = options.target
    given = options.given()
    arguments = {name: _parsed(name, value) for name, value in given.items()}
    sides = arguments.pop("shape", None)
    # A model that prints must not print into a command's output.
    with redirect_stdout(sys.stderr):
        model = open_model(place, LoadOptions(**arguments, device=device))
    model = model if sides is None else model.of_shape(sides)
    network = model.model if isinstance(model.model, Network) else None
    settings = {"audited": os.path.abspath(place) if os.path.exists(place) else place}
    return Target(
        name=_name(place) if run is None else run.name,
        run=run,
        model=model,
        network=network,
        settings={**settings, **({"map": given} if given else {})},
    )


def _is_run(path: Path) -> bool:
    """Decides whether a path is a run's folder; one of no kind is, so that the error names runs."""
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


def _of_run(run: RunFolder, options: TargetOptions) -> TargetOptions:
    """Returns the network that a run trained or audited, with the run's options and those given."""
    refuse_unfinished(run.path)
    target = run.settings.get("audited")
    if not isinstance(target, str):
        target = str(run.network)
        if not run.network.exists():
            raise MnemoscopeError(
                f"{run.path}, which holds no network.safetensors",
                expected="a run with a trained network",
                todo="run its mnemoscope train command again",
            )
    known = run.settings.get("map")
    known = known if isinstance(known, dict) else {}
    wrong = misfits({field.name: field.type for field in fields(options)}, known)
    # Settings hold what was given, so none of them is null.
    wrong += [f"{name}=None" for name, value in known.items() if value is None]
    if wrong:
        raise MnemoscopeError(
            f"{run.path / INDEX}, which says of its model {wrong[0]}",
            expected="options that mnemoscope audit takes",
            todo="audit the model itself again",
        )
    return replace(options, **{**known, **options.given(), "target": target})


def _name(place: str) -> str:
    if os.path.exists(place):
        path = Path(os.path.abspath(place))
        return path.stem if path.is_file() else path.name
    return place.rpartition(":")[2] or place


def byte_count(text: str) -> int:
    """Returns the number of bytes that a text such as `4GiB` or `500MB` says."""
    return _parsed("budget", text)


def _bytes(text: str) -> int:
    found = re.fullmatch(r"([0-9.]+)\s*([kmg]?i?)b?", text.strip(), re.IGNORECASE)
    if found is None or (number := int(float(found[1]) * UNITS[found[2].upper()])) < 1:
        raise ValueError
    return number


def _arguments(text: str) -> dict[str, Any]:
    arguments = parse_json(text)
    if not isinstance(arguments, dict):
        raise ValueError
    return arguments


def _sides(text: str) -> tuple[int, ...]:
    sides = tuple(int(side) for side in text.split(","))
    if min(sides) < 1:
        raise ValueError
    return sides


def _pair(text: str) -> tuple[float, float]:
    low, high = map(float, text.split(","))
    return low, high


def _bounds(text: str) -> tuple[float, float]:
    low, high = (
        float(end) if end.strip() else missing
        for end, missing in zip(text.split(","), (-math.inf, math.inf), strict=True)
    )
    if not low < high:
        raise ValueError
    return low, high


def _finite(level: float) -> float:
    if not math.isfinite(level):
        raise ValueError
    return level


def _schedule(text: str) -> "float | Tensor":
    """Returns the number that a text says, or the schedule in a file."""
    with suppress(ValueError):
        return float(text)

    from mnemoscope.data.arrays import as_tensor
    from mnemoscope.data.readers import find_reader, read_file

    path = Path(text)
    if not path.is_file() or find_reader(path) is None:
        raise ValueError
    return as_tensor(read_file(path).array)


FORMATS: dict[str, tuple[Callable[[Any], Any], str, str]] = {
    "factory_args": (_arguments, "a JSON object of keyword arguments", """'{"width": 64}'"""),
    "shape": (_sides, "whole numbers of at least 1 with commas between them", "--shape 3,32,32"),
    "scale": (
        _pair,
        "two numbers, the model's values where the data's are 0 and 1",
        "--scale=-1,1",
    ),
    "domain": (
        _bounds,
        "two numbers, the least and the largest entry of the states that the model takes, the "
        "lower one first; either may be missing",
        "--domain=0,1 or --domain 0,",
    ),
    "noise_level": (_finite, "a number", "--noise-level 0.1"),
    "alpha_bar": (
        _schedule,
        "a number, or a file with a schedule, such as a .npy",
        "--alpha-bar 0.9",
    ),
    "budget": (_bytes, "an amount of memory", "4GiB, 500MB"),
}
"""How the text of an option is read, what is expected, and an example."""


def _parsed(name: str, value: Any) -> Any:
    return parsed(flag(name), value, *FORMATS[name]) if name in FORMATS else value
