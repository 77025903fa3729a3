"""The entry point: which commands there are, and how their errors reach the user."""

import sys
from collections.abc import Sequence

from cyclopts import App, CycloptsError

from mnemoscope.cli.audit import audit
from mnemoscope.cli.demo import demo
from mnemoscope.cli.report import report
from mnemoscope.cli.train import train
from mnemoscope.errors import MnemoscopeError

WRONG_INPUT = 2
"""Exit status where the input was wrong: one line on standard error tells what and what to do."""

app = App(
    name="mnemoscope",
    help="Find out what an autoencoder has memorized.",
    version_flags=["--version"],
    help_flags=["--help", "-h"],
)
app.command(demo)
app.command(train)
app.command(audit)
app.command(report)


def main(arguments: Sequence[str] | None = None) -> None:
    """Runs a command and exits: 0 done, 1 a finding the caller asked to fail on, 2 wrong input."""
    try:
        status = app(
            sys.argv[1:] if arguments is None else arguments,
            exit_on_error=False,
            print_error=False,
            result_action="return_value",
        )
    except MnemoscopeError as error:
        _refuse(str(error))
    except CycloptsError as error:
        _refuse(f"{error}; see mnemoscope --help")
    except KeyboardInterrupt:
        _refuse("interrupted; nothing that was there before has changed; run the command again")
    except BrokenPipeError:
        # Whoever read the output has enough of it.
        sys.stderr.close()
        sys.exit(0)
    sys.exit(status if isinstance(status, int) else 0)


def _refuse(message: str) -> None:
    print(f"mnemoscope: {' '.join(message.split())}", file=sys.stderr)
    sys.exit(WRONG_INPUT)
