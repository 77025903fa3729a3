"""The version of the code changes only when a number may change."""

import ast
import shutil
from importlib.util import find_spec
from pathlib import Path

import pytest

import mnemoscope
from mnemoscope.sweep import code_version as module
from mnemoscope.sweep.code_version import DECIDING, code_version, meaning

ROOT = Path(mnemoscope.__file__).parent

BEGIN = (
    "sweep/fitting.py",
    *(str(path.relative_to(ROOT)) for path in ROOT.glob("sweep/measurements/*.py")),
)
"""The modules that compute the numbers of a row."""

NO_NUMBERS = {
    "__init__.py",
    *(
        f"base/{name}.py"
        for name in (
            *("__init__", "bundle", "check", "discovery", "errors", "files", "interruption"),
            *("labels", "memory", "model", "provenance", "publishing", "quantity"),
            *("small_files", "tables", "text", "writers"),
        )
    ),
    "report",
    "sweep/columns.py",
}
"""Modules imported by these that affect no number."""


@pytest.fixture
def copy(tmp_path, monkeypatch):
    """A copy of the package whose version is computed."""
    root = tmp_path / "mnemoscope"
    for name in DECIDING:
        target = root / name
        target.parent.mkdir(parents=True, exist_ok=True)
        if (ROOT / name).is_dir():
            shutil.copytree(ROOT / name, target, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(ROOT / name, target)
    (root / "__init__.py").touch()
    found = type("Found", (), {"origin": str(root / "__init__.py")})
    monkeypatch.setattr(module, "find_spec", lambda _: found)
    return root


def version():
    return code_version.__wrapped__()


def test_it_is_the_same_in_another_place(copy):
    assert version() == code_version()


@pytest.mark.parametrize("name", ["sweep/fitting.py", "training/single.py", "measure/replicas.py"])
def test_a_changed_line_is_another_version(name, copy):
    before = version()
    file = copy / name
    file.write_text(file.read_text() + "\nx = 1\n")
    assert version() != before


def test_a_new_file_is_another_version(copy):
    before = version()
    (copy / "data/new.py").write_text("x = 1\n")
    assert version() != before


def test_another_pytorch_is_another_version(monkeypatch):
    before = version()
    monkeypatch.setattr(module.torch, "__version__", "1.0.0")
    assert version() != before


def test_a_comment_is_no_other_version(copy):
    before = version()
    file = copy / "sweep/fitting.py"
    file.write_text("# A comment.\n" + file.read_text() + "\n\n# Another.\n")
    assert version() == before


CODE = '''
def f(x):
    """Doubles."""
    return 2 * x
'''


@pytest.mark.parametrize(
    "other",
    [
        CODE.replace("Doubles", "Twice"),
        CODE.replace('    """Doubles."""\n', ""),
        CODE.replace("2 * x", "(2  *  x)  # doubled"),
        '"""About it."""\n' + CODE,
    ],
)
def test_words_and_layout_mean_nothing(other):
    assert meaning(other) == meaning(CODE)


@pytest.mark.parametrize(
    "other",
    [CODE.replace("2", "3"), CODE.replace("2 *", "2.0 *"), CODE.replace("2 * x", "'Doubles'")],
)
def test_what_is_computed_means_something(other):
    assert meaning(other) != meaning(CODE)


def test_every_module_that_a_number_passes_through_is_read():
    seen, waiting = set(), list(BEGIN)
    while waiting:
        name = waiting.pop()
        if name in seen or _inside(name, NO_NUMBERS):
            continue
        seen.add(name)
        waiting += _imported(name)
    assert len(seen) > 50
    assert sorted(name for name in seen if not _inside(name, DECIDING)) == []


def test_every_place_that_is_read_is_there():
    assert [name for name in DECIDING if not (ROOT / name).exists()] == []


def _inside(name, places):
    return any(name == place or name.startswith(f"{place}/") for place in places)


def _imported(name):
    """The files of the package that a file imports; those of type checking too."""
    found = []
    for node in ast.walk(ast.parse((ROOT / name).read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("mnemoscope"):
            for module_name in (node.module, *(f"{node.module}.{a.name}" for a in node.names)):
                try:
                    place = find_spec(module_name)
                except ModuleNotFoundError:
                    place = None
                if place is not None and place.origin and place.origin.endswith(".py"):
                    found.append(Path(place.origin).relative_to(ROOT).as_posix())
    return found
