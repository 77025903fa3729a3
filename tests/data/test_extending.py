"""What `docs/extending.md` shows works from a package that is installed in addition to this one."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from mnemoscope.base.discovery import Registry
from mnemoscope.base.errors import MnemoscopeError
from mnemoscope.data.readers import Reader
from mnemoscope.data.readers.registry import READERS

DOCS = (Path(__file__).parents[2] / "docs/extending.md").read_text(encoding="utf-8")

SCRIPT = """
import numpy as np, torch
from pathlib import Path
from mnemoscope.data import CORRUPTIONS, corrupt, load_data

X = torch.linspace(0, 1, 40).reshape(4, 10)
Z = corrupt(X, "flip", 0.5)[0]
assert bool(((Z == X) | torch.isclose(Z, 1 - X)).all()) and not torch.equal(Z, X)
assert CORRUPTIONS["flip"].label.describe(0.07) == "7% of the entries flipped"
pairs = np.arange(6, dtype=np.float32)
Path("x.pairs").write_bytes(b"PAIR" + pairs.tobytes())
assert load_data("x.pairs", n=2, offset=1).tolist() == [[2, 3], [4, 5]]
assert load_data("blobs:3", n=5).shape == (5, 3)
"""


@pytest.fixture
def installed(tmp_path):
    """A folder on the path with the package of the documentation, as pip installs it."""
    package = tmp_path / "my_package"
    package.mkdir()
    (package / "__init__.py").touch()
    for code in re.findall(r"```python\n(.*?)```", DOCS, re.DOTALL):
        (tmp_path / code.split('"')[3]).write_text(code)
    info = tmp_path / "my_package-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: my-package\nVersion: 1.0\n")
    toml = re.findall(r"```toml\n(.*?)```", DOCS, re.DOTALL)[0]
    entries = re.sub(r'\[project\.entry-points\."(.*)"\]', r"[\1]", toml).replace('"', "")
    (info / "entry_points.txt").write_text(entries)
    return tmp_path


def test_an_installed_package_adds_a_corruption_a_format_and_a_source(installed):
    path = os.pathsep.join([str(installed), str(Path(__file__).parents[2])])
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT],
        cwd=installed,
        env={**os.environ, "PYTHONPATH": path},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(
    ("value", "message"), [("math:pi", "names a float"), ("no_such_module:x", "cannot be imported")]
)
def test_an_entry_point_that_declares_nothing_is_refused(tmp_path, monkeypatch, value, message):
    info = tmp_path / "broken-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: broken\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(f"[mnemoscope.readers]\nbroken = {value}\n")
    monkeypatch.syspath_prepend(tmp_path)
    registry = Registry(Reader, f"{READERS.package}.registry", READERS.file)
    with pytest.raises(MnemoscopeError, match=message):
        list(registry)
