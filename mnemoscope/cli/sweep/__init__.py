"""`mnemoscope sweep`: many runs are designed, planned, done, watched and shown."""

from cyclopts import App

from mnemoscope.cli.sweep.plan import designs, plan
from mnemoscope.cli.sweep.report import report
from mnemoscope.cli.sweep.run import run
from mnemoscope.cli.sweep.show import show
from mnemoscope.cli.sweep.status import status

__all__ = ["SWEEP_COMMANDS", "sweep"]

SWEEP_COMMANDS = (designs, plan, run, status, report, show)

sweep = App(
    name="sweep",
    help="Do many runs, on one machine or many: when does a network memorize?",
    help_flags=["--help", "-h"],
)
for command in SWEEP_COMMANDS:
    sweep.command(command)
