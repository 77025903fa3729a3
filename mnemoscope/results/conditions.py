"""Conditions on an audit, such as `stored>0` or `auc>0.6`, on which a pipeline fails.

A condition is `NAME OP NUMBER`, or a name alone, which means `NAME > 0`. A rate, such as `stored`,
is compared by its count; with a percent sign after the number, by its share. A condition on a
quantity that was not measured is an error: a pipeline must not pass because of a missing value.
"""

import math
import operator
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from difflib import get_close_matches
from itertools import product
from typing import Literal

from mnemoscope.base.errors import MnemoscopeError
from mnemoscope.base.quantity import Quantity
from mnemoscope.base.stats import Share
from mnemoscope.results.summary import QUANTITIES as LABELLED
from mnemoscope.results.summary import Summary
from mnemoscope.results.tables import SCORES

OPERATORS: dict[str, Callable[[float, float], bool]] = {
    ">=": operator.ge,
    "<=": operator.le,
    "==": operator.eq,
    "!=": operator.ne,
    ">": operator.gt,
    "<": operator.lt,
}
"""Longer ones first, so that the pattern matches `>=` before `>`."""

QUANTITIES: dict[str, Quantity] = {
    name: quantity
    for name, quantity in LABELLED.items()
    if name not in ("interpolated", "match_tol")
}
"""The rates, counts and numbers of a summary that a condition may be about."""

MEMBERSHIP = ("auc", "tpr_1", "tpr_01")
"""The measures of a score for membership: the area under its curve, and the share of
members found where 1% (0.1%) of the data not trained on are mistaken for members."""

ENDS = ("low", "high")
"""The ends of a 95% interval."""


Found = tuple[float, str]
"""A value that is compared, and the same in words."""


@dataclass(frozen=True)
class Condition:
    """A comparison of one number of a summary with a number.

    Attributes:
        name: One of `NAMES`.
        op: One of `OPERATORS`.
        number: The limit; a share between 0 and 1 where `percent` is true.
        percent: True if the number was given in percent.
    """

    name: str
    op: str
    number: float
    percent: bool = False

    def __str__(self) -> str:
        number = f"{100 * self.number:.12g}%" if self.percent else f"{self.number:.12g}"
        return f"{self.name} {self.op} {number}"

    @property
    def needs_held_out(self) -> bool:
        """True if it needs an audit with held-out data."""
        return self.name.startswith(MEMBERSHIP)

    def holds(self, summary: Summary) -> bool:
        """Evaluates the condition on an audit's summary.

        Raises:
            MnemoscopeError: the audit did not measure this.
        """
        return OPERATORS[self.op](_look_up(self, summary)[0], self.number)

    def explain(self, summary: Summary) -> str:
        """Formats the condition and the measured value: `stored > 0: 24 of 24`.

        Raises:
            MnemoscopeError: the audit did not measure this.
        """
        return f"{self}: {_look_up(self, summary)[1]}"


NAMES: dict[str, Literal["count", "share", "number"]] = {
    **{name: "number" if one.kind == "number" else "count" for name, one in QUANTITIES.items()},
    **{
        f"{name}_{end}": "share"
        for name, one in QUANTITIES.items()
        if one.kind == "rate"
        for end in ENDS
    },
    **{
        "_".join(filter(None, parts)): "share"
        for parts in product(MEMBERSHIP, ("", *SCORES), ("", *ENDS))
    },
}
"""The names of conditions, each with its kind: `count`, `share` (0 to 1) or `number`.

`RATE_low` and `RATE_high` are the ends of a rate's 95% interval. `auc` is the largest of all
scores, including the baseline, since an attacker takes the best; `auc_SCORE` is that of one score.
`auc_low` is the largest lower end of an interval, which rarely exceeds 1/2 by chance in a small
sample. `tpr_1` and `tpr_01` follow the same rules.
"""

_PATTERN = re.compile(
    rf"(?P<name>[A-Za-z]\w*)\s*(?:(?P<op>{'|'.join(OPERATORS)})\s*"
    r"(?P<number>[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?)\s*(?P<percent>%?))?"
)
_EXPECTED = 'NAME OP NUMBER, such as "stored>0", "stored>5%" or "auc>0.6"'


def parse_condition(text: str) -> Condition:
    """Reads a condition.

    Args:
        text: `NAME OP NUMBER` with one of `> >= < <= == !=` and optional spaces; with a percent
            sign after the number, a rate is compared by its share. A name alone means `NAME > 0`.

    Raises:
        MnemoscopeError: the text is no condition, the name is unknown, or the number does not fit.

    Example:
        >>> str(parse_condition("stored>=5%"))
        'stored >= 5%'
    """
    match = _PATTERN.fullmatch(text.strip())
    if match is None:
        raise MnemoscopeError(
            f'the condition "{text}"',
            expected=_EXPECTED,
            todo=f"use one of the operators {' '.join(OPERATORS)} and a plain number",
        )
    name = match["name"].lower()
    if name not in NAMES:
        meant = get_close_matches(name, NAMES, n=1)
        raise MnemoscopeError(
            f'the condition "{text}", whose {match["name"]} is not measured',
            expected=f"one of {', '.join((*QUANTITIES, *MEMBERSHIP))}",
            todo=f"did you mean {meant[0]}?" if meant else "choose one of them",
        )
    percent, number = bool(match["percent"]), float(match["number"] or 0)
    condition = Condition(name, match["op"] or ">", number / 100 if percent else number, percent)
    _check_number(condition, text)
    return condition


