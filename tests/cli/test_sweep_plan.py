"""`sweep plan`: the memory that a design needs, and what this machine has."""

from importlib import import_module

import pytest

DESIGN = """
name = "wide"
seeds = 2
group_size = {group_size}
[data]
source = "digits"
n = 3
[spec]
depth = 3
[grid]
spec.width = [8, {width}]
"""


@pytest.fixture
def plan(run, here, monkeypatch):
    """The command for two workers, on a machine of a gigabyte."""
    monkeypatch.setattr(import_module("mnemoscope.sweep.planning"), "machine_memory", lambda: 10**9)

    def call(width, group_size, *options):
        (here / "wide.toml").write_text(DESIGN.format(width=width, group_size=group_size))
        return run("sweep", "plan", "wide.toml", "--pilot", "0", "--workers", "2", *options)

    return call


@pytest.mark.parametrize(
    ("width", "group_size", "message"),
    [
        (100, 1, "memory: at least 472 kB for the largest group (spec.width 100)\n"),
        (6_000, 1, "for the largest group (spec.width 6000), 1.5 GB for 2 workers; this machine "
         "has 1.0 GB: allow fewer --workers\n"),
        (6_000, 2, "this machine has 1.0 GB: set a smaller group_size\n"),
        (60_000, 1, "this machine has 1.0 GB: make the network smaller, or run it where workers "
         "have more\n"),
    ],
    ids=["fits", "one at a time", "a run alone", "not at all"],
)  # fmt: skip
def test_the_largest_group_is_reported_and_what_to_do(plan, width, group_size, message):
    done = plan(width, group_size)
    assert done.code == 0
    assert message in done.out


def test_as_json(plan):
    # 3.6e7 float32 weights, their gradients, two running means, and in the end the weights again.
    message = plan(6_000, 2, "--json").json
    assert message["group_setting"] == {"spec.width": 6_000}
    assert (
        5 * 4 * 36e6 < message["run_memory"] < message["machine_memory"] < message["group_memory"]
    )


def test_a_design_that_no_machine_holds_is_named_by_its_key(plan):
    done = plan(1_000_000_000, 1)
    assert (done.code, done.out) == (2, "")
    assert done.err.startswith("mnemoscope: spec (spec.width=1000000000): ")
    assert done.err.count("\n") == 1
