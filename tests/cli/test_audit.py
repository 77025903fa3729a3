"""`audit` writes a run's audit and its page, or says in one line why it cannot."""

import json
import pickle
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

import mnemoscope as mn
from mnemoscope.base.errors import MnemoscopeError
from mnemoscope.base.stats import Rate
from mnemoscope.cli.audit import EffortOptions

from .conftest import BRIEF, SMALL, TRAIN, pictures, tree


class Trap:
    def __reduce__(self):
        return (open, ("executed", "w"))


def audit(run, *arguments):
    done = run("audit", *arguments, *BRIEF)
    assert done.code == 0, done.err
    assert done.err == ""
    return done


def starts_of(folder):
    table = mn.Audit.load(folder).starts
    return dict(zip(table["kind"], table["starts"], strict=True))


def test_it_leaves_an_audit_and_its_page(trained, process):
    done = process("audit", "runs/train", *BRIEF)
    assert (done.code, done.err) == (0, "")
    assert "stored" in done.out
    assert done.out.splitlines()[-1] == "runs/train/report.html"
    assert mn.Audit.load(trained / "audit").provenance["data"]["source"] == "digits"
    assert {path.name for path in trained.iterdir()} == {
        "network.safetensors",
        "run.json",
        "audit",
        "report.html",
    }


def test_its_summary_as_json(trained, run):
    summary = audit(run, "runs/train", "--json").json
    assert summary["stored"]["total"] == 4
    assert summary["report"] == "runs/train/report.html"


@pytest.mark.parametrize(
    ("finding", "value", "code"),
    [
        ("stored", Rate.of(2, 4), 1),
        ("stored", Rate.of(0, 4), 0),
        ("spurious", 1, 1),
        ("spurious", 0, 0),
        ("cycles", 3, 1),
        ("cycles", 0, 0),
        ("unsettled", Rate.of(1, 100), 1),
        ("unsettled", Rate.of(0, 100), 0),
    ],
)
def test_it_fails_on_a_finding_only_if_there_is_one(
    trained, audited_once, run, monkeypatch, finding, value, code
):
    found = mn.Audit.load(audited_once / "audit").with_summary(**{finding: value})
    monkeypatch.setattr("mnemoscope.measure.audit", lambda *_, **__: found)
    monkeypatch.setattr("mnemoscope.report.write_report", lambda _, path: path.write_text("page"))
    assert run("audit", "runs/train", "--fail-on", finding).code == code
    assert run("audit", "runs/train").code == 0


@pytest.mark.slow
def test_it_fails_on_what_is_stored_as_a_process(trained, process):
    assert process("audit", "runs/train", *BRIEF, "--fail-on", "stored").code == 1


def test_a_network_alone(trained, run):
    audit(run, "runs/train/network.safetensors", "--out", "elsewhere")
    assert mn.Audit.load("elsewhere/audit").summary.stored.count == 4
    audit(run, "elsewhere")


def test_its_own_folder_may_be_named(trained, run):
    before = (trained / "run.json").read_bytes()
    audit(run, "runs/train", "--out", "runs/../runs/train")
    assert (trained / "run.json").read_bytes() == before


def test_from_another_working_folder(here, run, monkeypatch):
    pictures(here / "mine", 8, 8)
    assert run("train", "mine", *SMALL, "--max-steps", "50").code == 0
    (here / "elsewhere").mkdir()
    monkeypatch.chdir(here / "elsewhere")
    audit(run, "../runs/train")


def write(name, content):
    return lambda: Path(name).write_bytes(content)


def cut():
    Path("cut.safetensors").write_bytes(Path("runs/train/network.safetensors").read_bytes()[:-100])


NETWORKS = {
    "missing.safetensors": (lambda: None, "does not exist"),
    "empty.safetensors": (write("empty.safetensors", b""), "is empty"),
    "cut.safetensors": (cut, "cut off"),
    "text.safetensors": (write("text.safetensors", b"hello"), "not a safetensors file"),
    "trap.pt": (lambda: torch.save(Trap(), "trap.pt"), "never unpickled"),
    "trap.pkl": (write("trap.pkl", pickle.dumps(Trap())), "never unpickled"),
    "foreign.safetensors": (
        lambda: save_file({"w": torch.zeros(2)}, "foreign.safetensors"),
        "without a spec",
    ),
    "empty": (lambda: Path("empty").mkdir(), "no run's folder"),
    "runs": (lambda: None, "no run's folder"),
}


@pytest.mark.parametrize("name", NETWORKS)
def test_what_is_no_network_is_refused(trained, here, refused, name):
    make, says = NETWORKS[name]
    make()
    refused("audit", name, says=says)
    assert not (here / "executed").exists()


@pytest.mark.slow
def test_a_pickle_as_a_process(here, refused, process):
    torch.save(Trap(), here / "trap.pt")
    refused("audit", "trap.pt", says="never unpickled", call=process)


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("--data photos", ["(1, 8, 8)", "(3, 32, 32)"]),
        ("--data missing", "does not exist"),
        ("--data digits -n 9999", "1797"),
        ("-n 2", "--n without --data"),
        ("--gray", "--gray without --data"),
        ("--starts 0", "starts=0"),
        ("--trials 0", "trials=0"),
        ("--out file", "cannot write to"),
        ("--out file/below", "cannot write to"),
        ("--out /proc/x", "cannot write to"),
        ("--out runs", "files that are no run"),
        ("--held-out missing", "--held-out missing, which does not exist"),
        ("--held-out rows.npy", ["--held-out rows.npy, of shape (5,)", "(1, 8, 8)"]),
        ("--held-out nan.npy", "--held-out"),
        ("--held-out same.npy", "all of which are training examples"),
        ("--starts 0 --out new", "starts=0"),
    ],
)
def test_options(audited, here, refused, line, says):
    (here / "file").write_text("mine")
    np.save(here / "rows.npy", np.zeros((2, 5), np.float32))
    np.save(here / "nan.npy", np.full((2, 1, 8, 8), np.nan, np.float32))
    np.save(here / "same.npy", mn.load_data("digits", n=2).numpy())
    refused("audit", "runs/train", *line.split(), says=says)


