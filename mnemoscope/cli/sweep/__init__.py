"""`mnemoscope sweep`: many runs are designed, planned, done, watched and shown."""

from cyclopts import App

from mnemoscope.cli.importing import import_libraries
from mnemoscope.cli.options import Json
from mnemoscope.cli.printing import print_json, print_lines
from mnemoscope.cli.sweep.plan import plan
from mnemoscope.cli.sweep.report import report
from mnemoscope.cli.sweep.run import run
from mnemoscope.cli.sweep.show import show
from mnemoscope.cli.sweep.status import status

__all__ = ["SWEEP_COMMANDS", "sweep"]


def designs(*, json: Json = False) -> int:
    """List the designs that come with Mnemoscope."""
    import_libraries()
    from mnemoscope.sweep.designs import DESIGNS, find_design

    known = [find_design(name) for name in DESIGNS]
    if json:
        print_json([{"name": one.name, "about": one.about, "runs": one.count} for one in known])
    else:
        wide = max(len(one.name) for one in known)
        print_lines(*(f"{one.name:<{wide}}  {one.count:>6,} runs  {one.about}" for one in known))
    return 0


SWEEP_COMMANDS = (designs, plan, run, status, report, show)

sweep = App(
    name="sweep",
    help="Do many runs, on one machine or many: when does a network memorize?",
    help_flags=["--help", "-h"],
)
for command in SWEEP_COMMANDS:
    sweep.command(command)
