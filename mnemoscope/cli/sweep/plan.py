"""`mnemoscope sweep plan`: what a design comes to, before anything is run."""

import os
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from mnemoscope.cli.importing import import_libraries
from mnemoscope.cli.options import Json, OptionalWhole, Place
from mnemoscope.cli.printing import print_json, print_lines
from mnemoscope.cli.quantities import duration, size
from mnemoscope.cli.sweep.arguments import DesignName, stored_at
from mnemoscope.errors import MnemoscopeError

if TYPE_CHECKING:
    from mnemoscope.sweep.plan import Plan


def plan(
    design: DesignName,
    *,
    out: Annotated[
        Place, Parameter(help="Where it would be stored; runs/NAME if left out.")
    ] = None,
    workers: Annotated[
        OptionalWhole, Parameter(help="How many workers; one for each core if left out.")
    ] = None,
    pilot: Annotated[
        float, Parameter(help="Seconds that trying some of its runs may take; 0: try none.")
    ] = 60.0,
    json: Json = False,
) -> int:
    """Check a design whole; tell its runs, and the time and room it takes, from a timed pilot."""
    import_libraries()
    from mnemoscope.sweep import plan as planned
    from mnemoscope.sweep.designs import find_design

    if not 0 <= pilot < float("inf"):
        raise MnemoscopeError(
            f"--pilot {pilot}", expected="seconds, 0 or more", todo="change or leave it out"
        )
    if workers is not None and workers < 1:
        raise MnemoscopeError(
            f"--workers {workers}", expected="1 or more", todo="leave it out for one a core"
        )
    known = find_design(design)
    found = planned(known, stored_at(out, known.name), pilot_seconds=pilot)
    many = workers or len(os.sched_getaffinity(0))
    if json:
        print_json(_values(found, many))
    else:
        print_lines(*_lines(found, many))
    return 0


def _values(found: "Plan", workers: int) -> dict[str, object]:
    return {
        "name": found.design.name,
        "runs": found.runs,
        "present": found.present,
        "groups": found.groups,
        "largest_group": found.largest_group,
        "workers": workers,
        "seconds_computing": found.seconds,
        "seconds": None if found.seconds is None else found.begin_seconds + found.seconds / workers,
        "row_bytes": found.row_bytes,
        "weight_bytes": found.weight_bytes,
        "unknown": found.unknown,
        "pilots": [vars(one) for one in found.pilots],
    }


def _lines(found: "Plan", workers: int) -> list[str]:
    lines = [f"{found.design.name}: {found.design.about}".rstrip(": ")]
    there = f"; {found.present:,} are stored" if found.present else ""
    lines.append(
        f"{found.runs:,} runs{there}; to do: {found.groups:,} groups of up to "
        f"{found.largest_group} runs"
    )
    if found.seconds is not None:
        kept = f", {size(found.weight_bytes)} of weights at most" if found.weight_bytes else ""
        lines.append(
            f"expected: {duration(found.begin_seconds + found.seconds / workers)} on {workers} "
            f"worker{'' if workers == 1 else 's'} ({duration(found.seconds)} of computing), "
            f"{size(found.row_bytes)} of rows{kept}"
        )
    if found.unknown:
        lines.append(
            f"unknown: {found.unknown:,} runs, whose pilots did not end in time; allow more with "
            "--pilot SECONDS"
        )
    for one in found.pilots:
        setting = ", ".join(f"{name} {value}" for name, value in one.setting.items())
        took = "did not end in time"
        if one.seconds is not None:
            took = f"{one.seconds:.2f} s, {one.interpolated} interpolated"
        lines.append(
            f"  pilot of {one.runs} runs ({setting or 'one setting'}), for {one.stands_for:,}: "
            f"{took}"
        )
    return lines
