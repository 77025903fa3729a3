"""`mnemoscope sweep status`: where a sweep stands."""

from typing import TYPE_CHECKING

from mnemoscope.cli.importing import import_libraries
from mnemoscope.cli.options import Json
from mnemoscope.cli.printing import print_json, print_lines
from mnemoscope.cli.sweep.arguments import StorePlace

if TYPE_CHECKING:
    from mnemoscope.sweep import SweepStatus

STATES = {
    "running": "running",
    "done": "ended",
    "interrupted": "interrupted: run it again to go on",
    "stopped": "stopped by an error: run it again to go on",
    "lost": "not running, without having ended: run it again to go on",
}
"""The states in words."""

SHOWN = 20
"""Failures that are shown."""


def status(place: StorePlace, *, json: Json = False) -> int:
    """Tell what is done, running, failed and missing, and the rate."""
    import_libraries()
    from mnemoscope.sweep import status as statuses

    found = statuses(place)
    if json:
        print_json(
            [{**vars(one), "failures": [vars(part) for part in one.failures]} for one in found]
        )
    else:
        print_lines(*(line for one in found for line in _lines(one)))
    return 0


def _lines(one: "SweepStatus") -> list[str]:
    lines = [
        f"{one.name}: {STATES[one.state]}",
        f"  done      {one.done:>9,} of {one.planned:,}: {one.interpolated:,} interpolated, "
        f"{one.not_interpolated:,} did not, {one.diverged:,} diverged",
        f"  running   {len(one.running):>9,} groups",
        f"  failed    {one.failed:>9,}",
        f"  missing   {one.missing:>9,}",
        f"  rate      {one.rate:>9,.1f} runs a second, last seen {one.seen}",
    ]
    lines += [
        f"  {part.keys[0]}: {part.reason} (tried {part.attempts} times; logs/{part.group}.log)"
        for part in one.failures[:SHOWN]
    ]
    if len(one.failures) > SHOWN:
        lines.append(f"  and {len(one.failures) - SHOWN:,} more; see --json")
    return lines
