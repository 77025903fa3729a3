"""Phrases that are not plain English are not used; codespell sees to the single words.

`.ci/words.txt` has the words, this file the phrases.
"""

import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PHRASES = {
    r"tells? of": "state, report, describe",
    r"lights? up": "is positive",
    r"if left out": "default: …",
    r"so many": "the number",
    r"held against": "compared with",
    r"of which": "whose, that",
}
"""Each phrase, as a regular expression, and what to write instead."""

IDIOMATIC = {"of which": ("all", "any", "both", "each", "either", "many", "most", "none", "some")}
"""Words before a phrase that make it plain English: each of which."""

READ = {".py", ".pyi", ".md", ".jinja", ".toml", ".sh", ".css", ".js", ""}


def files():
    """The files of the project that people write."""
    try:
        listed = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("not a git checkout")
    names = [name for name in listed.stdout.decode().splitlines() if Path(name).suffix in READ]
    return [name for name in names if (ROOT / name).exists() and name != "LICENSE"]


def found(phrase, text):
    """The places where a text has a phrase; it may be broken over two lines, also of a comment."""
    pattern = r"(\w*)\W{1,3}(" + phrase.replace(" ", r"\s+(?:# )?") + r")\b"
    return [
        match.group(2)
        for match in re.finditer(pattern, text, re.IGNORECASE)
        if match.group(1).lower() not in IDIOMATIC.get(phrase, ())
    ]


@pytest.mark.parametrize("phrase", PHRASES)
def test_no_file_has_the_phrase(phrase):
    own = Path(__file__).relative_to(ROOT).as_posix()
    places = [
        f"{name}: {match!r}, write: {PHRASES[phrase]}"
        for name in files()
        if name != own
        for match in found(phrase, (ROOT / name).read_text(encoding="utf-8"))
    ]
    assert places == []


def test_a_phrase_is_found_over_two_lines_and_not_where_it_is_idiomatic():
    assert found("tells? of", "what this\n# tells\n# of it") == ["tells\n# of"]
    assert found("of which", "two maps, of which one; two, each of which; the one of which") == [
        "of which",
        "of which",
    ]
