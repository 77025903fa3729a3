"""Checks that a map is one before anything is measured: every public function calls this first.

A map must be deterministic and take each state of a batch by itself, and derivatives that are used
must be those of the values it returns. The last is decided from difference quotients in several
directions, among them the state itself (a statistic of the state that is cut off from the
derivative, such as its norm, shows along it), the constant direction (means) and the step `f(z) -
z`. What a check has found is kept with the map, and for modules also by module, so that the many
functions of an audit pay for one check.
"""

import logging
import weakref
from collections.abc import Callable
from dataclasses import replace

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from mnemoscope.base.errors import MnemoscopeError, first_line
from mnemoscope.base.unit import unit_of_starts
from mnemoscope.maps.differences import off_the_edge
from mnemoscope.maps.failures import MapFailedError
from mnemoscope.maps.live_memory import is_memory
from mnemoscope.maps.prediction_check import check_prediction
from mnemoscope.maps.resolution import (
    NARROW,
    NEARBY,
    Inwards,
    Resolution,
    expanded,
    measure_resolution,
    rms,
)
from mnemoscope.maps.self_map import Findings, SelfMap

SAME = 1e-4
"""Share of the output's largest entry by which two evaluations of one state may differ: kernels sum
in another order for another batch. Sampling differs by far more. Values that come in steps may
differ by some of these."""

STEPS = 4
"""Steps by which a rounded value may differ between batches: each rounding in a map may fall the
other way, and is amplified by what follows."""

AGREE = 0.05
"""Share of a difference quotient by which a Jacobian-vector product may miss it. Over a length of
`eps^(1/2)` a share of about `eps^(1/2)` of all rectifying units change sides, which changes the
quotient by no more than `eps^(1/4)`, 2% in float32; curvature and rounding are allowed for
separately. A derivative that is cut off misses a whole branch."""

NOISE = 10
"""Roundings, in `eps` times the largest entry, that a value may be off by."""

BENT = (0.2, 0.03)
"""Where the second difference over `eps^(1/3)` or `eps^(1/2)` is this share of the first, or there
is no first difference at all, values may come in steps: these are then measured."""

AMPLIFIED = 10
"""Images may differ between batches by as many times what rounding the state changes them by: a map
may amplify the rounding of each of its layers."""

LARGE = 2**14
"""Entries of a state from which on fewer states and directions are tried: one direction already
averages over many entries."""

AT_ONCE = 8
"""States evaluated at once: who measures in small batches is not to be surprised by larger ones."""

FOLLOWED = 8
"""Steps of the power method after which a direction that grows much more than others shows."""

SPANNED = 3
"""Largest state, in entries, that the directions of every check span: two random and the constant
one."""

TRIED = 64
"""States among which some are looked for that the map takes, where it raises for the first ones."""

UNTRUE = "a map whose derivatives are not those of its values"
"""What is wrong with a part that is cut off."""

STEPPED = "a quantized map: its values come in steps, which derivatives do not see"
"""What is wrong with derivatives between steps."""

_log = logging.getLogger("mnemoscope")

_KNOWN: "weakref.WeakKeyDictionary[nn.Module, Findings]" = weakref.WeakKeyDictionary()
"""What was found of maps that are one module."""


