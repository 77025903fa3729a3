"""What a command prints when it is done."""

import json
import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

if TYPE_CHECKING:
    from torch import Tensor

    from mnemoscope.base.stats import Share
    from mnemoscope.results import Audit


WIDE = 120
"""Columns of a table where no terminal sets them."""


@contextmanager
def printing() -> Iterator[None]:
    """Prints inside; whoever closes the pipe early has enough of it, and changes nothing else."""
    try:
        yield
        sys.stdout.flush()
    except BrokenPipeError:
        # What is still buffered would raise once more when Python exits.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def print_json(values: Mapping[str, Any] | Sequence[Mapping[str, Any]]) -> None:
    """Prints one JSON object, or a list of them; NaN and infinity as null."""
    from mnemoscope.base.text import plain

    content = dict(values) if isinstance(values, Mapping) else [dict(value) for value in values]
    with printing():
        print(json.dumps(plain(content), indent=2, allow_nan=False))


def print_lines(*lines: str) -> None:
    """Prints lines as they are."""
    with printing():
        for line in lines:
            print(line)


def print_audit(audit: "Audit") -> None:
    """Prints the verdict and a small table of the numbers behind it."""
    from mnemoscope.base.stats import Rate

    console = Console(highlight=False)
    table = Table(box=None, pad_edge=False, show_header=True, header_style="dim")
    for column, justify in (("", "left"), ("count", "right"), ("of", "right"), ("95%", "left")):
        table.add_column(column, justify=justify)  # pyright: ignore[reportArgumentType]
    for name, rate in _rates(audit):
        interval = f"{rate.low:.3f} – {rate.high:.3f}" if isinstance(rate, Rate) else ""
        table.add_row(name, f"{rate.count:,}", f"{rate.total:,}", interval)
    with console.capture() as text:
        console.print(Text(audit.verdict, style="bold"), soft_wrap=not console.is_terminal)
        console.print(table)
    print_lines(*text.get().rstrip("\n").split("\n"))


def print_claims(rows: Sequence[Mapping[str, Any]]) -> None:
    """Prints a table of claims: prediction beside measurement, and the verdict."""
    console = Console(highlight=False)
    if not console.is_terminal:
        # A pipe has no width: nothing in it need be cut short.
        console = Console(highlight=False, width=WIDE)
    table = Table(box=None, pad_edge=False, show_header=True, header_style="dim")
    columns = ("claim", "predicted", "measured", "difference", "tolerance", "verdict", "runs", "s")
    for column in columns:
        words = column in ("claim", "verdict")
        # On a narrow terminal names are folded, numbers never.
        table.add_column(column, justify="left" if words else "right", no_wrap=not words)
    for row in rows:
        numbers = [_short(row[name]) for name in columns[1:5]]
        runs = f"{row['interpolated']} of {row['runs']}"
        verdict = row["verdict"].replace("_", " ")
        table.add_row(row["name"], *numbers, verdict, runs, f"{row['seconds']:.1f}")
    with console.capture() as text:
        console.print(table)
        for row in rows:
            console.print(f"\n{row['name']}: {row['statement']}", soft_wrap=True, style="bold")
            for check in row["checks"]:
                verdict = check["verdict"].replace("_", " ")
                console.print(
                    f"  {verdict}: {check['what']}: predicted {_short(check['predicted'])}, "
                    f"measured {_short(check['measured'])} "
                    f"(tolerance {_short(check['tolerance'])})",
                    soft_wrap=True,
                )
            if row["note"]:
                console.print(f"  {row['note']}", soft_wrap=True)
    print_lines(*text.get().rstrip("\n").split("\n"))


def _short(value: float | None) -> str:
    return "–" if value is None else f"{value:.4g}"


def _rates(audit: "Audit") -> list[tuple[str, "Share"]]:
    from mnemoscope.base.stats import Rate, Share

    summary = audit.summary
    rows: list[tuple[str, Share | None]] = [
        ("examples stored", summary.stored),
        ("examples disclosed", summary.disclosed),
        ("contractive: spectral radius < 1", summary.contractive),
        (
            "undecided whether contractive",
            Rate.of(summary.undecided, summary.examples) if summary.undecided else None,
        ),
        ("contractive: operator norm < 1", summary.contractive_in_norm),
        ("proved to be attractors", summary.certified),
    ]
    shown = (
        ("gaussian", 0.1, "recalled from noise of 0.1"),
        ("mask_pixels", 0.25, "recalled with 25% of pixels masked"),
        ("mask_block", 0.25, "recalled with a block of 25% masked"),
        ("mask_lower_half", 0.5, "recalled from the upper half"),
    )
    for corruption, strength, words in shown:
        for row in audit.curves.iter_rows(named=True):
            if row["corruption"] == corruption and row["strength"] == strength:
                rows.append((words, Rate.of(row["recalled"], row["trials"])))
    reached = summary.reached
    rows.append((f"pulled from pure noise ({reached.starts:,} starts)", reached))
    return [(name, rate) for name, rate in rows if rate is not None]


def duplicates_line(X: "Tensor") -> list[str]:
    """Says which examples are the same, in a line if there are any."""
    from mnemoscope.data import duplicates

    pairs = duplicates(X)
    if not pairs:
        return []
    named = ", ".join(f"{later} = {first}" for first, later in pairs[:5])
    more = f" and {len(pairs) - 5} more" if len(pairs) > 5 else ""
    noun = "example is a duplicate" if len(pairs) == 1 else "examples are duplicates"
    return [f"{len(pairs)} {noun}: {named}{more}."]
