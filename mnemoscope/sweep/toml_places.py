"""On which line of a TOML file each key stands, which no reader of TOML tells."""

import itertools
import re
import tomllib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from mnemoscope.base.errors import MnemoscopeError

_BLANK = re.compile(r"[ \t]*")
_BLANKS = re.compile(r"(?:\s|#[^\n]*)*")
_STRING = re.compile(
    r'"""(?:\\.|[^\\])*?"{3,5}|'
    r"'''.*?'{3,5}|"
    r'"(?:\\.|[^"\\\n])*"|'
    r"'[^'\n]*'",
    re.DOTALL,
)
_PART = r"""(?:[A-Za-z0-9_-]+|"(?:\\.|[^"\\\n])*"|'[^'\n]*')"""
_PARTS = re.compile(_PART)
_KEY = re.compile(rf"{_PART}(?:[ \t]*\.[ \t]*{_PART})*")
_TOKEN = re.compile(
    r'"""(?:\\.|[^\\])*?"{3,5}|'
    r"'''.*?'{3,5}|#[^\n]*|"
    rf"(?P<key>{_KEY.pattern})|.",
    re.DOTALL,
)
_SCALAR = re.compile(r"[^,\]}#\n]*")

DEEPEST = 20
"""How deep tables and lists of a design may nest; a key may have as many dotted parts."""


def check_keys(text: str) -> None:
    """Makes sure that no key has more dotted parts than a design needs, each of which is a table.

    Args:
        text: TOML, valid or not.

    Raises:
        MnemoscopeError: one has.
    """
    for found in _TOKEN.finditer(text):
        key = found["key"]
        if found[0] in ("'", '"'):
            # A string without an end: no TOML, which its reader says better.
            return
        if key is not None and key.count(".") >= DEEPEST and len(_PARTS.findall(key)) > DEEPEST:
            line = text.count("\n", 0, found.start()) + 1
            raise MnemoscopeError(
                f"line {line}, a key with {len(_PARTS.findall(key)):,} dotted parts",
                expected=f"at most {DEEPEST}",
                todo=f"change line {line}",
            )


@dataclass(frozen=True)
class TomlPlaces:
    """Where the keys of a file stand.

    Attributes:
        file: As the file is named in messages.
        lines: Of every key, see `key_lines`.
    """

    file: str
    lines: Mapping[str, tuple[int, ...]]

    def told(self, paths: Iterable[str]) -> str:
        """The places of keys, such as `design.toml:14 and 15`; the file's name if there are none.

        A table that is written only as the first part of its keys has their places; a key that is
        not in the file that of the table that it would be in.

        Args:
            paths: Dotted, such as `grid.spec.depth` or `zip.0.training.lr`.
        """
        lines = sorted({line for path in paths for line in self._of(path)})
        if not lines:
            return self.file
        *first, last = map(str, lines)
        return f"{self.file}:{', '.join(first)}{' and ' if first else ''}{last}"

    def _of(self, path: str) -> tuple[int, ...]:
        while path not in self.lines:
            below = [at for key, at in self.lines.items() if key.startswith(f"{path}.")]
            if below or "." not in path:
                return tuple(itertools.chain.from_iterable(below))
            path = path.rpartition(".")[0]
        return self.lines[path]


def key_lines(text: str) -> dict[str, tuple[int, ...]]:
    r"""The line of every key and of every table of a TOML text.

    Args:
        text: TOML that `tomllib` reads.

    Returns:
        Lines, counted from 1, by the key's dotted path from the top; elements of arrays go by
        their index. A path has several lines if it is written both with dots and quoted.

    Example:
        >>> key_lines('[grid]\nspec.depth = [1, 2]\n[[zip]]\n"spec.width" = [8]')
        {'grid': (1,), 'grid.spec.depth': (2,), 'zip.0': (3,), 'zip.0.spec.width': (4,)}
    """
    scan = _Scan(text.replace("\r\n", "\n"))
    scan.document()
    return {path: tuple(lines) for path, lines in scan.found.items()}


class _Scan:
    def __init__(self, text: str) -> None:
        self.text = text
        self.at = 0
        self.line = 1
        self.found: dict[str, list[int]] = {}
        # How many tables each array of tables has so far.
        self.arrays: dict[str, int] = {}

    def document(self) -> None:
        table: tuple[str, ...] = ()
        self.skip(_BLANKS)
        while self.at < len(self.text):
            if self.text.startswith("[", self.at):
                table = self.header()
            else:
                self.pair(table)
            self.skip(_BLANKS)

    def header(self) -> tuple[str, ...]:
        repeated = self.text.startswith("[[", self.at)
        self.at += 2 if repeated else 1
        line = self.line
        *parents, last = self.key()
        self.at += 2 if repeated else 1
        table: tuple[str, ...] = ()
        for part in parents:
            table = self.newest((*table, part))
        table = (*table, last)
        if repeated:
            name = ".".join(table)
            self.arrays[name] = self.arrays.get(name, 0) + 1
            table = self.newest(table)
        self.note(table, line)
        return table

    def newest(self, table: tuple[str, ...]) -> tuple[str, ...]:
        """The last table of an array of tables; of another table itself."""
        count = self.arrays.get(".".join(table))
        return table if count is None else (*table, str(count - 1))

    def pair(self, table: tuple[str, ...]) -> None:
        line = self.line
        path = (*table, *self.key())
        self.note(path, line)
        self.at += 1
        self.value(path)

    def key(self) -> list[str]:
        """The parts of a key; what follows it, a `=` or `]`, comes next."""
        self.skip(_BLANK)
        text = self.skip(_KEY)
        self.skip(_BLANK)
        value = tomllib.loads(f"{text} = 0")
        parts: list[str] = []
        while isinstance(value, dict):
            ((part, value),) = value.items()
            parts.append(part)
        return parts

    def value(self, path: tuple[str, ...]) -> None:
        self.skip(_BLANK)
        if self.text.startswith("{", self.at):
            self.at += 1
            for _ in self.elements("}"):
                self.pair(path)
        elif self.text.startswith("[", self.at):
            self.at += 1
            for i in self.elements("]"):
                self.value((*path, str(i)))
        elif not self.skip(_STRING):
            self.skip(_SCALAR)

    def elements(self, end: str) -> Iterator[int]:
        """Stops at each element of an array or inline table, and behind it at the end."""
        i = 0
        self.skip(_BLANKS)
        while not self.text.startswith(end, self.at):
            yield i
            i += 1
            self.skip(_BLANKS)
            if self.text.startswith(",", self.at):
                self.at += 1
                self.skip(_BLANKS)
        self.at += 1

    def skip(self, pattern: re.Pattern[str]) -> str:
        match = pattern.match(self.text, self.at)
        if match is None:
            return ""
        self.line += match[0].count("\n")
        self.at = match.end()
        return match[0]

    def note(self, path: tuple[str, ...], line: int) -> None:
        self.found.setdefault(".".join(path), []).append(line)
