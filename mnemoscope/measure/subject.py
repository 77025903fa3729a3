"""The subject of an audit: a map and the examples it is measured at, prepared once."""

import logging
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float, Num
from torch import Tensor

from mnemoscope.base.check import seed as checked_seed
from mnemoscope.base.errors import MnemoscopeError
from mnemoscope.base.unit import feature_units, uneven_features
from mnemoscope.data import CORRUPTIONS, corrupt
from mnemoscope.data.given import given_examples
from mnemoscope.dynamics.orbits import OrbitOptions
from mnemoscope.dynamics.starts import Range
from mnemoscope.maps import SelfMap, check_map
from mnemoscope.maps.feature_units import in_feature_units
from mnemoscope.maps.prediction_check import check_prediction
from mnemoscope.maps.self_map import Stage, as_self_map, in_unit_of_data
from mnemoscope.maps.wrapped import refuse_range
from mnemoscope.measure.options import AuditOptions, AuditRun, Tolerances

PART = 2**22
"""Entries read at once."""


def parts(
    f: SelfMap, X: Num[Tensor, "n *shape"], size: int
) -> Iterator[tuple[int, Float[Tensor, "b *shape"]]]:
    """Yields the examples in parts, as states of the map, each with the index of its first."""
    for begin in range(0, len(X), size):
        yield begin, f.batch(X[begin : begin + size])


