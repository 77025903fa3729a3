"""The lines of keys, against what `tomllib` reads."""

import tomllib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mnemoscope.sweep.toml_places import TomlPlaces, key_lines


@pytest.mark.parametrize(
    ("text", "lines"),
    [
        ("", {}),
        ("# a = 1\n", {}),
        ("a = 1 # b = 2\nc = 3", {"a": (1,), "c": (2,)}),
        ("a = 1\r\n\r\nb = 2\r\n", {"a": (1,), "b": (3,)}),
        ("[t]\n\n  k . 'x' = 1", {"t": (1,), "t.k.x": (3,)}),
        ('[ "t" . u ] # c\n"k.x" = 1', {"t.u": (1,), "t.u.k.x": (2,)}),
        ('[g]\na.b = 1\n"a.b" = 2', {"g": (1,), "g.a.b": (2, 3)}),
        ("a = [ # ] x = 1\n 1,\n]\nb = 1", {"a": (1,), "b": (4,)}),
        ('a = """\n[t]\nb = 1"""\nc = 1', {"a": (1,), "c": (4,)}),
        ("a = '''\n'b' = \"\"\"\n'''\nc = 1", {"a": (1,), "c": (4,)}),
        ('a = """ \\""" \n """""\nc = 1', {"a": (1,), "c": (3,)}),
        ('a = ""\nb = \'\'\nc = "\\" ]"', {"a": (1,), "b": (2,), "c": (3,)}),
        ('"a\\"b" = 1', {'a"b': (1,)}),
        ("a = { b = 1, c.d = [1, 2] }", {"a": (1,), "a.b": (1,), "a.c.d": (1,)}),
        (
            "z = [\n{ a = 1 },\n# x\n{ a = '''\n''', b = [] }\n]",
            {"z": (1,), "z.0.a": (2,), "z.1.a": (4,), "z.1.b": (5,)},
        ),
        (
            "[[z]]\na = 1\n[z.t]\nb = 1\n[[z]]\n[z.t]\nb = 1",
            {
                "z.0": (1,), "z.0.a": (2,), "z.0.t": (3,), "z.0.t.b": (4,),
                "z.1": (5,), "z.1.t": (6,), "z.1.t.b": (7,),
            },
        ),
        (
            "[[z]]\n[[z.y]]\n[[z.y]]\na = 1979-05-27 07:32:00",
            {"z.0": (1,), "z.0.y.0": (2,), "z.0.y.1": (3,), "z.0.y.1.a": (4,)},
        ),
    ],
)  # fmt: skip
def test_every_key_has_its_line(text, lines):
    tomllib.loads(text)
    assert key_lines(text) == lines


KEYS = st.text("ab-_1", min_size=1, max_size=3) | st.sampled_from(
    ['"x.y"', "'#'", '"["', '"\\u003d"']
)
VALUES = st.recursive(
    st.sampled_from(
        ["1", "-1.5e3", "true", "'a#]'", '"}\\""', '"""\n,"""', "'''\n\\'''", "07:32:00"]
    ),
    lambda inner: (
        st.lists(inner, max_size=3).map(lambda items: "[ # [\n" + ",\n".join(items) + "\n]")
        | st.dictionaries(KEYS, inner, max_size=3).map(
            lambda table: "{" + ", ".join(f"{key} = {value}" for key, value in table.items()) + "}"
        )
    ),
    max_leaves=6,
)


def paths(value, at=()):
    """The paths of all keys that have a value."""
    if isinstance(value, dict):
        for key, inner in value.items():
            yield ".".join((*at, key))
            yield from paths(inner, (*at, key))
    elif isinstance(value, list):
        for i, inner in enumerate(value):
            yield from paths(inner, (*at, str(i)))


@given(st.dictionaries(KEYS, VALUES, max_size=5))
def test_keys_and_lines_are_those_that_a_reader_finds(table):
    text, begin, line = "", {}, 1
    for key, value in table.items():
        statement = f"{key} = {value} # = '''\n"
        begin[next(iter(tomllib.loads(f"{key} = 1")))] = line
        text += statement
        line += statement.count("\n")
    try:
        read = tomllib.loads(text)
    except tomllib.TOMLDecodeError:
        return  # The same key, written in two ways.
    found = key_lines(text)
    assert set(found) == set(paths(read))
    assert {key: found[key][0] for key in read if "." not in key} == {
        key: line for key, line in begin.items() if "." not in key
    }


LINES = key_lines("name = 'a'\n[grid]\nspec.depth = [1]\n'spec.width' = [2]\n[data]\nn = 1")


@pytest.mark.parametrize(
    ("asked", "told"),
    [
        (["name"], "d.toml:1"),
        (["grid.spec.width", "grid.spec.depth"], "d.toml:3 and 4"),
        (["grid.spec.width", "data.n", "name"], "d.toml:1, 4 and 6"),
        (["grid.spec.depth", "grid.spec.depth"], "d.toml:3"),
        (["grid.spec.depth.low"], "d.toml:3"),
        (["data.source"], "d.toml:5"),
        (["training.lr"], "d.toml"),
        (["grid.spec"], "d.toml:3 and 4"),
        (["grid.spec.depths"], "d.toml:3 and 4"),
        ([], "d.toml"),
    ],
)
def test_places_are_told_in_order_of_lines(asked, told):
    assert TomlPlaces("d.toml", LINES).told(asked) == told
