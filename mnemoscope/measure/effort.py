"""How much of an audit fits into a time: what it costs by its parts, and what is left out.

The cost of a part of an audit is taken to be `a + b u` with `u` the amount of work in it, such as
the number of examples or of starts. Two pilots give `a` and `b`. Of all amounts asked for the same
share is done, the largest whose predicted cost fits, but not less than `FEWEST`.
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass

from mnemoscope.base.check import whole_number
from mnemoscope.base.errors import MnemoscopeError
from mnemoscope.measure.controls import EACH, EXAMPLES, TRIALS
from mnemoscope.measure.frames import NOISE_STRIPS, RECALL_STRIPS
from mnemoscope.measure.plane import SIDE


@dataclass(frozen=True)
class Amounts:
    """How much of each kind of work an audit does.

    Attributes:
        examples: Training examples, drawn at random where these are not all.
        starts: Starts of each distribution.
        trials: Corrupted copies of each example for each corruption and strength.
        certificates: Stored examples whose attractors are to be proved, at most.
    """

    examples: int
    starts: int
    trials: int
    certificates: int


FEWEST = Amounts(examples=10, starts=50, trials=1, certificates=0)
"""What is done in any case, unless less was asked for: fewer say hardly anything."""


@dataclass(frozen=True)
class Effort:
    """What an audit may take.

    Attributes:
        minutes: The time it is planned for, pilots included (min).
        examples: Training examples to audit at most (default: all).
        starts: Starts of each distribution, at most.
        trials: Corrupted copies, at most.
        certificates: Examples whose attractors are to be proved, at most.

    Raises:
        MnemoscopeError: a number is out of range.
    """

    minutes: float
    examples: int | None = None
    starts: int = 1000
    trials: int = 10
    certificates: int = 100

    def __post_init__(self) -> None:
        if not 0 < self.minutes < math.inf:
            raise MnemoscopeError(
                f"minutes={self.minutes}", expected="a time above 0", todo="pass for example 5"
            )
        if self.examples is not None:
            whole_number("examples", self.examples, least=1)
        for name in ("starts", "trials"):
            whole_number(name, getattr(self, name), least=1)
        whole_number("certificates", self.certificates, least=0)

    def asked(self, n: int) -> Amounts:
        """The amounts asked for, of `n` examples."""
        examples = n if self.examples is None else min(n, self.examples)
        return Amounts(examples, self.starts, self.trials, self.certificates)


def share_of(asked: Amounts, share: float) -> Amounts:
    """The same share of each amount, rounded down, but not less than `FEWEST`."""
    fewest = asdict(FEWEST)
    return Amounts(
        **{
            name: max(min(fewest[name], value), int(share * value))
            for name, value in asdict(asked).items()
        }
    )


UNITS: dict[str, Callable[[Amounts], float]] = {
    "the examples": lambda amounts: amounts.examples,
    "orbits from noise": lambda amounts: amounts.starts,
    "orbits from corrupted examples": lambda amounts: amounts.examples * amounts.trials,
    "certificates": lambda amounts: min(amounts.certificates, amounts.examples),
}
"""The amount of work in the parts of an audit that pilots time, by their names; that in the others
does not depend on the amounts."""


@dataclass(frozen=True)
class Costs:
    """What the parts of an audit cost.

    Attributes:
        fixed: Seconds that do not depend on the amounts, by part.
        each: Seconds for a unit of work, by part.
    """

    fixed: Mapping[str, float]
    each: Mapping[str, float]

    def of(self, amounts: Amounts) -> float:
        """Predicts the seconds of an audit with these amounts."""
        work = sum(self.each[part] * UNITS[part](amounts) for part in self.each)
        return sum(self.fixed.values()) + work


def costs(*pilots: tuple[Amounts, Mapping[str, float]]) -> Costs:
    """Computes costs from the amounts of one or two pilots and the seconds of their parts.

    With one pilot all of a part's time is taken for work, and so it is where the second pilot was
    not slower: predictions err on the side of less work.
    """
    fixed: dict[str, float] = {}
    each: dict[str, float] = {}
    amounts, seconds = pilots[-1]
    for part, taken in seconds.items():
        if part not in UNITS:
            fixed[part] = taken
            continue
        units, slope = UNITS[part](amounts), 0.0
        if len(pilots) == 2:
            first, before = pilots[0]
            more = units - UNITS[part](first)
            slope = (taken - before.get(part, 0.0)) / more if more > 0 else 0.0
        if slope <= 0:
            slope = taken / units if units else 0.0
        each[part] = slope
        fixed[part] = max(0.0, taken - slope * units)
    return Costs(fixed, each)


def optional(known: Costs, amounts: Amounts, held_out: int) -> dict[str, float]:
    """Predicts the seconds of the parts that may be left out, the most useful first.

    Pilots leave them out: each does what other parts do, a known number of times.

    Args:
        known: What the parts cost that were timed.
        amounts: The amounts that are done.
        held_out: The number of held-out states.
    """
    example = known.each.get("the examples", 0.0)
    # A start of each distribution.
    starts = known.each.get("orbits from noise", 0.0)
    copy = known.each.get("orbits from corrupted examples", 0.0)
    examples, trials = min(amounts.examples, EXAMPLES), min(amounts.trials, TRIALS)
    # The trained map, one with fresh weights, and the trained map at held-out states.
    maps = 3 if held_out else 2
    control = examples * (example + copy * trials) + starts * min(amounts.starts, EACH)
    seconds = {"controls": maps * control}
    if held_out:
        seconds["orbits from held-out data"] = held_out * starts
        seconds["membership"] = held_out * example + (held_out + amounts.examples) * starts
    strips = min(amounts.examples, RECALL_STRIPS) + NOISE_STRIPS
    return {**seconds, "pictures of orbits": strips * starts, "basins on a plane": SIDE**2 * starts}


def affordable(known: Costs, asked: Amounts, seconds: float) -> Amounts:
    """The largest share of all amounts that fits into a time; at least `FEWEST`."""
    if known.of(asked) <= seconds:
        return asked
    low, high = 0.0, 1.0
    # Halved to less than one start of a million.
    for _ in range(30):
        middle = (low + high) / 2
        low, high = (
            (middle, high) if known.of(share_of(asked, middle)) <= seconds else (low, middle)
        )
    return share_of(asked, low)


def left_out(asked: Amounts, done: Amounts) -> list[str]:
    """Says what of the amounts asked for is not done: `900 of 1,000 examples`."""
    words = {
        "examples": "examples",
        "starts": "starts of each distribution",
        "trials": "corrupted copies of each example and strength",
        "certificates": "certificates",
    }
    mine = asdict(done)
    return [
        f"{value - mine[name]:,} of {value:,} {words[name]}"
        for name, value in asdict(asked).items()
        if mine[name] < value
    ]
