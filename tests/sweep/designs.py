"""Designs whose groups take milliseconds."""

from mnemoscope.sweep import Design

DATA = {"source": "digits", "n": 2, "size": 4}

FUNCTIONS = "tests.sweep.functions"


def tiny(**fields):
    """Networks of 16 inputs and four units, trained for five steps; nothing is measured.

    What the grid varies is not fixed.
    """
    sections = {
        "name": "tiny",
        "data": DATA,
        "spec": {"width": 4, "depth": 1},
        "training": {"max_steps": 5},
        "measure": {"take": []},
        "seeds": 2,
    }
    for path in fields.get("grid", {}):
        section, _, field = path.partition(".")
        sections[section] = {
            name: value for name, value in sections[section].items() if name != field
        }
    return Design(**{**sections, **fields})


def measuring(function, **fields):
    """The same, measured by a function of `tests/sweep/functions.py`."""
    return tiny(**{"measure": {"take": [f"{FUNCTIONS}:{function}"]}, **fields})


def diverging(**fields):
    """A design with two rates; every training with the second one diverges."""
    return tiny(
        **{
            "spec": {"width": 4, "depth": 2, "activation": "identity"},
            "training": {"max_steps": 300, "optimizer": "gradient_descent"},
            "grid": {"training.lr": [1e-3, 1e6]},
            **fields,
        }
    )


TEXT = """\
name = "tiny"
seeds = 2
group_size = 1
timeout = {timeout}
[data]
source = "digits"
n = 2
size = 4
[spec]
width = 4
[training]
max_steps = 5
[measure]
take = {take}
[grid]
spec.depth = [1, 2, 3]
"""


def text(take="[]", timeout=60.0):
    """A design as TOML: six runs, each in a group of its own."""
    return TEXT.format(take=take, timeout=timeout)
