"""`mnemoscope sweep designs`: the designs that come with Mnemoscope."""

from mnemoscope.cli.importing import import_libraries
from mnemoscope.cli.options import Json
from mnemoscope.cli.printing import print_json, print_lines


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
