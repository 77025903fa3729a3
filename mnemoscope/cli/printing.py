"""What a command prints when it is done."""

import json
import os
import sys
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

if TYPE_CHECKING:
    from torch import Tensor

    from mnemoscope.base.stats import Share
    from mnemoscope.results import Audit
    from mnemoscope.training import Fit

WIDE = 120
"""Columns of a table where no terminal sets them."""

RECALLED = (
    ("gaussian", 0.1, "recalled from noise of 0.1"),
    ("mask_pixels", 0.25, "recalled with 25% of pixels masked"),
    ("mask_block", 0.25, "recalled with a block of 25% masked"),
    ("mask_lower_half", 0.5, "recalled from the upper half"),
)
"""Corruption, strength and words of the rates of recall that are printed."""


@contextmanager
def printing() -> Iterator[None]:
    """Prints inside; a reader that closes the pipe early ends the printing and nothing else."""
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


@contextmanager
def printed_console() -> Iterator[Console]:
    """Prints what is written to a console inside; in a pipe nothing is cut short."""
    console = Console(highlight=False)
    if not console.is_terminal:
        console = Console(highlight=False, width=WIDE)
    with console.capture() as text:
        yield console
    print_lines(*text.get().rstrip("\n").split("\n"))


def plain_table(columns: Sequence[str], *, words: Collection[str]) -> Table:
    """Makes a table without lines; on a narrow terminal words are folded, numbers never."""
    table = Table(box=None, pad_edge=False, header_style="dim")
    for column in columns:
        is_words = column in words
        table.add_column(column, justify="left" if is_words else "right", no_wrap=not is_words)
    return table


def print_audit(audit: "Audit") -> None:
    """Prints the verdict and a small table of the numbers behind it."""
    from mnemoscope.base.stats import Rate

    table = plain_table(("", "count", "of", "95%"), words=("", "95%"))
    for name, rate in _rates(audit):
        interval = f"{rate.low:.3f} – {rate.high:.3f}" if isinstance(rate, Rate) else ""
        table.add_row(name, f"{rate.count:,}", f"{rate.total:,}", interval)
    with printed_console() as console:
        console.print(Text(audit.verdict, style="bold"), soft_wrap=not console.is_terminal)
        console.print(table)


def _rates(audit: "Audit") -> list[tuple[str, "Share"]]:
    from mnemoscope.base.stats import Rate, Share

    summary = audit.summary
    undecided = summary.undecided
    rows: list[tuple[str, Share | None]] = [
        ("examples stored", summary.stored),
        ("examples disclosed", summary.disclosed),
        ("contractive: spectral radius < 1", summary.contractive),
        (
            "undecided whether contractive",
            Rate.of(undecided, summary.examples) if undecided else None,
        ),
        ("contractive: operator norm < 1", summary.contractive_in_norm),
        ("proved to be attractors", summary.certified),
    ]
    for corruption, strength, words in RECALLED:
        for row in audit.curves.iter_rows(named=True):
            if row["corruption"] == corruption and row["strength"] == strength:
                rows.append((words, Rate.of(row["recalled"], row["trials"])))
    reached = summary.reached
    rows.append((f"pulled from pure noise ({reached.starts:,} starts)", reached))
    return [(name, rate) for name, rate in rows if rate is not None]


def finish_line(fit: "Fit") -> list[str]:
    """Says how a training was finished, in one line if it was."""
    finish = fit.record.finish
    if finish is None:
        return []
    words = {"least_squares": "the last layer by least squares", "gauss_newton": "Gauss-Newton"}
    return [
        f"Finished from a loss of {finish.loss_before:.1e}: {words[finish.method]}, an update of "
        f"{finish.update:.1%} of the weights."
    ]


def duplicates_line(X: "Tensor") -> list[str]:
    """Names the examples that are equal, in one line if there are any."""
    from mnemoscope.data import duplicates

    pairs = duplicates(X)
    if not pairs:
        return []
    named = ", ".join(f"{later} = {first}" for first, later in pairs[:5])
    more = f" and {len(pairs) - 5} more" if len(pairs) > 5 else ""
    noun = "example is a duplicate" if len(pairs) == 1 else "examples are duplicates"
    return [f"{len(pairs)} {noun}: {named}{more}."]
