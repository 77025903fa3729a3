"""Files, numbers and names that are made to do harm: one line, and nothing is lost."""

import json
import os
import signal
import sys
import time

import numpy as np
import polars as pl
import pytest

from mnemoscope.base.files import WRITING

from .conftest import BRIEF, SMALL, TRAIN, assert_refused, tree

FAST = [*SMALL, "--max-steps", "5"]

NETS = """
import torch
from torch import nn
def small(): return nn.Sequential(nn.Linear(4, 4), nn.Tanh())
"""

DESIGN = """\
name = "tiny"
seeds = 1
[data]
source = "digits"
n = 2
size = 4
[spec]
width = 4
[training]
max_steps = 5
[measure]
take = []
[grid]
spec.depth = [1, 2]
"""

KILLED = """
import os, signal, sys
number, seen, real = int(sys.argv.pop(1)), 0, os.replace
def replace(*paths, **named):
    global seen
    seen += 1
    if seen == number: os.kill(os.getpid(), signal.SIGKILL)
    return real(*paths, **named)
os.replace = replace
from mnemoscope.cli import main
main()
"""


@pytest.fixture
def nets(here):
    (here / "nets.py").write_text(NETS)
    np.save(here / "x.npy", np.random.default_rng(0).random((3, 4), dtype=np.float32))
    return ["audit", "nets:small", "--data", "x.npy", *BRIEF]


@pytest.fixture
def swept(here, run):
    (here / "design.toml").write_text(DESIGN)
    sweep = ["sweep", "run", "design.toml", "--in-process", "--out", "sweep"]
    assert run(*sweep).code == 0
    return sweep


def change(file, **values):
    """Other values in the settings of a run."""
    message = json.loads(file.read_text())
    message["settings"] |= values
    file.write_text(json.dumps(message))


def unreadable(path, kind):
    """A named pipe, a device or a folder in the place of a file."""
    path.unlink(missing_ok=True)
    if kind == "pipe":
        os.mkfifo(path)
    elif kind == "device":
        path.symlink_to("/dev/zero")
    else:
        path.mkdir()


# D1, D2: killed anywhere, the same command goes on, and nothing is left behind.
@pytest.mark.slow
@pytest.mark.parametrize("number", [2, 20, 30])
@pytest.mark.parametrize(
    "arguments",
    [
        ["extract", "runs/train", "--limit", "9", "--starts", "3", "--out", "new"],
        ["audit", "runs/train/network.safetensors", *BRIEF, "--out", "new"],
    ],
    ids=lambda arguments: arguments[0],
)
def test_a_command_killed_at_a_replacement_goes_on(trained, here, start, run, arguments, number):
    died = start(number, *arguments, program=["-c", KILLED])
    died.communicate(timeout=600)
    assert died.returncode == -signal.SIGKILL
    assert run(*arguments).code == 0
    assert not [path for path in here.rglob(".*") if path.name != ".pytest_cache"]


def test_leftovers_go_with_the_next_command_that_writes(audited, here, run):
    for name in (".writing", ".report.html.writing"):
        (audited / f"{name}-00000000-1-1-aa").mkdir()
        os.utime(audited / f"{name}-00000000-1-1-aa", (1, 1))
    assert run("report", "runs/train").code == 0
    assert not [path for path in audited.iterdir() if WRITING in path.name]


def test_a_command_on_a_folder_that_another_writes_to_is_refused(trained, here, start, refused):
    other = start("audit", "runs/train", "--starts", "300000", anew=True)
    while not (trained / ".claimed").exists():
        assert other.poll() is None, other.communicate()
    time.sleep(1)  # The lock under which it claims the folder is held for a moment longer.
    try:
        other.send_signal(signal.SIGSTOP)
        for arguments in (
            [*TRAIN, "--seed", "1", "--force"], ["audit", "runs/train", *BRIEF], TRAIN,
        ):  # fmt: skip
            refused(*arguments, says=["another command is writing to", "audit runs/train"])
    finally:
        other.kill()
        other.communicate()
    assert ".claimed" in {path.name for path in trained.iterdir()}


