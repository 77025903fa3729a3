"""Options that several commands share, and what they mean."""

from collections.abc import Iterable
from typing import Annotated, Any, Literal

from cyclopts import Parameter

from mnemoscope.base.check import LARGEST, LARGEST_SEED
from mnemoscope.base.errors import MnemoscopeError
from mnemoscope.cli.importing import import_libraries


def refuse_fractions(app: Any, commands: Any, arguments: Iterable[Any]) -> None:
    """Refuses fractions, and numbers that are too large, where an option takes a whole number.

    Cyclopts would round a fraction.

    Raises:
        MnemoscopeError: a value is no whole number, or too large.
    """
    for argument in arguments:
        if argument.hint in (int, int | None) and argument.tokens:
            token = argument.tokens[0]
            _check_whole(token, LARGEST_SEED if token.keyword == "--seed" else LARGEST)


def _check_whole(token: Any, most: int) -> None:
    given = f'{token.keyword or "a value"} "{token.value}"'
    try:
        number = int(token.value)
    except ValueError:
        # More digits than Python reads are a number that is too large.
        if not token.value.strip().lstrip("+-").isdecimal():
            raise MnemoscopeError(
                given,
                expected="a whole number",
                todo="leave out the fraction or the letters",
                field=token.keyword,
            ) from None
        number = most + 1
    if abs(number) > most:
        raise MnemoscopeError(
            given,
            expected=f"a whole number of at most {most:,}",
            todo="choose a smaller one",
            field=token.keyword,
        )


def named(type_: Any, value: Any) -> None:
    """Refuses an empty path, which would silently mean the current folder.

    Raises:
        MnemoscopeError: it is empty.
    """
    if value is not None and not value.strip():
        raise MnemoscopeError(
            "an empty path", expected="the path of a file or a folder", todo="name one"
        )


Place = Annotated[str | None, Parameter(validator=named)]

Seed = Annotated[int, Parameter(help="Seed of everything that is drawn.")]
Device = Annotated[str, Parameter(help="Where to compute: cpu, cuda, cuda:1, mps.")]
Out = Place
Force = Annotated[
    bool, Parameter(negative=(), help="Write even if the folder already holds another run.")
]
Json = Annotated[
    bool, Parameter(name="--json", negative=(), help="Print the summary as JSON, for programs.")
]
Count = Annotated[
    int | None,
    Parameter(name=["--n", "-n"], help="How many examples; all if left out (of photos: 20)."),
]
Offset = Annotated[int, Parameter(help="Examples to leave out before them.")]
Size = Annotated[
    int | None,
    Parameter(help="Height and width to bring pictures to; as they are if left out (photos: 32)."),
]
Gray = Annotated[bool, Parameter(negative=(), help="Turn colours into grey.")]
Starts = Annotated[int, Parameter(help="Starts of each distribution.")]
Trials = Annotated[
    int, Parameter(help="Corrupted copies of each example, for each corruption and strength.")
]
MatchTol = Annotated[
    float | None,
    Parameter(
        help="Largest distance (RMS, as a share of the data's range) at which an attractor is a "
        "training example; default: 0.01."
    ),
]
FailOn = Annotated[
    list[str] | None,
    Parameter(
        negative=(),
        help='Exit with 1 if one of these holds: "stored>0", "certified>0", "auc>0.6" and others; '
        "a name alone means above 0. With 0 always if left out.",
    ),
]
Charts = Annotated[Place, Parameter(help="A folder to write each chart to; no charts if left out.")]
Format = Annotated[
    Literal["svg", "pdf", "png", "html"] | None,
    Parameter(help="Of the charts; svg if left out."),
]

DEVICES = ("cpu", "cuda", "mps", "xpu")


def check_format(format: str | None, charts: str | None) -> str:
    """The format that charts are written in.

    Args:
        format: What was asked for.
        charts: The folder of the charts.

    Raises:
        MnemoscopeError: a format without charts.
    """
    if format is not None and charts is None:
        raise MnemoscopeError(
            f"--format {format} without --charts",
            expected="a folder to write the charts to",
            todo="pass --charts FOLDER",
        )
    return format or "svg"


def match_tol_of(given: float | None) -> float:
    """The tolerance that --match-tol says, or the default.

    Raises:
        MnemoscopeError: it is no finite number above 0.
    """
    import_libraries()
    from mnemoscope.dynamics.stored import MATCH_TOL, checked_match_tol

    if given is None:
        return MATCH_TOL
    try:
        return checked_match_tol(given)
    except MnemoscopeError as error:
        raise MnemoscopeError(
            f"--match-tol {given:g}", expected=error.expected, todo=error.todo
        ) from error


def check_device(device: str) -> str:
    """The device, once it is there.

    Raises:
        MnemoscopeError: there is no such device here.
    """
    import_libraries()
    import torch

    try:
        chosen = torch.device(device)
        if chosen.type not in DEVICES or (chosen.type == "cpu" and chosen.index):
            raise ValueError("it computes nothing")
        torch.empty(0, device=chosen)
    # PyTorch raises errors of many kinds for a device that it was not built with.
    except Exception as error:
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise MnemoscopeError(
            f"--device {device} ({reason})",
            expected="a device of this machine",
            todo="use --device cpu",
        ) from error
    return device
