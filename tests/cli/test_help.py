"""The help of each command shows every option, its meaning and its default."""

import inspect
import re

import pytest

from mnemoscope import __version__
from mnemoscope.cli.app import COMMANDS
from mnemoscope.cli.train import train

from .conftest import options_of


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: command.__name__)
def test_every_option(run, wide, command):
    done = run(command.__name__, "--help")
    assert done.code == 0
    for name, parameter in options_of(command):
        several = parameter.kind is inspect.Parameter.VAR_POSITIONAL
        typed = name.upper() if several else f"--{name.replace('_', '-')}"
        (line,) = re.findall(rf".*{typed}\b .*", done.out)
        assert re.search(r"[a-z]{3,}.*\.|\[required\]", line)
        if parameter.default is None:
            assert re.search(r"left out|default: ", line)
        elif parameter.default is not inspect.Parameter.empty:
            assert f"[default: {parameter.default}]" in line


def test_nothing_heavy_is_imported(start):
    heavy = {"torch", "polars", "scipy", "pydantic", "altair", "numpy"}
    code = f"import sys; from mnemoscope.cli import app; print({heavy} & sys.modules.keys())"
    assert start(program=("-c", code), anew=True).communicate()[0] == "set()\n"


def test_help_does_without_markdown(start):
    code = (
        "import sys\nfrom mnemoscope.cli.app import app\napp(['audit', '--help'], "
        "result_action='return_value')\nassert 'markdown_it' not in sys.modules"
    )
    help = start(program=("-c", code), anew=True)
    out, err = help.communicate()
    assert (help.returncode, err) == (0, "")
    assert "`" not in out


def test_lines_of_a_docstring_are_joined(run, wide):
    paragraphs = inspect.getdoc(train).split("Args:")[0].strip().split("\n\n")
    assert any("\n" in paragraph for paragraph in paragraphs)
    help = run("train", "--help").out
    for paragraph in paragraphs:
        assert " ".join(paragraph.replace("`", "").split()) in help


def test_without_a_command_the_commands_are_shown(run):
    done = run()
    assert done.code == 0
    assert all(command.__name__ in done.out for command in COMMANDS)


def test_the_version(run):
    assert run("--version").out.strip() == __version__
