"""What a command prints when it is done."""

import json
import os
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

if TYPE_CHECKING:
    from mnemoscope.auditing import Audit


@contextmanager
def printing() -> Iterator[None]:
    """Prints inside; whoever closes the pipe early has enough of it, and changes nothing else."""
    try:
        yield
        sys.stdout.flush()
    except BrokenPipeError:
        # What is still buffered would raise once more when Python exits.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def print_json(values: Mapping[str, Any]) -> None:
    """Prints one JSON object; NaN and infinity as null."""
    from mnemoscope.auditing.audit import plain

    with printing():
        print(json.dumps(plain(dict(values)), indent=2, allow_nan=False))


def print_lines(*lines: str) -> None:
    """Prints lines as they are."""
    with printing():
        for line in lines:
            print(line)


def print_audit(audit: "Audit") -> None:
    """Prints the verdict and a small table of the numbers behind it."""
    console = Console(highlight=False)
    table = Table(box=None, pad_edge=False, show_header=True, header_style="dim")
    for column, justify in (("", "left"), ("count", "right"), ("of", "right"), ("95%", "left")):
        table.add_column(column, justify=justify)  # pyright: ignore[reportArgumentType]
    for name, rate in _rates(audit):
        interval = f"{rate['low']:.3f} – {rate['high']:.3f}" if "low" in rate else ""
        table.add_row(name, f"{rate['count']:,}", f"{rate['total']:,}", interval)
    with console.capture() as text:
        console.print(Text(audit.verdict, style="bold"), soft_wrap=not console.is_terminal)
        console.print(table)
    print_lines(*text.get().rstrip("\n").split("\n"))


def _rates(audit: "Audit") -> list[tuple[str, dict[str, Any]]]:
    summary = audit.summary
    rows = [
        ("examples stored", summary["stored"]),
        ("contractive: spectral radius < 1", summary["contractive"]),
        ("contractive: operator norm < 1", summary["contractive_in_norm"]),
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
                rate = {"count": row["recalled"], "total": row["trials"], **row}
                rows.append((words, rate))
    reached = summary["reached_from_noise"]
    rows.append((f"pulled from pure noise ({reached['starts']:,} starts)", reached))
    return rows
