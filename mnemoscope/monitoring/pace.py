"""The budget of a monitor: when it takes a snapshot, and at how many states.

With `T` the time of the training itself and `s` the share, snapshots may have cost `s T` so far.
One that is due is taken if it fits, by what the last one cost for each state, into `PLANNED s T`;
the rest is a reserve. Otherwise it is skipped, and the next one is considered again. The cost of
the first is unknown, so it is taken at few states; where one exceeds the share, the next waits
until that is paid back.
"""

from dataclasses import dataclass

MIN_STATES = 8
"""States of the first snapshot, and of any where time is short: fewer say nothing of a share."""

PLANNED = 0.5
"""The part of the share that is spent on the expected cost: a snapshot may cost twice that, and a
short training ends before it is paid back."""


@dataclass
class Pace:
    """The account of a monitor's time.

    Attributes:
        share: Share of the training's time that snapshots may take.
        most: Maximum number of states.
        states: States of the next snapshot.
        spent: Seconds that snapshots have taken.
        expected: Seconds that the next is expected to take.
    """

    share: float
    most: int
    states: int = 0
    spent: float = 0.0
    expected: float = 0.0

    def __post_init__(self) -> None:
        self.states = min(MIN_STATES, self.most)

    def affords(self, trained: float) -> bool:
        """Decides whether a snapshot fits, after this much training (s)."""
        return self.spent + self.expected <= PLANNED * self.share * trained

    def paid(self, cost: float, trained: float, dues: int) -> None:
        """Enters the cost of a snapshot, and decides at how many states the next one is taken.

        At as many as the budget will buy by then, if cost is proportional to states; a snapshot of
        more states costs less than that, since some of its cost is the same for any number. `dues`
        counts the snapshots that were due by now.
        """
        self.spent += cost
        allowed = PLANNED * self.share * (trained + trained / max(1, dues)) - self.spent
        scale = allowed / max(cost, 1e-9)
        before = self.states
        self.states = max(min(MIN_STATES, self.most), min(self.most, int(scale * before)))
        self.expected = cost * self.states / before
