"""The commands of `mnemoscope sweep`."""

from cyclopts import App

from mnemoscope.cli.sweep.designs import designs
from mnemoscope.cli.sweep.plan import plan
from mnemoscope.cli.sweep.report import report
from mnemoscope.cli.sweep.run import run
from mnemoscope.cli.sweep.show import show
from mnemoscope.cli.sweep.status import status

SWEEP_COMMANDS = (designs, plan, run, status, report, show)

sweep = App(
    name="sweep",
    help="Do many runs, on one machine or many: when does a network memorize?",
    help_flags=["--help", "-h"],
)
for command in SWEEP_COMMANDS:
    sweep.command(command)
