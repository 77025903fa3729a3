"""The losses along a training's way, of which no more are kept than anyone will draw."""

from typing import Generic, TypeVar

HISTORY_ROWS = 1000
"""When the history grows longer than this, every second row of it is dropped."""

Row = TypeVar("Row")


class History(Generic[Row]):
    """Rows noted round by round, evenly thinned.

    Attributes:
        rows: What was noted, oldest first.
        stride: Rounds between two rows.
    """

    def __init__(self, rows: list[Row] | None = None, stride: int = 1) -> None:
        self.rows = [] if rows is None else rows
        self.stride = stride

    def note(self, round: int, row: Row) -> None:
        """Keeps the row if it is this round's turn."""
        if round % self.stride:
            return
        self.rows.append(row)
        if len(self.rows) > HISTORY_ROWS:
            self.rows = self.rows[1::2]
            self.stride *= 2
