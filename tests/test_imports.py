"""The import graph of the package, including imports in functions and under TYPE_CHECKING."""

import ast
from pathlib import Path

import pytest

import mnemoscope

ROOT = Path(mnemoscope.__file__).parent
PACKAGE = ROOT.name


def module_name(path):
    parts = path.relative_to(ROOT.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


FILES = {module_name(path): path for path in ROOT.rglob("*.py")}


def imported_names(tree):
    """Dotted names of all imports: at the top, in functions, under TYPE_CHECKING, by string."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "imports inside the package are absolute"
            yield from (f"{node.module}.{alias.name}" for alias in node.names)
        elif isinstance(node, ast.Call):
            called = ast.unparse(node.func).rpartition(".")[2]
            if called in ("import_module", "__import__", "attach"):
                texts = (a.value for a in ast.walk(node) if isinstance(a, ast.Constant))
                yield from (text for text in texts if isinstance(text, str))


def resolved(name):
    """The module of the package that a dotted name is, or is in; None for other packages."""
    while name and name not in FILES:
        name = name.rpartition(".")[0]
    return name or None


def stub_names(module, stub):
    """Dotted names of the imports in a stub, which `lazy_loader.attach_stub` reads."""
    for node in ast.parse(stub.read_text(encoding="utf-8")).body:
        if isinstance(node, ast.ImportFrom):
            assert node.level == 1, "a stub imports relative to its package"
            home = f"{module}.{node.module}" if node.module else module
            yield from (f"{home}.{alias.name}" for alias in node.names)


def graph():
    edges = {}
    for module, path in FILES.items():
        names = [*imported_names(ast.parse(path.read_text(encoding="utf-8")))]
        if path.with_suffix(".pyi").exists():
            names += stub_names(module, path.with_suffix(".pyi"))
        edges[module] = {found for name in names if (found := resolved(name)) not in (None, module)}
    return edges


def a_cycle(edges):
    """Some cycle of a graph, as a list of its nodes; None if it has none."""
    done, path, on_path = set(), [], set()

    def follow(node):
        if node in on_path:
            return [*path[path.index(node) :], node]
        if node in done:
            return None
        path.append(node)
        on_path.add(node)
        for below in sorted(edges.get(node, ())):
            if (cycle := follow(below)) is not None:
                return cycle
        on_path.discard(path.pop())
        done.add(node)
        return None

    for start in sorted(edges):
        if (cycle := follow(start)) is not None:
            return cycle
    return None


def test_no_module_imports_one_that_imports_it():
    assert a_cycle(graph()) is None


def test_only_the_command_line_is_above_the_package_root():
    importing = {module for module, found in graph().items() if PACKAGE in found}
    assert importing == set()


@pytest.mark.parametrize(
    "source",
    [
        "def later():\n    from mnemoscope.nets import save\n",
        "if TYPE_CHECKING:\n    import mnemoscope.nets\n",
        "import_module('mnemoscope.nets')\n",
        "lazy_loader.attach(__name__, ['mnemoscope.nets'])\n",
        "importlib.import_module(name='mnemoscope.nets')\n",
    ],
)
def test_every_kind_of_import_is_seen(source):
    assert "mnemoscope.nets" in {resolved(name) for name in imported_names(ast.parse(source))}


def test_the_imports_of_a_stub_are_seen():
    assert f"{PACKAGE}.nets" in graph()[PACKAGE]


def test_a_cycle_is_found():
    assert a_cycle({"a": {"b"}, "b": {"c"}, "c": {"b"}}) == ["b", "c", "b"]
