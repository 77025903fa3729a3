"""Options that several commands share, and errors that name them.

The docstrings are the help: `Attributes` of a group of options, `Args` of a command.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Annotated, Any, Literal, TypeVar

from cyclopts import Parameter

from mnemoscope.base.errors import MnemoscopeError

T = TypeVar("T")


def refuse_empty(type_: Any, value: Any) -> None:
    """Refuses an empty path, which would silently mean the current folder."""
    if value is not None and not value.strip():
        raise MnemoscopeError(
            "an empty path", expected="the path of a file or a folder", todo="name one"
        )


NamedPlace = Annotated[str, Parameter(validator=refuse_empty)]
Place = Annotated[str | None, Parameter(validator=refuse_empty)]


@Parameter(name="*")
@dataclass(frozen=True)
class OutputOptions:
    """What may be overwritten, and how the result is printed.

    Attributes:
        force: Write even if the folder already holds another run.
        json: Print the summary as JSON, for programs.
    """

    force: bool = False
    json: bool = False


@Parameter(name="*")
@dataclass(frozen=True)
class RunOptions(OutputOptions):
    """How a command computes, what it may overwrite, and how the result is printed.

    Attributes:
        seed: Random seed.
        device: Where to compute: cpu, cuda, cuda:1, mps.
    """

    seed: int = 0
    device: str = "cpu"


@Parameter(name="*")
@dataclass(frozen=True)
class ChartOptions:
    """Charts as files.

    Attributes:
        charts: Folder to write each chart to; default: no charts.
        format: Format of the charts; default: svg.
    """

    charts: Place = None
    format: Literal["svg", "pdf", "png", "html"] | None = None

    def __post_init__(self) -> None:
        if self.format is not None and self.charts is None:
            raise MnemoscopeError(
                f"--format {self.format} without --charts",
                expected="a folder to write the charts to",
                todo="pass --charts FOLDER",
            )

    @property
    def file_format(self) -> str:
        """The format, or the default."""
        return self.format or "svg"


OUTPUT_OPTIONS = OutputOptions()
RUN_OPTIONS = RunOptions()
CHART_OPTIONS = ChartOptions()


def flag(name: str) -> str:
    """Returns the option that sets a parameter: `--match-tol` for `match_tol`."""
    return f"--{name.replace('_', '-')}"


@contextmanager
def naming_options(names: Iterable[str]) -> Iterator[None]:
    """Names options instead of the parameters that they set."""
    try:
        yield
    except MnemoscopeError as error:
        field = (error.field or "").partition(".")[0]
        if field not in names:
            raise
        value = error.given.partition("=")[2]
        raise error.replaced(
            given=f"{flag(field)}={value}",
            todo=error.todo.replace(f"`{field}`", flag(field)),
            field=field,
        ) from error


def misfits(types: Mapping[str, Any], values: Mapping[str, object]) -> list[str]:
    """Returns the values from a file that no option has, or of another type, as `name=value`."""
    from pydantic import TypeAdapter, ValidationError

    wrong: list[str] = []
    for name, value in values.items():
        try:
            TypeAdapter(types[name]).validate_python(value, strict=True)
        except (KeyError, ValidationError):
            wrong.append(f"{name}={value!r}")
    return wrong


def parsed(option: str, text: object, parse: Callable[[Any], T], expected: str, example: str) -> T:
    """Returns the value that a text says."""
    try:
        return parse(text)
    except MnemoscopeError:
        raise
    except (ValueError, KeyError, OverflowError):
        raise MnemoscopeError(
            f'{option} "{text}"', expected=expected, todo=f"write it as in {example}"
        ) from None
