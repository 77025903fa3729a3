"""Rules of the code that no linter has: the length of functions, the one home of a fact."""

import ast
import re
from pathlib import Path

import pytest

import mnemoscope

ROOT = Path(mnemoscope.__file__).parent
TREES = {
    path.relative_to(ROOT).as_posix(): ast.parse(path.read_text(encoding="utf-8"))
    for path in sorted(ROOT.rglob("*.py"))
}
MAX_LINES = 60
"""Maximum number of lines of a function, without its docstring."""


def functions(tree):
    return [n for n in ast.walk(tree) if isinstance(n, ast.FunctionDef | ast.AsyncFunctionDef)]


def lines_of(function):
    """The number of lines of a function without its docstring."""
    first = function.body[0]
    has_docstring = isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant)
    docstring = first.end_lineno - first.lineno + 1 if has_docstring else 0
    return function.end_lineno - function.lineno + 1 - docstring


def imports(tree):
    """The (module, name) pairs that a module imports."""
    return {
        (node.module, alias.name)
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
    }


@pytest.mark.parametrize("path", TREES)
def test_no_function_is_longer_than_a_screen(path):
    long = {f.name: lines_of(f) for f in functions(TREES[path]) if lines_of(f) > MAX_LINES}
    assert long == {}


def test_the_length_of_a_function_is_that_without_its_docstring():
    (function,) = ast.parse('def f():\n    """One.\n\n    Two.\n    """\n    return 1\n').body
    assert lines_of(function) == 2


NO_VERBS = {"Always", "As", "Bytes", "Examples", "Its", "Less", "Parts", "Seconds", "This"}
"""Words that end like a verb in the third person."""


def lacks_verb(function):
    """Whether a docstring does not begin with a verb; attributes and commands need none in -s."""
    decorators = [ast.unparse(decorator) for decorator in function.decorator_list]
    docstring = ast.get_docstring(function)
    if not docstring or any(part in name for name in decorators for part in ("property", "setter")):
        return False
    first = re.match(r"\W*(\w*)", docstring)[1]
    return not first.endswith("s") or first in NO_VERBS


@pytest.mark.parametrize("path", [path for path in TREES if not path.startswith("cli/")])
def test_the_docstring_of_a_function_begins_with_a_verb(path):
    assert [f.name for f in functions(TREES[path]) if lacks_verb(f)] == []


def test_a_docstring_without_a_verb_is_found():
    tree = ast.parse('def f():\n    """The number."""\n\ndef g():\n    """Counts."""\n')
    assert [lacks_verb(f) for f in tree.body] == [True, False]


@pytest.mark.parametrize("path", TREES)
def test_layouts_are_left_to_the_formatter(path):
    assert "fmt: " + "skip" not in (ROOT / path).read_text(encoding="utf-8")


@pytest.mark.parametrize(("name", "home"), [("Rate", "base/stats.py"), ("wilson", "base/stats.py")])
def test_a_fact_has_one_home(name, home):
    defined = [
        path
        for path, tree in TREES.items()
        if any(isinstance(n, ast.ClassDef | ast.FunctionDef) and n.name == name for n in tree.body)
    ]
    assert defined == [home]
    module = "mnemoscope." + home.removesuffix(".py").replace("/", ".")
    homes = {found for tree in TREES.values() for found, known in imports(tree) if known == name}
    assert homes == {module}


def test_the_matching_tolerance_is_defined_with_stored_examples():
    homes = {
        path
        for path, tree in TREES.items()
        for node in tree.body
        if isinstance(node, ast.Assign | ast.AnnAssign)
        for target in (node.targets if isinstance(node, ast.Assign) else [node.target])
        if isinstance(target, ast.Name) and target.id == "MATCH_TOL"
    }
    assert homes == {"dynamics/stored.py"}


def exported(init, tree):
    """The names that a package imports into its own namespace, with the modules they are from."""
    package = ("mnemoscope/" + init).removesuffix("/__init__.py").replace("/", ".")
    return {(name, module) for module, name in imports(tree) if module != package}


@pytest.mark.parametrize(
    "init",
    [path for path in TREES if path.endswith("/__init__.py") and not path.startswith("cli/")],
)
def test_a_module_does_not_share_its_name_with_what_its_package_exports(init):
    folder = (ROOT / init).parent
    modules = {path.stem for path in folder.iterdir() if path.suffix == ".py" or path.is_dir()}
    assert {name for name, _ in exported(init, TREES[init])} & modules == set()


def test_a_summary_is_read_by_attributes():
    from mnemoscope.results.summary import Summary

    assert not hasattr(Summary, "__getitem__")
    assert not hasattr(Summary, "get")