def check_map(f: SelfMap, Z: Float[Tensor, "n *shape"], *, finite: bool = True) -> None:
    """Checks a map that is to be measured whole.

    Evaluates it at the first, the middle and the last state, together in two orders and each alone,
    and compares products with the Jacobian with difference quotients there. That is done once for a
    map: later calls return at once unless its weights, mode, dtype or shape changed. A map whose
    values come in steps that hide its derivative passes, and `f.by_values` then says that growth is
    measured from values.

    Args:
        f: The map.
        Z: `(n, *shape)`, states that it is to be measured at.
        finite: Whether the images of the states that are tried must be finite.

    States outside the map's domain, and states at which it raises, are an error: those here are to
    be measured. The check itself evaluates it in its domain only.

    Raises:
        MnemoscopeError: an image is not finite, differs from one evaluation to the next, or depends
            on the rest of the batch; derivatives are not those of the values; a state lies outside
            the domain.
    """
    Z = f.batch(Z)
    check_derivatives(f, Z)
    check_prediction(f, Z)
    broken = f.findings.broken
    if not finite:
        return
    if f.written_out and len(Z):
        places = _places(f, Z)
        bad = (~torch.isfinite(f(Z[places]))).flatten(1).any(1)
        broken = int(places[bad][0]) if bool(bad.any()) else None
    if broken is not None:
        raise MnemoscopeError(
            f"a map that makes NaN or infinity of state {broken} in its first step",
            expected="finite outputs",
            todo="check the weights, and the scale of the data",
        )


def check_derivatives(f: SelfMap, Z: Float[Tensor, "n *shape"]) -> None:
    """Checks a map whose derivatives are to be used; images that are not finite are let pass.

    Raises:
        MnemoscopeError: as `check_map`, but for images that are not finite.
    """
    f.refuse_outside(f.batch(Z))
    check_values(f, Z, everywhere=True)
    if f.findings.untrue and f.resolution.smooth:
        raise MnemoscopeError(
            f.findings.untrue,
            expected="derivatives that are those of the values: no .detach() or torch.no_grad() "
            "inside",
            todo="take these out, or measure it by its values, as a black box: "
            "mn.Wrapped(f, black_box=True), --black-box",
        )


def check_loaded(f: SelfMap, Z: Float[Tensor, "n *shape"]) -> None:
    """Checks a map when it is loaded; one that PyTorch cannot differentiate is let pass.

    One whose values come in steps is checked again at the first states that it is measured at: how
    the steps of one state depend on the others shows where these differ in scale, which no states
    of the check's own do.
    """
    examined = _examined(f, Z)
    if f.findings.untrue == UNTRUE:
        check_derivatives(f, Z)
    if not f.resolution.smooth:
        f.findings.fingerprint = None
        for module in f.modules:
            _KNOWN.pop(module, None)
    elif examined:
        _log_findings(f)


def check_values(f: SelfMap, Z: Float[Tensor, "n *shape"], *, everywhere: bool = False) -> None:
    """Checks a map whose values suffice; `f.by_values` says where derivatives are not theirs.

    Args:
        f: The map.
        Z: `(n, *shape)`, states that it is to be evaluated at.
        everywhere: Whether all of them must lie in the map's domain. If not, it is checked at some
            that do, and not at all where none does.

    Raises:
        MnemoscopeError: an image differs from one evaluation to the next, or depends on the rest of
            the batch.
    """
    if _examined(f, Z, everywhere=everywhere):
        _log_findings(f)


def _examined(f: SelfMap, Z: Tensor, *, everywhere: bool = False) -> bool:
    """Checks a map, unless what is known of it still holds; whether it did."""
    if len(Z) == 0 or (f.in_use and f.findings.fingerprint is not None):
        return False
    now = _fingerprint(f)
    if now is None or f.findings.fingerprint == now:
        return False
    module = f.modules[0] if len(f.modules) == 1 and len(set(map(id, f.stages))) == 1 else None
    # What a module without tensors does is up to what it holds, which may change unseen.
    cached = _KNOWN.get(module) if module is not None and now[0] else None
    if cached is not None and cached.fingerprint == now:
        f.findings.adopt(cached)
        return False
    Z = f.batch(Z)
    places = _places(f, Z)
    unit = f.known_unit or unit_of_starts(Z)
    before = torch.random.get_rng_state()
    try:
        with f.evaluating():
            try:
                found = _examine(f, Z[places], unit=unit)
            except MapFailedError:
                places = places[:0] if everywhere else _defined_places(f, Z)
                if len(places) == 0:
                    raise
                found = _examine(f, Z[places], unit=unit)
    except MapFailedError as error:
        # A layer that takes one state without a batch takes a batch of one, and no other.
        raise f.with_layout(error) from error.__cause__
    finally:
        torch.random.set_rng_state(before)
    found.broken = None if found.broken is None else int(places[found.broken])
    found.fingerprint = now
    f.findings.adopt(found)
    if module is not None and now[0]:
        _KNOWN[module] = found
    return True