def parse_conditions(texts: Iterable[str]) -> tuple[Condition, ...]:
    """Reads conditions; a text may hold several, separated by commas.

    Raises:
        MnemoscopeError: a part is no condition.

    Example:
        >>> [str(condition) for condition in parse_conditions(["stored,spurious", "auc>0.6"])]
        ['stored > 0', 'spurious > 0', 'auc > 0.6']
    """
    return tuple(parse_condition(part) for text in texts for part in text.split(","))


def _check_number(condition: Condition, text: str) -> None:
    kind, number = NAMES[condition.name], condition.number
    is_rate = condition.name in QUANTITIES and QUANTITIES[condition.name].kind in ("rate", "share")
    if not math.isfinite(number):
        raise MnemoscopeError(
            f'the condition "{text}"', expected="a finite number", todo="choose a smaller one"
        )
    if condition.percent and kind != "share" and not is_rate:
        raise MnemoscopeError(
            f'the condition "{text}", in percent',
            expected=f"a plain number: {condition.name} is no share of a total",
            todo="leave out the percent sign",
        )
    if kind == "count" and not condition.percent and not number.is_integer():
        # stored>0.5 is meant as half of them, but would hold for one.
        raise MnemoscopeError(
            f'the condition "{text}", with a fraction',
            expected=f"a whole number: {condition.name} is a count",
            todo=f'write "{condition.name}{condition.op}{100 * number:.12g}%" for a share'
            if is_rate
            else "round it",
        )
    if (kind == "share" or condition.percent) and not 0 <= number <= 1:
        raise MnemoscopeError(
            f'the condition "{text}", which always or never holds',
            expected="a share between 0 and 1, or 0% and 100%",
            todo="choose one between",
        )


def _look_up(condition: Condition, summary: Summary) -> Found:
    name = condition.name
    base, end = _parts(name)
    if condition.needs_held_out:
        found = _membership(base, end, summary)
    elif QUANTITIES[base].kind in ("rate", "share"):
        found = _rate(getattr(summary, base), end, in_percent=condition.percent)
    else:
        found = _number(getattr(summary, base), QUANTITIES[base])
    if found is None or not math.isfinite(found[0]):
        raise MnemoscopeError(
            f'the condition "{condition}" on a quantity that this audit did not measure',
            expected=f"an audit that measures {name}",
            todo=_how_to_measure(name, summary),
            field=name,
        )
    return found


def _parts(name: str) -> tuple[str, str | None]:
    """Splits a name into the quantity and the end of its interval, if it names one."""
    base, _, last = name.rpartition("_")
    return (base, last) if last in ENDS else (name, None)


def _rate(rate: Share | None, end: str | None, *, in_percent: bool) -> Found | None:
    if rate is None or not rate.total:
        return None
    if end is None and not in_percent:
        return rate.count, rate.fraction
    share = rate.rate if end is None else getattr(rate, end)
    return share, f"{100 * share:.1f}% ({rate.fraction})"


def _number(value: float | None, quantity: Quantity) -> Found | None:
    if value is None:
        return None
    return value, f"{value:,}" if quantity.kind == "count" else f"{value:.3g}"


def _membership(base: str, end: str | None, summary: Summary) -> Found | None:
    # `tpr_1` begins no other name: `tpr_01` differs in its fifth letter.
    measure = next(name for name in MEMBERSHIP if base.startswith(name))
    asked = base.removeprefix(measure).removeprefix("_")
    membership = summary.membership
    # With too few held-out examples, a rate at few false positives was not measured.
    if membership is None or not getattr(membership.resolvable, measure, True):
        return None
    key = measure if end is None else f"{measure}_{end}"
    values = {
        name: value
        for name, score in membership.scores.known().items()
        if asked in ("", name) and (value := getattr(score, key)) is not None
    }
    if not values:
        return None
    best = max(values, key=lambda score: values[score])
    return values[best], f"{values[best]:.3f} ({best.replace('_', ' ')})"


def _how_to_measure(name: str, summary: Summary) -> str:
    if name.startswith(MEMBERSHIP):
        if not summary.membership:
            return (
                "pass --held-out DATA (held_out= in Python): examples outside of the training set"
            )
        return "pass more held-out examples, or choose another measure: these are too few for it"
    if name.startswith("recalled"):
        return "audit with the corruption gaussian at strength 0.1"
    if name.startswith("certified"):
        return "audit weights rather than a black box, with a version that certifies"
    return "audit again, or leave the condition out"