def at_once(f: SelfMap) -> int:
    """Returns how many examples are read at once where nothing is evaluated, at least 1."""
    return max(1, PART // f.size)


def check_whole_set(f: SelfMap, X: Num[Tensor, "n *shape"], name: str = "the examples") -> None:
    """Refuses examples that are no states of the map, none at all, or not all finite."""
    f.batch(X[:1])
    if len(X) == 0:
        raise MnemoscopeError(
            f"{name} of shape {tuple(X.shape)}", expected="at least one", todo="pass some"
        )
    for begin, part in parts(f, X, at_once(f)):
        if not bool(torch.isfinite(part).all()):
            where = (~torch.isfinite(part)).nonzero()[0].tolist()
            raise MnemoscopeError(
                f"NaN or infinity in {name} at index {[where[0] + begin, *where[1:]]}",
                expected=f"finite numbers within the range of {f.dtype}",
                todo="repair or leave out that example",
            )


def name_of(f: SelfMap, run: AuditRun) -> str:
    """Returns what a report calls the map."""
    return run.name or (type(f.modules[0]).__name__ if f.modules else "a map")


PER_FEATURE = "per_feature"
"""The unit that gives each entry of a state one of its own."""

_log = logging.getLogger("mnemoscope")


@dataclass(frozen=True)
class Subject:
    """A map and the examples it is measured at."""

    # As it was given, and in the unit of the measurement.
    given: SelfMap
    f: SelfMap
    # The examples as states of `f`, and in their own scale.
    X: Float[Tensor, "n *shape"]
    original: Float[Tensor, "n *shape"]
    held_out: Float[Tensor, "h *shape"] | None
    # All training examples, where `X` is a part of them.
    among: Num[Tensor, "m *shape"] | None
    # The unit of each entry, where they have units of their own.
    scale: Float[Tensor, "*shape"] | None
    span: Range
    corruptions: Mapping[str, Sequence[float]]
    options: AuditOptions
    seed: int

    @classmethod
    def of(
        cls,
        f: Stage | SelfMap,
        X: Num[Tensor, "n *shape"],
        options: AuditOptions,
        *,
        held_out: Num[Tensor, "h *shape"] | None = None,
        among: Num[Tensor, "m *shape"] | None = None,
        seed: int = 0,
    ) -> "Subject":
        """Prepares a map and its examples, and refuses what cannot be measured."""
        X = given_examples(X)
        asked = as_self_map(f, X.shape[1:])
        X = asked.batch(X).clone()
        check_whole_set(asked, X)
        for stage in asked.stages:
            refuse_range(stage, X)
        asked.refuse_outside(X, "example")
        if held_out is not None:
            held_out = asked.batch(given_examples(held_out))
            check_whole_set(asked, held_out, "the held-out data")
            asked.at_each(held_out, "held-out example")
        if among is not None:
            among = given_examples(among)
            check_whole_set(asked, among)
        original = X
        scaled, scale = _scaled(asked, X, options.tolerances, among)
        if scale is not None:
            X, held_out = X / scale, None if held_out is None else held_out / scale
        return cls(
            given=asked,
            f=scaled,
            X=X,
            original=original,
            held_out=held_out,
            among=among,
            scale=scale,
            span=Range.of(X),
            corruptions=_corruptions(X, options.corruptions),
            options=options,
            seed=checked_seed(seed),
        )

    @property
    def tolerances(self) -> Tolerances:
        """How near counts as there."""
        return self.options.tolerances

    @property
    def orbits(self) -> OrbitOptions:
        """The options of orbits."""
        return self.options.orbits

    def check(self) -> None:
        """Checks the map before anything is measured."""
        check_map(self.f, self.X, finite=False)
        check_prediction(self.f, self.X, clean=True)


def _scaled(
    f: SelfMap, X: Tensor, tolerances: Tolerances, among: Tensor | None
) -> tuple[SelfMap, Float[Tensor, "*shape"] | None]:
    """Returns the map in the unit asked for, and the units of single features, if any."""
    unit = tolerances.unit
    if unit == PER_FEATURE:
        if among is not None:
            raise MnemoscopeError(
                f"unit={unit!r} with examples that are a part of others",
                expected="a number above 0",
                todo="divide the examples by the range of each feature, and conjugate the map",
                field="unit",
            )
        scale = feature_units(X)
        return in_feature_units(f, scale), scale
    if isinstance(unit, str):
        raise MnemoscopeError(
            f"unit={unit!r}",
            expected=f"a number above 0, or {PER_FEATURE!r}",
            todo="omit it for the range of the examples",
            field="unit",
            choices=(PER_FEATURE,),
        )
    ratio = uneven_features(X)
    if ratio is not None and unit is None:
        _log.warning(
            "the features differ in scale by a factor of %.3g, so distances hardly depend on the "
            "small ones; unit=%r (--unit per-feature) gives each feature its own unit",
            ratio,
            PER_FEATURE,
        )
    every = X if among is None else among
    return in_unit_of_data(f, every) if unit is None else f.with_unit(unit), None


def in_one_unit(f: SelfMap, X: Tensor, tolerances: Tolerances, what: str) -> SelfMap:
    """Returns the map in the unit asked for, which is that of all features in `what` is done."""
    unit = tolerances.unit
    if isinstance(unit, str):
        raise MnemoscopeError(
            f"unit={unit!r} in {what}",
            expected="one unit for all entries of a state",
            todo="pass a number",
            field="unit",
        )
    return in_unit_of_data(f, X) if unit is None else f.with_unit(unit)


def _corruptions(
    X: Tensor, asked: Mapping[str, Sequence[float]] | None
) -> dict[str, tuple[float, ...]]:
    """Returns the corruptions asked for, each strength once; default: all that are possible."""
    if asked is None:
        return {
            name: corruption.strengths
            for name, corruption in CORRUPTIONS.items()
            # One example alone cannot be mixed.
            if (X.ndim > 2 or not corruption.pictures_only) and (len(X) > 1 or name != "mix")
        }
    admitted: dict[str, tuple[float, ...]] = {}
    for kind, strengths in asked.items():
        try:
            admitted[kind] = tuple(dict.fromkeys(float(strength) for strength in strengths))
        except (TypeError, ValueError) as error:
            raise MnemoscopeError(
                f"strengths {strengths!r} of the corruption {kind!r}",
                expected="a list of numbers",
                todo=f"pass corruptions={{{kind!r}: [0.1, 0.2]}}",
                field="corruptions",
            ) from error
        for strength in admitted[kind]:
            corrupt(X[:2], kind, strength)
    return admitted