def check_growth(f: SelfMap, Z: Float[Tensor, "n *shape"]) -> None:
    """Checks derivatives along the directions that grow most: see `compare_growth`.

    Raises:
        MnemoscopeError: derivatives are not those of the values.
    """
    if compare_growth(f, Z):
        check_derivatives(f, Z)


def compare_growth(f: SelfMap, Z: Float[Tensor, "n *shape"]) -> bool:
    """Compares derivatives with values along the directions that grow most, at a few states.

    A part of the map that is cut off from the derivative, and acts in few directions of many, shows
    neither along random directions nor along the leading eigenvector of the Jacobian that lacks it.
    So the power method is followed both with products with the Jacobian and with difference
    quotients, `FOLLOWED` steps each. Done once for a map; `f.by_values` then holds the result.

    Returns:
        Whether derivatives were found now not to be those of the values.
    """
    if f.findings.followed or f.by_values or len(Z) == 0 or f.size <= SPANNED:
        return False
    if _fingerprint(f) is None:
        return False
    states = _finite_images(f, Z[_places(f, Z)][: 1 if f.size >= LARGE else None])[0]
    if len(states):
        length = _lengths(f, states)[0]
        start = _random(states, seed=2)
        ours, theirs = start, start
        for _ in range(FOLLOWED if f.size < LARGE else 1):
            ours = _normalized(_products(f, states, ours), ours)
            at = f.clipped(states, (length * theirs).abs())
            plus, minus = f(at + length * theirs), f(at - length * theirs)
            theirs = _normalized(plus - minus, theirs)
        both, along = torch.cat([states, states]), torch.cat([ours, theirs])
        holds = any(_Agreement(f, z, along).holds() for z in (both, _moved(f, both)))
        f.findings.untrue = "" if holds or _holds_in_float64(f, both, along) else UNTRUE
    f.findings.followed = True
    if f.findings.untrue:
        _log_findings(f)
    return bool(f.findings.untrue)


def _places(f: SelfMap, Z: Tensor) -> Int[Tensor, " k"]:
    """Returns the first, middle and last state in the domain's bounds; two if they are large.

    States that are not finite are passed over.
    """
    good = torch.isfinite(Z).flatten(1).all(1)
    finite = (good if f.domain is None else good & f.domain.holds(Z)).nonzero()[:, 0]
    return _spread_over(finite, Z)


def _defined_places(f: SelfMap, Z: Tensor) -> Int[Tensor, " k"]:
    """Returns the same of the states that the map does not raise for, among some of them."""
    some = torch.linspace(0, len(Z) - 1, min(TRIED, len(Z)), device=Z.device).long().unique()
    found = f.images(Z[some])
    good = torch.isfinite(Z[some]).flatten(1).all(1)
    return _spread_over(some[good if found.outside is None else good & ~found.outside], Z)


