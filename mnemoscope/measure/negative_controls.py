"""Negative controls: the same measurements where nothing can have been memorized.

A measurement at the examples of a trained network is evidence of memorization only if it differs
from the same measurement (a) on an untrained network of the same architecture, and (b) at examples
that the trained network has not seen. A measurement that is also positive there is *not specific*.
An untrained network with small weights is nearly constant, so it contracts everywhere, and all
orbits end at its only attractor: contraction and settling orbits alone are no memory.
"""

from dataclasses import replace

import polars as pl
import torch
from jaxtyping import Float, Int
from torch import Tensor

from mnemoscope.base.errors import MnemoscopeError
from mnemoscope.base.stats import Rate
from mnemoscope.dynamics.atlas import Atlas
from mnemoscope.dynamics.outcomes import Outcomes, reached_by
from mnemoscope.linalg import jacobian_eigenvalues
from mnemoscope.linalg.bounded import DENSE_BOUND_SIZE
from mnemoscope.maps import SelfMap, check_map
from mnemoscope.maps.self_map import Stage
from mnemoscope.maps.untrained import untrained
from mnemoscope.measure.attractors import from_noise
from mnemoscope.measure.examples import Examined, Linearized, examine
from mnemoscope.measure.options import AuditOptions
from mnemoscope.measure.recall import measure_recall
from mnemoscope.measure.subject import Subject
from mnemoscope.results.summary import Controls, Measured
from mnemoscope.results.tables import NOISE, SPECTRA

EXAMPLES = 100
"""States that each control looks at, at most: a rate is then known to 10 percentage points at worst
(the half-width of Wilson's interval), and a control is to separate none from many."""

EACH = 50
"""Starts of each kind of noise. An attractor of a tenth of a basin is missed by 0.9^50 = 0.5%."""

TRIALS = 2
"""Corrupted copies of each example: at 100 examples a rate is known to 7 percentage points."""

MUCH_LESS = 0.1
"""A measurement is specific where a control says yes less than a tenth as often: a yes then speaks
for memory at odds of ten to one, what is called strong evidence (Jeffreys 1961, appendix B)."""


def not_specific_to(trained: Measured, control: Measured) -> tuple[str, ...]:
    """Lists the measurements that are also positive on a control, in the order of the fields.

    One is if it ever says yes there, and not clearly less often than of the trained map at its
    examples: the 95% intervals overlap, or the share is above a tenth of it (`MUCH_LESS`).
    """
    here, there = trained.rates(), control.rates()
    # Fresh weights may have derivatives where the trained ones have steps.
    return tuple(name for name in here if name in there and _positive(here[name], there[name]))


def judged(trained: Measured, untrained: Measured | str, held_out: Measured | None) -> Controls:
    """Judges which measurements are specific to the trained map at its examples."""
    missing = untrained if isinstance(untrained, str) else None
    controls = {
        name: control.model_copy(update={"not_specific": not_specific_to(trained, control)})
        for name, control in (("untrained", untrained), ("held_out", held_out))
        if isinstance(control, Measured)
    }
    positive = {name for control in controls.values() for name in control.not_specific}
    return Controls(
        trained=trained,
        untrained=controls.get("untrained"),
        untrained_missing=missing,
        held_out=controls.get("held_out"),
        not_specific=tuple(name for name in Measured.model_fields if name in positive),
    )


def controls(
    f: Stage | SelfMap,
    X: Float[Tensor, "n *shape"],
    held_out: Float[Tensor, "h *shape"] | None = None,
    options: AuditOptions | None = None,
    *,
    seed: int = 0,
) -> Controls:
    """Measures a map at its examples, and both controls, all three in the same way.

    With so few starts and copies that all three together cost a fraction of an audit with its 1,000
    starts of each kind and 10 copies of each corruption: `EXAMPLES`, `EACH`, `TRIALS`. So counts
    here may be lower than the audit's own; they are there to be compared with each other.

    Args:
        f: The network, a `SelfMap` or any callable that acts on a batch.
        X: `(n, *shape)`, what it was trained on.
        held_out: `(h, *shape)`, what it was not.
        options: What is tried (default: `EACH` starts of each kind and `TRIALS` copies).
        seed: Random seed of the untrained network, the starts, the corruptions, and the choice
            among more than `EXAMPLES` states.

    Raises:
        MnemoscopeError: `X` or `held_out` is no batch of states, the map makes NaN or infinity of
            one, or an option is out of range.

    Example:
        >>> from mnemoscope.nets import FullyConnected
        >>> net = FullyConnected(shape=(1, 4, 4), width=16, depth=3).build(seed=0)
        >>> X = torch.rand(20, 1, 4, 4, generator=torch.Generator().manual_seed(0))
        >>> controls(net, X).not_specific
        ('contractive', 'contractive_in_norm', 'settled')
    """
    options = options or AuditOptions(starts=EACH, trials=TRIALS)
    subject = Subject.of(f, X, options, held_out=held_out, seed=seed)
    check_map(subject.f, subject.X, finite=False)
    return measure_controls(subject)