# D4: options of the wrong type in run.json.
def test_options_of_another_type_in_a_run(nets, here, refused, run):
    assert run(*nets, "--out", "run").code == 0
    for options in (
        {"scale": 5}, {"weights": 3}, {"adapter": ["a"]}, {"channels_last": "yes"}, {"output": {}},
        {"noise_level": "x"}, {"budget": 1e9}, {"factory_args": {}}, {"black_box": 1}, {"x": "y"},
        {"noise_level": True},
    ):  # fmt: skip
        change(here / "run/run.json", map=options)
        (name,) = options
        for command in ("audit", "extract"):
            refused(command, "run", says=["run.json, which says of its model", f"{name}="])


@pytest.mark.parametrize(
    "source",
    [
        {"source": 5}, {"source": "digits", "n": "4"}, {"source": "digits", "n": True},
        {"source": "digits", "offset": None}, {"source": "digits", "gray": 1}, [1], 5,
        {"source": "digits", "size": 1.5},
    ],
    ids=str,
)  # fmt: skip
def test_data_of_another_type_in_a_run(trained, refused, source):
    change(trained / "run.json", data=source, audited=str(trained / "network.safetensors"))
    refused("audit", "runs/train", says="which says of its training examples")


# D5: every place is checked first.
@pytest.mark.parametrize("name", ["examples.parquet", "roc.parquet", "pictures.safetensors"])
def test_an_audit_with_a_folder_in_the_place_of_a_file(audited, refused, name):
    (audited / "audit" / name).unlink()
    (audited / "audit" / name).mkdir()
    refused("audit", "runs/train", *BRIEF, says=[name, "is a folder"])


@pytest.mark.parametrize(
    ("option", "place", "says"),
    [
        ("--charts", "file", "cannot write to file"), ("--table", "folder", "is a folder"),
        ("--settings", "folder", "is a folder"), ("--settings", "file/x.csv", "cannot write to"),
    ],
)  # fmt: skip
def test_a_report_of_a_sweep_writes_all_or_nothing(swept, here, refused, option, place, says):
    (here / "folder").mkdir()
    (here / "file").write_text("mine")
    refused("sweep", "report", "sweep", option, place, says=says)


@pytest.mark.parametrize("name", ["rows", "plans", "logs", "failures", "weights"])
def test_a_sweep_with_a_file_in_the_place_of_a_folder(swept, here, refused, name):
    place = here / "sweep" / name
    if place.is_dir():
        place.rename(here / "sweep" / "away")
    place.write_text("mine")
    refused(*swept, says=name)


# D6: names that are not UTF-8.
@pytest.mark.parametrize(
    "arguments",
    [
        [*TRAIN], ["audit", "runs/train/network.safetensors", *BRIEF],
        ["extract", "runs/train", "--limit", "9"], ["claims", "projection", "--quick"],
    ],
    ids=lambda arguments: arguments[0],
)  # fmt: skip
def test_a_folder_whose_name_is_not_utf_8(trained, refused, arguments):
    refused(*arguments, "--out", "caf\udce9", says="not UTF-8")


# D8: damaged rows.
@pytest.mark.parametrize("text", ["", "[]", "{}", '{"spec": 5, "data": {}}', "x" * 9000])
def test_a_damaged_configuration(swept, here, refused, text):
    file = min((here / "sweep").glob("rows/*/*.parquet"))
    frame = pl.read_parquet(file)
    frame.with_columns(pl.lit(text).alias("configuration")).write_parquet(file)
    key = frame["key"][0]
    err = refused("sweep", "show", "sweep", key, "--out", "n.safetensors", says="configuration")
    assert len(err) < 1000


