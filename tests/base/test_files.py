import errno
import os
import stat
import subprocess
import sys

import polars as pl
import pytest

from mnemoscope.base.errors import MnemoscopeError
from mnemoscope.base.files import check_target, os_error, replacing

WRITERS = {
    "python": "path.write_bytes(bytes(100_000))",
    "safetensors": "save_file({'x': torch.zeros(30_000)}, path)",
    "polars": "pl.DataFrame({'x': range(90_000)}).write_parquet(path, compression='uncompressed')",
    "csv": "pl.DataFrame({'x': range(90_000)}).write_csv(path)",
}

LIMITS = (0, 5000, 20_000)

LIMITED = """
import resource
import polars as pl, torch
from safetensors.torch import save_file
from mnemoscope.base.errors import MnemoscopeError
from mnemoscope.base.files import replacing
hard = resource.getrlimit(resource.RLIMIT_FSIZE)[1]
for limit in {limits}:
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, hard))
    try:
        with replacing("target") as path:
            {write}
    except MnemoscopeError as error:
        print(error)
"""


@pytest.mark.parametrize("writer", WRITERS)
def test_a_full_disk_is_reported_with_the_name_of_the_file(tmp_path, writer):
    (tmp_path / "target").write_text("old")
    code = LIMITED.format(limits=LIMITS, write=WRITERS[writer])
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert len(lines) == len(LIMITS)
    for line in lines:
        assert line.startswith("cannot write target (")
        assert "expected a disk with room for it" in line
    assert [path.name for path in tmp_path.iterdir()] == ["target"]
    assert (tmp_path / "target").read_text() == "old"


@pytest.mark.parametrize(
    ("error", "number"),
    [
        (OSError(errno.EFBIG, "File too large"), errno.EFBIG),
        (pl.exceptions.ComputeError("No space left on device (os error 28)"), errno.ENOSPC),
        (pl.exceptions.ComputeError("File out of specification: Invalid thrift: transport error"),
         errno.ENOSPC),
        (ValueError("x"), None),
    ],
)  # fmt: skip
def test_the_number_of_an_error(error, number):
    assert os_error(error) == number


def test_errors_of_other_kinds_are_as_they_were(tmp_path):
    with pytest.raises(KeyError), replacing(tmp_path / "x"):
        raise KeyError
    with pytest.raises(FileNotFoundError), replacing(tmp_path / "x"):
        (tmp_path / "other").read_text()
    assert not list(tmp_path.iterdir())


def test_a_new_file_has_the_rights_of_any_other(tmp_path):
    before = os.umask(0o027)
    try:
        with replacing(tmp_path / "x") as path:
            path.write_text("x")
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "x").stat().st_mode) == 0o640


def test_a_name_as_long_as_a_name_can_be(tmp_path):
    for name in ("x" * 255, "é" * 127):
        with replacing(tmp_path / name) as path:
            path.write_text("x")
        assert (tmp_path / name).read_text() == "x"


def test_places_that_no_file_can_take(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "file").write_text("")
    for place, fragment in (
        (tmp_path, "folder"), (tmp_path / "pipe", "device"),
        (tmp_path / "file" / "x", "cannot write to"),
    ):  # fmt: skip
        with pytest.raises(MnemoscopeError, match=fragment):
            check_target(place)
    check_target(tmp_path / "file")
    check_target(tmp_path / "new")