def _spread_over(finite: Tensor, Z: Tensor) -> Int[Tensor, " k"]:
    if len(finite) == 0:
        return finite
    some = [0, len(finite) // 2, len(finite) - 1]
    if Z.shape[1:].numel() >= LARGE:
        some = [0, len(finite) - 1]
    return finite[torch.tensor(sorted(set(some)), device=Z.device)]


def _fingerprint(f: SelfMap) -> tuple[object, ...] | None:
    """Returns what the outcome of a check depends on; None where there is nothing to check."""
    if f.findings.exempt or f.written_out:
        return None
    tensors = [t for m in f.modules for t in (*m.parameters(), *m.buffers())]
    versions = tuple((id(t), 0 if t.is_inference() else t._version) for t in tensors)
    layers = [m for module in f.modules for m in module.modules()]
    hooks = tuple(len(m._forward_hooks) + len(m._forward_pre_hooks) for m in layers)
    # A power has those of one application.
    boxes = frozenset(box.bounds or id(box) for box in f.boxes if box is not None)
    # Not the mode that a network is in: it is always evaluated in eval mode.
    return versions, hooks, f.dtype, f.shape, boxes


def _examine(f: SelfMap, states: Tensor, *, unit: float) -> Findings:
    """Finds everything that a check can find; raises where it is no map."""
    found = Findings()
    if len(states) == 0:
        return found
    images = _independent(f, states, unit=unit)
    finite = torch.isfinite(images).flatten(1).all(1)
    if not bool(finite.all()):
        found.broken = int((~finite).nonzero()[0, 0])
    states, images = states[finite], images[finite]
    if len(states) == 0:
        return found
    f.findings.centre = found.centre = states.mean(0, keepdim=True)
    if f.differentiable:
        _examine_derivatives(f, found, states, images, unit)
    else:
        found.resolution = _resolution(f, states, unit)
    return found


def _examine_derivatives(
    f: SelfMap, found: Findings, states: Tensor, images: Tensor, unit: float
) -> None:
    """Finds whether derivatives are those of the values, and the steps in which these come."""
    points, directions = _directions(states, images)
    try:
        refused = f.findings.refused
        agreement, holds = _agree(f, points, directions)
        if f.findings.refused != refused:
            # Where the map raised next to a state nothing was compared.
            agreement, holds = _agree(f, points, directions)
    except (RuntimeError, NotImplementedError, MnemoscopeError) as error:
        if is_memory(error):
            raise
        found.untrue = _not_differentiable(error)
        found.resolution = _resolution(f, states, unit)
        return
    if holds and not agreement.suspicious:
        return
    found.resolution = _resolution(f, states, unit)
    if found.resolution.smooth:
        found.untrue = "" if holds or _holds_in_float64(f, points, directions) else UNTRUE
    elif found.resolution.kind == "quantized" or not agreement.at(found.resolution):
        # In steps so fine that no data show them, but derivatives do not know them.
        found.resolution = replace(found.resolution, kind="quantized")
        found.untrue = STEPPED


def _agree(f: SelfMap, points: Tensor, directions: Tensor) -> "tuple[_Agreement, bool]":
    """Returns products and quotients at points, and whether they agree there or close by."""
    agreement = _Agreement(f, points, directions)
    return agreement, agreement.holds() or _Agreement(f, _moved(f, points), directions).holds()


def _resolution(f: SelfMap, states: Tensor, unit: float) -> Resolution:
    """Returns the steps in which values come; within the domain, as far as it is known."""
    states = _finite_images(f, states)[0]
    refused = f.findings.refused
    values = _values(f)
    if not f.bounded:
        found = measure_resolution(values, states, unit=unit)
        if f.findings.refused == refused:
            return found
    width = torch.inf if f.domain is None else f.domain.narrowest(states)
    if f.findings.refused:
        width = min(width, NEARBY / NARROW * unit)
    inwards = Inwards(lambda Z, reach: off_the_edge(f, Z, reach), width, f.findings.refused != "")
    return measure_resolution(values, states, unit=unit, inwards=inwards)


def _independent(f: SelfMap, states: Tensor, *, unit: float) -> Float[Tensor, "n *shape"]:
    """Returns the images of states, which are the same together, in another order, and alone."""
    rows = _with_others(f, states)
    together = f.at_each(rows)
    backwards = f(rows.flip(0)).flip(0)
    alone = torch.cat([f(row[None]) for row in rows])
    finite = torch.isfinite(together)
    limit = SAME * float(together[finite].abs().max()) if bool(finite.any()) else 0.0
    each = torch.maximum(_each_apart(together, backwards), _each_apart(together, alone))
    differs = float(each.max())
    if differs <= limit:
        return together[: len(states)]
    for again in (f(rows), f(rows)):
        if _apart(together, again) > limit:
            raise MnemoscopeError(
                "a map that gives another image of one state each time (they differ by "
                f"{_apart(together, again):.2g})",
                expected="a deterministic map",
                todo="let it give its mean (of a VAE the decoded mode), switch dropout and masking "
                "off",
            )
    tolerated = limit + AMPLIFIED * _sensitivity(f, rows, together)
    far = each > tolerated
    steps = _steps_alone(f, rows, far, unit=unit)
    if bool((each[far] > tolerated + STEPS * steps).any()):
        raise MnemoscopeError(
            f"a map whose image of a state depends on the others in its batch (by {differs:.2g})",
            expected="a map that takes each state by itself",
            todo=_uncoupled(f, in_steps=bool((steps > 0).any())),
        )
    return together[: len(states)]


def _steps_alone(
    f: SelfMap, rows: Tensor, far: Bool[Tensor, " n"], *, unit: float
) -> Float[Tensor, " far"]:
    """Returns the steps of some states' values where each is evaluated by itself.

    In a batch the steps of a dynamically quantized map are those of its largest state, which would
    hide that the others depend on it. Where a state's own lines show no step, those of all do.
    """

    def values(Z: Tensor) -> Tensor:
        return torch.cat([f(z[None]) for z in Z]) if len(Z) else Z

    def step(some: Tensor) -> float:
        return measure_resolution(values, some, unit=unit).entry

    if not bool(far.any()):
        return torch.zeros(0, dtype=rows.dtype, device=rows.device)
    own = [step(row[None]) for row in rows[far]]
    of_all = 0.0 if all(own) else step(rows)
    return torch.tensor([one or of_all for one in own], dtype=rows.dtype, device=rows.device)


def _uncoupled(f: SelfMap, *, in_steps: bool) -> str:
    """Advises on states that depend on their batch, of a map of values in steps or not."""
    if in_steps or any(_is_quantized(m) for net in f.modules for m in net.modules()):
        return (
            "evaluate one state at a time where numbers are quantized over the batch: "
            "mn.Wrapped(f, fixed_batch=1), --fixed-batch 1; or compute nothing over the batch"
        )
    return (
        "replace what is computed over the batch by running statistics, and check which axis is "
        "the batch (batch_first=True)"
    )


def _is_quantized(module: nn.Module) -> bool:
    """Returns whether a layer computes with integers, by the names of its and its weights' kind."""
    kinds = [type(module), *map(type, vars(module).get("_parameters", {}).values())]
    return any("quantized" in f"{kind.__module__}.{kind.__qualname__}".lower() for kind in kinds)


def _sensitivity(f: SelfMap, rows: Tensor, images: Tensor) -> float:
    """Returns the largest change of an image if each entry of its state is rounded differently."""
    eps = torch.finfo(f.dtype).eps
    found = []
    for k in range(2):
        moved = f.images(f.clipped(rows * (1 + eps * _random(rows, seed=k))))
        inside = slice(None) if moved.outside is None else ~moved.outside
        found.append(_apart(moved.values[inside], images[inside]) if len(images[inside]) else 0.0)
    return max(found)


def _with_others(f: SelfMap, states: Tensor) -> Tensor:
    """Returns the states, with others in their range that `f` maps where they are fewer than 3.

    One state alone cannot show that it depends on others. The others have other means, largest
    entries and norms.
    """
    wanted = (2 if f.size >= LARGE else 3) - len(states)
    if wanted <= 0:
        return states
    flat = states[:1].flatten(1)
    low, high = flat.amin(), flat.amax()
    ends = (low, high) if bool(low < high) else (0 * low, 2 * high)
    others = torch.cat([(end + flat.flip(1)) / 2 for end in ends][:wanted])
    others = f.clipped(others.reshape(-1, *states.shape[1:]))
    try:
        outside = f.images(others).outside
    except MnemoscopeError:
        return states
    return torch.cat([states, others if outside is None else others[~outside]])


def _apart(a: Tensor, b: Tensor) -> float:
    """Returns the largest difference; entries that are not finite in both are passed over."""
    return float(_each_apart(a, b).max())


def _each_apart(a: Tensor, b: Tensor) -> Float[Tensor, " n"]:
    """Returns the largest difference of each state."""
    both = ~(torch.isfinite(a) | torch.isfinite(b))
    return torch.where(both, 0, a - b).abs().nan_to_num(torch.inf).flatten(1).amax(1)


def _values(f: SelfMap) -> Callable[[Tensor], Tensor]:
    """Returns the map, a few states at a time."""
    return lambda Z: torch.cat([f(part) for part in Z.split(AT_ONCE)]) if len(Z) else Z


def _finite_images(f: SelfMap, states: Tensor) -> tuple[Tensor, Tensor]:
    """Returns the states whose images are finite, and these."""
    images = f(states)
    rows = torch.isfinite(images).flatten(1).all(1)
    return states[rows], images[rows]


def _directions(states: Tensor, images: Tensor) -> tuple[Tensor, Tensor]:
    """Points and directions of RMS 1: two at random, the state, the constant, the step."""
    ones, step = torch.ones_like(states), images - states
    if states.shape[1:].numel() >= LARGE:
        first = states[:1]
        mixed = _random(first, seed=0) + ones[:1] + _normalized(step[:1], ones[:1])
        made = [_normalized(mixed, ones[:1]), _normalized(first, ones[:1])]
        return first.repeat(2, *[1] * (states.ndim - 1)), torch.cat(made)
    made = [_random(states, seed=0), _random(states, seed=1), states, ones, step]
    points = states.repeat(len(made), *[1] * (states.ndim - 1))
    return points, torch.cat([_normalized(v, ones) for v in made])


def _moved(f: SelfMap, points: Tensor) -> Tensor:
    """Points a hundredth away: not where entries tie, or a kink lies at the very state.

    Those that the map does not take stay where they are.
    """
    moved = f.clipped(points + expanded(rms(points) / 100, points) * _random(points, seed=3))
    outside = f.images(moved).outside
    return moved if outside is None else torch.where(expanded(outside, points), points, moved)


def _random(states: Tensor, *, seed: int) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    drawn = torch.randn(states.shape, generator=generator, dtype=torch.float32).to(states)
    return drawn / expanded(rms(drawn), drawn)


def _normalized(V: Tensor, instead: Tensor) -> Tensor:
    """Directions of RMS 1; another where one vanishes or is not finite."""
    size = rms(V)
    good = torch.isfinite(size) & (size > 0)
    scaled = V / expanded(torch.where(good, size, 1), V)
    return torch.where(expanded(good, V), scaled, instead)


def _lengths(f: SelfMap, points: Tensor) -> tuple[float, float, float]:
    """Lengths of differences, the best first, in the scale of the states."""
    eps = torch.finfo(f.dtype).eps
    size = float(rms(points).median()) or f.unit
    return eps ** (1 / 3) * size, eps ** (1 / 2) * size, eps ** (2 / 3) * size


def _products(f: SelfMap, points: Tensor, directions: Tensor) -> Tensor:
    """Returns a product with the Jacobian at each point, as many at once as fit into memory."""
    size = f.batch_size(f.footprint.linearize, largest=AT_ONCE)
    parts = zip(points.split(size), directions.split(size), strict=True)
    return torch.cat([f.linearize(z).jvp(v) for z, v in parts])


class _Agreement:
    """Products with the Jacobian and difference quotients, at points and along directions.

    Attributes:
        suspicious: Whether values stay or jump over short lengths, as in steps; set by `holds`.
    """

    def __init__(self, f: SelfMap, points: Tensor, directions: Tensor) -> None:
        self._f, self._values = f, _values(f)
        points = off_the_edge(f, points, (_lengths(f, points)[0] * directions).abs())
        self._points, self._directions = points, directions
        self._products = _products(f, points, directions)
        self._images = self._values(points)
        self.suspicious = False

    def holds(self) -> bool:
        """Returns whether each product is a difference quotient over some length."""
        # A derivative that is not finite, as at a kink, is one state's; that of all is none.
        finite = torch.isfinite(rms(self._products))
        good = ~finite if bool(finite.any()) else finite
        every = torch.arange(len(good), device=good.device)
        for place, length in enumerate(_lengths(self._f, self._points)):
            rows = (~good).nonzero()[:, 0]
            # Steps are looked for over two lengths; in large states along one direction.
            looking = place < len(BENT) and not self.suspicious
            if looking:
                some = every[:1] if place and self._f.size >= LARGE else every
                rows = torch.cat([rows, some]).unique()
            if len(rows) == 0:
                return True
            first, second = self._differences(rows, length)
            slope, bend = rms(first) / (2 * length), rms(second) / (2 * length)
            level = self._images[rows].flatten(1).abs().amax(1)
            noise = NOISE * torch.finfo(self._f.dtype).eps / length * level
            miss = rms(self._products[rows] - first / (2 * length))
            near = (miss <= AGREE * slope + bend + noise) | ~torch.isfinite(slope)
            if looking:
                self.suspicious = bool((slope <= noise).all()) and place == 0
                self.suspicious |= bool((bend > BENT[place] * slope + noise).any() or (~near).any())
            good[rows] |= near
        return bool(good.all())

    def at(self, resolution: Resolution) -> bool:
        """Returns whether products are the quotients over the length at which steps show least.

        Not if the steps hide all of these: a derivative of 0 would agree with anything.
        """
        rows = torch.arange(len(self._points), device=self._points.device)
        first, second = self._differences(rows, resolution.length)
        quotient = first / (2 * resolution.length)
        bend = rms(second) / (2 * resolution.length)
        miss = rms(self._products - quotient)
        slope, hidden = rms(quotient), bend + 2 * resolution.quotient_error
        near = (miss <= AGREE * slope + hidden) | ~torch.isfinite(slope)
        return bool(near.all()) and bool((slope > 2 * hidden).any())

    def _differences(self, rows: Tensor, length: float) -> tuple[Tensor, Tensor]:
        z, v = self._points[rows], self._directions[rows]
        plus, minus = self._values(z + length * v), self._values(z - length * v)
        return plus - minus, plus - 2 * self._images[rows] + minus


def _holds_in_float64(f: SelfMap, points: Tensor, directions: Tensor) -> bool:
    """Returns whether derivatives agree in float64, which the map must support."""
    if f.dtype == torch.float64 or not f.modules or f.device.type == "mps":
        return False
    try:
        g = f.to(torch.float64)
        g.findings.refused, g.findings.centre = f.findings.refused, f.findings.centre
        return _Agreement(g, points.double(), directions.double()).holds()
    except (RuntimeError, MnemoscopeError) as error:
        if is_memory(error):
            raise
        return False


def _not_differentiable(error: BaseException) -> str:
    cause = error.__cause__ or error
    reason = first_line(cause)
    return f"a map that PyTorch cannot differentiate ({type(cause).__name__}: {reason})"


def _log_findings(f: SelfMap) -> None:
    if f.findings.untrue:
        _log.warning("%s; where values suffice, it is measured by these", f.findings.untrue)
    if not f.resolution.smooth:
        _log.info("the values of the map come in steps of about %.2g", f.resolution.entry)