@pytest.mark.parametrize("columns", [["seed"], ["loss"], ["depth", "width"], None])
def test_a_table_of_text_columns(swept, here, run, refused, columns):
    assert run("sweep", "report", "sweep", "--table", "t.parquet").code == 0
    frame = pl.read_parquet(here / "t.parquet")
    columns = columns or frame.columns
    frame.with_columns(pl.col(columns).cast(pl.Utf8)).write_parquet(here / "t.parquet")
    refused("sweep", "report", "t.parquet", says=["whose column", "is of String"])


# D9: designs that nest without end.
@pytest.mark.parametrize(
    "line",
    [
        "a." * 5000 + "a = 1",
        f"[{'a.' * 20_000}a]",
        "spec = {" + "a." * 3000 + "a = 1}",
        "x = " + "[" * 60 + "]" * 60,
        '"a".' * 3000 + "a = 1",
        f"x = {'{a.b.c=' * 10}1{'}' * 10}",
    ],
    ids=lambda line: line[:20],
)
def test_a_design_that_nests_too_deeply(here, refused, line):
    (here / "design.toml").write_text(f"{line}\n{DESIGN}")
    err = refused("sweep", "plan", "design.toml", says="design.toml")
    assert len(err) < 500


def test_a_design_that_is_too_large(here, refused):
    (here / "design.toml").write_text("#" * 2_000_000 + "\n" + DESIGN)
    refused("sweep", "plan", "design.toml", says="more than 1,048,576 bytes")


# D10, D11: pipes, devices and folders where files belong.
@pytest.mark.parametrize("kind", ["pipe", "device", "folder"])
@pytest.mark.parametrize(
    ("file", "arguments"),
    [
        ("spec.json", ["train", "digits", "-n", "2", "--spec", "spec.json"]),
        ("w.pt", ["audit", "nets:small", "--data", "x.npy", "--weights", "w.pt"]),
        ("w.safetensors", ["audit", "nets:small", "--data", "x.npy", "--weights", "w.safetensors"]),
        ("runs/train/run.json", ["audit", "runs/train"]),
        ("runs/train/run.json", ["report", "runs/train"]),
        ("runs/train/run.json", TRAIN),
        ("runs/train/network.safetensors", ["audit", "runs/train"]),
        ("runs/train/network.safetensors", ["extract", "runs/train/network.safetensors"]),
        ("runs/train/audit/audit.json", ["report", "runs/train"]),
        ("runs/train/audit/audit.json", ["compare", "runs/train", "runs/train"]),
        ("runs/train/audit/curves.parquet", ["report", "runs/train"]),
        ("runs/train/audit/pictures.safetensors", ["report", "runs/train"]),
        ("rows.parquet", ["sweep", "report", "rows.parquet"]),
        ("design.toml", ["sweep", "plan", "design.toml"]),
        ("s.npy", ["extract", "runs/train", "--starts-from", "s.npy"]),
        ("s.npy", ["train", "s.npy"]),
    ],
    ids=lambda value: value if isinstance(value, str) else value[0],
)
def test_what_is_no_file(audited, nets, here, run, file, arguments, kind):
    unreadable(here / file, kind)
    signal.alarm(60)
    try:
        assert_refused(run(*arguments))
    finally:
        signal.alarm(0)


# D12: numbers that nothing can hold.
@pytest.mark.parametrize("number", ["100000000000000000000", "2147483648", "9" * 5000])
@pytest.mark.parametrize(
    ("command", "option"),
    [
        ("audit", "--starts"), ("audit", "--trials"), ("audit", "--max-steps"),
        ("extract", "--limit"), ("extract", "--starts"), ("train", "-n"), ("train", "--max-steps"),
        ("claims", "--seeds"), ("sweep", "--workers"),
    ],
)  # fmt: skip
def test_numbers_that_no_machine_can_hold(trained, here, refused, command, option, number):
    (here / "design.toml").write_text(DESIGN)
    target = {"train": ["digits"], "claims": ["projection"], "sweep": ["run", "design.toml"]}
    line = [command, *target.get(command, ["runs/train"])]
    err = refused(*line, option, number, says=["at most 2,147,483,647", option])
    assert len(err) < 500


