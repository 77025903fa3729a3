"""The commands, and the error of a command line that fits none of them."""

import re
from collections.abc import Iterable
from typing import Any

from cyclopts import App, CycloptsError, Parameter
from rich.console import Console

from mnemoscope.base.check import LARGEST, LARGEST_SEED
from mnemoscope.base.errors import MnemoscopeError
from mnemoscope.cli.audit import audit
from mnemoscope.cli.claims import claims
from mnemoscope.cli.compare import compare
from mnemoscope.cli.demo import demo
from mnemoscope.cli.extract import extract
from mnemoscope.cli.help_text import Paragraphs
from mnemoscope.cli.printing import printing
from mnemoscope.cli.report import report
from mnemoscope.cli.store import store
from mnemoscope.cli.sweep import sweep
from mnemoscope.cli.train import train

COMMANDS = (demo, train, store, audit, extract, compare, report, claims)

EXPECTED = {
    "MissingArgumentError": "a value for it",
    "RepeatArgumentError": "it once",
    "UnknownOptionError": "an option of that command",
    "UnusedCliTokensError": "nothing more",
}
"""The expected input, by the name of cyclopts' error."""

TYPES = {"int": "a whole number", "float": "a number", "bool": "yes or no"}


class PipeConsole(Console):
    """A console that leaves a closed pipe to `printing`; rich would exit with 1."""

    def on_broken_pipe(self) -> None:
        """Raises the error that rich is handling."""
        raise BrokenPipeError


def refuse_fractions(app: Any, commands: Any, arguments: Iterable[Any]) -> None:
    """Refuses fractions, and numbers that are too large, for options that take a whole number.

    Cyclopts would round a fraction.
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


app = App(
    name="mnemoscope",
    help="Find out what an autoencoder has memorized.",
    version_flags=["--version"],
    help_flags=["--help", "-h"],
    help_format="plaintext",
    help_formatter=Paragraphs(),
    console=PipeConsole(),
    suppress_keyboard_interrupt=False,
    config=refuse_fractions,
    default_parameter=Parameter(negative=()),
)
for command in COMMANDS:
    app.command(command)
app.command(sweep)


def run(arguments: list[str]) -> int:
    """Runs a command and returns its exit status."""
    status = None
    try:
        with printing():
            status = app(
                arguments,
                exit_on_error=False,
                print_error=False,
                result_action="return_value",
            )
    except CycloptsError as error:
        raise _refusal(error, arguments) from error
    return status if isinstance(status, int) else 0


def _refusal(error: CycloptsError, arguments: list[str]) -> MnemoscopeError:
    for cause in (error.__cause__, error.__context__):
        # Of a converter or validator of ours.
        if isinstance(cause, MnemoscopeError):
            return cause
    message = " ".join(str(error).split())
    given = re.split(r"\.? (?:Did you mean|Available commands:|Choose from:)", message)[0]
    choices = re.search(r"(?:Available commands|Choose from): (.*?)\.?$", message)
    meant = re.search(r"Did you mean ([^?]+)\?", message)
    wanted = re.search(r"into (\w+)\.?$", given)
    if choices:
        expected = "one of " + choices[1].replace('"', "")
    elif wanted:
        expected = TYPES.get(wanted[1], f"a value of type {wanted[1]}")
    else:
        expected = EXPECTED.get(type(error).__name__, "a command line that fits")
    name = [arguments[0]] if arguments[:1] and arguments[0] in app else []
    if name == ["sweep"] and arguments[1:2] and arguments[1] in sweep:
        name.append(arguments[1])
    return MnemoscopeError(
        given.rstrip("."),
        expected=expected,
        todo=f"did you mean {meant[1]}?"
        if meant
        else f"see {' '.join(['mnemoscope', *name, '--help'])}",
    )