@pytest.mark.parametrize(
    ("seed", "says"), [("-1", "seed=-1"), ("99999999999999999999999", "9,223,372,036,854,775,807")]
)
def test_a_seed_out_of_range(trained, refused, seed, says):
    refused("audit", "runs/train", "--seed", seed, says=says)


def test_another_run_in_the_folder(audited, here, refused, run):
    assert run("train", "digits", "-n", "2", *SMALL, "--out", "other").code == 0
    refused("audit", "runs/train", "--out", "other", says=["another run", "--force"])
    audit(run, "runs/train", "--out", "other", "--force")


def test_data_that_changed_since_the_training(here, run, refused):
    pictures(here / "mine", 8, 8)
    assert run("train", "mine", *SMALL, "--max-steps", "50").code == 0
    pictures(here / "mine", 8, 8, seed=1)
    refused("audit", "runs/train", says="have changed since")
    audit(run, "runs/train", "--data", "mine")


def test_a_network_of_another_run(trained, run, refused):
    other = ["train", "digits", "-n", "4", *SMALL, "--seed", "1", "--out", "other"]
    assert run(*other).code == 0
    shutil.copy("other/network.safetensors", trained)
    refused("audit", "runs/train", says="not trained as run.json")


@pytest.mark.parametrize(
    "settings", [{}, {"data": 5}, {"data": {"source": "digits", "rows": 3}}, {"audited": "gone"}]
)
def test_a_run_whose_settings_are_damaged(trained, refused, settings):
    content = {"format": "mnemoscope-run/1", "settings": settings}
    (trained / "run.json").write_text(json.dumps(content))
    refused("audit", "runs/train")


def test_a_run_without_its_network(trained, refused):
    (trained / "network.safetensors").unlink()
    refused("audit", "runs/train", says="holds no network.safetensors")


def test_held_out_data_leave_the_training_examples_out(trained, run):
    np.save("digits.npy", mn.load_data("digits", n=9).numpy())
    audit(run, "runs/train", "--held-out", "digits.npy")
    assert starts_of(trained / "audit")["held_out"] == 5


@pytest.mark.parametrize("mode", ["L", "RGB"])
def test_held_out_pictures_are_brought_to_the_networks_shape(trained, here, run, mode):
    pictures(here / "others", 8, 20, 33, mode=mode)
    audit(run, "runs/train", "--held-out", "others")
    assert starts_of(trained / "audit")["held_out"] == 3


def test_grey_held_out_pictures_for_a_network_of_colours(here, run):
    pictures(here / "colours", 8, 8, mode="RGB")
    pictures(here / "greys", 9, 9, 9)
    assert run("train", "colours", *SMALL, "--max-steps", "50").code == 0
    audit(run, "runs/train", "--held-out", "greys")
    assert starts_of(here / "runs/train/audit")["held_out"] == 3


def test_held_out_rows_for_a_network_of_rows(here, run):
    draw = np.random.default_rng(0)
    np.save("rows.npy", draw.random((3, 5), np.float32))
    np.save("others.npy", draw.random((4, 5), np.float32))
    assert run("train", "rows.npy", *SMALL, "--max-steps", "50").code == 0
    audit(run, "runs/train", "--held-out", "others.npy")
    assert starts_of(here / "runs/train/audit")["held_out"] == 4


def test_an_audit_that_fails_late_leaves_the_old_one(audited, here, run, monkeypatch):
    def full(audit, path):
        raise OSError(28, "No space left on device", str(path))

    before = tree(here)
    monkeypatch.setattr("mnemoscope.report.write_report", full)
    done = run("audit", "runs/train", *BRIEF, "--seed", "1")
    assert done.code == 2
    assert "No space left on device" in done.err
    assert done.err.count("\n") == 1
    assert tree(here) == before


def test_training_again_and_auditing_again(audited, run):
    assert run(*TRAIN).code == 0
    audit(run, "runs/train")


@pytest.mark.parametrize("unit", ["0", "nan", "wide"])
def test_what_is_no_unit_is_refused_in_one_line(unit):
    with pytest.raises(MnemoscopeError, match="expected a number above 0, or per-feature"):
        EffortOptions(unit=unit).audit_options()


def test_units_are_numbers_or_one_for_each_feature():
    for text, unit in ((None, None), ("2.5", 2.5), ("per-feature", "per_feature")):
        assert EffortOptions(unit=text).audit_options().tolerances.unit == unit


def test_an_option_out_of_range_is_named_as_it_was_typed():
    with pytest.raises(MnemoscopeError) as refused:
        EffortOptions(max_steps=0).audit_options()
    assert refused.value.field == "max_steps"
    assert refused.value.given == "--max-steps=0"


def test_the_defaults_of_the_command_are_those_of_the_library():
    assert EffortOptions().audit_options() == mn.measure.AuditOptions()
