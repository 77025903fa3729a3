"""The wording of messages, help pages, verdicts and findings, in one file: `tests/wording.txt`.

Other tests assert on fields of errors and kinds of findings. After a change of wording, read what
`UPDATE_WORDING=1 python -m pytest tests/test_wording.py` makes of that file, and commit it.
"""

import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

import mnemoscope as mn
from mnemoscope.claims.claim import find_claim
from mnemoscope.results.conditions import parse_condition
from mnemoscope.results.verdict import verdict
from mnemoscope.sweep.configuration import Data, Measure
from mnemoscope.sweep.measurements import check_measure
from tests.summaries import made_summary

FILE = Path(__file__).with_name("wording.txt")
X = torch.tensor([[0.0, 1.0], [1.0, 0.0]])
CHECKERBOARD = torch.ones(2, 1, 4, 4)

COMMANDS = (
    "", "demo", "train", "audit", "report", "extract", "compare", "claims", "sweep", "sweep run",
    "sweep plan", "sweep status", "sweep report", "sweep show", "sweep designs",
)  # fmt: skip


def measured(**fields: object) -> None:
    check_measure(Measure(**fields), Data(source="digits", n=10))


ERRORS: dict[str, Callable[[], object]] = {
    "a width of 0": lambda: mn.nets.FullyConnected(shape=(2,), width=0, depth=2),
    "a misspelled field": lambda: mn.nets.FullyConnected(shape=(2,), widht=4, depth=2),
    "an unknown activation": lambda: mn.nets.FullyConnected(
        shape=(2,), width=4, depth=2, activation="sigmiod"
    ),
    "a negative rate": lambda: mn.TrainingOptions(lr=-1.0),
    "an unknown optimizer": lambda: mn.TrainingOptions(optimizer="adma"),
    "a fraction of a step": lambda: mn.TrainingOptions(max_steps=1.5),
    "an unknown source": lambda: mn.load_data("digtis"),
    "more examples than there are": lambda: mn.load_data("digits", n=10**6),
    "states of another shape": lambda: mn.spectral_radius(
        mn.nets.FullyConnected(shape=(3,), width=4, depth=2).build(), X
    ),
    "examples that are not finite": lambda: mn.audit(lambda z: z, X * float("nan")),
    "a map of another shape": lambda: mn.audit(lambda z: z[:, :1], X),
    "a random map": lambda: mn.audit(lambda z: z + torch.rand_like(z), X),
    "a map that mixes states": lambda: mn.audit(lambda z: z - z.mean(0), X),
    "a unit of 0": lambda: mn.audit(lambda z: z, X, mn.AuditOptions.of(unit=0.0)),
    "an unknown corruption": lambda: mn.data.corrupt(X, "gausian", 0.1),
    "a corruption of pictures": lambda: mn.data.corrupt(X, "mask_block", 0.1),
    "a strength above 1": lambda: mn.data.corrupt(CHECKERBOARD, "mask_block", 2.0),
    "a target that is not there": lambda: mn.load_map("nowhere.pt2"),
    "a map without its shape": lambda: mn.load_map(lambda z: z),
    "an audit that is not there": lambda: mn.Audit.load("nowhere"),
    "a negative seed": lambda: mn.audit(lambda z: z, X, seed=-1),
    "no starts": lambda: mn.audit(lambda z: z, X, starts=-1),
    "an unknown claim": lambda: find_claim("projektion"),
    "an unknown measurement": lambda: measured(take=["storde"]),
    "a measurement by a function that is not there": lambda: measured(take=["math:nothing"]),
    "starts of an unknown kind": lambda: measured(start_kind="unifrom"),
    "a design with a misspelled section": lambda: mn.sweep.Design(name="a", dta={}),
    "a condition without a number": lambda: parse_condition("stored>many"),
    "a condition on an unknown quantity": lambda: parse_condition("storde>0"),
}

SUMMARIES = {
    "nothing stored": {},
    "all stored": {"stored": (5, 5), "contractive": (5, 5), "attractors": 5},
    "some stored": {"stored": (2, 5), "contractive": (3, 5), "attractors": 3, "spurious": 1},
    "recalled from noise": {
        "stored": (5, 5),
        "contractive": (5, 5),
        "attractors": 5,
        "reached": (4, 5),
        "recalled": (48, 50),
    },
    "not interpolated": {"interpolated": False, "training_loss": 1e-3, "loss": 1e-3},
    "indistinguishable": {"indistinguishable": 2},
    "unsettled": {"unsettled": (40, 100)},
    "interrupted": {"partial": ("controls",)},
}


def help_of(command: str) -> str:
    """The help page of a command, without borders and in one column width."""
    done = subprocess.run(
        [sys.executable, "-m", "mnemoscope", *command.split(), "--help"],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "COLUMNS": "100", "NO_COLOR": "1", "TERM": "dumb"},
    )
    lines = [re.sub(r"[│╭╮╰╯─]", "", line).rstrip() for line in done.stdout.splitlines()]
    return "\n".join(line for line in lines if line)


def message_of(call: Callable[[], object]) -> str:
    with pytest.raises(mn.MnemoscopeError) as error:
        call()
    # How far two images are apart differs with the draw and the processor.
    return re.sub(r"by 0\.\d+", "by 0.…", str(error.value))


def wording() -> str:
    parts = [f"# mnemoscope {command}\n\n{help_of(command)}" for command in COMMANDS]
    parts += [f"# Error: {name}\n\n{message_of(call)}" for name, call in ERRORS.items()]
    parts += [
        f"# Verdict: {name}\n\n{verdict(made_summary(**fields))}"
        for name, fields in SUMMARIES.items()
    ]
    return "\n\n".join(parts) + "\n"


def test_the_wording_is_that_of_the_file():
    now = wording()
    if os.environ.get("UPDATE_WORDING"):
        FILE.write_text(now, encoding="utf-8")
    assert now == FILE.read_text(encoding="utf-8")
