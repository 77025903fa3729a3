"""How often, and at how many states, a monitor can look without taking more than its share.

With `T` the time of the training itself and `s` the share, looks may have cost `s T` so far. A due
look is made if it fits, by what the last one cost for each state, into `PLANNED s T`; the rest is
for what it takes more than that. Else it is left out, and the next due one is asked again. What the
first one costs nobody knows, so it is at few states; should it exceed the share, or should any, the
next waits until that is paid back.
"""

from dataclasses import dataclass

FEWEST = 8
"""States of the first look, and of any where time is short: fewer say nothing of a share."""


PLANNED = 0.5
"""The part of the share that is spent on what looks are expected to take: one may take twice that,
and a short training ends before it is paid back."""


@dataclass
class Pace:
    """The account of a monitor's time.

    Attributes:
        share: Of the training's time that looks may take.
        most: States to look at, where there is time.
        states: States of the next look.
        spent: Seconds that looks have taken.
        expected: Seconds that the next is expected to take.
    """

    share: float
    most: int
    states: int = 0
    spent: float = 0.0
    expected: float = 0.0

    def __post_init__(self) -> None:
        self.states = min(FEWEST, self.most)

    def affords(self, trained: float) -> bool:
        """Whether a look fits, after so many seconds of training."""
        return self.spent + self.expected <= PLANNED * self.share * trained

    def paid(self, cost: float, trained: float, dues: int) -> None:
        """Enters a look, and decides at how many states the next one is.

        At as many as what there will be to spend when it is due buys, if cost is proportional to
        states: a look at more then costs less than that, since some of its cost is the same for
        any number.

        Args:
            cost: Seconds it took.
            trained: Seconds of training so far.
            dues: How many times a look was due by then.
        """
        self.spent += cost
        allowed = PLANNED * self.share * (trained + trained / max(1, dues)) - self.spent
        scale = allowed / max(cost, 1e-9)
        before = self.states
        self.states = max(min(FEWEST, self.most), min(self.most, int(scale * before)))
        self.expected = cost * self.states / before
