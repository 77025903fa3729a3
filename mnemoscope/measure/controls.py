"""Negative controls: the same measurements where nothing can have been memorized.

What is measured at the examples of a trained network tells of memorization only if it comes out
otherwise (a) on a network of the same architecture that was never trained, and (b) at examples that
the trained network has never seen. A measurement that says yes there too is *not specific*. An
untrained network with small weights is nearly constant, so it contracts everywhere, and all orbits
end at its one attractor: that a map contracts, or that orbits settle, is by itself no memory.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Unpack

import polars as pl
import torch
from jaxtyping import Float, Int
from torch import Tensor

from mnemoscope.base.check import LARGEST_SEED, whole_number
from mnemoscope.base.errors import MnemoscopeError
from mnemoscope.data.given import given_examples
from mnemoscope.dynamics.atlas import Atlas
from mnemoscope.dynamics.orbits import OrbitOptions
from mnemoscope.dynamics.outcomes import Outcomes, reached_by
from mnemoscope.dynamics.starts import STARTS, Range
from mnemoscope.dynamics.stored import MATCH_TOL
from mnemoscope.linalg import spectral_radius
from mnemoscope.linalg.bounded import DENSE_BOUND_SIZE
from mnemoscope.maps import SelfMap, check_map
from mnemoscope.maps.self_map import Stage, as_self_map, in_unit_of_data
from mnemoscope.maps.untrained import untrained
from mnemoscope.measure.basins import from_noise
from mnemoscope.measure.examples import Examined, Linearized, examine
from mnemoscope.measure.recall import measure_recall
from mnemoscope.measure.summary import rate
from mnemoscope.results.tables import NOISE, SPECTRA

EXAMPLES = 100
"""States that each control looks at, at most: a rate is then known to 10 percentage points at worst
(the half-width of Wilson's interval), and a control is to tell none from many."""

EACH = 50
"""Starts of each kind of noise. An attractor of a tenth of a basin is missed by 0.9^50 = 0.5%."""

TRIALS = 2
"""Corrupted copies of each example: at 100 examples they tell a rate to 7 percentage points."""

MUCH_LESS = 0.1
"""A measurement is specific where a control says yes less than a tenth as often: a yes then speaks
for memory at odds of ten to one, what is called strong evidence (Jeffreys 1961, appendix B)."""

MEASUREMENTS = (
    "stored",
    "contractive",
    "contractive_in_norm",
    "recalled",
    "reached_from_noise",
    "settled",
)
"""What is judged, in this order. The first five are named as in `Audit.summary`; `settled` is the
share of starts from noise that end at any attractor."""


@dataclass(frozen=True)
class Measured:
    """The measurements of one map at one set of states.

    Attributes:
        rates: Of each of `MEASUREMENTS` that can be had of the map (`contractive_in_norm` takes
            products with the transposed Jacobian): count, total and 95% interval.
        attractors: How many were found from noise.
        fixed_points: How many of these are fixed points.
        starts: How many starts from noise there were.
    """

    rates: dict[str, dict[str, Any]]
    attractors: int
    fixed_points: int
    starts: int

    def summary(self) -> dict[str, Any]:
        """JSON values."""
        found = {"attractors": self.attractors, "fixed_points": self.fixed_points}
        return {**self.rates, **found, "starts": self.starts}


@dataclass(frozen=True)
class Controls:
    """The same measurements of the trained map at its examples and of both controls.

    Attributes:
        trained: Of the map at its examples.
        untrained: Of the architecture with fresh weights at the same examples; a sentence that says
            why not, where none can be drawn.
        held_out: Of the map at examples it was not trained on; None without any.
    """

    trained: Measured
    untrained: Measured | str
    held_out: Measured | None

    def not_specific_to(self, control: Measured) -> list[str]:
        """The measurements that light up on a control, in the order of `MEASUREMENTS`.

        One does if it ever says yes there, and not clearly less often than of the trained map at
        its examples: the 95% intervals overlap, or the share is above a tenth of it (`MUCH_LESS`).
        """
        here = self.trained.rates
        # Fresh weights may have derivatives where the trained ones have steps.
        both = ((name, there) for name, there in control.rates.items() if name in here)
        return [name for name, there in both if _lights_up(here[name], there)]

    @property
    def not_specific(self) -> list[str]:
        """The measurements that light up on any control."""
        made = [c for c in (self.untrained, self.held_out) if isinstance(c, Measured)]
        lit = {name for control in made for name in self.not_specific_to(control)}
        return [name for name in MEASUREMENTS if name in lit]

    def summary(self) -> dict[str, Any]:
        """JSON values: `trained`, `untrained`, `held_out`, `not_specific`."""
        return {
            "trained": self.trained.summary(),
            "untrained": {"why_not": self.untrained}
            if isinstance(self.untrained, str)
            else self._judged(self.untrained),
            "held_out": None if self.held_out is None else self._judged(self.held_out),
            "not_specific": self.not_specific,
        }

    def _judged(self, control: Measured) -> dict[str, Any]:
        return {**control.summary(), "not_specific": self.not_specific_to(control)}


def controls(
    f: Stage | SelfMap,
    X: Float[Tensor, "n *shape"],
    held_out: Float[Tensor, "h *shape"] | None = None,
    *,
    seed: int = 0,
    match_tol: float = MATCH_TOL,
    starts: int = EACH,
    trials: int = TRIALS,
    known: Linearized | None = None,
    drawn: tuple[Atlas, list[Outcomes]] | None = None,
    max_products: int = 2_000,
    start_kinds: Sequence[str] = tuple(STARTS),
    **options: Unpack[OrbitOptions],
) -> Controls:
    """Measures a map at its examples, and both controls, all three in the same way.

    With so few starts and copies that all three together cost a fraction of an audit with its 1,000
    starts of each kind and 10 copies of each corruption: `EXAMPLES`, `EACH`, `TRIALS`. So counts
    here may be lower than the audit's own; they are there to be compared with each other.

    Args:
        f: The network, a `SelfMap` or any callable that acts on a batch.
        X: `(n, *shape)`, what it was trained on.
        held_out: `(h, *shape)`, what it was not.
        seed: Of the untrained network, the starts, the corruptions, and the choice among more than
            `EXAMPLES` states.
        match_tol: The largest distance (RMS, in units) at which an attractor stores an example.
        starts: Starts of each kind of noise.
        known: The derivative of the map at each example, where it was computed before; with
            `drawn` all that an audit measured there.
        drawn: The attractors of the map and where these very starts ended, where they were followed
            before.
        trials: Copies of each example with Gaussian noise of standard deviation 0.1.
        max_products: Jacobian-vector products at each state, at most.
        start_kinds: Names in `mnemoscope.dynamics.STARTS`.
        **options: `tol`, `max_steps` and `batch_size`, as `iterate` takes them.

    Raises:
        MnemoscopeError: `X` or `held_out` is no batch of states, the map makes NaN or infinity of
            one, or an option is out of range.

    Example:
        >>> from mnemoscope.nets import FullyConnected
        >>> net = FullyConnected(shape=(1, 4, 4), width=16, depth=3).build(seed=0)
        >>> X = torch.rand(20, 1, 4, 4, generator=torch.Generator().manual_seed(0))
        >>> controls(net, X).not_specific
        ['contractive', 'contractive_in_norm', 'settled']
    """
    for name, value in (("starts", starts), ("trials", trials), ("max_products", max_products)):
        whole_number(name, value, least=1)
    whole_number("seed", seed, least=0, most=LARGEST_SEED)
    X, held_out = given_examples(X), given_examples(held_out)
    f = in_unit_of_data(as_self_map(f, X.shape[1:]), X)
    X = f.batch(X)
    held_out = None if held_out is None else f.batch(held_out)
    check_map(f, X, finite=False)
    span = Range.of(X)
    settings = (match_tol, trials, max_products, seed)
    if known is not None and not (drawn and len(X) <= EXAMPLES):
        known = known.at(_chosen(X, seed))

    def from_noise_of(g: SelfMap) -> tuple[Atlas, list[Outcomes]]:
        with g.evaluating():
            return from_noise(
                g, Atlas.empty(g), start_kinds, span, starts=starts, seed=seed, **options
            )

    examples = _some(X, seed)
    drawn = drawn or from_noise_of(f)
    trained = _measure(f, (examples, X), drawn, settings, known, **options)
    unseen = None
    if held_out is not None:
        unseen = _measure(f, (_some(held_out, seed), held_out), drawn, settings, **options)
        # Noise is the same whatever states are looked at: of this there is no such control.
        del unseen.rates["settled"]
    fresh: Measured | str
    try:
        g = _unchecked(untrained(f, seed), f, examples)
        known = _plainly_expanding(g, examples, settings[2])
        fresh = _measure(g, (examples, X), from_noise_of(g), settings, known=known, **options)
    except MnemoscopeError as error:
        # No weights to be had, or outputs that are not finite. What was given is checked by now.
        fresh = str(error)
    return Controls(trained, fresh, unseen)


def _unchecked(g: SelfMap, f: SelfMap, examples: Tensor) -> SelfMap:
    """The map with fresh weights, for which a check of the trained one holds, if that was smooth.

    What is computed over the batch, drawn, or cut off from the derivative is so by architecture;
    the steps in which values come may depend on the weights.
    """
    if f.resolution.smooth and not f.findings.untrue and not g.written_out:
        if not bool(torch.isfinite(g(examples)).all()):
            raise MnemoscopeError(
                "fresh weights that make NaN or infinity of an example",
                expected="finite outputs",
                todo="nothing: there is no such control then",
            )
        g.findings.adopt(f.findings)
        g.findings.exempt = True
    return g


def _plainly_expanding(g: SelfMap, Z: Tensor, max_products: int) -> Linearized | None:
    """The derivative where an eigenvalue above 1 at each state says all that a control is asked.

    It contracts nowhere then, nor in norm, which is no smaller: of large maps neither norms nor
    left vectors are computed for that. None where it is not so.
    """
    if g.by_values or g.narrowest <= DENSE_BOUND_SIZE:
        return None
    radius = Z.new_empty(0)
    # Of one state first: where that one does not expand, there is little lost.
    for count in sorted({1, len(Z)}):
        radius, info = spectral_radius(g, Z[:count], return_info=True, max_products=max_products)
        if not bool((radius - info.residual[:, 0] > 1).all()):
            return None
    return Linearized(
        spectral_radius=radius,
        spectral_radius_interval=None,
        upper=torch.full_like(radius, torch.inf),
        error_bound=None,
        contractive=("undecided",) * len(Z),
        operator_norm=radius if g.reversible else None,
        spectra=pl.DataFrame(schema=SPECTRA),
    )


def _measure(
    f: SelfMap,
    states: tuple[Tensor, Tensor],
    drawn: tuple[Atlas, list[Outcomes]],
    settings: tuple[float, int, int, int],
    known: Linearized | None = None,
    **options: Unpack[OrbitOptions],
) -> Measured:
    """Measures a map at some states of all of their kind, given what noise has found."""
    Z, every = states
    (atlas, noise), (match_tol, trials, max_products, seed) = drawn, settings
    reached = reached_by(noise).to(atlas.period.device)
    attractors, fixed_points = len(reached), int((atlas.period[reached] == 1).sum())
    labels = torch.cat([atlas.owner[:0], *(p.labels for p in noise if p.kind != "bred")])
    with f.evaluating():
        if isinstance(known, Examined):
            examined = known
        else:
            atlas, examined = examine(
                f, Z, atlas, match_tol=match_tol, spectrum_size=1, max_products=max_products,
                among=every, known=known, **options,
            )  # fmt: skip
        _, recalled = measure_recall(
            f, Z, atlas, examined, {NOISE[0]: [NOISE[1]]}, trials=trials, seed=seed, **options
        )
    radii = examined.radii
    counts = {
        "stored": (radii.count(examined.stored), radii.total),
        **_contractive(examined),
        "recalled": (int(recalled.table["recalled"].sum()), int(recalled.table["trials"].sum())),
        "reached_from_noise": (examined.reached(reached_by(noise)), radii.total),
        "settled": (int((labels >= 0).sum()), len(labels)),
    }
    return Measured(
        rates={name: rate(*count) for name, count in counts.items()},
        attractors=attractors,
        fixed_points=fixed_points,
        starts=sum(len(part.labels) for part in noise),
    )


def _contractive(examined: Examined) -> dict[str, tuple[int, int]]:
    n, norm = len(examined.contractive), examined.operator_norm
    counts = {"contractive": (examined.contractive.count("yes"), n)}
    return counts if norm is None else counts | {"contractive_in_norm": (int((norm < 1).sum()), n)}


def _some(Z: Tensor, seed: int) -> Tensor:
    return Z[_chosen(Z, seed)]


def _chosen(Z: Tensor, seed: int) -> Int[Tensor, " r"]:
    generator = torch.Generator().manual_seed(seed)
    return torch.randperm(len(Z), generator=generator)[:EXAMPLES].sort().values.to(Z.device)


def _lights_up(here: dict[str, Any], there: dict[str, Any]) -> bool:
    if there["count"] == 0:
        return False
    overlap = there["high"] >= here["low"]
    return overlap or there["count"] / there["total"] > MUCH_LESS * here["count"] / here["total"]
