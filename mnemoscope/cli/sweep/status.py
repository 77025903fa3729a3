"""`mnemoscope sweep status`: the state of a sweep."""

import sys
from typing import TYPE_CHECKING

from mnemoscope.cli.computing import import_libraries
from mnemoscope.cli.invocation import WRONG_INPUT
from mnemoscope.cli.options import NamedPlace
from mnemoscope.cli.printing import print_json, print_lines

if TYPE_CHECKING:
    from mnemoscope.sweep import SweepStatus

STATES = {
    "running": "running",
    "done": "ended",
    "interrupted": "interrupted: run it again to go on",
    "stopped": "stopped by an error: run it again to go on",
    "lost": "not running, without having ended: run it again to go on",
    "broken": "its plan cannot be read: run it again to go on",
}
"""The states in words."""

SHOWN = 20
"""Maximum number of failures that are shown."""


def status(place: NamedPlace, *, json: bool = False) -> int:
    """Report which runs are done, running, failed and missing, and the rate.

    Exits with 2 if the plan of a sweep cannot be read; the others are reported all the same.

    Args:
        place: The folder or URL of the sweep, such as s3://bucket/it.
        json: Print the summary as JSON, for programs.
    """
    import_libraries()
    from mnemoscope.sweep import status as statuses

    found = statuses(place)
    if json:
        print_json(
            [{**vars(one), "failures": [vars(part) for part in one.failures]} for one in found]
        )
    else:
        # A broken note may belong to any of them, and is reported once.
        whole = [one for one in found if one.state != "broken"]
        notes = dict.fromkeys(
            part.reason for one in whole for part in one.failures if not part.keys
        )
        print_lines(*(line for one in found for line in _lines(one)), *notes)
    broken = [part.reason for one in found if one.state == "broken" for part in one.failures]
    for reason in broken:
        print(f"mnemoscope: {reason}", file=sys.stderr)
    return WRONG_INPUT if broken else 0


def _lines(one: "SweepStatus") -> list[str]:
    head = f"{one.name}: {STATES.get(one.state, one.state)}"
    if one.state == "broken":
        return [head]
    failures = [part for part in one.failures if part.keys]
    lines = [
        head,
        f"  done      {one.done:>9,} of {one.planned:,}: {one.interpolated:,} interpolated, "
        f"{one.not_interpolated:,} did not, {one.diverged:,} diverged",
        f"  running   {len(one.running):>9,} groups",
        f"  failed    {one.failed:>9,}",
        f"  missing   {one.missing:>9,}",
        f"  rate      {one.rate:>9,.1f} runs a second, last seen {one.seen}",
    ]
    lines += [
        f"  {part.keys[0]}: {part.reason} (tried {part.attempts} times; logs/{part.group}.log)"
        for part in failures[:SHOWN]
    ]
    if len(failures) > SHOWN:
        lines.append(f"  and {len(failures) - SHOWN:,} more; see --json")
    return lines
