"""`mnemoscope sweep plan`: the size and the cost of a design; `designs` lists the shipped ones."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

from mnemoscope.base.check import real_number, whole_number
from mnemoscope.base.text import duration, size
from mnemoscope.cli.computing import import_libraries
from mnemoscope.cli.options import NamedPlace, Place
from mnemoscope.cli.printing import print_json, print_lines

if TYPE_CHECKING:
    from mnemoscope.sweep.planning import Plan


def designs(*, json: bool = False) -> int:
    """List the designs that come with Mnemoscope.

    Args:
        json: Print the summary as JSON, for programs.
    """
    import_libraries()
    from mnemoscope.sweep.designs import DESIGNS, find_design

    known = [find_design(name) for name in DESIGNS]
    if json:
        print_json([{"name": one.name, "about": one.about, "runs": one.count} for one in known])
    else:
        wide = max(len(one.name) for one in known)
        print_lines(*(f"{one.name:<{wide}}  {one.count:>6,} runs  {one.about}" for one in known))
    return 0


def plan(
    design: NamedPlace,
    *,
    out: Place = None,
    workers: int | None = None,
    pilot: float = 60.0,
    json: bool = False,
) -> int:
    """Check a design; estimate its runs, time and size from a timed pilot.

    Args:
        design: A TOML file, the name of a shipped design (see mnemoscope sweep designs), or
            package.module:name of a Design in Python.
        out: Folder or URL of the store; default: runs/NAME.
        workers: Number of workers; default: one for each core.
        pilot: Time limit of trying some of its runs (s); 0: try none.
        json: Print the summary as JSON, for programs.
    """
    import_libraries()
    from mnemoscope.sweep import plan as planned
    from mnemoscope.sweep.designs import find_design
    from mnemoscope.sweep.executors import available_cores

    real_number("--pilot", pilot, least=0)
    if workers is not None:
        whole_number("--workers", workers, least=1)
    known = find_design(design)
    found = planned(known, out or f"runs/{known.name}", pilot_seconds=pilot)
    many = workers or available_cores()
    if json:
        print_json(_values(found, many))
    else:
        print_lines(*_lines(found, many))
    return 0


def _values(found: "Plan", workers: int) -> dict[str, object]:
    values = {**vars(found), "name": found.design.name, "workers": workers}
    del values["design"], values["begin_seconds"]
    values["seconds_computing"] = found.seconds
    if found.seconds is not None:
        values["seconds"] = found.begin_seconds + found.seconds / workers
    return {**values, "pilots": [vars(one) for one in found.pilots]}


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
    large = sum(one.represents for one in found.pilots if one.too_large)
    if large:
        lines.append(f"unknown: {large:,} runs, which need more memory than is free here")
    if late := found.unknown - large:
        lines.append(
            f"unknown: {late:,} runs, whose pilots did not end in time; allow more with "
            "--pilot SECONDS"
        )
    for one in found.pilots:
        took = "did not end in time"
        if one.too_large:
            took = f"not tried, since it needs {size(one.memory)}"
        elif one.seconds is not None:
            took = f"{one.seconds:.2f} s, {one.interpolated} interpolated"
        lines.append(
            f"  pilot of {one.runs} runs ({_setting(one.setting)}), for {one.represents:,}: {took}"
        )
    return lines


def _memory(found: "Plan", workers: int) -> list[str]:
    """Describes the memory of the largest group, and what to do where this machine has less."""
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
