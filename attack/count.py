"""Counts of attempts and faults, by kind."""

import sys
from collections import Counter
from dataclasses import dataclass, field

WRONG = ("tracebacks", "lost", "refused resumptions", "hangs", "other")


@dataclass
class Count:
    """Counts by kind.

    Attributes:
        tried: Number of attempts, by kind.
        ends: Number of attempts, by kind and exit status.
        faults: Number of faults, by kind and fault.
    """

    tried: Counter[str] = field(default_factory=Counter)
    ends: Counter[tuple[str, int]] = field(default_factory=Counter)
    faults: Counter[tuple[str, str]] = field(default_factory=Counter)

    @property
    def wrong(self) -> int:
        """All faults."""
        return sum(self.faults.values())

    def note(self, kind: str, code: int | None = None) -> None:
        """Counts one attempt."""
        self.tried[kind] += 1
        if code is not None:
            self.ends[kind, code] += 1

    def fault(self, kind: str, fault: str, detail: str) -> None:
        """Counts and prints a fault; `fault` is one of `WRONG`."""
        self.faults[kind, fault] += 1
        print(f"{fault}: {kind}: {detail}", file=sys.stderr, flush=True)

    def table(self) -> str:
        """The counts as a text table."""
        lines = [f"{'kind':<34}{'tried':>7}{'exit 0':>8}{'1':>5}{'2':>7}  wrong"]
        for kind in sorted(self.tried):
            ends = [self.ends[kind, code] for code in (0, 1, 2)]
            wrong = ", ".join(f"{n} {f}" for (k, f), n in self.faults.items() if k == kind)
            lines.append(
                f"{kind:<34}{self.tried[kind]:>7}{ends[0]:>8}{ends[1]:>5}{ends[2]:>7}  {wrong or 0}"
            )
        totals = {
            fault: sum(n for (_, f), n in self.faults.items() if f == fault) for fault in WRONG
        }
        lines.append(
            f"{sum(self.tried.values()):,} tried; "
            + ", ".join(f"{n} {f}" for f, n in totals.items())
        )
        return "\n".join(lines)
