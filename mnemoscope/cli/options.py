"""Options that several commands share, and what they mean."""

from typing import Annotated, Literal

from cyclopts import Parameter

Seed = Annotated[int, Parameter(help="Seed of everything that is drawn.")]
Device = Annotated[str, Parameter(help="Where to compute: cpu, cuda, cuda:1, mps.")]
Out = Annotated[str | None, Parameter(help="Folder to write to.")]
Force = Annotated[
    bool, Parameter(negative=(), help="Write even if the folder already holds another run.")
]
Json = Annotated[
    bool, Parameter(name="--json", negative=(), help="Print the summary as JSON, for programs.")
]
Count = Annotated[int | None, Parameter(name=["--n", "-n"], help="How many examples.")]
Offset = Annotated[int, Parameter(help="Examples to leave out before them.")]
Size = Annotated[int | None, Parameter(help="Height and width to bring pictures to.")]
Gray = Annotated[bool, Parameter(negative=(), help="Turn colours into grey.")]
Starts = Annotated[int, Parameter(help="Starts of each distribution.")]
Trials = Annotated[
    int, Parameter(help="Corrupted copies of each example, for each corruption and strength.")
]
FailOn = Annotated[
    Literal["stored", "spurious", "cycles", "unsettled"] | None,
    Parameter(help="Exit with 1 if the audit finds any such."),
]


def check_device(device: str) -> str:
    """The device, once it is there.

    Raises:
        MnemoscopeError: there is no such device here.
    """
    import torch

    from mnemoscope.errors import MnemoscopeError

    try:
        torch.empty(0, device=device)
    except (RuntimeError, AssertionError) as error:
        raise MnemoscopeError(
            f"--device {device} ({str(error).splitlines()[0]})",
            expected="a device of this machine",
            todo="use --device cpu",
        ) from error
    return device
