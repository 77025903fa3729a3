"""`Finding`: something an audit found, in the words of somebody who must decide."""

from dataclasses import dataclass
from typing import Literal

Kind = Literal[
    "extracted",
    "extracted_with_data",
    "recalled",
    "member",
    "stored",
    "spurious",
    "reproduced",
    "no_member",
    "nothing",
    "not_specific",
    "not_trained",
]
"""What a finding is about, the gravest first: this is the order they are told in."""

Severity = Literal["high", "medium", "low", "none"]
"""`high`: an example comes out with no data at all. `medium`: with some data, or it can be told
that it was trained on. `low`: something that may lead there. `none`: no finding, or a caveat."""

SEVERITIES: dict[Kind, Severity] = {
    "extracted": "high",
    "extracted_with_data": "medium",
    "recalled": "medium",
    "member": "medium",
    "stored": "medium",
    "spurious": "low",
    "reproduced": "low",
    "no_member": "none",
    "nothing": "none",
    "not_specific": "none",
    "not_trained": "none",
}
"""How grave each kind is."""

Certainty = Literal["proved", "observed", "not_specific", "not_found"]
"""`proved`: a certificate proves of every example named that it is stored. `observed`: by orbits or
statistics. `not_specific`: the same measurement lights up where nothing was learned. `not_found`:
nothing was, which is no proof."""


@dataclass(frozen=True)
class Finding:
    """Something an audit found, as it is told to somebody who must decide.

    Attributes:
        kind: What it is about.
        headline: The finding in one sentence.
        by_whom: What is needed to repeat it: weights or queries, data, how many applications.
        how_sure: What it rests on, with intervals.
        certainty: The same in one word.
        examples: Indices of the training examples it names.
    """

    kind: Kind
    headline: str
    by_whom: str
    how_sure: str
    certainty: Certainty
    examples: tuple[int, ...] = ()

    @property
    def severity(self) -> Severity:
        """How grave it is."""
        return SEVERITIES[self.kind]
