"""`mnemoscope sweep plan`: what a design comes to, before anything is run."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from mnemoscope.base.errors import MnemoscopeError
from mnemoscope.base.text import duration, size
from mnemoscope.cli.importing import import_libraries
from mnemoscope.cli.options import Json, OptionalWhole, Place
from mnemoscope.cli.printing import print_json, print_lines
from mnemoscope.cli.sweep.arguments import DesignName, stored_at

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
    from mnemoscope.sweep.executors import available_cores

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
    many = workers or available_cores()
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
        "group_memory": found.group_memory,
        "group_setting": found.group_setting,
        "run_memory": found.run_memory,
        "machine_memory": found.machine_memory,
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
    lines += _memory(found, workers)
    large = sum(one.stands_for for one in found.pilots if one.too_large)
    if large:
        lines.append(f"unknown: {large:,} runs, which take more memory than is free here")
    if late := found.unknown - large:
        lines.append(
            f"unknown: {late:,} runs, whose pilots did not end in time; allow more with "
            "--pilot SECONDS"
        )
    for one in found.pilots:
        took = "did not end in time"
        if one.too_large:
            took = f"not tried, since it takes {size(one.memory)}"
        elif one.seconds is not None:
            took = f"{one.seconds:.2f} s, {one.interpolated} interpolated"
        lines.append(
            f"  pilot of {one.runs} runs ({_setting(one.setting)}), for {one.stands_for:,}: {took}"
        )
    return lines


def _memory(found: "Plan", workers: int) -> list[str]:
    """What the largest group takes, and what to do where this machine has not so much."""
    one, here = found.group_memory, found.machine_memory
    if not one:
        return []
    line = f"memory: at least {size(one)} for the largest group ({_setting(found.group_setting)})"
    if here is None or one * workers <= here:
        return [line]
    there = f"this machine has {size(here)}"
    if found.run_memory > here:
        return [f"{line}; {there}: make the network smaller, or run it where workers have more"]
    if one > here:
        return [f"{line}; {there}: set a smaller group_size"]
    return [f"{line}, {size(one * workers)} for {workers} workers; {there}: allow fewer --workers"]


def _setting(values: Mapping[str, object]) -> str:
    return ", ".join(f"{name} {value}" for name, value in values.items()) or "one setting"
