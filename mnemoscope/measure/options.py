"""Options of an audit: how near is near, how much is tried, how it is carried out."""

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields
from typing import Any, Literal

from jaxtyping import Num
from torch import Tensor

from mnemoscope.base.check import one_of, real_number, whole_number
from mnemoscope.base.text import plain
from mnemoscope.dynamics.orbits import MAX_STEPS, TOL, OrbitOptions
from mnemoscope.dynamics.starts import STARTS
from mnemoscope.dynamics.stored import MATCH_TOL, checked_match_tol

MAX_PRODUCTS = 2_000
"""Maximum number of Jacobian-vector products at a state, by default."""


@dataclass(frozen=True)
class Tolerances:
    """How near counts as there, and how long is tried.

    Attributes:
        match_tol: The largest distance (RMS, in units) at which an attractor stores or discloses
            an example; see `mnemoscope.dynamics.stored`.
        tol: An orbit has converged when it is within this of its limit (RMS, in units).
        max_steps: Applications of the map after which an orbit counts as unsettled.
        max_products: Maximum number of Jacobian-vector products at each example; the table has the
            residuals.
        unit: The scale of the data: tolerances, distances and noise are shares of it (default:
            the map's, else that of `X`; see `mnemoscope.base.unit`). `per_feature`: each entry of a
            state has a unit of its own, its range over `X` (`mnemoscope.maps.feature_units`).

    Raises:
        MnemoscopeError: a field is out of range.
    """

    match_tol: float = MATCH_TOL
    tol: float = TOL
    max_steps: int = MAX_STEPS
    max_products: int = MAX_PRODUCTS
    unit: float | Literal["per_feature"] | None = None

    def __post_init__(self) -> None:
        checked_match_tol(self.match_tol)
        real_number("tol", self.tol, above=0)
        whole_number("max_steps", self.max_steps, least=1)
        whole_number("max_products", self.max_products, least=1)


@dataclass(frozen=True)
class AuditOptions:
    """What an audit tries.

    Attributes:
        starts: Starts of each distribution.
        trials: Corrupted copies of each example for each corruption and strength.
        tolerances: How near counts as there.
        corruptions: The strengths of each corruption to try (default: those of
            `mnemoscope.data.CORRUPTIONS` that states of this shape admit).
        start_kinds: Distributions of starts: names in `mnemoscope.dynamics.STARTS`.
        spectrum_size: Leading eigenvalues to compute at each example.
        certificates: Maximum number of stored examples whose attractors are to be proved; takes
            about a second for each.
        batch_size: States evaluated at once (default: what is fast and fits into memory).

    Raises:
        MnemoscopeError: a field is out of range.
    """

    starts: int = 1000
    trials: int = 10
    tolerances: Tolerances = field(default_factory=Tolerances)
    corruptions: Mapping[str, Sequence[float]] | None = None
    start_kinds: Sequence[str] = tuple(STARTS)
    spectrum_size: int = 6
    certificates: int = 100
    batch_size: int | None = None

    def __post_init__(self) -> None:
        for name in ("starts", "trials", "spectrum_size"):
            whole_number(name, getattr(self, name), least=1)
        whole_number("certificates", self.certificates, least=0)
        if self.batch_size is not None:
            whole_number("batch_size", self.batch_size, least=1)
        for kind in self.start_kinds:
            one_of("start_kinds", kind, STARTS)

    @classmethod
    def of(cls, **values: Any) -> "AuditOptions":
        """Sorts fields of the options and of their tolerances, as a design or command gives them.

        Raises:
            MnemoscopeError: a name is no field, or a value is out of range.

        Example:
            >>> AuditOptions.of(starts=20, match_tol=0.02).tolerances.match_tol
            0.02
        """
        own, near = (_names(each) for each in (cls, Tolerances))
        for name in values:
            one_of("option of an audit", name, (*own, *near))
        tolerances = Tolerances(**{name: value for name, value in values.items() if name in near})
        rest = {name: value for name, value in values.items() if name in own}
        return cls(**{"tolerances": tolerances, **rest})

    @property
    def orbits(self) -> OrbitOptions:
        """The options of orbits."""
        near = self.tolerances
        return {"tol": near.tol, "max_steps": near.max_steps, "batch_size": self.batch_size}

    def record(self) -> dict[str, Any]:
        """Returns all fields, those of the tolerances among them, as JSON values."""
        values = asdict(self)
        return plain({**values, **values.pop("tolerances")})


@dataclass(frozen=True)
class AuditRun:
    """How an audit is carried out, and what is recorded with it; it changes no number.

    Attributes:
        name: What to call the map in the report (default: the module's class).
        source: How the data were loaded, for the provenance; JSON values.
        command: The command that asked for this audit, for the provenance.
        checkpoint: A file. Finished parts are written to it on Ctrl-C and about every minute; where
            it exists, this very audit continues from them. It is left there at the end.
        leaves_out: Called with the name of each part before it begins; a part for which it returns
            true is left out, and listed in `summary.left_out`.
        on_progress: Called with a few words before each part of the work.
        among: `(m, *shape)`, all training examples, where those to be audited are a part of them.
            They give the unit; the distance to the nearest other example is that among all of them;
            and an attractor within `match_tol` of any of them is not spurious. No copy is made.
    """

    name: str | None = None
    source: Mapping[str, Any] | None = None
    command: str | None = None
    checkpoint: str | os.PathLike[str] | None = None
    leaves_out: Callable[[str], bool] = lambda _: False
    on_progress: Callable[[str], object] = lambda _: None
    among: Num[Tensor, "m *shape"] | None = None


def _names(kind: type) -> tuple[str, ...]:
    return tuple(each.name for each in fields(kind))
