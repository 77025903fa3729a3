import pickle

import pytest

from mnemoscope.base.errors import MnemoscopeError, shortened


@pytest.mark.parametrize("given", ["x" * 100_000, "x y " * 50_000, "a\nb" * 9000, "é" * 5000])
def test_a_message_repeats_little_of_what_was_given(given):
    error = MnemoscopeError(f"--data {given}", expected="a file", todo="check the path")
    text = str(error)
    assert text.startswith(f"--data {given[:3].strip().split()[0]}")
    assert text.endswith("; expected a file; check the path")
    assert len(text) < 450
    assert "\n" not in text
    assert error.given == f"--data {given}"


def test_words_are_cut_at_two_hundred_characters():
    text = shortened(f"a {'x' * 1000} b")
    assert text.startswith("a xxx")
    assert text.endswith("xxx b")
    assert max(map(len, text.split())) == 200


def test_a_command_to_paste_is_whole():
    todo = f"run the same command again: mnemoscope train {'x' * 700}"
    assert todo in str(MnemoscopeError("x", expected="y", todo=todo))


def test_short_messages_are_as_they_are():
    error = MnemoscopeError("a  b", expected="c\nd", todo="e")
    assert str(error) == "a b; expected c d; e"
    assert str(pickle.loads(pickle.dumps(error))) == str(error)