def measure_controls(
    subject: Subject,
    known: Linearized | None = None,
    drawn: tuple[Atlas, list[Outcomes]] | None = None,
) -> Controls:
    """Measures the map at its examples and both controls."""
    options = replace(subject.options, spectrum_size=1)
    subject = replace(subject, options=options, corruptions={NOISE[0]: [NOISE[1]]})
    X, held_out, seed = subject.X, subject.held_out, subject.seed
    if known is not None and not (drawn and len(X) <= EXAMPLES):
        known = known.at(_chosen(X, seed))
    drawn = drawn or _from_noise(subject)
    examples = replace(subject, X=X[_chosen(X, seed)], among=X)
    trained = _measure(examples, drawn, known)
    unseen = None
    if held_out is not None:
        others = replace(subject, X=held_out[_chosen(held_out, seed)], among=held_out)
        # Noise is the same whatever states are looked at: of this there is no such control.
        unseen = _measure(others, drawn).model_copy(update={"settled": None})
    fresh: Measured | str
    try:
        g = _unchecked(untrained(subject.f, seed), subject.f, examples.X)
        at_fresh = replace(examples, f=g)
        expanding = _plainly_expanding(g, examples.X, subject.tolerances.max_products)
        fresh = _measure(at_fresh, _from_noise(at_fresh), expanding)
    except MnemoscopeError as error:
        # No weights to be had, or outputs that are not finite. What was given is checked by now.
        fresh = str(error)
    return judged(trained, fresh, unseen)


def _from_noise(subject: Subject) -> tuple[Atlas, list[Outcomes]]:
    with subject.f.evaluating():
        return from_noise(subject, Atlas.empty(subject.f))


def _unchecked(g: SelfMap, f: SelfMap, examples: Tensor) -> SelfMap:
    """Returns the map with fresh weights, for which the check of a smooth trained one holds.

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
    """Returns the derivative where an eigenvalue above 1 at each state decides a control.

    It contracts nowhere then, nor in norm, which is no smaller: of large maps neither norms nor
    left vectors are computed for that. None where it is not so.
    """
    if g.by_values or g.narrowest <= DENSE_BOUND_SIZE:
        return None
    radius = Z.new_empty(0)
    # Of one state first: where that one does not expand, there is little lost.
    for count in sorted({1, len(Z)}):
        found = jacobian_eigenvalues(g, Z[:count], 1, max_products=max_products)
        radius = found.radius
        if not bool((radius - found.residual[:, 0] > 1).all()):
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
    subject: Subject, drawn: tuple[Atlas, list[Outcomes]], known: Linearized | None = None
) -> Measured:
    """Measures a map at some states of all of their kind, given what noise has found."""
    atlas, noise = drawn
    reached = reached_by(noise).to(atlas.period.device)
    attractors, fixed_points = len(reached), int((atlas.period[reached] == 1).sum())
    labels = torch.cat([atlas.owner[:0], *(p.labels for p in noise if p.kind != "bred")])
    with subject.f.evaluating():
        if isinstance(known, Examined):
            examined = known
        else:
            atlas, examined = examine(subject, atlas, known=known)
        _, recalled = measure_recall(subject, atlas, examined)
    radii, n, norm = examined.radii, len(subject.X), examined.operator_norm
    counts = {
        "stored": (radii.count(examined.stored), radii.total),
        "contractive": (examined.contractive.count("yes"), n),
        "recalled": (int(recalled.table["recalled"].sum()), int(recalled.table["trials"].sum())),
        "reached": (examined.reached(reached_by(noise)), radii.total),
        "settled": (int((labels >= 0).sum()), len(labels)),
    }
    if norm is not None:
        counts["contractive_in_norm"] = (int((norm < 1).sum()), n)
    rates = {name: Rate.of(*count) for name, count in counts.items()}
    found = {
        "attractors": attractors,
        "fixed_points": fixed_points,
        "starts": sum(len(part.labels) for part in noise),
    }
    return Measured.model_validate({**rates, **found})


def _chosen(Z: Tensor, seed: int) -> Int[Tensor, " r"]:
    generator = torch.Generator().manual_seed(seed)
    return torch.randperm(len(Z), generator=generator)[:EXAMPLES].sort().values.to(Z.device)


def _positive(here: Rate, there: Rate) -> bool:
    if there.count == 0:
        return False
    overlap = there.high >= here.low
    return overlap or there.count / there.total > MUCH_LESS * here.count / here.total
