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
from mnemoscope.data.readers.reader import READERS

DOCS = (Path(__file__).parents[1] / "docs/extending.md").read_text(encoding="utf-8")

DATA = """
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

ADAPTER = """
import numpy as np, torch
import mnemoscope as mn

A, B = np.random.default_rng(0).normal(size=(2, 3, 3)).astype(np.float32)
np.savez("x.weights.npz", encode=A, decode=B)
f = mn.load_map("x.weights.npz")
assert f.shape == (3,)
z = torch.ones(2, 3)
assert torch.allclose(f(z), torch.tanh(z @ torch.tensor(A).T) @ torch.tensor(B).T)
"""

MEASUREMENT = """
import mnemoscope as mn
from mnemoscope.sweep import Design, load, run
from mnemoscope.sweep.executors import in_process

design = Design(
    name="norms",
    spec={"width": 8, "depth": 2},
    data={"source": "digits", "n": 2},
    training={"max_steps": 2},
    measure={"take": ["weight_norm"]},
    seeds=2,
)
assert run(design, "norms", executor=in_process()).done == 2
norms = sorted(load("norms").collect()["weight_norm"])
X, spec = mn.load_data("digits", n=2), mn.nets.FullyConnected(shape=(1, 8, 8), width=8, depth=2)
replicas = mn.train_replicas(spec, X, mn.TrainingOptions(max_steps=2), seeds=range(2))
by_hand = sorted(sum(float((p**2).sum()) for p in net.parameters()) ** 0.5 for net in replicas)
assert all(abs(a - b) < 1e-5 * b for a, b in zip(norms, by_hand, strict=True))
"""

COLUMN = """
import torch
import mnemoscope as mn
from mnemoscope.results.report_format import report_json

X = torch.tensor([[0.0, 1.0], [1.0, 0.0], [0.5, 0.5]])
audit = mn.audit(lambda z: 0.5 * (z + X[0]), X, starts=20, trials=2)
# The map halves the distance to the first example.
expected = (1 - 0.5**10) * (X - X[0]).square().mean(1).sqrt()
assert torch.allclose(torch.tensor(audit.examples["reach"].to_list()), expected)
assert audit.provenance["columns"] == [
    {"name": "reach", "kind": "number", "label": "distance after 10 steps", "unit": "unit"}
]
audit.save("saved")
assert mn.Audit.load("saved").examples.equals(audit.examples)
assert [row["reach"] for row in report_json(audit)["tables"]["examples"]][0] == 0.0
"""

CLAIM = """
from mnemoscope.claims import Scale
from mnemoscope.claims.claim import CLAIMS, run_claim

assert list(CLAIMS)[-1] == "depth-stores"
result = run_claim("depth-stores", Scale("quick"))
assert result.runs.height == 2 and set(result.runs["depth"]) == {4}
(check,) = result.checks
assert (check.measured >= 0.95) == (result.verdict == "holds") and check.runs == 2
"""


@pytest.fixture
def installed(tmp_path):
    """A folder on the path with the package of the documentation, as pip installs it."""
    package = tmp_path / "my_package"
    package.mkdir()
    (package / "__init__.py").touch()
    for code in re.findall(r"```python\n(.*?)```", DOCS, re.DOTALL):
        (tmp_path / re.findall(r"my_package/\w+\.py", code)[0]).write_text(code)
    info = tmp_path / "my_package-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: my-package\nVersion: 1.0\n")
    toml = re.findall(r"```toml\n(.*?)```", DOCS, re.DOTALL)[0]
    entries = re.sub(r'\[project\.entry-points\."(.*)"\]', r"[\1]", toml).replace('"', "")
    (info / "entry_points.txt").write_text(entries)
    return tmp_path


@pytest.mark.parametrize("script", [DATA, ADAPTER, COLUMN, MEASUREMENT, CLAIM])
def test_an_installed_package_adds_to_mnemoscope(installed, script):
    path = os.pathsep.join([str(installed), str(Path(__file__).parents[1])])
    done = subprocess.run(
        [sys.executable, "-c", script],
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
    registry = Registry(Reader, f"{READERS.package}.reader", READERS.file)
    with pytest.raises(MnemoscopeError, match=message):
        list(registry)