@pytest.mark.parametrize("name", ["starts", "trials", "max_steps"])
def test_the_same_numbers_in_python(name):
    import mnemoscope as mn

    with pytest.raises(mn.MnemoscopeError, match=f"{name}=.*at most 2147483647"):
        mn.AuditOptions.of(**{name: 10**20})


# D13: what was given is repeated in part.
@pytest.mark.parametrize(
    "line",
    [
        "train {}", "audit {}", "report {}", "compare {} {}", "extract {}", "sweep plan {}",
        "sweep status {}", "sweep show {} x", "claims {}", "train digits --spec {}", "{}",
        "train digits --activation {}", "train digits --init {}", "train digits --net {}",
        "train digits --device {}", "audit runs/train --fail-on {}", "audit runs/train --scale {}",
        "audit runs/train --factory-args {}", "audit runs/train --budget {}", "train digits -n {}",
        "audit nets:{}", "train digits --{}", "train digits --out {}",
    ],
)  # fmt: skip
def test_a_message_repeats_little_of_what_was_given(trained, here, run, line):
    for long in ("x" * 5000, "x" * 100_000, "[" * 5000, "/a" * 4000):
        done = run(*(part.replace("{}", long) for part in line.split()))
        assert_refused(done)
        assert len(done.err) < 1500


# D14
@pytest.mark.parametrize("line", ["audit nowhere", "train digits -n 0"])
def test_a_standard_error_that_cannot_be_written(start, line):
    with open("/dev/full", "w") as full:
        done = start(*line.split(), stderr=full, anew=True)
        assert done.wait(timeout=600) == 2


@pytest.mark.parametrize("limit", [300_000, 500_000, 1_000_000])
def test_too_little_memory_for_the_libraries(start, limit):
    line = f"ulimit -v {limit}; exec {sys.executable} -m mnemoscope train digits -n 2"
    done = start(
        program=["-c", "import os, sys; os.execvp('sh', ['sh', '-c', sys.argv[1]])", line],
        anew=True,
    )
    _, err = done.communicate(timeout=600)
    assert "Traceback" not in err
    assert done.returncode != 0


def test_a_full_disk_is_reported_with_the_name_of_the_file(trained, here, start):
    before = tree(here)
    program = (
        "import resource, sys; resource.setrlimit(resource.RLIMIT_FSIZE, (3000, 3000))\n"
        "from mnemoscope.cli import main; main()"
    )
    line = ["audit", "runs/train/network.safetensors", *BRIEF, "--out", "new"]
    done = start(*line, program=["-c", program])
    _, err = done.communicate(timeout=600)
    assert done.returncode == 2, err
    assert err.count("\n") == 1
    assert "cannot write" in err
    assert "File too large" in err
    assert tree(here) == before


@pytest.mark.parametrize("column", ["configuration", "group", "loss"])
@pytest.mark.parametrize("missing", [True, False], ids=["missing", "empty"])
def test_a_row_that_lacks_something(swept, here, run, refused, column, missing):
    assert run("sweep", "report", "sweep", "--table", "t.parquet").code == 0
    frame = pl.read_parquet(here / "t.parquet")
    key = frame["key"][0]
    empty = pl.lit(None, frame.schema[column]).alias(column)
    frame = frame.drop(column) if missing else frame.with_columns(empty)
    frame.write_parquet(here / "t.parquet")
    line = ["sweep", "show", "t.parquet", key, "--out", "n.safetensors"]
    if not missing and column != "configuration":
        # It is trained by itself, and compared with nothing.
        assert run(*line).code == 0
        return
    refused(*line, says="without the column" if missing else "whose configuration is None")
